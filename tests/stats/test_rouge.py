from __future__ import annotations

import random

import pytest
from rouge_score.rouge_scorer import RougeScorer

from synthkit.core.errors import UsageError
from synthkit.stats.rouge import Pool, rouge_l
from synthkit.stats.words import tokens

WORDS = (
    "the a soup rain poem of write list 3 name kinds don't state-of snake_case UPPER ... ,".split()
)


def texts(n: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(0, 25))) for _ in range(n)]


def reference(a: str, b: str) -> float:
    return float(RougeScorer(["rougeL"], use_stemmer=False).score(a, b)["rougeL"].fmeasure)


def test_it_is_the_f1_of_the_longest_common_subsequence() -> None:
    # LCS "a c e" of 4 and 6 tokens
    assert rouge_l("a c x e", "a b c d e f") == 0.6
    assert rouge_l("x", "y") == 0
    assert rouge_l("The END.", "the end") == 1


def test_it_agrees_with_rouge_score_on_ascii() -> None:
    pairs = list(zip(texts(500, 1), texts(500, 2), strict=True))
    assert [rouge_l(a, b) for a, b in pairs] == pytest.approx([reference(a, b) for a, b in pairs])


def test_the_pool_gives_the_best_and_the_first_of_equals() -> None:
    held, asked = texts(200, 3), texts(100, 4)
    pool = Pool(held)
    for text in asked:
        scores = [reference(text, other) for other in held]
        score, position = pool.max_rouge(text)
        assert score == pytest.approx(max(scores))
        best = [n for n, one in enumerate(scores) if one == pytest.approx(score)]
        assert position == (best[0] if score else None)


@pytest.mark.parametrize("above", [0.0, 0.3, 0.5, 0.7, 0.9])
def test_a_cut_off_changes_nothing_above_it(above: float) -> None:
    pool = Pool(texts(300, 5))
    found = [(pool.max_rouge(text), pool.max_rouge(text, above=above)) for text in texts(300, 6)]
    assert all(cut == (whole if whole[0] > above else (0.0, None)) for whole, cut in found)
    assert len({cut == (0.0, None) for _, cut in found}) == 2


def test_a_score_at_the_cut_off_is_not_above_it() -> None:
    same, other = "a b c d e f g", "x y z"
    pool = Pool([f"{same} {other}"])
    text = f"{same} p q r"
    assert pool.max_rouge(text) == (0.7, 0)
    assert pool.max_rouge(text, above=0.7) == (0.0, None)
    assert pool.max_rouge(text, above=0.69) == (0.7, 0)


def test_a_text_that_was_added_is_found() -> None:
    pool = Pool(["one two"])
    assert pool.max_rouge("three four") == (0.0, None)
    pool.add("three four five")
    assert (len(pool), pool.max_rouge("three four")) == (2, (0.8, 1))


def test_words_the_pool_lacks_are_like_nothing_but_count() -> None:
    assert Pool(["a b"]).max_rouge("new a words b") == (2 * 2 / 6, 0)
    assert Pool(["a b"]).max_rouge("new words") == (0.0, None)


@pytest.mark.parametrize("text", ["", "   ", "?!", "\0", "\N{PILE OF POO}", "_"])
def test_a_text_without_a_token_is_like_nothing(text: str) -> None:
    assert Pool(["", text, "a b"]).max_rouge(text) == (0.0, None)
    assert Pool([text]).max_rouge("a b") == (0.0, None)
    assert Pool().max_rouge("a b") == (0.0, None)


def test_letters_of_any_script_count() -> None:
    assert tokens("Straße ΣΊΣΥΦΟΣ") == ["strasse", "σίσυφοσ"]
    assert tokens("cafe\N{COMBINING ACUTE ACCENT}") == tokens("café") == ["café"]
    assert rouge_l("Привет, мир", "привет мир!") == 1
    assert rouge_l("東京都の天気", "東京の天気は") == 2 * 5 / 12
    assert tokens("lone \udc80 half") == ["lone", "half"]


def test_too_many_different_words_are_refused() -> None:
    with pytest.raises(UsageError, match="1,114,111 different words"):
        Pool([" ".join(map(str, range(1_114_112)))])
