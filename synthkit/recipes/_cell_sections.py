"""Sections of a ``%%synth`` cell, each below a line such as ``--- field question: yes, no``."""

from __future__ import annotations

import re

from synthkit.core.errors import PromptError


def sections(prompt: str, kind: str) -> tuple[str, dict[str, tuple[str, str]]]:
    r"""The text before the first ``--- kind NAME`` line, and the sections by name.

    A section is the text after the colon on its line, and the text below the line.

    >>> sections("Hello.\n--- role guide\nBe kind.\n--- role guest: shy\nAsk.", "role")
    ('Hello.\n', {'guide': ('', 'Be kind.\n'), 'guest': ('shy', 'Ask.')})

    Raises
    ------
    PromptError
        If a line has no valid name, or a name occurs twice.
    """
    before, *parts = re.split(rf"(?m)^---[ \t]*{kind}\b(.*)\n?", prompt)
    named: dict[str, tuple[str, str]] = {}
    for line, text in zip(parts[::2], parts[1::2], strict=True):
        name, _, rest = (part.strip() for part in line.partition(":"))
        if not name.isidentifier():
            raise PromptError(
                f"expected a line '--- {kind} NAME', where NAME has letters, digits and _ only; "
                f"got '--- {kind}{line.rstrip()}'."
            )
        if name in named:
            raise PromptError(f"the {kind} {name!r} is given twice; rename one of them.")
        named[name] = (rest, text)
    return before, named
