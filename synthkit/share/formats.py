"""Formats of trainers: rows as TRL, OpenAI, ShareGPT and LLaMA-Factory read them.

A format needs fields, such as a prompt and a completion. A field is a column that the caller names,
or the first that the table has of :data:`FIELDS`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from synthkit.core.errors import UsageError, check_known, unknown
from synthkit.data import tables
from synthkit.data.cells import as_text, json_text
from synthkit.share import messages as chat
from synthkit.share.messages import Message

Cells = Mapping[str, Any]

NOT_REPLACED = "and was not overwritten; --over in a line or overwrite=True in Python replaces it."

FIELDS: Mapping[str, Sequence[str]] = {
    "messages": ("messages", "conversations", "conversation"),
    "prompt": ("prompt", "instruction", "question", "input", "query"),
    "completion": ("completion", "response", "answer", "output"),
    "chosen": ("chosen",),
    "rejected": ("rejected",),
    "label": ("label", "desirable", "kto_tag"),
    "system": ("system",),
    "reasoning": ("reasoning",),
    "tool_calls": ("tool_calls",),
    "tools": ("tools",),
}
"""Field -> the columns that it is looked for in."""


class Format(NamedTuple):
    """One format: alternative lists of fields that it needs, and a row in it, from its fields."""

    needs: Sequence[Sequence[str]]
    row: Callable[[dict[str, Any]], dict[str, Any]]


def conversation(cells: Cells) -> list[Message]:
    """The messages of a row: its ``messages``, or its prompt and completion as turns."""
    if "messages" in cells:
        turns = chat.messages(cells["messages"])
    else:
        turns = _turns(cells["prompt"], "user")
        if "completion" in cells:
            turns += _answer(cells, "completion")
    return [*_system(cells, turns), *turns]


def _system(cells: Cells, turns: Sequence[Message]) -> list[Message]:
    """A first message with the row's system prompt, if it has one and the turns have none."""
    has_one = turns and turns[0]["role"] in ("system", "developer")
    text = cells.get("system")
    return [{"role": "system", "content": text}] if text and not has_one else []


def _turns(cell: Any, role: str) -> list[Message]:
    if isinstance(cell, list):
        return chat.messages(cell)
    return [{"role": role, "content": _text(cell)}]


def _text(cell: Any) -> str | None:
    """A prompt or an answer as text, such as a number that was read from a file."""
    return None if cell is None else as_text(cell)


def _answer(cells: Cells, field: str) -> list[Message]:
    """A completion as messages, with what the model thought and which tools it called."""
    turns = _turns(cells[field], "assistant")
    if cells.get("reasoning"):
        turns[0]["reasoning_content"] = cells["reasoning"]
    if cells.get("tool_calls"):
        turns[0]["tool_calls"] = chat.tool_calls(cells["tool_calls"])
    return turns


def _is_chat(cells: Cells) -> bool:
    """Whether a row needs messages: a text has no place for the rest."""
    kept = ("system", "reasoning", "tool_calls", "tools")
    return any(name in cells for name in kept) or isinstance(cells.get("prompt"), list)


def _tools(cells: Cells) -> dict[str, Any]:
    """The tools as JSON, since tables have no type for declarations that differ."""
    tools = cells.get("tools")
    return {"tools": tools if isinstance(tools, str) else json_text(tools)} if tools else {}


def _messages(cells: Cells) -> dict[str, Any]:
    return {"messages": conversation(cells), **_tools(cells)}


def _prompt_completion(cells: Cells) -> dict[str, Any]:
    if "messages" not in cells and not _is_chat(cells):
        return {name: _text(cells[name]) for name in ("prompt", "completion")}
    turns = conversation(cells)
    if turns[-1]["role"] != "assistant" or len(turns) < 2:
        raise UsageError("a conversation must end with an answer of the assistant.")
    return {"prompt": turns[:-1], "completion": turns[-1:], **_tools(cells)}


def _preference(cells: Cells) -> dict[str, Any]:
    if "prompt" not in cells:  # whole conversations, whose common beginning is the prompt
        return {name: chat.messages(cells[name]) for name in ("chosen", "rejected")}
    if not _is_chat(cells) and not isinstance(cells["chosen"], list):
        return {name: _text(cells[name]) for name in ("prompt", "chosen", "rejected")}
    prompt = _turns(cells["prompt"], "user")
    return {
        "prompt": [*_system(cells, prompt), *prompt],
        "chosen": _turns(cells["chosen"], "assistant"),
        "rejected": _turns(cells["rejected"], "assistant"),
        **_tools(cells),
    }


def _kto(cells: Cells) -> dict[str, Any]:
    label = verdict(cells["label"])
    if label is None:
        raise UsageError(f"the label must be true or false; got {cells['label']!r}.")
    return {**_prompt_completion(cells), "label": label}


def verdict(cell: Any) -> bool | None:
    """Whether a cell says that an answer is wanted; ``None`` if it says neither.

    >>> [verdict(cell) for cell in (True, 0, 1.0, "false", "good", None)]
    [True, False, True, False, None, None]
    """
    if isinstance(cell, str):
        return {"true": True, "false": False}.get(cell.strip().lower())
    return bool(cell) if isinstance(cell, int | float) and cell in (0, 1) else None


def _prompt_only(cells: Cells) -> dict[str, Any]:
    if not _is_chat(cells):
        return {"prompt": cells["prompt"]}
    return {"prompt": conversation({**cells, "messages": _turns(cells["prompt"], "user")})}


def _openai_chat(cells: Cells) -> dict[str, Any]:
    tools = cells.get("tools")
    if isinstance(tools, str) and tools:  # as the other formats write them
        tools = json.loads(tools)
    return {"messages": chat.for_openai(conversation(cells)), **({"tools": tools} if tools else {})}


def _sharegpt(cells: Cells) -> dict[str, Any]:
    return {"conversations": chat.for_sharegpt(conversation(cells)), **_tools(cells)}


_CHAT = (("messages",), ("prompt", "completion"))
FORMATS: Mapping[str, Format] = {
    "prompt-completion": Format((("prompt", "completion"), ("messages",)), _prompt_completion),
    "messages": Format(_CHAT, _messages),
    "preference": Format((("prompt", "chosen", "rejected"), ("chosen", "rejected")), _preference),
    "kto": Format((("prompt", "completion", "label"),), _kto),
    "prompt-only": Format((("prompt",),), _prompt_only),
    "openai-chat": Format(_CHAT, _openai_chat),
    "openai-batch": Format((("messages",), ("prompt",)), _openai_chat),
    "sharegpt": Format(_CHAT, _sharegpt),
}
"""Name -> format; those of LLaMA-Factory are ShareGPT's and TRL's."""


def formatted(
    table: Any, format: str, *, columns: Mapping[str, str | None] | None = None, model: str = ""
) -> list[dict[str, Any]]:
    """The rows of a table in a format, as dicts.

    Parameters
    ----------
    format : one of :data:`FORMATS`.
    columns : field -> column, for columns of other names than :data:`FIELDS`; ``None`` leaves a
        field out.
    model : the model that a batch asks.

    Returns
    -------
    list of dict
        With the row's ``id`` first, if it has one and the format has a place for it. Prompt-only
        rows keep all other columns, for rewards. Batches have it as ``custom_id``.

    Raises
    ------
    UsageError
        If a field is not found, or a cell does not fit; says which row.

    Examples
    --------
    >>> formatted([{"id": "a", "question": "2 + 2?", "answer": "4"}], "prompt-completion")
    [{'id': 'a', 'prompt': '2 + 2?', 'completion': '4'}]
    """
    check_known("format", [format], FORMATS)
    if format == "openai-batch" and not model:
        raise UsageError(
            "a batch needs the model that it asks: --batch-model gpt-... in a line, "
            "model='gpt-...' in Python."
        )
    needs, convert = FORMATS[format]
    found = _found(table, needs, columns or {})
    if format == "openai-batch":
        found.pop("completion", None)
        found.pop("reasoning", None)
        found.pop("tool_calls", None)
    rows = []
    required = next(fields for fields in needs if set(fields) <= set(found))
    for at, record in enumerate(tables.records(table)):
        cells = {field: record[column] for field, column in found.items()}
        for field in required:
            empty_call = field == "completion" and cells.get("tool_calls")
            if cells[field] is None and not empty_call:
                raise UsageError(f"row {at}: {found[field]!r} is missing, the {field} of {format}.")
        try:
            row = convert(cells)
        except (UsageError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"row {at}: {error}") from None
        id = str(record["id"]) if record.get("id") is not None else f"row-{at}"
        if format == "prompt-only":
            row = {**row, **{n: cell for n, cell in record.items() if n not in found.values()}}
        if format == "openai-batch":
            body = {"model": model, **row}
            url = "/v1/chat/completions"
            row = {"custom_id": id, "method": "POST", "url": url, "body": body}
        elif format != "openai-chat" and "id" in record:
            row = {"id": record["id"], **row}
        rows.append(row)
    return rows


def field_columns(pairs: Sequence[str]) -> dict[str, str | None]:
    """Field -> column, from ``field=column``; ``field=`` leaves a field out.

    >>> field_columns(["prompt=question", "system="])
    {'prompt': 'question', 'system': None}
    """
    columns: dict[str, str | None] = {}
    for pair in pairs:
        field, equals, column = pair.partition("=")
        if not equals:
            raise UsageError(f"expected FIELD=COLUMN; got {pair!r}.")
        columns[field.strip()] = column.strip() or None
    return columns


def _found(
    table: Any, needs: Sequence[Sequence[str]], named: Mapping[str, str | None]
) -> dict[str, str]:
    """Field -> its column: those that are named, then those that the table has."""
    known = tables.columns(table)
    check_known("field", named, FIELDS)
    tables.check_columns(table, [column for column in named.values() if column])
    found = {field: column for field, column in named.items() if column}
    for field, candidates in FIELDS.items():
        column = next((name for name in candidates if name in known), None)
        if field not in named and column and column not in found.values():
            found[field] = column
    chosen = next((fields for fields in needs if set(fields) <= set(found)), None)
    if chosen is None:
        lacking = next(field for field in needs[0] if field not in found)
        wanted = " or ".join(" and ".join(fields) for fields in needs)
        raise UsageError(
            f"expected columns for {wanted}: {unknown('column', FIELDS[lacking][0], known)} Name "
            f"the column of another name, such as columns={{{lacking!r}: 'my column'}}, or "
            f"--columns {lacking}=COLUMN."
        )
    others = {"messages", "prompt", "completion", "chosen", "rejected", "label"} - set(chosen)
    return {field: column for field, column in found.items() if field not in others}
