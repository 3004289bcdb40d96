from __future__ import annotations

import random

import pytest

from synthkit.evaluate.views.word_diff import Change, changes, cut


def test_the_pieces_make_both_texts_again() -> None:
    draw = random.Random(0)
    words = ["soup", "bread,", "\n", " ", "\u202e", "é", "don't", "<b>", ""]
    for _ in range(300):
        before = " ".join(draw.choices(words, k=draw.randint(0, 12)))
        after = " ".join(draw.choices(words, k=draw.randint(0, 12)))
        pieces = changes(before, after)
        assert pieces is not None
        assert "".join(text for kind, text in pieces if kind != "in") == before
        assert "".join(text for kind, text in pieces if kind != "out") == after


def test_words_are_kept_whole() -> None:
    assert changes("a warm soup", "a warmer soup") == [
        ("same", "a "),
        ("out", "warm"),
        ("in", "warmer"),
        ("same", " soup"),
    ]


def test_changes_with_no_word_between_them_are_one() -> None:
    assert changes("one, two about", "six, ten about.") == [
        ("out", "one, two"),
        ("in", "six, ten"),
        ("same", " about"),
        ("in", "."),
    ]
    assert changes("old.", "new.") == [("out", "old"), ("in", "new"), ("same", ".")]


def test_long_texts_are_not_compared() -> None:
    assert changes("a " * 2000, "b", most=1500) is None
    assert changes("a " * 1000, "b", most=1500) is not None


@pytest.mark.parametrize(("length", "left"), [(0, ""), (2, "ab"), (5, "abcde"), (99, "abcdef")])
def test_pieces_are_cut_to_a_length(length: int, left: str) -> None:
    pieces: list[Change] = [("same", "abc"), ("out", "d"), ("in", "ef")]
    assert "".join(text for _, text in cut(pieces, length)) == left
