"""The widgets together: what is selected on the map goes to the marker, the table and Python."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, only_in, wait_for
from tests.browser.test_explorer import EXPLORE, START

pytestmark = pytest.mark.browser


def test_a_selection_goes_to_the_marker_and_marks_come_back(
    open_notebook: Open,
) -> None:
    made = [
        "%synth marks reviews\nprint(len(reviews_kept), sorted(set(reviews_kept['topic'])))",
        "print(len(reviews_explorer.selected), type(reviews_explorer.selected).__name__)",
    ]
    sheet = open_notebook(START, "%synth mark reviews --by ana", EXPLORE, *made)
    for index in range(3):
        sheet.run(index)
    before = sheet.sources()
    marker = sheet.page.locator(".sk-marker")
    explorer = sheet.page.locator(".sk-explorer")
    explorer.get_by_role("button", name="select all of soup").click()
    expect(explorer.get_by_text("40 selected")).to_be_visible()
    explorer.get_by_role("button", name="Mark m").click()
    expect(marker).to_contain_text("a cold soup that nobody wanted")
    expect(marker).to_contain_text("Showing only the 40 rows selected elsewhere.")
    marker.get_by_role("button", name="Accept a").click()
    expect(marker).to_contain_text("1/120")
    sheet.page.keyboard.press("a")
    expect(marker).to_contain_text("2/120")
    marker.get_by_role("button", name="Show all other rows").click()
    expect(marker).not_to_contain_text("selected elsewhere")
    sheet.run(3)
    sheet.run(4)
    expect(sheet.cell(3)).to_contain_text("2 ['soup']")
    expect(sheet.cell(4)).to_contain_text("40 DataFrame")
    # Shift+Enter on the last cell adds one, as it does for everyone
    assert sheet.sources() == [*before, ""]

    # no table is open, so the cell that opens one is put below
    explorer.get_by_role("button", name="Show o").click()
    wait_for(lambda: len(sheet.sources()) == len(before) + 2, "the cell")
    assert sheet.sources()[3] == "%synth show reviews_selected"
    sheet.run(3)
    expect(sheet.page.locator(".sk-preview")).to_contain_text(re.compile("40 rows"))


def test_a_live_map_is_a_plotly_figure(open_notebook: Open) -> None:
    sheet = open_notebook(START, f"{EXPLORE} --live --colour topic")
    sheet.run_all()
    expect(sheet.cell(1).locator(".js-plotly-plot")).to_be_visible()
    expect(sheet.cell(1)).to_contain_text("about 5 MB")


LAYOUT = """(node) => [...node.querySelectorAll("th, td, button, input, .sk-head, .sk-tools")]
    .map((one) => [getComputedStyle(one), one.getBoundingClientRect()])
    .map(([style, box]) => [style.padding, style.font, style.color, box.width, box.height])
"""


@only_in("notebook")
def test_no_widget_changes_how_another_one_looks(open_notebook: Open) -> None:
    others = ["%synth session", "%synth mark reviews --by ana", EXPLORE]
    sheet = open_notebook(START, "%synth show reviews", *others, height=2600)
    sheet.run(0)
    sheet.run(1)
    table = sheet.page.locator(".sk-preview")
    expect(table.locator("th [aria-description]").nth(1)).to_be_visible()
    sheet.page.mouse.move(0, 0)
    before = table.evaluate(LAYOUT)
    assert len(before) > 40
    for cell, root in enumerate((".sk-session", ".sk-marker", ".sk-explorer"), 2):
        sheet.run(cell)
        expect(sheet.page.locator(root)).to_be_visible()
        assert table.evaluate(LAYOUT) == before, root


@only_in("lab")
def test_a_kernel_that_runs_a_cell_is_not_gone(open_notebook: Open) -> None:
    wait = """
import time
from pathlib import Path
print("started")
while not Path("go").exists(): time.sleep(0.05)
"""
    sheet = open_notebook(START, "%synth mark reviews --by bea", wait)
    # an app that cannot send messages to a subshell of the kernel
    sheet.page.evaluate(
        """() => {
            const { context } = window.jupyterapp.shell.currentWidget;
            context.sessionContext.session.kernel.commsOverSubshells = "disabled";
        }"""
    )
    (sheet.path.parent / "go").unlink(missing_ok=True)
    sheet.run(0)
    sheet.run(1)
    marker = sheet.page.locator(".sk-marker")
    marker.get_by_role("button", name="Accept a").click()
    expect(marker).to_contain_text("1/120")
    sheet.run(2, wait=False)
    expect(sheet.cell(2).locator(".jp-OutputArea-output")).to_contain_text("started")
    marker.get_by_role("button", name="Accept a").click()
    expect(marker.get_by_text("The kernel is busy: 1 key waits")).to_be_visible()
    # without beats the widget would take the kernel for gone after 8 to 10 seconds of silence
    sheet.page.wait_for_timeout(11_000)
    expect(marker.get_by_text("The kernel is busy: 1 key waits")).to_be_visible()
    expect(marker.get_by_text("The kernel is gone")).to_have_count(0)
    (sheet.path.parent / "go").touch()
    expect(marker).to_contain_text("2/120")
