from __future__ import annotations

from typing import Any

import pytest

from synthkit.curate import named, sift
from synthkit.curate.naming import NAMED, span
from synthkit.errors import UsageError

GIVEN: dict[str, Any] = {
    "where": "words > 1",
    "length": "2-9",
    "chars": "3-",
    "language": "en, fr",
    "matches": "o",
    "no-match": "zzz",
    "no-contamination": [{"id": "t", "said": "Bread and wine."}],
}


@pytest.mark.parametrize("name", NAMED)
def test_each_name_is_a_filter_of_the_column_given(name: str) -> None:
    rows = [{"id": "a", "said": "The soup was good."}, {"id": "b", "said": None}]
    filter = named(name, GIVEN.get(name, ""), column="said")
    made = sift(rows, filter)
    assert made.kept["id"].tolist() == ["a"]
    assert made.funnel[0].name == filter.name
    assert NAMED[name].needed == (name in GIVEN)


def test_the_values_are_read() -> None:
    assert named("length", ">=5").name == "words >= 5"
    assert named("language", "en,fr").name == "language en or fr, 0.9 sure"
    assert named("no-pii", "card").name == "no personal data (card; US)"
    assert named("no-leakage", "prompt").name == "no leakage of prompt, 6 words"
    assert named("stopwords", "3").name == "stop words >= 3 in texts of 50 words"
    spans = [span("2-5"), span("2-"), span("-5"), span(">=2"), span("<= 5")]
    assert spans == [(2, 5), (2, None), (None, 5), (2, None), (None, 5)]


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("no-refusal", "", "filter 'no-refusal' not found.*Did you mean 'no-refusals'"),
        ("where", "", "needs EXPRESSION"),
        ("length", "five", "expected a span such as 3-50"),
        ("no-refusals", "yes", "takes no value; got 'yes'"),
        ("stopwords", "two", "expected a number of stop words"),
        ("no-pii", "emial", "Did you mean 'email'"),
    ],
)
def test_a_wrong_name_or_value_is_told(name: str, value: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        named(name, value)
