"""Completion of ``%synth`` lines: verbs, options, tables, models and values of options.

IPython completes no arguments of magics by itself; a matcher among its custom ones can.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.completer import SimpleCompletion, context_matcher

from synthkit.core.errors import UsageError
from synthkit.models import FORMS
from synthkit.notebook import arguments as opts
from synthkit.notebook.arguments import ARGUMENTS
from synthkit.notebook.verbs import VERBS

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics

_LINE = re.compile(r"^\s*%%?synth\s")


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
        arguments: Sequence[Any] = ARGUMENTS
        if head == "%synth":
            if not before:
                return _starting(last, VERBS)
            verb = VERBS.get(before.pop(0))
            arguments = verb.all_arguments() if verb else ()
            if verb is VERBS["make"]:
                arguments = ARGUMENTS
        said = opts.said(before, "--recipe")
        if said is not None:
            arguments = [*ARGUMENTS, *self._recipe_arguments(said)]
        option = before[-1] if before else ""
        if last.startswith("--") and "=" in last:
            option, _, last = last.partition("=")
        takes = _taking(option, arguments) or _place(before, arguments)
        values = None if takes is None or last.startswith("-") else self._values(takes)
        if values is not None:
            return _starting(last, values)
        if "=@" in last:
            head, _, start = last.partition("=@")
            return [f"{head}=@{name}" for name in _starting(start, self._variables())]
        return _starting(last, [a for one in arguments for a in one.args if a.startswith("--")])

    def _recipe_arguments(self, name: str) -> Sequence[Any]:
        """The options that a recipe brings with it; none if there is no such recipe."""
        from synthkit.notebook.recipe_arguments import entry

        try:
            return entry(name, self._magics.names).arguments
        except UsageError:
            return ()

    def _values(self, argument: Any) -> Iterable[str] | None:
        """The values that an argument may have, as far as they are known."""
        names = self._magics.names
        match argument.kwds.get("metavar"):
            case "MODEL":
                from synthkit.models.hub.catalog import CATALOG

                return [*names.models(), *CATALOG, *FORMS]
            case "TABLE":
                return dict.fromkeys([*names.tables(), *names.session.names()])
            case "RECIPE":
                from synthkit.notebook.recipe_arguments import entries

                return entries(names)
            case "EMBEDDER" | "STUDENT" | "HELPFULNESS":
                from synthkit.models.hub.catalog import CATALOG

                return [name for name, one in CATALOG.items() if one.kind == "embedder"]
            case "METRIC":
                from synthkit.evaluate.registry import METRICS

                return [shlex.quote(name) for name in METRICS]
            case "SCHEMA":
                return [
                    name
                    for name, value in names.public.items()
                    if hasattr(value, "model_json_schema") or isinstance(value, dict)
                ]
        choices: Iterable[str] | None = argument.kwds.get("choices")
        return choices

    def _variables(self) -> list[str]:
        return list(self._magics.names.public)


def _taking(option: str, arguments: Sequence[Any]) -> Any:
    """The argument whose value is expected after an option; ``None`` if it takes none."""
    for one in arguments:
        if option in one.args and not (
            one.kwds.get("action") == "store_true" or one.kwds.get("nargs") == 0
        ):
            return one
    return None


def _place(before: Sequence[str], arguments: Sequence[Any]) -> Any:
    """The argument without a name whose turn it is; ``None`` if all are there."""
    places = [one for one in arguments if not one.args[0].startswith("-")]
    given = [
        word
        for word, last in zip(before, ["", *before], strict=False)
        if not word.startswith("-") and not _taking(last, arguments)
    ]
    return places[len(given)] if len(given) < len(places) else None


def _starting(start: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(start)]


def _fit(found: list[str], token: str) -> list[str]:
    """Candidates cut to the part that IPython will put in the place of ``token``."""
    return [text for text in found if text.startswith(token)] or [
        text[text.rfind(token) :] for text in found if token and token in text
    ]
