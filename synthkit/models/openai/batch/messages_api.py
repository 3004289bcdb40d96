"""Chat completions as Messages of Anthropic, and Messages as chat completions."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

MAX_TOKENS = 4096
"""Most tokens of an answer where a request sets no limit; Anthropic requires one."""
LEFT_OUT = {
    "messages", "max_tokens", "max_completion_tokens", "stop", "tools", "tool_choice", "seed",
    "logprobs", "response_format",
}  # fmt: skip
"""Members of a chat that have another form in Messages, or none."""
FINISHES = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}
_DATA_URL = re.compile(r"data:([\w/+.-]+);base64,(.*)", re.DOTALL)


def as_messages(chat: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of Messages for a chat; those that only Anthropic has stay.

    >>> as_messages({"model": "m", "stop": ["."], "messages": [{"role": "user", "content": "Hi."}]})
    {'model': 'm', 'max_tokens': 4096, 'stop_sequences': ['.'], \
'messages': [{'role': 'user', 'content': 'Hi.'}]}
    """
    sent = {name: value for name, value in chat.items() if name not in LEFT_OUT}
    limit = chat.get("max_completion_tokens") or chat.get("max_tokens")
    sent["max_tokens"] = limit or MAX_TOKENS
    if "temperature" in sent:
        sent["temperature"] = min(sent["temperature"], 1.0)
    if stop := chat.get("stop"):
        sent["stop_sequences"] = [stop] if isinstance(stop, str) else list(stop)
    turns = chat["messages"]
    if system := [_text(turn["content"]) for turn in turns if turn["role"] == "system"]:
        sent["system"] = "\n".join(system)
    sent["messages"] = [
        {"role": turn["role"], "content": _content(turn["content"])}
        for turn in turns
        if turn["role"] != "system"
    ]
    if tools := chat.get("tools"):
        sent["tools"] = [_tool(tool["function"]) for tool in tools]
    if choice := chat.get("tool_choice"):
        sent["tool_choice"] = _choice(choice)
    return sent


def _text(content: Any) -> str:
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content)


def _content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    return [_part(part) for part in content]


def _part(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part of a turn: a text, or an image."""
    if part["type"] != "image_url":
        return {"type": "text", "text": part["text"]}
    url = part["image_url"]["url"]
    if found := _DATA_URL.fullmatch(url):
        source = {"type": "base64", "media_type": found[1], "data": found[2]}
    else:
        source = {"type": "url", "url": url}
    return {"type": "image", "source": source}


def _tool(function: Mapping[str, Any]) -> dict[str, Any]:
    described = {"description": function["description"]} if "description" in function else {}
    schema = function.get("parameters") or {"type": "object", "properties": {}}
    return {"name": function["name"], **described, "input_schema": schema}


def _choice(choice: Any) -> dict[str, Any]:
    if isinstance(choice, Mapping):
        return {"type": "tool", "name": choice["function"]["name"]}
    return {"type": "any" if choice == "required" else choice}


def as_chat(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of Anthropic as the response of chat completions."""
    blocks: Sequence[Mapping[str, Any]] = message["content"]
    turn: dict[str, Any] = {
        "role": "assistant",
        "content": "".join(block["text"] for block in blocks if block["type"] == "text"),
    }
    if thoughts := [block["thinking"] for block in blocks if block["type"] == "thinking"]:
        turn["reasoning_content"] = "\n\n".join(thoughts)
    calls = [block for block in blocks if block["type"] == "tool_use"]
    if calls:
        turn["tool_calls"] = [
            {
                "id": call.get("id"),
                "type": "function",
                "function": {"name": call["name"], "arguments": json.dumps(call["input"])},
            }
            for call in calls
        ]
    reason = str(message.get("stop_reason"))
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": turn, "finish_reason": FINISHES.get(reason, reason)}],
        "usage": message.get("usage"),
    }
