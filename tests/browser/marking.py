"""Notebooks with a marker in their second cell, for the tests of markers."""

from __future__ import annotations

import os
from typing import Any

from tests.browser.conftest import Open


def with_session(open_notebook: Open, table: str, *cells: str, n: int = 0, **window: Any) -> Any:
    """A notebook whose first cell makes a table of ``n`` rows, and has a session of its own."""
    folder = f"session-{os.urandom(4).hex()}"
    sheet = open_notebook(table.format(folder=folder, n=n), *cells, **window)
    sheet.store = sheet.path.parent / folder / "store.sqlite"
    return sheet


def tab_to_stage(sheet: Any) -> None:
    """Reach the marker by the keyboard alone."""
    focused = "() => document.activeElement.className"
    sheet.tab_into(1, lambda: sheet.page.evaluate(focused) == "sk-mark-stage")
