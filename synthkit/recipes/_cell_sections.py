"""Cells in sections: a line such as ``--- field question: yes, no`` begins each of them."""

from __future__ import annotations

import re

from synthkit.core.errors import PromptError


def sections(prompt: str, what: str) -> tuple[str, dict[str, tuple[str, str]]]:
    r"""The text before the first ``--- what NAME`` line, and the sections by their names.

    A section is what stands behind a colon on its line, and the text below it.

    >>> sections("Hello.\n--- role guide\nBe kind.\n--- role guest: shy\nAsk.", "role")
    ('Hello.\n', {'guide': ('', 'Be kind.\n'), 'guest': ('shy', 'Ask.')})

    Raises
    ------
    PromptError
        If a line has no name, or one that was given before.
    """
    before, *parts = re.split(rf"(?m)^---[ \t]*{what}\b(.*)\n?", prompt)
    found: dict[str, tuple[str, str]] = {}
    for line, text in zip(parts[::2], parts[1::2], strict=True):
        name, _, rest = (part.strip() for part in line.partition(":"))
        if not name.isidentifier():
            raise PromptError(
                f"expected a line '--- {what} NAME', where NAME has letters, digits and _ alone; "
                f"got '--- {what}{line.rstrip()}'."
            )
        if name in found:
            raise PromptError(f"the {what} {name!r} is given twice; rename one of them.")
        found[name] = (rest, text)
    return before, found
