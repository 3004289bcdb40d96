"""The rows behind a view, and which of them it shows in what order.

A source holds references to rows, never copies: the outcomes of a run as they come, or a table of
any kind. What a view shows are places in it. Nothing here knows of the browser.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.data import expressions, tables

Which = Literal["all", "rows", "rejects"]
WHICH: tuple[Which, ...] = ("all", "rows", "rejects")
POSITION, TOKENS = "#", "tok"
"""What a view can be sorted by beside columns, whose names have a ``:`` in front."""
MOST_LABELS = 20


class Row(NamedTuple):
    """A row, or the raw text and the reason of a reject; ``position`` counts from 0."""

    position: int
    row: Mapping[str, Any] | None
    reject: tuple[str, str] | None = None
    tokens: int | None = None


class Source(Protocol):
    """Rows that are there to stay: more may come at the end."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of those to show."""

    @property
    def fields(self) -> Sequence[str]:
        """The names that an expression may use."""

    def __len__(self) -> int:
        """How many there are now."""

    def rows(self, places: Sequence[int]) -> list[Row]:
        """Those at some places."""

    def cells(self, name: str, start: int, stop: int) -> Sequence[Any]:
        """The cells of a column from one place to before another; ``None`` for a reject."""

    def rejects(self, start: int, stop: int) -> Sequence[tuple[str, str] | None]:
        """For each place, raw text and reason if a reject is there."""

    def measures(self, by: str, start: int, stop: int) -> Sequence[Any]:
        """For each place its position among the requests, or its tokens."""

    def ids(self, start: int, stop: int) -> Sequence[str]:
        """The ids of the rows."""

    def table(self, places: Sequence[int]) -> Any:
        """The rows at some places as a table, with their ids."""


class Log:
    """The outcomes of a run, in the order they came. ``id_of`` gives the id for a position."""

    def __init__(self, columns: Sequence[str], id_of: Callable[[int], str]) -> None:
        self.columns = self.fields = columns
        self._id_of = id_of
        self._held: list[Row] = []

    def __len__(self) -> int:
        return len(self._held)

    def append(self, row: Row) -> None:
        """Take one more."""
        self._held.append(row)

    def rows(self, places: Sequence[int]) -> list[Row]:
        """Those at some places."""
        return [self._held[place] for place in places]

    def cells(self, name: str, start: int, stop: int) -> Sequence[Any]:
        """The cells of a column, as they are."""
        return [held.row.get(name) if held.row else None for held in self._held[start:stop]]

    def rejects(self, start: int, stop: int) -> Sequence[tuple[str, str] | None]:
        """For each place, raw text and reason if a reject is there."""
        return [held.reject for held in self._held[start:stop]]

    def measures(self, by: str, start: int, stop: int) -> Sequence[Any]:
        """For each place its position among the requests, or its tokens."""
        if by == POSITION:
            return [held.position for held in self._held[start:stop]]
        return [held.tokens for held in self._held[start:stop]]

    def ids(self, start: int, stop: int) -> Sequence[str]:
        """The ids of the rows."""
        return [self._id_of(held.position) for held in self._held[start:stop]]

    def table(self, places: Sequence[int]) -> Any:
        """A DataFrame; rejects have their raw text and the reason in columns of their own."""
        held = self.rows(places)
        cells: dict[str, list[Any]] = {"id": [self._id_of(one.position) for one in held]}
        for name in self.columns:
            cells[name] = [one.row.get(name) if one.row else None for one in held]
        if any(one.reject for one in held):
            cells["raw"] = [one.reject[0] if one.reject else None for one in held]
            cells["reason"] = [one.reject[1] if one.reject else None for one in held]
        return tables.build(cells)


class Held:
    """A table of any kind as it is now. ``columns`` are those to show, all but ids if not given."""

    def __init__(self, held: Any, columns: Sequence[str] | None = None) -> None:
        held = tables.native(held)
        if tables.kind(held) == "pandas":
            held = held.copy(deep=False)
        names = tables.columns(held)
        shown = [name for name in names if name not in ("id", "parent")] or names
        for name in columns or ():
            if name not in names:
                raise TableError(unknown("column", name, names))
        self.fields: Sequence[str] = names
        self.columns: Sequence[str] = list(columns) if columns else shown
        # a Hugging Face table is read from its file at each look
        self._rows = tables.to_arrow(held) if tables.kind(held) == "datasets" else held
        self._given, self._size = held, tables.size(held)
        self._ids: Sequence[str] | None = None

    def __len__(self) -> int:
        return self._size

    def rows(self, places: Sequence[int]) -> list[Row]:
        """Those at some places."""
        found = tables.records(tables.take(self._rows, places))
        return [Row(place, row) for place, row in zip(places, found, strict=True)]

    def cells(self, name: str, start: int, stop: int) -> Sequence[Any]:
        """The cells of a column, made from it for as long as they are needed."""
        found = tables.column(self._rows, name)
        return found if (start, stop) == (0, self._size) else found[start:stop]

    def rejects(self, start: int, stop: int) -> Sequence[tuple[str, str] | None]:
        """A table has none."""
        return [None] * (stop - start)

    def measures(self, by: str, start: int, stop: int) -> Sequence[Any]:
        """For each place, the place."""
        return range(start, stop)

    def ids(self, start: int, stop: int) -> Sequence[str]:
        """The table's ids, or those that :func:`synthkit.data.tables.identified` makes."""
        if self._ids is None:
            own = "id" in tables.columns(self._rows)
            self._ids = tables.column(self._rows if own else tables.identified(self._rows), "id")
        return self._ids[start:stop]

    def table(self, places: Sequence[int]) -> Any:
        """A table of the kind that was given, with the ids in front."""
        taken = tables.take(self._given, places)
        if "id" in tables.columns(taken):
            return taken
        ids = self.ids(0, self._size)
        return tables.assign(taken, {"id": [ids[place] for place in places]}, first=("id",))


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """What a view is asked to show.

    Parameters
    ----------
    where : an expression of :mod:`synthkit.data.expressions`; rejects have no cells for it.
    search : text to be found in any column, whatever the case; in rejects in the raw text too.
    which : rows, rejects or both.
    by : ``"#"``, ``"tok"``, or a column's name after a ``:``; empty to leave them as they came.
    down : the greatest first.
    """

    where: str = ""
    search: str = ""
    which: Which = "all"
    by: str = ""
    down: bool = False

    def check(self, source: Source) -> None:
        """Refuse what cannot be shown.

        Raises
        ------
        UsageError
            If the expression cannot be read, or a name is not known.
        """
        if self.where.strip():
            expressions.parse(self.where, source.fields)
        if self.which not in WHICH:
            raise UsageError(f"expected one of {', '.join(WHICH)}; got {self.which!r}.")
        if self.by not in ("", POSITION, TOKENS) and self.by.removeprefix(":") not in source.fields:
            raise UsageError(f"the rows cannot be sorted by {self.by!r}: no such column.")


def places(
    source: Source, query: Query, start: int, stop: int, ids: Collection[str] | None = None
) -> Sequence[int]:
    """The places from ``start`` to before ``stop`` that a query finds, in their order.

    ``ids``, where given, are the only rows that are shown.
    """
    checks: list[Sequence[bool]] = []
    if ids is not None:
        checks.append([str(id) in ids for id in source.ids(start, stop)])
    if query.which != "all":
        wanted = query.which == "rejects"
        checks.append([(reject is not None) is wanted for reject in source.rejects(start, stop)])
    if query.where.strip():
        condition = expressions.parse(query.where, source.fields)
        checks.append([reject is None for reject in source.rejects(start, stop)])
        checks.append(condition.mask(lambda name: source.cells(name, start, stop)))
    found: Sequence[int] = range(start, stop)
    if checks:
        passed = zip(*checks, strict=True)
        found = [place for place, each in enumerate(passed, start) if all(each)]
    return _having(source, query.search.lower(), found, start, stop) if query.search else found


def ordered(source: Source, query: Query, found: Sequence[int]) -> Sequence[int]:
    """Places in the order that a query asks for; missing cells last, either way.

    Numbers come before texts, which are ordered whatever their case; equals keep their order.
    """
    if not query.by or not found:
        return found
    size = max(found) + 1
    if query.by.startswith(":"):
        cells = source.cells(query.by[1:], 0, size)
    else:
        cells = source.measures(query.by, 0, size)
    numbers, texts, missing = [], [], []
    for place in found:
        cell = cells[place]
        if expressions.empty(cell):
            missing.append(place)
        elif isinstance(cell, int | float) and not isinstance(cell, bool):
            numbers.append(place)
        else:
            texts.append(place)
    numbers.sort(key=cells.__getitem__, reverse=query.down)
    words = {place: expressions.text(cells[place]).lower() for place in texts}
    texts.sort(key=words.__getitem__, reverse=query.down)
    return [*texts, *numbers, *missing] if query.down else [*numbers, *texts, *missing]


def kinds(source: Source, size: int) -> list[dict[str, Any]]:
    """For each column what its first ``size`` cells are, how many are empty, how many differ.

    ``kind`` is ``"number"``, ``"label"`` (few values that come again), ``"list"`` (or an object),
    ``"text"``, or ``""`` where all are empty. ``values`` counts those of a label, else it is 0.
    """
    rejects = source.rejects(0, size)
    return [_kind(source.cells(name, 0, size), rejects) for name in source.columns]


def _kind(cells: Sequence[Any], rejects: Sequence[Any]) -> dict[str, Any]:
    held = [
        cell
        for cell, reject in zip(cells, rejects, strict=True)
        if reject is None and not expressions.empty(cell)
    ]
    rows = len(cells) - sum(reject is not None for reject in rejects)
    about = {"kind": "", "empty": rows - len(held), "values": 0}
    types = Counter(map(type, held))
    if not held:
        return about
    if all(issubclass(one, int | float) and one is not bool for one in types):
        return about | {"kind": "number"}
    if any(issubclass(one, list | tuple | dict) for one in types):
        return about | {"kind": "list"}
    different: set[str] = set()
    for cell in held:
        different.add(expressions.text(cell))
        if len(different) > min(MOST_LABELS, len(held) // 2):
            return about | {"kind": "text"}
    return about | {"kind": "label", "values": len(different)}


def _having(
    source: Source, part: str, found: Sequence[int], start: int, stop: int
) -> Sequence[int]:
    """Those of the places where a text is in one of the cells, or in a reject."""
    rejects = source.rejects(start, stop)
    seen = {
        place
        for place in found
        if (reject := rejects[place - start]) and any(part in text.lower() for text in reject)
    }
    for name in source.columns:
        cells = source.cells(name, start, stop)
        seen.update(
            place
            for place in found
            if place not in seen and part in expressions.text(cells[place - start]).lower()
        )
    return [place for place in found if place in seen]
