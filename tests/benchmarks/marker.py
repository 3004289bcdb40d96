"""Latency from a key to the next row in the marker, against a bare ipywidgets Button.

    python -m tests.benchmarks.marker [--samples 200] [--rounds 3] [--app lab|notebook]
        [--pauses 20 200]

Both are measured inside the browser with performance.now: from the keydown to the mutation that
shows the next row's text, and from the click to the mutation that shows the label which the
button's Python callback sets. The rounds alternate in one page and one kernel; the table has the
median and the 95th percentile of each.

There is a pause before each sample, in milliseconds: 200 is a person who marks five rows per
second. With 20, replies follow each other so closely that TCP delays them for 40 ms, for the bare
button as well.

Target: a median under 50 ms for the marker.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from pathlib import Path
from statistics import median, quantiles

import nbformat
from playwright.sync_api import sync_playwright

from tests.browser import conftest as browser

SOURCE = """
%load_ext synthkit
%config SynthMagics.folder = "{folder}"
import ipywidgets, pandas
texts = [f"row {{i}} " + "word " * 60 for i in range(5000)]
rows = pandas.DataFrame({{"id": range(5000), "text": texts}})
%synth mark rows --by bench
pressed = ipywidgets.Button(description="0")
pressed.on_click(lambda b: setattr(b, "description", str(int(b.description) + 1)))
pressed
"""
MEASURE = """async ([watched, act, samples, pause]) => {
    const seconds = [];
    const target = document.querySelector(watched);
    for (let n = 0; n < samples; n++) {
        await new Promise((done) => setTimeout(done, pause));
        seconds.push(await new Promise((done) => {
            const observer = new MutationObserver(() => {
                observer.disconnect();
                done(performance.now() - start);
            });
            observer.observe(target, { childList: true, characterData: true, subtree: true });
            const start = performance.now();
            if (act === "key") {
                const init = { key: "a", bubbles: true, cancelable: true };
                const stage = document.querySelector(".sk-mark-stage");
                stage.dispatchEvent(new KeyboardEvent("keydown", init));
            } else target.click();
        }));
    }
    return seconds;
}"""
CASES = {"marker": (".sk-mark-text", "key"), "bare button": (".widget-button", "click")}


def measure(
    app: browser.AppName, samples: int, rounds: int, pauses: list[int]
) -> dict[tuple[int, str], list[list[float]]]:
    """(pause, case) -> for each round, the milliseconds of its samples."""
    found: dict[tuple[int, str], list[list[float]]] = {
        (pause, name): [] for pause in pauses for name in CASES
    }
    with tempfile.TemporaryDirectory() as home_name, sync_playwright() as playwright:
        home = Path(home_name)
        folder = home / "root"
        folder.mkdir()
        browser._write_kernel(home)
        cell = nbformat.v4.new_code_cell(SOURCE.format(folder=home / "session"))
        spec = {"name": "synthkit-test", "display_name": "test", "language": "python"}
        nbformat.write(
            nbformat.v4.new_notebook(cells=[cell], metadata={"kernelspec": spec}),
            folder / "bench.ipynb",
        )
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                browser._command(app, home, folder),
                env=browser._environment(home),
                stdout=log,
                stderr=log,
                cwd=home,
            )
        try:
            url = browser.wait_for(lambda: browser._url(process, home), "the server")
            server = browser.Server(app, url, folder, home)
            chromium = playwright.chromium.launch(
                executable_path=browser.CHROMIUM, args=browser.CHROMIUM_FLAGS
            )
            page = chromium.new_page(viewport={"width": 1100, "height": 900})
            where = "lab/tree/bench.ipynb?reset" if app == "lab" else "notebooks/bench.ipynb"
            page.goto(url + where)
            sheet = browser.Sheet(server, page, folder / "bench.ipynb")
            page.locator(".jp-Notebook .jp-Cell").first.wait_for()
            sheet.wait_until_idle()
            sheet.run_all()
            page.locator(".widget-button").wait_for()
            page.locator(".sk-mark-stage").click()
            for _ in range(rounds):
                for pause, name in found:
                    arguments = [*CASES[name], samples, pause]
                    found[pause, name].append(page.evaluate(MEASURE, arguments))
            chromium.close()
            server.kill_kernels()
        finally:
            process.terminate()
            process.wait(20)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--app", choices=["lab", "notebook"], default="lab")
    parser.add_argument("--pauses", type=int, nargs="+", default=[20, 200])
    options = parser.parse_args()
    found = measure(options.app, options.samples, options.rounds, options.pauses)
    load = os.getloadavg()[0]
    print(f"{options.app}, {options.rounds} rounds of {options.samples}, load {load:.1f}")
    print(f"{'pause ms':>8} {'':12} {'median ms':>10} {'p95 ms':>8}   medians of the rounds")
    for (pause, name), runs in found.items():
        everything = [value for run in runs for value in run]
        medians = json.dumps([round(median(run), 1) for run in runs])
        p95 = quantiles(everything, n=20)[-1]
        print(f"{pause:8} {name:12} {median(everything):10.1f} {p95:8.1f}   {medians}")


if __name__ == "__main__":
    main()
