"""``%synth save``: formats, columns and splits of a line."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from synthkit.core.errors import UsageError
from tests.notebook.conftest import Shell


def test_a_table_is_saved_in_a_format(shell: Shell, tmp_path: Path) -> None:
    rows = [{"id": f"r{n}", "q": f"{n}?", "answer": f"{n}"} for n in range(10)]
    shell.ip.user_ns |= {"sums": pd.DataFrame(rows), "sums_b": pd.DataFrame(rows[:4])}
    file = tmp_path / "sums.jsonl"
    shown = shell.run(f"%synth save sums {file} --format messages --columns prompt=q")
    assert f"written: {file}, 10 rows" in shown
    assert json.loads(file.read_text().splitlines()[1])["messages"][0]["content"] == "1?"
    with pytest.raises(UsageError, match="exists already"):
        shell.run(f"%synth save sums {file}")
    shell.run(f"%synth save sums {file} --over")
    assert json.loads(file.read_text().splitlines()[1]) == rows[1]
    line = f"%synth save sums {tmp_path}/batch.jsonl --format openai-batch --batch-model m"
    shell.run(f"{line} --columns prompt=q")
    assert '"model": "m"' in (tmp_path / "batch.jsonl").read_text()
    with pytest.raises(UsageError, match="asks: --batch-model gpt-"):
        shell.run(line.removesuffix("--batch-model m") + "--over")


def test_several_tables_are_saved_as_splits(shell: Shell, tmp_path: Path) -> None:
    shell.ip.user_ns["sums"] = pd.DataFrame({"id": list("abcdefghij"), "n": range(10)})
    shell.run("%synth split sums --near none")
    shell.run(f"%synth save sums_train,sums_test {tmp_path}/folder")
    files = {
        file.name: len(file.read_text().splitlines()) for file in (tmp_path / "folder").iterdir()
    }
    assert files == {"train.jsonl": 8, "test.jsonl": 2}
    with pytest.raises(UsageError, match="expected FIELD=COLUMN"):
        shell.run(f"%synth save sums {tmp_path}/a.jsonl --format kto --columns prompt")


def test_tables_of_other_programs_are_bound_and_saved(shell: Shell, tmp_path: Path) -> None:
    chats = [{"conversations": [{"from": "human", "value": f"Hi {n}"}]} for n in range(3)]
    (tmp_path / "chats.json").write_text(json.dumps(chats))
    assert "imported: 3 rows; bound chats" in shell.run(f"%synth import {tmp_path}/chats.json")
    assert shell["chats"]["origin"][2] == "ShareGPT chats.json, row 2"
    saved = shell.context.session.load("chats")
    assert saved["id"].tolist() == shell["chats"]["id"].tolist()
    shown = shell.run(f"%synth import {tmp_path}/chats.json --to talks")
    assert "imported: 3 rows; bound talks" in shown
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="has nothing that can be imported"):
        shell.run(f"%synth import {tmp_path}/empty")
