from __future__ import annotations

import importlib

import numpy as np
import pytest
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

from synthkit.core.errors import UsageError
from synthkit.evaluate.metrics.self_bleu import self_bleu
from synthkit.stats.words import tokens


def by_nltk(texts: list[str], n: int) -> float:
    said = [tokens(text) for text in texts]
    smooth = SmoothingFunction().method1
    scores = [
        sentence_bleu(
            said[:i] + said[i + 1 :], one, weights=(1 / n,) * n, smoothing_function=smooth
        )
        for i, one in enumerate(said)
    ]
    return float(np.mean(scores))


def drawn(rng: np.random.Generator) -> list[str]:
    rows, words = rng.integers(3, 14), rng.integers(2, 12)
    return [
        " ".join(map(str, rng.integers(words, size=rng.integers(12)))) for _ in range(rows)
    ]  # some are empty


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_it_is_that_of_nltk(n: int) -> None:
    rng = np.random.default_rng(n)
    for _ in range(20):
        texts = drawn(rng)
        assert self_bleu(texts, n).value == pytest.approx(by_nltk(texts, n), abs=1e-14)


@pytest.mark.parametrize(
    "texts",
    [
        ["", ""],
        ["a", ""],
        ["a", "a"],
        ["a a a a", "a"],
        ["a b c d e", "a b c d"],
        ["东京很大", "东京很小", "🙂 🙂", "مرحبا بك"],
        ["a b c", "a b c d e", "a b c d"],
    ],
)
def test_it_is_that_of_nltk_on_few_texts(texts: list[str]) -> None:
    assert self_bleu(texts).value == pytest.approx(by_nltk(texts, 4), abs=1e-14)


def test_each_text_left_out_gives_what_the_others_give(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[np.ndarray] = []
    module = importlib.import_module("synthkit.evaluate.scores")
    plain = module.jackknife

    def watched(value: float, without: np.ndarray, level: float) -> object:
        seen.append(without)
        return plain(value, without, level)

    monkeypatch.setattr(module, "jackknife", watched)
    rng = np.random.default_rng(7)
    for _ in range(20):
        texts = drawn(rng)
        self_bleu(texts, 3)
        expected = [by_nltk(texts[:j] + texts[j + 1 :], 3) for j in range(len(texts))]
        assert seen[-1] == pytest.approx(np.array(expected), abs=1e-14)


def test_copies_are_1_and_texts_without_a_common_word_0() -> None:
    found = self_bleu(["the soup was cold"] * 5)
    assert (found.value, found.low, found.high) == (1.0, 1.0, 1.0)
    assert self_bleu(["one two three four", "five six seven eight", "nine"]).value == 0.0


def test_two_texts_have_no_interval() -> None:
    found = self_bleu(["the soup was cold", "the soup was warm"])
    assert found.low is found.high is None


@pytest.mark.parametrize(
    ("texts", "n"), [([], 4), (["a"], 4), (["a", "b"], 0), (["a", None], 4), ("a b", 4)]
)
def test_what_has_no_value_is_refused(texts: list[str], n: int) -> None:
    with pytest.raises(UsageError):
        self_bleu(texts, n)


def test_the_interval_covers() -> None:
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, 60)
    shares /= shares.sum()
    found = [
        self_bleu([" ".join(map(str, line)) for line in rng.choice(59, (40, 8), p=shares)], 2)
        for _ in range(500)
    ]
    expected = np.mean([one.value for one in found])
    held = [one.low <= expected <= one.high for one in found]  # type: ignore[operator]
    assert np.mean(held) >= 0.93
