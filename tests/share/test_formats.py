"""Tables in the formats of trainers, read back by the libraries that read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
import trl.data_utils as trl
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming
from pydantic import TypeAdapter

from synthkit import splits
from synthkit.core.errors import UsageError
from synthkit.data import tables
from synthkit.data.cells import same
from synthkit.share.export import save
from synthkit.share.formats import FORMATS, formatted
from synthkit.share.openai_rules import openai_problems

ROWS: list[dict[str, Any]] = [
    {"id": f"r{n}", "question": f"{n} + {n}? 漢字", "answer": f'"{2 * n}"\n', "topic": "sums"}
    for n in range(12)
]
CALL = {"name": "add", "arguments": {"a": 1, "b": 2}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
CHATS: list[dict[str, Any]] = [
    {
        "id": f"c{n}",
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": f"What is 1 + {n}?"},
            {"role": "assistant", "content": "", "tool_calls": [CALL]},
            {"role": "tool", "name": "add", "content": "3"},
            {"role": "assistant", "content": "It is 3.", "reasoning_content": "The tool says so."},
        ],
        "tools": [TOOL],
    }
    for n in range(12)
]
PAIRS = [
    {"id": f"p{n}", "prompt": f"Say {n}.", "chosen": f"{n}", "rejected": "no"} for n in range(12)
]
MARKED = [
    {"id": f"k{n}", "prompt": f"Say {n}.", "completion": f"{n}", "label": n % 2 == 0}
    for n in range(12)
]
PROMPTS = [{"id": f"q{n}", "prompt": f"Say {n}.", "wanted": n} for n in range(12)]


def read(path: Path) -> list[dict[str, Any]]:
    kind = "parquet" if path.suffix == ".parquet" else "json"
    loaded = datasets.load_dataset(
        kind, data_files=str(path), split="train", cache_dir=str(path.parent / "cache")
    )
    rows: list[dict[str, Any]] = loaded.to_list()
    return rows


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".json"])
@pytest.mark.parametrize(
    ("format", "rows", "keys", "is_chat"),
    [
        ("prompt-completion", ROWS, {"id", "prompt", "completion"}, False),
        ("prompt-completion", CHATS, {"id", "prompt", "completion", "tools"}, True),
        ("messages", ROWS, {"id", "messages"}, True),
        ("messages", CHATS, {"id", "messages", "tools"}, True),
        ("preference", PAIRS, {"id", "prompt", "chosen", "rejected"}, False),
        ("kto", MARKED, {"id", "prompt", "completion", "label"}, False),
        ("prompt-only", PROMPTS, {"id", "prompt", "wanted"}, False),
    ],
)
def test_datasets_and_trl_read_the_same_rows(
    format: str, rows: Any, keys: set[str], is_chat: bool, suffix: str, tmp_path: Path
) -> None:
    path = save(pd.DataFrame(rows), tmp_path / f"rows{suffix}", format=format)
    loaded = read(path)
    written = formatted(rows, format)
    assert len(loaded) == 12
    assert all(map(same, loaded, written))
    assert set(loaded[0]) == keys
    assert [row["id"] for row in loaded] == [row["id"] for row in rows]
    assert trl.is_conversational(loaded[0]) is is_chat


def test_a_conversation_keeps_its_reasoning_and_its_calls_of_tools() -> None:
    (first, *_) = formatted(CHATS, "messages")
    assert [
        turn["role"] for turn in first["messages"]
    ] == "system user assistant tool assistant".split()
    assert first["messages"][2]["tool_calls"] == [{"type": "function", "function": CALL}]
    assert first["messages"][4]["reasoning_content"] == "The tool says so."
    assert json.loads(first["tools"]) == [TOOL]


def test_what_a_model_thought_and_called_goes_into_its_turn() -> None:
    row = {"prompt": "1 + 2?", "completion": None, "reasoning": "Use it.", "tool_calls": [CALL]}
    ((user, answer),) = [made["messages"] for made in formatted([row], "messages")]
    assert user == {"role": "user", "content": "1 + 2?"}
    assert answer["reasoning_content"] == "Use it."
    assert answer["tool_calls"][0]["function"] == CALL
    plain = formatted(
        [row | {"completion": "3"}],
        "prompt-completion",
        columns={"reasoning": None, "tool_calls": None},
    )
    assert plain == [{"prompt": "1 + 2?", "completion": "3"}]


def test_trl_finds_the_prompt_of_whole_conversations() -> None:
    turns = [{"role": "user", "content": "Hi"}]
    row = {
        "chosen": [*turns, {"role": "assistant", "content": "Hello"}],
        "rejected": [*turns, {"role": "assistant", "content": "What?"}],
    }
    assert trl.extract_prompt(formatted([row], "preference")[0])["prompt"] == turns


@pytest.mark.parametrize("rows", [ROWS, CHATS], ids=["texts", "chats"])
def test_openai_takes_files_for_fine_tuning_and_batches(rows: Any, tmp_path: Path) -> None:
    path = save(rows, tmp_path / "tune.jsonl", format="openai-chat")
    tuning = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert tuning == formatted(rows, "openai-chat")
    assert openai_problems(tuning) == []
    batch = save(rows, tmp_path / "batch.jsonl", format="openai-batch", model="gpt-9")
    lines = [json.loads(line) for line in batch.read_text("utf-8").splitlines()]
    assert [line["custom_id"] for line in lines] == [row["id"] for row in rows]
    assert openai_problems(lines, "openai-batch") == []
    takes: TypeAdapter[Any] = TypeAdapter(CompletionCreateParamsNonStreaming)
    for line in lines:
        takes.validate_python(line["body"], strict=False)
    if rows is CHATS:
        turns = tuning[0]["messages"]
        assert turns[2]["tool_calls"][0]["id"] == turns[3]["tool_call_id"] == "call_2_0"
        assert turns[2]["tool_calls"][0]["function"]["arguments"] == '{"a": 1, "b": 2}'
        assert "reasoning_content" not in turns[4]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"messages": []}, "expected a list of messages"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "unknown role 'bot'"),
        ({"messages": [{"role": "user", "content": None}]}, "a message of the user has no content"),
        ({"messages": [{"role": "user", "content": "x", "mood": 1}]}, "unknown key 'mood'"),
        ({"messages": [{"role": "user", "content": "x"}]}, "the last message must be of the"),
        (
            {"messages": [{"role": "tool", "content": "x", "tool_call_id": "a"}]},
            "must answer the id",
        ),
        ({"id": "a"}, "unknown key 'id'"),
    ],
)
def test_the_rules_of_openai_see_what_it_would_refuse(change: Any, problem: str) -> None:
    rows = formatted(ROWS, "openai-chat")
    rows[3] |= change
    (first, *_) = openai_problems(rows)
    assert first.startswith("row 3: ")
    assert problem in first


def test_the_rules_of_openai_for_whole_files(tmp_path: Path) -> None:
    lines = formatted(ROWS, "openai-batch", model="a")
    other = formatted(ROWS[:1], "openai-batch", model="b")
    assert openai_problems([*lines, *other], "openai-batch") == [
        "a custom_id occurs twice",
        "all requests of a batch must ask one model",
    ]
    with pytest.warns(RuntimeWarning, match="expected 10 examples at least; got 2"):
        save(ROWS[:2], tmp_path / "few.jsonl", format="openai-chat")
    with pytest.raises(UsageError, match="OpenAI would refuse this file: row 0: the last message"):
        save(
            [{"messages": [{"role": "user", "content": "x"}]}],
            tmp_path / "a.jsonl",
            format="openai-chat",
        )
    with pytest.raises(UsageError, match="needs the model"):
        formatted(ROWS, "openai-batch")


def test_trl_reads_sharegpt(tmp_path: Path) -> None:
    loaded = read(save(ROWS, tmp_path / "rows.json", format="sharegpt"))
    assert trl.is_conversational_from_value(loaded[0])
    for row, own in zip(loaded, ROWS, strict=True):
        assert row["id"] == own["id"]
        human, gpt = trl.maybe_convert_to_chatml(row)["messages"]
        assert (human["content"], gpt["content"]) == (own["question"], own["answer"])
    (first, *_) = formatted(CHATS, "sharegpt")
    kinds = [turn["from"] for turn in first["conversations"]]
    assert kinds == ["system", "human", "function_call", "observation", "gpt"]
    assert json.loads(first["conversations"][2]["value"]) == CALL
    assert first["conversations"][4]["value"] == "<think>\nThe tool says so.\n</think>\n\nIt is 3."


def test_splits_are_a_folder_that_datasets_reads(tmp_path: Path) -> None:
    parts = splits(pd.DataFrame(ROWS), {"train": 0.75, "test": 0.25}, duplicates=[])
    folder = save(parts, tmp_path / "disk", format="datasets")
    on_disk = datasets.load_from_disk(folder)
    save(parts, tmp_path / "lines", format="prompt-completion")
    lines = datasets.load_dataset(str(tmp_path / "lines"), cache_dir=str(tmp_path / "cache"))
    for name, part in parts.items():
        assert on_disk[name].to_list() == tables.records(part)
        assert lines[name].to_list() == formatted(part, "prompt-completion")
    whole = save(pd.DataFrame(ROWS), tmp_path / "whole", format="datasets")
    assert datasets.load_from_disk(whole).to_list() == ROWS
    save(pd.DataFrame(ROWS[:3]), whole, format="datasets", overwrite=True)
    assert len(datasets.load_from_disk(whole)) == 3
    with pytest.raises(UsageError, match="exists already, and was not overwritten"):
        save(pd.DataFrame(ROWS), whole, format="datasets")
    with pytest.raises(UsageError, match="exists already, and is no dataset"):
        save(pd.DataFrame(ROWS), tmp_path / "lines", format="datasets", overwrite=True)
    with pytest.raises(UsageError, match="splits are saved in a folder"):
        save(parts, tmp_path / "rows.jsonl")


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_whole_tables_are_read_back_by_datasets(suffix: str, tmp_path: Path) -> None:
    path = save(pd.DataFrame(ROWS), tmp_path / f"rows{suffix}")
    kind = {".jsonl": "json", ".parquet": "parquet", ".csv": "csv"}[suffix]
    loaded = datasets.load_dataset(
        kind, data_files=str(path), split="train", cache_dir=str(tmp_path / "c")
    )
    assert loaded.to_list() == ROWS


@pytest.mark.parametrize(
    ("format", "message"),
    [
        ("preference", r"for prompt and chosen and rejected .*'chosen' not found; have 'id'"),
        ("kto", "columns={'label': 'my column'}, or --columns label=COLUMN"),
        ("chatml", "format 'chatml' not found"),
    ],
)
def test_a_column_that_is_not_found_is_an_error(format: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=message):
        save(ROWS, tmp_path / "rows.jsonl", format=format)
    assert list(tmp_path.iterdir()) == []


def test_named_columns_are_taken_and_missing_cells_are_errors() -> None:
    named = {"prompt": "topic", "completion": "question"}
    assert formatted(ROWS[:1], "prompt-completion", columns=named) == [
        {"id": "r0", "prompt": "sums", "completion": "0 + 0? 漢字"}
    ]
    with pytest.raises(UsageError, match="row 1: 'answer' is missing, the completion of prompt-"):
        formatted([ROWS[0], ROWS[1] | {"answer": None}], "prompt-completion")
    with pytest.raises(UsageError, match="row 0: the label must be true or false; got 'good'"):
        formatted([{"prompt": "a", "completion": "b", "label": "good"}], "kto")
    with pytest.raises(UsageError, match="row 0: expected a list of messages; got 'Hi'"):
        formatted([{"messages": "Hi"}], "messages")
    with pytest.raises(UsageError, match="column 'topik' not found"):
        formatted(ROWS, "kto", columns={"prompt": "topik"})
    assert set(FORMATS) >= {"messages", "kto"}


def test_tools_that_another_format_wrote_are_read() -> None:
    tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object"}}}]
    rows = [{"prompt": "Find it.", "completion": "Here.", "tools": tools}]
    written = formatted(rows, "messages")
    assert isinstance(written[0]["tools"], str)
    (row,) = formatted(written, "openai-chat")
    assert row["tools"] == tools
    (request,) = formatted(written, "openai-batch", model="m")
    assert request["body"]["tools"] == tools
    assert "row 0: tools must be a list of declarations" in openai_problems(
        [row | {"tools": "[]"}] * 10
    )


def test_what_is_said_before_a_call_is_kept() -> None:
    calls = [{"name": "find", "arguments": {"what": "soup"}}]
    rows = [{"prompt": "Find.", "completion": "I look.", "reasoning": "Hm.", "tool_calls": calls}]
    (row,) = formatted(rows, "sharegpt")
    turns = [(turn["from"], turn["value"]) for turn in row["conversations"]]
    assert turns[:2] == [("human", "Find."), ("gpt", "<think>\nHm.\n</think>\n\nI look.")]
    assert turns[2][0] == "function_call"


def test_numbers_are_written_as_text() -> None:
    rows = [{"prompt": 2, "completion": 2.5}]
    assert formatted(rows, "prompt-completion") == [{"prompt": "2", "completion": "2.5"}]
    (row,) = formatted(rows, "messages")
    assert [message["content"] for message in row["messages"]] == ["2", "2.5"]
