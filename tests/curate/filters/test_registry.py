from __future__ import annotations

from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.curate import apply_filters, filter_from_spec
from synthkit.curate.filters.registry import NAMED, span

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
    filter = filter_from_spec(name, GIVEN.get(name, ""), column="said")
    made = apply_filters(rows, filter)
    assert made.kept["id"].tolist() == ["a"]
    assert made.funnel[0].name == filter.name
    assert NAMED[name].needed == (name in GIVEN)


def test_the_values_are_read() -> None:
    assert filter_from_spec("length", ">=5").name == "words >= 5"
    assert filter_from_spec("language", "en,fr").name == "language en or fr, 0.9 sure"
    assert filter_from_spec("no-pii", "card").name == "no personal data (card; US)"
    assert filter_from_spec("no-leakage", "prompt").name == "no leakage of prompt, 6 words"
    assert filter_from_spec("stopwords", "3").name == "stop words >= 3 in texts of 50 words"
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
        filter_from_spec(name, value)
