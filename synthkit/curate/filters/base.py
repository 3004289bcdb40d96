"""Filters: rules that drop rows of a table, each with a reason for every row it drops.

Everything in :mod:`synthkit.curate` that drops rows is a :class:`Filter`, whether it reads one
text, compares all rows or reads a column of scores; :func:`apply_filters` applies it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.data.results import Curation, Stage

MISSING = "missing"
"""The reason for which a filter of texts drops a row without a text."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A rule that keeps or drops each row of a table.

    Parameters
    ----------
    name : what the rule is, with its settings; filters of the same name decide alike.
    judge : table -> a reason for each row, empty to keep the row. A reason is ``"kind"`` or
        ``"kind: detail"``; dropped rows are counted by kind.
    by_row : whether the reason for a row depends on that row alone, so that a table can be judged
        in batches (:mod:`synthkit.parquet`).
    """

    name: str
    judge: Callable[[Any], Sequence[str]]
    by_row: bool = field(default=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class MeasuredFilter(Filter):
    """A filter that compares all rows by a few numbers of each, measured in batches.

    Parameters
    ----------
    measure : some rows -> their numbers.
    decide : the numbers of all batches, in order -> the reasons for the rows of each batch.
    """

    measure: Callable[[Any], Any]
    decide: Callable[[Sequence[Any]], Iterator[Sequence[str]]]


def measured_filter(
    name: str,
    measure: Callable[[Any], Any],
    decide: Callable[[Sequence[Any]], Iterator[Sequence[str]]],
) -> MeasuredFilter:
    """A :class:`MeasuredFilter`, which judges a table in memory as a single batch."""
    return MeasuredFilter(name, lambda table: next(decide([measure(table)])), measure, decide)


def apply_filters(table: Any | Curation, *filters: Filter) -> Curation:
    """Rows that pass all filters, and the dropped rows with the columns ``filter`` and ``why``.

    Each filter sees the rows that the previous one kept. A :class:`~synthkit.data.results.Curation`
    can be filtered further: its funnel and its dropped rows stay part of the result.

    Parameters
    ----------
    table : of any kind. Without an ``id`` column, ids are made from the contents of the rows, as
        :func:`synthkit.data.tables.identified` does. Its own columns ``filter`` and ``why``, if it
        has them, are ``filter_2`` and ``why_2`` in the dropped rows.

    Raises
    ------
    TableError
        If a filter's column does not exist, or two rows have the same id.
    UsageError
        If a filter does not return one reason for each row, or its code fails.

    Examples
    --------
    >>> rows = [{"id": "a", "n": 3}, {"id": "b", "n": 9}]
    >>> small = cell_filter("n below 5", "n", lambda n: "" if n < 5 else f"too large: {n}")
    >>> curation = apply_filters(rows, small)
    >>> curation.dropped.to_dict("records"), curation.funnel
    ([{'id': 'b', 'n': 9, 'filter': 'n below 5', 'why': 'too large: 9'}], \
(Stage(name='n below 5', rows=2, kept=1, reasons={'too large': 1}),))
    """
    before = table if isinstance(table, Curation) else None
    rows = tables.identified(table if before is None else before.kept)
    size = tables.size(rows)
    left = list(range(size))
    drops: list[tuple[int, str, str]] = []
    stages = []
    for filter in filters:
        seen = rows if len(left) == size else tables.take(rows, left)
        reasons = _reasons(filter, seen, len(left))
        drops += [(at, filter.name, why) for at, why in zip(left, reasons, strict=True) if why]
        counts = Counter(why.partition(":")[0] for why in reasons if why)
        n, left = len(left), [at for at, why in zip(left, reasons, strict=True) if not why]
        stages.append(Stage(filter.name, n, len(left), dict(counts.most_common())))
    dropped = tables.attach(
        tables.take(rows, [at for at, _, _ in drops]),
        {"filter": [name for _, name, _ in drops], "why": [why for _, _, why in drops]},
    )
    kept = tables.take(rows, left) if drops else rows
    if before is None:
        return Curation(kept, dropped, tuple(stages))
    parts = [part for part in (before.dropped, dropped) if tables.size(part)]
    all_dropped = tables.concat(parts) if parts else dropped
    return Curation(kept, all_dropped, (*before.funnel, *stages))


def _reasons(filter: Filter, table: Any, n: int) -> list[str]:
    try:
        reasons = list(filter.judge(table))
    except SynthkitError:
        raise
    except Exception as error:
        raise UsageError(
            f"the filter {filter.name!r} failed: {type(error).__name__}: {error}"
        ) from error
    if len(reasons) != n or not all(issubclass(kind, str) for kind in set(map(type, reasons))):
        types = ", ".join(sorted({type(reason).__name__ for reason in reasons}))
        raise UsageError(
            f"the filter {filter.name!r} must return one string for each of {n} rows, empty to "
            f"keep the row; got {len(reasons)} values of type {types}."
        )
    return reasons


def cell_filter(name: str, column: str, test: Callable[[Any], str]) -> Filter:
    """A filter by the cells of one column.

    Parameters
    ----------
    test : cell -> why its row is dropped, empty to keep it. If it fails, the error names the row.
    """

    def judge(table: Any) -> list[str]:
        return [checked(test, at, cell) for at, cell in enumerate(tables.column(table, column))]

    return Filter(name, judge, by_row=True)


def text_filter(name: str, column: str, test: Callable[[str], str]) -> Filter:
    """A filter by the texts of one column. Rows without a text are dropped as missing.

    Parameters
    ----------
    test : text -> why its row is dropped, empty to keep it. A cell that is not a text is passed as
        JSON, a number as its digits.
    """
    return cell_filter(name, column, lambda cell: MISSING if cell is None else test(as_text(cell)))


def texts(table: Any, column: str = "text") -> list[str]:
    """The texts of a column. Missing cells are empty texts, other cells are written as JSON.

    Raises
    ------
    TableError
        If the column does not exist.
    """
    return [as_text(cell) for cell in tables.column(table, column)]


def embedder_name(embed: Any) -> str:
    """The name of an embedder, or of its function, for the name of a filter."""
    owner = getattr(embed, "__self__", embed)
    return str(getattr(owner, "name", None) or getattr(embed, "__name__", type(embed).__name__))


def checked(test: Callable[[Any], str], at: int, value: Any) -> str:
    """The reason that a test returns for the value of row ``at``; an error names the row."""
    try:
        return test(value)
    except Exception as error:
        kind = "" if isinstance(error, SynthkitError) else f"{type(error).__name__}: "
        raise UsageError(f"row {at}: {kind}{error}") from error
