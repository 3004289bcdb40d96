"""What is left of each widget where no kernel answers, or where the notebook is not trusted."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Server, each_app, wait_for

pytestmark = pytest.mark.browser

START = """
%load_ext synthkit
%config SynthMagics.model = "fake"
import numpy as np

class Letters:
    # an embedder without weights
    name = fingerprint = "letters"
    dim = 26

    def embed(self, texts):
        counts = [[text.lower().count(chr(97 + n)) for n in range(26)] for text in texts]
        found = np.array(counts, dtype=np.float32).reshape(-1, 26)
        return found / np.maximum(1e-9, np.linalg.norm(found, axis=1, keepdims=True))

embedder = Letters()
prompt = "Write about {{ topic }}."
"""
CELLS = {
    "preview": "%%synth reviews --n 6 --vary topic=bread,soup\nWrite about {{ topic }}.",
    "show": "%synth show reviews",
    "mark": "%synth mark reviews --by ana",
    "lab": "%synth lab tone --prompt @prompt --vary topic=bread,soup",
    "explore": "%synth explore reviews --embedder embedder",
    "session": "%synth session",
}
TARGETS = """(node) => [...node.querySelectorAll("button, input, select, textarea, summary")]
    .filter((one) => one.checkVisibility() && one.type !== "checkbox")
    .map((one) => [one.getBoundingClientRect(), one.getAttribute("aria-label") || one.textContent])
    .filter(([box]) => box.width < 40 || box.height < 40)
    .map(([box, name]) => `${name}: ${box.width} x ${box.height}`)
"""
GROWTH = 100_000
"""Most bytes that one widget may add to a notebook."""


@pytest.fixture(scope="module")
def closed(server: Server) -> Callable[..., None]:
    """Opens a notebook's file again."""

    def open_(page: Any, path: Path) -> None:
        where = "lab/tree/{}?reset" if server.app == "lab" else "notebooks/{}"
        page.goto(server.url + where.format(path.name))
        page.locator(".jp-Notebook .jp-Cell").first.wait_for()

    return open_


def test_without_a_kernel_or_trust_the_static_outputs_stand_alone(
    open_notebook: Open,
    server: Server,
    closed: Callable[..., None],
    pictures: Path,
) -> None:
    sheet = open_notebook(START, *CELLS.values())
    sheet.run_all()
    expect(sheet.page.locator(".synthkit")).to_have_count(len(CELLS))
    # folded away, beside a widget that lives
    folded = sheet.page.locator("details:not([open]):has(.synthkit-static)")
    expect(folded).to_have_count(len(CELLS))
    outputs = [cell["outputs"] for cell in sheet.save()["cells"][1:]]
    for name, output in zip(CELLS, outputs, strict=True):
        assert len(json.dumps(output)) < GROWTH, name
        assert len(output) == 2, name
    server.kill_kernels()

    closed(sheet.page, sheet.path)
    check_static(sheet)
    sheet.screenshot(pictures, "dead-kernel")

    # the signature is that of the contents
    changed = json.loads(sheet.path.read_text())
    changed["cells"][0]["source"] = "# not what was signed"
    other = sheet.path.with_name("other.ipynb")
    other.write_text(json.dumps(changed))
    closed(sheet.page, other)
    check_static(sheet)
    sheet.screenshot(pictures, "untrusted")


def check_static(sheet: Any) -> None:
    """Each cell shows its static output, and nothing of the widget but what it stands for."""
    outputs = sheet.page.locator(".jp-OutputArea-child")
    expect(outputs).to_have_count(2 * len(CELLS))
    static = sheet.page.locator(".jp-OutputArea-child:has(.synthkit-static)")
    expect(static).to_have_count(len(CELLS))

    def shown() -> list[str]:
        texts: list[str] = outputs.all_inner_texts()
        return [text.strip() for text in texts]

    wait_for(lambda: not any("Loading" in text for text in shown()), "the outputs")
    assert shown()[::2] == [""] * len(CELLS)
    assert all(shown()[1::2])


def test_prices_are_not_set_as_formulas(open_notebook: Open) -> None:
    prices = 'import pandas as pd\nprices = pd.DataFrame({"id": [0], "text": ["$5, not $6"]})'
    formula = 'from IPython.display import HTML\nHTML("$x^2$")'
    sheet = open_notebook(f"%load_ext synthkit\n{prices}", "%synth show prices", formula)
    sheet.run_all()
    expect(sheet.cell(2).locator("mjx-container")).to_have_count(1)
    expect(sheet.cell(1).locator(".synthkit-static td")).to_have_text("$5, not $6")
    expect(sheet.cell(1).locator("mjx-container")).to_have_count(0)


@each_app("width", notebook=760, lab=1100)
def test_a_finger_hits_every_button(open_notebook: Open, pictures: Path, width: int) -> None:
    sheet = open_notebook(START, *CELLS.values(), width=width, height=1200, touch=True)
    sheet.run_all()
    widgets = sheet.page.locator(".synthkit")
    expect(widgets).to_have_count(len(CELLS))
    for name, shown in zip(CELLS, widgets.all(), strict=True):
        shown.scroll_into_view_if_needed()
        assert shown.locator("button:visible").count(), name
        assert shown.evaluate(TARGETS) == [], name
        assert shown.evaluate("(node) => node.scrollWidth <= node.clientWidth"), name
        sheet.screenshot(pictures, f"{name}-touch-{width}", shown)
