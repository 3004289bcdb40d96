from __future__ import annotations

import math
from itertools import combinations

import pytest

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.plots import agreement, caption, rows, summary


def kappa(value: float, half: float = 0.1, n: int = 40) -> Score:
    return Score(name="kappa", value=value, low=value - half, high=value + half, n=n)


def test_the_matrix_holds_each_pair_both_ways_and_oneself_on_the_diagonal() -> None:
    figure = agreement(
        {("ana", "bob"): kappa(0.7), ("bob", "<c>"): None, ("ana", "ana"): kappa(0.9)}
    )
    (heat,) = figure.data
    assert heat.x == heat.y == ("ana", "bob", "&lt;c&gt;")
    assert [list(line) for line in heat.z] == [[0.9, 0.7, None], [0.7, None, None], [None] * 3]
    assert (heat.zmin, heat.zmax) == (0, 1)
    notes = {(note.y, note.x): note.text for note in figure.layout.annotations}
    assert notes["ana", "bob"] == "<b>0.70</b><br>[0.60, 0.80]<br>n = 40"
    assert notes["bob", "&lt;c&gt;"] == notes["&lt;c&gt;", "bob"] == "–"
    assert ("ana", "&lt;c&gt;") not in notes
    assert summary(figure) == "Agreement of ana and bob: 0.70 [0.60, 0.80] on 40 rows."
    assert caption(figure) == "3 annotators; –: not defined"
    assert rows(figure)[1] == {"first": "bob", "second": "<c>", "Cohen's kappa": "–", "n": 0}


def test_the_least_and_the_most_are_read_and_chance_is_named() -> None:
    figure = agreement({("a", "b"): kappa(0.05), ("a", "c"): kappa(0.6), ("b", "c"): kappa(0.8)})
    assert summary(figure) == (
        "Lowest agreement: a and b: 0.05 [-0.05, 0.15] on 40 rows (not above chance); "
        "highest: b and c: 0.80 [0.70, 0.90] on 40 rows."
    )


def test_text_stands_out_on_its_shade() -> None:
    figure = agreement({("a", "b"): kappa(0.0), ("a", "c"): kappa(1.0)})
    colours = {note.text[3:7]: note.font.color for note in figure.layout.annotations}
    assert colours == {"0.00": "#000000", "1.00": "#ffffff"}


def test_many_judges_are_cut_and_small() -> None:
    names = [f"judge {n} with a long name" for n in range(30)]
    figure = agreement({pair: kappa(0.5) for pair in combinations(names, 2)})
    assert len(figure.data[0].x) == 12
    assert "30 annotators; 12 of them drawn" in caption(figure)
    assert len(figure.to_json()) < 100_000
    with pytest.raises(UsageError, match="finite number for a and b, kappa"):
        agreement({("a", "b"): kappa(math.nan)})
