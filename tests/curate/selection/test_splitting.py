from __future__ import annotations

import random
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from synthkit import shard, splits
from synthkit.core.errors import TableError, UsageError
from synthkit.curate import exact_duplicates, near_duplicates, semantic_duplicates
from synthkit.curate.duplicates.minhash import components
from synthkit.data import tables

SHARES = {"train": 0.8, "test": 0.2}
WORDS = [f"w{n}" for n in range(3000)]


def planted(seed: int, n: int) -> list[dict[str, Any]]:
    """``n`` rows in fours: a chain of three near-duplicates, and two rows of one parent."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for four in range(n // 4):
        words = draw.choices(WORDS, k=20)
        for step in range(4):
            text = " ".join(words if step < 3 else draw.choices(WORDS, k=20))
            rows.append({"id": f"{seed}-{four}-{step}", "text": text, "parent": None})
            words = [draw.choice(WORDS), draw.choice(WORDS), *words[2:]][::-1]
        rows[-1]["parent"] = rows[-2]["parent"] = f"p{four}"
    for row in rows:
        row["label"] = draw.choice("xyz")
    draw.shuffle(rows)
    return rows


def places(parts: dict[str, Any]) -> dict[Any, str]:
    return {id: name for name, part in parts.items() for id in tables.column(part, "id")}


@pytest.mark.parametrize("seed", range(20))
def test_planted_near_duplicates_and_common_parents_never_straddle(seed: int) -> None:
    rows = planted(seed, 200)
    parts = splits(rows, SHARES, stratify="label", seed=seed)
    where = places(parts)
    assert len(where) == 200
    fours: dict[str, set[str]] = {}
    for id, name in where.items():
        fours.setdefault(id.rpartition("-")[0], set()).add(name)
    assert [four for four, names in fours.items() if len(names) > 1] == []
    assert abs(len(parts["test"]) - 40) <= 4
    # a split of single rows parts them: the test can fail
    alone = places(splits(rows, SHARES, together=[], duplicates=[], seed=seed))
    parted = {f"{four}-{a}" for four in fours for a in range(3) if alone[f"{four}-0"] == "test"}
    assert any(alone[id] == "train" for id in parted)
    # brute force finds no pair across
    ids, texts = [row["id"] for row in rows], [row["text"] for row in rows]
    pairs = list(near_duplicates(threshold=0.8).similarity.pairs(texts, range(200)))
    assert len(pairs) >= 190
    assert [(i, j) for i, j, _ in pairs if where[ids[i]] != where[ids[j]]] == []


@pytest.mark.parametrize("n", [1, 2, 60])
def test_links_connect_all_that_brute_force_finds(n: int) -> None:
    draw = random.Random(n)
    texts = [" ".join(draw.choices("abcd", k=draw.randint(1, 4))) for _ in range(n)]
    vectors = np.random.default_rng(n).normal(size=(n, 3))
    for filter in (
        exact_duplicates(punctuation=False),
        near_duplicates(threshold=0.6, recall=1 - 1e-9),
        semantic_duplicates(lambda texts: vectors[: len(texts)], threshold=0.95),
    ):
        i, j = filter.similarity.links(texts)
        found = components(n, np.asarray(i), np.asarray(j))
        pairs = [(i, j) for i, j, _ in filter.similarity.pairs(texts, range(n))]
        i, j = np.array(pairs, np.intp).reshape(-1, 2).T
        assert found.tolist() == components(n, i, j).tolist()


def test_values_of_a_column_have_their_shares_in_each_split() -> None:
    rows = [{"id": str(i), "label": "rare" if i % 10 == 0 else "often"} for i in range(1000)]
    parts = splits(rows, {"train": 0.7, "dev": 0.1, "test": 0.2}, stratify="label")
    counts = {name: part["label"].value_counts().to_dict() for name, part in parts.items()}
    assert counts == {
        "train": {"often": 630, "rare": 70},
        "dev": {"often": 90, "rare": 10},
        "test": {"often": 180, "rare": 20},
    }


def test_values_of_one_row_each_have_the_shares_together() -> None:
    rows = [{"id": str(i), "label": f"label {i}"} for i in range(100)]
    parts = splits(rows, SHARES, stratify="label")
    assert [len(part) for part in parts.values()] == [80, 20]


def test_large_groups_are_in_the_test_set_as_well() -> None:
    rows = [{"id": str(i), "parent": i if i < 100 else i // 10} for i in range(300)]
    test = splits(rows, {"train": 0.5, "test": 0.5}, duplicates=[])["test"]
    assert len(test) == pytest.approx(150, abs=10)
    assert 30 <= (test["parent"].value_counts() > 1).sum() * 5 <= 70


def test_the_order_of_rows_does_not_matter_and_new_rows_move_few() -> None:
    rows = planted(1, 1000)
    where = places(splits(rows, SHARES, stratify="label"))
    assert places(splits(rows[::-1], SHARES, stratify="label")) == where
    assert places(splits(rows, SHARES, stratify="label", seed=1)) != where
    more = places(splits(rows + planted(2, 100), SHARES, stratify="label"))
    assert sum(more[id] != name for id, name in where.items()) < 60


def test_a_row_stays_with_its_parent_its_source_and_its_group() -> None:
    rows = [{"id": f"r{i}", "parent": f"r{i - i % 2}" if i % 2 else None} for i in range(40)]
    rows = [row | {"source": f"s{i // 4}"} for i, row in enumerate(rows)]
    where = places(splits(rows, {"a": 0.5, "b": 0.5}))
    assert all(len({where[f"r{4 * s + k}"] for k in range(4)}) == 1 for s in range(10))
    where = places(splits(rows, {"a": 0.5, "b": 0.5}, together=["parent"]))
    assert all(where[f"r{i}"] == where[f"r{i + 1}"] for i in range(0, 40, 2))
    assert any(where[f"r{i}"] != where[f"r{i + 2}"] for i in range(0, 40, 4))


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, datasets.Dataset.from_dict])
def test_splits_have_the_kind_the_columns_and_the_order_of_the_table(make: Any) -> None:
    table = make({"id": list("abcdefghij"), "text": [f"text number {n}" for n in range(10)]})
    parts = splits(table, SHARES)
    assert {type(part) for part in parts.values()} == {type(table)}
    ids = [tables.column(part, "id") for part in parts.values()]
    assert [len(part) for part in ids] == [8, 2]
    assert all(part == sorted(part) for part in ids)


def test_rows_without_an_id_keep_their_columns() -> None:
    parts = splits([{"text": f"text {i // 2}"} for i in range(20)], SHARES)
    assert [list(part.columns) for part in parts.values()] == [["text"], ["text"]]
    assert not set(parts["train"]["text"]) & set(parts["test"]["text"])


@pytest.mark.parametrize(
    ("shares", "options", "message"),
    [
        ({"train": 0.8}, {}, "two or more shares"),
        ({"train": 0.8, "test": 0.3}, {}, "add up to 1"),
        ({"train": 1.0, "test": 0.0}, {}, "above 0"),
        (SHARES, {"stratify": "label"}, "20 rows of label 'odd', but gets 20: .* group has 20"),
        (SHARES, {"together": ["all"]}, "should get 80 of the 100 rows of the table, but gets 100"),
    ],
)
def test_shares_that_cannot_be_met_are_errors(shares: Any, options: Any, message: str) -> None:
    rows = [{"id": str(i), "label": "even", "all": 1, "group": i} for i in range(80)]
    rows += [{"id": f"odd {i}", "label": "odd", "all": 1, "group": -1} for i in range(20)]
    with pytest.raises(UsageError, match=message):
        splits(rows, shares, duplicates=[], **options)


def test_tables_without_the_column_or_any_rows_are_errors() -> None:
    with pytest.raises(TableError, match="column 'lable' not found"):
        splits([{"id": "a", "label": 1}], SHARES, stratify="lable")
    with pytest.raises(UsageError, match="expected a table with rows to split"):
        splits([], SHARES)


def test_shards_are_the_table_in_order() -> None:
    table = pa.table({"n": list(range(10))})
    parts = [shard(table, 3, i) for i in range(3)]
    assert [len(part) for part in parts] == [3, 3, 4]
    assert tables.concat(parts).equals(table)
    assert shard([{"x": 1}], 2, 0).empty
    with pytest.raises(UsageError, match="i must be 0 to 2 of 3 shards; got 3"):
        shard(table, 3, 3)


def test_a_parent_is_found_in_whatever_numbers_the_ids_are() -> None:
    """pandas makes whole numbers floats where one is missing."""
    rows = [{"id": n, "parent": n - 50 if n >= 50 else None, "text": f"t{n}"} for n in range(100)]
    parts = splits(pd.DataFrame(rows), {"a": 0.5, "b": 0.5}, duplicates=[], tolerance=0.5)
    where = {id: name for name, part in parts.items() for id in tables.column(part, "id")}
    assert all(where[n] == where[n - 50] for n in range(50, 100))
