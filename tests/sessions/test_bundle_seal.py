"""Seals: the same digests as ever, computed without the table in memory."""

from __future__ import annotations

import json
import math
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from synthkit.sessions import bundle_seal
from synthkit.sessions.bundle_seal import cell_text, changes, seal, table_records


@pytest.mark.parametrize(
    "cell", [0, -7, 2**70, True, False, None, 1.5, 1e16, 5e-324, -0.0, math.inf, math.nan, [1], {}]
)
def test_the_text_of_a_cell_is_its_json(cell: Any) -> None:
    assert cell_text(cell) == json.dumps(cell)


def test_a_changed_cell_is_found_with_its_row(tmp_path: Path) -> None:
    cells = {"id": ["a", "b", "c"], "n": [1, 2, 3]}
    pq.write_table(pa.table(cells), tmp_path / "t.parquet")
    sealed = seal(tmp_path, ["t.parquet"])["t.parquet"]
    assert changes(table_records(tmp_path / "t.parquet"), sealed) == (3, [])
    n, (change,) = changes((["id", "n"], iter([("a", 1), ("b", 9), ("c", 3)])), sealed)
    assert (n, change.row, change.columns, change.cells) == (3, 1, ("n",), {"id": "b", "n": 9})
    n, (change,) = changes((["id", "n"], iter([("a", 1)])), sealed)
    assert (n, change.row, change.what) == (1, None, "3 rows were sealed, 1 are here")
    n, (change,) = changes((["id"], iter([("a",), ("b",), ("c",)])), sealed)
    assert change.what == "the columns n are missing"


def test_a_seal_takes_no_more_memory_for_a_larger_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_seal, "BATCH_ROWS", 20)
    peaks = []
    for n in (200, 800):
        texts = [f"{at:06}" * 4000 for at in range(n)]
        pq.write_table(pa.table({"text": texts}), tmp_path / "t.parquet", use_dictionary=False)
        del texts
        tracemalloc.start()
        seal(tmp_path, ["t.parquet"])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0]
