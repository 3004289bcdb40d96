"""Lineage: which named table comes from which, computed from the ids of their rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from synthkit.core.formatting import count
from synthkit.sessions.named_tables import NamedTable

Kind = Literal["generated from", "part of", "read from"]


@dataclass(frozen=True, slots=True)
class Edge:
    """``rows`` rows of ``target`` are part of ``source``, or were generated or read from it."""

    source: str
    target: str
    kind: Kind
    rows: int

    def __str__(self) -> str:
        verb = "is" if self.rows == 1 else "are"
        return f"{count(self.rows, 'row')} of {self.target} {verb} {self.kind} {self.source}"


def edges(tables: Iterable[NamedTable]) -> list[Edge]:
    """The fewest edges that explain where the rows of each table come from.

    A row is part of the older tables that have its id. If there are none, it was generated from the
    tables that have its ``parent``. Several tables that explain the same rows give one edge, from
    the smallest of them: a sample of a filtered table comes from the filtered table, not from the
    whole one.

    Examples
    --------
    >>> seeds = NamedTable("seeds", ["a", "b"], born=1)
    >>> replies = NamedTable("replies", ["c", "d"], ["a", "b"], born=2)
    >>> for edge in edges([seeds, replies, NamedTable("good", ["d"], ["b"], born=3)]):
    ...     print(edge)
    2 rows of replies are generated from seeds
    1 row of good is part of replies
    """
    ordered = sorted(tables, key=lambda table: (table.born, table.name))
    holders = _holders(ordered)
    lineage: list[Edge] = []
    for place, table in enumerate(ordered):
        older = (1 << place) - 1
        others = ~(1 << place)
        parts: Counter[int] = Counter()
        sources: Counter[int] = Counter()
        parents = table.parents or [None] * len(table.ids)
        for id, parent in zip(table.ids, parents, strict=True):
            with_row = holders.get(id, 0) & older if id is not None else 0
            if with_row:
                parts[with_row] += 1
            elif parent is not None:
                # a table that was generated again later can still be the source of an older one
                with_parent = holders.get(parent, 0)
                sources[(with_parent & older) or (with_parent & others)] += 1
        lineage += _cover(ordered, table.name, parts, "part of")
        lineage += _cover(ordered, table.name, sources, "generated from")
    return lineage


def origins(tables: Iterable[NamedTable]) -> list[Edge]:
    """An edge for each table whose rows were read from files or from the Hub.

    Their sources are no tables, so they are not drawn with :func:`edges`.
    """
    return [
        Edge(str(table.origin), table.name, "read from", table.rows)
        for table in sorted(tables, key=lambda table: table.name)
        if table.origin is not None
    ]


def layers(names: Sequence[str], edges: Iterable[Edge]) -> dict[str, int]:
    """The column of each table in a drawing: one more than that of its farthest source.

    >>> layers(["a", "b", "c"], [Edge("a", "b", "part of", 1), Edge("b", "c", "part of", 1)])
    {'a': 0, 'b': 1, 'c': 2}
    """
    sources: dict[str, list[str]] = {name: [] for name in names}
    for edge in edges:
        sources[edge.target].append(edge.source)
    columns: dict[str, int] = {}
    for _ in names:  # as many steps as tables: a cycle would never end
        before = dict(columns)
        for name in names:
            columns[name] = max((before.get(source, 0) + 1 for source in sources[name]), default=0)
        if columns == before:
            break
    return columns


def places(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, tuple[int, int]]:
    """(column, row) of each table in a drawing, each near the rows of its sources.

    >>> places(["a", "b", "c"], [Edge("b", "c", "part of", 1)])
    {'a': (0, 0), 'b': (0, 1), 'c': (1, 1)}
    """
    columns = layers(names, edges)
    cells: dict[str, tuple[int, int]] = {}
    for column in sorted(set(columns.values())):
        wishes = []
        for name in names:
            if columns[name] == column:
                rows = [cells[e.source][1] for e in edges if e.target == name and e.source in cells]
                wishes.append((sum(rows) / len(rows) if rows else 0.0, name))
        free_row = 0
        for wish, name in sorted(wishes, key=lambda pair: pair[0]):
            row = max(free_row, round(wish))
            cells[name] = (column, row)
            free_row = row + 1
    return cells


def _holders(tables: Sequence[NamedTable]) -> Mapping[str, int]:
    """Row id -> the tables that have it, as a bit mask of their positions."""
    holders: dict[str, int] = {}
    for place, table in enumerate(tables):
        bit = 1 << place
        for id in table.ids:
            if id is not None:
                holders[id] = holders.get(id, 0) | bit
    return holders


def _cover(tables: Sequence[NamedTable], target: str, rows: Counter[int], kind: Kind) -> list[Edge]:
    """Edges from the fewest tables that explain ``rows``: bit mask of tables -> number of rows."""
    cover = []
    left = Counter({mask: n for mask, n in rows.items() if mask})
    while left:
        gains: Counter[int] = Counter()
        for mask, n in left.items():
            for place in range(mask.bit_length()):
                if mask >> place & 1:
                    gains[place] += n
        best = max(gains, key=lambda place: (gains[place], -tables[place].rows, place))
        cover.append(Edge(tables[best].name, target, kind, gains[best]))
        left = Counter({mask: n for mask, n in left.items() if not mask >> best & 1})
    return cover
