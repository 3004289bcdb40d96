from __future__ import annotations

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.plots import HUES, accept_rates, caption, rows, summary
from synthkit.stats.intervals import wilson

RATES = [
    {"version": "v1", "when": "run 1", "accepted": 10, "n": 20, "prompt": "Write  one"},
    {"version": "v2", "when": "run 2", "accepted": 15, "n": 20, "prompt": "Write two"},
    {"version": "v1", "when": "run 3", "accepted": 12, "n": 20, "prompt": "Write  one"},
    {"version": "v3", "when": "run 4", "accepted": 39, "n": 40, "prompt": "Write three"},
]


def test_points_stand_in_the_order_of_time_and_those_of_a_version_are_joined() -> None:
    figure = accept_rates(RATES)
    assert [(t.name, t.x, t.y) for t in figure.data] == [
        ("v1", (0, 2), (0.5, 0.6)),
        ("v2", (1,), (0.75,)),
        ("v3", (3,), (0.975,)),
    ]
    assert [t.line.color for t in figure.data] == [*HUES[:3]]
    _, high = wilson(10, 20)
    assert figure.data[0].error_y.array[0] == pytest.approx(high - 0.5, rel=1e-4)
    ticks = figure.layout.xaxis.ticktext
    assert ticks[1].endswith("</span> v2<br>run 2<br>n = 20")
    assert summary(figure) == "v3 beats v1 by 0.42 [0.25, 0.58]."
    assert rows(figure)[0] == {
        "version": "v1", "when": "run 1", "accepted": "0.50 [0.30, 0.70]", "n": 20,
        "prompt": "Write one",
    }  # fmt: skip
    assert caption(figure).startswith("n = 100 marked rows")


def test_a_middle_version_that_is_best_is_named() -> None:
    rates = [{"version": v, "accepted": a, "n": 20} for v, a in (("a", 5), ("b", 19), ("c", 8))]
    assert summary(accept_rates(rates)) == (
        "No significant difference between c and a: 0.15 [-0.13, 0.40] on 20 rows; "
        "b has the highest rate, 0.95 [0.76, 0.99]."
    )


def test_one_version_is_read_by_its_share_and_a_run_without_marks_is_left_out() -> None:
    rates = [{"version": "v1", "accepted": 0, "n": 0}, {"version": "v1", "accepted": 3, "n": 3}]
    figure = accept_rates(rates)
    assert figure.data[0].y == (1.0,)
    assert summary(figure) == "v1: 1.00 [0.44, 1.00] accepted, n = 3."


def test_many_runs_are_cut_to_the_last_and_names_fit() -> None:
    rates = [{"version": f"version {n} " + "x" * 99, "accepted": 1, "n": 2} for n in range(500)]
    figure = accept_rates(rates)
    assert len(figure.data) == 40
    assert len(figure.layout.xaxis.ticktext) <= 12
    assert len(figure.to_json()) < 100_000
    assert "the last 40 of 500 drawn" in caption(figure)


def test_rates_that_make_no_sense_are_named() -> None:
    with pytest.raises(UsageError, match="0 <= successes <= n; got 3"):
        accept_rates([{"version": "a", "accepted": 3, "n": 2}])
    with pytest.raises(UsageError, match="a count of row 0"):
        accept_rates([{"version": "a", "accepted": None, "n": 2}])
    with pytest.raises(TableError, match="column 'version' not found"):
        accept_rates([{"n": 1}])
