"""Rows that two tables share, by their ids, contents or conditions."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


def match(first: Sequence[Hashable], second: Sequence[Hashable]) -> list[tuple[int, int]]:
    """Positions of equal keys, the k-th occurrence in one with the k-th in the other.

    >>> match(["a", "b", "a"], ["a", "a", "a", "c"])
    [(0, 0), (2, 1)]
    """
    places: dict[Hashable, list[int]] = defaultdict(list)
    for at, key in enumerate(second):
        places[key].append(at)
    used: dict[Hashable, int] = defaultdict(int)
    pairs = []
    for at, key in enumerate(first):
        if used[key] < len(places.get(key, ())):
            pairs.append((at, places[key][used[key]]))
            used[key] += 1
    return pairs


@dataclass(frozen=True, slots=True)
class SharedRows:
    """Which rows of two evaluated tables are the same.

    Rows are paired by their conditions if both tables have the same ones, each for one row: such as
    answers of two models to the same prompts, of which many may be the same word. Otherwise rows
    are the same if they have one id, as of a filtered table, or the same text and label. If fewer
    than half of the rows of the smaller table are in the other, rows of the same conditions are
    paired instead, if those are half of them or more.

    Parameters
    ----------
    contents : for each table, row id -> a hash of its text and label.
    keys : for each table, row id -> its conditions.
    """

    contents: tuple[Mapping[str, str], Mapping[str, str]]
    keys: tuple[Mapping[str, str], Mapping[str, str]]

    @property
    def same_conditions(self) -> bool:
        """Whether both tables have the same conditions, each for one row."""
        first, second = (sorted(keys.values()) for keys in self.keys)
        return first == second and 0 < len(first) == len(set(first))

    @property
    def repeated(self) -> bool:
        """Whether half of the rows of one table are in the other, but not equally often."""
        if self.same_conditions:
            return False
        counts = [Counter(contents.values()) for contents in self.contents]
        if not all(counts):
            return False
        shared = counts[0].keys() & counts[1].keys()
        sizes = [sum(count[key] for key in shared) for count in counts]
        parts = [size / count.total() for size, count in zip(sizes, counts, strict=True)]
        differ = any(counts[0][key] != counts[1][key] for key in shared)
        return differ and max(parts) >= 0.5

    def units(self, a_ids: Sequence[str], b_ids: Sequence[str]) -> tuple[list[int], list[int]]:
        """For each row of both a number; rows of one number are the same row."""
        linked = self._linked((a_ids, b_ids))
        shared = set(linked[0]) & set(linked[1])
        least = max(2, math.ceil(min(len(a_ids), len(b_ids)) / 2))
        found = min(sum(unit in shared for unit in side) for side in linked)
        if found >= least and not self.same_conditions:
            return linked
        pairs = match(
            [self.keys[0].get(id, f"row {id}") for id in a_ids],
            [self.keys[1].get(id, f"other row {id}") for id in b_ids],
        )
        if len(pairs) < least:
            return linked
        units = list(range(len(a_ids))), [len(a_ids) + at for at in range(len(b_ids))]
        for at, other in pairs:
            units[1][other] = at
        return units

    def _linked(self, ids: tuple[Sequence[str], Sequence[str]]) -> tuple[list[int], list[int]]:
        """The numbers of rows, linked by the ids and contents that both tables have."""
        links = _Links()
        by_id = set(ids[0]) & set(ids[1])
        known = [
            {contents[id] for id in side if id in contents}
            for side, contents in zip(ids, self.contents, strict=True)
        ]
        by_content = known[0] & known[1]
        for table in (0, 1):
            for id in ids[table]:
                if id in by_id:
                    links.join((table, id), ("id", id))
                if (content := self.contents[table].get(id)) in by_content:
                    links.join((table, id), ("content", content))
        first, second = ([links.number((table, id)) for id in ids[table]] for table in (0, 1))
        return first, second


class _Links:
    """Groups of things that are linked to each other, directly or over others (union-find)."""

    def __init__(self) -> None:
        self._parents: dict[Any, Any] = {}
        self._numbers: dict[Any, int] = {}

    def join(self, one: Any, other: Any) -> None:
        self._parents[self._root(one)] = self._root(other)

    def number(self, one: Any) -> int:
        """The number of its group."""
        return self._numbers.setdefault(self._root(one), len(self._numbers))

    def _root(self, one: Any) -> Any:
        while (parent := self._parents.setdefault(one, one)) != one:
            self._parents[one] = self._parents[parent]
            one = parent
        return one
