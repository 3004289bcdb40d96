from __future__ import annotations

from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.curate import apply_filters, length, regex, rows_where, stopwords, symbols
from synthkit.curate.filters.base import Filter


def why(filter: Filter, *texts: Any) -> list[str]:
    return list(filter.judge([{"text": text} for text in texts]))


BAD = [None, "", "x" * 1_000_000, 12, "السلام عليكم ورحمة الله", "東京は今日も雨です。", "🎉🎉"]


@pytest.mark.parametrize(
    "filter",
    [length(least=1), regex("a"), symbols(), stopwords(short=1), rows_where("words > 1")],
    ids=lambda one: one.name,
)
def test_no_row_of_an_odd_table_is_lost(filter: Filter) -> None:
    rows = [{"id": str(n), "text": text} for n, text in enumerate(BAD)]
    curation = apply_filters(rows, filter)
    assert sorted([*curation.kept["id"], *curation.dropped["id"]]) == [
        str(n) for n in range(len(BAD))
    ]
    assert len(apply_filters({"id": [], "text": []}, filter).kept) == 0
    assert (
        len(apply_filters([{"id": "a", "text": "a word of that, and another"}], filter).kept) == 1
    )


def test_length_is_counted_in_the_given_unit() -> None:
    text = "Good soup.\n\n東京 is far."
    assert why(length(least=99), text) == ["too short: 6 words"]
    assert why(length(least=99, unit="chars"), text) == ["too short: 22 chars"]
    assert why(length(least=99, unit="tokens"), text) == ["too short: 6 tokens"]
    assert why(length(most=1, unit="lines"), text) == ["too long: 2 lines"]
    assert why(length(least=2, most=3), "a", "a b", "a b c", "a b c d", None) == [
        "too short: 1 words",
        "",
        "",
        "too long: 4 words",
        "missing",
    ]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: length(), "needs least=, most= or both"),
        (lambda: length(least=5, most=2), "expected least <= most.*got 5 and 2"),
        (lambda: length(least="5"), "must be a number; got '5'"),  # type: ignore[arg-type]
        (lambda: length(least=1, unit="word"), "unit 'word' not found.*Did you mean 'words'"),
        (lambda: regex("("), "not a regular expression"),
        (lambda: symbols(most=2), "most must be from 0 to 1; got 2"),
        (lambda: stopwords(least=9), "up to their number"),
        (lambda: stopwords(words="the"), "expected a list of words"),
        (lambda: stopwords(ratio=-1), "ratio must be from 0 to 1"),
    ],
)
def test_a_bad_option_is_named(make: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        make()


def test_a_pattern_keeps_or_drops() -> None:
    assert why(regex(r"(?i)^good"), "GOOD soup", "no good") == ["", "pattern not found"]
    assert why(regex(r"\d+", keep=False), "5 stars", "five") == ["pattern found: '5'", ""]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Soup for $5, 2 for $8!", ""),
        ("Wow... just... wow...", ""),
        ("#a #b #c #d", "symbols: 4 in 4 words"),
        ("wait… what… no… oh… fine", "symbols: 4 in 5 words"),
        ("12 34 56 78 soup", "words without letters: 4 of 5"),
        ("東京 は 雨", ""),
        ("!!! 12 🎉", "no letters"),
        ("word " * 50 + "# " * 5, ""),
        ("word " * 50 + "# " * 6, "symbols: 6 in 56 words"),
    ],
)
def test_three_odd_words_are_allowed_in_any_text(text: str, reason: str) -> None:
    assert why(symbols(), text) == [reason]


def test_only_long_texts_need_stop_words() -> None:
    lists = "soup bread menu wine chef table " * 9
    assert why(stopwords(), "Loved this place!", lists) == ["", "stop words: 0 different"]
    assert why(stopwords(), lists + "the the the") == ["stop words: 1 different"]
    assert why(stopwords(), lists + "The bread, AND the wine") == [""]
    assert why(stopwords(ratio=0.1), lists + "the bread and wine") == ["stop words: 2 of 58"]
