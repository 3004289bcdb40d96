"""Recipes on a ``%%synth`` line: the options of each, from its signature, and how it is built."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal

from IPython.core.magic_arguments import argument

from synthkit.core.errors import UsageError, unknown
from synthkit.data import tables
from synthkit.data.expressions import rule
from synthkit.notebook.arguments import ARGUMENTS, UNSET, base_seed
from synthkit.notebook.context import EMBEDDER, Context
from synthkit.notebook.names import Names, plain, sampling
from synthkit.prompts.conditions import Sampler, conditions
from synthkit.recipes._base import RECIPES, Recipe
from synthkit.recipes._from_function import from_function

_SHARED = frozenset(
    "name recipe model others background dry_run max_requests max_tokens_total max_cost".split()
)
_SAMPLING = frozenset("temperature top_p max_tokens seed stop extra".split())
_ROWS = frozenset("source first vary n sampler like where".split())


@dataclass(frozen=True)
class LineRecipe:
    """A recipe that a line names: a registered one, or a generator function in a variable.

    Parameters
    ----------
    from_function : whether ``function`` is such a generator function, which gets its rows from
        :func:`~synthkit.recipes.from_function`.
    """

    name: str
    function: Callable[..., Any]
    from_function: bool = False

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return (inspect.getdoc(self.function) or "").partition("\n")[0]

    @cached_property
    def parameters(self) -> Mapping[str, inspect.Parameter]:
        """The parameters that a line may set; only keyword-only ones of a generator function."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p for p in parameters if not self.from_function or p.kind is p.KEYWORD_ONLY}

    @property
    def takes_rows(self) -> bool:
        """Whether it works on rows."""
        return self.from_function or "rows" in self.parameters

    @cached_property
    def hints(self) -> Mapping[str, Any]:
        """The types of its parameters; none if they cannot be resolved."""
        try:
            return typing.get_type_hints(self.function, include_extras=True)
        except (NameError, TypeError):  # a notebook's function may have any annotation
            return {}

    @cached_property
    def arguments(self) -> list[Any]:
        """Its arguments besides those of every ``%%synth``."""
        known = {option for a in ARGUMENTS for option in a.args}
        return [
            argument(self._option(name), dest=name, **self._argument(name, parameter))
            for name, parameter in self.parameters.items()
            if name not in ("prompt", "rows", "sampling") and self._option(name) not in known
        ]

    def _option(self, name: str) -> str:
        """The option of a parameter: ``--no-NAME`` for a flag that is on by default."""
        off = self.hint(name) is bool and self.parameters[name].default is True
        return f"--{'no-' if off else ''}{name.replace('_', '-')}"

    def _argument(self, name: str, parameter: inspect.Parameter) -> dict[str, Any]:
        """The keywords of argparse for one option."""
        hint = self.hint(name)
        if hint is bool:
            action = "store_false" if parameter.default else "store_true"
            return {"action": action, "default": None, "help": None}
        value = "none" if parameter.default is None else repr(parameter.default)
        default = f"default: {value}".replace("%", "%%")
        keywords: dict[str, Any] = {
            "help": None if parameter.default is parameter.empty else default
        }
        if typing.get_origin(hint) is Literal:
            return keywords | {"choices": list(typing.get_args(hint))}
        if hint in (int, float):
            return keywords | {"type": hint, "metavar": "N"}
        return keywords | {"metavar": hint if isinstance(hint, str) else "VALUE"}

    def hint(self, name: str) -> Any:
        """The kind of an option: a type, or the tag of an annotation, such as ``"TABLE"``."""
        hint = self.hints.get(name)
        if hint is None:
            default = self.parameters[name].default
            return type(default) if isinstance(default, bool | int | float) else None
        if typing.get_origin(hint) is not None and type(None) in typing.get_args(hint):
            rest = [kind for kind in typing.get_args(hint) if kind is not type(None)]
            hint = rest[0] if len(rest) == 1 else hint
        tags = getattr(hint, "__metadata__", ())
        return tags[0] if tags else hint

    def build(self, options: Any, context: Context, names: Names, cell: str) -> Recipe:
        """The recipe that a line and a cell ask for.

        Parameters
        ----------
        names : note which tables and values the line names.

        Raises
        ------
        UsageError
            If the line has an option that the recipe does not take, or lacks one that it needs.
        """
        self._refuse(options)
        fields = [name.partition("=")[0].strip() for name in options.vary]
        fields += ["label"] if options.labels else []
        source = names.rows(options.source, options.name, options.first)
        like = names.table(options.like) if options.like else None
        for table in (source, like):
            fields += [] if table is None else tables.columns(table)
        rows = self._rows(source, like, options, names, fields) if self.takes_rows else None
        values: dict[str, Any] = {}
        if "prompt" in self.parameters:
            values["prompt"] = cell
        elif cell.strip():
            raise UsageError(
                f"the recipe {self.name} takes no prompt; write %synth generate {options.name} "
                f"--recipe {self.name}."
            )
        for name in self.parameters:
            value = getattr(options, name, None)
            if name == "sampling":
                values[name] = sampling(options, context.sampling)
            elif name == "vary" and options.vary:
                values[name] = names.vary(options.vary)
            elif value == UNSET and name in _SAMPLING:
                self._check_unset(name)
                values[name] = None
            elif name not in ("prompt", "rows") and value is not None and value != []:
                values[name] = self._value(name, value, context, names, fields)
        for name in self.parameters:
            if name not in values and self.hint(name) in TOOLS:
                values[name] = TOOLS[self.hint(name)](context.embedder(EMBEDDER).embed)
        if self.from_function:
            return from_function(self.function, rows, **values)
        if self.takes_rows and rows is not None:
            values["rows"] = rows
        for name, parameter in self.parameters.items():
            if parameter.default is parameter.empty and name not in values:
                option = "--from TABLE" if name == "rows" else f"--{name.replace('_', '-')}"
                raise UsageError(f"the recipe {self.name} needs {option}.")
        recipe: Recipe = self.function(**values)
        return recipe

    def _check_unset(self, name: str) -> None:
        """Raise ``UsageError`` for a parameter that needs a number."""
        if self.parameters[name].default is not None:
            raise UsageError(f"the recipe {self.name} needs a number for --{name}; got {UNSET}.")

    def _refuse(self, options: Any) -> None:
        """Refuse an option of every cell that this recipe does not take."""
        taken = {*_SHARED, *self.parameters}
        taken |= _SAMPLING if "sampling" in self.parameters else set()
        taken |= _ROWS if self.takes_rows else set()
        for name, value in vars(options).items():
            is_set = not (value is None or value is False or value == [])
            if name not in taken and is_set:
                option = {"source": "from"}.get(name, name).replace("_", "-")
                raise UsageError(
                    f"the recipe {self.name} takes no --{option}; "
                    f"%synth recipes {self.name} explains it."
                )

    def _rows(self, rows: Any, like: Any, options: Any, names: Names, fields: Sequence[str]) -> Any:
        """The rows it works on: those of a table, varied unless the recipe varies them itself."""
        vary = {} if "vary" in self.parameters else names.vary(options.vary)
        n = None if "n" in self.parameters else options.n
        if not vary and n is None:
            return rows
        seed = base_seed(options)
        n = 1 if n is None else n
        where = rule(options.where, fields) if options.where else None
        sampler: Sampler = options.sampler or "product"
        return conditions(rows, n, vary, sampler, seed, like=like, where=where)

    def _value(
        self, name: str, value: Any, context: Context, names: Names, fields: Sequence[str]
    ) -> Any:
        """The value of an option, read by the type of its parameter."""
        if not isinstance(value, str):
            return value
        hint = self.hint(name)
        if hint == "TABLE":
            return names.table(value)
        if name == "where" and not value.startswith("@"):
            return rule(value, fields)
        if hint in TOOLS:
            return TOOLS[hint](context.embedder(value).embed)
        if typing.get_origin(hint) in (Sequence, list, tuple):
            values = names.values(value)
            number = next((kind for kind in (int, float) if kind in typing.get_args(hint)), None)
            try:
                return [number(text) for text in values] if number else values
            except (TypeError, ValueError):
                raise UsageError(f"--{name} {value}: expected numbers.") from None
        if value.startswith("@"):
            return names.value(value)
        return value if hint is str else plain(value)


def recipe_names(names: Names) -> list[str]:
    """The registered recipes, then the generator functions in variables; imports no recipe."""
    functions = [
        name
        for name, value in names.public.items()
        if inspect.isgeneratorfunction(value)
        and next(iter(inspect.signature(value).parameters), "") in ("row", "rows")
    ]
    return list(dict.fromkeys([*RECIPES.listed(), *functions]))


def find_recipe(name: str, names: Names) -> LineRecipe:
    """The recipe of a name, or the function in a variable of that name.

    Raises
    ------
    UsageError
        If there is neither; lists the recipes.
    """
    name = name.removeprefix("@").replace("-", "_")
    if name in RECIPES:
        function = RECIPES[name]
        return LineRecipe(name, function, from_function=inspect.isgeneratorfunction(function))
    value = names.variables.get(name)
    if not callable(value):
        raise UsageError(unknown("recipe", name, recipe_names(names)))
    return LineRecipe(name, value, from_function=True)


def _fit_classifier(embed: Any) -> Any:
    from synthkit.stats.classifier import fit

    return partial(fit, embed=embed)


def _helpfulness(embed: Any) -> Any:
    from synthkit.curate.label_noise.influence import helpfulness

    return helpfulness(embed)


TOOLS: Mapping[Any, Callable[[Any], Any]] = {
    "EMBEDDER": lambda embed: embed,
    "CLASSIFIER": _fit_classifier,
    "HELPFULNESS": _helpfulness,
}
"""Tag of a parameter's annotation -> what an embedder's function becomes for it. A line names the
embedder."""
