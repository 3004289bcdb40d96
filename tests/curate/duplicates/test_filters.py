from __future__ import annotations

import random
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import (
    apply_filters,
    check_duplicates,
    clusters,
    exact_duplicates,
    near_duplicates,
    semantic_duplicates,
)
from synthkit.curate.duplicates.base import Duplicates
from synthkit.curate.duplicates.minhash import MAX_HASHES, bands, jaccard, signatures
from synthkit.curate.duplicates.shingles import Shingling, folded
from synthkit.data import tables
from synthkit.stats.words import tokens

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("n", "rt", "sh", "")]
MIXED = [
    "Die STRASSE",
    "مرحبا بالعالم",
    "東京タワーが好き",
    "🎉🎉",
    "!?",
    "",
    " \t\n",
    "é",
    "e\u0301",
    "\ud800",
]


def planted(n: int, seed: int) -> list[str]:
    """Texts; two in five are copies of others with up to three words changed."""
    draw = random.Random(seed)
    texts = [" ".join(draw.choices(WORDS, k=draw.randint(5, 40))) for _ in range(n * 3 // 5)]
    for _ in range(n - len(texts)):
        words = draw.choice(texts[: n // 2]).split()
        for _ in range(draw.randint(0, 3)):
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        texts.append(" ".join(words))
    draw.shuffle(texts)
    return texts


def normal(text: str) -> str:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())


def shingle_set(text: str, kind: str, size: int) -> set[Any]:
    text = normal(text)
    items: Sequence[str] = tokens(text) if kind == "words" else text
    return {tuple(items[at : at + size]) for at in range(len(items) - size + 1)} or {text}


def all_pairs(texts: list[str], kind: str, size: int, threshold: float) -> set[tuple[int, int]]:
    """The pairs of texts whose similarity reaches the threshold, by brute force."""
    sets = [shingle_set(text, kind, size) for text in texts]
    number = {one: n for n, one in enumerate(sorted(set().union(*sets), key=repr))}
    held = np.zeros((len(texts), len(number)), np.float32)
    for row, shingles in zip(held, sets, strict=True):
        row[[number[one] for one in shingles]] = 1
    both = (held @ held.T).astype(int)
    sizes = held.sum(axis=1).astype(int)
    similarity = both / (sizes[:, None] + sizes - both)
    return {(i, j) for i, j in np.argwhere(similarity >= threshold).tolist() if j < i}


def rows(texts: Sequence[Any]) -> pd.DataFrame:
    return pd.DataFrame({"id": range(len(texts)), "text": pd.Series(list(texts), dtype=object)})


def kept(texts: Sequence[Any], rule: Duplicates) -> list[int]:
    ids: list[int] = apply_filters(rows(texts), rule).kept["id"].tolist()
    return ids


def whys(texts: Sequence[Any], rule: Duplicates) -> dict[int, str]:
    dropped = apply_filters(rows(texts), rule).dropped
    return dict(zip(dropped["id"], dropped["why"], strict=True))


def spread(texts: Sequence[str]) -> Any:
    """Embeddings by counts of letters."""
    return [[text.count(letter) for letter in "abcdefghij"] for text in texts]


EVERY = [
    exact_duplicates(),
    near_duplicates(),
    near_duplicates(shingle="chars", threshold=0.5),
    semantic_duplicates(spread),
]


@pytest.mark.parametrize(
    ("kind", "size", "threshold"),
    [("words", 1, 0.9), ("words", 1, 0.5), ("words", 3, 0.6), ("chars", 5, 0.7), ("chars", 3, 0.9)],
)
def test_minhash_agrees_with_brute_force(kind: Any, size: int, threshold: float) -> None:
    texts = planted(2000, seed=1)
    true = all_pairs(texts, kind, size, threshold)
    rule = near_duplicates(threshold=threshold, shingle=kind, size=size)
    of, similarity = rule.similarity.representatives(texts)
    kept_texts = of == np.arange(len(texts))
    assert len(true) > 200
    left = [(i, j) for i, j in true if kept_texts[i] and kept_texts[j]]
    missed = 0.001 * len(true)
    assert len(left) <= missed + 3 * missed**0.5
    for i in np.flatnonzero(~kept_texts).tolist():  # precision, and the coefficients
        a, b = (shingle_set(texts[at], kind, size) for at in (i, of[i]))
        assert of[i] < i
        assert kept_texts[of[i]]
        assert similarity[i] == len(a & b) / len(a | b) >= threshold


def test_bands_find_a_pair_with_the_probability_of_theory() -> None:
    draw = random.Random(0)
    texts = []
    for _ in range(4000):  # pairs of Jaccard 12 / 24
        words = draw.sample(range(10**9), 24)
        texts += [" ".join(map(str, words[:18])), " ".join(map(str, words[6:]))]
    keys = signatures(texts, Shingling("words", 1), (3, 2), seed=0)
    found = (keys[:, ::2] == keys[:, 1::2]).any(axis=0).mean()
    assert found == pytest.approx(1 - (1 - 0.5**2) ** 3, abs=0.03)


def test_bands_reach_the_recall_with_the_allowed_hashes() -> None:
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95, 1.0):
        for n in (2, 1000, 1_000_000):
            count, size = bands(threshold, 0.999, [0.0, 0.05, 0.2], n)
            assert 1 - (1 - threshold**size) ** count >= 0.999
            assert count * size <= MAX_HASHES


def test_more_texts_have_more_hashes_in_a_band() -> None:
    assert bands(0.9, 0.999, [0.1], 10**3)[1] < bands(0.9, 0.999, [0.1], 10**7)[1]
    assert bands(0.9, 0.999, [0.0], 10**6)[1] < bands(0.9, 0.999, [0.5], 10**6)[1]


def test_kept_rows_are_those_of_a_greedy_pass() -> None:
    texts = planted(600, seed=2)
    true = all_pairs(texts, "words", 1, 0.6)
    expected: list[int] = []
    for i in range(len(texts)):
        if not any((i, j) in true for j in expected):
            expected.append(i)
    assert kept(texts, near_duplicates(threshold=0.6, recall=0.99999)) == expected


def test_a_row_unlike_its_representative_is_kept() -> None:
    chain = ["a b c d", "a b c d e", "a b c d e f"]  # 4/5, 5/6, and 4/6 from end to end
    rule = near_duplicates(threshold=0.8)
    assert kept(chain, rule) == [0, 2]
    assert whys(chain, rule) == {1: "near-duplicate: of 0, Jaccard 0.80"}
    assert clusters(rows(chain), rule).to_dict("records") == [
        {"id": 0, "cluster": 1, "representative": 0, "similarity": 1.0},
        {"id": 1, "cluster": 1, "representative": 0, "similarity": 0.8},
    ]


def test_each_filter_agrees_with_cases_worked_by_hand() -> None:
    texts = ["Good soup!", "good  SOUP!", "Good soup", "a e", "aa ee", "soup good"]
    assert whys(texts, exact_duplicates()) == {1: "duplicate: of 0"}
    assert whys(texts, exact_duplicates(punctuation=False)) == {
        1: "duplicate: of 0",
        2: "duplicate: of 0",
    }
    assert whys(texts, near_duplicates()) == dict.fromkeys(
        (1, 2, 5), "near-duplicate: of 0, Jaccard 1.00"
    )
    assert kept(texts, near_duplicates(size=2)) == [0, 3, 4, 5]
    for words, left in ((8, [0, 1]), (9, [0])):  # one word changed: 7/9 and 8/10
        sentence = [*"abcdefgh", "i"][:words]
        changed = [" ".join(sentence), " ".join([*sentence[:-1], "other"])]
        assert kept(changed, near_duplicates()) == left
    assert whys(texts[3:5], semantic_duplicates(spread)) == {
        1: "semantic duplicate: of 0, cosine 1.00"
    }


def test_vectors_are_kept_as_by_all_cosines() -> None:
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(3000, 96)) * np.linspace(3, 0.2, 96)
    vectors[1500:] = vectors[:1500] + draw.normal(size=(1500, 96)) * 0.8
    vectors = draw.permutation(vectors)
    rule = semantic_duplicates(lambda texts: vectors[: len(texts)], threshold=0.9)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = unit @ unit.T
    expected: list[int] = []
    for i in range(3000):
        if not (cosines[i, expected] >= 0.9).any():
            expected.append(i)
    of, similarity = rule.similarity.representatives([""] * 3000)
    assert np.flatnonzero(of == np.arange(3000)).tolist() == expected
    assert 1500 < len(expected) < 2900
    assert similarity == pytest.approx(np.where(of == np.arange(3000), 1, cosines[range(3000), of]))


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars", "datasets"])
def test_tables_keep_their_kind(kind: tables.Kind) -> None:
    table = tables.build({"id": ["x", "y", "z"], "text": ["a b", "A B", "c"]}, like=kind)
    result = clusters(table, exact_duplicates())
    assert tables.kind(result) == kind
    assert tables.records(result) == [
        {"id": "x", "cluster": 1, "representative": "x", "similarity": 1.0},
        {"id": "y", "cluster": 1, "representative": "x", "similarity": 1.0},
    ]
    assert tables.column(apply_filters(table, near_duplicates()).kept, "id") == ["x", "z"]


def test_clusters_agree_with_dropped_rows() -> None:
    table = rows(planted(500, seed=3))
    rule = near_duplicates(threshold=0.7)
    found, result = clusters(table, rule), apply_filters(table, rule)
    members = found[found["id"] != found["representative"]]
    assert sorted(members["id"]) == sorted(result.dropped["id"])
    assert set(found["representative"]) <= set(result.kept["id"])
    assert (found.groupby("cluster")["representative"].nunique() == 1).all()
    assert found["cluster"].unique().tolist() == list(range(1, found["cluster"].nunique() + 1))


@pytest.mark.parametrize("rule", [exact_duplicates, near_duplicates])
def test_the_preferred_row_is_kept(rule: Any) -> None:
    table = rows(["a b", "A B", "a  b ", "c"]).assign(score=[1, 3.5, None, None])
    assert apply_filters(table, rule(prefer="score")).kept["id"].tolist() == [1, 3]
    assert apply_filters(table, rule(prefer="longest")).kept["id"].tolist() == [2, 3]
    assert clusters(table, rule(prefer="score"))["id"].tolist() == [1, 0, 2]
    with pytest.raises(UsageError, match="column of numbers; got 'a b' in 'text'"):
        apply_filters(table, rule(prefer="text"))
    with pytest.raises(TableError, match=r"column 'scores' not found.*Did you mean 'score'"):
        apply_filters(table, rule(prefer="scores"))


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.name)
def test_empty_single_equal_and_missing_texts(rule: Duplicates) -> None:
    assert kept([], rule) == []
    assert len(clusters(rows([]), rule)) == 0
    assert kept(["abc def ghi"], rule) == [0]
    assert kept(["abc def ghi"] * 50, rule) == [0]
    assert kept(["", " ", "abc"], rule)[-1] == 2
    assert whys(["a", None, float("nan")], rule) == {1: "missing", 2: "missing"}
    assert kept([None, None], rule) == []
    with pytest.raises(TableError, match="0 occurs twice"):
        apply_filters(pd.concat([rows(["a"])] * 2), rule)
    with pytest.raises(TableError, match="column 'text' not found"):
        apply_filters([{"id": 1, "txt": "a"}], rule)


@pytest.mark.parametrize("rule", EVERY[:3], ids=lambda rule: rule.name)
def test_scripts_numbers_and_texts_without_words(rule: Duplicates) -> None:
    texts: list[Any] = [*MIXED, *MIXED, "die strasse", 12, "12", 12]
    ids = kept(texts, rule)
    distinct = {normal(text) for text in MIXED}
    assert len(ids) == len(distinct) + 1
    assert ids == [0, 1, 2, 3, 4, 5, 7, 9, 21]


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.name)
def test_a_text_of_a_million_characters_is_compared(rule: Duplicates) -> None:
    draw = random.Random(0)
    long = " ".join(draw.choices(WORDS, k=250_000))
    texts = [long, "short abc", long.upper(), long, "x" * 1_000_000, "東" * 1_000_000]
    dropped = set(whys(texts, rule))
    assert len(long) > 1_000_000 * 0.9
    assert 3 in dropped
    assert not {1, 4} & dropped or rule is EVERY[3]
    assert (2 in dropped) == (rule is not EVERY[3])


@pytest.mark.parametrize("seed", range(6))
def test_two_rows_are_compared_for_every_seed(seed: int) -> None:
    assert kept(["a b", "b a"], near_duplicates(seed=seed)) == [0]
    assert kept(["a b", "c d"], near_duplicates(seed=seed)) == [0, 1]


def test_one_of_many_similar_rows_is_kept() -> None:
    texts = [
        f"Order {n} was shipped today to the address that you gave us when you bought it"
        for n in range(20_000)
    ]
    assert kept(texts, near_duplicates(threshold=0.8)) == [0]


@pytest.mark.parametrize("text", MIXED)
def test_a_text_is_folded_as_it_is_alone(text: str) -> None:
    assert folded([text, "x", text]) == [normal(text), "x", normal(text)]


def test_texts_may_contain_the_separator() -> None:
    assert folded(["a\0b", "\0", "c"]) == ["a b", "", "c"]
    assert kept(["a\0b", "a b", "c"], exact_duplicates()) == [0, 2]


def test_the_size_of_blocks_does_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*planted(300, seed=4), *MIXED]
    rule = near_duplicates(threshold=0.7, shingle="chars")
    whole, _ = rule.similarity.representatives(texts)
    monkeypatch.setattr("synthkit.curate.duplicates.shingles.BLOCK", 100)
    monkeypatch.setattr("synthkit.curate.duplicates.minhash.BLOCK", 100)
    monkeypatch.setattr("synthkit.curate.duplicates.minhash._CELLS", 64)
    parts, _ = rule.similarity.representatives(texts)
    assert parts.tolist() == whole.tolist()


def test_jaccard_of_pairs_worked_by_hand() -> None:
    texts = ["a b c", "b c d", "a a b c", "x"]
    a, b = np.array([0, 0, 3, 1]), np.array([1, 2, 0, 1])
    similarity = jaccard(texts, np.array([5, 5, 7, 1]), Shingling("words", 1), a, b)
    assert similarity.tolist() == [0.5, 1.0, 0.0, 1.0]


def test_the_check_finds_remaining_duplicates_and_bounds_the_rest() -> None:
    table = rows([*(f"text number {n} of many" for n in range(400)), "Text number 7 of many!"])
    rule = near_duplicates()
    whole = check_duplicates(table, rule, sample=1000)
    assert (whole.rows, whole.sampled, whole.alike) == (401, 401, 2)
    assert whole.high == 2 / 401
    assert set(whole.pairs) == {(7, 400, 1.0), (400, 7, 1.0)}
    clean = check_duplicates(apply_filters(table, rule), rule, sample=200)
    assert (clean.rows, clean.sampled, clean.alike) == (400, 200, 0)
    assert clean.high == pytest.approx(1 - 0.05 ** (1 / 200))  # about 3 / 200
    assert str(clean) == "0 of 200 sampled rows have a duplicate; at most 1.49% of all 400 rows do."


@pytest.mark.parametrize("rule", EVERY, ids=lambda rule: rule.name)
def test_kept_rows_pass_the_check(rule: Duplicates) -> None:
    texts: list[Any] = [*planted(400, seed=5), None, *MIXED]
    curation = apply_filters(rows(texts), rule)
    assert check_duplicates(curation, rule, sample=500).alike == 0
    assert check_duplicates(rows(texts + texts), rule, sample=500).alike > 100
    assert check_duplicates(rows([]), rule).rows == 0


def test_the_bound_agrees_with_clopper_and_pearson() -> None:
    from scipy import stats

    table = rows([*(str(n) for n in range(900)), *(str(n) for n in range(30))])
    check = check_duplicates(table, exact_duplicates(), sample=300)
    assert check.alike > 5
    exact = stats.binomtest(check.alike, 300, alternative="less").proportion_ci(0.95)
    assert check.high == pytest.approx(exact.high)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold must be above 0"),
        ({"threshold": 90}, "threshold must be above 0"),
        ({"recall": 1}, "recall must be above 0 and below 1"),
        ({"shingle": "word"}, "Did you mean 'words'"),
        ({"size": 0}, "size must be at least 1"),
    ],
)
def test_options_out_of_range_are_refused(options: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        near_duplicates(**options)
    if "threshold" in options:
        with pytest.raises(UsageError, match=message):
            semantic_duplicates(spread, **options)


def test_bad_vectors_are_refused() -> None:
    for bad in ([[1.0, 2.0]], [[1.0], [float("nan")]], [1.0, 2.0]):
        with pytest.raises(UsageError, match="embed must return"):
            kept(["a", "b"], semantic_duplicates(lambda texts, bad=bad: bad))
    with pytest.raises(UsageError, match="sample must be at least 1"):
        check_duplicates(rows(["a"]), EVERY[0], sample=0)


def test_neither_torch_nor_scipy_is_imported() -> None:
    import subprocess
    import sys

    loads = "import sys, synthkit.curate.duplicates.filters"
    code = f"{loads}; print({{'torch', 'scipy'}} & {{*sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "set()\n"
