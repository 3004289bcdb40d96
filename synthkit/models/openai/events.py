"""Answers that a server sends as a stream of events, read as if they had come whole."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_WRITTEN = {
    "content", "text", "refusal", "reasoning", "reasoning_content", "reasoning_text", "thinking",
    "arguments",
}  # fmt: skip
"""Texts that arrive in pieces; any other text is complete, and may be repeated."""


def is_stream(data: bytes) -> bool:
    """Whether a body is a stream of events (WHATWG HTML, "Server-sent events")."""
    return re.match(rb"(\xef\xbb\xbf)?\s*(data|event|id|retry)?:", data) is not None


def whole(data: bytes) -> dict[str, Any]:
    r"""The response that the chunks of a stream add up to.

    >>> chunk = b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n'
    >>> whole(chunk % b"Wa" + b": wait\n\n" + chunk % b"rm." + b"data: [DONE]")
    {'choices': [{'message': {'content': 'Warm.'}}]}

    Raises
    ------
    ValueError
        If it broke off before the answer ended, or a chunk cannot be read.
    """
    response: dict[str, Any] = {}
    answer: Any = None
    ended = False
    for chunk in _chunks(data.decode("utf-8-sig", "replace")):
        ended |= chunk is None
        response |= {name: value for name, value in (chunk or {}).items() if value}
        for choice in (chunk or {}).get("choices") or ():
            if not choice.get("index"):
                answer = _joined(answer, _message(choice))
                ended |= bool(answer.get("finish_reason"))
    if not ended and not response.get("error"):
        raise ValueError("the stream broke off before the answer ended")
    return response | {"choices": [answer] if answer else []}


def _chunks(text: str) -> Iterator[Mapping[str, Any] | None]:
    """The chunks of a stream, and ``None`` for the mark of its end."""
    blocks = text.replace("\r\n", "\n").replace("\r", "\n").split("\n\n")
    for number, block in enumerate(blocks, 1):
        data = [line[5:].strip() for line in block.split("\n") if line.startswith("data:")]
        for event in data if all(map(_is_json, data)) else ["".join(data)]:
            if event == "[DONE]":
                yield None
            elif event.startswith("{") and (number < len(blocks) or _is_json(event)):
                yield json.loads(event)


def _is_json(text: str) -> bool:
    """Whether it is JSON, or the mark of the end."""
    try:
        json.loads(text)
    except ValueError:
        return text == "[DONE]"
    return True


def _message(choice: Mapping[str, Any]) -> dict[str, Any]:
    """A choice of a chunk with its delta as its message."""
    named = {name: value for name, value in choice.items() if name != "delta"}
    return named | ({"message": choice["delta"]} if choice.get("delta") else {})


def _joined(before: Any, after: Any, name: str = "") -> Any:
    """The value of a member in the chunks so far, and with the next one."""
    if after is None or before is None:
        return before if after is None else after
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        new = {each: _joined(before.get(each), value, each) for each, value in after.items()}
        return {**before, **new}
    if name == "tool_calls":
        return _calls(before, after)
    if isinstance(before, list) or isinstance(after, list):
        # content may begin as a text and go on in parts
        return [*_parts(before), *_parts(after)]
    return before + after if name in _WRITTEN and isinstance(before, str) else after


def _parts(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _calls(before: list[Any], after: list[Any]) -> list[Any]:
    """Tool calls with their next pieces, which belong together by ``index``."""
    calls = {call.get("index", at): call for at, call in enumerate(before)}
    for at, call in enumerate(after):
        place = call.get("index", at)
        calls[place] = _joined(calls.get(place), call)
    return list(calls.values())
