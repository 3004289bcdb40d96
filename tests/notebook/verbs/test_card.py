"""``%synth card``: what it shows and writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthkit.core.errors import UsageError
from tests.notebook.conftest import Shell


def test_a_card_is_shown_and_written(shell: Shell, tmp_path: Path) -> None:
    shell.run("%%synth reviews --model fake --n 3\nSay hello.")
    path = tmp_path / "README.md"
    shown = shell.run(f"%synth card reviews {path}")
    assert f"The card of reviews is in {path}." in shown
    assert "3 rows lead back to a prompt, a model and a seed; 0 are not traced." in path.read_text()
    with pytest.raises(UsageError, match="exists already"):
        shell.run(f"%synth card reviews {path}")
    shell.run(f"%synth card reviews {path} --overwrite")
