"""Metrics of words."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from nltk import ngrams
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from scipy import stats

from synthkit.evaluate.metrics import lexical_diversity
from synthkit.evaluate.metrics.self_bleu import self_bleu
from synthkit.stats.words import tokens
from tests.evaluate import inputs
from tests.evaluate.inputs import Kind
from tests.evaluate.references import Pairs, against


def _grams(corpus: list[str], n: int) -> list[tuple[str, ...]]:
    return [gram for text in corpus for gram in ngrams(tokens(text), n)]


@against(
    "vocabulary", "vocabulary", "distinct tokens of n texts, the mean over all choices",
    "plain definition, over all choices",
)  # fmt: skip
def _(kind: Kind) -> Pairs:
    for corpus in inputs.texts(kind):
        for n in range(1, len(corpus) + 1):
            chosen = [len(set(_grams(list(some), 1))) for some in combinations(corpus, n)]
            yield lexical_diversity.vocabulary(corpus, n=n), float(np.mean(chosen))


def _with_grams(kind: Kind) -> Iterator[tuple[list[str], int, list[tuple[str, ...]]]]:
    for corpus in inputs.texts(kind):
        for n in range(1, 5):
            if found := _grams(corpus, n):
                yield corpus, n, found


@against("distinct-n", "distinct_n", "distinct n-grams over n-grams", "n-grams of {nltk}")
def _(kind: Kind) -> Pairs:
    for corpus, n, found in _with_grams(kind):
        yield lexical_diversity.distinct_n(corpus, n), len(set(found)) / len(found)


@against("n-gram entropy", "ngram_entropy", "-sum p ln p over n-grams", "{scipy} `entropy`")
def _(kind: Kind) -> Pairs:
    for corpus, n, found in _with_grams(kind):
        yield (
            lexical_diversity.ngram_entropy(corpus, n),
            stats.entropy(list(Counter(found).values())),
        )


@against(
    "compression ratio", "compression_ratio", "bytes over bytes of gzip at level 9",
    "raw deflate of zlib and the 18 bytes of RFC 1952",
)  # fmt: skip
def _(kind: Kind) -> Pairs:
    for corpus in inputs.texts(kind):
        if any(corpus):
            whole = "\n".join(corpus).encode()
            yield (
                lexical_diversity.compression_ratio(corpus),
                len(whole) / (len(zlib.compress(whole, 9, wbits=-15)) + 18),
            )


@against("MTLD", "mtld", "tokens over stretches that end at a type-token ratio of .72",
         "lexicalrichness 0.5.1 `mtld`, recorded")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for letters, value in inputs.MTLD if kind == "random" else inputs.MTLD_DEGENERATE:
        yield lexical_diversity.mtld([" ".join(letters)]), value


@against("self-BLEU-n", "self_bleu", "mean BLEU of each text with all others as references",
         "{nltk} `sentence_bleu`, smoothing method 1, n = 1 to 5")  # fmt: skip
def _(kind: Kind) -> Pairs:
    smooth = SmoothingFunction().method1
    for corpus in inputs.texts(kind):
        said = [tokens(text) for text in corpus]
        if len(said) > 1:
            for n in range(1, 6):
                scores = [
                    sentence_bleu(said[:i] + said[i + 1 :], one, (1 / n,) * n, smooth)
                    for i, one in enumerate(said)
                ]
                yield self_bleu(corpus, n), float(np.mean(scores))
