from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate import scores
from synthkit.evaluate.metrics.embedding_diversity import aps, chamfer, remote_clique, vendi

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # vendi-score 0.0.3 names modules that scipy has moved
    from vendi_score.vendi import score_dual, score_K

Array = np.ndarray


def drawn(seed: int, n: int = 30, d: int = 6) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)) + 0.5


def without(monkeypatch: pytest.MonkeyPatch, metric: Callable[[Array], Score], x: Array) -> Array:
    seen: list[Array] = []
    monkeypatch.setattr(scores, "jackknife", lambda v, left, level: (seen.append(left), (v, v))[1])
    metric(x)
    return seen[0]


@pytest.mark.parametrize("seed", range(5))
def test_aps_is_the_mean_of_the_cosines_of_scikit_learn(seed: int) -> None:
    x = drawn(seed)
    labels = np.random.default_rng(seed).integers(3, size=30)
    cosines = cosine_similarity(x)
    other = ~np.eye(30, dtype=bool)
    same = labels[:, None] == labels
    cases = {"all": other, "intra": other & same, "inter": ~same}
    for pairs, mask in cases.items():
        found = aps(x, labels=labels.tolist(), pairs=pairs)  # type: ignore[arg-type]
        assert found.value == pytest.approx(cosines[mask].mean(), abs=1e-14)
    assert remote_clique(x).value == pytest.approx(1 - cosines[other].mean(), abs=1e-14)
    far = cosine_distances(x)
    np.fill_diagonal(far, np.inf)
    assert chamfer(x).value == pytest.approx(far.min(axis=1).mean(), abs=1e-14)


@pytest.mark.parametrize("pairs", ["all", "intra", "inter"])
def test_aps_without_each_row(pairs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = drawn(0, 9), list("aabbbcccc")
    found = without(
        monkeypatch, lambda rows: aps(rows, labels=labels, pairs=pairs), x  # type: ignore[arg-type]
    )  # fmt: skip
    expected = [
        aps(np.delete(x, j, 0), labels=labels[:j] + labels[j + 1 :], pairs=pairs).value  # type: ignore[arg-type]
        for j in range(9)
    ]
    assert found == pytest.approx(np.array(expected), abs=1e-13)


def test_chamfer_without_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    x = drawn(1, 600)  # more than one block
    found = without(monkeypatch, chamfer, x)
    expected = [chamfer(np.delete(x, j, 0)).value for j in range(0, 600, 40)]
    assert found[::40] == pytest.approx(np.array(expected), abs=1e-13)


@pytest.mark.parametrize("q", [0.5, 1, 2, 5, math.inf])
@pytest.mark.parametrize("shape", [(30, 6), (6, 30), (20, 20)])
def test_vendi_is_that_of_vendi_score(q: float, shape: tuple[int, int]) -> None:
    x = drawn(2, *shape)
    named = "inf" if math.isinf(q) else q
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = score_K(cosine_similarity(x), q=named)
    close = 1e-5 if q < 1 else 1e-12  # it counts eigenvalues that are rounding
    assert vendi(x, q=q).value == pytest.approx(expected, rel=close)
    assert vendi(x, q=q).value == pytest.approx(score_dual(x, q=named), rel=close)


@pytest.mark.parametrize("q", [0, 0.5, 1, 2, 100, 1e6, math.inf])
def test_vendi_of_rows_at_right_angles_is_n_and_of_equal_rows_1(q: float) -> None:
    assert vendi(np.eye(7), q=q).value == pytest.approx(7, rel=1e-12)
    assert vendi(np.ones((7, 3)), q=q).value == pytest.approx(1, rel=1e-12)
    assert vendi(np.ones((3, 7)), q=q).value == pytest.approx(1, rel=1e-12)


def test_vendi_of_order_0_counts_dimensions() -> None:
    assert vendi(drawn(3, 40, 5), q=0).value == pytest.approx(5)
    assert vendi(drawn(3, 4, 50), q=0).value == pytest.approx(4)


@pytest.mark.parametrize("q", [0.5, 1, 3, math.inf])
def test_vendi_interval_is_the_infinitesimal_jackknife(q: float) -> None:
    x = drawn(4, 25, 3)
    x /= np.linalg.norm(x, axis=1, keepdims=True)

    def log_value(weights: Array) -> float:
        shares = np.linalg.eigvalsh((x.T * weights) @ x / weights.sum())
        if math.isinf(q):
            return -math.log(shares.max())
        if q == 1:
            return -float((shares * np.log(shares)).sum())
        return math.log((shares**q).sum()) / (1 - q)

    step = 1e-5
    moved = [
        (log_value(1 + step * row) - log_value(1 - step * row)) / (2 * step) for row in np.eye(25)
    ]
    half = stats.t.ppf(0.975, 24) * math.sqrt(np.square(moved).sum() * 25 / 24)
    found = vendi(x, q=q)
    assert math.log(found.high / found.value) == pytest.approx(half, rel=1e-3)  # type: ignore[operator]


def test_vendi_has_no_interval_where_rows_bound_it() -> None:
    assert vendi(drawn(5, 5, 9)).low is None
    assert vendi(drawn(5), q=0).low is None


def test_vendi_without_its_interval_has_the_same_value() -> None:
    found = vendi(drawn(6), interval=False)
    assert found.low is None
    assert found.value == pytest.approx(vendi(drawn(6)).value, rel=1e-13)


@pytest.mark.parametrize("metric", [aps, remote_clique, chamfer, vendi])
def test_degenerate_rows(metric: Callable[..., Score]) -> None:
    for x in (np.ones((2, 3)), np.eye(2), np.ones((5, 2)), np.ones((5, 1)), np.eye(3)[[0, 0, 1]]):
        found = metric(x)
        assert math.isfinite(found.value)
        if found.low is not None:
            assert found.low <= found.value + 1e-12
            assert found.value - 1e-12 <= found.high  # type: ignore[operator]
    assert metric([[1, 0]] * 4).value == pytest.approx(
        {"aps": 1, "vendi": 1}.get(metric.__name__, 0), abs=1e-12
    )


@pytest.mark.parametrize("metric", [aps, remote_clique, chamfer, vendi])
@pytest.mark.parametrize(
    "vectors",
    [[], [[]], [1, 2], [[0, 0], [1, 0]], [[math.nan, 1], [1, 0]], [["a"], ["b"]], [[1], [1, 2]]],
)
def test_what_has_no_cosine_is_refused(metric: Callable[..., Score], vectors: list[object]) -> None:
    with pytest.raises(UsageError):
        metric(vectors)


def test_one_row_is_one_kind_and_no_pair() -> None:
    assert vendi([[3, 4]]).value == pytest.approx(1)
    for metric in (aps, remote_clique, chamfer):
        with pytest.raises(UsageError):
            metric([[3, 4]])


def test_pairs_that_are_not_there_are_refused() -> None:
    x = np.eye(3)
    with pytest.raises(UsageError, match="has two rows"):
        aps(x, labels="abc", pairs="intra")
    with pytest.raises(UsageError, match="differs"):
        aps(x, labels="aaa", pairs="inter")
    with pytest.raises(UsageError, match="got none"):
        aps(x, pairs="inter")
    with pytest.raises(UsageError, match="got 2"):
        aps(x, labels="ab", pairs="intra")
    with pytest.raises(UsageError, match="'both'"):
        aps(x, labels="abc", pairs="both")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="q must"):
        vendi(x, q=-1)
