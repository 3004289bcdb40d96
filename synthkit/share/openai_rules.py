"""The rules by which OpenAI refuses files for fine-tuning and for batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

ROLES = ("system", "developer", "user", "assistant", "tool", "function")
KEYS = frozenset(
    ["role", "content", "name", "function_call", "weight", "tool_calls", "tool_call_id", "refusal"]
)
LEAST_EXAMPLES, MOST_REQUESTS = 10, 50_000


def openai_problems(rows: Sequence[Mapping[str, Any]], format: str = "openai-chat") -> list[str]:
    """What OpenAI would refuse in the rows of a file; empty if it would take them.

    These are the checks of its guides to fine-tuning and to batches, as far as a file decides them:
    roles, keys and contents of messages, an answer at the end, calls of tools that are answered, 10
    examples at least; in a batch one model, different ``custom_id`` and 50,000 requests at most.

    Examples
    --------
    >>> openai_problems([{"messages": [{"role": "user", "content": "Hi"}]}] * 10)[0]
    'row 0: the last message must be of the assistant'
    """
    problems = []
    for at, row in enumerate(rows):
        if format == "openai-batch":
            body = row.get("body") or {}
            if not row.get("custom_id") or row.get("method") != "POST" or not row.get("url"):
                problems.append(f"row {at}: a request needs custom_id, url and the method POST")
            found = [*_in_messages(body.get("messages"))]
        else:
            extra = set(row) - {"messages", "tools", "parallel_tool_calls", "functions"}
            problems += [f"row {at}: unknown key {name!r}" for name in sorted(extra)]
            found = [*_in_messages(row.get("messages")), *_in_answer(row.get("messages"))]
        tools = (row.get("body") or {} if format == "openai-batch" else row).get("tools")
        if tools is not None and not isinstance(tools, list):
            found.append("tools must be a list of declarations")
        problems += [f"row {at}: {problem}" for problem in found]
    if format == "openai-batch":
        if len({row.get("custom_id") for row in rows}) < len(rows):
            problems.append("a custom_id occurs twice")
        if len({(row.get("body") or {}).get("model") for row in rows}) > 1:
            problems.append("all requests of a batch must ask one model")
        if len(rows) > MOST_REQUESTS:
            problems.append(f"a batch has {MOST_REQUESTS:,} requests at most; got {len(rows):,}")
    elif len(rows) < LEAST_EXAMPLES:
        problems.append(f"expected {LEAST_EXAMPLES} examples at least; got {len(rows)}")
    return problems


def _in_messages(messages: Any) -> Iterator[str]:
    if not isinstance(messages, list) or not messages:
        yield "expected a list of messages"
        return
    asked: set[str] = set()
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in ROLES:
            yield f"unknown role {role!r}"
        if extra := set(message) - KEYS:
            yield f"unknown key {min(extra)!r} in a message"
        calls = message.get("tool_calls") or []
        if not isinstance(content, str | list) and not (
            calls or message.get("function_call") or message.get("refusal")
        ):
            yield f"a message of the {role} has no content"
        if any(not isinstance(call["function"]["arguments"], str) for call in calls):
            yield "arguments of a tool call must be JSON text"
        if role == "tool":
            if message.get("tool_call_id") not in asked:
                yield "a message of a tool must answer the id of a call before it"
            asked.discard(str(message.get("tool_call_id")))
        elif asked:
            yield "calls of tools must be answered before the next message"
            asked = set()
        asked |= {call["id"] for call in calls}


def _in_answer(messages: Any) -> Iterator[str]:
    if isinstance(messages, list) and messages and messages[-1].get("role") != "assistant":
        yield "the last message must be of the assistant"
