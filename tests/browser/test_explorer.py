"""The explorer in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import (
    Open,
    expect_gone,
    focus_if_there,
    has_focus,
    only_in,
    serious_violations,
    wait_for,
)

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

START = r"""
%load_ext synthkit
import hashlib
import numpy as np
import pandas as pd

class Words:
    name = "words"
    def embed(self, texts):
        return np.array([self.mean(text) for text in texts], np.float32)
    def mean(self, text):
        return sum([self.vector(w) for w in text.lower().split()], np.zeros(16)) / 8
    def vector(self, word):
        seed = int(hashlib.md5(word.encode("utf-8", "replace")).hexdigest()[:8], 16)
        return np.random.default_rng(seed).normal(size=16)

words = Words()
FOODS = {"bread": "the warm bread with salted butter", "soup": "a cold soup that nobody wanted",
         "wine": "one long list of wines by the glass"}
ENDS = ["again", "and nobody said sorry", "as always", "for an hour", "to our delight"]

def table(n):
    foods = list(FOODS)
    return pd.DataFrame([
        {"id": f"r{i}", "topic": foods[i % 3], "stars": 1 + i * 7 % 5,
         "text": f"{FOODS[foods[i % 3]]} {ENDS[i % 5]} {ENDS[i * 3 % 4]} {i % 11}"}
        for i in range(n)
    ])
reviews = table(120)
"""
EXPLORE = "%synth explore reviews --embedder words"


def widget(sheet: Any) -> Locator:
    """The only explorer of a notebook, with its points drawn."""
    locator: Locator = sheet.page.locator(".sk-explorer").first
    locator.locator(".sk-x-map path.sk-x-rest").first.wait_for(state="attached")
    return locator


def selected(sheet: Any, cell: int) -> str:
    """What a cell that looks at the selection prints."""
    sheet.run(cell)
    return str(sheet.cell(cell).locator(".jp-OutputArea-output").inner_text()).strip()


COLUMNS = """(node) =>
    getComputedStyle(node.querySelector(".sk-x-body")).gridTemplateColumns.split(" ").length
"""


def drag(sheet: Any, explorer: Locator, *corners: tuple[float, float], shift: bool = False) -> None:
    """Draw on the map with the mouse; corners in shares of its width and height."""
    chart = explorer.locator(".sk-x-map")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in corners]
    if shift:
        sheet.page.keyboard.down("Shift")
    sheet.page.mouse.move(*places[0])
    sheet.page.mouse.down()
    for place in places[1:]:
        sheet.page.mouse.move(*place, steps=5)
    sheet.page.mouse.up()
    if shift:
        sheet.page.keyboard.up("Shift")


def count_selected(explorer: Locator) -> int:
    return int(explorer.locator(".sk-x-acts strong").inner_text().split()[0])


def test_by_mouse_in_both_themes_and_at_each_width(open_notebook: Open, pictures: Path) -> None:
    ids = "print(sorted(set(reviews_explorer.selected.topic)), len(reviews_explorer.selected_ids))"
    sheet = open_notebook(START, EXPLORE, ids, width=1600, height=1300)
    sheet.run_all()
    explorer = widget(sheet)
    explorer.scroll_into_view_if_needed()
    drag(sheet, explorer, (0.0, 0.0), (0.35, 0.0), (0.35, 1.0), (0.0, 1.0))
    expect(explorer.locator(".sk-x-acts strong")).not_to_have_text("0 selected")
    lassoed = count_selected(explorer)
    explorer.get_by_role("button", name="Rectangle").click()
    drag(sheet, explorer, (0.6, 0.02), (0.98, 0.98), shift=True)
    expect(explorer.locator(".sk-x-acts strong")).not_to_have_text(f"{lassoed} selected")
    assert count_selected(explorer) > lassoed
    explorer.get_by_role("button", name="Clear").click()
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("0 selected")
    explorer.get_by_role("button", name="select all of soup").click()
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("40 selected")
    assert selected(sheet, 2) == "['soup'] 40"
    cells = explorer.locator(".sk-x-table").nth(1).locator("tbody tr").nth(1).locator("td")
    assert cells.nth(1).inner_text() == "40"
    # a hidden group is neither drawn nor selected
    explorer.get_by_role("button", name="soup 40", exact=True).click()
    expect(explorer.locator("path.sk-hue-1.sk-x-own")).to_have_count(0)
    drag(sheet, explorer, (0.002, 0.002), (0.998, 0.998))
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("80 selected")
    explorer.get_by_role("button", name="soup 40", exact=True).click()
    explorer.get_by_role("button", name="select all of soup").hover()
    explorer.get_by_role("button", name="the warm bread").first.click()
    expect(explorer.locator(".sk-x-cells")).to_contain_text("stars")
    for theme in ["Light", "Dark"]:
        sheet.change_theme(f"JupyterLab {theme}")
        assert serious_violations(sheet.page, ".sk-explorer") == []
        for width in [480, 1600] if sheet.server.app == "notebook" else [1100, 1600]:
            sheet.page.set_viewport_size({"width": width, "height": 1300})
            columns = 2 if width == 1600 else 1
            wait_for(lambda n=columns: explorer.evaluate(COLUMNS) == n, "the layout")
            assert explorer.evaluate("(node) => node.scrollWidth <= node.clientWidth")
            sheet.screenshot(pictures, f"explorer-{theme.lower()}-{width}", explorer)
    explorer.locator("select").select_option("stars")
    expect(explorer.locator(".sk-x-scale .sk-x-entry")).to_have_count(5)
    sheet.screenshot(pictures, "explorer-scale", explorer)
    twin = sheet.cell(1).locator(".jp-OutputArea-output").last
    sheet.screenshot(pictures, "explorer-static", twin)


@only_in("lab")
def test_rows_at_one_point_are_counted_and_all_can_be_read(open_notebook: Open) -> None:
    same = "reviews['text'] = [FOODS[food] for food in reviews.topic]; reviews.shape"
    sheet = open_notebook(START, same, EXPLORE, width=1600, height=1300)
    sheet.run_all()
    explorer = widget(sheet)
    sizes = explorer.locator(".sk-x-sizes text")
    expect(sizes).to_have_text(["40", "40", "40"])
    chart = explorer.locator(".sk-x-map")
    chart.focus()
    sheet.press("ArrowRight", "ArrowDown", " ")
    expect(explorer.locator(".sk-x-row")).to_contain_text("one of 40 rows at this point")
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("40 selected")
    expect(explorer.locator(".sk-x-item")).to_have_count(40)
    explorer.locator(".sk-x-item").nth(7).click()
    expect(explorer.locator(".sk-x-cells")).to_contain_text("r")
    chart.focus()
    sheet.press("Escape", " ")
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("0 selected")
    number = sizes.first.bounding_box()
    assert number
    # the point is at the lower left of its number
    sheet.page.mouse.click(number["x"] - 6, number["y"] + number["height"])
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("40 selected")


@only_in("notebook")
def test_a_finger_selects_and_reads(open_notebook: Open) -> None:
    sheet = open_notebook(START, EXPLORE, width=800, height=1300, touch=True)
    sheet.run_all()
    explorer = widget(sheet)
    chart = explorer.locator(".sk-x-map")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box
    finger = sheet.page.context.new_cdp_session(sheet.page)
    corners = [(0.01, 0.01), (0.99, 0.01), (0.99, 0.99), (0.01, 0.99), (0.01, 0.05)]
    for kind, places in [
        ("touchStart", corners[:1]),
        *(("touchMove", [corner]) for corner in corners[1:]),
        ("touchEnd", []),
    ]:
        points = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in places
        ]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    selected = explorer.locator(".sk-x-acts strong")
    expect(selected).to_have_text("120 selected")
    clear = explorer.get_by_role("button", name="Clear")
    # the browser drops a tap that comes too soon after the lasso
    wait_for(lambda: clear.tap() or selected.inner_text() == "0 selected", "no selection")
    explorer.get_by_role("button", name="select all of bread").tap()
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("40 selected")
    explorer.locator(".sk-x-item").first.tap()
    expect(explorer.locator(".sk-x-row")).to_contain_text("the warm bread")
    explorer.get_by_role("button", name="Nearest").tap()
    expect(explorer.get_by_text("Nearest by cosine")).to_be_visible()


def test_by_keyboard_alone_and_no_key_reaches_the_notebook(open_notebook: Open) -> None:
    sheet = open_notebook(START, EXPLORE, "reviews_explorer.selected_ids")
    sheet.run_all()
    explorer = widget(sheet)
    before = sheet.sources()
    press = sheet.page.keyboard.press
    chart = explorer.locator(".sk-x-map")
    explorer.locator("select").focus()
    while not chart.evaluate("(node) => node === document.activeElement"):
        press("Tab")
    row = explorer.locator(".sk-x-row")
    expect(explorer.locator(".sk-x-cursor")).to_have_attribute("d", re.compile("^M"))
    read = set()
    for arrow in ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowRight"]:
        place = explorer.locator(".sk-x-cursor").get_attribute("d") or ""
        press(arrow)
        expect(explorer.locator(".sk-x-cursor")).not_to_have_attribute("d", place)
        read.add(row.inner_text())
    assert len(read) > 2
    press(" ")
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("1 selected")
    press("Enter")
    expect(explorer.locator(".sk-x-cells")).to_contain_text("topic")
    press("n")
    expect(explorer.locator(".sk-x-likeness")).to_have_count(10)
    press("Escape")
    press("Escape")
    expect(explorer.locator(".sk-x-likeness")).to_have_count(0)
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("1 selected")
    press("/")
    sheet.page.keyboard.type("topic = wine and stars > 3")
    press("Enter")
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("16 selected")
    sheet.page.keyboard.type(" and")
    press("Enter")
    expect(explorer.get_by_role("alert")).to_contain_text("expected")
    press("Escape")
    expect(chart).to_be_focused()
    # what is found takes the place of the nearest rows
    press("n")
    expect(explorer.locator(".sk-x-likeness")).to_have_count(10)
    press("/")
    explorer.locator("input").fill("topic = wine and stars > 3")
    press("Enter")
    expect(explorer.locator(".sk-x-likeness")).to_have_count(0)
    press("Escape")
    press("z")
    expect(explorer.get_by_text("16 points shown, of 120")).to_be_visible()
    press("z")
    expect(explorer.get_by_text("120 points shown")).to_be_visible()

    # all but the two that put a cell below, which is what they are for
    buttons = explorer.locator("button:visible").filter(
        has_not_text=re.compile("^(Mark m|Show o)$")
    )
    others = buttons.or_(explorer.locator(".sk-x-row, .sk-x-list"))
    keys = [*"abcdefghijklnpqrstuvwxyz", "X", "D", "0", "9", "?", "Delete", "Backspace", "Enter"]
    keys += ["Escape", "ArrowUp", "ArrowDown", "Shift+Enter", "Shift+M"]
    places = [(chart, 0), *((others, n) for n in range(0, others.count(), 5))]
    for at, (place, n) in enumerate([*places, (explorer.locator("input"), 0)]):
        focus_if_there(place, n)
        for key in keys if at < 2 else [*"xxddabz", "Escape", "Enter", "Backspace"]:
            press(key)
            assert has_focus(explorer), (at, key)
    assert sheet.sources() == before

    chart.focus()
    press("Escape")
    press("Escape")
    press("/")
    explorer.locator("input").fill("stars = 5")
    press("Enter")
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("24 selected")
    press("Escape")
    press("o")
    wait_for(lambda: len(sheet.sources()) == 4, "the offered cell")
    wait_for(lambda: sheet.sources()[2] == "%synth show reviews_selected", "its text")


def test_hostile_rows_a_reload_and_a_kernel_that_is_gone(
    open_notebook: Open, pictures: Path
) -> None:
    source = r"""
bad = table(60)
bad.loc[0, "text"] = ("<img src=x onerror='document.title=1'></script>"
    "<script>document.title=1</script>")
bad.loc[1, "text"] = "zero\u200bwidth \x1b[31mred \u202egnp.exe"
bad.loc[2, "text"] = "long " * 200_000
bad.loc[3, "topic"] = "<b onmouseover='document.title=1'>bold</b>"
bad = bad.rename(columns={"stars": "<i>stars</i>"})
"""
    wait = """
import time
from pathlib import Path
from synthkit.notebook.widgets.explorer.widget import Explorer
display(Explorer(bad, name="again", embedder=words))
while not Path("go").exists(): time.sleep(0.05)
"""
    sheet = open_notebook(START + source, EXPLORE.replace("reviews", "bad"), wait)
    (sheet.path.parent / "go").unlink(missing_ok=True)
    sheet.run(0)
    sheet.save()
    before = sheet.path.stat().st_size
    sheet.run(1)
    explorer = widget(sheet)
    explorer.locator("input").fill("document.title")
    explorer.locator("input").press("Enter")
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("2 selected")
    explorer.locator(".sk-x-item").first.click()
    expect(explorer.locator(".sk-x-row .sk-cell").first).to_have_text(
        "<img src=x onerror='document.title=1'></script><script>document.title=1</script>"
    )
    expect(explorer.locator(".sk-x-cells")).to_contain_text("<i>stars</i>")
    explorer.locator("input").fill("zero")
    explorer.locator("input").press("Enter")
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("1 selected")
    expect(explorer.locator(".sk-x-item")).to_have_text(
        ["zeroU+200Bwidth U+001B[31mred U+202Egnp.exe"]
    )
    explorer.locator("input").fill("long long")
    explorer.locator("input").press("Enter")
    expect(explorer.locator(".sk-x-item").filter(has_text="long")).to_contain_text(
        "1\u202f000\u202f000 characters"
    )
    explorer.locator(".sk-x-item").click()
    expect(explorer.locator(".sk-x-row")).to_contain_text(
        "first 100\u202f000 of 1\u202f000\u202f000"
    )
    assert explorer.locator("img, script, b, i").count() == 0
    assert sheet.page.title() != "1"

    sheet.save()
    grown = sheet.path.stat().st_size - before
    print(f"the notebook grew by {grown} bytes")
    assert grown < 100_000
    sheet.page.reload()
    explorer = widget(sheet)
    expect(explorer.locator(".sk-x-acts strong")).to_have_text("1 selected")

    sheet.run(2, wait=False)
    waiting = sheet.cell(2).locator(".sk-explorer")
    expect(waiting.get_by_text("Waiting for the points: the kernel is busy")).to_be_visible()
    (sheet.path.parent / "go").touch()
    expect(waiting.get_by_text("60 points shown")).to_be_visible()

    sheet.command("notebook:shutdown-kernel")
    expect_gone(explorer)
    explorer.locator(".sk-x-map").focus()
    sources = sheet.sources()
    for key in ["ArrowRight", "x", "x", "Escape", "n", "o"]:
        sheet.page.keyboard.press(key)
    assert sheet.sources() == sources
    sheet.screenshot(pictures, "explorer-gone", explorer)
    # what stays in the file stands alone: a table, and an image that runs nothing
    twin = sheet.cell(1).locator(".jp-OutputArea-output").last
    expect(twin).to_contain_text("bad: 60 points, coloured by topic")
    size = "(node) => node.complete && node.naturalWidth"
    assert twin.locator("img").evaluate(size) > 0
