from __future__ import annotations

import math
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.evaluate.metrics.grounding import entailment, grounded
from synthkit.stats.intervals import wilson


def test_grounding_by_hand() -> None:
    spans = [["cold  soup", "a fly"], "سلام", None, ["", " "]]
    sources = ["cold\nsoup", ["no", "قال سلام"], "unused", "unused"]
    found = grounded(spans, sources)
    assert (found.score.value, found.score.n) == (2 / 3, 2)
    assert [verdict.passed for verdict in found.verdicts] == [False, True, None, None]
    assert grounded(spans, sources, match="exact").score.value == 1 / 3
    all_found = grounded(["a"] * 10, ["a"] * 10).score
    assert (all_found.low, all_found.high) == wilson(10, 10)


def test_spans_of_one_row_count_as_one_draw() -> None:
    clustered = grounded([["a"] * 10] * 20, ["a", "b"] * 10).score
    single = grounded(["a"] * 200, ["a", "b"] * 100).score
    wide = (clustered.high or 0) - (clustered.low or 0)
    assert wide > 2.5 * ((single.high or 0) - (single.low or 0))


def test_grounding_needs_spans_and_sources() -> None:
    for spans, sources, said in (
        ([], [], "got none"),
        ([None], ["a"], "got none"),
        (["a"], [], "sources for 1 rows"),
        ([[3]], ["a"], "expected text; got 3"),
    ):
        with pytest.raises(UsageError, match=said):
            grounded(spans, sources)
    with pytest.raises(UsageError, match="Did you mean 'exact'"):
        grounded(["a"], ["a"], match="exactly")  # type: ignore[arg-type]


def test_entailment_counts_from_the_threshold_on() -> None:
    texts = ["a", "b", "c", "d"]
    found = entailment(texts, texts, lambda p, h: [0.5, 0.9, 0.1, math.nan])
    assert (found.score.value, found.score.n) == (2 / 3, 3)
    assert found.verdicts[3].passed is None
    assert entailment(texts, texts, lambda p, h: [0.5] * 4, threshold=0.6).score.value == 0


@pytest.mark.parametrize("given", [[0.5], [0.5, 1.5], [[0.1], [0.2]], ["yes", "no"], None])
def test_what_is_no_probability_is_refused(given: Any) -> None:
    with pytest.raises(UsageError, match="probabilities from the model"):
        entailment(["a", "b"], ["a", "b"], lambda p, h: given)
    with pytest.raises(UsageError, match="no row"):
        entailment([], [], lambda p, h: given)
