from __future__ import annotations

from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from synthkit.curate import relabel
from synthkit.curate.label_noise.cross_fitting import labelled_with_real
from synthkit.curate.labels.judgements import judgements
from synthkit.data import tables
from synthkit.data.labels import apart, class_names, in_one_form, meet
from synthkit.evaluate import report
from synthkit.evaluate.metrics.accuracy import accuracy, encoded
from synthkit.evaluate.metrics.divergence import label_divergence
from synthkit.evaluate.metrics.faithfulness import label_accuracy
from synthkit.evaluate.metrics.tstr import tstr
from synthkit.evaluate.raters.agreement import cohen, confusion
from synthkit.evaluate.raters.judge_calibration import calibrate
from synthkit.evaluate.raters.krippendorff import krippendorff

NAMES = ["neg", "pos"]
TEXTS = ["good soup", "bad soup"] * 6


def class_labelled(cells: list[int], names: list[str] = NAMES) -> Any:
    table = datasets.Dataset.from_dict({"text": TEXTS[: len(cells)], "label": cells})
    return table.cast_column("label", datasets.ClassLabel(names=names))


@pytest.mark.parametrize(
    ("first", "second", "met"),
    [
        ([1, 0], ["1", "0", "1"], [1, 0, 1]),
        (["1", "0"], [1.0, 0.0], ["1", "0"]),
        ([1, 0], ["1.0", "0.0"], [1, 0]),
        ([True, False], ["true", "False"], [True, False]),
        ([True, False], [1, 0], [True, False]),
        ([True, False], ["1", "0"], [True, False]),
        (["Pos", "Neg"], ["pos", " neg "], ["Pos", "Neg"]),
        (["café"], ["cafe\u0301"], ["café"]),
        (["ＹＥＳ"], ["yes"], ["ＹＥＳ"]),
        (["Straße"], ["STRASSE"], ["Straße"]),
        ([0.5, 1], ["0.50", "1"], [0.5, 1]),
        ([np.int64(1)], ["1"], [1]),
        (["a", None], ["A", None], ["a", None]),
        ([10**17 + 1], [10**17], [10**17]),
    ],
)
def test_labels_of_another_type_or_form_meet(first: Any, second: Any, met: Any) -> None:
    assert meet(first, second)[0] == first
    assert meet(first, second)[1] == met


@pytest.mark.parametrize(
    ("first", "second"),
    [(["US", "us"], ["us"]), (["1", "01"], ["1"]), (["1.0", "1"], ["1"]), (["a"], ["b"]),
     (["a b", "a  b"], ["a b"])],
)  # fmt: skip
def test_labels_that_one_table_tells_apart_stay_apart(first: Any, second: Any) -> None:
    assert meet(first, second) == [first, second]


def test_the_numbers_of_class_labels_meet_names_and_other_orders() -> None:
    names = ("neg", "pos")
    assert meet(["Pos"], [1, 0], names=[None, names]) == [["Pos"], ["Pos", "neg"]]
    assert meet([1, 0], [1, 0], names=[None, names]) == [[1, 0], [1, 0]]
    assert meet([1, 0], [1, 0], names=[names, ("pos", "neg")]) == [["pos", "neg"], ["neg", "pos"]]
    assert meet(["1"], [1, 0], names=[None, names]) == [["1"], ["1", 0]]


def test_names_are_read_from_arrow_tables_as_well() -> None:
    table = class_labelled([1, 0])
    arrow = pa.table(table.data.table).replace_schema_metadata(table.features.arrow_schema.metadata)
    assert class_names(table, "label") == class_names(arrow, "label") == ("neg", "pos")
    assert class_names(arrow, "text") is class_names(pd.DataFrame(), "label") is None


@pytest.mark.parametrize("make", [pd.DataFrame, pa.table, pl.DataFrame, datasets.Dataset.from_dict])
def test_every_kind_of_table_keeps_its_kind(make: Any) -> None:
    table = make({"label": [1, 0], "n": [1, 2]})
    other = pd.DataFrame({"label": ["0", "1"]})
    same, met = in_one_form("label", table, other)
    assert same is table
    assert tables.column(met, "label") == [0, 1]
    met, same = in_one_form("label", other, table)
    assert tables.kind(same) == tables.kind(table)
    assert tables.column(same, "label") == ["1", "0"]


def test_every_comparison_of_labels_lets_them_meet() -> None:
    numbers, texts, names = [1, 0, 1, 1], ["1", "0", "1", "1"], ["pos", "neg", "pos", "pos"]
    assert label_divergence(numbers, texts)[0].value == 0
    assert accuracy(*encoded(numbers, [texts])).value == 1
    assert cohen(zip(numbers, texts, strict=True)).value == 1
    assert confusion(zip(numbers, texts, strict=True))[1] == [[1, 0], [0, 3]]
    assert krippendorff(list(zip(numbers, texts, strict=True))).value == 1
    rows = {"id": list("abcd"), "text": TEXTS[:4], "label": numbers, "other": texts}
    assert label_accuracy(rows, "label", dict(zip("abcd", texts, strict=True))).score.value == 1
    table = class_labelled(numbers)
    right = dict(zip(tables.column(tables.identified(table), "id"), names, strict=True))
    assert label_accuracy(table, "label", right).score.value == 1
    assert {label for *_, label in judgements(rows, ["label", "other"])} == {0, 1}


@pytest.mark.parametrize(
    ("answers", "marks"), [([1, 2, 3, 1], "1231"), (["Yes", "No", "Yes", "No"], ["yes", "no"] * 2)]
)
def test_a_judge_and_people_have_the_same_labels(answers: Any, marks: Any) -> None:
    rows = {"id": list("abcd"), "text": TEXTS[:4], "tone": answers, "tone_reason": list("....")}
    found = calibrate(rows, dict(zip("abcd", marks, strict=True)))
    assert next(iter(found.scores.values())).value == 1


def test_classifiers_of_two_tables_have_the_same_labels() -> None:
    def embed(texts: Any) -> Any:
        return [[text.count("good"), text.count("bad")] for text in texts]

    def learner(texts: Any, labels: Any, weights: Any) -> Any:
        by_text = dict(zip(texts, labels, strict=True))
        return lambda new: [by_text[text] for text in new]

    made = pd.DataFrame({"text": TEXTS, "label": ["pos", "neg"] * 6})
    real = class_labelled([1, 0] * 6)
    assert tstr(made, real, real, learner=learner).synthetic.value == 1
    rows, trusted = labelled_with_real(made, real, "label", column="text", embed=embed)
    assert trusted is not None
    assert rows.targets.tolist() == trusted.targets.tolist()
    table = pd.DataFrame({"text": ["a", "b"], "label": ["1", "2"]})
    moved = relabel(table, [[0.05, 0.95], [0.5, 0.5]], labels=[1, 2])
    assert [str(label) for label in moved["label"]] == ["2", "2"]


def test_a_report_says_that_labels_have_nothing_in_common() -> None:
    made = pd.DataFrame({"text": TEXTS, "label": ["a", "b"] * 6})
    real = pd.DataFrame({"text": TEXTS, "label": [3, 4] * 6})
    found = report(made, against=real, label="label", metrics=["label divergence"])
    assert "no label is in both tables" in found.advice["labels"]
    assert "no label is in both tables" in found.measured[0].score.how
    assert apart(["a"], ["a"]) == ""
