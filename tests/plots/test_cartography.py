from __future__ import annotations

import math

import pytest

from synthkit.core.errors import UsageError
from synthkit.plots import HUES, caption, cartography, rows, summary


def test_a_data_map_tells_noisy_rows_from_others_and_says_how_many() -> None:
    figure = cartography(
        [0.9, 0.1, 0.8], [0.1, 0.2, 0.3], noisy=[False, True, False], caption="<b>; seed 4"
    )
    kept, noisy = figure.data
    assert (kept.x, kept.y, kept.customdata) == ((0.1, 0.3), (0.9, 0.8), (0, 2))
    assert (noisy.x, noisy.y, noisy.customdata) == ((0.2,), (0.1,), (1,))
    assert (kept.marker.color, noisy.marker.color) == HUES[:2]
    assert kept.marker.symbol != noisy.marker.symbol
    assert [note.text.split("</span> ")[1] for note in figure.layout.annotations] == [
        "2 kept",
        "1 noisy",
    ]
    assert caption(figure) == "n = 3; &lt;b&gt;; seed 4"
    assert summary(figure) == (
        "Mean confidence in the given label: 0.10 for the 1 noisy row, 0.85 for the others."
    )


def test_of_many_rows_two_thousand_are_drawn_by_the_seed() -> None:
    values = [(n % 997) / 997 for n in range(12_345)]
    marks = [n % 3 == 0 for n in range(12_345)]
    figure = cartography(values, values, noisy=marks)
    drawn = [row for trace in figure.data for row in trace.customdata]
    assert len(set(drawn)) == 2000
    assert [row["n"] for row in rows(figure)] == [8230, 4115]
    assert caption(figure) == "n = 12\u202f345; 2\u202f000 of them drawn, seed 0"
    assert len(figure.to_json()) < 100_000
    other = cartography(values, values, noisy=marks, seed=1)
    assert list(other.data[0].customdata) != list(figure.data[0].customdata)
    again = cartography(values, values, noisy=marks)
    assert list(again.data[0].customdata) == list(figure.data[0].customdata)


def test_an_empty_data_map_says_so() -> None:
    assert caption(cartography([], [])) == "n = 0"
    assert summary(cartography([], [])) == "No rows."
    with pytest.raises(UsageError, match="confidence, row 0"):
        cartography([math.nan], [0.1])
