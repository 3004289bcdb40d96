from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Score
from synthkit.evaluate import report
from synthkit.evaluate.checks import length
from synthkit.evaluate.results import Measured, Report
from synthkit.plots import HUES, SYMBOLS, caption, rows, scores, size, summary, theme


def score(name: str, value: float, half: float | None = 0.05, **options: Any) -> Score:
    ends = {} if half is None else {"low": value - half, "high": value + half}
    return Score(**{"name": name, "value": value, "n": 40, "better": "higher", **ends, **options})


RUNS = {
    "plain": [score("distinct-2", 0.3, unit="0..1"), score("Vendi", 12.0, 2.0, unit="rows")],
    "varied": [score("distinct-2", 0.6, unit="0..1"), score("Vendi", 13.0, 2.0, unit="rows")],
}


def test_each_metric_has_a_panel_with_its_unit_and_each_run_its_colour_in_all() -> None:
    figure = scores(RUNS)
    assert [(t.name, t.x, t.xaxis) for t in figure.data] == [
        ("plain", (0.3,), "x"),
        ("varied", (0.6,), "x"),
        ("plain", (12.0,), "x2"),
        ("varied", (13.0,), "x2"),
    ]
    assert [t.marker.color for t in figure.data] == [*HUES[:2]] * 2
    assert [t.marker.symbol for t in figure.data] == [*SYMBOLS[:2]] * 2
    assert figure.data[3].error_x.array == pytest.approx((2.0,))
    assert figure.data[3].error_x.arrayminus == pytest.approx((2.0,))
    titles = [note.text for note in figure.layout.annotations]
    assert titles == ["<b>distinct-2 ↑</b><br>0..1", "<b>Vendi ↑</b><br>rows"]
    assert caption(figure) == (
        "n = 40; 95 % intervals; ↑ higher is better, ↓ lower; verdicts hold for "
        "2 comparisons together (Holm)"
    )
    assert summary(figure) == (
        "varied beats plain by 0.30 [0.23, 0.37] in distinct-2; no significant difference in Vendi."
    )
    assert rows(figure)[1] == {
        "run": "plain", "metric": "Vendi", "score": "12.0 [10.0, 14.0]", "n": 40, "unit": "rows",
        "better": "higher",
    }  # fmt: skip


def texts(n: int) -> list[dict[str, str]]:
    words = "salt river lamp quiet orchard paper window winter".split()
    return [
        {"id": f"r{at}", "text": " ".join(words[(at * k) % 8] for k in range(1, 4 + at % 9))}
        for at in range(n)
    ]


def test_a_table_does_not_beat_a_part_of_itself() -> None:
    options: dict[str, Any] = {"column": "text", "checks": [length("text", 3, 10)]}
    full, part = (report(texts(60)[:n], **options) for n in (60, 57))
    figure = scores({"full": full, "part": part})
    assert "beats" not in summary(figure)
    assert "o significant difference in MTLD and pass rate; not compared: " in summary(figure)
    tested = [gap for gap in full.differences(part).values() if not isinstance(gap, str)]
    assert f"hold for {tested[0].family} comparisons together (Holm)" in caption(figure)


def test_several_runs_are_corrected_for_every_two_of_them() -> None:
    runs = {f"run {at}": [score("rate", value)] for at, value in enumerate((0.3, 0.42, 0.5))}
    two = summary(scores({name: runs[name] for name in ("run 1", "run 2")}))
    assert two.startswith("run 2 beats run 1")
    figure = scores(runs | {"run 3": [score("rate", 0.31)]})
    assert "verdicts hold for 6 comparisons together (Holm)" in caption(figure)
    assert summary(figure).startswith("No significant difference between run 2 and run 1")


def test_a_metric_that_depends_on_the_number_of_rows_is_compared_at_one() -> None:
    full, part = (score("vocabulary", v, n=n, at_n=n) for v, n in ((90.0, 60), (40.0, 20)))
    assert "not compared" in summary(scores({"full": [full], "part": [part]}))
    table = pd.DataFrame({"name": ["a", "b"], "metric": "vocabulary", "value": [90.0, 40.0],
                          "low": [89.0, 39.0], "high": [91.0, 41.0], "n": [60, 20]})  # fmt: skip
    assert "not compared" in summary(scores(table))


def test_panels_do_not_overlap_however_many_there_are() -> None:
    for k in range(1, 13):
        own = [score(f"metric {at}", at) for at in range(k)]
        layout = scores({"a": own, "b": own, "c": own}).layout
        boxes = []
        for at in range(k):
            number = "" if at == 0 else at + 1
            x, y = layout[f"xaxis{number}"].domain, layout[f"yaxis{number}"].domain
            assert 0 <= x[0] < x[1] <= 1
            assert 0 <= y[0] < y[1] <= 1
            boxes.append((*x, *y))
        for n, a in enumerate(boxes):
            for b in boxes[:n]:
                assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2], (k, a, b)
        height = layout.height - theme.TEMPLATE["layout"]["margin"]["t"] - layout.margin.b
        assert (boxes[0][3] - boxes[0][2]) * height >= 20 * 3


def test_one_run_is_read_by_its_values_and_a_list_is_one_run() -> None:
    figure = scores(RUNS["plain"])
    assert summary(figure) == "distinct-2 0.30 [0.25, 0.35] and Vendi 12.0 [10.0, 14.0]."
    assert "run" not in rows(figure)[0]
    report = Report(tuple(Measured("diversity", one) for one in RUNS["plain"]), {})
    assert scores(report).to_json() == figure.to_json()
    assert scores(report.frame()).data[1].x == (12.0,)


def test_a_table_of_kept_scores_has_a_run_for_each_evaluation() -> None:
    table = pd.DataFrame(
        {"evaluation": [1, 2, 2], "name": "reviews", "metric": ["m", "m", "k"],
         "value": [0.5, 0.6, 2.0], "low": [0.4, 0.5, None], "high": [0.6, 0.7, None],
         "n": [10, 20, 20], "unit": "", "better": "", "how": ""}
    )  # fmt: skip
    figure = scores(table)
    assert [(t.name, t.x[0]) for t in figure.data] == [
        ("reviews 1", 0.5),
        ("reviews 2", 0.6),
        ("reviews 2", 2.0),
    ]
    assert figure.data[2].error_x.array == (None,)
    assert caption(figure) == "n = 10 to 20; 95 % intervals; 1 without"
    other = table[table["evaluation"] == 1].assign(name="others", evaluation=3)
    names = {t.name for t in scores(pd.concat([table[:1], other])).data}
    assert names == {"reviews", "others"}


def test_where_fewer_is_better_the_lower_run_wins() -> None:
    low, high = score("self-BLEU", 0.2, better="lower"), score("self-BLEU", 0.7, better="lower")
    figure = scores({"a": [high], "b": [low]})
    assert summary(figure) == "b beats a by 0.50 [0.43, 0.57] in self-BLEU."
    assert "↓" in figure.layout.annotations[0].text


def test_what_is_too_much_is_left_out_and_said() -> None:
    many = {f"run {n}": [score(f"m{k}", k, unit="u" * 99) for k in range(20)] for n in range(11)}
    figure = scores(many)
    assert len(figure.data) == 12 * 6
    assert {t.name for t in figure.data} == {f"run {n}" for n in range(5, 11)}
    assert "12 of 20 metrics drawn; the last 6 of 11 runs drawn" in caption(figure)
    assert (len(rows(figure)), size(figure)) == (100, 220)
    assert len(figure.to_json()) < 100_000


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": [score("m", math.nan)]}, "finite number for a, m; got nan"),
        ({"a": [score("m", 0.5, math.inf)]}, "an end of the interval of a"),
        ({"a": [score("m", 0.5), score("m", 0.6)]}, "a has two scores named 'm'"),
        ({"a": ["m"]}, "expected scores; got str for 'a'"),
    ],
)
def test_scores_that_cannot_be_drawn_are_named(given: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        scores(given)


def test_a_table_without_scores_is_refused() -> None:
    with pytest.raises(TableError, match="column 'metric' not found"):
        scores([{"text": "soup"}])
    with pytest.raises(UsageError, match="'value' of row 0"):
        scores([{"metric": "m", "value": None, "low": None, "high": None, "n": 1}])
