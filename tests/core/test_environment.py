"""Whether a person watches the outputs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from tqdm import tqdm

from synthkit.core.environment import bar_stream, interactive, notices, warn
from synthkit.core.errors import UsageError

ROOT = Path(__file__).parents[2]


def test_outside_a_kernel_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYNTHKIT_LIVE", raising=False)
    assert interactive() is False
    assert notices() is sys.stderr


def test_the_environment_overrules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    assert interactive() is True
    monkeypatch.setenv("SYNTHKIT_LIVE", "0")
    assert interactive() is False
    monkeypatch.setenv("SYNTHKIT_LIVE", "yes")
    with pytest.raises(UsageError, match="SYNTHKIT_LIVE must be 0, 1 or unset; got 'yes'"):
        interactive()


@pytest.mark.parametrize(
    "command",
    [
        ["jupyter", "execute", "--output=out.ipynb"],
        ["nbconvert", "--execute", "--to=notebook", "--output=out.ipynb"],
        ["pytest", "--nbval", "--nbval-current-env", "-p", "no:cacheprovider", "-q"],
    ],
    ids=["execute", "nbconvert", "nbval"],
)
def test_nobody_watches_a_headless_run(command: list[str], tmp_path: Path) -> None:
    source = (
        "import sys\n"
        "from pathlib import Path\n"
        "from synthkit.core.environment import interactive, notices, warn\n"
        "Path('seen').write_text(f'{interactive()} {notices() is sys.stdout}')\n"
        "warn('the disk is full.')"
    )
    nbformat.write(
        nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)]), tmp_path / "a.ipynb"
    )
    module, *options = command
    done = subprocess.run(
        [sys.executable, "-m", module, *options, "a.ipynb"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "seen").read_text() == "False True"
    if (out := tmp_path / "out.ipynb").exists():
        (output,) = json.loads(out.read_text())["cells"][0]["outputs"]
        assert (output["name"], output["text"]) == ("stdout", ["Note: the disk is full.\n"])


def test_a_bar_in_a_notebook_is_one_line_that_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown: list[str] = []

    class Place:
        def update(self, data: dict[str, str], raw: bool) -> None:
            shown.append(data["text/plain"])

    def display(data: dict[str, str], **options: bool) -> Place:
        assert options == {"raw": True, "display_id": True}
        assert not shown
        Place().update(data, raw=True)
        return Place()

    assert bar_stream() is sys.stderr
    monkeypatch.setattr("synthkit.core.environment._kernel", object)
    monkeypatch.setattr("IPython.display.display", display)
    bar = {"total": 2, "leave": False, "bar_format": "{n_fmt}/{total_fmt} rows", "mininterval": 0}
    for _ in tqdm(range(2), file=bar_stream(), **bar):  # type: ignore[call-overload]
        pass
    assert shown[:3] == ["0/2 rows", "1/2 rows", "2/2 rows"]
    assert set(shown[3:]) == {""}
    shown.clear()
    tqdm(total=2, delay=9, file=bar_stream(), leave=False).close()
    assert shown == []


def test_outside_a_notebook_a_warning_names_the_caller() -> None:
    with pytest.warns(UserWarning, match="the disk is full") as caught:
        warn("the disk is full.", UserWarning)
    assert caught[0].filename == __file__


def test_the_package_warns_in_one_way() -> None:
    sources = (ROOT / "synthkit").rglob("*.py")
    own = [path.name for path in sources if "warnings.warn(" in path.read_text()]
    assert own == ["environment.py"]


def environment(home: Path) -> dict[str, str]:
    """This process's environment, with Jupyter's folders in a new home."""
    kept = {key: value for key, value in os.environ.items() if key != "SYNTHKIT_LIVE"}
    home_of = {"HOME": str(home), "JUPYTER_PLATFORM_DIRS": "1", "IPYTHONDIR": str(home / "ipython")}
    return {**kept, **home_of, "PYTHONPATH": str(ROOT)}
