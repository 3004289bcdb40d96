from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import UsageError
from synthkit.curate import apply_filters, perplexity, toxicity

ROWS = [{"id": "a", "text": "x"}, {"id": "b", "text": None}, {"id": "c", "text": "yyy"}]


def lengths(texts: Sequence[str]) -> Any:
    return np.array([len(text) for text in texts]) / 4


def test_texts_are_scored_at_once_without_the_missing_ones() -> None:
    seen = []

    def score(texts: Sequence[str]) -> Any:
        seen.append(list(texts))
        return lengths(texts)

    assert toxicity(score).judge(ROWS) == ["", "missing", "toxic: 0.75"]
    assert seen == [["x", "yyy"]]


def test_perplexity_has_two_bounds() -> None:
    curation = apply_filters(ROWS, perplexity(lengths, least=0.5, most=2))
    assert curation.dropped["why"].tolist() == ["perplexity too low: 0.25", "missing"]
    assert curation.funnel[0].name == "perplexity >= 0.5 and <= 2"
    infinite = perplexity(lambda texts: [np.inf] * len(texts), most=9)
    assert infinite.judge(ROWS[:1]) == ["perplexity too high: inf"]


def test_an_empty_table_is_not_scored() -> None:
    assert len(apply_filters({"id": [], "text": []}, toxicity(lambda texts: 1 / 0)).kept) == 0


@pytest.mark.parametrize("given", [[0.1], [[0.1, 0.2]], [0.1, float("nan")], [0.1, 1.5], [-1, 0]])
def test_scores_that_are_not_probabilities_are_refused(given: Any) -> None:
    with pytest.raises(UsageError, match=r"scores for toxicity must be \(2,\) numbers from 0 to 1"):
        apply_filters(ROWS, toxicity(lambda texts: given))


def test_bad_options_are_named() -> None:
    with pytest.raises(UsageError, match="most must be from 0 to 1"):
        toxicity(lengths, most=50)
    with pytest.raises(UsageError, match="needs least=, most= or both"):
        perplexity(lengths)
    with pytest.raises(UsageError, match="expected a function of texts"):
        toxicity("model")  # type: ignore[arg-type]
