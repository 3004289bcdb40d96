"""The session browser in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import (
    Open,
    each_theme,
    expect_gone,
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
import synthkit as sk
from synthkit.core.types import Mark
%config SynthMagics.folder = "{folder}"
here = sk.session("{folder}")
fake = sk.Fake(name="fake-1", price=(100.0, 200.0))
seeds = sk.generate("Name {{{{ n }}}}.", rows={{"n": list(range(8))}}, model=fake, session=here,
                    name="seeds").table
replies = sk.generate("Answer {{{{ text }}}} in {{{{ tone }}}} words.", rows=seeds.iloc[:5],
                      vary={{"tone": ["warm", "dry"]}}, output="reply", model=fake,
                      session=here, name="replies").table
here.save("good", replies.iloc[:4])
here.save("few", replies.iloc[:2])
here.store.marks.add([Mark(id=id, label="accept", by="ana") for id in replies["id"][:6]]
                     + [Mark(id=replies["id"][7], label="reject", by="ana")])
"""
RUN = """%%synth replies2 --model fake --from seeds --temperature 1
Answer {{ text }} in a few dry words."""
SHOW = "%synth session"
MORE = 'sk.generate("More.", model=fake, session=here, n=3, name="more"); here.names()'


def browser(sheet: Any) -> Locator:
    """The only session browser of a notebook."""
    located: Locator = sheet.page.locator(".sk-session")
    located.wait_for()
    return located


def opened(open_notebook: Open, folder: str, *more: str, **window: Any) -> Any:
    sheet = open_notebook(START.format(folder=folder), RUN, SHOW, *more, **window)
    for n in range(3):
        sheet.run(n)
    expect(browser(sheet).locator("tr[data-at]").first).to_be_visible()
    return sheet


def tab(widget: Locator, name: str) -> Locator:
    return widget.get_by_role("tab", name=re.compile(f"^{name}"))


def row(widget: Locator, which: Any) -> Locator:
    """The row of a run or a table on the page that is open."""
    return widget.locator(f"tr[data-which='{json.dumps(which)}']:visible")


@each_theme
def test_it_reads_well_and_breaks_no_rule_of_access(
    open_notebook: Open, pictures: Path, theme: str
) -> None:
    name = theme.split()[1].lower()
    sheet = opened(open_notebook, f"looks-{name}", theme=theme, height=1400)
    widget = browser(sheet)
    for width in (1100, 480):
        sheet.page.set_viewport_size({"width": width, "height": 1400})
        if width == 480 and sheet.server.app == "lab":
            sheet.command("application:toggle-left-area")
        for n, page in enumerate(["Runs", "Tables", "Marks", "Cost", "Export"]):
            tab(widget, page).click()
            sheet.screenshot(pictures, f"session-{page.lower()}-{width}-{name}", widget)
            assert widget.evaluate("(node) => node.scrollWidth <= node.clientWidth"), (n, width)
            if page == "Tables" and width == 1100:
                lineage = widget.locator(".sk-session-lineage svg")
                scale = "(node) => node.getBoundingClientRect().width / node.viewBox.baseVal.width"
                assert 0.7 < lineage.evaluate(scale) < 1
            if width == 1100:
                assert serious_violations(sheet.page, ".sk-session") == []
    sheet.page.set_viewport_size({"width": 1100, "height": 1400})
    tab(widget, "Runs").click()
    row(widget, 2).get_by_role("button", name=re.compile("^Compare")).click()
    row(widget, 3).get_by_role("button", name=re.compile("^Compare")).click()
    expect(widget.locator(".sk-session-compared ins").first).to_be_visible()
    row(widget, 3).get_by_role("button", name=re.compile("^Delete")).click()
    expect(widget.get_by_text("It cannot be undone.")).to_be_visible()
    assert serious_violations(sheet.page, ".sk-session") == []
    sheet.screenshot(pictures, f"session-asked-{name}", widget)
    sheet.page.set_viewport_size({"width": 480, "height": 1400})
    sheet.screenshot(pictures, f"session-asked-480-{name}", widget)


KEYS = [*"abefghijklmnpqstuvwxyz", "Shift+A", "Shift+D", "Shift+M", "0", "9", "Enter", "Backspace"]
KEYS += ["Delete", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Home", "PageDown", "Escape"]


def test_by_keyboard_alone_and_no_key_reaches_the_notebook(open_notebook: Open) -> None:
    sheet = opened(open_notebook, "keyboard")
    widget, keyboard = browser(sheet), sheet.page.keyboard
    before = sheet.sources()

    # whatever is pressed, wherever the focus is
    tab(widget, "Tables").focus()
    for n, place in enumerate(
        ["[role=tab]:first-child", ".sk-session-node", "[data-focus=refresh]"]
    ):
        keyboard.press("2")
        widget.locator(place).first.focus()
        for key in [*KEYS, *"oc"] if n != 1 else KEYS:
            keyboard.press(key)
            assert has_focus(widget), (place, key)
    tab(widget, "Export").focus()
    keyboard.press("Enter")
    field = widget.get_by_label("file to write")
    field.focus()
    field.press("End")
    for key in [*"abdxzoc1r?", "Escape", "ArrowUp"]:
        keyboard.press(key)
        assert has_focus(widget), key
    expect(field).to_have_value("keyboard.zipabdxzoc1r?")
    assert sheet.sources() == before

    # the arrows go along the edges of the lineage, and Enter to the table's row
    tab(widget, "Export").focus()
    keyboard.press("2")
    for key in ["ArrowRight", "ArrowRight", "ArrowLeft"]:
        if key == "ArrowRight" and not widget.locator(".sk-session-node:focus").count():
            widget.locator(".sk-session-node[data-name=seeds]").focus()
        keyboard.press(key)
    expect(widget.locator(".sk-session-node[data-name=replies]")).to_be_focused()
    keyboard.press("Enter")
    expect(row(widget, "replies").get_by_role("button").first).to_be_focused()
    assert has_focus(widget)

    # compare: two rows, then close
    keyboard.press("m")
    keyboard.press("ArrowUp")
    keyboard.press("m")
    expect(widget.locator(".sk-session-compared")).to_contain_text("rows in common")
    keyboard.press("Escape")
    expect(widget.locator(".sk-session-compared")).to_be_hidden()

    # delete: it is said first, Escape keeps, and the second press deletes
    keyboard.press("1")
    keyboard.press("Tab")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    expect(row(widget, 2).get_by_role("button").first).to_be_focused()
    keyboard.press("d")
    sure = widget.get_by_role("button", name="Delete permanently")
    expect(sure).to_be_focused()
    expect(widget.get_by_text("This deletes run 2, table replies with 10 rows")).to_be_visible()
    for key in "axzm":
        keyboard.press(key)
    keyboard.press("Escape")
    expect(row(widget, 2).get_by_role("button", name="Delete")).to_be_focused()
    expect(sure).to_be_hidden()
    assert sheet.sources() == before
    keyboard.press("d")
    expect(sure).to_be_focused()
    keyboard.press("d")
    expect(widget.get_by_text("✓ Deleted: run 2, table replies with 10 rows")).to_be_visible()
    expect(row(widget, 2)).to_have_count(0)
    assert has_focus(widget)
    keyboard.press("x")
    assert sheet.sources() == before

    # the cell that made a run, into a new cell
    keyboard.press("1")
    keyboard.press("Tab")
    keyboard.press("ArrowDown")
    keyboard.press("Home")
    keyboard.press("c")
    wait_for(lambda: len(sheet.sources()) == len(before) + 1, "a new cell")
    wait_for(lambda: sheet.sources()[3] == RUN, "the cell's text")


def test_by_mouse_alone_and_after_a_reload_and_without_a_kernel(
    open_notebook: Open, pictures: Path
) -> None:
    evil = "<img src=x onerror='document.title=1'></script>\\u202e\\u200b\\x1b[31m"
    hostile = f"""
here.store.runs.add("{evil}" + "x" * 1_000_000, "<b>model</b>", "p", 0, sk.core.models.Ledger())
here.store.marks.add([Mark(id="z", label="<i>label</i>", by="{evil}")])
good = 7
"""
    sheet = opened(open_notebook, "mouse", hostile, "here.names(), type(good).__name__")
    widget = browser(sheet)
    sheet.run(3)
    widget.get_by_role("button", name="Refresh").click()
    expect(widget.get_by_text("4 runs")).to_be_visible()
    expect(row(widget, 4)).to_contain_text(
        "<img src=x onerror='document.title=1'></script>U+202EU+200BU+001B[31m"
    )
    tab(widget, "Marks").click()
    expect(widget.get_by_text("<i>label</i>")).to_be_visible()
    assert widget.locator("img, script, b, i").count() == 0
    assert sheet.page.title() != "1"

    # reopen: asked, since the variable holds something else; then a cell below
    tab(widget, "Tables").click()
    row(widget, "good").get_by_role("button", name="Reopen").click()
    expect(widget.get_by_text("good is a int now.")).to_be_visible()
    count = len(sheet.sources())
    widget.get_by_role("button", name="Replace").click()
    wait_for(lambda: "%synth show good" in sheet.sources(), "the cell")
    assert len(sheet.sources()) == count + 1
    row(widget, "few").get_by_role("button", name="Delete").click()
    widget.get_by_role("button", name="Delete permanently").click()
    expect(row(widget, "few")).to_have_count(0)
    sheet.run(5)
    expect(sheet.cell(5).locator(".jp-OutputArea-output")).to_have_text(
        "(['good', 'replies', 'replies2', 'seeds'], 'DataFrame')"
    )

    # out and in again
    tab(widget, "Export").click()
    widget.get_by_role("button", name="Export", exact=True).click()
    expect(widget.get_by_text(re.compile("✓ Written: .*mouse.zip"))).to_be_visible()
    widget.get_by_role("button", name="Export", exact=True).click()
    expect(widget.get_by_role("alert")).to_contain_text("mouse.zip exists already")
    widget.get_by_label("file to read").fill("mouse.zip")
    widget.get_by_role("button", name="Import", exact=True).click()
    expect(widget.get_by_text("✓ Imported: nothing new.")).to_be_visible()
    expect(sheet.cell(2).locator(".synthkit-static")).to_contain_text("tables: good, replies,")

    sheet.save()
    sheet.page.reload()
    widget = browser(sheet)
    expect(row(widget, 3)).to_be_visible()
    tab(widget, "Tables").click()
    expect(widget.locator(".sk-session-node")).to_have_count(4)
    sheet.command("notebook:shutdown-kernel")
    expect_gone(widget)
    expect(row(widget, "good").get_by_role("button", name="Delete")).to_have_attribute(
        "aria-disabled", "true"
    )
    row(widget, "good").get_by_role("button", name="Delete").click(force=True)
    expect(widget.get_by_role("button", name="Delete permanently")).to_be_hidden()
    sheet.screenshot(pictures, "session-gone", widget)


@only_in("lab")
def test_ten_thousand_runs_are_scrolled_through_and_leave_the_notebook_small(
    open_notebook: Open, server: Any
) -> None:
    source = """
%load_ext synthkit
import json, sqlite3, synthkit as sk
from contextlib import closing
from dataclasses import asdict
%config SynthMagics.folder = "many"
sk.session("many")
with closing(sqlite3.connect("many/store.sqlite")) as db, db:
    book = json.dumps(asdict(sk.core.models.Ledger(requests=3, cost=0.01)))
    db.executemany("INSERT INTO runs (name, model, prompt, at, rows, ledger) VALUES (?,?,?,?,?,?)",
                   [("some", "m", "p", 1e9 + n, 3, book) for n in range(10_000)])
"""
    server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=True)
    try:
        sheet = open_notebook(source, "", "%synth session many")
        sheet.run(0)
        before = len(json.dumps(sheet.save()))
        sheet.run(2)
        widget = browser(sheet)
        expect(row(widget, 10_000)).to_be_visible()
        row(widget, 10_000).get_by_role("button").first.focus()
        sheet.page.keyboard.press("End")
        last = row(widget, 1).get_by_role("button").first
        expect(last).to_be_focused()
        expect(last).to_be_in_viewport()
        widget.locator(".sk-body:visible").evaluate("(node) => { node.scrollTop /= 2; }")
        expect(row(widget, 5_001)).to_be_visible()
        assert widget.locator("tr[data-at]").count() <= 40
        widget.get_by_role("button", name="run", exact=True).click()
        expect(row(widget, 1)).to_be_visible()
        widget.get_by_label("search the runs").fill("9999")
        expect(row(widget, 9_999)).to_be_visible()
        # the number of one run is part of the time of another
        expect(widget.locator("tr[data-which]:visible")).to_have_count(2)
        grown = len(json.dumps(sheet.save())) - before
    finally:
        server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=False)
    print(f"the notebook grew by {grown} bytes")
    assert grown < 100_000
