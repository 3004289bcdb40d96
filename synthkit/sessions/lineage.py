"""Lineage: which table comes from which, drawn from the ids of their rows alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Kind = Literal["generated from", "part of"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A table as far as lineage goes.

    ``parents`` has an id or ``None`` for each row, or nothing at all. ``born`` orders the tables:
    seconds since 1970.
    """

    name: str
    ids: Sequence[str | None]
    parents: Sequence[str | None] = ()
    born: float = 0.0


@dataclass(frozen=True, slots=True)
class Edge:
    """``rows`` rows of ``target`` are part of ``source``, or were generated from rows of it."""

    source: str
    target: str
    kind: Kind
    rows: int

    def __str__(self) -> str:
        rows = f"{self.rows} row{'' if self.rows == 1 else 's'} of {self.target}"
        be = "is" if self.rows == 1 else "are"
        was = f"{be} part of" if self.kind == "part of" else f"{be} generated from"
        return f"{rows} {was} {self.source}"


def edges(tables: Iterable[Kept]) -> list[Edge]:
    """The fewest edges that account for the rows, by the time that their tables were born.

    A row that an older table holds is part of that table. For one that none holds, the table that
    holds its ``parent`` is what it was generated from. Where several tables account for the same
    rows, it is the smallest of them: of a table, its filtered part and a sample of that part, the
    sample comes from the part.

    Examples
    --------
    >>> seeds = Kept("seeds", ["a", "b"], born=1)
    >>> said = Kept("said", ["c", "d"], ["a", "b"], born=2)
    >>> for edge in edges([seeds, said, Kept("good", ["d"], ["b"], born=3)]):
    ...     print(edge)
    2 rows of said are generated from seeds
    1 row of good is part of said
    """
    ordered = sorted(tables, key=lambda kept: (kept.born, kept.name))
    holders = _holders(ordered)
    found: list[Edge] = []
    for place, kept in enumerate(ordered):
        older = (1 << place) - 1
        others = ~(1 << place)
        parts: Counter[int] = Counter()
        sources: Counter[int] = Counter()
        parents = kept.parents or [None] * len(kept.ids)
        for id, parent in zip(kept.ids, parents, strict=True):
            held = holders.get(id, 0) & older if id is not None else 0
            if held:
                parts[held] += 1
            elif parent is not None:
                # what was made again later may be an older table's source all the same
                asked = holders.get(parent, 0)
                sources[(asked & older) or (asked & others)] += 1
        found += _cover(ordered, kept.name, parts, "part of")
        found += _cover(ordered, kept.name, sources, "generated from")
    return found


def layers(names: Sequence[str], edges: Iterable[Edge]) -> dict[str, int]:
    """Each table's column in a drawing from left to right: one more than its farthest source.

    >>> layers(["a", "b", "c"], [Edge("a", "b", "part of", 1), Edge("b", "c", "part of", 1)])
    {'a': 0, 'b': 1, 'c': 2}
    """
    sources: dict[str, list[str]] = {name: [] for name in names}
    for edge in edges:
        sources[edge.target].append(edge.source)
    found: dict[str, int] = {}
    for _ in names:  # a table that comes from itself by a detour would climb without end
        before = dict(found)
        for name in names:
            found[name] = max((before.get(source, 0) + 1 for source in sources[name]), default=0)
        if found == before:
            break
    return found


def places(names: Sequence[str], edges: Sequence[Edge]) -> dict[str, tuple[int, int]]:
    """Each table's column and row in a drawing; in a column, those with near sources are near.

    >>> places(["a", "b", "c"], [Edge("b", "c", "part of", 1)])
    {'a': (0, 0), 'b': (0, 1), 'c': (1, 1)}
    """
    columns = layers(names, edges)
    found: dict[str, tuple[int, int]] = {}
    for column in sorted(set(columns.values())):
        wished = []
        for name in names:
            if columns[name] == column:
                rows = [found[e.source][1] for e in edges if e.target == name and e.source in found]
                wished.append((sum(rows) / len(rows) if rows else 0.0, name))
        free = 0
        for wish, name in sorted(wished, key=lambda pair: pair[0]):
            row = max(free, round(wish))
            found[name] = (column, row)
            free = row + 1
    return found


def _holders(tables: Sequence[Kept]) -> Mapping[str, int]:
    """For each id, the tables that hold it, as bits."""
    holders: dict[str, int] = {}
    for place, kept in enumerate(tables):
        bit = 1 << place
        for id in kept.ids:
            if id is not None:
                holders[id] = holders.get(id, 0) | bit
    return holders


def _cover(tables: Sequence[Kept], target: str, rows: Counter[int], kind: Kind) -> list[Edge]:
    """Edges from the fewest tables that hold the rows; ``rows`` counts them by their holders."""
    found = []
    left = Counter({held: n for held, n in rows.items() if held})
    while left:
        gains: Counter[int] = Counter()
        for held, n in left.items():
            for place in range(held.bit_length()):
                if held >> place & 1:
                    gains[place] += n
        best = max(gains, key=lambda place: (gains[place], -len(tables[place].ids), place))
        found.append(Edge(tables[best].name, target, kind, gains[best]))
        left = Counter({held: n for held, n in left.items() if not held >> best & 1})
    return found
