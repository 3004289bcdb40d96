from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.evaluate.metrics.divergence import shares
from synthkit.evaluate.metrics.mauve import _area, mauve
from tests.evaluate.metrics.test_embedding_fidelity import apart

# the numbers are those of mauve-text 0.4.0


@pytest.mark.parametrize(
    ("scaling", "smoothing", "area"),
    [
        (5, 0, 0.6057245782967072),
        (5, 0.5, 0.6576952721769055),
        (1, 0, 0.968085841270852),
        (20, 0, 0.03375758821751425),
    ],
)
def test_the_area_is_that_of_the_published_code(
    scaling: float, smoothing: float, area: float
) -> None:
    p = np.array([8.0, 6, 9, 4, 12, 3, 12, 6]) + smoothing
    q = np.array([10.0, 10, 7, 17, 3, 22, 5, 6]) + smoothing
    assert float(_area(shares(p), shares(q), scaling)) == pytest.approx(area, abs=1e-12)


MAUVE_TEXT = [
    # n, m, d, shift, its mean of five seeds, and with smoothing of 0.5
    (300, 300, 8, 0.3, 0.9517, 0.9597),
    (600, 900, 16, 0.5, 0.9393, 0.9479),
    (1000, 1000, 32, 1.0, 0.8283, 0.8564),
]


def test_mauve_is_that_of_the_published_code_within_what_its_seeds_differ() -> None:
    rng = np.random.default_rng(0)
    for n, m, d, shift, plain, smooth in MAUVE_TEXT:
        real, synthetic = rng.normal(size=(n, d)), rng.normal(size=(m, d))
        synthetic[:, 0] += shift
        for smoothing, expected in ((0.0, plain), (0.5, smooth)):
            found = [
                mauve(synthetic, real, smoothing=smoothing, seed=seed, draws=0).value
                for seed in range(3)
            ]
            assert np.mean(found) == pytest.approx(expected, abs=0.03)


def test_mauve_without_a_shared_cluster_is_the_area_of_two_powers() -> None:
    w = np.concatenate([[0], np.linspace(1e-6, 1 - 1e-6, 25), [1]])
    least = np.trapezoid(w**5, -((1 - w) ** 5))
    found = mauve([[1.0, 0.0]] * 40, [[-1.0, 0.0]] * 40)
    assert found.value == pytest.approx(least, abs=1e-12)
    assert found.value == pytest.approx(1 / 252, abs=2e-4)


def test_mauve_depends_on_neither_the_order_of_rows_nor_which_table_is_first() -> None:
    real, synthetic = apart(200, 200, 6, 0.7)
    value = mauve(synthetic, real).value
    assert mauve(synthetic, real[::-1]).value == pytest.approx(value, abs=1e-12)
    assert mauve(synthetic, real).value == pytest.approx(value, abs=1e-12)


def test_mauve_says_so_where_rows_are_few() -> None:
    real, synthetic = apart(499, 600, 3, 0.1)
    assert "too few rows to trust it: 499" in mauve(synthetic, real, draws=0).how
    assert "too few" not in mauve(synthetic, synthetic, draws=0).how


@pytest.mark.parametrize(
    "option",
    [{"clusters": 0}, {"explained": 0}, {"scaling": 0}, {"smoothing": -1}, {"restarts": 0}],
)
def test_mauve_refuses_options_out_of_range(option: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected clusters"):
        mauve([[1.0], [2.0]], [[1.0], [2.0]], **option)
