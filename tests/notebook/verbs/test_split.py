"""``%synth split``: what it shows, binds and saves."""

from __future__ import annotations

import pandas as pd
import pytest

from synthkit.core.errors import UsageError
from tests.notebook.conftest import Shell

ROWS = [
    {"id": f"r{i}", "text": f"soup number {i // 2} was warm", "label": "ab"[i // 50]}
    for i in range(100)
]


def test_splits_are_shown_bound_and_saved(shell: Shell) -> None:
    shell.ip.user_ns["reviews"] = pd.DataFrame(ROWS)
    shown = shell.run("%synth split reviews --stratify label --near 1")
    lines = [line.split() for line in shown.splitlines()[1:4]]
    assert lines[0] == ["split", "rows", "a", "b"]
    assert lines[1:] == [["train", "80", "40", "40"], ["test", "20", "10", "10"]]
    assert "reviews: 100 rows; bound reviews_train, reviews_test" in shown
    train, test = shell["reviews_train"], shell["reviews_test"]
    assert not set(train["text"]) & set(test["text"])
    assert shell.context.session.load("reviews_test")["id"].tolist() == test["id"].tolist()


def test_a_variable_of_the_user_stays(shell: Shell) -> None:
    shell.ip.user_ns |= {"reviews": pd.DataFrame(ROWS), "reviews_b": 7}
    shown = shell.run("%synth split reviews a=.5 b=.25 c=.25 --near none --together none --seed 3")
    assert shell["reviews_b"] == 7
    assert [len(shell[name]) for name in ("reviews_a", "reviews_b_2", "reviews_c")] == [50, 25, 25]
    assert "bound reviews_a, reviews_b_2, reviews_c" in shown


@pytest.mark.parametrize("shares", ["train", "train=.5 train=.5", "train=most test=.2"])
def test_shares_that_cannot_be_read_are_errors(shell: Shell, shares: str) -> None:
    shell.ip.user_ns["reviews"] = pd.DataFrame(ROWS)
    with pytest.raises(UsageError):
        shell.run(f"%synth split reviews {shares}")


def test_shares_that_cannot_be_met_are_told_with_the_options_that_help(shell: Shell) -> None:
    rows = pd.DataFrame(ROWS).assign(group="one")
    shell.ip.user_ns["reviews"] = rows
    with pytest.raises(UsageError, match=r"--together none\).*--near none\)\. Python also takes"):
        shell.run("%synth split reviews")
    shell.run("%synth split reviews --together none --near none")
