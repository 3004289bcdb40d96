"""Completion of ``%synth`` lines: verbs, options, values of options, and fields in a cell's text.

IPython does not complete the arguments of magics; one of its custom matchers can.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any

from IPython.core.completer import SimpleCompletion, context_matcher

from synthkit.core.errors import StoreError, TableError, UsageError
from synthkit.notebook.arguments import ARGUMENTS, option_values, split
from synthkit.notebook.context import Context

_LINE = re.compile(r"^\s*%%?synth\s")
_FIELD = re.compile(r"\{[{%](?:[^{}]*[^\w{}.\"'])?(\w*)$")
"""The beginning of a field's name in a template."""


class Completer:
    """The matcher of ``%synth`` and ``%%synth`` lines in one notebook."""

    def __init__(self, context: Context) -> None:
        self._context = context

        @context_matcher()
        def synth_matcher(request: Any) -> dict[str, Any]:
            line = request.line_with_cursor[: request.cursor_position]
            first = request.full_text.partition("\n")[0]
            candidates: list[str] = []
            if request.cursor_line == 0 and _LINE.match(line):
                candidates = self.candidates(line)
            elif _LINE.match(first) and (field := _FIELD.search(line)):
                candidates = _starting(field[1], self.fields(first))
            texts = _replacements(candidates, request.token)
            return {
                "completions": [SimpleCompletion(text=text, type="magic") for text in texts],
                "suppress": bool(candidates),
                "ordered": True,
            }

        self.matcher = synth_matcher

    def candidates(self, line: str) -> list[str]:
        """The words that the last word of a line may become."""
        magic, words = line.split(None, 1)[0], line.split()
        last = "" if line[-1].isspace() else words[-1]
        before = words[1:] if not last else words[1:-1]
        arguments: Sequence[Any] = ARGUMENTS
        if magic == "%synth":
            from synthkit.notebook.verbs._base import VERBS, find_verb

            if not before:
                return _starting(last, (name for name in sorted(VERBS) if " " not in name))
            if before[0] not in VERBS:
                return []
            verb, _ = find_verb(" ".join(before))
            before = before[len(verb.name.split()) :]
            arguments = verb.all_arguments()
        elif before[:1] == ["check"]:
            from synthkit.notebook.exercises import check

            before, arguments = before[1:], check.ARGUMENTS
        for recipe in option_values(before, "--recipe"):
            arguments = [*arguments, *self._recipe_arguments(recipe)]
        option = before[-1] if before else ""
        if last.startswith("--") and "=" in last:
            option, _, last = last.partition("=")
        takes = _option(option, arguments) or _positional(before, last, arguments)
        values = None if takes is None or last.startswith("-") else self._values(takes)
        if values is not None:
            return _starting(last, values)
        if "=@" in last:
            head, _, start = last.partition("=@")
            return [f"{head}=@{name}" for name in _starting(start, self._context.names.public)]
        return _starting(last, [o for a in arguments for o in a.args if o.startswith("--")])

    def fields(self, line: str) -> list[str]:
        """The fields that a cell with this line has, as its text writes them."""
        from synthkit.data.tables import columns
        from synthkit.prompts.templates import written

        words, names = [], list[str]()
        with suppress(UsageError):  # a quotation mark that is not closed
            words = split(line)
        for source in option_values(words, "--from") + option_values(words, "--like"):
            with suppress(TableError, StoreError):
                names += columns(self._context.names.table(source))
        names += [pair.partition("=")[0] for pair in option_values(words, "--vary")]
        return [written(name) for name in dict.fromkeys(names) if name]

    def _recipe_arguments(self, name: str) -> Sequence[Any]:
        """The options that a recipe adds; none if there is no such recipe."""
        from synthkit.notebook.recipe_arguments import find_recipe

        try:
            return find_recipe(name, self._context.names).arguments
        except UsageError:
            return ()

    def _values(self, argument: Any) -> Iterable[str] | None:
        """The known values of an argument; ``None`` if it takes anything."""
        names = self._context.names
        match argument.kwds.get("metavar"):
            case "MODEL":
                from synthkit.models.schemes import model_specs

                return [*names.models(), *model_specs()]
            case "TABLE":
                return dict.fromkeys([*names.tables(), *names.session.names()])
            case "RECIPE":
                from synthkit.notebook.recipe_arguments import recipe_names

                return recipe_names(names)
            case "EMBEDDER" | "CLASSIFIER" | "HELPFULNESS":
                from synthkit.models.embedders import embedder_specs

                return [*names.holding(lambda value: hasattr(value, "embed")), *embedder_specs()]
            case "LEARNED":
                return dict.fromkeys(row["name"] for row in names.session.store.filters.all())
            case "VARIABLE":
                return names.public
            case "SCHEMA":
                return names.holding(
                    lambda value: hasattr(value, "model_json_schema") or isinstance(value, dict)
                )
        choices: Iterable[str] | None = argument.kwds.get("choices")
        return None if choices is None else map(shlex.quote, choices)


def _option(option: str, arguments: Sequence[Any]) -> Any:
    """The argument whose value is expected after an option; ``None`` if it takes no value."""
    for declared in arguments:
        takes = declared.kwds.get("action") != "store_true" and declared.kwds.get("nargs") != 0
        if option in declared.args and takes:
            return declared
    return None


def _positional(before: Sequence[str], last: str, arguments: Sequence[Any]) -> Any:
    """The positional argument that ``last`` starts; ``None`` if all are there."""
    positional = [argument for argument in arguments if not argument.args[0].startswith("-")]
    words = [
        word
        for word, last in zip(before, ["", *before], strict=False)
        if not word.startswith("-") and not _option(last, arguments)
    ]
    if len(words) < len(positional):
        return positional[len(words)]
    repeated = last and positional and positional[-1].kwds.get("nargs") in ("*", "+")
    return positional[-1] if repeated else None


def _starting(start: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(start)]


def _replacements(candidates: list[str], token: str) -> list[str]:
    """Candidates cut to the part that IPython puts in place of ``token``."""
    return [text for text in candidates if text.startswith(token)] or [
        text[text.rfind(token) :] for text in candidates if token and token in text
    ]
