"""The prompt lab in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import (
    Open,
    each_app,
    expect_gone,
    has_focus,
    only_in,
    serious_violations,
    wait_for,
)

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

LOAD = r"""%load_ext synthkit
%config SynthMagics.folder = "session-FOLDER"
from synthkit import Fake
topics = [{"topic": t} for t in ("bread", "soup", "service", "wine")]
NASTY = [
    "<img src=x onerror='document.title=1'></script><script>document.title=1</script>",
    "zero\u200bwidth \x1b[31mred\x1b[0m", "\u202egnp.exe **bold**", "word " * 200_000,
]
def say(request):
    asked = request.messages[-1].content
    topic = next(t["topic"] for t in topics if t["topic"] in asked)
    if "nasty" in asked:
        return NASTY[[t["topic"] for t in topics].index(topic)]
    long = "and nobody said sorry, although we asked for it." if "Write" in asked else ""
    return f"We waited an hour for the {topic}. {long}".strip()
a, b = "Write one sentence about {{ topic }}.", "Say it about {{ topic }}, short."
gpt = Fake(say, name="gpt", price=(1000, 2000))
slow = Fake(say, name="slow", seconds=4, concurrency=1)
broken = Fake(say, name="broken", die_after=1)
"""
LAB = (
    "%synth lab tone --prompt @a --prompt @b --inputs topics --models gpt --check "
    "'length text 4-9 words' --check 'regex text sorry'"
)


NUMBERS = itertools.count()


def lab(sheet: Any) -> Locator:
    """The only lab of a notebook."""
    locator: Locator = sheet.page.locator(".sk-lab")
    locator.wait_for()
    return locator


def opened(open_notebook: Open, *cells: str, **window: Any) -> tuple[Any, Locator]:
    sheet = open_notebook(load(), *(cells or (LAB,)), **window)
    sheet.run_all()
    return sheet, lab(sheet)


def load() -> str:
    """The first cell, with a session of its own."""
    return LOAD.replace("FOLDER", str(next(NUMBERS)))


def at(shown: Locator, row: int, slot: int) -> Locator:
    """A cell of the matrix."""
    return shown.locator(f'td[data-row="{row}"][data-slot="{slot}"]')


def run_button(shown: Locator) -> Locator:
    return shown.get_by_role("button", name=re.compile("^(Run|All run|Stop)"))


def test_the_main_path_by_keyboard_alone(open_notebook: Open, pictures: Path) -> None:
    sheet, shown = opened(open_notebook)
    expect(run_button(shown)).to_have_text(re.compile(r"^Run 8 new cells, \$.* r$"))
    first = at(shown, 0, 0)
    sheet.tab_into(1, lambda: first.evaluate("(node) => node === document.activeElement"))
    sheet.press("r")
    expect(run_button(shown)).to_have_text("All run: 8/8 cells")
    expect(at(shown, 0, 1)).to_contain_text("We waited an hour")
    expect(shown.locator("ins, del")).to_have_count(0)
    sheet.press("d")
    expect(at(shown, 0, 1).locator("del")).to_contain_text("nobody said sorry")
    sheet.press("a", "ArrowRight", "x", "ArrowDown", "a", "c")
    sheet.page.keyboard.type("a good one")
    sheet.press("Enter")
    expect(at(shown, 1, 1)).to_be_focused()
    expect(at(shown, 1, 1)).to_contain_text("“a good one”")
    expect(at(shown, 1, 1)).to_contain_text("✓ accepted")
    expect(at(shown, 0, 1)).to_contain_text("✗ rejected")
    sheet.press("u", "u")
    expect(at(shown, 1, 1)).not_to_contain_text("accepted")
    sheet.press("Enter")
    detail = shown.locator(".sk-lab-detail")
    expect(detail).to_contain_text("Say it about soup, short.")
    expect(detail).to_contain_text("finish: stop")
    sheet.screenshot(pictures, "lab-open", shown)
    sheet.press("Escape")
    expect(at(shown, 1, 1)).to_be_focused()
    sheet.press("e")
    prompt = shown.get_by_label("prompt", exact=True)
    expect(prompt).to_be_focused()
    prompt.fill("Fine\n{{ topic ")
    sheet.press("Control+Enter")
    expect(shown.locator(".sk-lab-editor [role=alert]")).to_contain_text("at line 2")
    sheet.screenshot(pictures, "lab-edit", shown)
    prompt.fill("Tell of {{ topic }}.")
    sheet.press("Control+Enter")
    expect(at(shown, 1, 1)).to_be_focused()
    expect(run_button(shown)).to_have_text(re.compile("^Run 4 new cells"))
    expect(at(shown, 1, 1)).to_have_text("not run yet")
    expect(at(shown, 1, 0)).to_contain_text("We waited an hour for the soup.")
    sheet.press("2")
    expect(shown.get_by_text("No row is different. Press 1 to show all 4.")).to_be_visible()
    sheet.press("1", "r")
    expect(run_button(shown)).to_have_text("All run: 8/8 cells")
    use = shown.get_by_role("button", name="Use A: insert it as a new cell")
    use.focus()
    sheet.press("Enter")
    cell = (
        "%%synth tone --model gpt --from topics --temperature 0.7 --max-tokens 256 --seed 0\n"
        "Write one sentence about {{ topic }}."
    )
    wait_for(lambda: sheet.sources()[1:] == [LAB, cell], "the winner's cell")
    sheet.run(2)
    expect(sheet.cell(2)).to_contain_text("4 cached, 0 generated")


def test_the_main_path_by_mouse_alone(open_notebook: Open, pictures: Path) -> None:
    sheet, shown = opened(open_notebook, LAB, height=1400)
    shown.get_by_role("button", name=re.compile("^Run")).click()
    expect(run_button(shown)).to_have_text("All run: 8/8 cells")
    for row in range(4):
        at(shown, row, 0).click()
        shown.get_by_role("button", name="Accept a").click()
        at(shown, row, 1).click()
        shown.get_by_role("button", name="Reject x").click()
    expect(at(shown, 3, 1)).to_contain_text("✗ rejected")
    expect(shown.locator(".sk-lab-ranking")).to_contain_text("1.00 [0.51, 1.00]")
    shown.get_by_role("button", name="Comment c").click()
    shown.get_by_label("comment").fill("too short")
    shown.get_by_role("button", name="Save Enter").click()
    expect(at(shown, 3, 1)).to_contain_text("“too short”")
    sheet.screenshot(pictures, "lab-light", shown)
    shown.get_by_role("button", name="Undo u").click()
    expect(at(shown, 3, 1)).not_to_contain_text("too short")
    shown.get_by_role("button", name="Open Enter").click()
    expect(shown.locator(".sk-lab-detail")).to_contain_text("compared with the baseline")
    shown.get_by_role("button", name="Close Esc").click()
    expect(shown.locator(".sk-lab-detail")).to_be_hidden()
    at(shown, 2, 1).dblclick()
    expect(shown.locator(".sk-lab-detail")).to_contain_text("row 3, B")
    sheet.press("?")
    expect(shown.locator(".sk-keysheet")).to_be_visible()
    sheet.press("Escape")
    expect(shown.locator(".sk-keysheet")).to_be_hidden()
    sheet.press("Escape")
    expect(shown.locator(".sk-lab-detail")).to_be_hidden()
    expect(at(shown, 2, 1)).to_be_focused()
    shown.get_by_role("button", name="sort by words").click()
    ranks = shown.locator(".sk-lab-ranks tbody th")
    expect(ranks).to_have_text(["A ✓ best so far", "B"])
    shown.get_by_role("button", name="sort by words").click()
    expect(ranks).to_have_text(["B", "A ✓ best so far"])
    shown.get_by_role("button", name="unmarked 4").click()
    expect(shown.get_by_text("No row is unmarked.")).to_be_visible()
    shown.get_by_role("button", name="all 1").click()
    shown.get_by_role("button", name="Edit B e").click()
    shown.get_by_label("name").fill("shorter")
    shown.get_by_label("temperature").fill("0")
    shown.get_by_role("button", name="Add as a new variant").click()
    expect(shown.locator("thead strong")).to_have_text(["A", "B", "C shorter"])
    expect(run_button(shown)).to_have_text(re.compile("^Run 4 new cells"))
    shown.get_by_role("button", name="Edit B e").click()
    shown.get_by_role("button", name="Make it the baseline").click()
    shown.get_by_role("button", name="Diff d").click()
    expect(at(shown, 0, 0).locator("ins")).to_contain_text("nobody said sorry")
    shown.get_by_role("button", name="Edit B e").click()
    shown.get_by_role("button", name="Delete").click()
    expect(shown.locator("thead strong")).to_have_text(["A", "C shorter"])
    shown.get_by_role("button", name="Restore B").click()
    expect(shown.locator("thead strong")).to_have_text(["A", "B", "C shorter"])
    shown.get_by_role("button", name="Blind b").click()
    expect(shown.locator("thead strong")).to_have_count(0)
    expect(shown.locator("[role=grid] thead th")).to_have_text(["topic", "1", "2", "3"])
    expect(shown.locator(".sk-lab-ranking")).to_be_hidden()
    expect(shown.locator("ins, del")).to_have_count(0)
    sheet.screenshot(pictures, "lab-blind", shown)
    shown.get_by_role("button", name="Show names b").click()
    expect(shown.locator("thead strong")).to_have_count(3)
    static = sheet.cell(1).locator(".synthkit-static")
    expect(static.first).to_contain_text("1.00 [0.51, 1.00]")
    expect(static.last).to_contain_text("✓ We waited an hour")
    assert sheet.sources()[1:] == [LAB]
    # the browser remembers the switch
    sheet.save()
    sheet.page.reload()
    diff = lab(sheet).get_by_role("button", name="Diff d")
    expect(diff).to_have_attribute("aria-pressed", "true")


def test_no_key_changes_the_notebook_wherever_the_focus_is(open_notebook: Open) -> None:
    sheet, shown = opened(open_notebook, LAB, "1 + 1")
    before = sheet.sources()
    special = ["Enter", "Escape", "Backspace", "Delete", "ArrowDown", "ArrowUp", "Shift+M"]
    keys = [*"acdefghijklmnopqrstuvwxyz", *"ABDXZ", *"0123456789", "?", "[", "]", *special]
    for place in (
        at(shown, 1, 1),
        shown.get_by_role("button", name="unmarked 4"),
        shown.get_by_role("button", name="Edit B e"),
        shown.get_by_role("button", name="sort by words"),
        run_button(shown),
    ):
        for key in keys:
            place.focus()
            sheet.press(key)
            assert has_focus(shown), key
            sheet.press("Escape")
        expect(shown.locator("thead").first).to_be_visible()
    blind = shown.get_by_role("button", name=re.compile("^(Blind|Show names) b$"))
    blind.focus()
    sheet.press("b")
    expect(blind).to_have_text("Show names b")
    sheet.press("x", "e", "b")
    expect(blind).to_have_text("Blind b")
    assert has_focus(shown)
    sheet.press("1")
    # in the fields keys are letters, and nothing is marked
    at(shown, 0, 0).focus()
    sheet.press("e")
    prompt = shown.get_by_label("prompt", exact=True)
    expect(prompt).to_be_focused()
    prompt.fill("")
    sheet.page.keyboard.type("axcudz1?")
    expect(prompt).to_have_value("axcudz1?")
    sheet.press("Escape")
    expect(prompt).to_be_hidden()
    assert has_focus(shown)
    assert sheet.sources() == before
    saved = sheet.save()
    assert ["".join(cell["source"]) for cell in saved["cells"]] == before


def test_a_run_can_be_stopped_and_outlives_a_reload_and_a_kernel(
    open_notebook: Open, pictures: Path
) -> None:
    cell = LAB.replace("--models gpt", "--models slow,broken").replace("tone", "slowly")
    sheet, shown = opened(open_notebook, cell, "1 + 1")
    shown.get_by_role("button", name=re.compile("^Run")).click()
    expect(shown.get_by_text("broken was told to die after 1 answers.")).to_be_visible()
    expect(run_button(shown)).to_have_text(re.compile(r"^Stop, \d/16 cells r$"))
    expect(at(shown, 0, 0)).to_contain_text("We waited")
    expect(shown.get_by_text("… running").first).to_be_visible()
    sheet.run(2)
    expect(sheet.cell(2).locator(".jp-OutputArea-output")).to_have_text("2")
    sheet.screenshot(pictures, "lab-running", shown)
    run_button(shown).focus()
    sheet.press("r")
    expect(run_button(shown)).to_have_text(re.compile("^Run"))
    expect(run_button(shown)).to_be_focused()
    expect(shown.get_by_text("… running")).to_have_count(0)
    at(shown, 0, 0).click()
    sheet.press("a")
    expect(at(shown, 0, 0)).to_contain_text("✓ accepted")
    left = run_button(shown).inner_text()
    sheet.save()
    sheet.page.reload()
    again = lab(sheet)
    expect(at(again, 0, 0)).to_contain_text("✓ accepted")
    expect(run_button(again)).to_have_text(left)
    sheet.command("notebook:shutdown-kernel")
    expect_gone(again)
    expect(run_button(again)).to_have_attribute("aria-disabled", "true")
    expect(at(again, 0, 0)).to_contain_text("We waited an hour for the bread.")


@only_in("notebook")
def test_what_a_model_says_is_text(open_notebook: Open) -> None:
    cell = LAB.replace("--prompt @a", "--prompt 'nasty {{ topic }}'")
    sheet, shown = opened(open_notebook, f"{cell} --run")
    expect(run_button(shown)).to_have_text("All run: 8/8 cells")
    markup, unseen, turned, long = (at(shown, n, 0) for n in range(4))
    expect(markup).to_contain_text("<img src=x onerror='document.title=1'></script>")
    expect(unseen).to_contain_text("zeroU+200Bwidth U+001B[31mred")
    expect(turned).to_contain_text("U+202Egnp.exe **bold**")
    expect(long).to_contain_text("… first 300 of 999\u202f999 characters")
    assert shown.locator("img, script, b, a").count() == 0
    long.click()
    sheet.press("Enter")
    detail = shown.locator(".sk-lab-detail")
    expect(detail).to_contain_text("first 100\u202f000 of 999\u202f999 characters")
    sheet.press("Escape", "ArrowRight", "Enter")
    expect(detail).to_contain_text("too long to compare")
    assert sheet.page.title() != "1"


@each_app("window", notebook=("JupyterLab Light", 480), lab=("JupyterLab Dark", 1100))
def test_it_is_accessible_and_fits(
    open_notebook: Open, pictures: Path, window: tuple[str, int]
) -> None:
    theme, width = window
    cell = LAB.replace("--models gpt", "--models gpt,broken")
    sheet, shown = opened(open_notebook, f"{cell} --run", theme=theme, width=width, height=1600)
    expect(run_button(shown)).to_have_text(re.compile("^Run 7 new cells|^Run 6 new cells"))
    at(shown, 0, 0).focus()
    sheet.press("a", "ArrowDown", "x", "?", "Enter")
    expect(shown.locator(".sk-lab-detail")).to_contain_text("finish: stop")
    assert shown.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    if width > 480:
        fits = "(node) => node.scrollWidth <= node.clientWidth"
        assert shown.locator(".sk-lab-matrix").first.evaluate(fits)
    name = f"{theme.split()[1].lower()}-{width}"
    sheet.screenshot(pictures, f"lab-{name}", shown)
    assert serious_violations(sheet.page, ".sk-lab") == []
    sheet.press("Escape", "e")
    expect(shown.get_by_label("prompt", exact=True)).to_be_focused()
    sheet.screenshot(pictures, f"lab-edit-{name}", shown)
    assert serious_violations(sheet.page, ".sk-lab") == []


@only_in("lab")
def test_two_hundred_rows_leave_the_notebook_small(open_notebook: Open, server: Any) -> None:
    cells = (
        "many = [{'topic': 'bread', 'n': 'x' * 500 + str(n)} for n in range(200)]",
        "%synth lab many --prompt 'Write {{ topic }} {{ n }}.' --prompt 'Say {{ topic }} {{ n }}.' "
        "--inputs many --limit 200 --models gpt --run",
    )
    server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=True)
    try:
        sheet = open_notebook(load(), *cells)
        before = len(json.dumps(json.loads(sheet.path.read_text())))
        sheet.run_all()
        shown = lab(sheet)
        expect(run_button(shown)).to_have_text("All run: 400/400 cells")
        expect(shown.get_by_text("rows 1–20 of 200")).to_be_visible()
        at(shown, 0, 0).click()
        sheet.press("]")
        expect(shown.get_by_text("rows 21–40 of 200")).to_be_visible()
        expect(at(shown, 0, 0)).to_be_focused()
        grown = len(json.dumps(sheet.save())) - before
        print(f"the notebook grew by {grown} bytes")
        assert grown < 100_000
    finally:
        server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=False)
