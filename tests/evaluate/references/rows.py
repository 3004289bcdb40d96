"""Metrics of labels, lengths and verdicts, and what is copied."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any

import numpy as np
import pandas as pd
from nltk import ngrams
from scipy.spatial.distance import cityblock, jensenshannon
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.metrics.pairwise import cosine_similarity

from synthkit.evaluate import gain, light, tstr
from synthkit.evaluate.checks import regex
from synthkit.evaluate.metrics import divergence, faithfulness, grounding
from synthkit.evaluate.metrics.memorization import memorised
from synthkit.stats.words import tokens
from tests.evaluate import inputs
from tests.evaluate.inputs import Kind
from tests.evaluate.references import Pairs, against


def _shares(*columns: Iterable[Any]) -> tuple[inputs.Array, inputs.Array]:
    held = [list(column) for column in columns]
    kinds = sorted(set(held[0] + held[1]))
    first, second = (np.array([column.count(one) for one in kinds]) for column in held)
    return first / first.sum(), second / second.sum()


def _ranges(real: list[str], synthetic: list[str]) -> tuple[inputs.Array, inputs.Array]:
    sizes = [np.array([len(text) for text in column]) for column in (real, synthetic)]
    cuts = np.concatenate([np.percentile(x, np.arange(0, 100, 10), method="lower") for x in sizes])
    edges = [*np.unique(cuts), np.inf]
    return _shares(*(pd.cut(x, edges, right=False, labels=False).tolist() for x in sizes))


def _divergence(of: str, at: int, theirs: Callable[..., float]) -> Callable[[Kind], Pairs]:
    def pairs(kind: Kind) -> Pairs:
        for real, synthetic in inputs.labels(kind):
            if of == "label":
                ours = divergence.label_divergence(synthetic, real, draws=0)[at]
                yield ours, theirs(*_shares(real, synthetic))
                continue
            # lengths of 0 to hundreds of characters
            long = [[one * (3 + 7 * i % 91) for i, one in enumerate(x)] for x in (real, synthetic)]
            ours = divergence.length_divergence(long[1], long[0], draws=0)[at]
            yield ours, theirs(*_ranges(long[0], long[1]))

    return pairs


for _of in ("label", "length"):
    _what = "shares of labels" if _of == "label" else "shares of ranges of length"
    against(
        f"{_of} Jensen-Shannon divergence", f"{_of}_divergence", f"of {_what}, in bits",
        "{scipy} `jensenshannon` squared",
    )(_divergence(_of, 0, lambda p, q: jensenshannon(p, q, base=2) ** 2))  # fmt: skip
    against(
        f"{_of} total variation", f"{_of}_divergence", f"half the L1 distance of {_what}",
        "{scipy} `cityblock`",
    )(_divergence(_of, 1, lambda p, q: cityblock(p, q) / 2))  # fmt: skip


@against("pass rate", "pass_rate", "share of rows that pass every check", "plain count")
def _(kind: Kind) -> Pairs:
    for corpus in inputs.texts(kind):
        checks = [regex("text", "[13579]"), regex("text", "^.{3,}$")]
        passed = [any(c in text for c in "13579") and len(text) > 2 for text in corpus]
        rows = [{"text": text} for text in corpus]
        yield faithfulness.pass_rate(rows, checks).score, float(np.mean(passed))


@against("label accuracy", "label_accuracy", "share of rows whose label equals an oracle's",
         "{scikit-learn} `accuracy_score`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for first, second in inputs.labels(kind):
        rows = [{"label": one, "right": other} for one, other in zip(first, second, strict=True)]
        found = faithfulness.label_accuracy(rows, "label", lambda row: row["right"])
        yield found.score, accuracy_score(second, first)


@against("grounded spans", "grounded", "share of spans found in the sources of their row",
         "plain count")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for corpus in inputs.texts(kind):
        spans, sources = [text.split() for text in corpus], corpus[1:] + corpus[:1]
        hits = [span in source for own, source in zip(spans, sources, strict=True) for span in own]
        if hits:
            yield grounding.grounded(spans, sources).score, float(np.mean(hits))


@against("entailment", "entailment", "share of hypotheses with a probability of .5 or more",
         "{scikit-learn} `accuracy_score`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(6)
    given = [rng.random(n) for n in (3, 50, 400)]
    for likely in given if kind == "random" else [[0.5], [0.0, 1.0], [1.0] * 4, [0.0] * 4]:
        texts = ["a"] * len(likely)
        found = grounding.entailment(texts, texts, lambda p, h, likely=likely: likely)
        yield found.score, accuracy_score([True] * len(likely), np.array(likely) >= 0.5)


def _memorised(name: str, plain: Callable[[list[str], list[list[str]]], float]) -> Any:
    def embed(texts: list[str]) -> inputs.Array:
        rows = np.array([[len(t) + 1, t.count("1") + 1, t.count(" ") - 4] for t in texts], float)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def pairs(kind: Kind) -> Pairs:
        given = inputs.texts(kind)
        for ours, train in zip(given, given[1:] + given[:1], strict=True):
            ours, train = ([text for text in side if text.strip()] for side in (ours, train))
            if not ours or not train:
                continue
            found = memorised({"text": ours}, {"text": train}, n=2, embed=embed).scores
            if name not in found:
                continue
            if name == "nearest cosine":
                yield found[name], cosine_similarity(embed(ours), embed(train)).max(axis=1).mean()
                continue
            said, seen = [tokens(one) for one in ours], [tokens(one) for one in train]
            cells = [plain(one, seen) for one in said if name[0] != "n" or len(one) > 1]
            yield found[name], float(np.mean(cells))

    return pairs


def _longest(one: list[str], seen: list[list[str]]) -> float:
    matchers = [SequenceMatcher(None, one, other, autojunk=False) for other in seen]
    return max(matcher.find_longest_match().size for matcher in matchers)


def _overlap(one: list[str], seen: list[list[str]]) -> float:
    whole = {gram for other in seen for gram in ngrams(other, 2)}
    return float(np.mean([gram in whole for gram in ngrams(one, 2)]))


for _name, _what, _library, _plain in (
    ("copies", "share of texts whose tokens are those of a train text", "plain count",
     lambda one, seen: float(one in seen and one != [])),
    ("longest run", "tokens in a row that a train text has, longest of each text",
     "`find_longest_match` of difflib", _longest),
    ("n-gram overlap", "share of a text's n-grams that occur in a train text",
     "n-grams of {nltk}", _overlap),
    ("nearest cosine", "cosine of the nearest train text",
     "{scikit-learn} `cosine_similarity`, in float64", _longest),
):  # fmt: skip
    against(_name, "memorised", _what, _library)(_memorised(_name, _plain))


@against("judged faithfulness", "judged", "share of rows with a score of 4 of 5 or more",
         "plain count")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(15)
    given = [rng.integers(1, 6, n).tolist() for n in (3, 50, 400)]
    for scores in given if kind == "random" else [[4], [5, 5], [1, None], [3, 4]]:
        known = [score >= 4 for score in scores if score is not None]
        rows = [{"faithful": score} for score in scores]
        yield faithfulness.judged(rows).score, float(np.mean(known))


def _embed(texts: Sequence[str]) -> inputs.Array:
    return np.array([[len(text) % 7, *map(text.count, "019")] for text in texts], float)


def _learned(kind: Kind) -> Iterator[tuple[list[list[dict[str, str]]], list[inputs.Array]]]:
    """Synthetic, real and test rows of two or three labels, and their vectors."""
    rng = np.random.default_rng(16)
    for kinds, wrong in ((2, 0.1), (3, 0.3)) if kind == "random" else ((2, 0.0),):
        sides = []
        for _ in range(3):
            texts = [str(one) for one in rng.integers(10**6, 10**12, size=80)]
            right = [text.count("0") % kinds for text in texts]
            said = np.where(rng.random(80) < wrong, rng.integers(kinds, size=80), right)
            labels = map(str, said)
            sides.append([{"text": t, "label": y} for t, y in zip(texts, labels, strict=True)])
        if kind == "degenerate":
            sides[0] = sides[1]
        yield sides, [_embed([row["text"] for row in side]) for side in sides]


def _accuracy(sides: Any, vectors: Any, *taught: int) -> float:
    labels = [[row["label"] for row in side] for side in sides]
    model = LogisticRegression(tol=1e-6, max_iter=10_000)
    rows = np.concatenate([vectors[at] for at in taught])
    model.fit(rows, [label for at in taught for label in labels[at]])
    return float(accuracy_score(labels[2], model.predict(vectors[2])))


@against("TSTR accuracy", "tstr", "accuracy on real test rows after training on synthetic ones",
         "{scikit-learn} `LogisticRegression`, `accuracy_score`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for sides, vectors in _learned(kind):
        found = tstr(*sides, learner=light(_embed))
        yield found.synthetic, _accuracy(sides, vectors, 0)
        yield found.real, _accuracy(sides, vectors, 1)


@against("TSTR gap", "tstr", "accuracy after training on real rows minus that on synthetic ones",
         "{scikit-learn}, the same; 0 for a copy")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for sides, vectors in _learned(kind):
        real, synthetic = (_accuracy(sides, vectors, at) for at in (1, 0))
        yield tstr(*sides, learner=light(_embed)).gap.value, real - synthetic


@against("augmentation gain", "gain", "accuracy with synthetic rows added minus that without",
         "{scikit-learn}, the same")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for sides, vectors in _learned(kind):
        both, real = _accuracy(sides, vectors, 1, 0), _accuracy(sides, vectors, 1)
        yield gain(*sides, learner=light(_embed)).gain.value, both - real
