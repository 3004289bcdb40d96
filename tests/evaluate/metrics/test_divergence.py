from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from synthkit.core.errors import UsageError
from synthkit.evaluate.metrics.divergence import label_divergence, length_divergence


def test_label_divergence_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    for k in (2, 7, 40):
        real, synthetic = rng.integers(k, size=90), rng.integers(k, size=60) ** 2 // k
        p, q = (np.bincount(x, minlength=k) / len(x) for x in (real, synthetic))
        divergence, varied = label_divergence(synthetic.tolist(), real.tolist())
        assert divergence.value == pytest.approx(jensenshannon(p, q, base=2) ** 2, abs=1e-12)
        assert varied.value == pytest.approx(np.abs(p - q).sum() / 2, abs=1e-12)


@pytest.mark.parametrize(
    ("real", "synthetic", "value"),
    [("a", "a", 0), ("a", "b", 1), ("ab", "ab", 0), ("aabb", "ccdd", 1), ("aaaa", "aa", 0)],
)
def test_divergence_of_equal_and_of_disjoint_labels(
    real: str, synthetic: str, value: float
) -> None:
    for score in label_divergence(list(synthetic), list(real)):
        assert score.value == value
        assert score.low is not None
        assert score.high is not None
        assert score.low <= value <= score.high


def test_label_intervals_hold_the_true_value_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    p, q = np.array([0.5, 0.3, 0.2]), np.array([0.2, 0.3, 0.5])
    true = [jensenshannon(p, q, base=2) ** 2, 0.3]
    held = np.zeros(2)
    for _ in range(400):
        real, synthetic = (rng.choice(3, size=300, p=shares).tolist() for shares in (p, q))
        for at, score in enumerate(label_divergence(synthetic, real, draws=200)):
            held[at] += score.low <= true[at] <= score.high
    assert held / 400 == pytest.approx(0.95, abs=0.03)


@pytest.mark.parametrize("moved", [0, 0.03, 0.1])
@pytest.mark.parametrize(("n", "k"), [(100, 2), (100, 10), (100, 40), (1000, 10)])
def test_intervals_of_similar_tables_hold_the_true_divergence(n: int, k: int, moved: float) -> None:
    rng = np.random.default_rng(n + k)
    p = np.full(k, 1 / k)
    q = p + np.repeat([-2 * moved / k, 2 * moved / k], k // 2)
    true = [jensenshannon(p, q, base=2) ** 2, moved]
    held = np.zeros(2)
    for _ in range(150):
        real, synthetic = (rng.choice(k, size=n, p=shares).tolist() for shares in (p, q))
        for at, score in enumerate(label_divergence(synthetic, real, draws=200)):
            held[at] += score.low - 1e-12 <= true[at] <= score.high
    assert (held / 150 > 0.91).all()  # 1.00 at most; 0 to .7 of ten labels or more, by sd alone


def test_length_divergence_sees_lengths_alone() -> None:
    real = ["x" * n for n in range(1, 101)]
    same = ["سلام你好🙂"[n % 7] * n for n in range(1, 101)]
    assert [score.value for score in length_divergence(real, same)] == [0, 0]
    constant = length_divergence(["a" * 10] * 1000, ["b" * 20] * 3)
    assert [score.value for score in constant] == [1, 1]
    assert [s.value for s in length_divergence(["a b"] * 9, ["abcd e"] * 9, length=words)] == [0, 0]
    huge = length_divergence(["x" * 1_000_000, ""], ["x" * 1_000_000, ""])
    assert [score.value for score in huge] == [0, 0]


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize("wrong", [None, float("nan"), ["a"]])
def test_a_missing_label_or_text_is_refused(wrong: Any) -> None:
    with pytest.raises(UsageError, match="synthetic row 1: expected a label"):
        label_divergence(["a", wrong], ["a", "b"])
    with pytest.raises(UsageError, match="real row 0: expected a text"):
        length_divergence(["a"], [wrong, "b"])


@pytest.mark.parametrize("divergence", [label_divergence, length_divergence])
def test_divergence_from_nothing_is_refused(divergence: Callable[..., Any]) -> None:
    for real, synthetic, name in (
        ([], ["a"], "real"), (["a"], [], "synthetic"), ([], [], "synthetic"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=f"^{name}: expected one row or more"):
            divergence(synthetic, real)
