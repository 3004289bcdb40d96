"""Fixtures of the tests of sessions."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

import synthkit as sk
from tests.sessions.contents import fill
from tests.share.hub import WRITER, Hub, serve


@pytest.fixture
def other(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "other") as opened:
        yield opened


@pytest.fixture
def bundle(session: sk.Session, tmp_path: Path) -> Path:
    fill(session)
    return session.export(tmp_path / "bundle.zip")


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A stand-in of the Hub, and a token that may write there."""
    with serve() as stand_in:
        monkeypatch.setattr(constants, "ENDPOINT", stand_in.url)
        for name, value in (("HF_HUB_OFFLINE", False), ("HF_HUB_DISABLE_XET", True)):
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", WRITER)
        yield stand_in
