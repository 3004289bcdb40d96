from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import stats

from synthkit.core.types import Score
from synthkit.evaluate.checks import length
from synthkit.evaluate.metrics.embedding_diversity import aps, chamfer, remote_clique, vendi
from synthkit.evaluate.metrics.embedding_fidelity import prdc, two_sample
from synthkit.evaluate.metrics.faithfulness import label_accuracy, pass_rate
from synthkit.evaluate.metrics.grounding import entailment, grounded
from synthkit.evaluate.metrics.lexical_diversity import (
    compression_ratio,
    distinct_n,
    ngram_entropy,
    vocabulary,
)
from synthkit.evaluate.metrics.memorization import memorised
from synthkit.evaluate.metrics.self_bleu import self_bleu
from synthkit.evaluate.raters.agreement import cohen, fleiss
from synthkit.evaluate.raters.battles import Battle, order_consistency, win_rate
from synthkit.evaluate.raters.krippendorff import krippendorff
from synthkit.stats.jackknife import jackknife, pseudo_values

RNG = np.random.default_rng(0)
TEXTS = [" ".join(map(str, RNG.zipf(1.5, size=RNG.integers(2, 9)))) for _ in range(40)]
X, Y = RNG.normal(size=(40, 4)), RNG.normal(0.3, 1, size=(30, 4))
LABELS = [str(one) for one in RNG.integers(3, size=40)]
ROWS = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)]
PAIRS = list(zip(LABELS, [*LABELS[:25], *LABELS[-15:][::-1]], strict=True))
OUTCOMES = [("first", "tie", "second")[one] for one in RNG.integers(3, size=40)]
JACKKNIFED: dict[str, Callable[[], Any]] = {
    "vocabulary": lambda: vocabulary(TEXTS),
    "vocabulary of 9": lambda: vocabulary(TEXTS, n=9),
    "distinct-n": lambda: distinct_n(TEXTS),
    "entropy": lambda: ngram_entropy(TEXTS),
    "self-BLEU": lambda: self_bleu(TEXTS),
    "compression ratio of few": lambda: compression_ratio(TEXTS[:20]),
    "APS": lambda: aps(X),
    "intra APS": lambda: aps(X, labels=LABELS, pairs="intra"),
    "remote-clique": lambda: remote_clique(X),
    "Chamfer": lambda: chamfer(X),
}
OTHERS: dict[str, Callable[[], Any]] = {
    **{f"Vendi {q}": partial(vendi, X, q=q) for q in (0.5, 1, 2, math.inf)},
    **{f"PRDC {at}": lambda at=at: prdc(Y, X)[at] for at in range(4)},
    "two-sample": lambda: two_sample(Y, X),
    "pass rate": lambda: pass_rate(ROWS, length("text", 4, 6)).score,
    "of a check": lambda: next(iter(pass_rate(ROWS, length("text", 4, 6)).parts.values())),
    "label accuracy": lambda: label_accuracy(ROWS, "label", lambda row: row["text"][0]).score,
    "grounded": lambda: grounded([text.split() for text in TEXTS], TEXTS[::-1]).score,
    "entailment": lambda: entailment(TEXTS, TEXTS, lambda p, h: RNG.random(len(p))).score,
    **{
        name: lambda name=name: memorised(
            ROWS[:20], ROWS[10:], n=2, embed=lambda texts: np.ones((len(texts), 2))
        ).scores[name]
        for name in ("copies", "longest run", "n-gram overlap", "nearest cosine")
    },
    "Cohen": lambda: cohen(PAIRS, resamples=100),
    "Fleiss": lambda: fleiss(RNG.multinomial(5, [0.5, 0.3, 0.2], size=40), resamples=100),
    **{
        f"alpha, {measure}": lambda measure=measure: krippendorff(
            np.cumsum(RNG.integers(3, size=(40, 3)), axis=1).tolist(), measure, resamples=100
        )
        for measure in ("nominal", "ordinal", "interval", "ratio")
    },
    "win rate": lambda: win_rate([Battle("a", "b", one) for one in OUTCOMES], "b"),  # type: ignore[arg-type]
    **{
        f"order {at}": lambda at=at: order_consistency(
            list(zip(OUTCOMES, OUTCOMES[::-1], strict=True))
        )[at]  # type: ignore[arg-type]
        for at in range(2)
    },
}


@pytest.mark.parametrize("name", [*JACKKNIFED, *OTHERS])
def test_the_mean_of_parts_is_the_value(name: str) -> None:
    found: Score = (JACKKNIFED | OTHERS)[name]()
    assert isinstance(found.parts, np.ndarray)
    assert found.parts.shape == (found.n,)
    assert found.parts.mean() == pytest.approx(found.value, abs=1e-12)


@pytest.mark.parametrize("name", JACKKNIFED)
def test_the_interval_of_the_mean_of_parts_is_the_jackknifes(name: str) -> None:
    found = JACKKNIFED[name]()
    half = stats.t.ppf(0.975, found.n - 1) * stats.sem(found.parts)
    ends = max(found.value - half, -1 if "APS" in name else 0), found.value + half
    assert (found.low, found.high) == pytest.approx(ends, rel=1e-3)


def test_parts_of_a_kappa_are_those_of_leaving_out_each_row() -> None:
    found = cohen(PAIRS, resamples=100)
    without = [cohen(PAIRS[:row] + PAIRS[row + 1 :], resamples=2).value for row in range(40)]
    expected = pseudo_values(found.value, without)
    assert found.parts == pytest.approx(expected, abs=1e-12)
    raw = 40 * found.value - 39 * np.array(without)  # as Tukey has them, with their bias
    assert found.parts == pytest.approx(raw - raw.mean() + found.value, abs=1e-12)


def test_more_different_rows_than_resamples_have_no_parts() -> None:
    rows = [[n, n + 0.5] for n in range(12)]
    assert krippendorff(rows, "interval", resamples=11).parts is None
    assert krippendorff(rows, "interval", resamples=12).parts is not None


def test_pseudo_values_need_two_finite_values() -> None:
    assert pseudo_values(1, []) is pseudo_values(1, [1]) is pseudo_values(1, [1, math.nan]) is None
    values = np.arange(10.0)
    left = (45 - values) / 9
    assert pseudo_values(4.5, left) == pytest.approx(values)
    low, high = jackknife(4.5, left)
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, 9) * stats.sem(values), rel=5e-3)  # type: ignore[operator]


@pytest.mark.parametrize("metric", [aps, remote_clique, chamfer, vendi])
def test_two_rows_have_no_parts_of_a_pair(metric: Callable[..., Score]) -> None:
    assert metric(np.eye(2)).parts is None
