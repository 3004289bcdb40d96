"""Outputs of other programs as tables.

``recorded`` has what small programs of DataDreamer 0.46 and distilabel 1.5 left, with a language
model that answers fixed texts, and in ``expected.json`` the rows that these programs themselves
read back. The other layouts are written here as those programs write them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from synthkit.core.errors import UsageError
from synthkit.data import tables
from synthkit.share.export import save
from synthkit.share.imports import read

ROWS = [{"prompts": f"Say {n}.", "generations": str(n)} for n in range(3)]


def datadreamer(folder: Path, *, pickled: bool = False) -> Path:
    """What DataDreamer 0.46 leaves: ``Step.__save_output_to_disk``."""
    for step, data in {"prompts": ROWS[:2], "generate": ROWS}.items():
        datasets.Dataset.from_list(data).save_to_disk(folder / step / "_dataset")
        facts = {
            "name": step.title(),
            "type": "Prompt",
            "pickled": pickled,
            "__version__": "0.46.0",
        }
        (folder / step / "step.json").write_text(json.dumps(facts))
    datasets.Dataset.from_list(ROWS).save_to_disk(folder / "_backups" / "old" / "_dataset")
    (folder / "_backups" / "old" / "step.json").write_text("{}")
    (folder / "unfinished").mkdir()
    return folder


def test_datadreamers_steps_are_tables(tmp_path: Path) -> None:
    found = read(datadreamer(tmp_path / "output"))
    assert list(found) == ["generate", "prompts"]
    table = found["generate"]
    assert table[["prompts", "generations"]].to_dict("records") == ROWS
    assert table["origin"].tolist()[2] == "DataDreamer Generate in output, row 2"
    # the same rows have the same ids wherever they lie
    again = read(datadreamer(tmp_path / "moved"))["generate"]
    assert again["id"].tolist() == table["id"].tolist()
    assert len(set(table["id"])) == 3
    # one step by itself
    assert list(read(tmp_path / "output" / "generate")) == ["generate"]


RECORDED = Path(__file__).parent / "recorded"


@pytest.mark.parametrize("program", ["datadreamer", "distilabel"])
@pytest.mark.filterwarnings("ignore:DataDreamer has saved no rows")
def test_recorded_outputs_are_equal_row_by_row(program: str) -> None:
    expected = json.loads((RECORDED / "expected.json").read_text(encoding="utf-8"))[program]
    found = read(RECORDED / program)
    assert sorted(found) == sorted(expected)
    for name, rows in expected.items():
        cells = [
            {column: cell for column, cell in row.items() if column not in ("id", "origin")}
            for row in tables.records(found[name])
        ]
        assert cells == rows


def test_steps_whose_rows_were_not_saved_are_named() -> None:
    with pytest.warns(RuntimeWarning, match=r"has saved no rows of count: a lazy step.*\.save\(\)"):
        read(RECORDED / "datadreamer")


def test_pickled_values_are_not_read(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="pickled values, which could run any program"):
        read(datadreamer(tmp_path / "output", pickled=True))


def test_distisets_have_a_table_for_each_leaf_and_split(tmp_path: Path) -> None:
    folder = tmp_path / "distiset"
    for leaf in ("generation", "ranking"):
        data = datasets.Dataset.from_list(
            [row | {"model_name": "m", "distilabel_metadata": {"raw": "x"}} for row in ROWS]
        )
        parts = {"train": data, "test": data.select([0])} if leaf == "ranking" else {"train": data}
        datasets.DatasetDict(parts).save_to_disk(folder / leaf)
    (folder / "distiset_configs").mkdir()
    (folder / "distiset_configs" / "pipeline.yaml").write_text("distilabel: {version: 1.5.3}\n")
    found = read(folder)
    assert {name: len(table) for name, table in found.items()} == {
        "generation_train": 3,
        "ranking_train": 3,
        "ranking_test": 1,
    }
    first = found["ranking_test"].to_dict("records")[0]
    assert first["origin"] == "distilabel distiset/ranking/test, row 0"
    assert first["distilabel_metadata"] == {"raw": "x"}


def test_folders_of_datasets_are_read(tmp_path: Path) -> None:
    folder = save(ROWS, tmp_path / "my rows", format="datasets")
    (name, table), *_ = read(folder).items()
    assert (name, table["generations"].tolist()) == ("my_rows", ["0", "1", "2"])
    assert table["origin"][0] == "datasets my rows, row 0"


def test_results_of_a_batch_lead_back_to_the_rows_that_were_asked(tmp_path: Path) -> None:
    asked = [{"id": f"a{n}", "prompt": f"Say {n}."} for n in range(3)]
    batch = save(asked, tmp_path / "batch.jsonl", format="openai-batch", model="m")
    lines: list[dict[str, Any]] = []
    for line in map(json.loads, batch.read_text().splitlines()):
        said = line["body"]["messages"][-1]["content"][4:-1]
        message: dict[str, Any] = {"role": "assistant", "content": said}
        if said == "1":
            call = {"name": "add", "arguments": '{"a": 1}'}
            calls = [{"id": "c", "type": "function", "function": call}]
            message = {"role": "assistant", "content": None, "tool_calls": calls}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        usage = {"prompt_tokens": 3, "completion_tokens": 1}
        body = {"model": "m-2026", "choices": [choice], "usage": usage}
        response = {"status_code": 200, "request_id": "r", "body": body}
        lines.append({"id": "batch_req", "custom_id": line["custom_id"], "response": response})
    lines[2] |= {"response": None, "error": {"code": "batch_expired", "message": "too late"}}
    results = tmp_path / "results.jsonl"
    results.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = read(results)["results"]
    rows = tables.records(table)
    assert [row["parent"] for row in rows] == ["a0", "a1", "a2"]
    assert [row["completion"] for row in rows] == ["0", None, None]
    assert rows[1]["tool_calls"] == [{"name": "add", "arguments": {"a": 1}}]
    assert (rows[0]["model"], rows[0]["completion_tokens"]) == ("m-2026", 1)
    assert [row["error"] for row in rows] == [None, None, "too late"]
    assert len({row["id"] for row in rows}) == 3
    assert rows[2]["origin"] == "OpenAI batch results.jsonl, row 2"


@pytest.mark.parametrize("suffix", [".json", ".jsonl"])
def test_chats_of_sharegpt_become_messages_and_go_back(suffix: str, tmp_path: Path) -> None:
    chats = [
        {
            "id": f"c{n}",
            "conversations": [
                {"from": "system", "value": "Be brief."},
                {"from": "human", "value": f"What is {n} + 1?"},
                {"from": "function_call", "value": '{"name": "add", "arguments": {"a": 1}}'},
                {"from": "observation", "value": "2"},
                {"from": "gpt", "value": "2."},
            ],
        }
        for n in range(2)
    ]
    file = tmp_path / f"chats{suffix}"
    lines = "\n".join(map(json.dumps, chats))
    file.write_text(json.dumps(chats) if suffix == ".json" else lines)
    table = read(file)["chats"]
    assert table["id"].tolist() == ["c0", "c1"]
    roles = [turn["role"] for turn in table["messages"][0]]
    assert roles == ["system", "user", "assistant", "tool", "assistant"]
    again = json.loads(save(table, tmp_path / "again.json", format="sharegpt").read_text())
    assert again == chats


def test_ids_that_occur_twice_are_kept_beside_new_ones(tmp_path: Path) -> None:
    chat = {"id": "x", "conversations": [{"from": "human", "value": "Hi"}]}
    (tmp_path / "a.json").write_text(json.dumps([chat, chat]))
    table = read(tmp_path / "a.json")["a"]
    assert table["id_2"].tolist() == ["x", "x"]
    assert len(set(table["id"])) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no json", "is no JSON"),
        (
            '[{"a": 1}]',
            "has nothing that can be imported; expected an output folder of DataDreamer",
        ),
        ('[{"conversations": [{"who": "me"}]}]', "row 0: expected messages with 'role' and"),
    ],
)
def test_other_files_are_errors(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(UsageError, match=message):
        read(tmp_path / "a.json")
    with pytest.raises(UsageError, match=r"cannot be read|nothing that can be imported"):
        read(tmp_path / "none.json")


def test_line_ends_of_unicode_in_a_text_end_no_line(tmp_path: Path) -> None:
    text = "one\u2028two\u2029three\x85four"
    path = save([{"prompt": "p", "completion": text}], tmp_path / "a.jsonl", format="sharegpt")
    (table,) = read(path).values()
    assert tables.column(table, "messages")[0][-1]["content"] == text


def test_cut_arguments_of_a_call_are_kept_as_they_were_written(tmp_path: Path) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"a":'}}
    body = {"choices": [{"message": {"content": None, "tool_calls": [call]}}]}
    row = {"custom_id": "r", "response": {"status_code": 200, "body": body}}
    (tmp_path / "batch.jsonl").write_text(json.dumps(row))
    (table,) = read(tmp_path / "batch.jsonl").values()
    assert tables.column(table, "tool_calls") == [[{"name": "find", "arguments": '{"a":'}]]
    (tmp_path / "deep.json").write_text("[" * 100_000)
    with pytest.raises(UsageError, match="is no JSON"):
        read(tmp_path / "deep.json")
