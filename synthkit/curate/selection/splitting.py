"""Splits without leaks, and shards: which rows of a table belong to which part.

Rows that belong together are one group: near-duplicates, directly or by others, a row and its
parent, rows of one parent, source or group. A group is never parted. The place of a group depends
only on the seed and the ids of its rows, so that the order of the table does not matter.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError, check_positive
from synthkit.curate.duplicates.base import Duplicates
from synthkit.curate.duplicates.filters import near_duplicates
from synthkit.curate.duplicates.minhash import components
from synthkit.curate.selection.sampling import uniform
from synthkit.data import tables
from synthkit.data.cells import as_text, key_text
from synthkit.stats.classifier import Floats, Positions

TOGETHER = ("parent", "source", "group")
"""The columns whose equal values keep rows in one split, where a table has them."""
RECALL = 1 - 1e-6
"""The probability to find a pair of near-duplicates at the threshold."""


def splits(
    table: Any,
    shares: Mapping[str, float],
    *,
    stratify: str | None = None,
    together: Sequence[str] | None = None,
    duplicates: Duplicates | Sequence[Duplicates] | None = None,
    tolerance: float = 0.05,
    seed: int = 0,
) -> dict[str, Any]:
    """Split a table, such as into train and test, so that no row of one is known from another.

    Near-duplicates never straddle two splits, also if others connect them, nor do rows with the
    same cell in a column of ``together``, or a row and its ``parent``. A pair of near-duplicates at
    the threshold is missed with a probability of 1e-6, more similar pairs less often.

    The same rows give the same splits in any order. Groups are ranked by a random number of each,
    and the ranking is cut; so a new row moves old rows only at the cuts, about one for each label
    and cut, and those that it connects.

    Parameters
    ----------
    shares : name -> share of the rows, above 0; together 1.
    stratify : a column, such as of labels, whose values have the same shares in each split as far
        as whole groups allow. A group counts for the value that most of its rows have.
    together : columns whose rows of one value stay together; :data:`TOGETHER` if not given, as far
        as the table has them; none if empty.
    duplicates : filters that say which rows are near-duplicates;
        ``near_duplicates(column=..., recall=1 - 1e-6)`` of the column with the longest texts if not
        given; none if empty.
    tolerance : by which share of its rows the table, and each value of ``stratify``, may miss the
        shares because groups are whole. The table may miss them by one row in any case, and a value
        by two rows more.

    Returns
    -------
    dict
        Name -> a table of the same kind, with its rows in the order of the table.

    Raises
    ------
    UsageError
        If the shares do not add up to 1, or cannot be met with whole groups.
    TableError
        If a column is not there, or ids are missing or occur twice.

    Examples
    --------
    >>> rows = [{"id": f"r{i}", "text": f"text {i // 2}", "label": i // 50} for i in range(100)]
    >>> parts = splits(rows, {"train": 0.8, "test": 0.2}, stratify="label")
    >>> {name: part["label"].value_counts().to_dict() for name, part in parts.items()}
    {'train': {0: 40, 1: 40}, 'test': {0: 10, 1: 10}}
    """
    names, cuts = _cuts(shares)
    rows = tables.identified(table)
    known = tables.columns(rows)
    together = [name for name in TOGETHER if name in known] if together is None else together
    tables.check_columns(rows, [*together, *([stratify] if stratify else [])])
    if duplicates is None:
        duplicates = _near(rows, {"id", *TOGETHER, *together, stratify})
    elif isinstance(duplicates, Duplicates):
        duplicates = [duplicates]
    group = _groups(rows, together, duplicates)
    values = tables.column(rows, stratify) if stratify else [None] * len(group)
    labels = [as_text(value) for value in values]
    ids = list(map(str, tables.column(rows, "id")))
    if not ids:
        raise UsageError("expected a table with rows to split; it has none.")
    part = _assigned(group, uniform(ids, seed), labels, cuts)[group]
    _check(part, group, labels, names, cuts, stratify, tolerance)
    own = tables.native(table)
    return {
        name: tables.take(own, np.flatnonzero(part == k).tolist()) for k, name in enumerate(names)
    }


def shard(table: Any, n: int, i: int) -> Any:
    """The ``i``-th of ``n`` parts of a table, from 0: rows that follow each other.

    All parts one after another are the table; their sizes differ by one row at most.

    Raises
    ------
    UsageError
        If ``n`` is below 1, or ``i`` is not one of 0 ... n - 1.

    Examples
    --------
    >>> [shard([{"x": x} for x in range(5)], 2, i)["x"].tolist() for i in range(2)]
    [[0, 1], [2, 3, 4]]
    """
    check_positive(n=n)
    if not 0 <= i < n:
        raise UsageError(f"i must be 0 to {n - 1} of {n} shards; got {i}.")
    size = tables.size(table)
    return tables.take(table, range(size * i // n, size * (i + 1) // n))


def _cuts(shares: Mapping[str, float]) -> tuple[list[str], Floats]:
    """The names of the splits, and the sums of the shares up to each."""
    values = np.array(list(shares.values()), np.float64)
    if len(values) < 2 or not (values > 0).all() or abs(values.sum() - 1) > 1e-6:
        raise UsageError(
            "expected two or more shares above 0 that add up to 1, such as "
            f"{{'train': 0.8, 'test': 0.2}}; got {dict(shares)}."
        )
    cuts = np.cumsum(values)
    cuts[-1] = 1.0
    return list(shares), cuts


def _near(rows: Any, other: Iterable[str | None]) -> list[Duplicates]:
    """The default filter: near-duplicates of the longest texts, if the table has any text."""
    among = [name for name in tables.columns(rows) if name not in other]
    column = tables.text_column(rows, among) if among else ""
    if not column or all(isinstance(cell, int | float) for cell in tables.column(rows, column)):
        return []
    return [near_duplicates(column=column, recall=RECALL)]


def _groups(rows: Any, together: Sequence[str], duplicates: Sequence[Duplicates]) -> Positions:
    """(n,) the number of each row's group."""
    n = tables.size(rows)
    pairs: list[tuple[int, int]] = []
    ids = tables.column(rows, "id")
    for name in together:
        first: dict[str, int] = {}
        if name == "parent":  # a row belongs to its parent
            first = {key_text(id): at for at, id in enumerate(ids)}
        for at, cell in enumerate(tables.column(rows, name)):
            if cell is not None:
                pairs.append((at, first.setdefault(key_text(cell), at)))
    for filter in duplicates:
        texts: dict[str, int] = {}
        for at, cell in enumerate(tables.column(rows, filter.column)):
            if cell is not None:
                pairs.append((at, texts.setdefault(as_text(cell), at)))
        places = list(texts.values())
        found = filter.similarity.links(list(texts)) if texts else ((), ())
        pairs += [(places[i], places[j]) for i, j in zip(*found, strict=True)]
    row, other = np.array(pairs, np.intp).reshape(-1, 2).T
    return components(n, row, other)


def _assigned(group: Positions, random: Floats, labels: Sequence[str], cuts: Floats) -> Positions:
    """(groups,) the split of each group.

    Groups of one label and one size, by powers of two, are ranked at random, and the ranking is
    cut at the shares of its rows. What earlier rankings have too much or too little is made up for,
    large groups first, so that many labels of a few rows have their shares together.
    """
    sizes = np.bincount(group)
    least = np.ones(len(sizes))
    np.minimum.at(least, group, random)
    counts: list[Counter[str]] = [Counter() for _ in sizes]
    for at, label in zip(group.tolist(), labels, strict=True):
        counts[at][label] += 1
    of_label = [min(count, key=lambda label: (-count[label], label)) for count in counts]
    ranking = [
        (label, -int(size).bit_length()) for label, size in zip(of_label, sizes, strict=True)
    ]
    rows_of = Counter[tuple[str, int]]()
    for key, size in zip(ranking, sizes.tolist(), strict=True):
        rows_of[key] += size
    part = np.empty(len(sizes), np.intp)
    filled, total, walked = np.zeros(len(cuts)), 0, 0
    left, current = cuts, None
    for g in sorted(range(len(sizes)), key=lambda g: (ranking[g], least[g])):
        if ranking[g] != current:
            current = ranking[g]
            total, walked = total + rows_of[current], 0
            # rows of this ranking that each split and those before it should still get
            left = np.maximum.accumulate(cuts * total - np.cumsum(filled))
        part[g] = min(int(np.searchsorted(left, walked + sizes[g] / 2, "right")), len(cuts) - 1)
        walked += int(sizes[g])
        filled[part[g]] += sizes[g]
    return part


def _check(
    part: Positions,
    group: Positions,
    labels: Sequence[str],
    names: Sequence[str],
    cuts: Floats,
    stratify: str | None,
    tolerance: float,
) -> None:
    """Raise a :class:`UsageError` if the splits miss their shares."""
    shares = np.diff(cuts, prepend=0)
    of_label: dict[str, list[int]] = {}
    for at, label in enumerate(labels):
        of_label.setdefault(label, []).append(at)
    n = len(part)
    checks = [("the table", np.arange(n), max(1, tolerance * n))]
    if stratify:
        checks += [
            (f"{stratify} {label!r}", np.array(at), 2 + tolerance * len(at))
            for label, at in of_label.items()
        ]
    for what, members, most in checks:
        counts = np.bincount(part[members], minlength=len(names))
        for name, share, count in zip(names, shares, counts.tolist(), strict=True):
            wanted = share * len(members)
            empty = not count and what == "the table"
            if empty or abs(count - wanted) > most:
                largest = int(np.bincount(group[members]).max()) if len(members) else 0
                raise UsageError(
                    f"{name!r} should get {wanted:.0f} of the {len(members)} rows of {what}, but "
                    f"gets {count}: rows that belong together are not parted, and the largest "
                    f"group has {largest}. Give other shares, or keep fewer rows together: fewer "
                    "columns (default: parent, source, group; together=[] or --together none) and "
                    "no near duplicates (duplicates=[] or --near none). Python also takes a larger "
                    "tolerance."
                )
