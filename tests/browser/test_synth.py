"""``%%synth`` cells in a real JupyterLab and a real Notebook 7."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Open, only_in

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser

LOAD = """%load_ext synthkit
from synthkit import Fake
slow = Fake(seconds={seconds}, concurrency=1, babble=0.1, name="{name}")
"""
CELL = """%%synth reviews --model slow --n {n} --labels positive,negative {more}
--- system
You are a guest.
--- user
Is {{{{ '{{' }}}}"a": 1}}}} good?"""
COUNT = "len(reviews), len(reviews_run.rejects), len(reviews_run.pending), len(slow.asked)"


def load(name: str, seconds: float = 0.1) -> str:
    return LOAD.format(name=name, seconds=seconds)


def cell(n: int, more: str = "") -> str:
    return CELL.format(n=n, more=more)


def outputs(sheet: Any, index: int) -> Locator:
    located: Locator = sheet.cell(index).locator(".jp-OutputArea-output")
    return located


def numbers(sheet: Any, index: int) -> list[int]:
    """The numbers that a cell shows."""
    sheet.run(index)
    return [int(n) for n in re.findall(r"\d+", outputs(sheet, index).inner_text())]


def test_a_cell_shows_its_rows_as_they_arrive_and_leaves_a_static_table(
    open_notebook: Open, pictures: Path
) -> None:
    sheet = open_notebook(load("arrive", seconds=0.3), cell(40), COUNT)
    sheet.run(0)
    sheet.run(1, wait=False)
    preview = sheet.page.locator(".sk-preview")
    expect(preview.locator(".sk-made")).to_have_text(re.compile(r"^[1-9]\d?/40 rows$"))
    expect(outputs(sheet, 1)).to_have_count(1)
    sheet.wait_until_ran(1)
    expect(preview.locator(".sk-pace")).to_have_text("✓ done")
    expect(outputs(sheet, 1)).to_have_count(2)
    expect(outputs(sheet, 1).nth(1)).to_contain_text(re.compile(r"reviews: \d+ rows, \d+ rejects"))
    done, rejects, pending, asked = numbers(sheet, 2)
    assert (done + rejects, pending, asked) == (40, 0, 40)
    sheet.screenshot(pictures, "synth-cell")


def test_the_apps_interrupt_keeps_what_is_done_and_the_cell_goes_on(open_notebook: Open) -> None:
    sheet = open_notebook(load("interrupt"), cell(600), COUNT)
    sheet.run(0)
    sheet.run(1, wait=False)
    preview = sheet.page.locator(".sk-preview")
    expect(preview.locator(".sk-made")).to_have_text(re.compile(r"^[1-9]\d*/600 rows$"))
    sheet.command("notebook:interrupt-kernel")
    sheet.wait_until_ran(1)
    expect(preview.locator(".sk-pace")).to_have_text("■ interrupted")
    expect(sheet.cell(1)).to_contain_text("are in reviews; run the cell again to resume.")
    done, rejects, pending, asked = numbers(sheet, 2)
    assert done + rejects + pending == 600
    assert asked - 1 <= done + rejects <= asked < 600


def test_a_background_run_leaves_the_notebook_free_and_stops_by_its_button(
    open_notebook: Open,
) -> None:
    sheet = open_notebook(load("stop"), cell(900, "--background"), "6 * 7", COUNT)
    sheet.run(0)
    sheet.run(1)
    preview = sheet.page.locator(".sk-preview")
    expect(preview.locator(".sk-made")).to_have_text(re.compile(r"^[1-9]\d*/900 rows$"))
    assert numbers(sheet, 2) == [42]
    expect(outputs(sheet, 1).nth(1)).to_contain_text("reviews is running")
    preview.get_by_role("button", name="Stop").click()
    expect(preview.locator(".sk-pace")).to_have_text("■ interrupted")
    expect(outputs(sheet, 1).nth(1)).to_contain_text("reviews: ")
    expect(outputs(sheet, 1).nth(1)).to_contain_text("pending: interrupted")
    done, rejects, pending, asked = numbers(sheet, 3)
    assert done + rejects + pending == 900
    assert asked - 1 <= done + rejects <= asked < 900


def test_the_static_table_stands_when_the_kernel_is_gone(open_notebook: Open) -> None:
    sheet = open_notebook(load("gone"), cell(12), "1")
    sheet.run_all()
    sheet.save()
    sheet.server.kill_kernels()
    sheet.page.reload()
    expect(outputs(sheet, 1).last).to_contain_text(re.compile(r"reviews: \d+ rows"))
    expect(outputs(sheet, 1).last.locator("table")).to_be_visible()


@only_in("lab")
def test_a_mistake_is_one_line_without_a_traceback(open_notebook: Open) -> None:
    sheet = open_notebook("%load_ext synthkit", "%%synth a --model fake --vary t=x\n{{ topic }}")
    sheet.run_all()
    shown = outputs(sheet, 1).inner_text()
    assert shown.strip() == "PromptError: field 'topic' not found; have 't'."


def test_tab_completes_an_option(open_notebook: Open) -> None:
    sheet = open_notebook("%load_ext synthkit", "%%synth a --temp")
    sheet.run(0)
    editor = sheet.cell(1).locator(".cm-content")
    editor.click()
    editor.press("End")
    editor.press("Tab")
    expect(sheet.page.locator(".jp-Completer-item")).to_have_text(re.compile("--temperature"))
    editor.press("Enter")
    expect(editor).to_have_text("%%synth a --temperature")


def test_a_progress_line_leaves_no_blank_line(open_notebook: Open) -> None:
    generate = (
        "import synthkit as sk\n"
        'run = sk.generate("Say {{ x }}.", vary={"x": range(12)}, model=slow)\n'
        "len(run.table) + len(run.rejects)"
    )
    sheet = open_notebook(load("line", seconds=0.4), generate)
    sheet.run(0)
    sheet.run(1, wait=False)
    expect(outputs(sheet, 1).first).to_have_text(re.compile(r"^[1-9]\d?/12 rows"))
    sheet.wait_until_ran(1)
    line, result = outputs(sheet, 1).all()
    assert result.inner_text().strip() == "12"
    assert line.evaluate("(element) => element.getBoundingClientRect().height") == 0
    assert result.evaluate("(element) => element.getBoundingClientRect().height") > 0
    saved = sheet.save()["cells"][1]["outputs"]
    assert [output["output_type"] for output in saved] == ["display_data", "execute_result"]
