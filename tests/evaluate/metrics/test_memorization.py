from __future__ import annotations

import tracemalloc
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.evaluate import report
from synthkit.evaluate.metrics.memorization import memorised, shared_runs
from synthkit.stats.words import tokens


def brute(ours: list[list[str]], theirs: list[list[str]]) -> list[list[int]]:
    def run(words: list[str], at: int) -> int:
        n = 0
        while at + n < len(words) and any(
            other[k : k + n + 1] == words[at : at + n + 1]
            for other in theirs
            for k in range(len(other))
        ):
            n += 1
        return n

    return [[run(words, at) for at in range(len(words))] for words in ours]


def test_runs_are_those_of_looking_everywhere() -> None:
    rng = np.random.default_rng(0)
    for size in (1, 2, 5):
        ours, theirs = (
            [[str(one) for one in rng.integers(0, size, rng.integers(0, 12))] for _ in range(8)]
            for _ in range(2)
        )
        assert [run.tolist() for run in shared_runs(ours, theirs)] == brute(ours, theirs)


def test_the_longest_run_is_what_difflib_finds() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = ([str(one) for one in rng.integers(0, 4, 200)] for _ in range(2))
    match = SequenceMatcher(None, ours, theirs, autojunk=False).find_longest_match()
    assert shared_runs([ours], [theirs])[0].max() == match.size


def test_memorised_by_hand() -> None:
    train = pd.DataFrame({"text": ["The soup was cold and grey.", "A fly!", None]})
    rows = [
        {"text": "the SOUP was cold, and grey"},  # a copy
        {"text": "They said the soup was warm."},  # 'the soup was' of 6 tokens
        {"text": "cold a fly"},  # no run goes on from one text into the next
        {"text": None},
    ]
    found = memorised(rows, train, n=3)
    assert found.table["copied"].tolist() == [True, False, False, None]
    assert found.table["longest_run"].tolist()[:3] == [6, 3, 2]
    assert found.table["overlap"].tolist()[:3] == [1, 1 / 4, 0]
    scores = found.scores
    assert (scores["copies"].value, scores["copies"].n) == (1 / 3, 3)
    assert scores["longest run"].value == pytest.approx(11 / 3)
    assert "the longest is 6" in scores["longest run"].how
    assert scores["n-gram overlap"].value == pytest.approx((1 + 1 / 4) / 3)
    assert "n = 3" in scores["n-gram overlap"].how


def test_overlap_is_that_of_a_set_of_n_grams() -> None:
    rng = np.random.default_rng(0)
    words = np.array(["a", "b", "c", "d"])
    ours, theirs = ([" ".join(rng.choice(words, 15)) for _ in range(20)] for _ in range(2))

    def grams(text: str) -> list[tuple[str, ...]]:
        held = tokens(text)
        return [tuple(held[k : k + 4]) for k in range(len(held) - 3)]

    known = {gram for text in theirs for gram in grams(text)}
    expected = [np.mean([gram in known for gram in grams(text)]) for text in ours]
    found = memorised({"text": ours}, {"body": theirs}, train_column="body", n=4)
    assert found.table["overlap"].tolist() == pytest.approx(expected)


def test_the_nearest_cosine_is_the_largest_of_all() -> None:
    rng = np.random.default_rng(0)
    vectors = {name: rng.normal(size=5) for name in map(str, range(60))}

    def embed(texts: Any) -> Any:
        held = np.array([vectors[text] for text in texts])
        return held / np.linalg.norm(held, axis=1, keepdims=True)

    ours, theirs = [str(k) for k in range(20)], [str(k) for k in range(20, 60)]
    found = memorised({"text": ours}, {"text": theirs}, embed=embed)
    expected = (embed(ours) @ embed(theirs).T).max(axis=1)
    assert found.table["nearest_cosine"].tolist() == pytest.approx(expected, abs=1e-6)
    assert found.scores["nearest cosine"].value == pytest.approx(expected.mean(), abs=1e-6)


def test_short_texts_have_no_overlap_and_no_score_of_it() -> None:
    found = memorised({"text": ["东京", "a", "🙂"]}, {"text": ["东京"]})
    assert found.table["copied"].tolist() == [True, False, False]
    assert found.table["longest_run"].tolist() == [2, 0, 0]
    assert "n-gram overlap" not in found.scores


def test_blank_texts_are_ignored_and_texts_without_words_are_no_copies() -> None:
    found = memorised({"text": ["🙂", "!!!", "", " ", "a", "b"]}, {"text": ["...", "🙂", "", "A"]})
    assert found.table["copied"].tolist() == [False, False, None, None, True, False]
    assert (found.scores["copies"].value, found.scores["copies"].n) == (0.25, 4)
    with pytest.raises(UsageError, match="one has none"):
        memorised({"text": ["a"]}, {"text": ["", " "]})


def test_a_report_keeps_the_ids_of_the_rows_that_memorisation_is_of(tmp_path: Path) -> None:
    long = "one two three four five six seven eight nine"
    texts = {"a": "", "b": long, "c": "alpha beta", "d": f"{long} ten", "e": " ", "f": None}
    rows = pd.DataFrame({"id": list(texts), "text": list(texts.values())})
    rows.to_parquet(tmp_path / "rows.parquet")
    options: Any = {"against": [{"text": long}, {"text": ""}], "metrics": ["copies of real rows"]}
    plain = report(rows, column="text", **options)
    large = sk.parquet.report(tmp_path / "rows.parquet", column="text", scratch=tmp_path, **options)
    for found in (plain, large):
        ids = {measured.score.name.partition(",")[0]: measured.ids for measured in found.measured}
        assert ids == {
            "copies": ["b", "c", "d"],
            "longest run": ["b", "c", "d"],
            "n-gram overlap": ["b", "d"],
        }
    assert [m.score.value for m in plain.measured] == [m.score.value for m in large.measured]


def test_intervals_of_few_rows_stay_in_the_range_of_their_values() -> None:
    def embed(texts: Any) -> Any:
        return np.array([[1.0, 0.0] if text == "a b" else [-1.0, 0.0] for text in texts])

    found = memorised({"text": ["a b", "c d"]}, {"text": ["a b"]}, n=2, embed=embed).scores
    ends = {name: (score.low, score.high) for name, score in found.items() if name != "copies"}
    assert ends["longest run"][0] == 0
    assert ends["n-gram overlap"] == (0, 1)
    assert ends["nearest cosine"] == (-1, 1)
    assert "Student's t" in found["n-gram overlap"].how


def test_a_long_text_is_found_whole() -> None:
    text = " ".join(str(k % 977) for k in range(50_000))
    found = memorised({"text": [text]}, {"text": ["x " + text + " y"]})
    assert found.table["longest_run"].tolist() == [50_000]
    assert found.table["copied"].tolist() == [False]


@pytest.mark.parametrize(
    ("table", "train", "n", "message"),
    [
        ({"text": ["a"]}, {"text": ["a"]}, 0, "n of 1 token"),
        ({"text": [3]}, {"text": ["a"]}, 8, "expected text in column 'text'; got 3"),
        ({"text": [None]}, {"text": ["a"]}, 8, "one has none"),
        ({"text": ["a"]}, {"text": []}, 8, "one has none"),
        ({"txt": ["a"]}, {"text": ["a"]}, 8, "Did you mean 'txt'"),
    ],
)
def test_tables_without_texts_are_refused(table: Any, train: Any, n: int, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        memorised(table, train, n=n)


def test_memory_is_a_few_times_the_tokens_of_both_tables() -> None:
    rng = np.random.default_rng(0)
    texts = [" ".join(f"w{n}" for n in rng.zipf(1.3, 400) % 5000) for _ in range(400)]
    memorised({"text": texts[:9]}, {"text": texts[:9]}, resamples=10)
    tracemalloc.start()
    found = memorised({"text": texts[:200]}, {"text": texts[100:]}, resamples=10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.scores["copies"].value == 0.5
    assert found.scores["longest run"].value > 200
    assert peak < 90 * 500 * 400  # bytes, for 200,000 tokens; lists of words and ranks took 300


def test_how_says_that_characters_are_tokens_in_scripts_without_spaces() -> None:
    found = memorised({"text": ["汤很好喝", "soup"]}, {"text": ["汤很好吃"]}, n=2, resamples=10)
    assert found.table["longest_run"].tolist() == [3, 0]
    assert all("single characters in scripts" in score.how for score in found.scores.values())
    plain = memorised({"text": ["soup"]}, {"text": ["soup"]}, n=1, resamples=10)
    assert not any("single characters" in score.how for score in plain.scores.values())
