from __future__ import annotations

import numpy as np
import pytest

from synthkit.curate.marks.active_learning import due, marks_for, proposed, sample
from synthkit.curate.marks.features import represent
from synthkit.curate.marks.learning import learn
from synthkit.curate.marks.orders import shuffled
from synthkit.curate.marks.precision_recall import (
    WIDTHS,
    ShareEstimate,
    expected,
    further,
    measured,
)
from synthkit.stats.classifier import sigmoid
from synthkit.stats.intervals import wilson

RANDOM = np.random.default_rng(0)
VECTORS = RANDOM.normal(size=(200, 6)) + 1
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
LOGITS = np.linspace(-4, 4, 200)
ORDER = shuffled(range(200), 3)


def ask(n: int, marked: set[int], learned: bool = True) -> list[int]:
    logits = LOGITS if learned else None
    return proposed(n, ORDER, marked, logits=logits, boundary=0.0, vectors=VECTORS)


@pytest.mark.parametrize("marks", range(200))
def test_marks_for_and_due_are_inverse(marks: int) -> None:
    assert due(marks_for(marks)) == marks
    assert marks_for(due(marks)) <= marks


def test_the_first_twenty_rows_are_random() -> None:
    assert ask(30, set(), learned=False) == ORDER[:30]
    assert ask(20, set()) == ORDER[:20]


def test_one_row_in_three_is_random_and_the_others_are_near_the_boundary() -> None:
    marked = set(ORDER[:20])
    rows = ask(30, marked)
    assert len(set(rows) | marked) == 50
    assert len(sample(ORDER, marked | set(rows))) >= due(50) == 30
    teaching = [at for at in rows if at not in ORDER[:35]]
    assert np.abs(LOGITS[teaching]).mean() < 1 < np.abs(LOGITS).mean()


def test_proposals_one_by_one_keep_the_share() -> None:
    marked: set[int] = set()
    for n in range(1, 120):
        marked.update(ask(1, marked))
        assert len(marked) == n
        assert due(n) <= len(sample(ORDER, marked)) <= due(n) + 8


def test_rows_marked_out_of_order_count_after_those_before_them() -> None:
    assert sample(ORDER, set(ORDER[1:50])) == []
    assert ask(1, set(ORDER[1:50])) == [ORDER[0]]
    assert sample(ORDER, set(ORDER[:50])) == ORDER[:50]


def test_a_batch_does_not_propose_the_same_text_twice() -> None:
    twins = VECTORS.copy()
    twins[95:105] = twins[100]
    marked = set(ORDER[:20])
    rows = proposed(12, ORDER, marked, logits=LOGITS, boundary=0.0, vectors=twins)
    drawn = set(sample(ORDER, marked | set(rows)))
    assert len((set(rows) - drawn) & set(range(95, 105))) <= 1


def test_each_row_is_proposed_once() -> None:
    assert sorted([*ask(500, set(range(40))), *range(40)]) == list(range(200))
    assert ask(5, set(range(200))) == []
    assert ask(0, set()) == []


def test_precision_and_recall_have_wilson_intervals() -> None:
    precision, recall = measured(
        [True] * 4 + [False] * 6, [True] * 3 + [False] + [True] * 2 + [False] * 4
    )
    assert (precision.value, recall.value) == (0.75, 0.6)
    assert (precision.low, precision.high) == wilson(3, 4)
    assert (recall.low, recall.high, recall.n) == (*wilson(3, 5), 5)
    one, _ = measured([True, False], [True, False], marks=20, prior=(0.3, 0.5))
    assert one.value == pytest.approx((1 + 3 * 0.3) / 4)  # not 1.00 after a single row
    assert one.low == pytest.approx(wilson(20 / 45 * one.value, 20 / 45)[0])
    assert one.high == wilson(20 / 45, 20 / 45)[1] == 1
    assert measured([False], [False], marks=20, prior=(0.3, 0.5))[0].value is None
    assert measured([], []) == (ShareEstimate(None, 0, 1, 0), ShareEstimate(None, 0, 1, 0))


@pytest.mark.parametrize(("rarer", "precision"), [(0, 0.2), (4, 0.5), (10**9, 0.8)])
def test_a_prior_trusts_the_filter_with_the_marks_of_the_rarer_verdict(
    rarer: int, precision: float
) -> None:
    scores = np.array([0.9, 0.7, 0.4, 0.0])
    expecting, recall = expected(scores, 0.5, base=0.2, rarer=rarer)
    assert expecting == pytest.approx(precision)
    assert recall == pytest.approx({0: 0.5, 4: 0.65}.get(rarer, 0.8))
    assert expected(scores, 0.95, base=0.2, rarer=rarer) == pytest.approx((0.2, 0.0))


@pytest.mark.parametrize("share", [0.5, 0.8, 0.95])
def test_further_marks_narrow_the_interval_to_the_width(share: float) -> None:
    low, high = wilson(round(40 * share), 40)
    now = ShareEstimate(share, low, high, 40)
    for width, marks in further((now,), sample=100, marks=260).items():
        n = round(40 * due(260 + marks) / 100)
        low, high = wilson(round(n * share), n)
        assert 0.7 * width < (high - low) / 2 < 1.05 * width


def test_no_further_marks_are_needed_by_an_interval_that_is_narrow() -> None:
    narrow = ShareEstimate(0.5, 0.49, 0.51, 9604)
    assert further((narrow,), sample=20_000, marks=60_000) == dict.fromkeys(WIDTHS, 0)


def embed(texts: object) -> np.ndarray:
    raise AssertionError("vectors are kept")


@pytest.mark.parametrize("intercept", [0.0, -1.5])
def test_intervals_cover_the_true_values(intercept: float) -> None:
    """Nominal 95 %, although two thirds of the marks after the first 20 are on hard rows."""
    covered = {"precision": 0, "recall": 0}
    runs = 120
    for seed in range(runs):
        random = np.random.default_rng(seed)
        rows = random.normal(size=(400, 10))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        truth = random.random(400) < sigmoid(6 * rows[:, 0] + 3 * rows[:, 1] + intercept)
        texts = [""] * 400
        vectors = represent(texts, embed=lambda texts, rows=rows: rows)
        verdicts: dict[int, bool] = {}
        filter = learn(texts, verdicts, embed=embed, vectors=vectors, seed=seed)
        for n in (20, 40, 40):
            verdicts |= {at: bool(truth[at]) for at in filter.propose(n)}
            filter = learn(texts, verdicts, embed=embed, vectors=vectors, seed=seed)
        kept = filter.scores >= 0.5
        for name, of in zip(covered, (kept, truth), strict=True):
            true = (kept & truth).sum() / max(of.sum(), 1)
            estimate = getattr(filter.report, name)
            covered[name] += int(estimate.low <= true <= estimate.high)
    assert all(n / runs >= 0.9 for n in covered.values()), covered
