from __future__ import annotations

import math

import pytest

from synthkit.core.errors import UsageError
from synthkit.plots import losses, summary


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
    assert summary(figure).startswith("A share of 0.40 has large losses, 0.90 on average")
    many = losses(values * 20_000, means=[0, 1], deviations=[1, 1], shares=[1, 0])
    assert len(many.to_json()) < 1e5


def test_losses_that_do_not_differ_have_no_components() -> None:
    figure = losses([0.0] * 3, means=[0, 1], deviations=[0, 0], shares=[1, 0])
    assert [trace.type for trace in figure.data] == ["bar"]
    assert summary(figure) == "The losses form one group."
    assert losses([], means=[0, 1], deviations=[0, 0], shares=[1, 0]).data[0].y == (0,) * 40
    with pytest.raises(UsageError, match="loss 1"):
        losses([0, math.inf], means=[0, 1], deviations=[1, 1], shares=[1, 0])
