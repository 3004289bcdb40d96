"""Pairs in the marker, in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from synthkit.curate.marks.preferences import drawn_left, other
from tests.browser.conftest import Open, each_theme, expect_gone, serious_violations, wait_for
from tests.browser.marking import tab_to_stage, with_session

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

TABLE = """
%load_ext synthkit
%config SynthMagics.folder = "{folder}"
import pandas as pd
SHORT = "The soup was cold, and nobody came to ask."
LONG = (
    "The soup was lukewarm when it came, and nobody came to ask whether we liked it; when we said "
    "so, they brought another, which was warm, and a basket of bread on the house."
)
pairs = pd.DataFrame({{
    "id": [f"p{{n}}" for n in range({n})],
    "prompt": [f"Write a sentence that a guest might post about soup. ({{n}})" for n in range({n})],
    "first": [f"{{(SHORT, LONG)[n % 2]}} (first of {{n}})" for n in range({n})],
    "second": [f"{{(LONG, SHORT)[n % 2]}} (second of {{n}})" for n in range({n})],
    "first_system": ["smollm2", "gold-rival"] * ({n} // 2),
    "second_system": ["gold-rival", "smollm2"] * ({n} // 2),
}})
"""
MARK = "%synth mark pairs --pair --by ana"


def opened(open_notebook: Open, line: str = MARK, *, n: int = 6, **window: Any) -> Any:
    """A notebook with a marker of pairs in its second cell, and a session of its own."""
    sheet = with_session(open_notebook, TABLE, line, "%synth marks pairs", n=n, **window)
    sheet.run(0)
    sheet.run(1)
    return sheet


def widget(sheet: Any) -> Locator:
    locator: Locator = sheet.page.locator(".sk-pairs")
    locator.wait_for()
    return locator


def stored(sheet: Any) -> list[tuple[str, str, str]]:
    """(row, label, the column that stood on the left) of every mark on disk, in order."""
    with closing(sqlite3.connect(sheet.store)) as db:
        found = db.execute("SELECT row, label, edit FROM marks WHERE act = 'mark' ORDER BY seq")
        return [(row, label, json.loads(edit).get("shown_left", "")) for row, label, edit in found]


def are_stacked(marker: Locator) -> bool:
    """Whether the texts of a pair are one below the other."""
    one, two = (marker.locator(".sk-pair-text").nth(n).bounding_box() for n in (0, 1))
    return bool(one and two and one["x"] == two["x"])


def left(n: int) -> str:
    return drawn_left(f"p{n}", by="ana", seed=0)


def test_pairs_are_judged_by_keyboard_alone(open_notebook: Open) -> None:
    sheet = opened(open_notebook)
    marker = widget(sheet)
    made, sides = marker.locator(".sk-made"), marker.locator(".sk-pair-text")
    before = sheet.sources()
    tab_to_stage(sheet)
    expect(marker.locator(".sk-pair-prompt")).to_contain_text("about soup. (0)")
    expect(sides.first).to_contain_text(f"({left(0)} of 0)")
    expect(sides.last).to_contain_text(f"({other(left(0))} of 0)")
    sheet.press("d")
    expect(sides.first.locator("mark")).not_to_have_count(0)
    sheet.press("d", "ArrowLeft", "2", "t", "Space", "u", "U")
    expect(made).to_have_text("4/6")
    assert stored(sheet) == [
        ("p0", left(0), left(0)),
        ("p1", other(left(1)), left(1)),
        ("p2", "tie", left(2)),
        ("p3", "skip", left(3)),
    ]
    sheet.press("c")
    sheet.page.keyboard.type("1 or 2")
    sheet.press("Enter", "f")
    expect(marker.locator(".sk-mark-said")).to_have_text("⚑ flagged1 or 2")
    sheet.press("Backspace", "Backspace", "Backspace", "Backspace")
    expect(marker.locator(".sk-mark-said")).to_have_text("◀ A better")
    # nothing says which system is ahead while there is a pair left, on the screen or in the file
    assert "rival" not in marker.inner_text() + sheet.cell(1).inner_text()
    assert "rival" not in json.dumps(sheet.save()["cells"][1])
    sheet.press("1", "ArrowRight", "0", "?")
    expect(marker.get_by_text("text A is better")).to_be_visible()
    sheet.press("Escape")
    expect(made).to_have_text("6/6")
    expect(marker.locator(".sk-pair-result")).to_contain_text("gold-rival")
    assert sheet.sources() == before
    assert serious_violations(sheet.page, ".sk-pairs") == []
    sheet.run(2)
    expect(sheet.cell(2).locator(".synthkit-static")).to_contain_text("5 of 6 pairs judged")


def test_pairs_are_judged_by_mouse_alone_and_a_dead_kernel_loses_none(open_notebook: Open) -> None:
    line = f"import os\nprint('pid', os.getpid())\n{MARK}"
    sheet = opened(open_notebook, line, n=8)
    told = sheet.cell(1).locator(".jp-OutputArea-output").first.inner_text()
    marker = widget(sheet)
    made = marker.locator(".sk-made")
    before = sheet.sources()

    def click(name: str) -> None:
        marker.get_by_role("button", name=name).first.click()

    click("A is better ← 1")
    click("B is better → 2")
    click("Tie t 0")
    expect(made).to_have_text("3/8")
    # the keys go on after a click, and the space bar is not a second click
    sheet.press("Space")
    expect(made).to_have_text("4/8")
    click("Undo u")
    click("Differences d")
    expect(marker.locator(".sk-pair-text mark").first).to_be_visible()
    marker.locator(".sk-mark-entry").last.click()
    expect(marker.locator(".sk-mark-said")).to_have_text("◀ A better")
    click("Tie t 0")
    click("▶ B better")
    expect(marker.locator(".sk-mark-said")).to_have_text("▶ B better")
    click("all 8")
    expect(made).to_have_text("3/8")
    kept = stored(sheet)
    assert [label for _, label, _ in kept] == [
        *(left(0), other(left(1)), "tie", "skip"),
        "tie",
    ]
    os.kill(int(told.split()[1]), signal.SIGKILL)
    expect_gone(marker)
    marker.get_by_role("button", name="A is better").click(force=True)
    assert (sheet.sources(), stored(sheet)) == (before, kept)
    sheet.restart_killed_kernel()
    sheet.run(0)
    sheet.run(1)
    expect(marker.locator(".sk-made")).to_have_text("3/8")
    expect(marker.locator(".sk-pair-text").first).to_contain_text(f"({left(3)} of 3)")


@each_theme
def test_pairs_are_judged_by_touch_at_any_width(
    open_notebook: Open, pictures: Path, theme: str
) -> None:
    sheet = opened(open_notebook, theme=theme, width=1400, touch=True)
    marker = widget(sheet)

    def tap(*names: str) -> None:
        for name in names:
            marker.get_by_role("button", name=name).first.tap()

    def look(name: str) -> None:
        for width in (1400, 480):
            sheet.page.set_viewport_size({"width": width, "height": 900})
            wait_for(lambda stacked=width == 480: are_stacked(marker) is stacked, "the layout")
            assert marker.evaluate("(node) => node.scrollWidth <= node.clientWidth")
            dark = theme.split()[1].lower()
            sheet.screenshot(pictures, f"pairs-{name}-{dark}-{width}", marker)
        assert serious_violations(sheet.page, ".sk-pairs") == []

    if sheet.server.app == "lab":
        sheet.command("application:toggle-left-area")
    tap("A is better", "Tie t", "Differences")
    expect(marker.locator(".sk-pair-text mark").first).to_be_visible()
    look("differences")
    tap("Differences", "Back", "Back")
    expect(marker.locator(".sk-mark-said")).to_have_text("◀ A better")
    look("judged")
    heights = marker.locator("button:visible").evaluate_all(
        "(nodes) => nodes.map((node) => node.getBoundingClientRect().height)"
    )
    assert min(heights) >= 28
    tap("A is better", "B is better", "B is better", "Tie t")
    expect(marker.locator(".sk-made")).to_have_text("5/6")
    tap("A is better")
    expect(marker.locator(".sk-pair-result")).to_be_visible()
    sheet.screenshot(pictures, f"pairs-end-{theme.split()[1].lower()}-480", marker)
    assert [label for _, label, _ in stored(sheet)][:2] == [left(0), "tie"]
