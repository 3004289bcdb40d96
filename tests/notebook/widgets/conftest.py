"""Widgets without a browser: a test connection keeps what they send."""

from __future__ import annotations

from collections.abc import Iterator

import comm
import pytest
from ipywidgets import Widget

from tests.notebook.wire import Wire


@pytest.fixture(autouse=True)
def _wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(comm, "create_comm", Wire)
    yield
    Widget.close_all()
