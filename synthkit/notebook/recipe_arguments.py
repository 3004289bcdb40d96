"""Recipes on a ``%%synth`` line: what each takes, by its signature, and how it is built."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

from IPython.core.magic_arguments import argument

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Sampling
from synthkit.data import tables
from synthkit.data.expressions import rule
from synthkit.notebook import arguments as opts
from synthkit.prompts.conditions import Sampler, conditions
from synthkit.recipes._base import RECIPES, Recipe
from synthkit.recipes._from_function import from_function

_PAPER = re.compile(r"\b\d{4}\.\d{5}\b")
_SHARED = frozenset(
    "name recipe model others background dry_run max_requests max_tokens_total max_cost".split()
)
_SAMPLING = frozenset("temperature top_p max_tokens seed stop extra".split())
_ROWS = frozenset("source vary n sampler like where".split())


@dataclass(frozen=True)
class Entry:
    """A recipe by its name: one of :mod:`synthkit.recipes`, or a function in a variable."""

    name: str
    function: Callable[..., Any]
    own: bool = False

    @property
    def what(self) -> str:
        """What it makes, in one line."""
        return (inspect.getdoc(self.function) or "").split("\n")[0]

    @property
    def paper(self) -> str:
        """Where the method is from."""
        found = _PAPER.search(inspect.getdoc(self.function) or "")
        return f"arXiv {found[0]}" if found else ""

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """What may be said on a line: all but a first parameter of one's own function."""
        found = inspect.signature(self.function).parameters
        return {
            one.name: one for one in found.values() if not self.own or one.kind is one.KEYWORD_ONLY
        }

    @property
    def takes_rows(self) -> bool:
        """Whether it works on rows."""
        return self.own or "rows" in self.parameters

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        """The types of its parameters, as far as they can be told."""
        shared = {
            name: parameter.annotation
            for name, parameter in self.parameters.items()
            if not isinstance(parameter.annotation, str)
        }
        try:
            return shared | typing.get_type_hints(self.function, include_extras=True)
        except (NameError, TypeError):  # a function of a notebook may be annotated with anything
            return {}

    @cached_property
    def arguments(self) -> list[Any]:
        """Its options besides those of every ``%%synth``."""
        known = {option for one in opts.ARGUMENTS for option in one.args}
        return [
            argument(self._option(name), dest=name, **self._kept(name, parameter))
            for name, parameter in self.parameters.items()
            if name not in ("prompt", "rows", "sampling") and self._option(name) not in known
        ]

    def _option(self, name: str) -> str:
        """How an option is written: what is on unless it is said otherwise is turned off by it."""
        off = self.hint(name) is bool and self.parameters[name].default is True
        return f"--{'no-' if off else ''}{name.replace('_', '-')}"

    def _kept(self, name: str, parameter: inspect.Parameter) -> dict[str, Any]:
        """How argparse reads one option."""
        hint = self.hint(name)
        said = "" if parameter.default in (parameter.empty, None) else f"{parameter.default!r}"
        told: dict[str, Any] = {"help": f"by default {said}".replace("%", "%%") if said else None}
        if hint is bool:
            action = "store_false" if parameter.default else "store_true"
            return {"action": action, "default": None, "help": None}
        if typing.get_origin(hint) is Literal:
            return told | {"choices": list(typing.get_args(hint))}
        if hint in (int, float):
            return told | {"type": hint, "metavar": "N"}
        return told | {"metavar": hint if isinstance(hint, str) else "VALUE"}

    def hint(self, name: str) -> Any:
        """The kind of an option: a type, or the tag of an annotation, such as ``"TABLE"``."""
        hint = self.hints.get(name)
        if hint is None:
            default = self.parameters[name].default
            return type(default) if isinstance(default, bool | int | float) else None
        if typing.get_origin(hint) is not None and type(None) in typing.get_args(hint):
            rest = [one for one in typing.get_args(hint) if one is not type(None)]
            hint = rest[0] if len(rest) == 1 else hint
        tags = getattr(hint, "__metadata__", ())
        return tags[0] if tags else hint

    def build(self, options: Any, names: opts.Names, cell: str, defaults: Sampling) -> Recipe:
        """The recipe that a line asks for.

        Raises
        ------
        UsageError
            If the line says something that the recipe does not take.
        """
        self._refuse(options)
        given: dict[str, Any] = {}
        fields = [name.partition("=")[0].strip() for name in options.vary]
        fields += ["label"] if options.labels else []
        for source in filter(None, (options.source, options.like)):
            fields += tables.columns(names.table(source))
        rows = self._rows(options, names, fields) if self.takes_rows else None
        if "prompt" in self.parameters:
            given["prompt"] = cell
        elif cell.strip():
            raise UsageError(
                f"the recipe {self.name} takes no prompt; write %synth make {options.name} "
                f"--recipe {self.name}."
            )
        for name in self.parameters:
            value = getattr(options, name, None)
            if name == "sampling":
                given[name] = opts.sampling(options, defaults)
            elif name == "vary" and options.vary:
                given[name] = opts.vary(options.vary, names)
            elif name not in ("prompt", "rows") and value is not None and value != []:
                given[name] = self._value(name, value, names, fields)
        for name in self.parameters:
            if name not in given and self.hint(name) in TOOLS:
                given[name] = TOOLS[self.hint(name)](EMBEDDER)
        if self.own:
            return from_function(self.function, rows, **given)
        if self.takes_rows and rows is not None:
            given["rows"] = rows
        for name, parameter in self.parameters.items():
            if parameter.default is parameter.empty and name not in given:
                option = "--from TABLE" if name == "rows" else f"--{name.replace('_', '-')}"
                raise UsageError(f"the recipe {self.name} needs {option}.")
        recipe: Recipe = self.function(**given)
        return recipe

    def _refuse(self, options: Any) -> None:
        """Refuse what the line says and the recipe does not take."""
        taken = {*_SHARED, *self.parameters}
        taken |= _SAMPLING if "sampling" in self.parameters else set()
        taken |= _ROWS if self.takes_rows else set()
        for name, value in vars(options).items():
            if name not in taken and _is_given(value):
                option = {"source": "from"}.get(name, name).replace("_", "-")
                raise UsageError(
                    f"the recipe {self.name} takes no --{option}; "
                    f"%synth recipes {self.name} explains it."
                )

    def _rows(self, options: Any, names: opts.Names, fields: Sequence[str]) -> Any:
        """The rows it works on: those of a table, varied where the recipe does not do so itself."""
        rows = names.table(options.source) if options.source else None
        vary = {} if "vary" in self.parameters else opts.vary(options.vary, names)
        n = None if "n" in self.parameters else options.n
        if not vary and n is None:
            return rows
        seed = options.seed or 0
        n = 1 if n is None else n
        like = names.table(options.like) if options.like else None
        where = rule(options.where, fields) if options.where else None
        sampler: Sampler = options.sampler or "product"
        return conditions(rows, n, vary, sampler, seed, like=like, where=where)

    def _value(self, name: str, value: Any, names: opts.Names, fields: Sequence[str]) -> Any:
        """What an option's text stands for."""
        if not isinstance(value, str):
            return value
        hint = self.hint(name)
        if hint == "TABLE":
            return names.table(value)
        if name == "where" and not value.startswith("@"):
            return rule(value, fields)
        if hint in TOOLS:
            return TOOLS[hint](value)
        if typing.get_origin(hint) in (Sequence, list, tuple):
            found = names.values(value)
            number = next((one for one in (int, float) if one in typing.get_args(hint)), None)
            try:
                return [number(one) for one in found] if number else found
            except (TypeError, ValueError):
                raise UsageError(f"--{name} {value}: expected numbers.") from None
        if value.startswith("@"):
            return names.value(value[1:])
        return value if hint is str else opts.plain(value)


def entries(names: opts.Names | None = None) -> dict[str, Entry]:
    """The recipes by name: those of synthkit, then generator functions in variables."""
    found = {
        name: Entry(name, function, own=inspect.isgeneratorfunction(function))
        for name, function in RECIPES.items()
    }
    if names is not None:
        for name, value in names.public.items():
            first = inspect.isgeneratorfunction(value) and next(
                iter(inspect.signature(value).parameters), ""
            )
            if first in ("row", "rows"):
                found[name] = Entry(name, value, own=True)
    return found


def entry(name: str, names: opts.Names) -> Entry:
    """The recipe of that name.

    Raises
    ------
    UsageError
        If there is none; names those there are.
    """
    name = name.removeprefix("@").replace("-", "_")
    held = names.variables.get(name)
    if name not in RECIPES and callable(held):
        return Entry(name, held, own=True)
    found = entries(names)
    if name not in found:
        raise UsageError(unknown("recipe", name, found))
    return found[name]


def _is_given(value: Any) -> bool:
    return not (value is None or value is False or value == [])


EMBEDDER = "wordllama"
"""Where a recipe needs to embed texts and the line names nothing: small, and without torch."""


def _embed(name: str) -> Any:
    from synthkit.models.embedders import load_embedder

    return load_embedder(name).embed


def _student(name: str) -> Any:
    from synthkit.stats.classifier import fit

    return partial(fit, embed=_embed(name))


def _helpful(name: str) -> Any:
    from synthkit.curate.label_noise.influence import helpfulness

    return helpfulness(_embed(name))


TOOLS: Mapping[Any, Callable[[str], Any]] = {
    "EMBEDDER": _embed,
    "STUDENT": _student,
    "HELPFULNESS": _helpful,
}
"""What recipes are handed besides rows and text, by the tag of the parameter's annotation; each is
made from an embedder's name."""
