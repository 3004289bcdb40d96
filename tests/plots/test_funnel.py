from __future__ import annotations

import pytest

from synthkit.core.errors import UsageError
from synthkit.data.results import Curation, Stage
from synthkit.plots import HUES, caption, funnel, rows, size, summary

STAGES = (Stage("length", 1200, 1100, {"short": 90, "long": 10}), Stage("<b>", 1100, 300))


def test_a_bar_is_what_a_filter_was_given_in_two_parts() -> None:
    figure = funnel(Curation([], [], STAGES))
    kept, dropped = figure.data
    assert (kept.x, dropped.x) == ((1100, 300), (100, 800))
    assert kept.y == ("length", "&lt;b&gt;")
    assert (kept.marker.color, dropped.marker.color) == (HUES[0], "rgba(0,0,0,0)")
    assert figure.layout.xaxis.range[0] == 0
    assert figure.layout.barmode == "stack"
    told = [note.text for note in figure.layout.annotations]
    assert told == ["<b>1\u202f100</b> −100", "<b>300</b> −800"]
    assert caption(figure) == "n = 1\u202f200; filled: kept, hollow: dropped"
    assert summary(figure) == "300 of 1\u202f200 rows kept (25 %); <b> dropped the most, 800."
    assert rows(figure)[0]["why"] == "90 × short, 10 × long"


def test_filters_of_one_name_are_told_apart() -> None:
    assert funnel([Stage("a", 2, 1), Stage("a", 1, 1)]).data[0].y == ("a", "a (1)")


def test_many_filters_are_cut_and_said_so() -> None:
    figure = funnel([Stage(f"filter {n} " + "x" * 99, 1000 - n, 999 - n) for n in range(90)])
    assert len(figure.data[0].x) == 20
    assert "20 of 90 filters drawn" in caption(figure)
    assert (len(rows(figure)), size(figure)) == (90, 90)
    assert len(figure.to_json()) < 100_000


def test_a_funnel_of_no_rows_or_too_many_kept() -> None:
    assert summary(funnel([Stage("a", 0, 0)])) == "No rows."
    with pytest.raises(UsageError, match="'a' kept 3 of 2 rows"):
        funnel([Stage("a", 2, 3)])
