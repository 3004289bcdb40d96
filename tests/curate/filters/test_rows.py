from __future__ import annotations

from typing import Any

import pydantic
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import apply_filters, by_column, length, row_filter, rows_where, schema

ROWS = [
    {"id": "a", "n": 1, "text": "x"},
    {"id": "b", "n": 5, "text": "yy"},
    {"id": "c", "n": 9, "text": ""},
    {"id": "d", "n": 7, "text": None},
]


def test_a_failing_function_names_the_row() -> None:
    with pytest.raises(UsageError, match="row 2: ZeroDivisionError"):
        apply_filters(ROWS, row_filter(lambda row: 1 / (row["n"] - 9) < 1))


@pytest.mark.parametrize(
    ("result", "why"),
    [(True, []), (False, ["test says no"]), ("bad", ["bad"]), ((False, "why"), ["why"])],
)
def test_a_function_of_a_row_may_return_a_reason(result: Any, why: list[str]) -> None:
    def test(row: Any) -> Any:
        return result

    assert apply_filters(ROWS[:1], row_filter(test)).dropped["why"].tolist() == why


def test_rows_are_kept_by_a_column_of_scores() -> None:
    rows = [*ROWS, {"id": "e"}]
    curation = apply_filters(rows, by_column("n", least=2, most=8))
    assert curation.kept["id"].tolist() == ["b", "d"]
    assert curation.dropped["why"].tolist() == ["n too low: 1", "n too high: 9", "n missing"]
    assert len(apply_filters(rows, by_column("n", least=0, missing="keep")).kept) == 5
    with pytest.raises(UsageError, match="expected a number in 'text'; got 'x'"):
        apply_filters(ROWS, by_column("text", least=2))


class Review(pydantic.BaseModel):
    stars: int = pydantic.Field(ge=1, le=5)
    text: str


def test_json_in_a_column_is_validated() -> None:
    cells = ['{"stars": 5, "text": "x"}', '{"stars": 9, "text": "x"}', "five", None, {"stars": 1}]
    reasons = schema(Review, column="answer").judge({"answer": cells})
    assert reasons[0] == ""
    assert reasons[1].startswith("does not follow the schema at stars: ")
    assert reasons[2].startswith("not JSON: ")
    assert reasons[3] == "missing"
    assert reasons[4] == "does not follow the schema at text: Field required"
    assert schema({"type": "string"}, column="answer").judge({"answer": ['"does not matter"']}) == [
        ""
    ]
    deep = '{"a":' * 100_000
    assert schema(Review, column="answer").judge({"answer": [deep]})[0].startswith("not JSON")


def test_a_row_is_validated() -> None:
    rows = [{"id": "a", "stars": 5, "text": "x"}, {"id": "b", "stars": None, "text": "x"}]
    assert schema(Review).judge(rows) == ["", "does not follow the schema at stars: Field required"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: rows_where(" "), "expected an expression"),
        (lambda: schema(3), "a schema is a JSON Schema"),
        (lambda: schema({"type": "string"}), "needs properties, or column="),
        (lambda: schema({"type": "no"}), "not valid"),
        (lambda: row_filter(3), "expected a function of a row; got int"),
        (lambda: by_column("n"), "needs least=, most= or both"),
    ],
)
def test_a_bad_option_is_named(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_an_expression_counts_the_words_of_the_column_given() -> None:
    rows = [
        {"id": "a", "said": "one two three", "stars": 1},
        {"id": "b", "said": "one", "stars": 5},
    ]
    curation = apply_filters(rows, rows_where("words > 2 or stars > 4", column="said"))
    assert len(curation.kept) == 2
    curation = apply_filters(rows, rows_where("words > 2", column="said"))
    assert curation.dropped["why"].tolist() == ["not so: words > 2"]
    assert curation.funnel[0].name == "words > 2"
    with pytest.raises(UsageError, match="column 'words' not found"):
        apply_filters(rows, rows_where("words > 2"))
    with pytest.raises(TableError):
        apply_filters(rows, length(least=1))
