from __future__ import annotations

import pytest

from synthkit.core.errors import UsageError
from synthkit.curate import repetition
from synthkit.curate.filters.repetition import DUPLICATE, TOP


def why(text: str) -> str:
    return repetition().judge([{"text": text}])[0]


def test_the_thresholds_are_those_of_gopher() -> None:
    assert TOP == {2: 0.20, 3: 0.18, 4: 0.16}
    assert DUPLICATE == {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}


def words(n: int, start: int = 0) -> str:
    """n different words of three letters."""
    return " ".join(f"{chr(97 + i // 26 % 26)}{chr(97 + i % 26)}x" for i in range(start, start + n))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("The soup was good and the bread was good.", ""),
        ("I love the food here and I love the food there.", ""),
        ("so good so good so good", "repeated 2-gram: 100% of characters in 'so good'"),
        ("ha ha ha ha", "repeated 2-gram: 100% of characters in 'ha ha'"),
        (f"{words(5)} {words(5)} {words(20, 30)}", "repeated 5-grams: 33% of characters"),
        (f"{words(5)} {words(5)} {words(57, 30)}", ""),
        # 12 of 60 words are the 2-gram: not more than 20%; 14 of 62 are
        (" ".join(f"to be {words(8, 8 * i)}" for i in range(6)), ""),
        (
            " ".join(f"aax bbx {words(6, 60 + 6 * i)}" for i in range(7)),
            "repeated 2-gram: 25% of characters in 'aax bbx'",
        ),
        ("one\ntwo\nthree\none\ntwo", "repeated lines: 2 of 5"),
        (
            "a\nb\nc\nd\nsomewhat longer line\nsomewhat longer line",
            "repeated lines: 20 of 44 characters",
        ),
        ("one\n\ntwo\n\none", "repeated paragraphs: 1 of 3"),
        ("", ""),
        ("東京は雨東京は雨東京は雨", "repeated 2-gram: 50% of characters in '東 京'"),
    ],
)
def test_shares_agree_with_cases_worked_by_hand(text: str, reason: str) -> None:
    assert why(text) == reason


def test_a_repeated_word_is_covered_once() -> None:
    """The five 3-grams "a a a" of seven words cover 7 characters, and not 15."""
    assert why("a a a a a a a b") == "repeated 2-gram: 88% of characters in 'a a'"


def test_a_million_characters_are_read() -> None:
    assert why("the quick brown fox " * 50_000).startswith("repeated 2-gram")
    assert why("x" * 1_000_000) == ""


def test_bad_options_are_named_and_the_name_shows_the_settings() -> None:
    assert repetition().name == "repetition <= Gopher"
    assert "lines 0.5" in repetition(lines=0.5).name
    with pytest.raises(UsageError, match="lines must be from 0 to 1; got 3"):
        repetition(lines=3)
    with pytest.raises(UsageError, match="top 2-gram must be from 0 to 1"):
        repetition(top={2: 20})
    with pytest.raises(UsageError, match="n must be 1 or more words"):
        repetition(top={0: 0.2})
