"""The rows behind a view, and which of them a query finds.

A source refers to rows and never copies them: the rows of a run as they arrive, or a table of any
kind. A place is the index of a row in its source; a range is ``start`` to before ``stop``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from synthkit.core.errors import UsageError
from synthkit.core.formatting import is_number
from synthkit.data import expressions, tables
from synthkit.data.cells import as_text

Which = Literal["all", "rows", "rejects"]
WHICH: tuple[Which, ...] = ("all", "rows", "rejects")
POSITION, TOKENS = "#", "tok"
"""Sort keys other than columns, whose names start with ``:``."""
MOST_LABELS = 20


class ViewRow(NamedTuple):
    """The cells of a row, or the raw text and the reason of a reject.

    ``position`` counts from 0.
    """

    position: int
    cells: Mapping[str, Any] | None
    reject: tuple[str, str] | None = None
    tokens: int | None = None


class RowLog:
    """Rows and rejects in the order of their arrival; more may arrive at any time.

    ``id_of`` returns the id of a position.
    """

    def __init__(
        self,
        columns: Sequence[str],
        id_of: Callable[[int], str] = str,
        rows: Iterable[ViewRow] = (),
    ) -> None:
        self.columns = self.fields = columns
        self._id_of = id_of
        self._rows = list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    def append(self, row: ViewRow) -> None:
        """Add a row or a reject."""
        self._rows.append(row)

    def rows(self, places: Sequence[int]) -> list[ViewRow]:
        """The rows at some places."""
        return [self._rows[place] for place in places]

    def cells(self, name: str, start: int, stop: int) -> Sequence[Any]:
        """The cells of a column in a range; ``None`` for a reject."""
        return [row.cells.get(name) if row.cells else None for row in self._rows[start:stop]]

    def rejects(self, start: int, stop: int) -> Sequence[tuple[str, str] | None]:
        """The raw text and the reason of each reject in a range."""
        return [row.reject for row in self._rows[start:stop]]

    def measures(self, by: str, start: int, stop: int) -> Sequence[Any]:
        """The positions among the requests, or the token counts, in a range."""
        rows = self._rows[start:stop]
        return [row.position if by == POSITION else row.tokens for row in rows]

    def ids(self, start: int, stop: int) -> Sequence[str]:
        """The ids of the rows in a range."""
        return [self._id_of(row.position) for row in self._rows[start:stop]]

    def table(self, places: Sequence[int]) -> Any:
        """A DataFrame; if there are rejects, with their columns ``raw`` and ``reason``."""
        rows = self.rows(places)
        cells: dict[str, list[Any]] = {"id": [self._id_of(row.position) for row in rows]}
        taken = ("id", "raw", "reason") if any(row.reject for row in rows) else ("id",)
        free = tables.free_names(self.columns, taken)
        for name in self.columns:
            cells[free.get(name, name)] = [
                row.cells.get(name) if row.cells else None for row in rows
            ]
        if any(row.reject for row in rows):
            cells["raw"] = [row.reject[0] if row.reject else None for row in rows]
            cells["reason"] = [row.reject[1] if row.reject else None for row in rows]
        return tables.build(cells)


class TableRows:
    """A table of any kind as it is now.

    ``columns`` are the columns to show, all except ids if not given.
    """

    def __init__(self, table: Any, columns: Sequence[str] | None = None) -> None:
        table = tables.native(table)
        if tables.kind(table) == "pandas":
            table = table.copy(deep=False)
        names = tables.columns(table)
        shown = [name for name in names if name not in ("id", "parent")] or names
        tables.check_columns(table, columns or ())
        self.fields: Sequence[str] = names
        self.columns: Sequence[str] = list(columns) if columns else shown
        # a Hugging Face table would be read from its file at each access
        self._rows = tables.to_arrow(table) if tables.kind(table) == "datasets" else table
        self._table, self._size = table, tables.size(table)
        self._ids: Sequence[str] | None = None

    def __len__(self) -> int:
        return self._size

    def rows(self, places: Sequence[int]) -> list[ViewRow]:
        """The rows at some places."""
        records = tables.records(tables.take(self._rows, places))
        return [ViewRow(place, cells) for place, cells in zip(places, records, strict=True)]

    def cells(self, name: str, start: int, stop: int) -> Sequence[Any]:
        """The cells of a column in a range."""
        cells = tables.column(self._rows, name)
        return cells if (start, stop) == (0, self._size) else cells[start:stop]

    def rejects(self, start: int, stop: int) -> Sequence[tuple[str, str] | None]:
        """A table has no rejects."""
        return [None] * (stop - start)

    def measures(self, by: str, start: int, stop: int) -> Sequence[Any]:
        """The places in a range: a table has no token counts."""
        return range(start, stop)

    def ids(self, start: int, stop: int) -> Sequence[str]:
        """The table's ids, or those that :func:`synthkit.data.tables.identified` makes."""
        if self._ids is None:
            has_ids = "id" in tables.columns(self._rows)
            table = self._rows if has_ids else tables.identified(self._rows)
            self._ids = tables.column(table, "id")
        return self._ids[start:stop]

    def table(self, places: Sequence[int]) -> Any:
        """A table of the same kind, with the ids as its first column."""
        taken = tables.take(self._table, places)
        if "id" in tables.columns(taken):
            return taken
        ids = self.ids(0, self._size)
        return tables.assign(taken, {"id": [ids[place] for place in places]}, first=("id",))


RowSource = RowLog | TableRows


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """Which rows a view shows, and in what order.

    Parameters
    ----------
    where : an expression of :mod:`synthkit.data.expressions`; it never holds for a reject.
    search : a text to find in any column, ignoring case; in rejects also in the raw text.
    which : rows, rejects or both.
    by : the sort key: ``"#"``, ``"tok"``, or ``:`` and a column's name; empty for no sorting.
    down : sort in descending order.
    """

    where: str = ""
    search: str = ""
    which: Which = "all"
    by: str = ""
    down: bool = False

    def check(self, source: RowSource) -> None:
        """Raise a :class:`UsageError` if the expression cannot be read or a name is unknown."""
        if self.where.strip():
            expressions.parse(self.where, source.fields)
        if self.which not in WHICH:
            raise UsageError(f"expected one of {', '.join(WHICH)}; got {self.which!r}.")
        if self.by not in ("", POSITION, TOKENS) and self.by.removeprefix(":") not in source.fields:
            raise UsageError(f"the rows cannot be sorted by {self.by!r}: no such column.")


def read_query(content: Mapping[str, Any]) -> Query:
    """The query in a message of the front end."""
    try:
        return Query(**{field.name: content[field.name] for field in fields(Query)})
    except KeyError as error:
        raise UsageError(f"expected a query with {error}; got {content!r}.") from None


def matching(
    source: RowSource, query: Query, start: int, stop: int, ids: Collection[str] | None = None
) -> Sequence[int]:
    """The places from ``start`` to before ``stop`` that a query finds, in their own order.

    If ``ids`` are given, only rows with these ids are found.
    """
    checks: list[Sequence[bool]] = []
    if ids is not None:
        checks.append([str(id) in ids for id in source.ids(start, stop)])
    if query.which != "all":
        rejects = query.which == "rejects"
        checks.append([(reject is not None) is rejects for reject in source.rejects(start, stop)])
    if query.where.strip():
        condition = expressions.parse(query.where, source.fields)
        checks.append([reject is None for reject in source.rejects(start, stop)])
        checks.append(condition.mask(lambda name: source.cells(name, start, stop)))
    places: Sequence[int] = range(start, stop)
    if checks:
        passed = zip(*checks, strict=True)
        places = [place for place, each in enumerate(passed, start) if all(each)]
    if not query.search:
        return places
    return _containing(source, query.search.lower(), places, start, stop)


def ordered(source: RowSource, query: Query, places: Sequence[int]) -> Sequence[int]:
    """Places in the order of a query; missing cells come last in both directions.

    Numbers come before texts, texts are sorted ignoring case, and equal cells keep their order.
    """
    if not query.by or not places:
        return places
    size = max(places) + 1
    if query.by.startswith(":"):
        cells = source.cells(query.by[1:], 0, size)
    else:
        cells = source.measures(query.by, 0, size)
    numbers, texts, missing = [], [], []
    for place in places:
        cell = cells[place]
        if expressions.empty(cell):
            missing.append(place)
        elif is_number(cell):
            numbers.append(place)
        else:
            texts.append(place)
    numbers.sort(key=cells.__getitem__, reverse=query.down)
    words = {place: as_text(cells[place]).lower() for place in texts}
    texts.sort(key=words.__getitem__, reverse=query.down)
    return [*texts, *numbers, *missing] if query.down else [*numbers, *texts, *missing]


def column_kinds(source: RowSource, size: int) -> list[dict[str, Any]]:
    """What each column holds in the first ``size`` rows: ``kind``, ``empty`` and ``values``.

    ``kind`` is ``"number"``, ``"label"`` (few values that repeat), ``"list"`` (or an object),
    ``"text"``, or ``""`` if all cells are empty. ``empty`` counts empty cells, ``values`` the
    different values of a label; for other kinds it is 0.
    """
    rejects = source.rejects(0, size)
    return [_kind(source.cells(name, 0, size), rejects) for name in source.columns]


def _kind(cells: Sequence[Any], rejects: Sequence[Any]) -> dict[str, Any]:
    rows = [cell for cell, reject in zip(cells, rejects, strict=True) if reject is None]
    filled = [cell for cell in rows if not expressions.empty(cell)]
    about = {"kind": "", "empty": len(rows) - len(filled), "values": 0}
    types = Counter(map(type, filled))
    if not filled:
        return about
    if all(issubclass(kind, int | float) and kind is not bool for kind in types):
        return about | {"kind": "number"}
    if any(issubclass(kind, list | tuple | dict) for kind in types):
        return about | {"kind": "list"}
    values: set[str] = set()
    for cell in filled:
        values.add(as_text(cell))
        if len(values) > min(MOST_LABELS, len(filled) // 2):
            return about | {"kind": "text"}
    return about | {"kind": "label", "values": len(values)}


def _containing(
    source: RowSource, text: str, places: Sequence[int], start: int, stop: int
) -> Sequence[int]:
    """The places with a text in one of the cells, or in a reject."""
    rejects = source.rejects(start, stop)
    matches = {
        place
        for place in places
        if (reject := rejects[place - start]) and any(text in part.lower() for part in reject)
    }
    for name in source.columns:
        cells = source.cells(name, start, stop)
        matches.update(
            place
            for place in places
            if place not in matches and text in as_text(cells[place - start]).lower()
        )
    return [place for place in places if place in matches]
