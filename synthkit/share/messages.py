"""Messages of conversations, in the forms of TRL, of OpenAI and of ShareGPT."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.data.cells import as_text, json_text

Message = dict[str, Any]
ROLES = {"human": "user", "gpt": "assistant", "observation": "tool", "bot": "assistant"}
"""Roles of ShareGPT, and those of chat templates that they stand for."""
_SHAREGPT = {"user": "human", "assistant": "gpt", "tool": "observation", "developer": "system"}


def messages(cell: Any) -> list[Message]:
    """A conversation with ``role`` and ``content``, from a list in this form or in ShareGPT's.

    Tool calls become ``{"type": "function", "function": {"name": ..., "arguments": {...}}}``.

    >>> messages([{"from": "human", "value": "Hi"}])
    [{'role': 'user', 'content': 'Hi'}]

    Raises
    ------
    UsageError
        If the cell is no list of messages.
    """
    if not isinstance(cell, list) or not cell:
        raise UsageError(f"expected a list of messages; got {as_text(cell)[:80]!r}.")
    return [_message(each) for each in cell]


def _message(item: Any) -> Message:
    role = item.get("role", item.get("from")) if isinstance(item, Mapping) else None
    if not isinstance(role, str):
        raise UsageError(
            "expected messages with 'role' and 'content', or with 'from' and 'value'; "
            f"got {as_text(item)[:80]!r}."
        )
    content = item.get("content", item.get("value"))
    rest = {
        name: value
        for name, value in item.items()
        if name not in ("role", "content", "from", "value", "tool_calls") and value is not None
    }
    if role == "function_call":
        read = json.loads(content)
        calls = read if isinstance(read, list) else [read]
        return {"role": "assistant", "content": "", "tool_calls": tool_calls(calls), **rest}
    message = {"role": ROLES.get(role, role), "content": "" if content is None else content, **rest}
    if item.get("tool_calls"):
        message["tool_calls"] = tool_calls(item["tool_calls"])
    return message


def tool_calls(calls: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Calls of tools in TRL's form, from ``{"name", "arguments"}`` or OpenAI's form."""
    read = []
    for call in calls:
        function = call.get("function") or call
        arguments = function.get("arguments") or {}
        if isinstance(arguments, str):
            with suppress(ValueError):  # cut, or no JSON: as the model wrote them
                arguments = json.loads(arguments)
        own = {"id": call["id"]} if call.get("id") else {}
        read.append(
            {
                **own,
                "type": "function",
                "function": {"name": function["name"], "arguments": arguments},
            }
        )
    return read


def for_openai(conversation: Sequence[Message]) -> list[Message]:
    """Messages as OpenAI takes them: ids and JSON texts for calls of tools, and no reasoning."""
    sent: list[Message] = []
    ids: list[str] = []
    for message in conversation:
        message = {
            name: value
            for name, value in message.items()
            if name not in ("reasoning_content", "thinking")
        }
        if calls := message.get("tool_calls"):
            ids = [call.get("id") or f"call_{len(sent)}_{n}" for n, call in enumerate(calls)]
            message["tool_calls"] = [
                {
                    "id": id,
                    "type": "function",
                    "function": {
                        "name": call["function"]["name"],
                        "arguments": _json(call["function"]["arguments"]),
                    },
                }
                for id, call in zip(ids, calls, strict=True)
            ]
            message["content"] = message["content"] or None
        if message["role"] == "tool":
            known = message.get("tool_call_id")
            message["tool_call_id"] = known or (ids.pop(0) if ids else "")
            message.pop("name", None)
        sent.append(message)
    return sent


def _json(arguments: Any) -> str:
    return arguments if isinstance(arguments, str) else json_text(arguments)


def for_sharegpt(conversation: Sequence[Message]) -> list[Message]:
    """Turns with ``from`` and ``value``: human, gpt, system, function_call and observation.

    What a model thought goes before its answer, in ``<think>`` tags. What it said before it called
    a tool is a turn of its own.
    """
    turns: list[Message] = []
    for message in conversation:
        calls, value = message.get("tool_calls"), as_text(message["content"])
        if thought := message.get("reasoning_content"):
            value = f"<think>\n{thought}\n</think>\n\n{value}"
        if value or not calls:
            turns.append({"from": _SHAREGPT.get(message["role"], message["role"]), "value": value})
        if calls:
            called = [call["function"] for call in calls]
            value = json_text(called[0] if len(called) == 1 else called)
            turns.append({"from": "function_call", "value": value})
    return turns
