from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import dawid_skene, relabel, vote
from synthkit.data import tables
from synthkit.stats.classifier import fit

ROWS = [
    {"id": "a", "text": "good soup", "label": "+"},
    {"id": "b", "text": "bad soup", "label": "+"},
    {"id": "c", "text": "soup", "label": "-"},
    {"id": "d", "text": None, "label": "-"},
]
SURE = [[0.99, 0.01], [0.05, 0.95], [0.85, 0.15], [np.nan, np.nan]]


def cells(table: Any, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(tables.column(table, name) for name in names), strict=True))


def embed(texts: Any) -> Any:
    return [[text.count("good"), text.count("bad")] for text in texts]


def test_rows_are_relabelled_only_above_the_threshold() -> None:
    table = relabel(ROWS, SURE, labels=["-", "+"], threshold=0.9)
    names = ("label", "label_old", "relabelled", "label_confidence")
    assert cells(table, *names) == [
        ("-", "+", True, 0.99),
        ("+", "+", False, 0.95),
        ("-", "-", False, 0.85),
        ("-", "-", False, None),
    ]
    same = relabel(ROWS, SURE, labels=["-", "+"], threshold=0.99)
    assert not any(tables.column(same, "relabelled"))  # 0.99 is not above 0.99


def test_without_a_threshold_each_row_gets_the_likeliest_label() -> None:
    turned = [[0.4, 0.6], [0.6, 0.4], [0.5, 0.5], [0, 1]]
    table = relabel(ROWS, turned, labels=["-", "+"], threshold=0)
    assert tables.column(table, "label") == ["+", "-", "-", "+"]  # even odds change nothing


def test_the_likeliest_of_three_labels_is_kept_even_if_doubtful() -> None:
    probabilities = [[0.4, 0.3, 0.3], [0.1, 0.3, 0.6]]
    rows = [{"label": "x"}, {"label": "x"}]
    table = relabel(rows, probabilities, labels=["x", "y", "z"], threshold=0.5)
    assert cells(table, "label", "label_confidence") == [("x", 0.4), ("z", 0.6)]


def test_rows_of_which_the_model_is_unsure_keep_their_label() -> None:
    twenty = [str(n) for n in range(20)]
    unsure, sure = [0.01] + [0.12] + [0.87 / 18] * 18, [0.01] + [0.95] + [0.04 / 18] * 18
    rows = [{"label": "0"}, {"label": "0"}, {"label": None}]
    table = relabel(rows, [unsure, sure, unsure], labels=twenty)
    assert cells(table, "label", "label_confidence") == [("0", 0.01), ("1", 0.95), ("1", 0.12)]
    assert tables.column(relabel(rows, [unsure] * 3, labels=twenty, threshold=0), "label") == (
        ["1"] * 3
    )


@pytest.mark.parametrize("like", ["pandas", "arrow", "polars", "datasets"])
def test_the_first_label_is_never_lost(like: tables.Kind) -> None:
    names = {name: [row[name] for row in ROWS] for name in ROWS[0]}
    table = tables.build(names, like=like)
    once = relabel(table, SURE, labels=["-", "+"], threshold=0.9)
    twice = vote(once, [("a", "ann", "?"), ("b", "ann", "-")])
    back = vote(twice, [("a", "ann", "+")])
    assert tables.kind(back) == like
    assert cells(twice, "label", "label_old", "relabelled")[:2] == [
        ("?", "+", True),
        ("-", "+", True),
    ]
    assert cells(back, "label", "label_old", "relabelled")[0] == ("+", "+", False)
    assert tables.columns(table) == ["id", "text", "label"]


def test_a_classifier_of_real_rows_relabels_by_the_texts() -> None:
    real = ["good"] * 20 + ["bad"] * 20
    classifier = fit(real, ["+"] * 20 + ["-"] * 20, embed=embed, C=100)
    table = relabel(ROWS, classifier, threshold=0.8)
    assert tables.column(table, "label") == ["+", "-", "-", "-"]
    assert tables.column(table, "label_confidence")[2:] == [pytest.approx(0.5, abs=0.01), None]


def test_a_function_gets_only_the_texts_and_numbers_as_texts() -> None:
    seen: list[str] = []

    def ask(texts: Any) -> Any:
        seen.extend(texts)
        return [[0.0, 1.0]] * len(texts)

    rows = [{"text": 7}, {"text": None}, {"text": "x" * 1_000_000}]
    table = relabel(pd.DataFrame(rows, dtype=object), ask, labels=["-", "+"])
    assert (seen[0], len(seen[1]), len(seen)) == ("7", 1_000_000, 2)
    assert tables.column(table, "label") == ["+", None, "+"]
    assert not any(tables.column(table, "relabelled"))


def test_a_consensus_relabels_the_rows_that_were_judged() -> None:
    triples = [(id, who, "-") for id in "ab" for who in "xyz"] + [("c", who, "+") for who in "xyz"]
    table = relabel(ROWS, dawid_skene(triples), threshold=0.5)
    assert tables.column(table, "label") == ["-", "-", "+", "-"]
    assert tables.column(table, "label_confidence") == [*[pytest.approx(1)] * 3, None]


def test_an_empty_table_gets_the_columns() -> None:
    empty = pd.DataFrame({"id": [], "text": [], "label": []})
    relabelled = relabel(empty, len, labels=["-", "+"])
    assert len(relabelled) == 0
    assert {"label_old", "relabelled", "label_confidence"} <= set(relabelled.columns)


@pytest.mark.parametrize(
    ("by", "options", "hint"),
    [
        (SURE, {}, "expected labels=, the label of each column"),
        (SURE, {"labels": ["no", "yes"]}, "row 0: label .* not found; have 'no', 'yes'"),
        (SURE, {"labels": ["-", "+", "?"]}, r"of shape \(4, 3\); got \(4, 2\)"),
        (SURE, {"labels": ["-", "-"]}, "expected each label once in labels=; got -, -"),
        (SURE, {"labels": ["-", "+"], "threshold": 1}, "from 0 to below 1; got 1"),
        ([[2, -1]] * 4, {"labels": ["-", "+"]}, "row 0: expected probabilities, 0 or more"),
        ([[0.2, 0.2]] * 4, {"labels": ["-", "+"]}, "that sum to 1"),
        (lambda texts: [[1, 0]], {"labels": ["-", "+"]}, r"of shape \(3, 2\); got \(1, 2\)"),
    ],
)
def test_bad_probabilities_are_refused(by: Any, options: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        relabel(ROWS, by, **options)


def test_a_missing_text_column_is_named() -> None:
    with pytest.raises(TableError, match="column 'txt' not found"):
        relabel(ROWS, len, labels=["-", "+"], text="txt")
