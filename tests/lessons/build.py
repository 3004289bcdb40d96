"""Make the bundle and the stored outputs of a lesson.

    python -m tests.lessons.build 03_filtering [--live] [--marks MARKS.json] [--draft]

1. The lesson runs as it is and with the solutions of its exercises. What its bundle has is not
   asked again; the rest is asked of the model on this machine. ``--live`` asks all again.
2. A bundle is made of what was asked, with the marks of the bundle before and of ``--marks``: a
   list of objects with ``id`` and ``label``, and ``reason`` and ``task`` if there are such.
3. The lesson runs again with that bundle alone, without the weights of the model that generates.
   Its outputs are stored in the notebook, with a picture beside each figure.

``--draft`` ends after the first step and prints the outputs, also those of the solutions.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

import synthkit as sk
from synthkit.core.types import Mark
from synthkit.models.hub import catalog
from tests.lessons.solutions import solved

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
BUNDLES = NOTEBOOKS / "bundles"
PLOTLY = "application/vnd.plotly.v1+json"
AUTHOR = "the lesson"
GENERATORS = ("smollm2",)
"""Models whose weights a lesson does without."""


def run(name: str, folder: Path, *, live: bool, solve: bool, weights: bool = True) -> Any:
    """The lesson as it was run in a folder that has its bundle."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    if solve:
        solved(name, notebook)
    for cell in notebook.cells:
        if live and "parameters" in cell.metadata.get("tags", ()):
            cell.source = cell.source.replace("LIVE = False", "LIVE = True")
    with cache_without_generators() if not weights else _nothing() as variables:
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            timeout=3600,
            resources={"metadata": {"path": str(folder)}},
            store_widget_state=False,
        )
        client.execute(env={**os.environ, "HF_HUB_OFFLINE": "1", **variables})
    return notebook


@contextmanager
def _nothing() -> Iterator[dict[str, str]]:
    yield {}


@contextmanager
def cache_without_generators() -> Iterator[dict[str, str]]:
    """The variable of a cache folder that has all that is here but the weights of generators."""
    with tempfile.TemporaryDirectory(prefix="synthkit-") as name:
        for path in catalog.cache().glob("*"):
            if not path.name.startswith(GENERATORS):
                (Path(name) / path.name).symlink_to(path)
        yield {"SYNTHKIT_CACHE": name}


def session_of(name: str, live: bool) -> str:
    """The folder of the lesson's session, beside its notebook."""
    number = name.partition("_")[0]
    return f".synthkit/{number}_live" if live else f".synthkit/{number}"


def marks_of(name: str) -> list[Mark]:
    """The marks in the bundle of a lesson, as those of the person who adds them."""
    bundle = BUNDLES / f"{name}.zip"
    if not bundle.exists():
        return []
    with tempfile.TemporaryDirectory(prefix="synthkit-") as folder, sk.Session(folder) as before:
        before.import_bundle(bundle)
        return [replace(mark, session="", step=0) for mark in before.marks()]


def export(name: str, session: sk.Session, marks: list[dict[str, Any]]) -> Path:
    """Write the bundle of a session, with the marks of the bundle before and further ones."""
    known = marks_of(name)
    for at, mark in enumerate(marks):
        known.append(Mark(by=AUTHOR, at=time.time() + at / 1000, **mark))
    session.person = AUTHOR
    own = list(session.marks())
    new = [
        mark
        for mark in known
        if not any((m.id, m.task, m.label) == (mark.id, mark.task, mark.label) for m in own)
    ]
    session.store.marks.add(new)
    BUNDLES.mkdir(exist_ok=True)
    return session.export(BUNDLES / f"{name}.zip", over=True)


def pictures(notebook: Any) -> None:
    """Put a PNG beside each figure, as plotly draws it in Chromium."""
    figures = [
        output.data
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if PLOTLY in output.get("data", {})
    ]
    if not figures:
        return
    from playwright.sync_api import sync_playwright
    from plotly.offline import get_plotlyjs

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.set_content("<html><body></body></html>")
        page.add_script_tag(content=get_plotlyjs())
        for data in figures:
            spec = dict(data[PLOTLY], config={})
            spec["layout"] = spec["layout"] | {"paper_bgcolor": "white"}
            url = page.evaluate(
                "spec => Plotly.toImage(spec, {format: 'png', width: 720, height: 420})", spec
            )
            data["image/png"] = url.partition(",")[2]
        browser.close()


def store(name: str, notebook: Any) -> None:
    """Write the outputs of a run into the lesson, without times and what else differs each time."""
    notebook.metadata.pop("widgets", None)
    for at, cell in enumerate(notebook.cells):
        cell.metadata.pop("execution", None)
        cell.id = f"cell-{at}" if not cell.get("id") else cell.id
    text = nbformat.writes(notebook, version=4)
    (NOTEBOOKS / f"{name}.ipynb").write_text(text.rstrip() + "\n", encoding="utf-8")


def shown(notebook: Any) -> str:
    """The code cells and the text of their outputs."""
    lines = []
    for at, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        lines.append(f"--- [{at}] {cell.source[:300]}")
        for output in cell.outputs:
            data: Mapping[str, Any] = output.get("data", {})
            text = output.get("text") or output.get("evalue") or data.get("text/plain", "")
            lines.append(text)
    return "\n".join(lines)


def main() -> None:
    """Build the lesson of the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("name")
    parser.add_argument("--live", action="store_true")
    parser.add_argument("--marks", type=Path)
    parser.add_argument("--draft", action="store_true")
    options = parser.parse_args()
    name, bundle = options.name, BUNDLES / f"{options.name}.zip"
    live = options.live or not bundle.exists()
    with tempfile.TemporaryDirectory(prefix="lesson-") as place:
        folder = Path(place)
        (folder / "bundles").mkdir()
        if bundle.exists():
            shutil.copy(bundle, folder / "bundles")
        began = time.monotonic()
        notebook = run(name, folder, live=live, solve=False)
        print(f"first run: {time.monotonic() - began:.0f} s", file=sys.stderr)
        solution = run(name, folder, live=live, solve=True)
        if options.draft:
            print(shown(notebook), "\n\n=== with solutions\n", shown(solution))
            return
        marks = json.loads(options.marks.read_text()) if options.marks else []
        with sk.Session(folder / session_of(name, live)) as session:
            export(name, session, marks)
    with tempfile.TemporaryDirectory(prefix="lesson-") as place:
        (Path(place) / "bundles").mkdir()
        shutil.copy(bundle, Path(place) / "bundles")
        began = time.monotonic()
        notebook = run(name, Path(place), live=False, solve=False, weights=False)
        print(f"replay: {time.monotonic() - began:.0f} s; {bundle.stat().st_size / 1000:.0f} kB")
        run(name, Path(place), live=False, solve=True, weights=False)
    pictures(notebook)
    store(name, notebook)
    print(shown(notebook))


if __name__ == "__main__":
    main()
