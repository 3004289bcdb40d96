"""Sorting, filtering, searching, tracing, copying and saving, in JupyterLab and Notebook 7."""

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
    focus_if_there,
    has_focus,
    only_in,
    serious_violations,
    wait_for,
)

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

START = """%load_ext synthkit
from synthkit import Fake
model = Fake(babble=0.3, price=(1.0, 2.0), name="show")
schema = {"type": "object", "required": ["text", "score", "tags"], "properties": {
    "text": {"type": "string"}, "score": {"type": "number"},
    "tags": {"type": "array", "items": {"enum": ["a", "b"]}}}}
"""
CELL = """%%synth reviews --model model --n 120 --vary topic=bread,soup --schema @schema
--- system
You are a guest.
--- user
Write about {{ topic }}."""
SHOW = "%synth show reviews"
KEYS = [
    *"abcdefghijklmnopqrstuvwxyz0129/?",
    *("Shift+M", "Shift+L", "Enter", "Escape", "Backspace", "Delete", "Home", "End"),
    *("ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight"),
]


def shown(sheet: Any, n: int = 0) -> Locator:
    """One of the widgets of a notebook."""
    locator: Locator = sheet.page.locator(".sk-preview").nth(n)
    locator.wait_for()
    return locator


def line(view: Locator) -> Locator:
    return view.locator(".sk-line")


def column(view: Locator, title: str) -> list[str]:
    """The cells of a column that are drawn."""
    heads = view.locator("thead th").all_inner_texts()
    n = next(i for i, head in enumerate(heads) if head.split("\n")[0].strip().startswith(title))
    cells = view.locator(f"tbody tr:not(.sk-spacer):not(.sk-rejected) td:nth-child({n + 1})")
    return cells.all_inner_texts()


def test_the_keyboard_alone_finds_sorts_traces_copies_and_saves(open_notebook: Open) -> None:
    sheet = open_notebook(START, CELL, "reviews.shape", height=1200)
    sheet.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    sheet.run_all()
    before = sheet.sources()
    view, press = shown(sheet), sheet.page.keyboard.press
    expect(view.locator(".sk-pace")).to_have_text("✓ done")
    score = view.locator("th", has_text="score").locator(".sk-sort")
    expect(score).to_have_attribute("aria-description", re.compile("^score: number"))
    view.locator(".sk-body").focus()

    press("f")
    sheet.page.keyboard.type("score > 0.5 and topik = soup")
    press("Enter")
    refused = view.get_by_role("alert")
    expect(refused).to_contain_text("Did you mean 'topic'?\n  score > 0.5 and topik = soup\n")
    expect(view.locator(".sk-where")).to_have_attribute("aria-invalid", "true")
    for _ in range(8):
        press("Backspace")
    sheet.page.keyboard.type("c = soup")
    press("Enter")
    expect(line(view)).to_have_text(re.compile(r"^1–1\d of \d\d rows that match, of 120$"))
    expect(refused).to_be_hidden()
    assert set(column(view, "topic")) == {"soup"}

    view.get_by_role("button", name="score").focus()
    expect(line(view)).to_have_text("score: number, none empty")
    head = view.locator("th", has_text="score")
    for order, reverse in [("ascending", False), ("descending", True)]:
        press("Enter")
        expect(head).to_have_attribute("aria-sort", order)
        wait_for(lambda: len(column(view, "score")) > 8, "the rows in sight")
        scores = [float(cell) for cell in column(view, "score")]
        assert scores == sorted(scores, reverse=reverse)
    press("Enter")
    expect(head).to_have_attribute("aria-sort", "none")

    view.locator("button.sk-expand").first.focus()
    press("ArrowDown")
    press("o")
    detail = view.locator(".sk-detail")
    expect(detail).to_contain_text("Write about soup.")
    assert re.search(r"seed\s+\d+, made from 0\s+sample index\s+\d+", detail.inner_text())
    assert has_focus(view)
    press("Escape")
    expect(detail).to_be_hidden()
    second = view.locator("tbody tr:not(.sk-spacer)").nth(1)
    expect(second.locator("button.sk-trace")).to_be_focused()
    sheet.change_theme("JupyterLab Dark")
    sheet.page.wait_for_timeout(500)
    expect(second.locator("button.sk-trace")).to_be_focused()
    press("Enter")
    expect(detail).to_be_visible()
    press("Escape")

    press("e")
    expect(view.get_by_label("Format to copy")).to_be_focused()
    press("j")  # JSON lines
    press("Tab")
    press("Enter")
    expect(view.locator(".sk-told")).to_have_text(re.compile(r"^Copied \d+ rows\.$"))
    copied = sheet.page.evaluate("() => navigator.clipboard.readText()")
    rows = [json.loads(row) for row in copied.splitlines()]
    assert {row["topic"] for row in rows} == {"soup"}
    assert all(row["score"] > 0.5 for row in rows)
    press("Tab")
    expect(view.locator(".sk-path")).to_be_focused()
    press("ControlOrMeta+a")
    sheet.page.keyboard.type("kept.csv")
    press("Enter")
    expect(view.locator(".sk-told")).to_contain_text(f"Saved {len(rows)} rows with ids to ")
    press("Enter")
    expect(view.get_by_role("button", name="Overwrite")).to_be_visible()
    expect(view.locator(".sk-told")).to_contain_text("kept.csv exists already")
    press("Tab")
    press("Enter")
    expect(view.locator(".sk-told")).to_contain_text(f"Saved {len(rows)} rows")
    saved = (sheet.path.parent / "kept.csv").read_text()
    assert saved.startswith("id,topic,text,score,tags\n")
    assert saved.count("\n") == len(rows) + 1
    press("Escape")
    assert has_focus(view)
    assert sheet.sources() == before


def test_the_mouse_alone_and_every_key_anywhere_leave_the_notebook_alone(
    open_notebook: Open,
) -> None:
    sheet = open_notebook(START, CELL, SHOW, height=1600, width=1000)
    sheet.run_all()
    before = sheet.sources()
    run, view = shown(sheet, 0), shown(sheet, 1)
    expect(view.locator(".sk-made")).to_have_text(re.compile(r"^\d+ rows$"))
    expect(view.get_by_label("Which rows")).to_be_hidden()
    expect(view.get_by_role("progressbar")).to_be_hidden()

    run.get_by_label("Which rows").select_option("rejects")
    expect(line(run)).to_have_text(re.compile(r"that match, of 120$"))
    assert run.locator("tbody tr.sk-rejected").count() > 3
    run.locator("button.sk-trace").first.click()
    expect(run.locator(".sk-detail")).to_contain_text("rejected")
    expect(run.locator(".sk-detail")).to_contain_text("raw output")
    run.get_by_role("button", name="Close Esc").click()
    expect(run.locator(".sk-detail")).to_be_hidden()

    view.get_by_role("button", name="score").click()
    expect(view.locator("th", has_text="score")).to_have_attribute("aria-sort", "ascending")
    view.locator(".sk-search").fill("SOUP")
    expect(line(view)).to_contain_text("that match")
    cells = zip(column(view, "topic"), column(view, "text"), strict=True)
    assert all("soup" in "".join(row).lower() for row in cells)
    view.locator("button.sk-trace").nth(2).click()
    expect(view.locator(".sk-detail")).to_contain_text("Write about")
    touched = view.locator("tbody tr:not(.sk-spacer)").nth(1)
    text = touched.locator("td").nth(2)
    text.click()
    expect(touched).to_have_attribute("aria-current", "true")
    sheet.press("o")
    place = touched.locator(".sk-expand").get_attribute("aria-label").split()[-1]
    expect(view.locator(".sk-detail .sk-name")).to_have_text(f"Row {place}")
    text.dblclick()
    expect(touched.locator(".sk-expand")).to_have_attribute("aria-expanded", "true")
    assert sheet.page.evaluate("() => getSelection().toString()") == ""
    sheet.press("Enter")
    expect(touched.locator(".sk-expand")).to_have_attribute("aria-expanded", "false")
    view.get_by_role("button", name="Export e").click()

    places = view.locator("button:visible, input:visible, select:visible, [tabindex='0']")
    for n in range(0, min(16, places.count()), 3):
        focus_if_there(places, n)
        for key in KEYS:
            sheet.page.keyboard.press(key)
            assert has_focus(view), (n, key)
    assert sheet.sources() == before


def test_a_table_narrowed_from_python_reloaded_and_left_by_its_kernel(
    open_notebook: Open,
) -> None:
    narrow = "reviews_view.narrow(set(reviews.id[:3]))"
    sheet = open_notebook(START, CELL, SHOW, narrow, height=1400)
    sheet.run_all()
    view = shown(sheet, 1)
    expect(line(view)).to_have_text(
        re.compile(r"^1–3 of 3 rows that match, of \d+\snarrowed to 3$")
    )
    view.get_by_role("button", name="Show all").click()
    expect(line(view)).to_have_text(re.compile(r"^1–12 of \d+ rows$"))
    assert has_focus(view)
    view.locator(".sk-where").fill("topic = soup")
    view.locator(".sk-where").press("Enter")
    expect(line(view)).to_contain_text("that match")
    sheet.save()
    sheet.page.reload()
    view = shown(sheet, 1)
    expect(line(view)).to_contain_text("that match")
    expect(view.locator(".sk-where")).to_have_value("topic = soup")
    assert set(column(view, "topic")) == {"soup"}
    sheet.command("notebook:shutdown-kernel")
    expect_gone(view)
    expect(view.locator(".sk-pace")).to_have_text("■ kernel gone")
    view.locator("button.sk-trace").first.click()
    expect(view.locator(".sk-detail")).to_contain_text("provenance cannot be loaded")


@only_in("notebook")
def test_hostile_text_is_text_in_every_part(open_notebook: Open) -> None:
    source = r"""%load_ext synthkit
from synthkit import Fake
import pandas as pd
BAD = "<img src=x onerror='document.title=1'></script><script>document.title=1</script>"
BAD += "\x1b[31m\u202e\u200b"
texts = {"a": BAD, "b": BAD + "x" * 1_000_000}
model = Fake(lambda request: texts["b" if "two" in request.messages[-1].content else "a"], name=BAD)
"""
    cell = "%%synth nasty --model model --vary what=one,two\n<b>{{ what }}</b>"
    wide = "wide = pd.DataFrame({BAD: [BAD], 'n': [1]})\n%synth show wide"
    sheet = open_notebook(source, cell, wide, height=1400)
    sheet.run_all()
    view = shown(sheet)
    expect(view.locator(".sk-pace")).to_have_text("✓ done")
    for n in range(2):
        view.locator("button.sk-trace").nth(n).click()
        detail = view.locator(".sk-detail")
        expect(detail).to_contain_text(f"<b>{'one' if n == 0 else 'two'}</b>")
        expect(detail).to_contain_text("<img src=x onerror='document.title=1'></script>")
        expect(detail).to_contain_text("U+001B[31mU+202EU+200B")
    expect(detail).to_contain_text("first 100\u202f000 of 1\u202f000\u202f")
    view.locator(".sk-where").fill(f"{'<img src=x onerror=1>'} > 3")
    view.locator(".sk-where").press("Enter")
    expect(view.locator(".sk-refused")).to_contain_text("<img")
    expect(shown(sheet, 1).locator("thead")).to_contain_text("<img src=x")
    assert sheet.page.locator(".synthkit").locator("img, script, b, i").count() == 0
    assert sheet.page.title() != "1"


@only_in("lab")
def test_a_sorted_view_of_a_run_waits_to_be_sorted_anew(open_notebook: Open) -> None:
    source = """
import threading
from synthkit.notebook.widgets.grid.preview import Preview
go = threading.Event()
def feed(p):
    for i in range(40):
        p.add(i, {"n": i}, None, 1, False)
        if i == 20:
            go.wait()
    p.finish("done")
p = Preview("run", 40, ["n"], "fake", go.set)
threading.Thread(target=feed, args=(p,), daemon=True).start()
p
"""
    sheet = open_notebook(source)
    sheet.run_all()
    view = shown(sheet)
    expect(view.locator(".sk-made")).to_have_text(re.compile(r"^[12]?\d/40 rows$"))
    head = view.locator("th:nth-child(2)")
    for order in ("ascending", "descending"):
        head.get_by_role("button").click()
        expect(head).to_have_attribute("aria-sort", order)
    top = column(view, "n")[0]
    view.get_by_role("button", name="Stop").click()
    expect(line(view)).to_contain_text("new row")
    assert column(view, "n")[0] == top
    view.get_by_role("button", name="Sort again").click()
    expect(view.get_by_role("button", name="Sort again")).to_be_hidden()
    wait_for(lambda: column(view, "n")[0] == "39", "the newest row on top")
    assert has_focus(view)


@each_theme
def test_it_is_legible_and_open_to_all(open_notebook: Open, pictures: Path, theme: str) -> None:
    sheet = open_notebook(START, CELL, SHOW, theme=theme, width=1280, height=1500)
    sheet.run_all()
    name = theme.split()[1].lower()
    view = shown(sheet)
    view.locator(".sk-where").fill("score > 0.5")
    view.locator(".sk-where").press("Enter")
    expect(line(view)).to_contain_text("that match")
    view.locator("button.sk-trace").nth(1).click()
    expect(view.locator(".sk-detail")).to_contain_text("tokens out")
    view.get_by_role("button", name="Export e").click()
    table, detail = (view.locator(f".sk-{part}").bounding_box() for part in ("body", "detail"))
    assert table["x"] + table["width"] <= detail["x"] + 1
    assert serious_violations(sheet.page, ".sk-preview") == []
    sheet.screenshot(pictures, f"show-wide-{name}", view)
    sheet.page.set_viewport_size({"width": 480, "height": 1500})
    view.locator(".sk-where").fill("scor > 0.5")
    view.locator(".sk-where").press("Enter")
    expect(view.locator(".sk-refused")).to_contain_text("Did you mean 'score'?")
    table, detail = (view.locator(f".sk-{part}").bounding_box() for part in ("body", "detail"))
    assert table["y"] + table["height"] <= detail["y"] + 1
    assert view.evaluate("(node) => node.scrollWidth <= node.clientWidth")
    sheet.screenshot(pictures, f"show-narrow-{name}", view)


@only_in("notebook")
def test_the_notebook_grows_alike_for_1_000_and_for_100_000_rows(
    open_notebook: Open, server: Any
) -> None:
    source = "%load_ext synthkit\nimport pandas as pd\nt = pd.DataFrame({'text': ['x' * 500] * N})"
    grown = []
    server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=True)
    try:
        for rows in (1000, 100_000):
            sheet = open_notebook(source.replace("N", str(rows)), "%synth show t")
            sheet.run(0)
            before = len(json.dumps(sheet.save()))
            sheet.run(1)
            view = shown(sheet)
            expect(view.get_by_role("button", name="Expand row 1", exact=True)).to_be_visible()
            expect(view.locator("th [aria-description]").first).to_be_visible()
            saved = sheet.save()
            assert "widgets" in saved["metadata"]
            grown.append(len(json.dumps(saved)) - before)
    finally:
        server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=False)
    print(f"the notebook grew by {grown} bytes")
    assert max(grown) < 100_000
    assert abs(grown[0] - grown[1]) < 200
