"""A store that is kept in a file, and then on a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from synthkit.store.store import Store


@pytest.fixture
def store(tmp_path: Path, each_store: str) -> Iterator[Store]:
    """In an SQLite file, and then on a server."""
    path = tmp_path / "store.sqlite"
    if each_store:
        path = tmp_path / "store.url"
        path.write_text(f"{each_store}#tests")
    opened = Store(path)
    yield opened
    opened.close()
