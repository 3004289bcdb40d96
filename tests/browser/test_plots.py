"""Figures as a browser draws them: in both themes, uncut, and what is left without trust."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, Server, each_theme

pytestmark = pytest.mark.browser

START = """%load_ext synthkit
import pandas as pd
from synthkit.core.types import Score
moods = ["good", "good", "bad", "odd"] * 40
reviews = pd.DataFrame({"id": range(160), "mood": moods, "text": "soup"})
reviews["p"], reviews["right"] = [0.9, 0.2, 0.4, 0.6] * 40, [True, False, False, True] * 40
curve = [{"source": s, "n": n, "value": v + n / 2000, "low": v - 0.1, "high": v + 0.2,
          "seeds": 3, "test": 200}
         for s, v in [("real", 0.6), ("synthetic", 0.5), ("real + synthetic", 0.61)]
         for n in (25, 50, 400)]
half = {"n": 90, "unit": "0..1", "better": "higher"}
runs = {run: [Score(name=name, value=v, low=v - 0.1, high=v + 0.1, **half)
              for name, v in [("distinct-2", 0.5 + at / 5), ("self-BLEU", 0.3), ("MAUVE", 0.8)]]
        for at, run in enumerate(["plain prompt", "attributed prompts"])}
worth = {run: scores[0] for run, scores in runs.items()}
"""
CELLS = [
    "%synth plot scores runs",
    "%synth plot balance reviews --label mood --target good=2,bad=1,odd=1",
    "%synth plot learning-curve curve",
    "%synth plot tstr worth",
    "%synth plot reliability reviews --probability p --outcome right",
    "%synth filter reviews --no-refusals --dedupe exact --column text",
    "%synth plot funnel reviews",
]
FIGURES = 6
CUT = """(figure) => {
    const box = figure.getBoundingClientRect();
    return [...figure.querySelectorAll("svg text")]
        .map((one) => [one.getBoundingClientRect(), one.textContent])
        .filter(([own]) => own.width > 0 && (own.left < box.left - 1 || own.right > box.right + 1
            || own.top < box.top - 1 || own.bottom > box.bottom + 1))
        .map(([, text]) => text);
}"""
CROSSED = """(figure) => {
    const boxes = [...figure.querySelectorAll("svg text")]
        .map((one) => [one.getBoundingClientRect(), one.textContent])
        .filter(([own, text]) => own.width > 0 && text.trim());
    const crossed = ([a], [b]) => a.left < b.right - 2 && b.left < a.right - 2
        && a.top < b.bottom - 2 && b.top < a.bottom - 2;
    return boxes.flatMap((one, n) => boxes.slice(0, n)
        .filter((other) => crossed(one, other))
        .map((other) => `${one[1]} / ${other[1]}`));
}"""
INK = """(figure) => {
    const probe = document.createElement("p");
    probe.style.color = "var(--jp-content-font-color1)";
    figure.closest(".jp-OutputArea").append(probe);
    const wanted = getComputedStyle(probe).color;
    probe.remove();
    const spans = [...figure.querySelectorAll("svg text tspan")]
        .filter((one) => (one.getAttribute("style") || "").includes("--jp-"));
    return [spans.length, spans.every((one) => getComputedStyle(one).fill === wanted)];
}"""


@each_theme
def test_figures_are_drawn_uncut_in_the_colours_of_the_theme_and_their_tables_need_no_trust(
    open_notebook: Open, server: Server, pictures: Path, theme: str
) -> None:
    sheet = open_notebook(START, *CELLS, theme=theme, height=1400)
    sheet.run_all()
    for at in range(1, len(CELLS) + 1):
        sheet.cell(at).scroll_into_view_if_needed()
    figures = sheet.page.locator(".js-plotly-plot .svg-container")
    expect(figures).to_have_count(FIGURES)
    for at, figure in enumerate(figures.all()):
        figure.scroll_into_view_if_needed()
        expect(figure.locator("svg text").first).to_be_visible()
        assert figure.bounding_box()["width"] == 640
        assert figure.evaluate(CUT) == []
        assert figure.evaluate(CROSSED) == []
        inked, right = figure.evaluate(INK)
        assert inked > 5
        assert right
        sheet.screenshot(pictures, f"plot-{at}", figure)
    tables = sheet.page.locator(".synthkit-static table")
    expect(tables).to_have_count(FIGURES + 1)

    saved = sheet.save()
    assert max(len(json.dumps(cell["outputs"])) for cell in saved["cells"]) < 100_000
    server.kill_kernels()
    saved["cells"][0]["source"] = "# not what was signed"
    other = sheet.path.with_name("untrusted.ipynb")
    other.write_text(json.dumps(saved))
    where = "lab/tree/{}?reset" if server.app == "lab" else "notebooks/{}"
    sheet.page.goto(server.url + where.format(other.name))
    expect(tables).to_have_count(FIGURES + 1)
    said = "None of 3 labels differs significantly from its target."
    expect(sheet.page.locator("p.synthkit-static").nth(1)).to_have_text(said)
