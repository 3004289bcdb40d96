from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import apply_filters, balanced, random_sample, sample_by_score
from synthkit.curate.filters.base import MeasuredFilter
from synthkit.curate.selection.sampling import gumbel, uniform
from synthkit.data import tables

ROWS = [{"id": str(i), "score": score} for i, score in enumerate([3, 1, 4, 1, 5, 9, 2, 6])]
LABELS = ["a"] * 10 + ["b"] * 20 + ["c"] * 33


def whys(made: Any) -> list[str]:
    return tables.column(made.dropped, "why")


def labelled(labels: Any) -> list[dict[str, Any]]:
    return [{"id": str(i), "label": label} for i, label in enumerate(labels)]


def test_at_temperature_0_the_best_rows_are_kept() -> None:
    curation = apply_filters(ROWS, sample_by_score(n=3, temperature=0))
    assert sorted(curation.kept["score"]) == [5, 6, 9]
    assert whys(curation)[0] == "not selected: rank 5 of 8"
    assert curation.funnel[0].reasons == {"not selected": 5}
    assert curation.funnel[0].name == "sample 3 by score at temperature 0, seed 0"


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_rows_are_drawn_without_replacement_by_their_softmax(temperature: float) -> None:
    scores = np.array([0.0, 1.0, 2.0, 0.5])
    weights = np.exp(scores / temperature)
    expected = Counter[tuple[int, ...]]()
    for first, second in permutations(range(4), 2):
        chance = weights[first] / weights.sum() * weights[second]
        expected[tuple(sorted((first, second)))] += chance / (weights.sum() - weights[first])
    found = Counter[tuple[int, ...]]()
    for seed in range(6000):
        keys = scores / temperature + gumbel(["a", "b", "c", "d"], seed)
        found[tuple(sorted(np.argsort(-keys)[:2].tolist()))] += 1
    for pair, chance in expected.items():
        assert found[pair] / 6000 == pytest.approx(chance, abs=4 * (chance / 6000) ** 0.5)


def test_the_filter_draws_by_those_keys() -> None:
    curation = apply_filters(ROWS, sample_by_score(n=4, temperature=2, seed=7))
    keys = np.array([row["score"] for row in ROWS]) / 2 + gumbel([r["id"] for r in ROWS], 7)
    assert curation.kept["id"].tolist() == [str(i) for i in sorted(np.argsort(-keys)[:4].tolist())]


def test_the_order_of_rows_does_not_matter_and_a_new_row_replaces_one() -> None:
    rows = [{"id": f"r{i}", "score": i % 5} for i in range(200)]
    chosen = set(apply_filters(rows, sample_by_score(n=50)).kept["id"])
    assert set(apply_filters(rows[::-1], sample_by_score(n=50)).kept["id"]) == chosen
    more = apply_filters([*rows, {"id": "new", "score": 3}], sample_by_score(n=50))
    assert len(chosen - set(more.kept["id"])) <= 1
    assert set(apply_filters(rows, sample_by_score(n=50, seed=1)).kept["id"]) != chosen


def test_random_numbers_are_uniform_and_inside_the_unit_interval() -> None:
    drawn = uniform([str(i) for i in range(20_000)], 3)
    assert 0 < drawn.min() < drawn.max() < 1
    counts = np.histogram(drawn, 20, (0, 1))[0]
    assert (
        (counts - 1000) ** 2 / 1000
    ).sum() < 45  # the 0.999 quantile of chi-square, 19 df, is 43.8


def test_rows_without_a_score_are_dropped_and_a_small_table_is_kept() -> None:
    rows = [*ROWS[:2], {"id": "x", "score": float("nan")}, {"id": "y", "score": None}]
    curation = apply_filters(rows, sample_by_score(n=5))
    assert curation.kept["id"].tolist() == ["0", "1"]
    assert whys(curation) == ["score missing", "score missing"]
    assert len(apply_filters(pd.DataFrame({"id": [], "score": []}), sample_by_score(n=5)).kept) == 0


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"n": 0}, "n must be a whole number of rows, 1 or more; got 0"),
        ({"n": 2.5}, "got 2.5"),
        ({"n": True}, "got True"),
        ({"n": 2, "temperature": -1}, "temperature must be 0 or more; got -1"),
        ({"n": 2, "temperature": float("nan")}, "temperature must be 0 or more"),
        ({"n": 2, "column": "id"}, "row 0: expected a number in 'id'; got '0'"),
    ],
)
def test_bad_samples_are_refused(options: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        apply_filters(ROWS, sample_by_score(**options))


def test_labels_are_balanced_to_the_size_of_the_smallest() -> None:
    curation = apply_filters(labelled(LABELS), balanced("label"))
    assert Counter(curation.kept["label"]) == {"a": 10, "b": 10, "c": 10}
    assert Counter(whys(curation)) == {
        "not selected: b has its 10": 10,
        "not selected: c has its 10": 23,
    }
    assert curation.funnel[0].name == "balance label: all that fit, seed 0"


def test_n_and_shares_are_met_exactly() -> None:
    curation = apply_filters(labelled(LABELS), balanced("label", n=20))
    assert Counter(curation.kept["label"]) == {"a": 7, "b": 7, "c": 6}
    shares = {"label": {"a": 1, "b": 0, "c": 3}}
    curation = apply_filters(labelled(LABELS), balanced("label", n=40, targets=shares))
    assert Counter(curation.kept["label"]) == {"a": 10, "c": 30}
    assert len(apply_filters(labelled(LABELS), balanced("label", targets=shares)).kept) == 40


@pytest.mark.parametrize(
    ("sizes", "targets", "kept"),
    [
        ({"a": 5, "b": 2}, {"a": 3, "b": 1}, {"a": 3, "b": 1}),
        ({"a": 55, "b": 100}, {"a": 3, "b": 1}, {"a": 54, "b": 18}),
        ({"a": 7, "b": 3}, {"a": 0.75, "b": 0.25}, {"a": 6, "b": 2}),
        ({"a": 40, "b": 40, "c": 9}, {"a": 0.1, "b": 0.2, "c": 0}, {"a": 20, "b": 40}),
        ({"a": 30, "b": 70}, {"a": 0.333, "b": 0.667}, {"a": 30, "b": 60}),  # none is exact
        ({"a": 2, "b": 1}, {"a": 3, "b": 1}, {"a": 2}),
    ],
)
def test_as_many_rows_are_kept_as_have_exact_shares(
    sizes: dict[str, int], targets: dict[str, float], kept: dict[str, int]
) -> None:
    rows = labelled([label for label, n in sizes.items() for _ in range(n)])
    curation = apply_filters(rows, balanced("label", targets={"label": targets}))
    assert Counter(curation.kept["label"]) == kept


def test_quotas_are_met_in_many_random_tables() -> None:
    rng = np.random.default_rng(0)
    for seed in range(60):
        k = int(rng.integers(1, 6))
        rows = labelled([str(one) for one in rng.integers(k, size=rng.integers(k, 80))])
        found = {row["label"] for row in rows}
        shares = {label: int(rng.integers(1, 9)) for label in found}
        curation = apply_filters(rows, balanced("label", targets={"label": shares}, seed=seed))
        counts, total = Counter(curation.kept["label"]), sum(shares.values())
        for label, share in shares.items():
            assert abs(counts[label] - len(curation.kept) * share / total) < 1
        assert len(curation.kept) + len(curation.dropped) == len(rows)
        with pytest.raises(UsageError, match=r"these shares n = \d+ fits"):
            apply_filters(rows, balanced("label", n=len(rows) + 1, targets={"label": shares}))


def test_a_row_may_lack_any_of_the_columns_of_few_combinations() -> None:
    rows = [{"id": "a", "label": "x", "stars": 1}, {"id": "b", "label": "x", "stars": None}]
    curation = apply_filters([*rows, {"id": "c"}], balanced(["label", "stars"]))
    assert curation.kept["id"].tolist() == ["a"]
    assert curation.dropped["why"].tolist() == ["stars missing", "label missing"]


def test_two_columns_are_balanced_over_the_combinations_that_occur() -> None:
    rows = [
        {"id": f"{label}{topic}{i}", "label": label, "topic": topic}
        for label, topic, n in [("x", 1, 9), ("x", 2, 5), ("y", 1, 7)]
        for i in range(n)
    ]
    curation = apply_filters(rows, balanced(["label", "topic"], n=12))
    counts = Counter(zip(curation.kept["label"], curation.kept["topic"], strict=True))
    assert counts == {("x", 1): 3, ("x", 2): 3, ("y", 1): 6}


def test_the_rows_of_a_quota_depend_only_on_the_seed() -> None:
    rows = labelled(LABELS)
    first = set(apply_filters(rows, balanced("label", seed=3)).kept["id"])
    assert set(apply_filters(rows[::-1], balanced("label", seed=3)).kept["id"]) == first
    assert set(apply_filters(rows, balanced("label", seed=4)).kept["id"]) != first


def test_rows_without_a_label_are_dropped_and_an_empty_table_is_accepted() -> None:
    curation = apply_filters(labelled(["a", None, "b", float("nan")]), balanced("label"))
    assert curation.kept["id"].tolist() == ["0", "2"]
    assert whys(curation) == ["label missing"] * 2
    assert len(apply_filters(pd.DataFrame({"id": [], "label": []}), balanced("label")).kept) == 0


@pytest.mark.parametrize(
    ("by", "options", "hint"),
    [
        ("label", {"n": 31}, "expected 11 rows of a; got 10. With these shares n = 30 fits"),
        ("label", {"targets": {"label": {"a": 1}}}, "0 or more for 'b'; got None"),
        ("label", {"targets": {"lable": {}}}, "Did you mean 'label'"),
        ("label", {"targets": {"label": {"a": 0, "b": 0, "c": 0}}}, "above 0 among"),
        ([], {}, "expected a column to balance"),
        ("labels", {}, "column 'labels' not found"),
    ],
)
def test_bad_balances_are_refused(by: Any, options: Any, hint: str) -> None:
    with pytest.raises((UsageError, TableError), match=hint):
        apply_filters(labelled(LABELS), balanced(by, **options))


def test_a_random_sample_has_n_rows_whatever_their_order() -> None:
    rows = [{"id": str(at)} for at in range(200)]
    found = apply_filters(rows, random_sample(20, seed=4))
    assert len(found.kept) == 20
    assert set(found.dropped["why"].str.partition(":")[0]) == {"not selected"}
    turned = apply_filters(rows[::-1], random_sample(20, seed=4))
    assert set(turned.kept["id"]) == set(found.kept["id"])
    assert set(apply_filters(rows, random_sample(20)).kept["id"]) != set(found.kept["id"])
    assert len(apply_filters(rows, random_sample(500)).kept) == 200


def test_a_sample_of_measured_batches_is_that_of_the_table() -> None:
    rows = [{"id": str(at), "label": "ab"[at % 2], "score": at % 9} for at in range(90)]
    for filter in (
        random_sample(11),
        balanced("label", n=10),
        sample_by_score("score", n=9, temperature=0.5),
    ):
        assert isinstance(filter, MeasuredFilter)
        parts = [filter.measure(rows[start : start + 30]) for start in (0, 30, 60)]
        reasons = [reason for part in filter.decide(parts) for reason in part]
        assert reasons == list(filter.judge(rows))


@pytest.mark.parametrize("make", [pd.DataFrame, list])
def test_targets_name_whole_numbers_in_any_container(make: Any) -> None:
    rows = make([{"y": y} for y in [0, 1, None] * 20])
    kept = apply_filters(rows, balanced("y", n=20, targets={"y": {0: 0.5, 1: 0.5}})).kept
    assert Counter(tables.column(kept, "y")) == {0: 10, 1: 10}
