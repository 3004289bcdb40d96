"""Comparison of two evaluations, metric by metric."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.results import Measured
from synthkit.sessions._frames import frame
from synthkit.sessions.evaluations import Evaluation, find
from synthkit.store.store import Store

COLUMNS = tuple("metric a b n_a n_b difference low high rows paired verdict".split())
_NUMBER = re.compile(r"[\d.]+")


def comparison_frame(store: Store, a: int | str, b: int | str, *, seed: int) -> Any:
    """A DataFrame of the metrics of two evaluations, by their numbers or their tables' names."""
    rows = compare_scores(find(store, a), find(store, b), seed=seed)
    return frame(rows, COLUMNS, what="a comparison of scores")


def compare_scores(a: Evaluation, b: Evaluation, *, seed: int = 0) -> list[tuple[Any, ...]]:
    """The difference ``a - b`` in each metric that both have, one row of :data:`COLUMNS` each.

    Rows are paired by their ids if both evaluations have the same ones, as of a test set, else by
    what was asked for. If fewer than half of the rows of the smaller table find a partner, they are
    not paired. The verdict is ``"better"``, ``"worse"`` or ``"differs"`` if the interval does not
    contain 0, else ``"no significant difference"``, or ``"no interval"``. It also says if the two
    scores were computed with different settings.
    """
    others = {measured.score.name: measured for measured in b.report.measured}
    return [
        _row(measured, other, a.report.keys, b.report.keys, seed)
        for measured in a.report.measured
        if (other := others.get(measured.score.name)) is not None
    ]


def _row(
    a: Measured, b: Measured, a_keys: Mapping[str, str], b_keys: Mapping[str, str], seed: int
) -> tuple[Any, ...]:
    from synthkit.evaluate._compare import compare  # imports NumPy

    first, second = a.score, b.score
    values = (first.name, first.value, second.value, first.n, second.n)
    pairs = _pairs(a.ids or (), b.ids or (), a_keys, b_keys)
    try:
        gap = compare(first, second, pairs, seed=seed)
    except UsageError:
        return (*values, first.value - second.value, None, None, None, None, "no interval")
    verdict = _verdict(gap.value, gap.significant, first, second)
    return (*values, gap.value, gap.low, gap.high, gap.n, gap.paired, verdict)


def _pairs(
    a_ids: Sequence[str], b_ids: Sequence[str], a_keys: Mapping[str, str], b_keys: Mapping[str, str]
) -> list[tuple[int, int]] | None:
    """Positions of rows that belong together; ``None`` if they are too few."""
    from synthkit.evaluate._compare import match

    least = max(2, math.ceil(min(len(a_ids), len(b_ids)) / 2))
    by_id = match(a_ids, b_ids)
    if len(by_id) >= least:
        return by_id
    by_key = match(
        [a_keys.get(id, f"row {id}") for id in a_ids],
        [b_keys.get(id, f"other row {id}") for id in b_ids],
    )
    return by_key if len(by_key) >= least else None


def _verdict(gap: float, significant: bool, a: Score, b: Score) -> str:
    verdict = "no significant difference"
    if significant:
        is_better = {"higher": gap > 0, "lower": gap < 0}.get(a.better)
        verdict = "differs" if is_better is None else "better" if is_better else "worse"
    # the numbers in ``how`` depend on the rows: how many there are, how many clusters
    if _NUMBER.sub("", a.how) != _NUMBER.sub("", b.how):
        verdict += "; different settings"
    return verdict
