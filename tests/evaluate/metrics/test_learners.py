from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from synthkit.core.errors import TableError, UsageError
from synthkit.data import tables
from synthkit.evaluate.metrics.learners import (
    LabelledTexts,
    held_out,
    labelled_texts,
    learner_name,
    light,
    predictions_by_draw,
    stratified_sample,
)

TEXTS = ["good soup", "so bad", "good, good", "bad and cold", "", "スープ good", "bad bad bad good"]


def counts(texts: Sequence[str]) -> list[list[float]]:
    return [[text.count("good"), text.count("bad"), len(text) / 10] for text in texts]


def test_light_is_the_logistic_regression_of_scikit_learn() -> None:
    labels, weights = [1, 0, 1, 0, 0, 1, 0], [1, 2, 0.5, 1, 1, 3, 1]
    for given in (None, weights):
        predict = light(counts, C=0.3)(TEXTS, labels, given)
        theirs = LogisticRegression(C=0.3, tol=1e-8).fit(counts(TEXTS), labels, given)
        others = ["good", "bad", "good bad", "", "soup " * 9]
        assert predict(others) == theirs.predict(counts(others)).tolist()
    assert learner_name(light(counts, C=0.3)) == "light classifier, C = 0.3"


def test_light_embeds_each_text_once() -> None:
    seen: list[str] = []

    def embed(texts: Sequence[str]) -> list[list[float]]:
        seen.extend(texts)
        return counts(texts)

    learner = light(embed)
    for _ in range(2):
        learner([*TEXTS, "good soup"], [*"+-+--+-", "+"], None)(["new", *TEXTS, "new"])
    assert Counter(seen) == Counter([*TEXTS, "new"])


def test_held_out_rows_keep_the_shares_of_labels_and_the_kind(
    make: Callable[[dict[str, list[Any]]], Any], kind: str
) -> None:
    table = make({"text": [f"row {n}" for n in range(40)], "label": ["a"] * 30 + ["b"] * 10})
    train, test = held_out(table, 0.3, seed=3)
    assert tables.kind(train) == tables.kind(test) == kind
    assert Counter(tables.column(test, "label")) == {"a": 9, "b": 3}
    both = tables.column(train, "text"), tables.column(test, "text")
    assert sorted(both[0] + both[1]) == sorted(tables.column(table, "text"))
    assert both[1] == sorted(both[1], key=lambda text: int(text[4:]))
    assert tables.column(held_out(table, 0.3, seed=3)[1], "text") == both[1]
    assert tables.column(held_out(table, 0.3, seed=4)[1], "text") != both[1]


def test_held_out_rows_share_no_text_with_the_others() -> None:
    rows = [{"text": text, "label": n} for n in (0, 1, None) for text in ["a", "b", "c", None]]
    train, test = held_out(rows)
    assert not set(train["text"].dropna()) & set(test["text"].dropna())
    assert len(train) + len(test) == 12


@pytest.mark.parametrize("share", [0, 1, -1, math.nan, 0.01])
def test_a_side_that_would_be_empty_is_refused(share: float) -> None:
    with pytest.raises(UsageError):
        held_out([{"text": text, "label": 0} for text in "abc"], share)


@pytest.mark.parametrize("seed", range(5))
def test_a_draw_has_each_label_within_one_of_its_share(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["a", "b", "c", "rare"], 60, p=[0.5, 0.3, 0.17, 0.03]).tolist()
    for n in (1, 7, 30, 60):
        some = stratified_sample(labels, n, rng)
        assert len(set(some.tolist())) == n
        assert some.tolist() == sorted(some)
        for label, count in Counter(labels).items():
            assert abs(sum(labels[at] == label for at in some) - count * n / 60) < 1 + 1e-9


def test_every_row_is_drawn_equally_often() -> None:
    rng = np.random.default_rng(0)
    times = np.bincount(
        np.concatenate([stratified_sample("aaaaaaabbc", 4, rng) for _ in range(5000)]), minlength=10
    )
    assert times / 5000 == pytest.approx(np.full(10, 0.4), abs=0.03)


def test_rows_without_text_label_or_weight_are_left_out() -> None:
    table = {
        "text": ["a", None, "c", "d", ""],
        "label": ["x", "x", math.nan, "y", "y"],
        "weight": [1, 1, 1, 0, 2.5],
    }
    whole = labelled_texts(table, "label", column="text", name="real")
    assert (whole.texts, whole.labels, whole.weights) == (["a", "d", ""], ["x", "y", "y"], None)
    heavy = labelled_texts(table, "label", column="text", name="real", weight="weight")
    assert (heavy.texts, heavy.weights) == (["a", ""], [1, 2.5])
    assert (whole + heavy).weights == [1, 1, 1, 1, 2.5]
    assert (heavy + whole).weights == [1, 2.5, 1, 1, 1]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": 5}, "real row 1: expected a text and a label; got 5"),
        ({"label": ["x"]}, "real row 1"),
        ({"weight": -1}, "weight of 0 or more; got -1"),
        ({"weight": math.nan}, "got None"),
        ({"weight": math.inf}, "got inf"),
        ({"weight": "1"}, "got '1'"),
    ],
)
def test_cells_that_cannot_be_learned_from_are_refused(row: dict[str, Any], message: str) -> None:
    good = {"text": "a", "label": "x", "weight": 1}
    with pytest.raises(UsageError, match=message):
        labelled_texts([good, good | row], "label", column="text", name="real", weight="weight")


def test_a_table_without_rows_is_refused() -> None:
    for table in ({"text": [], "label": []}, {"text": [None], "label": ["x"]}):
        with pytest.raises(TableError, match="the test table has no row with a text in 'text'"):
            labelled_texts(table, "label", column="text", name="test")
    with pytest.raises(TableError, match="'lable' not found"):
        labelled_texts({"text": [], "label": []}, "lable", column="text", name="test")


def test_a_whole_table_is_taken_once_in_its_order_and_fewer_rows_by_draws() -> None:
    seen: list[tuple[list[str], Any]] = []

    def learner(texts: Any, labels: Any, weights: Any) -> Any:
        seen.append((list(texts), weights))
        return lambda texts: ["x"] * len(texts)

    rows = LabelledTexts("real", [str(n) for n in range(6)], list("xyxyxy"), [1.0, 2, 3, 4, 5, 6])
    assert predictions_by_draw(rows, ["?"], learner, n=6, draws=3, seed=0) == [["x"]]
    assert seen == [(rows.texts, rows.weights)]
    seen.clear()
    beside = LabelledTexts("synthetic", ["new"], ["x"])
    assert len(predictions_by_draw(rows, ["?"], learner, n=2, draws=3, seed=0, beside=beside)) == 3
    assert len({tuple(texts) for texts, _ in seen}) > 1
    for texts, weights in seen:
        assert len(texts) == 3
        assert weights == [*(int(text) + 1 for text in texts[:2]), 1]
    for n, draws in ((0, 3), (7, 3), (2, 0)):
        with pytest.raises(UsageError, match="expected 1 to 6 of the real rows"):
            predictions_by_draw(rows, ["?"], learner, n=n, draws=draws, seed=0)


def test_one_label_alone_teaches_that_label() -> None:
    rows = LabelledTexts("real", ["good", "fine"], ["+", "+"])
    assert predictions_by_draw(rows, ["bad", ""], light(counts), n=2, draws=1, seed=0) == [
        ["+", "+"]
    ]
