"""The marker in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import string
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import (
    Open,
    each_app,
    each_theme,
    expect_gone,
    has_focus,
    only_in,
    serious_violations,
    wait_for,
)
from tests.browser.marking import tab_to_stage, with_session

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

TABLE = """
%load_ext synthkit
%config SynthMagics.folder = "{folder}"
import pandas as pd
TEXTS = [
    "We waited an hour for cold soup, and nobody said sorry.",
    "The bread was still warm and the butter salted; we asked for a second basket, and a third.",
    "Friendly staff.",
    "A long list of wines by the glass, and a waiter who knew each of them by heart. " * 4,
]
reviews = pd.DataFrame({{
    "id": [f"r{{i}}" for i in range({n})],
    "sentiment": [("negative", "positive")[i % 2] for i in range({n})],
    "topic": [("service", "bread", "wine")[i % 3] for i in range({n})],
    "text": [f"{{TEXTS[i % 4]}} (row {{i}})" for i in range({n})],
}})
"""
MARK = "%synth mark reviews --by ana"


def opened(open_notebook: Open, line: str = MARK, *, n: int = 60, **window: Any) -> Any:
    """A notebook with a marker in its second cell, and a session of its own."""
    sheet = with_session(open_notebook, TABLE, line, "1 + 1", n=n, **window)
    sheet.run_all()
    return sheet


def widget(sheet: Any) -> Locator:
    """The only marker of a notebook."""
    locator: Locator = sheet.page.locator(".sk-marker")
    locator.wait_for()
    return locator


def stored(sheet: Any) -> list[tuple[str, str]]:
    """(row, label) of every mark on disk, in order."""
    with closing(sqlite3.connect(sheet.store)) as db:
        return list(db.execute("SELECT row, label FROM marks ORDER BY seq"))


def test_everything_can_be_done_with_the_keyboard(open_notebook: Open) -> None:
    sheet = opened(open_notebook, MARK + " --reasons 'too short,off topic'")
    marker = widget(sheet)
    made, text = marker.locator(".sk-made"), marker.locator(".sk-mark-text")
    before = sheet.sources()
    tab_to_stage(sheet)
    sheet.press("a", "x", "2", "Space", "a", "u", "U")
    expect(made).to_have_text("4/60")
    # a form that opens late must not lose what was typed for it, nor take it for commands
    sheet.press("c")
    sheet.page.keyboard.type("axu")
    expect(made).to_have_text("4/60")
    marker.get_by_label("reason or comment").fill("a xylophone")
    sheet.press("Enter")
    expect(marker.locator(".sk-mark-said")).to_have_text("a xylophone")
    sheet.press("e")
    marker.get_by_label("edit text").fill("Better x a.")
    sheet.press("Control+Enter")
    expect(text).to_have_text("Better x a.")
    expect(marker.locator(".sk-mark-original")).to_contain_text("edited; original: We waited")
    sheet.press("e")
    marker.get_by_label("edit text").fill("never kept")
    sheet.press("Escape")
    expect(text).to_have_text("Better x a.")
    sheet.press("f", "a", "Backspace", "Backspace")
    expect(text).to_contain_text("(row 3)")
    sheet.press("ArrowRight", "ArrowRight")
    expect(text).to_contain_text("(row 5)")
    sheet.press("/")
    sheet.page.keyboard.type("WINE")
    sheet.press("Enter")
    expect(text).to_contain_text("(row 5)")
    sheet.press("b")
    expect(marker.get_by_text("Mark 30 matching rows")).to_be_visible()
    sheet.press("a", "Tab", "Tab", "Enter")
    expect(made).to_have_text("33/60")
    sheet.press("u")
    expect(made).to_have_text("5/60")
    sheet.press("?")
    expect(marker.get_by_text("undo the last mark")).to_be_visible()
    sheet.press("Escape", "p")
    expect(marker.get_by_text("no request of this session has this id")).to_be_visible()
    sheet.press("p")
    assert sheet.sources() == before
    standing = [label for _, label in stored(sheet)[:4]]
    assert standing == ["accept", "reject", "skip", "accept"]
    sheet.run(2)
    twin = sheet.cell(1).locator(".synthkit-static")
    expect(twin).to_contain_text("5 of 60 rows marked; 3 accept")


def test_everything_can_be_done_with_the_mouse(open_notebook: Open) -> None:
    sheet = opened(open_notebook)
    marker = widget(sheet)
    made, text = marker.locator(".sk-made"), marker.locator(".sk-mark-text")

    def click(name: str) -> None:
        marker.get_by_role("button", name=name).first.click()

    click("Accept a")
    click("Reject x")
    click("Skip space")
    expect(made).to_have_text("3/60")
    # the keys go on after a click, and the space bar is not a second click
    sheet.press("Space")
    expect(made).to_have_text("4/60")
    assert [label for _, label in stored(sheet)] == ["accept", "reject", "skip", "skip"]
    click("Undo u")
    click("Redo U")
    click("Flag f")
    expect(marker.locator(".sk-mark-said")).to_have_text("⚑ flagged")
    click("Edit e")
    marker.get_by_label("edit text").fill("By hand.")
    click("Save Ctrl+Enter")
    expect(text).to_have_text("By hand.")
    click("✗ rejected 1")
    expect(text).to_contain_text("(row 1)")
    click("all 60")
    marker.locator(".sk-mark-entry").last.click()
    expect(text).to_contain_text("(row 0)")
    click("Reject x")
    expect(text).to_have_text("By hand.")
    click("unmarked 56")
    click("Mark all…")
    click("Accept 56 rows")
    expect(marker.get_by_text("✓ All 60 rows are marked.")).to_be_visible()
    before = sheet.sources()
    click("Insert it as a new cell")
    wait_for(lambda: "%synth marks reviews" in sheet.sources(), "a new cell")
    assert sheet.sources() == [*before[:2], "%synth marks reviews", *before[2:]]
    heights = marker.locator("button:visible").evaluate_all(
        "(nodes) => nodes.map((node) => node.getBoundingClientRect().height)"
    )
    assert min(heights) >= 28


@only_in("notebook")
def test_everything_can_be_done_by_touch(open_notebook: Open, pictures: Path) -> None:
    line = MARK + " --reasons 'too short,off topic' --labels good,fair"
    sheet = opened(open_notebook, line, width=800, height=1100, touch=True)
    marker = widget(sheet)
    made, text = marker.locator(".sk-made"), marker.locator(".sk-mark-text")
    before = sheet.sources()

    def tap(name: str) -> None:
        marker.get_by_role("button", name=name).first.tap()

    tap("good 1")
    tap("fair 2")
    tap("Reject x")
    tap("off topic 2")
    expect(made).to_have_text("3/60")
    tap("Skip space")
    expect(made).to_have_text("4/60")
    assert [label for _, label in stored(sheet)] == ["good", "fair", "reject", "skip"]
    tap("Undo u")
    expect(made).to_have_text("3/60")
    tap("Redo U")
    expect(made).to_have_text("4/60")
    tap("Edit e")
    marker.get_by_label("edit text").tap()
    marker.get_by_label("edit text").fill("By finger.")
    tap("Save")
    expect(text).to_have_text("By finger.")
    tap("Reason c")
    tap("too short")
    tap("Flag f")
    said = marker.locator(".sk-mark-said")
    expect(said).to_contain_text("⚑ flagged")
    expect(said).to_contain_text("too short")
    sheet.screenshot(pictures, "marker-touch", marker)
    tap("Back")
    expect(text).to_contain_text("(row 3)")
    tap("Next")
    expect(text).to_have_text("By finger.")
    marker.locator(".sk-mark-entry").last.tap()
    expect(text).to_contain_text("(row 0)")
    tap("unmarked 56")
    tap("Mark all…")
    tap("good 56 rows")
    expect(marker.get_by_text("✓ All 60 rows are marked.")).to_be_visible()
    assert sheet.sources() == before


KEYS = [
    *string.ascii_lowercase,
    *(f"Shift+{letter}" for letter in "ABDMX"),
    *string.digits,
    *["Enter", "Backspace", "Delete", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Escape"],
    *["Control+z", "Shift+Enter"],
]


def test_no_key_ever_reaches_the_notebook(open_notebook: Open) -> None:
    sheet = opened(open_notebook)
    marker = widget(sheet)
    before = sheet.sources()
    places = [".sk-mark-stage", ".sk-mark-accept", ".sk-mark-chip", ".sk-mark-entry", ""]
    press_first = marker.get_by_role("button", name="Accept a")
    press_first.click()
    for place in places:
        (marker.locator(place).first if place else marker).focus()
        for key in KEYS:
            sheet.press(key)
            assert has_focus(marker), (place, key)
        sheet.press("Escape")
        assert has_focus(marker)
    assert sheet.sources() == before
    assert serious_violations(sheet.page, ".sk-marker") == []


CHORD = """(keys) => {
    for (const key of keys) {
        const init = { key, bubbles: true, cancelable: true };
        document.querySelector(".sk-mark-stage").dispatchEvent(new KeyboardEvent("keydown", init));
    }
}"""


@only_in("lab")
def test_keys_for_a_form_that_has_not_opened_yet_wait_for_it(open_notebook: Open) -> None:
    sheet = opened(open_notebook, MARK + " --reasons 'too short,off topic'")
    marker = widget(sheet)
    marker.locator(".sk-mark-stage").focus()
    sheet.page.evaluate(CHORD, ["a", "x", "2", "x", "Enter", "a", "x", "1", "c", "u", '"', "Enter"])
    expect(marker.locator(".sk-mark-said")).to_have_text('u"')
    expect(marker.locator(".sk-made")).to_have_text("5/60")
    with closing(sqlite3.connect(sheet.store)) as db:
        said = list(db.execute("SELECT row, label, reason FROM marks ORDER BY seq"))
    assert said == [
        ("r0", "accept", ""),
        ("r1", "reject", "off topic"),
        ("r2", "reject", ""),
        ("r3", "accept", ""),
        ("r4", "reject", "too short"),
        ("r5", "", 'u"'),
    ]


BURST = """([key, times]) => {
    const stage = document.querySelector(".sk-mark-stage");
    for (let n = 0; n < times; n++) {
        stage.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
    }
}"""
REPEAT = """() => {
    const stage = document.querySelector(".sk-mark-stage");
    const init = { key: "x", bubbles: true, cancelable: true };
    for (const more of [{ repeat: true }, { ctrlKey: true }, { isComposing: true }]) {
        stage.dispatchEvent(new KeyboardEvent("keydown", { ...init, ...more }));
    }
}"""


@only_in("lab")
def test_500_keys_at_once_give_500_marks_and_a_reload_goes_on(open_notebook: Open) -> None:
    sheet = opened(open_notebook, n=620)
    marker = widget(sheet)
    made = marker.locator(".sk-made")
    sheet.page.evaluate(BURST, ["a", 500])
    expect(made).to_have_text("500/620")
    assert stored(sheet) == [(f"r{i}", "accept") for i in range(500)]
    marker.locator(".sk-mark-stage").focus()
    sheet.page.evaluate(REPEAT)
    sheet.press("x")
    expect(made).to_have_text("501/620")
    sheet.save()
    sheet.page.reload()
    marker = widget(sheet)
    expect(marker.locator(".sk-mark-text")).to_contain_text("(row 501)")
    marker.locator(".sk-mark-stage").click()
    sheet.press("u", "u", "x")
    expect(marker.locator(".sk-made")).to_have_text("500/620")
    wait_for(lambda: len(stored(sheet)) == 504, "three more marks")
    assert sheet.page.get_by_text("Error displaying widget").count() == 0
    # while the kernel does not answer, keys wait and this is said; then each is taken
    sheet.cell(2).locator(".cm-content").fill("import os; os.getpid()")
    sheet.run(2)
    kernel = int(sheet.cell(2).locator(".jp-OutputArea-output").inner_text())
    os.kill(kernel, signal.SIGSTOP)
    marker.locator(".sk-mark-stage").click()
    sheet.press("a", "a")
    expect(marker.get_by_text("The kernel is busy: 2 keys wait")).to_be_visible()
    os.kill(kernel, signal.SIGCONT)
    expect(marker.locator(".sk-made")).to_have_text("502/620")
    expect(marker.get_by_text("The kernel is busy")).to_have_count(0)


def test_a_killed_kernel_loses_no_mark_whose_row_had_gone(open_notebook: Open) -> None:
    line = f"import os\nprint('pid', os.getpid())\n{MARK}"
    sheet = opened(open_notebook, line, n=620)
    marker = widget(sheet)
    told = sheet.cell(1).locator(".jp-OutputArea-output").first.inner_text()
    sheet.page.evaluate(BURST, ["a", 500])
    made = marker.locator(".sk-made")
    wait_for(lambda: int(made.inner_text().split("/")[0]) >= 40, "a burst under way")
    os.kill(int(told.split()[1]), signal.SIGKILL)
    expect_gone(marker)
    advanced = int(made.inner_text().split("/")[0])
    kept = stored(sheet)
    print(f"{advanced} rows had gone, {len(kept)} marks on disk")
    assert advanced <= len(kept) <= advanced + 1
    assert kept == [(f"r{i}", "accept") for i in range(len(kept))]
    assert advanced < 500
    marker.locator(".sk-mark-stage").focus()
    before = sheet.sources()
    sheet.press("a", "x", "d", "d", "u", "Backspace")
    expect(made).to_have_text(f"{advanced}/620")
    assert (sheet.sources(), stored(sheet)) == (before, kept)
    sheet.restart_killed_kernel()
    sheet.run_all()
    expect(marker).to_have_count(1)
    expect(marker.locator(".sk-mark-text")).to_contain_text(f"(row {len(kept)})")
    expect(marker.locator(".sk-made")).to_have_text(f"{len(kept)}/620")


NASTY = r"""
nasty = pd.DataFrame({"id": ["<b>0</b>", "1", "2", "3"], "topic": ["</script><s>"] * 4, "text": [
    "<img src=x onerror='document.title=1'></script><script>document.title=1</script>",
    "zero\u200bwidth \x1b[31mred\x1b[0m \u202egnp.exe",
    "x" * 1_000_000,
    "last",
]})
%synth mark nasty --by "<i>ana</i>"
"""


@only_in("notebook")
def test_model_text_is_text(open_notebook: Open) -> None:
    sheet = opened(open_notebook, NASTY)
    marker = widget(sheet)
    text = marker.locator(".sk-mark-text")
    expect(text).to_have_text(
        "<img src=x onerror='document.title=1'></script><script>document.title=1</script>"
    )
    expect(marker.locator(".sk-mark-field")).to_have_text("topic </script><s>")
    marker.locator(".sk-mark-stage").click()
    sheet.press("a")
    expect(text).to_have_text("zeroU+200Bwidth U+001B[31mredU+001B[0m U+202Egnp.exe")
    sheet.press("a")
    expect(text).to_contain_text("first 100\u202f000 of 1\u202f000\u202f000 characters")
    sheet.press("e")
    expect(marker.get_by_role("alert")).to_contain_text("too long to be edited here")
    sheet.press("x")
    expect(text).to_have_text("last")
    assert marker.locator("img, script, s, b, i").count() == 0
    assert sheet.page.title() != "1"


@each_theme
def test_it_looks_right_in_both_themes(open_notebook: Open, pictures: Path, theme: str) -> None:
    name = theme.split()[1].lower()
    sheet = opened(open_notebook, MARK + " --reasons 'too short,off topic'", theme=theme)
    marker = widget(sheet)
    sheet.screenshot(pictures, f"marker-first-{name}", marker)
    marker.locator(".sk-mark-stage").click()
    sheet.press("a", "a", "f", "a", "a", "Space", "x", "1", "x")
    expect(marker.get_by_text("Reason for rejecting:")).to_be_visible()
    sheet.screenshot(pictures, f"marker-reject-{name}", marker)
    sheet.press("Enter", "e")
    marker.get_by_label("edit text").fill("Edited.")
    sheet.screenshot(pictures, f"marker-edit-{name}", marker)
    sheet.press("Control+Enter", "c")
    expect(marker.get_by_label("reason or comment")).to_be_visible()
    assert serious_violations(sheet.page, ".sk-marker") == []
    sheet.press("Escape", "?")
    expect(marker.get_by_text("undo the last mark")).to_be_visible()
    sheet.screenshot(pictures, f"marker-keys-{name}", marker)
    assert serious_violations(sheet.page, ".sk-marker") == []
    sheet.screenshot(pictures, f"marker-page-{name}")


@each_app("width", notebook=480, lab=1600)
def test_it_fits_the_window(open_notebook: Open, pictures: Path, width: int) -> None:
    sheet = opened(open_notebook, width=width)
    marker = widget(sheet)
    marker.locator(".sk-mark-stage").click()
    sheet.press("a", "x", "Space")
    expect(marker.locator(".sk-made")).to_have_text("3/60")
    sheet.screenshot(pictures, f"marker-{width}", marker)
    assert marker.evaluate("(node) => node.scrollWidth <= node.clientWidth")


@only_in("lab")
def test_10_000_long_rows_leave_the_notebook_small(open_notebook: Open, server: Any) -> None:
    source = """
long = pd.DataFrame({"id": range(10_000), "text": [f"{i} " + "word " * 400 for i in range(10_000)]})
%synth mark long --by ana
"""
    server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=True)
    try:
        sheet = with_session(open_notebook, TABLE, source, n=1)
        before = len(sheet.path.read_bytes())
        sheet.run_all()
        marker = widget(sheet)
        sheet.page.evaluate(BURST, ["a", 50])
        expect(marker.locator(".sk-made")).to_have_text("50/10\u202f000")
        saved = sheet.save()
    finally:
        server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=False)
    assert "widgets" in saved["metadata"]
    grown = len(sheet.path.read_bytes()) - before
    print(f"the notebook grew by {grown} bytes, {len(json.dumps(saved))} in all")
    assert grown < 100_000
