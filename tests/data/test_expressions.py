"""Expressions that say which rows."""

from __future__ import annotations

import random
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from synthkit.core.errors import UsageError
from synthkit.data.expressions import matching, parse

ROWS: dict[str, list[Any]] = {
    "stars": [5, 2, None, "4"],
    "text": ["Cold soup, twice.", "bread", "", "Über | soup"],
    "day": ["2024-01-02", "2024-11-30", None, "2023-05-05"],
    "tags": [["a", "b"], [], None, {"a": 1}],
    "flag": [True, False, None, True],
    "my column": ["x", "y", "and", "(z)"],
}


def rows_where(expression: str) -> list[int]:
    mask = parse(expression, list(ROWS)).mask(ROWS.__getitem__)
    return [n for n, holds in enumerate(mask) if holds]


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("stars > 3", [0, 3]),
        ("stars >= 4 ", [0, 3]),
        ("stars<2.5", [1]),
        ("stars <= 2", [1]),
        ("stars = 4", [3]),
        ("stars == 4", [3]),
        ("stars != 5", [1, 2, 3]),
        ("stars <> 5", [1, 2, 3]),
        ("stars in (2, 5)", [0, 1]),
        ("stars not in (2,5)", [2, 3]),
        ("text ~ SOUP", [0, 3]),
        ("text !~ soup", [1, 2]),
        ("text ~ 'cold soup'", [0]),
        ('text ~ "soup,"', [0]),
        ("text = bread", [1]),
        ("text = Bread", []),
        ("text ~ ÜBER", [3]),
        ("text ~ '|'", [3]),
        ("text is empty", [2]),
        ("TEXT IS empty".replace("TEXT", "text"), [2]),
        ("tags is empty", [1, 2]),
        ("tags is not empty", [0, 3]),
        ("tags ~ '\"b\"'", [0]),
        ("day < 2024-02-01", [0, 3]),
        ("flag = true", [0, 3]),
        ("flag > 0", []),
        ("words(text) = 3", [0, 3]),
        ("chars(text) > 11", [0]),
        ("words('my column') = 1", [0, 1, 2, 3]),
        ("'my column' = and", [2]),
        ("\"my column\" = '(z)'", [3]),
        ("stars > 3 and text ~ soup", [0, 3]),
        ("stars > 4 or text is empty", [0, 2]),
        ("stars = 2 or stars = 5 and text ~ bread", [1]),
        ("(stars = 2 or stars = 5) and text ~ soup", [0]),
        ("not stars > 3", [1, 2]),
        ("NOT not stars > 3", [0, 3]),
        ("stars > -1e9", [0, 1, 3]),
        ("stars = nan", []),
        (r"text ~ 'it\'s'", []),
    ],
)
def test_an_expression_finds_its_rows(expression: str, rows: list[int]) -> None:
    assert rows_where(expression) == rows


@pytest.mark.parametrize(
    ("expression", "message", "at"),
    [
        ("", "expected a column's name; got the end", 0),
        ("stars", "expected one of =, !=", 5),
        ("stars >", "expected a value; got the end", 7),
        ("stars > )", r"expected a value; got '\)'", 8),
        ("text = cold soup", "Put a value of several words in quotes", 12),
        ("txt ~ a", "Did you mean 'text'?", 0),
        ("stars > 3 and (words > 5)", r"words\(COLUMN\) counts them", 15),
        ("(stars > 3", r"expected '\)'; got the end", 10),
        ("text ~ 'open", "closing quotation mark", 7),
        ("stars ! 3", "expected one of =", 6),
        ("stars in 3", r"expected '\('", 9),
        ("stars in (1 2)", r"expected '\)'; got '2\)'", 12),
        ("stars not 3", "expected 'in'", 10),
        ("stars is 3", "expected 'empty'", 9),
        ("words(words(text)) > 1", "a column's name, once", 17),
        ("> 3", "expected a column's name; got '> 3'", 0),
        ("not " * 300 + "stars = 1", "at most 50", 204),
        ("(" * 300 + "stars = 1", "at most 50", 51),
    ],
)
def test_a_mistake_is_pointed_at(expression: str, message: str, at: int) -> None:
    with pytest.raises(UsageError, match=message) as raised:
        rows_where(expression)
    first, line, caret = str(raised.value).split("\n")
    assert "expected" in first or "not found" in first
    assert line[caret.index("^") :] == expression[at : at + 40]


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, dict])
def test_any_kind_of_table_is_looked_through(make: Any) -> None:
    table = make({"n": [1, 2, None], "text": ["a", None, "c"]})
    assert matching(table, "n > 1 or text = c") == [1, 2]


def test_a_condition_says_what_it_looks_at() -> None:
    assert parse("stars > 3 and words(text) > 1 or stars = 0", list(ROWS)).columns == (
        "stars",
        "text",
    )


@pytest.mark.parametrize(
    ("expression", "rows"),
    [
        ("words = 3", [0, 3]),
        ("words>2 and chars < 12", [3]),
        ("words(text) = 3 and not words < 3", [0, 3]),
        ("words in (1, 0)", [1, 2]),
    ],
)
def test_bare_words_and_chars_count_those_of_the_text(expression: str, rows: list[int]) -> None:
    condition = parse(expression, list(ROWS), counted="text")
    mask = condition.mask(ROWS.__getitem__)
    assert [n for n, holds in enumerate(mask) if holds] == rows
    assert condition.columns == ("text",)


def test_a_column_named_words_is_that_column() -> None:
    rows = {"words": [9, 1], "text": ["one", "one two"]}
    assert parse("words > 5", list(rows), counted="text").mask(rows.__getitem__) == [True, False]
    assert parse("chars > 5", list(rows), counted="text").mask(rows.__getitem__) == [False, True]
    with pytest.raises(UsageError, match=r"words\(COLUMN\) counts them"):
        parse("words > 5", ["a"], counted="text")


def test_any_text_is_read_or_refused() -> None:
    """What is drawn from the signs of the language never ends in another error."""
    draw = random.Random(0)
    signs = [
        *"()=<>~,'\"\\ ",
        "stars",
        "text",
        "and",
        "or",
        "not",
        "in",
        "is",
        "empty",
        "words",
        "3",
    ]
    read = 0
    for _ in range(20_000):
        expression = " ".join(draw.choices(signs, k=draw.randint(1, 8)))
        try:
            parse(expression, list(ROWS)).mask(ROWS.__getitem__)
            read += 1
        except UsageError:
            pass
    assert read > 20
