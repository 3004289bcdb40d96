"""``%synth filter``: rows through a funnel of filters, in the order of the line."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument

from synthkit import curate
from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import Filter
from synthkit.curate.filters.registry import NAMED, FilterSpec, filter_from_spec
from synthkit.data import tables as tables
from synthkit.data.results import curation_summary
from synthkit.notebook.verbs.verb import Verb
from synthkit.sessions.curations import get_filter

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics


def filter(magics: SynthMagics, options: Any) -> Any:
    """Drop rows by filters, in order, with why; binds TABLE_kept and TABLE_dropped."""
    name = options.table.removeprefix("@")
    held = magics.names.table(name)
    asked = options.filters or []
    if not asked:
        raise UsageError(
            'expected a filter, such as --where "words > 5", --no-refusals or --dedupe 0.9; '
            "%synth filter --help lists them."
        )
    line = Line(magics, options.column or tables.text_column(held), options.embedder)
    made = magics.session.curate(held, *(make(line, said) for make, said in asked), name=name)
    to = options.to or f"{name}_kept"
    magics.session.save(to, made.kept)
    bound = {to: made.kept, f"{name}_dropped": made.dropped, f"{name}_curation": made}
    magics.shell.user_ns |= bound
    return curation_summary(made, name=name, bound=f"bound {', '.join(bound)}")


@dataclass(frozen=True)
class Line:
    """What the filters of a line have in common."""

    magics: SynthMagics
    column: str
    embedder: str

    @property
    def embed(self) -> Any:
        """The embedder's function."""
        return self.magics.embedder(self.embedder).embed


def by_marks(magics: SynthMagics, said: str, column: str | None, embedder: str) -> Filter:
    """The filter of that name, or of ``name:version``, that was learned in this session.

    Without a column it looks at the one that it was learned on.
    """
    name, _, version = said.partition(":")
    number = int(_number(version, "learned")) if version else None
    embed = magics.embedder(embedder).embed
    found = magics.session.learned(name, version=number, embed=embed)
    own = get_filter(magics.session.store, name, number)["column"]
    return curate.learned(found, column=column or own, embed=embed)


def _distinct(line: Line, said: str) -> Filter:
    if said == "exact":
        return curate.exact_duplicates(column=line.column)
    return curate.near_duplicates(threshold=_number(said, "dedupe"), column=line.column)


def _learned(line: Line, said: str) -> Filter:
    return by_marks(line.magics, said, line.column, line.embedder)


def _own(line: Line, said: str) -> Filter:
    found = line.magics.names.value(said.removeprefix("@"))
    return found if isinstance(found, Filter) else curate.row_filter(found)


def _number(text: str, option: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--{option} {text}: expected a number.") from None


class _Then(argparse.Action):
    """Appends a filter to those of the line, whose order is that of the funnel."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option: Any = None) -> None:
        held = getattr(namespace, "filters", None) or []
        namespace.filters = [*held, (_MAKE[str(option)], values)]


def _option(
    name: str,
    make: Callable[[Line, Any], Filter],
    help: str,
    metavar: str = "",
    alone: str | None = None,
) -> Any:
    """An option that stands for a filter; ``alone`` is its value where the line gives none."""
    _MAKE[f"--{name}"] = make
    told: dict[str, Any] = {"metavar": metavar} if metavar else {"nargs": 0}
    told |= {"nargs": "?", "const": alone} if metavar and alone is not None else {}
    text = help.replace("%", "%%")
    return argument(f"--{name}", dest="filters", action=_Then, help=text, **told)


def _plain(name: str, one: FilterSpec) -> Any:
    """The option of a filter that is made of a name and one value."""

    def make(line: Line, said: Any) -> Filter:
        value = line.magics.names.table(said) if one.takes == "TABLE" else said or ""
        try:
            return filter_from_spec(name, value, column=line.column)
        except UsageError as error:
            raise UsageError(f"--{name} {said or ''}: {error}") from None

    return _option(name, make, one.does, one.takes, None if one.needed else "")


_MAKE: dict[str, Callable[[Line, Any], Filter]] = {}
FILTER = Verb(
    "filter",
    filter,
    (
        argument("table", metavar="TABLE", help="a variable, or a table kept in the session"),
        argument("--column", metavar="COLUMN", help="of the texts; the longest if not given"),
        *(_plain(name, one) for name, one in NAMED.items()),
        _option(
            "schema",
            lambda line, said: curate.schema(line.magics.names.schema(said), column=line.column),
            "keep texts that are JSON of a schema",
            "SCHEMA",
        ),
        _option("dedupe", _distinct, "drop duplicates: equal, or above a Jaccard", "T", "exact"),
        _option(
            "dedupe-meaning",
            lambda line, said: curate.semantic_duplicates(
                line.embed, threshold=_number(said, "dedupe-meaning"), column=line.column
            ),
            "drop texts of one meaning: above a cosine",
            "T",
        ),
        _option(
            "no-noise",
            lambda line, said: curate.no_label_noise(said, column=line.column, embed=line.embed),
            "drop rows whose label, in this column, looks wrong",
            "COLUMN",
        ),
        _option("learned", _learned, "keep what a filter learned from marks would", "NAME"),
        _option("by", _own, "a filter, or a function of a row, in a variable", "VARIABLE"),
        argument("--to", metavar="NAME", help="variable of the rows kept; TABLE_kept else"),
        argument("--embedder", default="wordllama", metavar="NAME", help="wordllama or minilm"),
    ),
)
