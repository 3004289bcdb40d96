from __future__ import annotations

import itertools
import random

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
    filter = no_contamination(TEST, **{"n": 13, **options})  # type: ignore[arg-type]
    return list(filter.judge([{"text": text} for text in texts]))


def test_thirteen_words_in_a_row_are_an_overlap_and_twelve_are_not() -> None:
    thirteen = " ".join(LONG.split()[4:17])
    twelve = " ".join(LONG.split()[4:16])
    assert why(f"He said: {thirteen.upper()}, then left.", f"He said {twelve} then left.") == [
        "part of a test text: row long, 20% of 13-grams, "
        "'on a monday with a fever and a cough that had lasted for'",
        "",
    ]


def test_short_texts_are_compared_as_a_whole() -> None:
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


def test_n_is_the_fifth_percentile_of_lengths_from_8_to_13() -> None:
    rows = [{"id": str(i), "text": " ".join(f"w{j}" for j in range(10))} for i in range(20)]
    assert "10 words" in no_contamination(rows).name
    assert "8 words" in no_contamination(TEST).name
    assert "13 words" in no_contamination(TEST[:1]).name
    assert "13 words" in no_contamination({"id": [], "text": []}).name


def test_a_text_without_words_is_compared_as_it_is() -> None:
    filter = no_contamination([{"id": "e", "text": "🎉 🎉"}, {"id": "n", "text": None}])
    assert filter.judge([{"text": "🎉🎉"}, {"text": "🎉"}]) == ["test text: row e", ""]


def test_the_rule_for_short_texts_agrees_with_comparing_all_pairs() -> None:
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
    curation = apply_filters(
        pd.DataFrame({"id": range(300), "text": planted + texts[200:]}),
        no_contamination(test, test_column="question"),
    )
    assert curation.dropped["why"].tolist() == [f"test text: row t{i}" for i in range(100)]


def test_bigrams_in_many_test_texts_are_not_looked_up() -> None:
    """Otherwise each row of tables with a common phrase would be compared with each test text."""
    texts = [f"write one review of a place called x{i}" for i in range(201)]
    test = [{"id": str(i), "text": text} for i, text in enumerate(texts)]
    rows = [{"text": "write one review of a place called y"}]
    assert no_contamination(test[:200], share=0.8).judge(rows) == [
        "most of a test text: row 0, 86% of bigrams"
    ]
    assert no_contamination(test, share=0.8).judge(rows) == [""]


def test_bad_options_and_tables_are_named() -> None:
    with pytest.raises(UsageError, match="n must be 2 words or more"):
        no_contamination(TEST, n=1)
    with pytest.raises(UsageError, match="share must be above 0"):
        no_contamination(TEST, share=0)
    with pytest.raises(TableError, match="column 'question' not found"):
        no_contamination(TEST, test_column="question")
    assert why("x" * 1_000_000, "word " * 200_000) == ["", ""]
