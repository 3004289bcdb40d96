from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.metrics import cohen_kappa_score, roc_auc_score

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Mark
from synthkit.curate.marks.decisions import accepted, label_pairs
from synthkit.evaluate.raters.agreement import cohen
from synthkit.evaluate.raters.judge_calibration import calibrate
from synthkit.evaluate.raters.krippendorff import krippendorff
from synthkit.evaluate.raters.reliability import cross_fitted
from synthkit.stats.intervals import wilson


def scored(n: int, noise: float, seed: int = 0) -> tuple[list[dict[str, Any]], dict[str, bool]]:
    """Scores 1 to 5, and whether a person accepts, who looks at the same but for noise."""
    rng = np.random.default_rng(seed)
    rows, marks = [], {}
    for k in range(n):
        score = int(rng.integers(1, 6))
        rows.append({"id": f"r{k}", "kind": score, "kind_reason": "So."})
        marks[f"r{k}"] = bool(score + noise * rng.normal() > 3)
    return rows, marks


@pytest.mark.parametrize("kind", [list, pd.DataFrame, pa.Table.from_pylist, pl.DataFrame])
def test_scores_against_marks_have_all_parts(kind: Any) -> None:
    rows, marks = scored(120, 1.0)
    found = calibrate(kind(rows), marks)["kind"]
    said = cross_fitted([row["kind"] for row in rows], list(marks.values()))
    assert found.agreement is not None
    assert found.reliability is not None
    assert found.agreement.value == pytest.approx(cohen_kappa_score(said, list(marks.values())))
    right = int((said == np.array(list(marks.values()))).sum())
    assert found.accuracy.value == right / 120
    assert (found.accuracy.low, found.accuracy.high) == wilson(right, 120)
    assert found.baseline.value == max(np.mean(list(marks.values())), 0.5)
    assert found.labels == ["accept", "reject"]
    assert sum(map(sum, found.confusion)) == found.n == 120
    assert found.confusion[0][0] + found.confusion[1][1] == right
    assert found.threshold == 3.5
    assert found.ranking is not None
    area = roc_auc_score([*marks.values()], [row["kind"] for row in rows])
    assert found.ranking.value == pytest.approx(area)
    assert [one.predicted for one in found.reliability.bins] == [0, 0.25, 0.5, 0.75, 1]
    assert "threshold cross-fitted" in found.agreement.how
    assert found.advice.startswith("Better than chance: kappa 0.")
    assert found.advice.endswith("Accept from a score of 3.5 on.")


def test_rubrics_are_calibrated_apart_and_scores_tell_them_by_name() -> None:
    rows, marks = scored(80, 0.5)
    rng = np.random.default_rng(1)
    noise = [{"odd": int(rng.integers(1, 6)), "odd_reason": ""} for _ in rows]
    table = [row | more for row, more in zip(rows, noise, strict=True)]
    found = calibrate(table, marks)
    assert list(found.judges) == ["kind", "odd"]
    assert found["odd"].advice.startswith("Not significantly better than chance with 80 marks: ")
    assert "rewrite the rubric, or use another model" in found["odd"].advice
    assert found.scores["Cohen's kappa of kind"].value > 0.7
    assert "expected calibration error of odd" in found.scores
    assert found.frame().judge.tolist() == ["kind", "odd"]
    only = calibrate(table, marks, "odd")
    assert list(only.judges) == ["odd"]
    with pytest.raises(UsageError, match=r"judge 'kid' not found.*Did you mean 'kind'"):
        found["kid"]


def test_marks_come_from_people_by_the_rows_id_or_its_parents() -> None:
    rows = [{"id": f"j{k}", "parent": f"r{k}", "label": "ab"[k % 2]} for k in range(4)]
    log = [Mark(id=f"r{k}", label="b") for k in range(3)] + [Mark(id="r3", label="skip")]
    marks = {mark.id: mark.label for mark in log}
    found = calibrate(rows, marks, "label")["label"]
    assert found.n == 3
    assert found.confusion == [[0, 2], [0, 1]]
    assert calibrate(rows, {"j0": "a", "r0": "b"}, "label")["label"].accuracy.value == 1
    yes_and_no = [{"id": 1, "polite": True}, {"id": 2, "polite": False}, {"id": 3, "polite": True}]
    said = accepted([Mark(id="1", label="accept"), Mark(id="2", label="accept")])
    assert calibrate(yes_and_no, said, "polite")["polite"].confusion == [[1, 0], [1, 0]]


def test_marks_of_numpy_are_those_of_python() -> None:
    rows = [{"id": k, "kind": 1 + k % 5, "kind_reason": ""} for k in range(60)]
    values = np.array([row["kind"] for row in rows])
    for marks in (values > 3, values):
        plain = calibrate(rows, dict(enumerate(marks.tolist()))).scores
        assert calibrate(rows, dict(enumerate(marks))).scores == plain


def test_labels_against_labels_are_cohens_kappa_as_for_people_alone() -> None:
    rng = np.random.default_rng(0)
    said = [("abc"[rng.integers(3)], "abc"[rng.integers(3)]) for _ in range(200)]
    said = [(one, one if rng.random() < 0.5 else other) for one, other in said]
    table = [{"id": str(k), "label": one, "gold": other} for k, (one, other) in enumerate(said)]
    found = calibrate(table, "gold", "label")["label"]
    assert found.agreement == cohen(said)
    assert found.agreement.value == pytest.approx(cohen_kappa_score(*zip(*said, strict=True)))
    assert found.threshold is None
    assert found.reliability is None
    first = {str(k): Mark(id=str(k), label=one) for k, (one, _) in enumerate(said)}
    again = {str(k): Mark(id=str(k), label=two, round=2) for k, (_, two) in enumerate(said)}
    assert cohen(label_pairs(first, again)) == found.agreement


def test_preferences_of_a_judge_are_calibrated_by_criterion(session: sk.Session) -> None:
    table = [{"id": str(k), "first": "a" * (k % 7), "second": "aaa"} for k in range(1, 41)]
    table = [row for row in table if row["first"]]
    judge = sk.recipes.pairwise(
        rows=table, criteria={"long": "Longer?", "odd": "Odd?"}, reasons=False
    )

    def answer(request: sk.core.types.Request) -> str:
        shown = request.messages[0].content
        a, b = (len(shown.split(f"<{place}>")[1].split("</")[0]) for place in "AB")
        if shown.startswith("Odd"):
            return "A"
        return "A" if a > b else "B" if b > a else "tie"

    judged = sk.generate(judge, model=sk.Fake(answer), session=session).table
    marks = {
        row["id"]: "first"
        if len(row["first"]) > 3
        else "second"
        if len(row["first"]) < 3
        else "tie"
        for row in table
    }
    found = calibrate(judged, marks)
    assert list(found.judges) == ["long", "odd"]
    assert found["long"].accuracy.value == 1
    assert found["long"].labels == ["first", "second", "tie"]
    assert found["odd"].agreement is not None
    assert found["odd"].agreement.value == 0
    assert "It gives the same answer for every row." in found["odd"].advice


def test_numbers_against_numbers_are_krippendorffs_alpha() -> None:
    rng = np.random.default_rng(0)
    people = rng.integers(1, 6, 60).astype(float)
    judge = np.clip(people + rng.normal(size=60), 1, 5)
    table = [{"score": one, "gold": two} for one, two in zip(judge, people, strict=True)]
    found = calibrate(table, "gold", "score")["score"]
    assert found.agreement == krippendorff(list(zip(judge, people, strict=True)), "interval")
    assert found.accuracy.value == np.mean(np.round(judge) == people)
    assert found.advice.startswith("Better than chance: alpha ")


def test_a_judge_by_chance_is_seldom_called_better_than_chance() -> None:
    called = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        table = [{"s": int(rng.integers(1, 6)), "gold": bool(rng.integers(2))} for _ in range(60)]
        advice = calibrate(table, "gold", "s", resamples=200, seed=seed)["s"].advice
        called += advice.startswith("Better")
    assert called <= 3  # 1.5 are to be expected


def test_too_few_marks_say_how_many_more() -> None:
    rows, _ = scored(40, 0)
    marks = {row["id"]: k != 0 for k, row in enumerate(rows)}
    for given, rare in ((marks, 1), (dict.fromkeys(marks, True), 0), ({"r0": True}, 0)):
        advice = calibrate(rows, given)["kind"].advice
        n = len(given)
        assert advice.startswith(f"Too few marks: {rare} of {n} differ from 'accept'")
        more = re.search(r"about (\d+) more", advice)
        assert more
        assert int(more[1]) >= 10 - rare
    one_sided = calibrate(rows, dict.fromkeys(marks, True), resamples=20)["kind"]
    assert one_sided.threshold is None
    assert one_sided.accuracy.value == np.mean([row["kind"] >= 3 for row in rows])


def test_more_marks_are_asked_for_where_they_may_show_it_or_narrow_it() -> None:
    rows, marks = scored(30, 1.5, seed=3)
    wide = calibrate(rows, marks)["kind"]
    assert wide.agreement is not None
    half = ((wide.agreement.high or 0) - (wide.agreement.low or 0)) / 2
    more = int(np.ceil(30 * ((half / 0.15) ** 2 - 1)))
    assert f"About {more} more marks would narrow the interval of kappa to ±0.15." in wide.advice
    rows, marks = scored(40, 4, seed=8)
    unsure = calibrate(rows, marks)["kind"]
    assert unsure.agreement is not None
    assert unsure.ranking is not None
    assert (unsure.agreement.low or 0) > 0  # the area has the last word: no threshold is fitted
    value, low = unsure.ranking.value, unsure.ranking.low or 0
    assert low < 0.5 < value
    more = int(np.ceil(40 * (((value - low) / (value - 0.5)) ** 2 - 1)))
    assert f"mark about {more} more rows if this stays so, or rewrite the rubric" in unsure.advice


def test_a_judge_turned_round_and_one_below_the_baseline_are_told() -> None:
    rows, marks = scored(60, 1)
    turned = calibrate([row | {"kind": 6 - row["kind"]} for row in rows], marks)["kind"].advice
    assert turned.startswith("Worse than chance: kappa ")
    assert "Check that high scores, or labels, mean the same" in turned
    table = [{"said": "ab"[k % 2], "gold": "ba"[k % 2]} for k in range(40)]
    assert calibrate(table, "gold", "said")["said"].advice.startswith("Worse than chance: kappa -1")
    table = [{"said": "a", "gold": "a"}] * 65 + [{"said": "b", "gold": "a"}] * 20
    table += [{"said": "b", "gold": "b"}] * 10 + [{"said": "a", "gold": "b"}] * 5
    advice = calibrate(table, "gold", "said")["said"].advice
    assert "Better than chance" in advice
    assert "But always answering 'a' would be as accurate." in advice


def test_probabilities_and_other_scales_are_read_as_such() -> None:
    rng = np.random.default_rng(0)
    table = [{"p": p, "gold": bool(rng.random() < p)} for p in rng.random(300)]
    found = calibrate(table, "gold", "p")["p"]
    assert found.reliability is not None
    assert found.reliability.error.value < 0.1
    ten = [{"s": row["p"] * 10, "gold": row["gold"]} for row in table]
    scaled = calibrate(ten, "gold", "s", scale=(0, 10))["s"].reliability
    assert scaled is not None
    assert scaled.error.value == pytest.approx(found.reliability.error.value)
    worst = [{"s": 1, "gold": False}] * 20 + [{"s": 1, "gold": True}] * 20
    lowest = calibrate(worst, "gold", "s")["s"].reliability
    assert lowest is not None
    assert lowest.bins[0].predicted == 0


@pytest.mark.parametrize(
    ("table", "marks", "options", "error", "message"),
    [
        ([{"s": 1.0}], {}, {"columns": "s"}, UsageError, "no row has both a mark and 's'"),
        ([], {}, {"columns": "s"}, TableError, "'s' not found"),
        ([{"s": 1.0}], {}, {}, UsageError, "name it by columns=. Have s"),
        ([{"s": 3, "g": "good"}], "g", {"columns": "s"}, UsageError, "'good': expected the same"),
        ([{"s": "good", "g": 3}], "g", {"columns": "s"}, UsageError, "numbers on both"),
        ([{"s": "good", "g": True}], "g", {"columns": "s"}, UsageError, "'good', and the marks"),
        ([{"s": 8, "g": True}], "g", {"columns": "s"}, UsageError, "outside of 1 to 5"),
        ([{"s": 3, "g": True}], "g", {"columns": "s", "scale": (5, 1)}, UsageError, "give scale="),
        ([{"s": 3, "g": True}], "gold", {"columns": "s"}, TableError, "'gold' not found"),
        ([{"id": 1, "s": 3}] * 2, {1: True}, {"columns": "s"}, TableError, "occurs twice"),
        ([{"s": float("nan"), "g": True}], "g", {"columns": "s"}, UsageError, "no row has both"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    table: Any, marks: Any, options: Any, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        calibrate(table, marks, **options)


def test_numbers_just_below_zero_round_to_zero() -> None:
    rows = [{"id": str(k), "s": s} for k, s in enumerate([-0.4, 0.3, -0.2, 1.2, 0.9])]
    found = calibrate(rows, {"0": 0, "1": -0.1, "2": 0, "3": 1, "4": 1}, "s")["s"]
    assert found.labels == ["0", "1"]
    assert found.accuracy.value == 1
