"""Filters: rules about the rows of a table, applied one after another, with a reason for each drop.

Everything in :mod:`synthkit.curate` that drops rows is a :class:`Filter`, whether it looks at one
text, at all rows together or at a column of scores; :func:`apply_filters` applies them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.data import tables as tables
from synthkit.data.expressions import text as as_text
from synthkit.data.results import Curation, Stage

MISSING = "missing"
"""Kind of the reason for which a row without a text is dropped by a filter of texts."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A rule about the rows of a table.

    Parameters
    ----------
    name : what it does, with its settings; two filters of one name decide alike.
    judge : table -> for each row why it is dropped, empty to keep it. A reason begins with its
        kind, by which it is counted: ``"kind"`` or ``"kind: detail"``.
    """

    name: str
    judge: Callable[[Any], Sequence[str]]


def apply_filters(table: Any | Curation, *filters: Filter) -> Curation:
    """The rows that pass all filters, and those that do not with ``why`` and the ``filter``'s name.

    Each filter sees what the one before it kept. What :func:`apply_filters` or another verb gave can be
    sifted on: its funnel and its dropped rows go on with it.

    Parameters
    ----------
    table : of any kind; without an ``id`` column the ids are made from what the rows hold, as
        :func:`synthkit.data.tables.identified` does.

    Raises
    ------
    TableError
        If a column that a filter looks at is not there, or two rows have one id.
    UsageError
        If a filter gives another number of reasons than there are rows, or its code fails.

    Examples
    --------
    >>> rows = [{"id": "a", "n": 3}, {"id": "b", "n": 9}]
    >>> made = apply_filters(rows, cell_filter("n below 5", "n", lambda n: "" if n < 5 else f"too large: {n}"))
    >>> made.dropped.to_dict("records"), made.funnel
    ([{'id': 'b', 'n': 9, 'filter': 'n below 5', 'why': 'too large: 9'}], \
(Stage(name='n below 5', rows=2, kept=1, reasons={'too large': 1}),))
    """
    before = table if isinstance(table, Curation) else None
    held = tables.identified(table if before is None else before.kept)
    left = list(range(tables.size(held)))
    gone: list[tuple[int, str, str]] = []
    stages = []
    for one in filters:
        seen = held if len(left) == tables.size(held) else tables.take(held, left)
        reasons = _judged(one, seen, len(left))
        gone += [(at, one.name, why) for at, why in zip(left, reasons, strict=True) if why]
        counts = Counter(why.partition(":")[0] for why in reasons if why)
        rows, left = len(left), [at for at, why in zip(left, reasons, strict=True) if not why]
        stages.append(Stage(one.name, rows, len(left), dict(counts.most_common())))
    dropped = tables.assign(
        tables.take(held, [at for at, _, _ in gone]),
        {"filter": [name for _, name, _ in gone], "why": [why for _, _, why in gone]},
    )
    kept = held if not gone else tables.take(held, left)
    if before is None:
        return Curation(kept, dropped, tuple(stages))
    parts = [one for one in (before.dropped, dropped) if tables.size(one)]
    every = tables.concat(parts) if parts else dropped
    return Curation(kept, every, (*before.funnel, *stages))


def _judged(filter: Filter, table: Any, n: int) -> list[str]:
    try:
        reasons = list(filter.judge(table))
    except SynthkitError:
        raise
    except Exception as error:
        raise UsageError(
            f"the filter {filter.name!r} failed: {type(error).__name__}: {error}"
        ) from (error)
    if len(reasons) != n or not all(issubclass(kind, str) for kind in set(map(type, reasons))):
        raise UsageError(
            f"the filter {filter.name!r} must give a text for each of {n} rows, empty to keep it; "
            f"got {len(reasons)} of {', '.join(sorted({type(one).__name__ for one in reasons}))}."
        )
    return reasons


def cell_filter(name: str, column: str, test: Callable[[Any], str]) -> Filter:
    """A filter of single cells: cell -> why the row is dropped, empty to keep it.

    An error in ``test`` names the row.
    """

    def judge(table: Any) -> list[str]:
        return [_tried(test, at, cell) for at, cell in enumerate(tables.column(table, column))]

    return Filter(name, judge)


def text_filter(name: str, column: str, test: Callable[[str], str]) -> Filter:
    """A filter of single texts. Rows without one are dropped as missing.

    A cell that is no text is read as JSON writes it: numbers in a column of texts are texts.
    """
    return cell_filter(name, column, lambda cell: MISSING if cell is None else test(as_text(cell)))


def texts(table: Any, column: str = "text") -> list[str]:
    """The texts of a column, empty where they are missing; other cells as JSON writes them.

    Raises
    ------
    TableError
        If the table has no such column.
    """
    return [as_text(cell) for cell in tables.column(table, column)]


def row_filter(test: Callable[[Mapping[str, Any]], Any]) -> Filter:
    """A filter by a function of the row: ``True`` to keep it; ``False``, or why it is dropped.

    It may also give ``(passed, reason)``, as a check of the prompt lab does.

    Raises
    ------
    UsageError
        If ``test`` is no function; when it is applied, if its code fails, with the row.

    Examples
    --------
    >>> rows = [{"id": "a", "n": 1}, {"id": "b", "n": 2}]
    >>> apply_filters(rows, row_filter(lambda row: row["n"] > 1 or "too few")).dropped["why"].tolist()
    ['too few']
    """
    if not callable(test):
        raise UsageError(f"expected a function of a row; got {type(test).__name__}.")
    name = getattr(test, "__name__", type(test).__name__)

    def told(row: Mapping[str, Any]) -> str:
        said = test(row)
        passed, reason = said if isinstance(said, tuple) and len(said) == 2 else (said, "")
        if isinstance(passed, str):
            return passed or "dropped"
        return "" if passed else str(reason) or f"{name} says no"

    def judge(table: Any) -> list[str]:
        return [_tried(told, at, row) for at, row in enumerate(tables.records(table))]

    return Filter(name, judge)


def by_column(
    column: str, *, least: float | None = None, most: float | None = None, missing: str = "drop"
) -> Filter:
    """A filter by a column of numbers, such as scores: those from ``least`` to ``most`` stay.

    Parameters
    ----------
    missing : whether a row without a number is dropped (``"drop"``) or kept (``"keep"``).

    Raises
    ------
    UsageError
        If there is no bound; when it is applied, if a cell is no number.

    Examples
    --------
    >>> rows = [{"id": "a", "score": 4.5}, {"id": "b", "score": 2}, {"id": "c", "score": None}]
    >>> apply_filters(rows, by_column("score", least=4)).dropped["why"].tolist()
    ['score too low: 2', 'score missing']
    """
    if least is None and most is None:
        raise UsageError(f"a filter by {column!r} needs least=, most= or both.")
    if missing not in ("drop", "keep"):
        raise UsageError(f"missing must be 'drop' or 'keep'; got {missing!r}.")
    span = [f">= {least}"] if least is not None else []
    span += [f"<= {most}"] if most is not None else []

    def test(value: Any) -> str:
        if value is None:
            return f"{column} missing" if missing == "drop" else ""
        if isinstance(value, bool | str) or not hasattr(value, "__float__"):
            raise UsageError(f"expected a number in {column!r}; got {value!r}.")
        if least is not None and value < least:
            return f"{column} too low: {value:.6g}"
        return f"{column} too high: {value:.6g}" if most is not None and value > most else ""

    return cell_filter(f"{column} {' and '.join(span)}", column, test)


def _tried(test: Callable[[Any], str], at: int, cell: Any) -> str:
    try:
        return test(cell)
    except Exception as error:
        kind = "" if isinstance(error, SynthkitError) else f"{type(error).__name__}: "
        raise UsageError(f"row {at}: {kind}{error}") from error
