"""Fixtures of the tests of sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import synthkit as sk
from tests.sessions.contents import fill


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "other") as opened:
        yield opened


@pytest.fixture
def bundle(session: sk.Session, tmp_path: Path) -> Path:
    fill(session)
    return session.export(tmp_path / "bundle.zip")
