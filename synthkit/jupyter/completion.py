"""Completion of ``%synth`` lines: verbs, options, tables, models and values of options.

IPython completes no arguments of magics by itself; a matcher among its custom ones can.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from synthkit.jupyter.options import ARGUMENTS
from synthkit.jupyter.verbs import VERBS
from synthkit.models import FORMS

if TYPE_CHECKING:
    from synthkit.jupyter.magics import SynthMagics

_LINE = re.compile(r"^\s*%%?synth\s")
_CHOICES = {one.args[0]: one.kwds["choices"] for one in ARGUMENTS if one.kwds.get("choices")}


class Completer:
    """What may come next on a ``%synth`` or ``%%synth`` line, in this notebook."""

    def __init__(self, magics: SynthMagics) -> None:
        self._magics = magics

        @context_matcher()
        def synth_matcher(context: Any) -> dict[str, Any]:
            line = context.line_with_cursor[: context.cursor_position]
            if context.cursor_line != 0 or not _LINE.match(line):
                return {"completions": []}
            found = self.candidates(line)
            token = context.token
            return {
                "completions": [SimpleCompletion(text=c, type="magic") for c in _fit(found, token)],
                "suppress": bool(found),
                "ordered": True,
            }

        self.matcher = synth_matcher

    def candidates(self, line: str) -> list[str]:
        """All that the last word of a line could become."""
        head, words = line.split(None, 1)[0], line.split()
        last = "" if line[-1].isspace() else words[-1]
        before = words[1:] if not last else words[1:-1]
        if head == "%synth":
            return _starting(last, VERBS) if not before else []
        option = before[-1] if before else ""
        if last.startswith("--") and "=" in last:
            option, _, last = last.partition("=")
        values = self._values(option)
        if values is not None:
            return _starting(last, values)
        if "=@" in last:
            head, _, start = last.partition("=@")
            return [f"{head}=@{name}" for name in _starting(start, self._variables())]
        return _starting(last, [a for one in ARGUMENTS for a in one.args if a.startswith("--")])

    def _values(self, option: str) -> Iterable[str] | None:
        names = self._magics.names
        match option:
            case "--model" | "-m":
                from synthkit.models.catalog import CATALOG

                return [*names.models(), *CATALOG, *FORMS]
            case "--from" | "--examples":
                return dict.fromkeys([*names.tables(), *names.session.names()])
            case "--schema":
                return [
                    name
                    for name, value in names.public.items()
                    if hasattr(value, "model_json_schema") or isinstance(value, dict)
                ]
            case _:
                return _CHOICES.get(option)

    def _variables(self) -> list[str]:
        return list(self._magics.names.public)


def _starting(start: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(start)]


def _fit(found: list[str], token: str) -> list[str]:
    """Candidates cut to the part that IPython will put in the place of ``token``."""
    return [text for text in found if text.startswith(token)] or [
        text[text.rfind(token) :] for text in found if token and token in text
    ]
