"""``%synth filter``, ``eval`` and ``embed`` of Parquet files: what the notebook says and binds."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.parquet import ParquetTable
from tests.notebook.conftest import Shell


@pytest.fixture(autouse=True)
def files(shell: Shell) -> None:
    """A folder with two files, in the folder of the notebook."""
    Path("big-reviews").mkdir()
    for name, first in (("a", 0), ("b", 20)):
        rows = [
            {"id": str(at), "text": f"The soup of day {at % 30} was good.", "stars": at % 5}
            for at in range(first, first + 20)
        ]
        pd.DataFrame(rows).to_parquet(f"big-reviews/{name}.parquet")


def test_files_are_filtered_and_evaluated_without_loading_them(shell: Shell) -> None:
    shown = shell.run("%synth filter big-reviews/*.parquet --where 'stars > 0' --dedupe exact")
    assert "big_reviews: 40 rows: 24 kept, 16 dropped; bound big_reviews_kept" in shown
    assert "files in big_reviews_kept/" in shown
    kept, dropped = shell["big_reviews_kept"], shell["big_reviews_dropped"]
    assert isinstance(kept, ParquetTable)
    assert len(kept) == 24
    assert dropped.load()["why"].to_pylist()[-1] == "duplicate: of 9"
    shown = shell.run("%synth eval big_reviews_kept --metric distinct-1 --embedder none")
    assert "big_reviews_kept: 1 score" in shown
    assert shell["big_reviews_kept_scores"]["n"].tolist() == [24]
    assert "distinct-1" in shell.run("%synth scores big_reviews_kept")
    again = shell.run("%synth filter big_reviews_kept --sample 5 --to few")
    assert "24 rows: 5 kept" in again
    assert len(shell["few"]) == 5


def test_files_are_embedded(shell: Shell) -> None:
    shown = shell.run("%synth embed big-reviews --to vectors")
    assert "40 rows with vector; bound vectors; files in vectors/" in shown
    assert len(shell["vectors"].load()["vector"][0]) == 256


def test_what_files_cannot_have_is_said(shell: Shell) -> None:
    with pytest.raises(UsageError, match="needs a table in memory"):
        shell.run("%synth filter big-reviews --by-prompt 'Is it about soup?' --model fake")
    shell.run("%synth filter big-reviews --sample 5")
    with pytest.raises(TableError, match=r"Load it first: rows\.load\(\)"):
        shell.run("%synth show big_reviews_kept")
    with pytest.raises(TableError, match="expected a file or a pattern"):
        shell.run("%synth filter none*.parquet --sample 5")


def test_ids_that_occur_twice_are_said_with_a_way_out(shell: Shell) -> None:
    pd.DataFrame({"id": ["a", "a"], "text": ["x", "y"]}).to_parquet("twice.parquet")
    shell.ip.user_ns["twice"] = pd.read_parquet("twice.parquet")
    for table, where in (("twice", "again in row 1"), ("twice.parquet", "in .*parquet, row 1")):
        with pytest.raises(TableError, match=rf"'a' occurs twice.* {where}\. .*[Rr]ename"):
            shell.run(f"%synth filter {table} --length 1-")
