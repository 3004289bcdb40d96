from __future__ import annotations

import itertools
import random
import time

import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import apply_filters, no_contamination

LONG = (
    "The patient came in on a Monday with a fever and a cough that had lasted for two weeks "
    "and would not go away whatever she took for it."
)
TEST = [{"id": "long", "text": LONG}, {"id": "short", "text": "The soup was cold and late."}]


def why(*texts: object, **options: object) -> list[str]:
    made = no_contamination(TEST, **{"n": 13, **options})  # type: ignore[arg-type]
    return list(made.judge([{"text": text} for text in texts]))


def test_thirteen_words_in_a_row_are_an_overlap_and_twelve_are_not() -> None:
    thirteen = " ".join(LONG.split()[4:17])
    twelve = " ".join(LONG.split()[4:16])
    assert why(f"He said: {thirteen.upper()}, then left.", f"He said {twelve} then left.") == [
        "part of a test text: row long, 20% of 13-grams, "
        "'on a monday with a fever and a cough that had lasted for'",
        "",
    ]


def test_short_texts_are_compared_whole() -> None:
    assert why(
        "the soup was COLD, and late",
        "The soup was cold and very late.",
        "The soup was hot.",
        "The soup",
        "Soup",
        "",
        None,
    ) == ["test text: row short", "", "", "", "", "", "missing"]
    assert why("The soup was cold and late again.", share=0.6) == [
        "most of a test text: row short, 83% of bigrams"
    ]


def test_without_n_it_is_the_fifth_percentile_from_8_to_13() -> None:
    rows = [{"id": str(i), "text": " ".join(f"w{j}" for j in range(10))} for i in range(20)]
    assert "10 words" in no_contamination(rows).name
    assert "8 words" in no_contamination(TEST).name
    assert "13 words" in no_contamination(TEST[:1]).name
    assert "13 words" in no_contamination({"id": [], "text": []}).name


def test_a_text_without_words_is_compared_as_it_is() -> None:
    made = no_contamination([{"id": "e", "text": "🎉 🎉"}, {"id": "n", "text": None}])
    assert made.judge([{"text": "🎉🎉"}, {"text": "🎉"}]) == ["test text: row e", ""]


def test_the_short_rule_equals_comparing_all_pairs() -> None:
    draw = random.Random(1)
    texts = [" ".join(draw.choices("abcdefgh", k=draw.randint(2, 9))) for _ in range(300)]
    test = [{"id": f"t{i}", "text": text} for i, text in enumerate(texts[:100])]

    def pairs(text: str) -> set[tuple[str, str]]:
        words = text.split()
        return set(itertools.pairwise(words))

    for share in (0.5, 0.7, 1.0):
        found = no_contamination(test, n=8, share=share).judge([{"text": t} for t in texts[100:]])
        for text, reason in zip(texts[100:], found, strict=True):
            if reason.startswith("part"):
                continue
            shares = [
                len(pairs(text) & pairs(one)) / max(len(pairs(text)), len(pairs(one)))
                for one in texts[:100]
            ]
            assert bool(reason) == (max(shares) >= share or text in texts[:100])


def test_planted_test_rows_are_found_and_others_are_not() -> None:
    draw = random.Random(0)
    vocabulary = [f"w{i}" for i in range(2000)]
    texts = [" ".join(draw.choices(vocabulary, k=draw.randint(4, 30))) for _ in range(400)]
    test = pd.DataFrame({"id": [f"t{i}" for i in range(200)], "question": texts[:200]})
    planted = [f"{text.upper()}!" for text in texts[:100]]
    made = apply_filters(
        pd.DataFrame({"id": range(300), "text": planted + texts[200:]}),
        no_contamination(test, test_column="question"),
    )
    assert made.dropped["why"].tolist() == [f"test text: row t{i}" for i in range(100)]


def test_time_grows_as_the_tables_do() -> None:
    def seconds(n: int) -> float:
        rows = [
            {"id": str(i), "text": f"write one review of a place called x{i}"} for i in range(n)
        ]
        other = [
            {"id": str(i), "text": f"write one review of a place called y{i}"} for i in range(n)
        ]
        began = time.process_time()
        # all texts share all their bigrams but one
        assert sum(map(bool, no_contamination(rows, share=0.9).judge(other))) == 0
        return time.process_time() - began

    seconds(500)
    assert seconds(8_000) < 8 * 4 * max(seconds(1_000), 0.02)


def test_bad_options_and_tables_are_named() -> None:
    with pytest.raises(UsageError, match="n must be 2 words or more"):
        no_contamination(TEST, n=1)
    with pytest.raises(UsageError, match="share must be above 0"):
        no_contamination(TEST, share=0)
    with pytest.raises(TableError, match="column 'question' not found"):
        no_contamination(TEST, test_column="question")
    assert why("x" * 1_000_000, "word " * 200_000) == ["", ""]
