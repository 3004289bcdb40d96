"""Build a static JupyterLite site of the lessons that replay in a browser alone.

    python -m notebooks.website.lite FOLDER

It needs the extra ``lite``. A page of the site runs Python as WebAssembly (Pyodide), so nothing is
installed and no server answers. Pyodide and its packages come from its own CDN when a lesson is
opened; synthkit is in the site.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat

from notebooks.website.lessons import SOURCE, Lesson, lessons

INSTALL = "%pip install -q jupyter-synthkit anywidget plotly scikit-learn"
"""The second cell of each lesson of the site."""
NO_EMBEDDER = "it embeds texts with tokenizers, which has no wheel for Pyodide"
NO_RAPIDFUZZ = "it compares texts with rapidfuzz, which has no wheel for Pyodide"
NOT_IN_BROWSER = {
    "01_prompts": NO_RAPIDFUZZ,
    "02_multi_step": NO_RAPIDFUZZ,
    "03_filtering": NO_EMBEDDER,
    "04_label_enhancement": NO_EMBEDDER,
    "05_direct_evaluation": NO_EMBEDDER,
    "06_indirect_evaluation": NO_EMBEDDER,
    "12_augment": NO_EMBEDDER,
    "13_clean": NO_EMBEDDER,
    "14_attributed_reviews": NO_EMBEDDER,
    "15_whole_dataset": NO_EMBEDDER,
}
"""Lessons that are not in the site, and why."""


def in_browser() -> list[Lesson]:
    """The numbered lessons that use nothing that no browser has."""
    course = [lesson for lesson in lessons() if lesson.path.name[0].isdigit()]
    return [lesson for lesson in course if lesson.path.stem not in NOT_IN_BROWSER]


def build(target: Path) -> None:
    """Write the site into a folder."""
    with tempfile.TemporaryDirectory(prefix="synthkit-") as name:
        place = Path(name)
        (place / "files" / "bundles").mkdir(parents=True)
        for lesson in in_browser():
            notebook = nbformat.read(lesson.path, as_version=4)
            notebook.cells.insert(1, nbformat.v4.new_code_cell(INSTALL))
            nbformat.write(notebook, place / "files" / lesson.path.name)
            bundle = SOURCE / "bundles" / f"{lesson.path.stem}.zip"
            shutil.copy(bundle, place / "files" / "bundles")
        wheel = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", SOURCE.parent]
        subprocess.run([*wheel, "--wheel-dir", place / "pypi"], check=True)
        lite = [sys.executable, "-m", "jupyter", "lite", "build", "--contents", place / "files"]
        subprocess.run([*lite, "--output-dir", target.resolve()], check=True, cwd=place)


if __name__ == "__main__":
    build(Path(sys.argv[1]))
