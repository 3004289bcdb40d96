"""Folders of LLaMA-Factory, read by the rules of its converters (0.9.5, ``data/converter.py``).

Its own loader (``data/loader.py`` of the wheel, with an empty module for torchaudio) read the 72
rows of the six kinds of tables here alike, one by one. It is no dependency: 0.9.5 needs
``datasets<=4.0``, ``trl<=0.24`` and ``transformers<=5.6``.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from synthkit.core.errors import UsageError
from synthkit.share.export import save
from tests.share.test_formats import CHATS, MARKED, PAIRS, ROWS

TURNS = ("human", "observation"), ("gpt", "function_call")


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """Prompt, responses and tools of each row, as LLaMA-Factory aligns them."""
    info = json.loads((folder / "dataset_info.json").read_text("utf-8"))[name]
    columns, made = info["columns"], []
    for line in (folder / info["file_name"]).read_text("utf-8").splitlines():
        row = json.loads(line)
        if info.get("formatting", "alpaca") == "alpaca":
            turns = [("human", row[columns["prompt"]])]
            answer = [row.get(columns.get(name)) for name in ("response", "chosen", "rejected")]
        else:
            turns = [(turn["from"], turn["value"]) for turn in row[columns["messages"]]]
            assert (len(turns) - (turns[0][0] == "system")) % 2 == bool(info.get("ranking"))
            for at, (role, _) in enumerate(turns[turns[0][0] == "system" :]):
                assert role in TURNS[at % 2]
            answer = [row[n]["value"] for n in ("chosen", "rejected") if n in columns]
            answer = answer or [turns.pop()[1]]
        if "kto_tag" in columns:
            assert isinstance(row[columns["kto_tag"]], bool)
            answer.append(row[columns["kto_tag"]])
        tools = row[columns["tools"]] if "tools" in columns else ""
        answers = [each for each in answer if each is not None]
        made.append({"prompt": [text for _, text in turns], "answers": answers, "tools": tools})
    return made


def test_every_kind_of_row_is_read_back(tmp_path: Path) -> None:
    folder = save(ROWS, tmp_path / "sums", format="llama-factory")
    assert [row["prompt"] for row in read(folder, "sums")] == [[row["question"]] for row in ROWS]
    assert [row["answers"] for row in read(folder, "sums")] == [[row["answer"]] for row in ROWS]
    save(PAIRS, tmp_path / "pairs", format="llama-factory")
    assert read(tmp_path / "pairs", "pairs")[1]["answers"] == ["1", "no"]
    system = [row | {"system": "Be brief."} for row in PAIRS]
    save(system, tmp_path / "brief", format="llama-factory")
    assert read(tmp_path / "brief", "brief")[1]["prompt"] == ["Be brief.", "Say 1."]
    assert read(tmp_path / "brief", "brief")[1]["answers"] == ["1", "no"]
    save(MARKED, tmp_path / "marked", format="llama-factory")
    assert read(tmp_path / "marked", "marked")[1]["answers"] == ["1", False]
    save(CHATS, tmp_path / "chats", format="llama-factory")
    chat = read(tmp_path / "chats", "chats")[0]
    assert chat["prompt"][-1] == "3"
    assert chat["answers"] == ["<think>\nThe tool says so.\n</think>\n\nIt is 3."]
    assert json.loads(chat["tools"]) == CHATS[0]["tools"]


def test_tables_are_added_to_a_folder_and_replaced_only_if_asked(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    splits = {"train": pd.DataFrame(ROWS[:8]), "test": pd.DataFrame(ROWS[8:])}
    save(splits, folder, format="llama-factory")
    save(PAIRS, folder, format="llama-factory")
    info = json.loads((folder / "dataset_info.json").read_text("utf-8"))
    assert list(info) == ["data_train", "data_test", "data"]
    assert len(read(folder, "data_test")) == 4
    with pytest.raises(UsageError, match="has 'data' already, and was not overwritten"):
        save(ROWS, folder, format="llama-factory")
    save(ROWS, folder, format="llama-factory", overwrite=True)
    assert read(folder, "data")[0]["answers"] == [ROWS[0]["answer"]]


ANSWERS = [{"prompt": "p", "completion": "good"}, {"prompt": "p", "completion": "bad"}]


@pytest.mark.parametrize("labels", [(1, 0), (True, False), (1.0, 0.0), ("true", "False")])
def test_unwanted_answers_are_never_written_as_wanted_ones(
    labels: tuple[Any, Any], tmp_path: Path
) -> None:
    rows = [row | {"label": label} for row, label in zip(ANSWERS, labels, strict=True)]
    save(rows, tmp_path / "answers", format="llama-factory")
    info = json.loads((tmp_path / "answers" / "dataset_info.json").read_text())["answers"]
    assert info["columns"]["kto_tag"] == "label"
    one = [rows[0], ANSWERS[1] | {"label": None}]
    for given in ({"label": "label"}, {}):
        with pytest.raises(UsageError, match="row 1: "):
            save(one, tmp_path / "one", format="llama-factory", columns=given)
    of_class = [row | {"label": "soup"} for row in ANSWERS]
    save(of_class, tmp_path / "plain", format="llama-factory")
    assert "kto_tag" not in (tmp_path / "plain" / "dataset_info.json").read_text()
