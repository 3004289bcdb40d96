from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.evaluate.checks import Judge, function, length, regex
from synthkit.evaluate.metrics.faithfulness import (
    judged,
    label_accuracy,
    pass_rate,
)
from synthkit.stats.intervals import wilson

ROWS = [{"id": k, "text": "word " * k, "label": "even" if k % 2 == 0 else "odd"} for k in range(20)]


@pytest.mark.parametrize("kind", [list, pd.DataFrame, pa.Table.from_pylist])
def test_pass_rate_is_the_share_that_passes_all_and_of_each(kind: Any) -> None:
    checks = [length("text", 5), function(lambda row: row["label"] == "even", line="@even")]
    found = pass_rate(kind(ROWS), checks)
    assert (found.score.value, found.score.n) == (7 / 20, 20)  # 6, 8, ..., 18
    assert (found.score.low, found.score.high) == wilson(7, 20)
    assert [score.value for score in found.parts.values()] == [15 / 20, 10 / 20]
    assert [verdict.passed for verdict in found.verdicts[:7]] == [False] * 6 + [True]


def test_a_check_that_raises_is_neither_a_pass_nor_a_fail() -> None:
    found = pass_rate([{"n": 1}, {"n": 0}, {"n": -1}], function(lambda row: 1 / row["n"] > 0))
    assert (found.score.value, found.score.n) == (1 / 2, 2)
    assert "1 of 3 rows without a verdict" in found.score.how
    assert "ZeroDivisionError" in found.verdicts[1].reason


def test_a_fail_outweighs_a_missing_verdict() -> None:
    broken = function(lambda row: row["none"])
    found = pass_rate([{"text": "a"}, {"text": "a b"}], [broken, length("text", 2)])
    assert [verdict.passed for verdict in found.verdicts] == [False, None]
    assert found.parts[broken.name].n == 0


@pytest.mark.parametrize(
    ("table", "checks", "message"),
    [
        ([], [length("text")], "there is no row"),
        ([{"text": "a"}], [], "one check or more"),
        ([{"text": "a"}], [Judge("polite?")], "Let a model answer first"),
        ([{"text": "a"}], [regex("text", "a")] * 2, "names of their own"),
        ([{"text": "a"}], [length("txt")], "Did you mean 'text'"),
    ],
)
def test_checks_that_say_nothing_are_an_error(table: Any, checks: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        pass_rate(table, checks)


def test_label_accuracy_by_an_oracle_and_by_people() -> None:
    def oracle(row: Any) -> str:
        return "even" if row["id"] < 10 else "odd"

    found = label_accuracy(ROWS, "label", oracle)
    assert found.score.value == 0.5
    assert {name: score.value for name, score in found.parts.items()} == {"even": 0.5, "odd": 0.5}
    people = {4: "even", 5: "even", 6: "odd", 7: "odd", 99: "odd"}
    marked = label_accuracy(pd.DataFrame(ROWS), "label", people)
    assert (marked.score.value, marked.score.n) == (2 / 4, 4)
    assert "16 of 20 rows without a verdict" in marked.score.how
    assert marked.verdicts[5].reason == "'odd' should be 'even'"


def test_a_missing_label_has_no_verdict() -> None:
    rows = [{"label": "a"}, {"label": None}, {"label": math.nan}]
    found = label_accuracy(rows, "label", lambda row: "a")
    assert [verdict.passed for verdict in found.verdicts] == [True, None, None]


@pytest.mark.parametrize(
    ("oracle", "message"),
    [
        ({77: "even"}, "no row has a verdict"),
        ({1: 0}, "no label is in both tables"),
        ("odd", "expected an oracle"),
    ],
)
def test_labels_that_cannot_be_compared_are_refused(oracle: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        label_accuracy(ROWS, "label", oracle)
    with pytest.raises(TableError, match="'lable' not found"):
        label_accuracy(ROWS, "lable", oracle)


@pytest.mark.parametrize("kind", [list, pd.DataFrame, pa.Table.from_pylist])
def test_a_judges_scores_become_a_share_with_its_reasons(kind: Any) -> None:
    rows = [{"kind": score, "kind_reason": f"R{score}."} for score in (5, 4.5, 4, 3, 1)]
    rows.append({"kind": None, "kind_reason": None})
    found = judged(kind(rows), "kind")
    assert (found.score.value, found.score.n, found.score.name) == (3 / 5, 5, "judged kind")
    assert (found.score.low, found.score.high) == wilson(3, 5)
    assert [*found.score.parts] == [1, 1, 1, 0, 0]  # type: ignore[misc]
    assert [verdict.passed for verdict in found.verdicts] == [True, True, True, False, False, None]
    assert found.verdicts[0].reason == "R5."
    assert found.verdicts[3].reason == "3 of 4: R3."
    assert "1 of 6 rows without a verdict" in found.score.how
    mean = found.parts["mean score"]
    assert (mean.value, mean.n, [*mean.parts]) == (3.5, 5, [5, 4.5, 4, 3, 1])  # type: ignore[misc]
    assert judged(kind(rows), "kind", least=3).score.value == 4 / 5


def test_scores_of_a_judge_are_numbers_in_a_column_that_is_there() -> None:
    assert judged([{"faithful": 4}]).parts["mean score"].low == 4
    assert judged([{"faithful": 3}]).verdicts[0].reason == "3 of 4"
    for rows, said in (
        ([], "'faithful' not found"),
        ([{"faithful": None}], "the judge gave no score"),
        ([{"faithful": "good"}], "expected numbers in column 'faithful'; got 'good'"),
        ([{"faithful": True}], "got True"),
        ([{"faithfull": 1}], "Did you mean 'faithfull'"),
    ):
        with pytest.raises(UsageError, match=said):
            judged(rows)
