from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.data.retrieval import Index
from synthkit.stats.words import tokens

TEXTS = ["The cat sat.", "A dog and a cat, a cat!", "Birds sing in the morning.", ""]
VECTORS = {"up": (1, 0), "over": (0.6, 0.8), "right": (0, 1), "down": (-1, 0)}


def embed(texts: Sequence[str]) -> Any:
    return np.array([VECTORS[text.split()[0]] for text in texts], np.float32)


def bm25(query: str, texts: Sequence[str], k1: float = 1.5, b: float = 0.75) -> list[float]:
    """Lucene's BM25, as its formula is written."""
    held = [tokens(text) for text in texts]
    mean = sum(map(len, held)) / len(held)
    scores = []
    for words in held:
        score = 0.0
        for word in tokens(query):
            df = sum(word in other for other in held)
            idf = math.log(1 + (len(held) - df + 0.5) / (df + 0.5))
            tf = words.count(word)
            score += idf * tf / (tf + k1 * (1 - b + b * len(words) / mean))
        scores.append(score)
    return scores


def test_bm25_is_that_of_a_hand_worked_case() -> None:
    # two texts of two words; "a" is in one: idf = ln(1 + 1.5 / 1.5), tf / (tf + k1) = 1 / 2.5
    positions, scores = Index(["a b", "c d"]).search(["a"], 2)
    assert positions == [[0]]
    assert scores[0] == pytest.approx([math.log(2) / 2.5])


@pytest.mark.parametrize("query", ["cat", "the cat", "cat cat DOG", "morning and the dog", "zebra"])
def test_bm25_is_that_of_the_formula(query: str) -> None:
    expected = bm25(query, TEXTS)
    best = sorted((at for at in range(4) if expected[at] > 0), key=lambda at: -expected[at])
    (positions,), (scores,) = Index(TEXTS).search([query], 4)
    assert positions == best
    assert scores == pytest.approx([expected[at] for at in best], abs=1e-6)


def test_texts_that_score_alike_keep_their_order() -> None:
    texts = ["b a", "a b", "x", "a c", "a b"]
    assert Index(texts).search(["a"], 3)[0] == [[0, 1, 3]]
    assert Index(["up", "up", "right", "up"], embed).search(["up"], 2, by="embedding")[0] == [
        [0, 1]
    ]


def test_an_embedding_ranks_by_scalar_product() -> None:
    index = Index(["up", "right", "over", "down"], embed)
    positions, scores = index.search(["up", "right"], 3, by="embedding")
    assert positions == [[0, 2, 1], [1, 2, 0]]
    assert scores[0] == pytest.approx([1, 0.6, 0])


def test_both_is_the_sum_of_reciprocal_ranks() -> None:
    texts = ["up", "over there", "right there", "down there there"]
    index = Index(texts, embed)
    words = index.search(["up there"], 4)[0][0]
    meant = index.search(["up there"], 4, by="embedding")[0][0]
    expected = [
        sum(1 / (60 + ranking.index(at) + 1) for ranking in (words, meant)) for at in range(4)
    ]
    (positions,), (scores,) = index.search(["up there"], 4, by="both")
    assert positions == sorted(range(4), key=lambda at: -expected[at])
    assert scores == pytest.approx(sorted(expected, reverse=True))


def test_what_is_excluded_is_not_found_and_takes_no_rank() -> None:
    texts = ["up a", "over a", "right a"]
    index = Index(texts, embed)
    for by in ("bm25", "embedding", "both"):
        positions, _ = index.search(texts, 3, by=by, exclude=[[0], [1], [0, 2]])
        assert [sorted(found) for found in positions] == [[1, 2], [0, 2], [1]]
    _, scores = index.search(["up a"], 1, by="both", exclude=[[0]])
    assert scores[0] == pytest.approx([2 / 61])


@pytest.mark.parametrize("query", ["", "?!", "zebra", "🙂", "\0"])
@pytest.mark.parametrize("texts", [[], ["", ""], ["...", "\0"], ["one"]])
def test_a_query_that_shares_no_word_finds_nothing(texts: list[str], query: str) -> None:
    assert Index(texts).search([query], 3) == ([[]], [[]])


def test_no_queries_find_nothing() -> None:
    assert Index(TEXTS).search([], 3) == ([], [])


def test_words_of_any_script_are_found() -> None:
    texts = ["Crêpes à la carte", "東京は雨", "ПРИВЕТ мир"]
    assert Index(texts).search(["CRÊPES", "東京", "привет"], 1)[0] == [[0], [1], [2]]


def test_nothing_is_written_anywhere(capfd: pytest.CaptureFixture[str]) -> None:
    Index(TEXTS).search(["cat"], 2)
    assert capfd.readouterr() == ("", "")


def test_what_cannot_be_searched_is_refused() -> None:
    index = Index(TEXTS)
    with pytest.raises(UsageError, match="k must be at least 1; got 0"):
        index.search(["cat"], 0)
    with pytest.raises(UsageError, match="by 'words' not found; have 'bm25', 'embedding', 'both'"):
        index.search(["cat"], 1, by="words")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match='by="both" needs embed=, such as load_embedder'):
        index.search(["cat"], 1, by="both")
    with pytest.raises(UsageError, match=r"one vector for each of 1 texts; got \(1,\)"):
        Index(["a"], lambda texts: np.zeros(len(texts))).search(["a"], 1, by="embedding")
