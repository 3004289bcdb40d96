"""Comparison of two evaluations, metric by metric."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from synthkit.core.types import Score
from synthkit.evaluate.results import NO_DIFFERENCE
from synthkit.sessions._frames import frame
from synthkit.sessions.evaluations import Evaluation, find
from synthkit.store.store import Store

if TYPE_CHECKING:
    from synthkit.stats.bootstrap import Difference

COLUMNS = tuple("metric a b n_a n_b difference low high rows paired p verdict".split())
_NUMBER = re.compile(r"[\d.]+")


def comparison_frame(store: Store, a: int | str, b: int | str, *, seed: int) -> Any:
    """A DataFrame of the metrics of two evaluations, by their numbers or their tables' names."""
    rows = compare_scores(find(store, a), find(store, b), seed=seed)
    return frame(rows, COLUMNS, what="a comparison of scores")


def compare_scores(a: Evaluation, b: Evaluation, *, seed: int = 0) -> list[tuple[Any, ...]]:
    """The difference ``a - b`` in each metric that both have, one row of :data:`COLUMNS` each.

    See :meth:`synthkit.evaluate.results.Report.differences` for the rows that both tables have, and
    the metrics that are not compared. ``p`` is corrected by Holm for all metrics that were tested.
    The verdict is ``"better"``, ``"worse"`` or ``"differs"`` if the difference is significant, else
    ``"no significant difference"``, or why there is none. It also says if the two scores were
    computed with different settings.
    """
    ours, theirs = a.report.scores, b.report.scores
    return [
        _row(ours[name], theirs[name], outcome)
        for name, outcome in a.report.differences(b.report, seed=seed).items()
    ]


def tested(rows: Iterable[Mapping[str, Any]]) -> int:
    """How many of the rows of a comparison have a p-value, which is corrected for as many."""
    return sum(row["p"] is not None and row["p"] == row["p"] for row in rows)


def _row(a: Score, b: Score, outcome: Difference | str) -> tuple[Any, ...]:
    values = (a.name, a.value, b.value, a.n, b.n, a.value - b.value)
    if isinstance(outcome, str):
        return (*values, None, None, None, None, None, outcome)
    verdict = _verdict(outcome.value, outcome.significant, a, b)
    return (*values, outcome.low, outcome.high, outcome.n, outcome.paired, outcome.p, verdict)


def _verdict(gap: float, significant: bool, a: Score, b: Score) -> str:
    verdict = NO_DIFFERENCE
    if significant:
        is_better = {"higher": gap > 0, "lower": gap < 0}.get(a.better)
        verdict = "differs" if is_better is None else "better" if is_better else "worse"
    # the numbers in ``how`` depend on the rows: how many there are, how many clusters
    if _NUMBER.sub("", a.how) != _NUMBER.sub("", b.how):
        verdict += "; different settings"
    return verdict
