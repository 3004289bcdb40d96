from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy.stats import chi2_contingency, chisquare

from synthkit.core.errors import TableError, UsageError
from synthkit.data import expressions, tables
from synthkit.prompts.conditions import Band, bands, conditions, conditions_and_records

SUBTOPICS = {"sports": ["golf", "tennis", "chess"], "science": ["physics", "botany"]}
BY_LABEL = {"label": ["sports", "science"], "subtopic": SUBTOPICS}
REAL = pd.DataFrame(
    {
        "id": range(100),
        "city": ["Rome"] * 50 + ["Oslo"] * 30 + ["Bern"] * 20,
        "dish": ["pasta"] * 40 + ["soup"] * 10 + ["fish"] * 30 + ["soup"] * 20,
    }
)


def cells(
    n: int, vary: Mapping[str, Any], rows: Any = None, **options: Any
) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in tables.records(conditions(rows, n, vary, **options))]


def drawn(n: int, vary: Mapping[str, Any], **options: Any) -> list[tuple[Any, ...]]:
    return cells(n, vary, sampler="independent", **options)


def test_independent_draws_are_uniform_in_each_field() -> None:
    rows = drawn(6000, {"a": list("pqrs"), "b": range(7), "c": bands(50, 100, 150)})
    for cells, size in zip(zip(*rows, strict=True), (4, 7, 3), strict=True):
        counts = list(Counter(cells).values())
        assert len(counts) == size
        assert chisquare(counts).pvalue > 0.01


def test_independent_draws_follow_weights() -> None:
    weights = {"none": 0, "p": 0.5, "q": 2, "r": 1.5, "never": 0}
    by = {"p": {"x": 3, "y": 1}, "q": ["x", "y"], "r": {"x": 1}, "none": ["x"], "never": ["x"]}
    rows = drawn(6000, {"a": weights, "b": by})
    counts = Counter(first for first, _ in rows)
    assert set(counts) == set("pqr")
    expected = [6000 * weights[name] / 4 for name in "pqr"]
    assert chisquare([counts[name] for name in "pqr"], expected).pvalue > 0.01
    pairs = Counter(rows)
    assert chisquare([pairs["p", "x"], pairs["p", "y"]], [counts["p"] * 0.75, counts["p"] / 4]
                     ).pvalue > 0.01  # fmt: skip
    assert pairs["r", "x"] == counts["r"]
    assert rows[:50] == drawn(50, {"a": weights, "b": by})


@pytest.mark.parametrize("weights", [{"p": 0}, {"p": -1, "q": 2}, {"p": float("inf")},
                                     {"p": float("nan")}])  # fmt: skip
def test_weights_that_nothing_can_be_drawn_by_are_refused(weights: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="the weights of 'a' must be finite, at least 0"):
        drawn(1, {"a": weights})


def test_weights_in_a_product_are_refused() -> None:
    for vary in ({"a": {"p": 1, "q": 2}}, {"b": ["x"], "a": {"x": {"p": 1}}}):
        with pytest.raises(UsageError, match=r"'a' has weights, .* .--sampler independent."):
            cells(1, vary)


def test_independent_draws_of_two_fields_do_not_hang_together() -> None:
    rows = pd.DataFrame(drawn(6000, {"a": list("pqrs"), "b": list("pqrs"), "c": list("pq")}))
    for left, right in [(0, 1), (0, 2), (1, 2)]:
        assert chi2_contingency(pd.crosstab(rows[left], rows[right])).pvalue > 0.01


def test_a_draw_again_keeps_what_is_left_uniform() -> None:
    vary = {"tone": ["dry", "warm"], "topic": ["soup", "tea", "tax"]}
    rows = drawn(5000, vary, where={"tone": "dry", "topic": "soup"})
    counts = Counter(rows)
    assert len(counts) == 5
    assert ("dry", "soup") not in counts
    assert chisquare(list(counts.values())).pvalue > 0.01


@pytest.mark.parametrize("vary", [BY_LABEL, {"subtopic": SUBTOPICS, "label": BY_LABEL["label"]}])
def test_values_that_depend_on_a_label_stay_with_it(vary: Mapping[str, Any]) -> None:
    pairs = [(label, one) for label, some in SUBTOPICS.items() for one in some]
    places = [list(vary).index("label"), list(vary).index("subtopic")]
    whole = [tuple(row[place] for place in places) for row in cells(1, vary)]
    assert whole == pairs
    counts = Counter(tuple(row[place] for place in places) for row in drawn(4000, vary))
    assert set(counts) == set(pairs)
    expected = [4000 / 2 / len(SUBTOPICS[label]) for label, _ in counts]
    assert chisquare(list(counts.values()), expected).pvalue > 0.01


def test_the_last_field_varies_fastest_and_columns_keep_their_order() -> None:
    vary = {"subtopic": SUBTOPICS, "tone": ["dry", "warm"], "label": ["science"]}
    assert list(conditions(None, 1, vary).columns) == ["subtopic", "tone", "label"]
    assert cells(1, BY_LABEL | {"tone": [1, 2]})[:3] == [
        ("sports", "golf", 1),
        ("sports", "golf", 2),
        ("sports", "tennis", 1),
    ]


def test_values_may_depend_on_a_field_that_depends_on_another() -> None:
    details = {"golf": ["green"], "tennis": ["net"], "chess": ["rook"], "physics": ["quark"]}
    vary = {"detail": details | {"botany": ["moss", "fern"]}, **BY_LABEL}
    assert cells(1, vary)[-3:] == [
        ("quark", "science", "physics"),
        ("moss", "science", "botany"),
        ("fern", "science", "botany"),
    ]


@pytest.mark.parametrize("kind", [pd.DataFrame, lambda rows: pa.Table.from_pylist(rows)])
def test_values_may_depend_on_a_column_of_the_rows(kind: Any) -> None:
    rows = kind([{"id": "a", "label": "science"}, {"id": "b", "label": "sports"}])
    assert [row[1:] for row in cells(1, {"subtopic": SUBTOPICS}, rows)] == [
        ("science", "physics"),
        ("science", "botany"),
        *(("sports", one) for one in SUBTOPICS["sports"]),
    ]
    pairs = {row[1:] for row in drawn(50, {"subtopic": SUBTOPICS}, rows=rows)}
    assert pairs == {(label, one) for label, some in SUBTOPICS.items() for one in some}


def test_the_field_that_values_depend_on_can_be_named() -> None:
    vary = {"was": ["a", "b"], "is": ["a", "b"], "why": {"a": ["old"], "b": ["new"]}}
    with pytest.raises(
        UsageError, match=r"values of 'was' and 'is'\. Name the field that it depends on"
    ):
        cells(1, vary)
    vary["why"] = {"by": "is", "values": vary["why"]}
    assert cells(1, vary)[:2] == [("a", "a", "old"), ("a", "b", "new")]


@pytest.mark.parametrize(
    ("vary", "hint"),
    [
        (BY_LABEL | {"label": ["sports", "art"]}, "'subtopic' has no list for the label 'art'"),
        (BY_LABEL | {"label": ["sports", None]}, "no list for the label None"),
        ({"subtopic": SUBTOPICS}, "values of no field"),
        ({"subtopic": SUBTOPICS, "label": ["art"]}, "values of no field"),
        ({"label": ["a"], "x": {"a": []}}, "'x' needs a list"),
        ({"label": ["a"], "x": {"a": "text"}}, "'x' needs a list"),
        ({"label": ["a"], "x": {}}, "'x' needs a list for each value of a field; got {}"),
        ({"label": ["a"], "x": {"by": "label", "values": [1]}}, r"for each value .* got \[1\]"),
        ({"label": ["a"], "x": {"by": ["label"], "values": {"a": [1]}}}, "'x' needs a list of one"),
        ({"label": ["a"], "x": {"by": "labl", "values": {"a": [1]}}}, "Did you mean 'label'"),
        ({"x": {"by": "x", "values": {"a": [1]}}}, "field 'x' not found"),
        (
            {
                "x": {"by": "y", "values": {1: [1]}},
                "y": {"by": "x", "values": {1: [1]}},
            },
            "'x', 'y' depend on each other in a circle",
        ),
        ({"l": [["not", "hashable"]], "x": {"a": [1]}}, "values of no field"),
    ],
)
def test_values_without_a_field_to_depend_on_are_refused(vary: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        cells(1, vary)


def test_joint_draws_have_the_pairs_of_the_real_table_as_often() -> None:
    rows = cells(5000, {}, sampler="joint", like=REAL)
    counts = Counter(rows)
    real = Counter(zip(REAL["city"], REAL["dish"], strict=True))
    assert set(counts) == set(real)
    expected = [50 * real[pair] for pair in counts]
    assert chisquare(list(counts.values()), expected).pvalue > 0.01


def test_fields_beside_a_joint_draw_are_drawn_by_themselves() -> None:
    rows = pd.DataFrame(cells(5000, {"tone": ["dry", "warm"]}, sampler="joint", like=REAL))
    pairs = rows[0] + rows[1]
    assert chi2_contingency(pd.crosstab(pairs, rows[2])).pvalue > 0.01
    assert chisquare(rows[2].value_counts()).pvalue > 0.01
    drinks = {"Rome": ["wine"], "Oslo": ["milk"], "Bern": ["tea"]}
    by_city = cells(300, {"drink": drinks}, sampler="joint", like=REAL)
    assert all(drinks[city] == [drink] for city, _, drink in by_city)


def test_joint_draws_go_beside_the_rows() -> None:
    rows = [{"id": "a", "n": 1}, {"id": "b", "n": 2}]
    both = conditions(rows, 3, {}, "joint", like=REAL)
    assert list(both.columns) == ["id", "n", "city", "dish"]
    assert both["id"].tolist() == ["a"] * 3 + ["b"] * 3


def test_a_product_leaves_out_what_is_ruled_out() -> None:
    vary = {"tone": ["dry", "warm"], "topic": ["soup", "tea"]}
    left = [("dry", "tea"), ("warm", "soup"), ("warm", "tea")]
    ruled_out = {"tone": "dry", "topic": "soup"}
    assert cells(1, vary, where=ruled_out) == left
    assert cells(5, vary, where=[ruled_out]) == left + left[:2]
    assert cells(1, vary, where=[ruled_out, {"topic": "tea"}]) == [("warm", "soup")]
    assert cells(1, vary, where=[]) == [("dry", "soup"), *left]
    assert cells(1, vary, where=lambda row: row["tone"] == "dry") == [
        ("dry", "soup"),
        ("dry", "tea"),
    ]
    condition = expressions.parse("not (tone = dry and topic = soup)", list(vary))
    assert cells(1, vary, where=lambda row: condition.mask(lambda name: [row[name]])[0]) == left


@pytest.mark.parametrize("sampler", ["product", "independent"])
def test_a_constraint_sees_the_fields_of_the_rows(sampler: Any) -> None:
    rows = [{"word": "tea"}, {"word": "soup"}]
    vary = {"other": ["tea", "soup", "bread"]}

    def differ(row: Mapping[str, Any]) -> bool:
        return bool(row["word"] != row["other"])

    pairs = set(cells(20, vary, rows, sampler=sampler, where=differ))
    assert pairs == {("tea", "soup"), ("tea", "bread"), ("soup", "tea"), ("soup", "bread")}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"where": {"label": "sports", "tone": 3}},
        {"where": lambda row: row["tone"] == 3},
        {"rows": [{"x": 1}, {"x": 2}], "where": lambda row: row["tone"] > row["x"]},
        {"sampler": "joint", "like": REAL, "where": {"city": "Rome", "label": "sports"}},
    ],
)
def test_more_draws_leave_the_earlier_ones(options: Any) -> None:
    options = {"rows": None, "sampler": "independent", "seed": 7} | options
    vary = BY_LABEL | {"tone": range(5)}
    size = len(options["rows"] or [0])
    few, more = cells(40, vary, **options), cells(90, vary, **options)
    assert [few[i * 40 : i * 40 + 40] for i in range(size)] == [
        more[i * 90 : i * 90 + 40] for i in range(size)
    ]
    assert cells(40, vary, **options | {"seed": 8}) != few


def test_a_constraint_moves_only_the_draws_that_break_it() -> None:
    vary = {"a": range(4), "b": range(4)}
    free = drawn(200, vary)
    bound = drawn(200, vary, where={"a": 1, "b": 1})
    assert (1, 1) in free
    assert all(x == y for x, y in zip(free, bound, strict=True) if x != (1, 1))


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"where": lambda row: False}, "excludes all combinations; got 2"),
        ({"where": lambda row: False, "sampler": "independent"}, "none of 1,000 draws"),
        ({"where": {"tone": 1}, "vary": {"tone": [1]}}, "excludes all combinations"),
        ({"where": {"ton": 1}}, "field 'ton' not found; have 'tone'. Did you mean 'tone'"),
        ({"where": "tone = 1"}, "expected a function of a combination"),
        ({"where": 5}, "expected a function of a combination"),
        ({"where": {}}, "expected a function of a combination"),
        ({"where": [{"tone": 1}, {}]}, "expected a function of a combination"),
        (
            {"where": {"word": "a", "tone": 1}, "vary": {"tone": [1]}, "rows": [{"word": "a"}]},
            "excludes all combinations for {'word': 'a'}; got 1",
        ),
        ({"sampler": "joint"}, "draws rows of like=TABLE"),
        ({"like": REAL}, "draws rows of like=TABLE"),
        ({"sampler": "jiont"}, "Did you mean 'joint'"),
        ({"n": 10**9}, "1,000,000,000 requests do not fit in memory; a job has at most 10,000,000"),
        ({"n": 10**7, "rows": [{"word": "a"}] * 3}, "30,000,000 requests do not fit"),
    ],
)
def test_what_cannot_be_sampled_is_refused(options: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        cells(**{"n": 2, "vary": {"tone": [1, 2]}} | options)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"like": REAL[:0]}, "no rows to draw from"),
        ({"like": [{"city": "Rome"}, {"city": np.nan}]}, "'city' is missing in row 1"),
        ({"like": REAL, "vary": {"city": ["Rome"]}}, "'city' is in like and in vary"),
        ({"like": REAL, "rows": [{"city": "Rome"}]}, "'city' is in the rows and in like"),
        ({"like": REAL, "rows": [{"x": 1}], "vary": {"x": [2]}}, "'x' is in the rows and in vary"),
        ({"like": 5}, "expected a pandas DataFrame"),
    ],
)
def test_a_real_table_that_cannot_be_drawn_from_is_refused(options: Any, hint: str) -> None:
    with pytest.raises(TableError, match=hint):
        cells(**{"n": 2, "vary": {}, "sampler": "joint"} | options)


@pytest.mark.parametrize("sampler", ["product", "independent"])
def test_no_rows_give_no_requests(sampler: Any) -> None:
    none = conditions(pd.DataFrame({"label": []}), 3, {"subtopic": SUBTOPICS}, sampler)
    assert none.shape == (0, 2)
    assert list(none.columns) == ["label", "subtopic"]


def test_a_band_is_told_in_a_prompt_and_read_back_from_any_table() -> None:
    made = bands(50, 100, 150)
    assert [str(band) for band in made] == ["50 to 100", "100 to 150", "150 to 200"]
    assert [n in made[0] for n in (49, 50, 100, 101)] == [False, True, True, False]
    for rows in (pd.DataFrame({"x": [1]}), pa.table({"x": [1]})):
        cells = tables.column(conditions(rows, 1, {"length": made}), "length")
        assert [Band.of(cell) for cell in cells] == made


@pytest.mark.parametrize("cell", ["", "50", "50 to", "a to b", "-5 to 5", None, "100 to 50"])
def test_what_is_no_band_is_refused(cell: Any) -> None:
    with pytest.raises(UsageError, match="band"):
        Band.of(cell)


@pytest.mark.parametrize("values", [[1, 2.5], [2**60 + 1, 0.5], ["007", 7], [True, 2]])
@pytest.mark.parametrize("make_rows", [pa.table, pl.DataFrame, pd.DataFrame, None])
@pytest.mark.filterwarnings("ignore:the cells of the column")
def test_values_to_vary_are_asked_as_they_are_given(make_rows: Any, values: list[Any]) -> None:
    rows = make_rows({"y": ["a"]}) if make_rows else None
    _, records = conditions_and_records(rows, 1, {"x": values})
    assert [row["x"] for row in records] == values
    assert [type(row["x"]) for row in records] == [type(value) for value in values]
