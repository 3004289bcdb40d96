"""``%synth card``: what it shows and writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from synthkit.core.errors import EndpointError, UsageError
from tests.notebook.conftest import Shell


def test_a_card_is_shown_and_written(shell: Shell, tmp_path: Path) -> None:
    shell.run("%%synth reviews --model fake --n 3\nSay hello.")
    path = tmp_path / "README.md"
    shown = shell.run(f"%synth card reviews {path}")
    assert f"The card of reviews is in {path}." in shown
    assert "3 rows lead back to a prompt, a model and a seed; 0 are not traced." in path.read_text()
    with pytest.raises(UsageError, match=r"exists already.*--over in a line"):
        shell.run(f"%synth card reviews {path}")
    shell.run(f"%synth card reviews {path} --over")


def test_a_push_is_shown_before_it_is_sent(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    shell.run("%%synth reviews --model fake --n 4\nSay hello {{ 1 }}.")
    shown = shell.run("%synth push reviews me/reviews")
    assert "data/train.parquet" in shown
    assert "dataset me/reviews, a new private repository   3 files to send" in shown
    assert "a new public repository" in shell.run("%synth push reviews me/reviews --public")
    with pytest.raises(EndpointError, match="HF_HUB_OFFLINE is set"):
        shell.run("%synth push reviews me/reviews --send")
    with pytest.raises(UsageError, match="expected a repository as owner/name"):
        shell.run("%synth push reviews mine")
    shell.run("%%synth more_reviews --model fake --n 2\nSay hello {{ 1 }}.")
    with pytest.raises(UsageError, match="got twice one: reviews, more_reviews"):
        shell.run("%synth push reviews,more_reviews me/reviews")
    with pytest.raises(UsageError, match="table 'nothing' not found"):
        shell.run("%synth push nothing me/reviews")
