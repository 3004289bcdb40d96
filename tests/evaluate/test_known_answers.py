"""Published and exact values, each with its source."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from synthkit.evaluate import (
    Battle,
    aps,
    chamfer,
    cohen,
    distinct_n,
    fleiss,
    frechet_distance,
    krippendorff,
    label_divergence,
    light,
    mauve,
    mtld,
    ngram_entropy,
    order_consistency,
    prdc,
    ratings,
    remote_clique,
    self_bleu,
    tstr,
    two_sample,
    vendi,
    vocabulary,
    win_rate,
)
from synthkit.evaluate.raters.battles import settled
from synthkit.stats.intervals import wilson

SOUP = ["the soup was cold"] * 5
APART = ["one two three four", "five six seven eight", "nine ten eleven twelve"]
X = np.random.default_rng(0).normal(size=(60, 4))
FOURTEEN = [
    [0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0], [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7],
]  # fmt: skip
THREE_BY_FIFTEEN = [
    [None, 1, None], [], [None, 2, 2], [None, 1, 1], [None, 3, 3], [3, 3, 4], [4, 4, 4],
    [1, 3, None], [2, None, 2], [1, None, 1], [1, None, 1], [3, None, 3], [3, None, 3], [],
    [3, None, 4],
]  # fmt: skip
KAPPA = [("a", "a")] * 20 + [("a", "b")] * 5 + [("b", "a")] * 10 + [("b", "b")] * 15
WON = [Battle("a", "b", "first")] * 75 + [Battle("a", "b", "second")] * 25
ROWS = [{"text": text, "label": text[0]} for text in ("good", "bad") * 20]


def same(texts: list[str]) -> list[list[int]]:
    return [[text.count("g"), text.count("b")] for text in texts]


def unit_mean(x: np.ndarray) -> float:
    """(n |e|^2 - 1) / (n - 1), with e the mean unit vector."""
    e = (x / np.linalg.norm(x, axis=1, keepdims=True)).mean(axis=0)
    return (len(x) * e @ e - 1) / (len(x) - 1)


KNOWN: list[tuple[str, Callable[[], float], float]] = [
    ("Shannon 1948: equal counts have the logarithm of how many",
     lambda: ngram_entropy(["a b", "c d", "e f g h"], 1).value, math.log(8)),
    ("Li et al. 2016: no n-gram comes twice", lambda: distinct_n(APART).value, 1),
    ("Hurlbert 1971: all texts have all tokens", lambda: vocabulary(APART).value, 12),
    ("McCarthy and Jarvis 2010: each stretch of one token has two",
     lambda: mtld(["a a a a"]).value, 2),
    ("Zhu et al. 2018: self-BLEU of copies", lambda: self_bleu(SOUP).value, 1),
    ("Zhu et al. 2018: self-BLEU of texts without a common token",
     lambda: self_bleu(APART).value, 0),
    ("Yu et al. 2023: APS from the mean vector", lambda: aps(X).value, unit_mean(X)),
    ("Yu et al. 2023: APS of equal rows", lambda: aps([[1, 2]] * 5).value, 1),
    ("Cox et al. 2021: remote-clique is 1 - APS",
     lambda: remote_clique(X).value, 1 - unit_mean(X)),
    ("Cox et al. 2021: Chamfer where each row has a copy",
     lambda: chamfer(np.repeat(X, 2, axis=0)).value, 0),
    ("Friedman and Dieng 2023: Vendi of rows at right angles",
     lambda: vendi(np.eye(9)).value, 9),
    ("Friedman and Dieng 2023: Vendi of equal rows", lambda: vendi(np.ones((9, 3))).value, 1),
    ("Pillutla et al. 2021: MAUVE of equal tables", lambda: mauve(X, X[::-1]).value, 1),
    ("Naeem et al. 2020: precision of equal tables", lambda: prdc(X, X)[0].value, 1),
    ("Naeem et al. 2020: recall of equal tables", lambda: prdc(X, X)[1].value, 1),
    ("Naeem et al. 2020: density of equal tables", lambda: prdc(X, X)[2].value, 1),
    ("Naeem et al. 2020: coverage of equal tables", lambda: prdc(X, X)[3].value, 1),
    ("Dowson and Landau 1982: variances 2 and 8, means 3 apart",
     lambda: frechet_distance([[-1.0], [1.0]], [[1.0], [5.0]]).value, 11),
    ("Lin 1991: disjoint labels, in bits", lambda: label_divergence("aab", "cdd")[0].value, 1),
    ("Lopez-Paz and Oquab 2017: equal tables are at chance", lambda: two_sample(X, X).value, 0.5),
    ("Cohen 1960, equation 1: (.7 - .5) / (1 - .5)", lambda: cohen(KAPPA).value, 0.4),
    ("10 rows, 14 raters, the common example on Fleiss' kappa",
     lambda: round(fleiss(FOURTEEN).value, 4), 0.2099),
    ("Krippendorff, 3 raters of 15 rows: nominal",
     lambda: round(krippendorff(THREE_BY_FIFTEEN, "nominal").value, 4), 0.6914),
    ("Krippendorff, 3 raters of 15 rows: ordinal",
     lambda: round(krippendorff(THREE_BY_FIFTEEN, "ordinal").value, 4), 0.8067),
    ("Krippendorff, 3 raters of 15 rows: interval",
     lambda: round(krippendorff(THREE_BY_FIFTEEN, "interval").value, 4), 0.8108),
    ("Bradley and Terry 1952: three wins of four, 400 log10 3",
     lambda: ratings(WON)["a"].value - ratings(WON)["b"].value, 400 * math.log10(3)),
    ("Bradley and Terry 1952: the same, as it is quoted",
     lambda: round(ratings(WON)["a"].value - ratings(WON)["b"].value, 1), 190.8),
    ("Zheng et al. 2023: identical systems, whatever place the judge likes",
     lambda: win_rate([settled("a", "b", "first", "first")] * 9, "a").value, 0.5),
    ("Zheng et al. 2023: a judge that takes the first, always",
     lambda: order_consistency([("first", "first")] * 9)[1].value, 1),
    ("Esteban et al. 2017: the gap of a copy of real rows",
     lambda: tstr(ROWS, ROWS, ROWS, learner=light(same)).gap.value, 0),
    ("Wilson 1927: of nothing found in n, z^2 / (n + z^2)",
     lambda: wilson(0, 10)[1], 1.959963984540054**2 / (10 + 1.959963984540054**2)),
]  # fmt: skip


@pytest.mark.parametrize(("source", "found", "value"), KNOWN, ids=[one for one, *_ in KNOWN])
def test_a_known_answer_holds(source: str, found: Callable[[], float], value: float) -> None:
    assert found() == pytest.approx(value, abs=1e-9)
