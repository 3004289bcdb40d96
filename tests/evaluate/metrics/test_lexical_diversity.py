from __future__ import annotations

import gzip
import math
from collections import Counter
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate import scores
from synthkit.evaluate.metrics.lexical_diversity import (
    compression_ratio,
    distinct_n,
    mtld,
    ngram_entropy,
    vocabulary,
)
from synthkit.stats.words import tokens

METRICS: list[Callable[[list[str]], Score]] = [
    vocabulary,
    distinct_n,
    ngram_entropy,
    compression_ratio,
    mtld,
]
TEXTS = ["the soup was cold", "the soup was warm the soup", "", "warm", "soup was was the soup"]


def drawn(rng: np.random.Generator, rows: int = 40, length: int = 10) -> list[str]:
    shares = 1 / np.arange(1, 200)
    return [
        " ".join(map(str, line))
        for line in rng.choice(199, (rows, length), p=shares / shares.sum())
    ]


def grams(texts: list[str], n: int) -> Counter[tuple[str, ...]]:
    said = [tokens(text) for text in texts]
    return Counter(tuple(one[i : i + n]) for one in said for i in range(len(one) - n + 1))


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_distinct_and_entropy_are_those_of_counted_grams(n: int) -> None:
    rng = np.random.default_rng(n)
    for texts in (TEXTS, drawn(rng), drawn(rng, 3)):
        counts = grams(texts, n)
        total = counts.total()
        entropy = -sum(c / total * math.log(c / total) for c in counts.values())
        assert distinct_n(texts, n).value == len(counts) / total
        assert ngram_entropy(texts, n).value == pytest.approx(entropy, abs=1e-12)


def test_distinct_2_by_hand() -> None:
    assert distinct_n(["a b a b"]).value == 2 / 3
    assert distinct_n(["A b.", "a B!"]).value == 1 / 2


def test_entropy_of_equal_counts_is_the_logarithm_of_how_many() -> None:
    assert ngram_entropy(["a b", "c d", "e f g h"], 1).value == pytest.approx(math.log(8))
    assert ngram_entropy(["a a", "a"], 1).value == 0


def test_vocabulary_at_equal_n_is_the_mean_over_all_choices() -> None:
    for n in range(1, 6):
        chosen = [len(grams(list(some), 1)) for some in combinations(TEXTS, n)]
        assert vocabulary(TEXTS, n=n).value == pytest.approx(np.mean(chosen), abs=1e-12)
    assert vocabulary(TEXTS).value == 5


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("vocabulary", vocabulary),
        ("vocabulary of 3", lambda texts: vocabulary(texts, n=3)),
        ("distinct", distinct_n),
        ("entropy", lambda texts: ngram_entropy(texts, 2)),
    ],
)
def test_each_text_left_out_gives_what_the_others_give(
    name: str, metric: Callable[[list[str]], Score], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[np.ndarray] = []
    monkeypatch.setattr(scores, "jackknife", lambda v, left, level: (seen.append(left), (v, v))[1])
    for texts in (TEXTS, drawn(np.random.default_rng(0), 8, 4)):
        metric(texts)
        without = seen[-1]
        expected = [metric(texts[:j] + texts[j + 1 :]).value for j in range(len(texts))]
        assert without == pytest.approx(np.array(expected), abs=1e-12)


def test_compression_is_of_the_texts_with_line_ends_between() -> None:
    texts = drawn(np.random.default_rng(0))
    whole = "\n".join(texts).encode()
    expected = len(whole) / len(gzip.compress(whole, mtime=0))
    assert compression_ratio(texts).value == pytest.approx(expected)
    assert compression_ratio(["a lot of soup"] * 200).value > 20


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a a a a", 2.0),  # aa|aa
        ("a b a b a b a b", 4.0),  # aba|bab|ab, the last of which repeats nothing
        ("a b a b c d e", 7.0),  # aba|bcde, where nothing repeats; backwards edcbaba|, 5/7
        # no whole stretch: 1 - 3/4 = .25, over .28
        ("a b c a", 4 * 0.28 / 0.25),
    ],
)
def test_mtld_by_hand(text: str, expected: float) -> None:
    assert mtld([text]).value == pytest.approx(expected)


def test_the_interval_of_mtld_is_students_of_the_stretches() -> None:
    found = mtld(["a a b b b c c d d d a b c d a a"])  # aa|bb|bcc|dd|dabcda|a
    half = stats.t.ppf(0.975, 4) * stats.sem([2, 2, 3, 2, 6])
    assert found.high is not None
    assert found.high - found.value == pytest.approx(half, rel=2e-3)


def test_texts_are_read_on_end() -> None:
    assert mtld(["a b a b", "", "c d e"]).value == mtld(["a b a b c d e"]).value


def test_empty_texts_change_no_words() -> None:
    for metric in (distinct_n, ngram_entropy, vocabulary, mtld):
        assert metric([*TEXTS, "", " ?!"]).value == metric(TEXTS).value


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("texts", [[], [""], ["", ""], "one text", ["a a", None], [1], [math.nan]])
def test_nothing_is_refused_or_has_a_value(metric: Callable[..., Score], texts: list[str]) -> None:
    if metric is vocabulary and texts in ([""], ["", ""]):
        assert metric(texts).value == 0
        return
    if metric is compression_ratio and texts == ["", ""]:
        texts = [""]
    with pytest.raises(UsageError):
        metric(texts)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize(
    "texts",
    [
        ["a a b"],
        ["a a", "a a"],
        ["a a b", ""],
        ["x " * 500_000],
        ["a a"] * 50,
        ["东京东京", "مرحبا بك مرحبا بك", "🙂 é é", "\ud800 a a"],
    ],
)
def test_values_and_intervals_are_finite(metric: Callable[..., Score], texts: list[str]) -> None:
    found = metric(texts)
    assert math.isfinite(found.value)
    if len(texts) == 1 and metric is not mtld:  # its interval is of stretches
        assert found.low is found.high is None
    if found.low is not None:
        assert found.low <= found.value <= found.high  # type: ignore[operator]


@pytest.mark.parametrize("given", [{"n": 0}, {"n": 6}, {"level": 1.0}])
def test_vocabulary_refuses_what_it_cannot_draw(given: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        vocabulary(TEXTS, **given)  # type: ignore[arg-type]


def test_other_options_out_of_range_are_refused() -> None:
    for call in (distinct_n, ngram_entropy):
        with pytest.raises(UsageError, match="n must be at least 1"):
            call(TEXTS, 0)
        with pytest.raises(UsageError, match="smaller n"):
            call(TEXTS, 9)
    with pytest.raises(UsageError, match="threshold"):
        mtld(TEXTS, threshold=1)
    with pytest.raises(UsageError, match="twice"):
        mtld(["a b", "c"])
