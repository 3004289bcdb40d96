"""Vectors of large tables: those that the same embedder gives in memory."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.parquet import embed

pytestmark = pytest.mark.usefixtures("small_parts")


def vectors(texts: Any) -> Any:
    return np.array([[len(text), text.count("a")] for text in texts], np.float32)


TOY: Any = SimpleNamespace(name="toy", fingerprint="toy", dim=2, embed=vectors)


def test_each_text_has_its_vector(folder: Path, arrow: Any, tmp_path: Path) -> None:
    found = embed(folder, TOY, to=tmp_path / "embedded").load()
    texts = arrow["text"].to_pylist()
    expected = [None if text is None else vectors([text])[0].tolist() for text in texts]
    assert found["vector"].to_pylist() == expected
    assert found.drop_columns(["vector"]).equals(arrow.combine_chunks())


def test_an_embedder_may_return_lists(folder: Path, arrow: Any, tmp_path: Path) -> None:
    lists = SimpleNamespace(**{**vars(TOY), "embed": lambda texts: vectors(texts).tolist()})
    found = embed(folder, lists, to=tmp_path / "lists").load()
    assert found.equals(embed(folder, TOY, to=tmp_path / "arrays").load())


def test_columns_that_are_there_or_not_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has a column 'stars'"):
        embed(folder, TOY, to=tmp_path / "embedded", output="stars")
    with pytest.raises(TableError, match="column 'texts' not found"):
        embed(folder, TOY, to=tmp_path / "embedded", column="texts")
