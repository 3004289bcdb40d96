from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.evaluate import report, self_bleu
from synthkit.evaluate._report import pairing
from synthkit.evaluate.checks import length, regex
from synthkit.evaluate.registry import METRICS

WORDS = "soup bread wine staff music bill queue table night bar cake oven".split()


def embed(texts: list[str]) -> Any:
    """Counts of the words above, and one direction more, so that no vector is zero."""
    found = np.array([[text.count(word) for word in WORDS] + [0.5] for text in texts])
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def rows(n: int, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    good = rng.integers(2, size=n)
    texts = [
        f"the {WORDS[rng.integers(6) + 6 * which]} by the {WORDS[rng.integers(6) + 6 * which]} {at}"
        for at, which in enumerate(good)
    ]
    labels = ["bad good".split()[which] for which in good]
    return pd.DataFrame({"id": range(n), "text": texts, "label": labels})


@pytest.fixture(scope="module")
def whole() -> Any:
    """A report of all that can be given."""
    table = rows(60).assign(
        source=lambda t: t["text"] + " and more", kind=3, kind_reason="", faithful=4
    )
    table.loc[:1, "kind"] = [5, 1]
    return report(
        table, column="text", against=rows(120, 1), test=rows(30, 2), label="label",
        source="source", embed=embed, embedder="words",
        checks=[length("text", 4, 9), regex("text", "^the")],
        marks={"0": "accept", "1": "reject", "2": "good"},
        rater_pairs={"ana again": [("a", "a"), ("a", "b"), ("b", "b")], "bo again": [("a", "a")]},
    )  # fmt: skip


def test_all_that_is_given_is_measured(whole: Any) -> None:
    assert whole.left_out == {}
    kinds = {one.kind for one in whole.measured}
    assert kinds == {metric.kind for metric in METRICS.values()}
    assert len(whole.scores) == len(whole.measured)  # no name stands for two
    assert whole.frame()["metric"].tolist() == list(whole.scores)


def test_values_are_those_of_the_metrics(whole: Any) -> None:
    table = rows(60)
    assert whole["self-BLEU-4"] == self_bleu(table["text"])
    assert whole["pass rate"].value == 1.0
    assert whole["grounded spans"].value == 1.0
    assert whole["faithful by a judge"].value == 1.0
    assert whole["Cohen's kappa, ana again"].n == 3
    assert "Cohen's kappa, bo again" not in whole.scores
    assert whole["accept rate"].value == pytest.approx(2 / 3)
    assert whole["label accuracy (people)"].n == 1
    assert whole["label accuracy"].value == 1.0  # the words tell the labels apart
    assert whole["TSTR accuracy"].value == 1.0
    assert (whole["TSTR gap"].value, whole["augmentation gain"].value) == (0, 0)


def test_judges_are_held_to_marks_with_advice(whole: Any) -> None:
    assert whole["accuracy of kind"].n == 3
    assert list(whole.advice) == ["judge kind"]
    assert "mark" in whole.advice["judge kind"]
    without = report(rows(20), column="text", marks={"1": "accept"})
    assert without.left_out["judges"] == "needs a column of a judge's scores (judge)"


def test_parts_are_of_rows_that_are_there(whole: Any) -> None:
    ids, tests = {str(n) for n in range(60)}, {str(n) for n in range(120)}
    of = {one.score.name: one for one in whole.measured if one.ids is not None}
    assert len(of) > 15
    for name, one in of.items():
        assert set(one.ids) <= (tests if one.kind == "utility" else ids), name
        assert len(one.ids) == len(one.score.parts) == one.score.n, name
        assert np.isfinite(one.score.parts).all()


def test_what_is_missing_is_left_out_with_the_reason() -> None:
    found = report(rows(10), column="text")
    assert {one.kind for one in found.measured} == {"diversity"}
    assert found.left_out["MAUVE"] == "needs real rows (against) and an embedder (embed)"
    assert found.left_out["agreement"] == "needs two raters of the same rows (rater_pairs)"
    with pytest.raises(UsageError, match=r"MAUVE.*left out: needs real rows"):
        found["MAUVE"]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_few_rows_give_finite_scores_or_reasons(n: int) -> None:
    found = report(rows(n), column="text", against=rows(n, 1), label="label", embed=embed)
    names = set(found.left_out) | {one.kind for one in found.measured}
    assert "PRDC" in names
    values = [score.value for score in found]
    assert np.isfinite(values).all()
    assert all(found.left_out.values())


def test_equal_rows_and_one_label_give_finite_scores_or_reasons() -> None:
    table = pd.DataFrame({"text": ["the soup"] * 20, "label": ["good"] * 20})
    found = report(table, column="text", against=table, label="label", embed=embed)
    assert np.isfinite([score.value for score in found]).all()
    assert found["APS"].value == pytest.approx(1)
    assert found["self-BLEU-4"].value == pytest.approx(self_bleu(["the soup"] * 20).value)
    assert "learner" not in "".join(found.left_out.values())
    assert all(found.left_out.values())


def test_rows_without_a_text_are_passed_over() -> None:
    table = pd.DataFrame({"id": list("abcd"), "text": ["the soup", None, "  ", "the bread"]})
    found = report(table, column="text", embed=embed)
    assert found["vocabulary"].n == found["APS"].n == 2


def test_vectors_are_taken_of_as_many_rows_as_the_sample_says() -> None:
    asked: list[str] = []

    def counted(texts: list[str]) -> Any:
        asked.extend(texts)
        return embed(texts)

    found = report(rows(50), column="text", embed=counted, embedder="words", sample=10)
    assert len(asked) == 10
    assert found["APS"].n == 10
    assert "10 of 50 rows drawn, seed 0" in found["APS"].how
    assert "words" in found["APS"].how
    assert found["vocabulary"].n == 50


def test_progress_counts_to_the_end() -> None:
    seen: list[tuple[int, int, str]] = []
    report(rows(5), column="text", metrics=["MTLD", "APS"], progress=lambda *at: seen.append(at))
    assert seen == [(0, 2, "MTLD"), (1, 2, "APS"), (2, 2, "")]


def test_bad_input_says_what_was_expected() -> None:
    with pytest.raises(UsageError, match="mauve"):
        report(rows(5), metrics=["mauve"])
    with pytest.raises(UsageError, match="nonsense"):
        report(rows(5), without=["nonsense"])
    with pytest.raises(TableError, match="topic"):
        report(rows(5), label="topic")
    with pytest.raises(TableError, match="label"):
        report(rows(5), label="label", against=rows(5).drop(columns="label"))
    with pytest.raises(UsageError, match="none of 2 has one"):
        report([{"text": ""}, {"text": " "}], column="text")
    with pytest.raises(UsageError, match="expected text in column 'text'; got 3"):
        report([{"text": 3}], column="text")


def test_a_learner_of_ones_own_is_asked() -> None:
    def always(texts: Any, labels: Any, weights: Any) -> Any:
        assert weights is None or len(weights) == len(texts)
        return lambda texts: ["good"] * len(texts)

    table = rows(20).assign(w=1.0)
    found = report(
        table, against=rows(40, 1), label="label", column="text", learner=always, weight="w",
        metrics=["TSTR"],
    )  # fmt: skip
    assert "the given learner" in found["TSTR accuracy"].how
    assert found["TSTR gap"].value == 0


def test_rows_are_paired_by_their_parent_or_by_what_they_were_asked() -> None:
    table = [{"id": "x", "parent": "p", "text": "a", "tone": "dry"}]
    assert pairing(table, "text") == {"x": '["p"]'}
    assert pairing(table, "text", ["tone"]) == {"x": '["dry"]'}
    judged = [{"id": "x", "text": "a", "tone": "dry", "kind": 3, "kind_reason": "so"}]
    assert pairing(judged, "text") == {"x": '["dry"]'}
    assert pairing([{"id": "x", "text": "a", "score": 0.5}], "text") == {}
