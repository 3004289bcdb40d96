"""Latency of a preview of 100,000 rows, in a real JupyterLab.

    python -m pytest -s tests/benchmarks/preview.py -k lab

For a ``%%synth`` with cached completions, and for ``%synth show``: seconds from the end of the cell
to the first row on the screen, from each query to its first rows, and the longest time without rows
after a jump to a random position.

Targets: the first row within 1 s of the end of the cell; a query well under 1 s.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from tests.browser.conftest import chromium, open_notebook, server

__all__ = ["chromium", "open_notebook", "server"]

ROWS, JUMPS = 100_000, 50
SETUP = """%load_ext synthkit
import random, pandas as pd
from synthkit import Fake
draw = random.Random(0)
words = "cold warm soup bread table waiter garden window street late small bright".split()
def answer(request):
    return " ".join(random.Random(request.row_seed).choices(words, k=85))
model = Fake(answer, name="bench")
seeds = pd.DataFrame({"stars": [draw.randint(1, 5) for _ in range(ROWS)]})
"""
CELL = "%%synth rows --model model --from seeds --max-tokens 99\nWrite {{ stars }}."
SHOW = "%synth show rows"
WATCH = """(n) => {
    window.ended = window.painted = 0;
    const cell = document.querySelectorAll(".jp-Notebook .jp-Cell")[n];
    const look = () => {
        const now = performance.now();
        const prompt = cell.querySelector(".jp-InputPrompt").innerText;
        if (!window.ended && /\\[\\d+\\]/.test(prompt) && window.ran) window.ended = now;
        if (prompt.includes("*")) window.ran = true;
        const row = cell.querySelector("tbody tr:not(.sk-spacer) td:nth-child(2)");
        if (!window.painted && window.ran && row && row.innerText !== "…") window.painted = now;
        if (!window.ended || !window.painted) requestAnimationFrame(look);
    };
    window.ran = false;
    look();
}"""
QUERY = """async ([selector, act, value]) => {
    const view = [...document.querySelectorAll(".sk-preview")].at(-1);
    const before = view.querySelector(".sk-line").textContent;
    const began = performance.now();
    if (act === "click") view.querySelector(selector).click();
    else {
        const input = view.querySelector(selector);
        input.value = value;
        input.dispatchEvent(new Event("change", { bubbles: true }));
    }
    const frame = () => new Promise(requestAnimationFrame);
    const cells = () => [...view.querySelectorAll("tbody tr:not(.sk-spacer) td:nth-child(3)")];
    do await frame();
    while (view.querySelector(".sk-line").textContent === before || !cells().length);
    return (performance.now() - began) / 1000;
}"""
JUMP = """async (share) => {
    const view = [...document.querySelectorAll(".sk-preview")].at(-1);
    const body = view.querySelector(".sk-body");
    const frame = () => new Promise(requestAnimationFrame);
    const began = performance.now();
    body.scrollTop = share * (body.scrollHeight - body.clientHeight);
    await frame();
    await frame();
    const blank = () => [...view.querySelectorAll("tbody tr:not(.sk-spacer)")].some((row) => {
        const one = row.getBoundingClientRect(), all = body.getBoundingClientRect();
        return one.bottom > all.top && one.top < all.bottom && row.cells.length < 4;
    });
    while (blank()) await frame();
    return (performance.now() - began) / 1000;
}"""
QUERIES = (
    ("sort by a number", (".sk-table th:nth-child(2) button", "click", "")),
    ("sort by a text of 500 letters", (".sk-table th:nth-child(3) button", "click", "")),
    ("filter stars > 3 and text ~ soup", (".sk-where", "type", "stars > 3 and text ~ 'soup soup'")),
    ("search a text", (".sk-search", "type", "garden window street late")),
)


def timed(sheet: Any, cell: int) -> float:
    """Seconds from the end of a cell to its first row; negative if the row was painted first."""
    sheet.page.evaluate(WATCH, cell)
    sheet.run(cell)
    sheet.page.wait_for_function("() => window.ended && window.painted")
    found: float = sheet.page.evaluate("() => (window.painted - window.ended) / 1000")
    return found


def measure(sheet: Any, cell: int) -> None:
    """Print the figures of one cell."""
    print(f"\n{sheet.sources()[cell].splitlines()[0]}")
    print(f"  {'first row after the end of the cell':36s} {timed(sheet, cell):6.2f} s")
    sheet.wait_until_idle()
    draw = random.Random(0)
    waits = sorted(sheet.page.evaluate(JUMP, draw.random()) for _ in range(JUMPS))
    print(f"  {f'without rows after a jump, longest of {JUMPS}':36s} {waits[-1]:6.2f} s")
    print(f"  {'median':36s} {waits[JUMPS // 2]:6.2f} s")
    for name, query in QUERIES:
        print(f"  {name:36s} {sheet.page.evaluate(QUERY, query):6.2f} s")


def test_preview_latency(open_notebook: Callable[..., Any]) -> None:
    sheet = open_notebook(SETUP.replace("ROWS", str(ROWS)), CELL, CELL, SHOW)
    sheet.run(0)
    sheet.page.set_default_timeout(300_000)
    sheet.run(1, wait=False)
    sheet.cell(1).get_by_text("✓ done").wait_for()
    sheet.wait_until_ran(1)
    measure(sheet, 2)
    measure(sheet, 3)
