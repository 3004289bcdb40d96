from __future__ import annotations

import tracemalloc
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import UsageError
from synthkit.curate import apply_filters, balanced, deita, facility_location, k_center
from synthkit.curate.selection.diverse import farthest_first, most_covering
from synthkit.data import tables
from synthkit.stats.classifier import unit

RNG = np.random.default_rng(0)
CLOUD = {str(i): vector for i, vector in enumerate(RNG.normal(size=(900, 5)))}


def embed(texts: Any) -> Any:
    return np.array([CLOUD[text] for text in texts])


def flat(texts: Any) -> Any:
    """Counts of the letters a and b: texts with the same proportions are similar."""
    return [[text.count("a"), text.count("b")] for text in texts]


def rows_of(texts: Any, **columns: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [{"id": f"r{i}", "text": text} for i, text in enumerate(texts)]
    for name, cells in columns.items():
        for row, cell in zip(rows, cells, strict=True):
            row[name] = cell
    return rows


def drops(curation: Any) -> dict[str, str]:
    columns = (tables.column(curation.dropped, name) for name in ("id", "why"))
    return dict(zip(*columns, strict=True))


SCORED = rows_of(CLOUD, complexity=RNG.integers(1, 7, 900), quality=RNG.uniform(1, 6, 900))


def test_deita_agrees_with_a_case_worked_by_hand() -> None:
    rows = rows_of(
        ["aaaa", "aaab", "bbbb", "aabb", "abbb"],
        complexity=[1, 3, 2, 2, 1],
        quality=[1, 3, 4, 2, 3],
    )
    curation = apply_filters(rows, deita(n=2, embed=flat, threshold=0.9))
    assert curation.kept["id"].tolist() == ["r1", "r2"]  # 9 and 8; then r3 (4), r4 (3), r0 (1)
    assert drops(curation) == {
        "r0": "not selected: rank 5 of 5",
        "r3": "not selected: rank 3 of 5",
        "r4": "not selected: rank 4 of 5",
    }
    curation = apply_filters(rows, deita(n=3, embed=flat, threshold=0.9))
    assert curation.kept["id"].tolist() == ["r1", "r2", "r3"]  # 0.894 like r1
    curation = apply_filters(rows, deita(n=9, embed=flat, threshold=0.8))
    assert drops(curation) == {
        "r0": "not selected: 0.95 like r1",
        "r3": "not selected: 0.89 like r1",
        "r4": "not selected: 0.95 like r2",
    }
    name = "DEITA: 9 by complexity x quality, cosine <= 0.8 of text (flat)"
    assert curation.funnel[0].name == name


@pytest.mark.parametrize(("n", "threshold"), [(900, 0.5), (900, 0.95), (40, 0.7), (600, 0.97)])
def test_deita_follows_the_greedy_rule_and_its_threshold(n: int, threshold: float) -> None:
    vectors = unit(embed(CLOUD))
    order = sorted(range(900), key=lambda i: -SCORED[i]["complexity"] * SCORED[i]["quality"])
    kept: list[int] = []
    for at in order:
        if len(kept) < n and all(vectors[at] @ vectors[one] <= threshold for one in kept):
            kept.append(at)
    curation = apply_filters(SCORED, deita(n=n, embed=embed, threshold=threshold))
    assert curation.kept["id"].tolist() == [f"r{at}" for at in sorted(kept)]
    found = unit(embed(curation.kept["text"]))
    cosines = found @ found.T - 2 * np.eye(len(found))
    assert cosines.max() <= threshold + 1e-6


def test_deita_drops_rows_without_a_score_and_refuses_those_below_0() -> None:
    rows = rows_of(["a", "b", None], complexity=[1, None, 1], quality=[1, 1, None])
    curation = apply_filters(rows, deita(n=3, embed=flat))
    assert drops(curation) == {"r1": "complexity missing", "r2": "missing"}
    with pytest.raises(UsageError, match="row 0: expected 'quality' to be 0 or more; got -1"):
        apply_filters(rows_of(["a"], complexity=[1], quality=[-1]), deita(n=1, embed=flat))
    with pytest.raises(UsageError, match="threshold is a cosine"):
        deita(n=1, embed=flat, threshold=1.5)


def test_k_center_is_at_most_twice_the_best() -> None:
    for trial in range(30):
        points = unit(np.random.default_rng(trial).normal(size=(9, 3)))
        far = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
        for n in (1, 2, 3, 4):
            best = min(far[:, list(some)].min(axis=1).max() for some in combinations(range(9), n))
            for first in range(9):
                chosen = farthest_first(points, n, first)
                assert len(set(chosen)) == n
                assert far[:, chosen].min(axis=1).max() <= 2 * best + 1e-6


def test_k_center_takes_the_farthest_each_time() -> None:
    points = unit(embed(CLOUD))
    chosen = [17]
    far = np.sqrt(((points[:, None] - points) ** 2).sum(axis=2))
    while len(chosen) < 60:
        chosen.append(int(far[:, chosen].min(axis=1).argmax()))
    assert farthest_first(points, 60, 17) == chosen


def test_k_center_records_its_seed() -> None:
    curation = apply_filters(
        rows_of(["aaa", "aab", "bbb", "bbbb"]), k_center(n=2, embed=flat, seed=2)
    )
    assert curation.funnel[0].name == "k-center: 2 of text (flat), seed 2"
    kept = curation.kept["text"].tolist()
    assert "bbb" in kept or "bbbb" in kept
    assert "aaa" in kept or "aab" in kept
    starts = {
        tuple(apply_filters(SCORED, k_center(n=1, embed=embed, seed=seed)).kept["id"])
        for seed in range(5)
    }
    assert len(starts) > 1


def covers(vectors: Any, chosen: Any) -> float:
    return float((vectors @ vectors[list(chosen)].T).clip(0).max(axis=1).sum())


def test_facility_location_reaches_63_percent_of_the_best() -> None:
    worst = 1.0
    for trial in range(30):
        vectors = unit(np.random.default_rng(trial).normal(size=(9, 3)))
        for n in (1, 2, 3, 4):
            best = max(covers(vectors, some) for some in combinations(range(9), n))
            worst = min(worst, covers(vectors, most_covering(vectors, n)) / best)
    assert 1 - 1 / np.e < worst < 1  # it is greedy, and not the best each time


def test_lazy_greedy_chooses_the_rows_of_plain_greedy() -> None:
    vectors = unit(embed(CLOUD)).astype(np.float64)
    chosen: list[int] = []
    covered = np.zeros(900)
    for _ in range(40):
        gains = (vectors @ vectors.T - covered).clip(0).sum(axis=1)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        covered = np.maximum(covered, vectors @ vectors[chosen[-1]])
    assert most_covering(vectors.astype(np.float32), 40) == chosen


def test_facility_location_does_not_need_a_matrix_of_all_pairs() -> None:
    vectors = unit(np.random.default_rng(1).normal(size=(3000, 16)))
    tracemalloc.start()
    chosen = most_covering(vectors, 5)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(chosen) == 5
    assert peak < 25e6  # the matrix would be 36 MB


COVERING = [
    lambda n: k_center(n=n, embed=flat),
    lambda n: facility_location(n=n, embed=flat),
]


@pytest.mark.parametrize("make", COVERING)
def test_n_rows_are_kept_even_of_duplicates(make: Any) -> None:
    curation = apply_filters(rows_of(["ab"] * 7), make(3))
    assert (len(curation.kept), len(curation.dropped)) == (3, 4)
    assert all(why.startswith("not selected: 1.00 like r") for why in drops(curation).values())
    assert len(apply_filters(rows_of(["ab"] * 7), make(7)).kept) == 7
    assert len(apply_filters(rows_of(["ab"] * 7), make(99)).kept) == 7


@pytest.mark.parametrize("make", COVERING)
def test_empty_tables_and_odd_cells_are_accepted(make: Any) -> None:
    assert len(apply_filters(pd.DataFrame({"id": [], "text": []}), make(2)).kept) == 0
    assert len(apply_filters(rows_of(["a"]), make(2)).kept) == 1
    rows = rows_of([None, float("nan"), 7, "a" * 1_000_000, "你好 😀 سلام", ""])
    curation = apply_filters(rows, make(3))
    assert len(curation.kept) == 3
    assert [why for why in drops(curation).values() if why == "missing"] == ["missing"] * 2
    assert len(curation.kept) + len(curation.dropped) == 6


@pytest.mark.parametrize("kind", ["arrow", "polars", "datasets"])
def test_tables_keep_their_kind(kind: tables.Kind) -> None:
    table = tables.build({"id": ["x", "y", "z"], "text": ["a", "b", "ab"]}, like=kind)
    curation = apply_filters(table, k_center(n=2, embed=flat))
    assert tables.kind(curation.kept) == tables.kind(curation.dropped) == kind


def test_vectors_that_are_not_finite_are_refused() -> None:
    with pytest.raises(UsageError, match="row 1: its vector is not finite"):
        apply_filters(rows_of(["a", "b"]), k_center(n=1, embed=lambda texts: [[1, 0], [np.nan, 0]]))
    with pytest.raises(UsageError, match="n must be a whole number"):
        facility_location(n=0, embed=flat)


def test_selections_chain_in_a_funnel() -> None:
    rows = [row | {"label": str(i % 3)} for i, row in enumerate(SCORED)]
    curation = apply_filters(
        rows,
        deita(n=300, embed=embed, threshold=0.98),
        facility_location(n=120, embed=embed),
        balanced("label", n=30),
    )
    assert [stage.kept for stage in curation.funnel] == [300, 120, 30]
    assert len(curation.kept) + len(curation.dropped) == 900
