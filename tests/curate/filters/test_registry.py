from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.curate import Filter, apply_filters, filter_from_spec, filter_option, learn
from synthkit.curate.filters.ranges import parse_range
from synthkit.curate.filters.registry import FILTERS

ROWS = [
    *({"id": f"a{n}", "said": f"The soup {n} was good.", "label": "food"} for n in range(5)),
    *({"id": f"b{n}", "said": f"We waited for {n} hours.", "label": "time"} for n in range(5)),
    {"id": "c", "said": None, "label": "time"},
]


def embed(texts: list[str]) -> list[list[float]]:
    words = ["soup", "waited", "bad", "1", "2", "3", "4"]
    return [[float(text.count(word)) for word in words] for text in texts]


MARKS = {n: n % 2 == 0 for n in range(20)}
VALUES: dict[str, Any] = {
    "where": "words > 1",
    "by": lambda row: row["said"] is not None,
    "schema": {"type": "string"},
    "length": "2-9",
    "chars": "3-",
    "language": "en, fr",
    "matches": "o",
    "no-match": "zzz",
    "no-contamination": [{"id": "t", "said": "Bread and wine."}],
    "dedupe-meaning": 1,
    "sample": len(ROWS),
    "learned": learn(["good soup", "bad bad soup"] * 10, MARKS, embed=embed),
}
READS_JSON = {"schema"}
KEEPS_MISSING = {"sample"}


@pytest.mark.parametrize("name", FILTERS)
def test_each_name_is_a_filter_of_the_column_given(name: str) -> None:
    column = "quoted" if name in READS_JSON else "said"
    rows = [{**row, "quoted": row["said"] and f'"{row["said"]}"'} for row in ROWS]
    filter = filter_from_spec(name, VALUES.get(name, ""), column=column, embed=embed)
    curation = apply_filters(rows, filter)
    kept = ROWS if name in KEEPS_MISSING else ROWS[:-1]
    assert curation.kept["id"].tolist() == [row["id"] for row in kept]
    assert curation.funnel[0].name == filter.name
    assert FILTERS[name].needs_value == (name in VALUES)
    assert FILTERS[name].help


def test_values_are_read() -> None:
    assert filter_from_spec("length", ">=5").name == "words >= 5"
    assert filter_from_spec("language", "en,fr").name == "language en or fr, 0.9 sure"
    assert filter_from_spec("no-pii", "card").name == "no personal data (card; US)"
    assert filter_from_spec("no-leakage", "prompt").name == "no leakage of prompt, 6 words"
    assert filter_from_spec("stopwords", "3").name == "stop words >= 3 in texts of 50 words"
    assert filter_from_spec("dedupe", "0.9").name.startswith("near-duplicates of text")
    ranges = [parse_range(text) for text in ("2-5", "2-", "-5", ">=2", "<= 5")]
    assert ranges == [(2, 5), (2, None), (None, 5), (2, None), (None, 5)]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("no-refusal", "", "filter 'no-refusal' not found.*Did you mean 'no-refusals'"),
        ("where", "", "needs EXPRESSION"),
        ("length", "five", "expected a range such as 3-50"),
        ("no-refusals", "yes", "takes no value; got 'yes'"),
        ("stopwords", "two", "expected a number; got 'two'"),
        ("no-pii", "emial", "Did you mean 'email'"),
        ("dedupe-meaning", 0.9, "needs embed="),
    ],
)
def test_a_wrong_name_or_value_is_named(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        filter_from_spec(name, value)


def test_a_name_of_synthkit_is_taken() -> None:
    def shorter(value: str) -> Filter:
        raise NotImplementedError

    register: Callable[..., Any] = filter_option("length", takes="MOST")
    with pytest.raises(UsageError, match=r"'length' is taken by the filter in synthkit\.curate"):
        register(shorter)
