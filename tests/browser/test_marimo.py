"""marimo, which has no magics: tables, widgets and figures of the Python functions."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from synthkit import Session
from tests.browser.conftest import PATIENCE, ROOT, wait_for

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The address of marimo, which runs the notebook in ``tmp_path``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "marimo", "--yes", "run", "--headless", "--no-token"]
    notebook = Path(__file__).with_name("marimo_notebook.py")
    process = subprocess.Popen(
        [*command, "--host", "127.0.0.1", "--port", str(port), str(notebook)],
        cwd=tmp_path,
        env=os.environ | {"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
    )
    url = f"http://127.0.0.1:{port}/"
    try:
        wait_for(lambda: _answers(f"{url}health"), "marimo")
        yield url
    finally:
        process.terminate()
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=PATIENCE).close()
    except OSError:
        return False
    return True


def test_marimo_shows_rows_and_figures_and_keeps_what_is_marked(
    address: str, chromium: Browser, tmp_path: Path
) -> None:
    with chromium.new_context(viewport={"width": 1100, "height": 1600}) as context:
        page = context.new_page()
        page.goto(address)
        expect(page.get_by_text("4 rows, 0 cached, 4 generated")).to_be_visible()
        expect(page.locator(".js-plotly-plot")).to_be_visible()
        page.get_by_role("button", name="Accept a").click()
        page.keyboard.press("x")
        expect(page.get_by_text("2/4")).to_be_visible()
    with Session(tmp_path / ".synthkit") as session:
        marks = session.marks()
    assert [(mark.label, mark.by) for mark in marks] == [("accept", "ana"), ("reject", "ana")]
