"""The front end of the widgets: its types, its own tests, and whether the build is fresh."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from synthkit.notebook import widgets

HERE = Path(widgets.__file__).parent
FRONTEND = HERE / "frontend"
WIDGETS = ("explorer", "grid", "lab", "marker", "sessions")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _packages() -> None:
    """The packages of the lock file, installed once."""
    if shutil.which("npm") is None:
        pytest.fail("needs Node.js 20 or later with npm; else run pytest -m 'not slow'")
    if not (FRONTEND / "node_modules" / ".package-lock.json").exists():
        npm("ci", "--ignore-scripts")


def npm(*words: str) -> None:
    """Run npm in the front end's folder; its output is the message if it fails."""
    done = subprocess.run(["npm", *words], cwd=FRONTEND, capture_output=True, text=True)
    assert done.returncode == 0, f"npm {' '.join(words)}:\n{done.stdout}\n{done.stderr}"


@pytest.mark.parametrize("script", ["check", "test"])
def test_the_front_end_passes_its_own(script: str) -> None:
    npm("run", script)


def test_the_committed_modules_and_stylesheets_are_fresh(tmp_path: Path) -> None:
    npm("run", "build", "--", str(tmp_path))
    stale = [
        f"{widget}/{name}"
        for widget in WIDGETS
        for name in ("widget.js", "widget.css")
        if (tmp_path / widget / name).read_bytes() != (HERE / widget / name).read_bytes()
    ]
    assert stale == [], "run `npm run build` in synthkit/notebook/widgets/frontend, and commit"


def test_the_lock_file_names_no_registry() -> None:
    assert "resolved" not in (FRONTEND / "package-lock.json").read_text()
