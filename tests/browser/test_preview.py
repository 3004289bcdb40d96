"""The live preview in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import json
import re
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
    wait_for,
)

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

FEED = """
import random, threading, time
from synthkit.core.models import Activity, Ledger
from synthkit.notebook.widgets.grid.preview import Preview

COLUMNS = ["sentiment", "topic", "stars", "text"]
TEXTS = [
    "We waited an hour for cold soup, and nobody said sorry.",
    "The bread was still warm and the butter salted; we asked for a second basket, and a third.",
    "Friendly staff.",
    "A long list of wines by the glass, and a waiter who knew each of them by heart.",
]

def outcome(p, i, hit=False):
    if i % 19 == 7:
        p.add(i, None, ("As an AI language model,\\nI cannot.", "not JSON: line 1"), 12, hit)
        return
    row = {"sentiment": ["negative", "positive"][i % 2], "topic": ["service", "bread"][i % 2],
           "stars": 1 + i % 5, "text": TEXTS[i % 4]}
    p.add(i, row, None, 9 + i % 30, hit)

def feed(p, n, seconds, state="done", message=""):
    for i in range(n):
        if stopped.wait(seconds):
            p.finish("stopped")
            return
        outcome(p, i)
        p.tick(Ledger(completion_tokens=20 * i), Activity("", 8))
    p.finish(state, message)

stopped = threading.Event()
"""
BACKGROUND = """
p = Preview("reviews", {n}, COLUMNS, "smollm2 nf4", stopped.set)
threading.Thread(target=feed, args=(p, {n}, {seconds}), daemon=True).start()
p
"""
COUNTS = re.compile(r"^(\d+)/(\d+) rows$")


def widget(sheet: Any) -> Locator:
    """The only preview of a notebook."""
    locator: Locator = sheet.page.locator(".sk-preview")
    locator.wait_for()
    return locator


def rows_made(preview: Locator) -> int:
    match = COUNTS.match(preview.locator(".sk-made").inner_text().replace("\u202f", ""))
    assert match
    return int(match[1])


def background(open_notebook: Open, n: int, seconds: float, **window: Any) -> Any:
    sheet = open_notebook(FEED, BACKGROUND.format(n=n, seconds=seconds), "1 + 1", **window)
    sheet.run_all()
    return sheet


@only_in("lab")
def test_rows_arrive_while_the_notebook_is_free(open_notebook: Open) -> None:
    sheet = background(open_notebook, 4000, 0.05)
    preview = widget(sheet)
    expect(preview.locator("tbody td").get_by_text("Friendly staff.").first).to_be_visible()
    before = rows_made(preview)
    shown = re.compile(r"^8 under way\s\d+ tok/s\s\d+ s\sabout \d+ (s|min) left$")
    expect(preview.locator(".sk-pace")).to_have_text(shown, timeout=15_000)
    wait_for(lambda: before < rows_made(preview), "more rows")
    sheet.run(2)
    assert sheet.cell(2).locator(".jp-OutputArea-output").inner_text() == "2"
    # 4000 requests without their rejects
    assert rows_made(preview) < 3789
    expect(preview.get_by_text("✗ not JSON: line 1").first).to_be_visible()


def test_stop_ends_the_run_by_keyboard_and_the_focus_stays_in_the_widget(
    open_notebook: Open,
) -> None:
    sheet = background(open_notebook, 20_000, 0.05)
    preview = widget(sheet)
    stop = preview.get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    before = sheet.sources()
    # from the cell's editor to the output below it, as a person without a mouse goes
    sheet.tab_into(1, lambda: stop.evaluate("(node) => node === document.activeElement"))
    sheet.press("Enter")
    expect(preview.locator(".sk-pace")).to_have_text("■ stopped")
    expect(stop).to_be_hidden()
    expect(preview.locator(".sk-body")).to_be_focused()
    sheet.press(*"xxddab")
    assert sheet.sources() == before
    made = rows_made(preview)
    assert 0 <= made < 15_000
    pending = preview.get_by_text("Finished rows are kept. Run the cell again to generate the")
    expect(pending).to_be_visible()


def test_keys_in_the_widget_never_change_the_notebook(open_notebook: Open) -> None:
    sheet = background(open_notebook, 30, 0)
    preview = widget(sheet)
    expect(preview.locator(".sk-pace")).to_have_text("✓ done")
    before = sheet.sources()
    places = [preview.locator("button.sk-expand").first, preview.locator(".sk-body")]
    for place in places:
        place.scroll_into_view_if_needed()
        place.focus()
        for key in [*"axbdzddmyrjkcv", "Shift+M", "o", "0", "0", "End", "ArrowDown", "Escape"]:
            sheet.page.keyboard.press(key)
            assert has_focus(preview), key
    # the stop button goes while it has the focus, which must stay in the widget
    sheet.run(1)
    assert sheet.sources() == before
    saved = sheet.save()
    assert ["".join(cell["source"]) for cell in saved["cells"]] == before


@only_in("notebook")
def test_a_blocking_cell_shows_its_rows_and_how_to_stop_it(open_notebook: Open) -> None:
    source = """
from IPython.display import display
from pathlib import Path
p = Preview("reviews", 300, COLUMNS, "smollm2 nf4")
display(p)
for i in range(15): outcome(p, i)
while not Path("go").exists():
    p.tick(Ledger(completion_tokens=300), Activity("loading smollm2 nf4, 270 MB"))
    time.sleep(0.05)
for i in range(15, 300): outcome(p, i)
p.finish("done")
"""
    sheet = open_notebook(FEED, source)
    (sheet.path.parent / "go").unlink(missing_ok=True)
    sheet.run(0)
    sheet.run(1, wait=False)
    preview = widget(sheet)
    expect(preview.locator(".sk-made")).to_have_text("14/300 rows")
    pace = preview.locator(".sk-pace")
    expect(pace).to_contain_text("loading smollm2 nf4, 270 MB")
    expect(pace).to_contain_text(re.compile(r"\s\d+ s\s"))
    expect(pace).to_contain_text("to stop, interrupt the kernel (■)")
    expect(preview.get_by_role("button", name="Stop")).to_be_hidden()
    expect(preview.get_by_text(re.compile("^Friendly")).first).to_be_visible()
    preview.locator(".sk-search").fill("friendly")
    told = preview.locator(".sk-line")
    expect(told).to_have_text("Waiting: the kernel answers when the running cell ends.")
    (sheet.path.parent / "go").touch()
    sheet.wait_until_ran(1)
    expect(preview.locator(".sk-pace")).to_have_text("✓ done")
    expect(told).to_contain_text("that match, of 300")
    preview.locator(".sk-search").fill("")
    expect(told).to_contain_text("of 300 rows")
    preview.locator(".sk-body").evaluate("(node) => { node.scrollTop = node.scrollHeight / 2; }")
    expect(preview.get_by_role("button", name="Expand row 150")).to_be_visible()


@only_in("lab")
def test_rows_open_in_place_by_keyboard(open_notebook: Open) -> None:
    source = """
p = Preview("long", 3, ["text"], "fake")
for i in range(3):
    p.add(i, {"text": f"start of {i} " + "word " * 2000 + f"end of {i}"}, None, 1, True)
p.finish("done")
p
"""
    sheet = open_notebook(FEED, source)
    sheet.run_all()
    preview = widget(sheet)
    buttons = preview.locator("button.sk-expand")
    expect(preview.get_by_text("10\u202f019 characters")).to_have_count(3)
    buttons.first.focus()
    sheet.page.keyboard.press("ArrowDown")
    expect(buttons.nth(1)).to_be_focused()
    sheet.page.keyboard.press("Enter")
    expect(buttons.nth(1)).to_have_attribute("aria-expanded", "true")
    expect(preview.get_by_text(re.compile("end of 1$"))).to_have_count(1)
    expect(preview.get_by_text("10\u202f019 characters")).to_have_count(2)
    sheet.page.keyboard.press("Enter")
    expect(preview.get_by_text("10\u202f019 characters")).to_have_count(3)
    expect(buttons.nth(1)).to_be_focused()


@only_in("notebook")
def test_model_text_is_text(open_notebook: Open) -> None:
    source = r"""
texts = ["<img src=x onerror='document.title=1'></script><script>document.title=1</script>",
         "zero\u200bwidth \x1b[31mred\x1b[0m", "  kept  spaces\nand lines", "\u202egnp.exe",
         "\ud800"]
p = Preview("<b>nasty</b>", 6, ["text"], "<i>fake</i>")
for i, text in enumerate(texts): p.add(i, {"text": text}, None, 1, True)
p.add(5, None, ("<u>raw</u>", "<s>why</s>"), 1, True)
p.finish("failed", "<a href=x>no</a>")
p
"""
    sheet = open_notebook(FEED, source)
    sheet.run_all()
    preview = widget(sheet)
    rows = preview.locator("tbody tr:not(.sk-spacer)")
    expect(rows).to_have_count(6)
    texts = [rows.nth(n).locator("td").nth(1).text_content() for n in range(6)]
    assert texts == [
        "<img src=x onerror='document.title=1'></script><script>document.title=1</script>",
        "zeroU+200Bwidth U+001B[31mredU+001B[0m",
        "  kept  spaces↵and lines",
        "U+202Egnp.exe",
        "\ufffd",
        "✗ <s>why</s><u>raw</u>",
    ]
    assert preview.locator("img, script, a, b, i, u, s").count() == 0
    expect(preview.get_by_role("alert")).to_contain_text(
        "✗ <a href=x>no</a>. Finished rows are kept."
    )
    assert sheet.page.title() != "1"


def test_a_view_opened_again_has_its_rows(open_notebook: Open) -> None:
    sheet = background(open_notebook, 500, 0)
    expect(widget(sheet).locator(".sk-pace")).to_have_text("✓ done")
    sheet.save()
    sheet.page.reload()
    preview = widget(sheet)
    expect(preview.locator(".sk-made")).to_have_text("474/500 rows")
    preview.locator(".sk-body").evaluate("(node) => { node.scrollTop = node.scrollHeight; }")
    expect(preview.get_by_role("button", name="Expand row 500")).to_be_visible()
    assert sheet.page.get_by_text("Error displaying widget").count() == 0


def test_a_dead_kernel_leaves_a_view_to_read(open_notebook: Open) -> None:
    sheet = background(open_notebook, 20_000, 0.05)
    preview = widget(sheet)
    wait_for(lambda: rows_made(preview) >= 12, "some rows")
    sheet.command("notebook:shutdown-kernel")
    expect_gone(preview)
    expect(preview.locator(".sk-pace")).to_have_text("■ kernel gone")
    expect(preview.get_by_role("button", name="Stop")).to_be_hidden()
    expect(preview.get_by_text("Friendly staff.").first).to_be_attached()


def test_a_restarted_kernel_leaves_a_view_to_read(open_notebook: Open) -> None:
    sheet = background(open_notebook, 20_000, 0.05)
    preview = widget(sheet)
    wait_for(lambda: rows_made(preview) >= 12, "some rows")
    sheet.command("notebook:restart-kernel")
    sheet.page.get_by_role("dialog").get_by_role("button", name="Confirm").click()
    expect_gone(preview)
    expect(preview.locator(".sk-pace")).to_have_text("■ kernel gone")


@only_in("lab")
def test_an_error_of_the_stop_is_seen(open_notebook: Open) -> None:
    source = """
def stop(): raise ValueError("no stop today")
p = Preview("reviews", 9, COLUMNS, "fake", stop)
p
"""
    sheet = open_notebook(FEED, source)
    sheet.run_all()
    preview = widget(sheet)
    expect(preview.get_by_text("Waiting for the first row.")).to_be_visible()
    preview.get_by_role("button", name="Stop").click()
    expect(preview.get_by_role("alert")).to_have_text("✗ ValueError: no stop today")
    expect(preview.get_by_role("button", name="Stop")).to_be_visible()


@each_app("save_state", notebook=False, lab=True)
def test_100_000_rows_scroll_and_leave_the_notebook_small(
    open_notebook: Open, server: Any, save_state: bool
) -> None:
    source = """
p = Preview("reviews", 100_000, COLUMNS, "smollm2 nf4")
for i in range(100_000): outcome(p, i, hit=True)
p.finish("done")
p
"""
    server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=save_state)
    try:
        sheet = open_notebook(FEED, source)
        before = len(
            json.dumps(sheet.save() if sheet.unsaved() else json.loads(sheet.path.read_text()))
        )
        sheet.run_all()
        preview = widget(sheet)
        body = preview.locator(".sk-body")
        expect(preview.get_by_role("button", name="Expand row 1", exact=True)).to_be_visible()
        for row, share in [(100_000, 1.0), (50_000, 0.5), (25_000, 0.25), (1, 0.0)]:
            body.evaluate(
                "(node, share) => { node.scrollTop = share * (node.scrollHeight - 12.5 * 26); }",
                share,
            )
            name = f"Expand row {row}"
            expect(preview.get_by_role("button", name=name, exact=True)).to_be_visible()
        assert preview.locator("tbody tr").count() < 40
        saved = sheet.save()
    finally:
        server.set("@jupyter-widgets/jupyterlab-manager:plugin", saveState=False)
    assert ("widgets" in saved["metadata"]) == save_state
    grown = len(sheet.path.read_bytes()) - before
    print(f"the notebook grew by {grown} bytes")
    assert grown < (100_000 if save_state else 2_000)


@only_in("notebook")
def test_someone_watches(open_notebook: Open) -> None:
    sheet = open_notebook("from synthkit.core.environment import interactive\ninteractive()")
    sheet.run_all()
    assert sheet.cell(0).locator(".jp-OutputArea-output").inner_text() == "True"


CONTRASTS = """(root) => {
    const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = (css) => {
        const [r, g, b] = css.match(/[\\d.]+/g).map(Number).map(channel);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = light(getComputedStyle(root).backgroundColor);
    return [...root.querySelectorAll(":not(:empty)")].map((node) => {
        const ink = light(getComputedStyle(node).color);
        return (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    });
}"""


@each_theme
def test_every_text_stands_out_in_both_themes(
    open_notebook: Open, pictures: Path, theme: str
) -> None:
    source = """
q = Preview("reviews", 12000, COLUMNS, "smollm2 nf4")
for i in range(30): outcome(q, i, i < 10)
q.finish("interrupted")
q
"""
    failed = """
f = Preview("reviews", 40, COLUMNS, "gpt")
for i in range(8): outcome(f, i)
f.add(8, {"text": "  zero\\u200bwidth\\n" + "long " * 500, "topic": None}, None, 9, False)
f.finish("failed", "401 from http://127.0.0.1: the key in OPENAI_API_KEY was refused.")
f
"""
    live = BACKGROUND.format(n=20_000, seconds=0.05)
    sheet = open_notebook(FEED, live, source, failed, theme=theme, height=1800)
    sheet.run_all()
    previews = sheet.page.locator(".sk-preview")
    expect(previews).to_have_count(3)
    expect(previews.nth(2).get_by_role("alert")).to_be_visible()
    expect(previews.nth(0).locator(".sk-pace")).to_contain_text("tok/s")
    name = theme.split()[1].lower()
    for n, state in enumerate(["live", "interrupted", "failed"]):
        assert min(previews.nth(n).evaluate(CONTRASTS)) >= 4.5, state
        sheet.screenshot(pictures, f"preview-{state}-{name}", previews.nth(n))
    sheet.screenshot(pictures, f"preview-page-{name}")
    ground = previews.nth(0).evaluate("(node) => getComputedStyle(node).backgroundColor")
    assert ground == ("rgb(255, 255, 255)" if name == "light" else "rgb(33, 33, 33)")


@each_app("width", notebook=480, lab=1600)
def test_the_widget_fits_the_window(open_notebook: Open, pictures: Path, width: int) -> None:
    sheet = background(open_notebook, 30, 0, width=width)
    preview = widget(sheet)
    expect(preview.locator(".sk-pace")).to_have_text("✓ done")
    sheet.screenshot(pictures, f"preview-{width}", preview)
    assert preview.evaluate("(node) => node.scrollWidth <= node.clientWidth")
