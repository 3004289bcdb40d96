"""Parse the responses of an OpenAI-compatible server: completions, errors and waits."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping, Sequence
from email.utils import mktime_tz, parsedate_tz
from typing import Any

from synthkit.core.answers import normalized_finish
from synthkit.core.types import Completion, ToolCall
from synthkit.models.openai import events
from synthkit.models.openai.refusals import error_message

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What parsing raises for a body that is not of the protocol."""


def read(data: bytes, seconds: float, tries: int) -> Completion:
    """The completion in a response body.

    Raises
    ------
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError
        If the body is not JSON, or not a chat or text completion, or if the server says that it
        broke the answer off.
    """
    response = parsed(data)
    if response.get("error"):
        raise ValueError(error_message(json.dumps(response))[0])
    if not response.get("choices"):
        raise ValueError("it has no choices")
    choice = response["choices"][0]
    message = choice.get("message")
    finish = normalized_finish(choice.get("finish_reason"))
    if finish == "error" or choice.get("error"):
        raise ValueError(error_message(json.dumps(choice))[0])
    if message is None:
        message = {"content": choice["text"]}
    content, thoughts = _parts(message.get("content"))
    if not content and message.get("refusal"):
        content, finish = message["refusal"], "content_filter"
    calls = _tool_calls(message)
    if not isinstance(content, str):
        raise TypeError("the content is not text")
    tokens = _usage(response.get("usage"))
    return Completion(
        text=well_formed(content),
        finish="tool_calls" if calls and finish == "stop" else finish,
        seconds=seconds,
        logprobs=_logprobs(choice.get("logprobs")),
        tries=tries,
        reasoning=well_formed(_reasoning(message) or thoughts),
        tool_calls=calls,
        prompt_tokens=tokens.get("prompt_tokens", 0),
        completion_tokens=tokens.get("completion_tokens", 0),
        reasoning_tokens=tokens.get("reasoning_tokens", 0),
        cached_tokens=tokens.get("cached_tokens", 0),
    )


def parsed(data: bytes) -> Any:
    """A response body as JSON values; a stream of events as the response that it adds up to."""
    return events.whole(data) if events.is_stream(data) else json.loads(data)


def _parts(content: Any) -> tuple[Any, str]:
    """The text of a message's content, and the reasoning among its parts."""
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        return content or "", ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in content:
        is_thought = isinstance(part, Mapping) and (
            part.get("thought") is True or _THOUGHT.search(str(part.get("type")))
        )
        (thoughts if is_thought else texts).append(_part_text(part))
    return "".join(texts), "".join(thoughts)


_THOUGHT = re.compile("think|thought|reason", re.IGNORECASE)
"""In the type of a part that is reasoning."""
_TEXTS = ("text", "thinking", "reasoning", "content", "value", "summary", "refusal")
"""The members of a part that may hold its text."""


def _part_text(part: Any) -> str:
    """The text of a part of a message, which may hold further parts."""
    if isinstance(part, str):
        return part
    if isinstance(part, list):
        return "".join(map(_part_text, part))
    if not isinstance(part, Mapping):
        return ""
    return next(filter(None, (_part_text(part.get(name)) for name in _TEXTS)), "")


def _reasoning(message: Mapping[str, Any]) -> str:
    """What servers give beside the content: vLLM and DeepSeek one name, OpenRouter another."""
    return next(filter(None, (_part_text(message.get(name)) for name in _BESIDE)), "")


_BESIDE = (
    "reasoning_content", "reasoning", "thinking", "thoughts", "reasoning_text", "thinking_blocks",
    "reasoning_details",
)  # fmt: skip
"""The members of a message that may hold its reasoning."""


def _tool_calls(message: Mapping[str, Any]) -> tuple[ToolCall, ...]:
    calls = list(message.get("tool_calls") or ())
    if message.get("function_call"):  # the older protocol, with one call
        calls.append({"function": message["function_call"]})
    return tuple(
        ToolCall(
            str(call["function"]["name"]),
            _arguments(call["function"].get("arguments")),
            str(call.get("id") or ""),
        )
        for call in calls
    )


def _arguments(value: Any) -> Mapping[str, Any] | str:
    """The arguments of a call as an object; the text that came if it is none."""
    if isinstance(value, Mapping):
        return dict(value)
    try:
        parsed = json.loads(value or "{}", parse_constant=_no_constant)
    except (ValueError, TypeError, RecursionError):
        return well_formed(str(value))
    if isinstance(parsed, str) and parsed != value:  # encoded twice, as some models do
        return _arguments(parsed)
    return parsed if isinstance(parsed, dict) else str(value)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


_USAGE: Mapping[str, Sequence[Sequence[str]]] = {
    "prompt_tokens": (["prompt_tokens"], ["input_tokens"], ["promptTokenCount"]),
    "completion_tokens": (["completion_tokens"], ["output_tokens"], ["candidatesTokenCount"]),
    "reasoning_tokens": (
        ["completion_tokens_details", "reasoning_tokens"],
        ["output_tokens_details", "reasoning_tokens"],
        ["reasoning_tokens"],
        ["thoughtsTokenCount"],
    ),
    "cached_tokens": (
        ["prompt_tokens_details", "cached_tokens"],
        ["input_tokens_details", "cached_tokens"],
        ["prompt_cache_hit_tokens"],
        ["cached_tokens"],
        ["cache_read_input_tokens"],
    ),
}
"""Number of tokens -> where servers put it in their usage."""


def _usage(usage: Any) -> dict[str, int]:
    """Prompt, completion, reasoning and cached tokens, by their names in :class:`Completion`.

    A number that is missing is 0. Some servers leave reasoning out of the completion tokens, or
    cached tokens out of the prompt tokens, and have both in the total: then they are added.
    """
    if not isinstance(usage, Mapping):
        return {}
    tokens = {name: _first_count(usage, paths) for name, paths in _USAGE.items()}
    total = _first_count(usage, (["total_tokens"], ["totalTokenCount"]))
    uncounted = total - tokens["prompt_tokens"] - tokens["completion_tokens"]
    if "cache_read_input_tokens" in usage and "prompt_tokens" not in usage:
        tokens["prompt_tokens"] += tokens["cached_tokens"]  # Anthropic counts them apart
    elif uncounted == tokens["cached_tokens"] != tokens["reasoning_tokens"]:
        tokens["prompt_tokens"] += tokens["cached_tokens"]
    elif uncounted > 0:
        tokens["completion_tokens"] += uncounted
    for part, whole in (("reasoning", "completion"), ("cached", "prompt")):
        tokens[f"{part}_tokens"] = min(tokens[f"{part}_tokens"], tokens[f"{whole}_tokens"])
    return tokens


def _first_count(usage: Mapping[str, Any], paths: Sequence[Sequence[str]]) -> int:
    for path in paths:
        value: Any = usage
        for name in path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if (number := _count(value)) > 0:
            return number
    return 0


def _count(value: Any) -> int:
    """A number of tokens; 0 for a value that cannot be one."""
    if value is None:
        return 0
    if type(value) is int:
        return value if 0 <= value < 2**53 else 0
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return 0
    try:
        number = float(value)
    except ValueError:
        return 0
    return int(number) if number.is_integer() and 0 <= number < 2**53 else 0


def _logprobs(part: Any) -> tuple[tuple[str, float], ...] | None:
    if not part:
        return None
    if "content" in part:
        return tuple((each["token"], float(each["logprob"])) for each in part["content"] or ())
    pairs = zip(part["tokens"], part["token_logprobs"], strict=True)
    return tuple((token, float(value or 0.0)) for token, value in pairs)


def problem_of(error: Exception, data: bytes) -> str:
    """Why a body cannot be read, from the error that reading it raised."""
    start = " ".join(data[:400].decode("utf-8", "replace").split())[:60]
    words = f"{start!r} is not of the expected form ({type(error).__name__}: {error})"
    if type(error) is ValueError:
        words = str(error)
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        words = f"it is no JSON in UTF-8, but {start!r}" if start else "it is empty"
    return f"the response cannot be read: {words}"


def embedded_error(data: bytes) -> tuple[int, bytes] | None:
    """The status in an error body that came with status 200, as gateways send it, and its JSON."""
    try:
        body = parsed(data)
        if isinstance(body, list):
            body = body[0]
        error = body.get("error") or body["choices"][0].get("error")
        status = int(error["code"])
    except UNREADABLE:
        return None
    return (status, json.dumps(body).encode()) if 400 <= status < 600 else None


def is_error(data: bytes) -> bool:
    """Whether a body that came with status 200 has an error and no answer."""
    try:
        body = parsed(data)
    except UNREADABLE:
        return False
    return isinstance(body, dict) and bool(body.get("error")) and not body.get("choices")


def is_page(text: str) -> bool:
    """Whether a body is a web page."""
    return (
        text.lstrip("\ufeff \t\r\n")[:200]
        .lower()
        .startswith(("<!doctype", "<html", "<head", "<?xml"))
    )


def well_formed(text: str) -> str:
    """``text`` with lone surrogates replaced, since no file or table can store them."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def retry_after(headers: Mapping[str, str], *, most: float = 60.0) -> float | None:
    """Seconds to wait, by the headers, but not more than ``most``; ``None`` without a header."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(header, "")
        date = parsedate_tz(text)
        try:
            seconds = mktime_tz(date) - time.time() if date else float(text) * unit
        except (ValueError, OverflowError):
            continue
        if date or seconds >= 0:
            return min(max(seconds, 0.0), most)
    return None
