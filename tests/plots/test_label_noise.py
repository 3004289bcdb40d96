from __future__ import annotations

import math

import pytest

from synthkit.core.errors import UsageError
from synthkit.plots import caption, confusion, losses, reading, rows


def test_losses_are_counted_in_bins_under_both_components() -> None:
    values = [0.0, 0.01, 0.5, 1.0, 1.0]
    figure = losses(values, means=[0.1, 0.9], deviations=[0.1, 0.05], shares=[0.6, 0.4])
    bars, small, large = figure.data
    assert (len(bars.x), sum(bars.y)) == (40, 5)
    assert (bars.y[0], bars.y[20], bars.y[39]) == (2, 1, 2)
    # the height of a normal distribution at its mean, times its rows in a bin
    assert max(small.y) == pytest.approx(0.6 * 5 / 40 / (0.1 * 6.283185**0.5), abs=1e-3)
    assert small.x[small.y.index(max(small.y))] == pytest.approx(0.1, abs=0.01)
    assert large.x[large.y.index(max(large.y))] == pytest.approx(0.9, abs=0.01)
    assert [note.text.split("</span> ")[1] for note in figure.layout.annotations] == [
        "small losses, 60%",
        "large losses, 40%",
    ]
    assert reading(figure).startswith("A share of 0.40 has large losses, 0.90 on average")
    many = losses(values * 20_000, means=[0, 1], deviations=[1, 1], shares=[1, 0])
    assert len(many.to_json()) < 1e5


def test_losses_that_do_not_differ_have_no_components() -> None:
    figure = losses([0.0] * 3, means=[0, 1], deviations=[0, 0], shares=[1, 0])
    assert [trace.type for trace in figure.data] == ["bar"]
    assert reading(figure) == "The losses do not fall in two."
    assert losses([], means=[0, 1], deviations=[0, 0], shares=[1, 0]).data[0].y == (0,) * 40
    with pytest.raises(UsageError, match="loss 1"):
        losses([0, math.inf], means=[0, 1], deviations=[1, 1], shares=[1, 0])


def test_a_confusion_colours_what_is_off_the_diagonal() -> None:
    figure = confusion([[40, 3], [5, 1052]], ["<i>", "x" * 99], caption="seed 0")
    (heat,) = figure.data
    assert [list(row) for row in heat.z] == [[None, 3], [5, None]]
    assert heat.x == heat.y == ("&lt;i&gt;", "x" * 19 + "…")
    assert [note.text for note in figure.layout.annotations] == ["40", "3", "5", "1\u202f052"]
    assert caption(figure) == "n = 1\u202f100, 8 of them off the diagonal; seed 0"
    assert rows(figure)[0] == {"given": "x" * 99, "looks": "<i>", "rows": 5}


def test_fifty_labels_are_a_small_figure_without_numbers_in_it() -> None:
    figure = confusion([[n] * 50 for n in range(50)], ["a rather long label of one beginning"] * 50)
    assert len(figure.to_json()) < 100_000
    assert len(figure.layout.annotations) == 0
    assert len(set(figure.data[0].x)) == 50


def test_a_confusion_without_rows_or_noise_says_so() -> None:
    assert caption(confusion([], [])) == "n = 0, 0 of them off the diagonal"
    assert reading(confusion([], [])) == "No rows."
    assert reading(confusion([[3]], ["a"])) == "All of 3 rows look as they are labelled."
