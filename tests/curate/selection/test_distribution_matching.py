from __future__ import annotations

import math
import random
from collections import Counter
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import apply_filters, density_match, dsir
from synthkit.curate.selection.distribution_matching import log_density_ratio, log_importance
from synthkit.curate.selection.sampling import gumbel
from synthkit.data import tables

SOUP = ["hot soup", "cold soup and warm bread", "the soup was cold"]
STOCKS = ["stocks fell", "bond yields rose again", "stocks and bonds fell"]


def rows_of(texts: Any) -> list[dict[str, Any]]:
    return [{"id": f"r{i}", "text": text} for i, text in enumerate(texts)]


def grams(text: str) -> list[str]:
    words = text.split()
    return words + [f"{a} {b}" for a, b in pairwise(words)]


def test_importance_is_the_sum_of_the_log_ratios_of_the_n_grams() -> None:
    texts, buckets = [*SOUP, *STOCKS], 10**6  # so many that no two n-grams share one
    p, q = (Counter(g for text in some for g in grams(text)) for some in (SOUP, texts))

    def ratio(gram: str) -> float:
        share = (p[gram] + 1) / (p.total() + buckets)
        return math.log(share) - math.log((q[gram] + 1) / (q.total() + buckets))

    expected = [sum(map(ratio, grams(text))) for text in texts]
    assert log_importance(texts, SOUP, buckets=buckets) == pytest.approx(expected, abs=1e-9)


def test_one_bucket_gives_no_difference() -> None:
    assert log_importance([*SOUP, *STOCKS], SOUP, buckets=1) == pytest.approx(0)


def test_dsir_keeps_the_rows_with_the_largest_keys() -> None:
    texts = [f"{a} {b}" for a in ("soup", "bread", "stocks", "bonds") for b in "xyzuvw"]
    target = ["soup x", "bread y", "soup z"] * 5
    curation = apply_filters(rows_of(texts), dsir(target, n=9, seed=4))
    keys = log_importance(texts, target) + gumbel([f"r{i}" for i in range(24)], 4)
    assert curation.kept["id"].tolist() == [f"r{i}" for i in sorted(np.argsort(-keys)[:9].tolist())]
    assert curation.funnel[0].name.startswith("DSIR: 9 of text like 15 texts ")
    assert curation.funnel[0].name.endswith(" in 10000 buckets, seed 4")


def test_dsir_moves_the_mixture_towards_the_target() -> None:
    draw = random.Random(0)

    def text(share: float) -> str:
        return draw.choice(SOUP if draw.random() < share else STOCKS)

    rows = rows_of([text(0.5) for _ in range(2000)])
    target = pd.DataFrame({"said": [text(0.9) for _ in range(500)]})
    curation = apply_filters(rows, dsir(target, n=400, target_column="said"))
    share = curation.kept["text"].isin(SOUP).mean()
    assert len(curation.kept) == 400
    assert share > 0.8


def test_dsir_drops_rows_without_a_word() -> None:
    rows = rows_of([None, "", "!!!", "سلام", "你好", 7, "soup " * 200_000])
    curation = apply_filters(rows, dsir(SOUP, n=9))
    assert tables.column(curation.dropped, "why") == ["missing", "no words", "no words"]
    assert len(curation.kept) == 4
    assert len(apply_filters(pd.DataFrame({"id": [], "text": []}), dsir(SOUP, n=2)).kept) == 0


def test_filters_of_different_targets_have_different_names() -> None:
    assert dsir(SOUP, n=1).name != dsir(STOCKS, n=1).name
    assert dsir(SOUP, n=1).name == dsir(list(SOUP), n=1).name


def test_the_ratio_of_two_normal_densities_is_estimated() -> None:
    # log N(x; 1, 1) - log N(x; 0, 1) = x - 1/2, for any numbers of rows of each
    rng = np.random.default_rng(0)
    others, target = rng.normal(0, 1, (4000, 1)), rng.normal(1, 1, (1000, 1))
    found = log_density_ratio(others, target, C=1000)
    assert found == pytest.approx(others[:, 0] - 0.5, abs=0.5)
    slope, level = np.polyfit(others[:, 0], found, 1)
    assert (slope, level) == (pytest.approx(1, abs=0.1), pytest.approx(-0.5, abs=0.1))


def clusters(texts: Any) -> Any:
    noise = np.random.default_rng(len(texts)).normal(0, 0.1, (len(texts), 2))
    return noise + [[1, 0] if "soup" in text else [0, 1] for text in texts]


def test_density_match_moves_the_mixture_towards_the_target() -> None:
    rows = rows_of([["soup", "stocks"][i % 2] for i in range(2000)])
    target = ["soup"] * 360 + ["stocks"] * 40
    curation = apply_filters(rows, density_match(target, n=400, embed=clusters, C=100, seed=5))
    assert len(curation.kept) == 400
    # the odds are 9 to 1 at first, and less as soup runs out
    assert 0.8 < (curation.kept["text"] == "soup").mean() < 0.93
    assert curation.funnel[0].name.endswith("(clusters, C 100), seed 5")
    again = apply_filters(rows, density_match(target, n=400, embed=clusters, C=100, seed=5))
    assert again.kept["id"].tolist() == curation.kept["id"].tolist()


def test_a_target_like_the_rows_prefers_no_row() -> None:
    rows = rows_of([["soup", "stocks"][i % 2] for i in range(1000)])
    curation = apply_filters(rows, density_match(["soup", "stocks"] * 100, n=300, embed=clusters))
    assert 0.4 < (curation.kept["text"] == "soup").mean() < 0.6


def test_few_rows_are_all_kept_and_missing_ones_dropped() -> None:
    curation = apply_filters(
        rows_of(["soup", None]), density_match(["soup", "stocks"], n=5, embed=clusters)
    )
    assert curation.kept["id"].tolist() == ["r0"]
    assert tables.column(curation.dropped, "why") == ["missing"]
    empty = pd.DataFrame({"id": [], "text": []})
    assert (
        len(apply_filters(empty, density_match(["soup", "stocks"], n=5, embed=clusters)).kept) == 0
    )


@pytest.mark.parametrize(
    ("make", "hint"),
    [
        (lambda: dsir([], n=1), "the target has no word"),
        (lambda: dsir(["?!"], n=1), "the target has no word"),
        (lambda: dsir(SOUP, n=1, buckets=0), "buckets must be from 1"),
        (lambda: dsir(SOUP, n=-1), "n must be a whole number"),
        (lambda: dsir([{"txt": "a"}], n=1), "column 'text' not found"),
        (lambda: density_match(["one"], n=1, embed=clusters), "at least two target texts; got 1"),
        (lambda: density_match(SOUP, n=1, embed=clusters, C=0), "C must be above 0"),
    ],
)
def test_bad_targets_and_options_are_refused(make: Any, hint: str) -> None:
    with pytest.raises((UsageError, TableError), match=hint):
        make()
