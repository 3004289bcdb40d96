"""Learning while marking, and the funnel, in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, each_app, only_in, serious_violations
from tests.browser.marking import with_session

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

TABLE = """
%load_ext synthkit
%config SynthMagics.folder = "{folder}"
import pandas as pd
GOOD = "The soup was warm, and the waiter of table {{}} was kind."
BAD = "Cold soup, late bread, and a rude waiter: never again at table {{}}."
reviews = pd.DataFrame({{
    "id": [f"r{{i}}" for i in range(80)],
    "text": [(GOOD if i % 3 else BAD).format(i) for i in range(80)],
}})
"""
MARK = "%synth mark reviews --order uncertain --by ana"
LEARN = "%synth learn reviews --name polite"
FILTER = '%synth filter reviews --learned polite --where "words > 5" --dedupe exact'


def opened(open_notebook: Open, *lines: str, **window: Any) -> Any:
    """A notebook with a marker in its second cell, and a session of its own."""
    sheet = with_session(open_notebook, TABLE, MARK, *lines, **window)
    sheet.run(0)
    sheet.run(1)
    return sheet


def judge(sheet: Any, marker: Locator, n: int) -> None:
    """Mark rows by keys, by what their texts say."""
    made = marker.locator(".sk-made")
    start = int(made.inner_text().split("/")[0])
    for k in range(start + 1, start + n + 1):
        kind = "warm" in marker.locator(".sk-mark-text").inner_text()
        sheet.page.keyboard.press("a" if kind else "x")
        expect(made).to_have_text(f"{k}/80")


@each_app("width", notebook=480, lab=1400)
def test_it_learns_beside_the_keys_and_says_why(
    open_notebook: Open, pictures: Path, width: int
) -> None:
    theme = "JupyterLab Light" if width > 480 else "JupyterLab Dark"
    sheet = opened(open_notebook, LEARN, width=width, height=1000, theme=theme)
    marker = sheet.page.locator(".sk-marker")
    learned = marker.locator(".sk-mark-learned")
    expect(learned).to_have_text(re.compile("mark 20 more rows, with 2 accepted and 2 rejected"))
    marker.locator(".sk-mark-stage").focus()
    before = sheet.sources()
    judge(sheet, marker, 24)
    row, place = marker.locator(".sk-mark-id"), marker.locator(".sk-mark-place")
    at_hand = row.get_attribute("title")
    expect(learned).to_contain_text("precision")
    assert row.get_attribute("title") == at_hand
    expect(place).to_have_text("25 of 80")
    live = marker.locator("[aria-live=polite].sk-aloud")
    expect(live).to_have_text(re.compile("24 of 80 marked. Row 25.$"))
    sheet.page.keyboard.press("w")
    why = marker.locator(".sk-mark-origin")
    expect(why).to_contain_text(re.compile(r"P\(accept\)\s*0\.\d\d"))
    expect(why).to_contain_text(re.compile(r"(accepted|rejected).* \(cosine \d\.\d\d\)"))
    assert serious_violations(sheet.page, ".sk-marker") == []
    assert marker.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    sheet.screenshot(pictures, f"learning-{width}", marker)
    sheet.page.keyboard.press("Escape")
    expect(why).to_have_count(0)
    judge(sheet, marker, 1)
    sheet.page.keyboard.press("w")
    expect(why).to_contain_text("P(accept)")
    judge(sheet, marker, 1)
    expect(why).to_have_count(0)
    assert sheet.sources() == before
    twin = sheet.cell(1).locator(".synthkit-static")
    expect(twin).to_contain_text(re.compile(r"26 of 80 rows marked.*learned: keeps \d\d%", re.S))
    assert "at table" not in twin.locator("li").inner_text()


@only_in("lab")
def test_what_was_learned_filters_in_a_funnel(open_notebook: Open, pictures: Path) -> None:
    mark = "for id in reviews['id'][:40]: reviews_marker.mark(id, 'reject' if int(id[1:]) % 3 == 0 "
    sheet = opened(open_notebook, mark + "else 'accept')", LEARN, FILTER, FILTER + " --to good")
    for cell in (2, 3, 4, 5):
        sheet.run(cell)
    said = sheet.cell(3).locator(".synthkit-static")
    expect(said).to_contain_text("filter polite, version 1")
    for cell, kept in ((4, "reviews_kept"), (5, "good")):
        funnel = sheet.cell(cell).locator(".synthkit-static")
        expect(funnel).to_contain_text(f"53 kept, 27 dropped; bound {kept}")
        expect(funnel.locator("tbody tr")).to_have_count(3)
        expect(funnel.locator("tbody tr").first).to_contain_text("27 × learned")
    sheet.screenshot(pictures, "funnel", sheet.cell(4))
