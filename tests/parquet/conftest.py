"""A table in several Parquet files, and the same rows in memory."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest

WORDS = [f"{start}{end}" for start in "bdfgklmnprst" for end in "aeiou"]
ROWS, FILES = 5000, 7


def planted_rows(n: int = ROWS, seed: int = 1) -> list[dict[str, Any]]:
    """Rows of which some are copies of others, some with another word, and some lack a text."""
    draw = random.Random(seed)
    rows: list[dict[str, Any]] = []
    for at in range(n):
        words = [draw.choice(WORDS) + draw.choice(WORDS) for _ in range(draw.randint(8, 20))]
        if at and draw.random() < 0.2:
            text = draw.choice(rows)["text"] or "ba"
            words = text.split()
            if draw.random() < 0.5:
                words[draw.randrange(len(words))] = draw.choice(WORDS)
        rows.append(
            {
                "id": f"row-{at}",
                "text": None if at % 211 == 5 else " ".join(words).capitalize() + ".",
                "label": draw.choice(["good", "bad", "bad", "mixed"]) if at % 97 else None,
                "stars": draw.randint(1, 5),
                "score": draw.random() if at % 50 else None,
            }
        )
    return rows


def write_files(rows: list[dict[str, Any]], folder: Path, files: int = FILES) -> Path:
    """Write the rows to several files with small row groups, in order."""
    table = pyarrow.Table.from_pylist(rows)
    each = -(-len(rows) // files)
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(files):
        part = table.slice(number * each, each)
        parquet.write_table(part, folder / f"{number}.parquet", row_group_size=300)
    return folder


@pytest.fixture(scope="session")
def rows() -> list[dict[str, Any]]:
    return planted_rows()


@pytest.fixture(scope="session")
def arrow(rows: list[dict[str, Any]]) -> Any:
    return pyarrow.Table.from_pylist(rows)


@pytest.fixture(scope="session")
def folder(rows: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_files(rows, tmp_path_factory.mktemp("large") / "rows")


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Batches, shards and parts so small that there are many of each."""
    monkeypatch.setattr("synthkit.parquet.table.BATCH_ROWS", 128)
    monkeypatch.setattr("synthkit.parquet.table.SHARD_ROWS", 300)
    monkeypatch.setattr("synthkit.parquet.spool.PART_TEXTS", 257)
    monkeypatch.setattr("synthkit.parquet.writing.GROUP_ROWS", 200)
    monkeypatch.setattr("synthkit.evaluate.metrics.ngrams.PART_CHARACTERS", 20_000)
