"""The order in which the rows of a table are annotated."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

from synthkit.core.errors import UsageError, check_known
from synthkit.core.formatting import cell
from synthkit.core.types import Mark
from synthkit.curate.marks.orders import contested_first, shuffled, uncertain_first
from synthkit.data import tables
from synthkit.notebook.widgets.marker.annotation import Annotation
from synthkit.notebook.widgets.marker.learning import Learner
from synthkit.notebook.widgets.marker.table import AnnotatedTable

if TYPE_CHECKING:
    from synthkit.stats.classifier import Embed

Order = Literal["sequence", "random", "uncertain", "disagreement"]
Score = Callable[[Any, list[Mark]], Sequence[float]]
"""Returns P(accept) of each row, from the table and the annotator's marks."""
Sort = Callable[[Mapping[str, Mark]], list[str]]
"""Returns row ids in order, from the current marks by row id."""

SCORE_EVERY = 10
"""Marks after which a score function is called again."""


class RowOrder:
    """The row ids in their current order, and when to sort them again.

    They are sorted again after ``every`` marks, if it is given. ``background`` is set where
    :meth:`.AnnotationQueue.learn` is called in the background, so that no mark waits for it.
    ``warning`` says why the rows could not be sorted again. ``seed`` is that of the rows that are
    drawn at random, 0 if none are.
    """

    def __init__(
        self,
        sort: Sort,
        ids: list[str],
        learner: Learner | None = None,
        every: int | None = None,
        seed: int = 0,
    ) -> None:
        self.sort, self.learner, self.seed = sort, learner, seed
        self._every, self._marks = every, 0
        self.background, self.warning = False, ""
        self.arrange(ids)

    def arrange(self, ids: list[str]) -> None:
        """Take a new order."""
        self.ids, self.ranks = ids, {id: rank for rank, id in enumerate(ids)}

    def is_due(self) -> bool:
        """Whether to sort again after this mark; call it once for each mark."""
        self._marks += 1
        if self._every is None or self.background or self._marks < self._every:
            return False
        self._marks = 0
        return True


def row_order(
    annotation: Annotation,
    order: Order,
    *,
    score: str | Score | None,
    embed: Embed | None,
    reads: Sequence[str] = (),
    disagree: Sequence[str],
    seed: int,
) -> RowOrder:
    """The rows that an annotator is to mark, in an order.

    Raises
    ------
    UsageError
        If the order does not exist, or columns are given to be read but none are learned from.
    TableError
        If a column is missing.
    """
    check_known("order", [order], get_args(Order))
    table, scope, marks = annotation.table, annotation.scope, dict(annotation.history.current)
    scores = [score] if isinstance(score, str) else []
    tables.check_columns(table.table, [*scores, *disagree, *reads])
    learns = order == "uncertain" and score is None
    if reads and not learns:
        raise UsageError("--reads is for an order that is learned: --order uncertain, no --score.")
    if learns:

        def texts(column: str) -> list[str]:
            return [cell(table.cell(id, column) or "") for id in scope]

        learner = Learner(
            scope,
            texts(table.column),
            embed=embed,
            columns={name: texts(name) for name in reads},
            seed=seed,
            column=table.column,
            others=table.shown,
        )
        return RowOrder(learner.learn, learner.learn(marks), learner, every=1, seed=seed)

    def sort(marks: Mapping[str, Mark]) -> list[str]:
        if order == "random":
            return shuffled(scope, seed)
        if order == "uncertain":
            assert score is not None
            return uncertain_first(scope, _scores(table, scope, score, marks))
        if order == "disagreement":
            labels = dict(zip(table.ids, table.rows(disagree), strict=True)) if disagree else {}
            return contested_first(scope, labels or annotation.judgements())
        return list(scope)

    every = SCORE_EVERY if callable(score) else None
    return RowOrder(sort, sort(marks), every=every, seed=seed if order == "random" else 0)


def _scores(
    table: AnnotatedTable, scope: Sequence[str], score: str | Score, marks: Mapping[str, Mark]
) -> list[float | None]:
    if isinstance(score, str):
        values: Sequence[Any] = table.cells(score)
    else:
        values = list(score(table.table, list(marks.values())))
    if len(values) != len(table.ids):
        raise UsageError(f"expected {len(table.ids)} scores, one per row; got {len(values)}.")
    try:
        scores = [None if value is None else float(value) for value in values]
    except (TypeError, ValueError):
        raise UsageError(f"expected numbers as scores; {score!r} has other values.") from None
    by_id = dict(zip(table.ids, scores, strict=True))
    return [by_id[id] for id in scope]
