from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from synthkit.core.errors import TableError, UsageError
from synthkit.plots import binned, caption, reliability, rows, summary
from synthkit.stats.intervals import wilson


def test_bins_equal_those_of_scikit_learn() -> None:
    rng = random.Random(0)
    said = [rng.random() ** 2 for _ in range(500)]
    came = [rng.random() < p for p in said]
    for bins in (1, 5, 10, 37):
        found = binned(said, came, bins=bins)
        share, predicted = calibration_curve(came, said, n_bins=bins)
        assert np.allclose(found["share"], share)
        assert np.allclose(found["predicted"], predicted)
        assert found["n"].sum() == 500


def test_the_ends_belong_to_a_bin_and_intervals_are_wilsons() -> None:
    found = binned([0.0, 1.0, 1.0], [False, True, False], bins=10)
    assert found["predicted"].tolist() == [0.0, 1.0]
    assert (found["low"][1], found["high"][1]) == wilson(1, 2)


@pytest.mark.parametrize(
    ("said", "came", "message"),
    [
        ([0.5], [], "an outcome for each probability"),
        ([1.5], [True], "from 0 to 1 in row 0; got 1.5"),
        ([math.nan], [True], "the probability of row 0"),
        ([0.5], ["yes"], "true or false as the outcome of row 0; got 'yes'"),
        ([0.5], [None], "true or false as the outcome of row 0; got None"),
    ],
)
def test_what_is_no_probability_or_outcome_is_named(said: Any, came: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        binned(said, came)


def test_points_lie_where_they_came_true_and_the_error_is_the_mean_distance() -> None:
    # 40 rows at 0.9 of which half came true, 60 at 0.1 of which 6 did: (40 x 0.4 + 0) / 100
    said = [0.9] * 40 + [0.1] * 60
    came = [True] * 20 + [False] * 20 + [True] * 6 + [False] * 54
    figure = reliability(binned(said, came), what="accept")
    (line,) = figure.data
    assert (line.x, line.y) == ((0.1, 0.9), (0.1, 0.5))
    assert line.error_y.array[1] == pytest.approx(wilson(20, 40)[1] - 0.5, rel=1e-4)
    diagonal = figure.layout.shapes[0]
    assert (diagonal.x0, diagonal.y0, diagonal.x1, diagonal.y1) == (0, 0, 1, 1)
    assert [note.text for note in figure.layout.annotations] == ["60", "40"]
    assert figure.layout.xaxis.title.text == "predicted probability of accept (0..1)"
    assert summary(figure) == (
        "1 of 2 bins is off the diagonal: predicted 0.90, observed 0.50 [0.35, 0.65] (too high); "
        "expected calibration error 0.16."
    )
    assert rows(figure)[0] == {"predicted": 0.1, "observed": "0.10 [0.05, 0.20]", "n": 60}
    assert caption(figure).startswith("n = 100 rows in 2 bins")


def test_five_hundred_bins_are_small_and_without_numbers() -> None:
    rng = random.Random(0)
    figure = reliability(binned([rng.random() for _ in range(9000)], [True] * 9000, bins=500))
    assert not figure.layout.annotations
    assert len(figure.to_json()) < 100_000


def test_one_bin_and_a_table_without_the_columns() -> None:
    figure = reliability(binned([0.5], [True]))
    assert summary(figure).startswith("The one bin includes the diagonal")
    with pytest.raises(TableError, match="column 'predicted' not found"):
        reliability([{"p": 1}])
