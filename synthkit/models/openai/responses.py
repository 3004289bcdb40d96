"""Parse the responses of an OpenAI-compatible server: completions, errors and waits."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Any

from synthkit.core.types import Completion

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What parsing raises for a body that is not of the protocol."""


def read(data: bytes, seconds: float, tries: int) -> Completion:
    """The completion in a response body.

    Raises
    ------
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError
        If the body is not JSON, or not a chat or text completion.
    """
    response = json.loads(data)
    if not response.get("choices") and response.get("error"):
        raise ValueError(error_message(data.decode("utf-8", "replace"))[0])
    choice = response["choices"][0]
    message = choice.get("message")
    content = choice["text"] if message is None else message.get("content")
    finish = choice.get("finish_reason") or "stop"
    if finish == "error":
        raise ValueError(error_message(json.dumps(choice))[0])
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    if content is None and message is not None and message.get("refusal"):
        content, finish = message["refusal"], "content_filter"
    if not isinstance(content, str | None) or not isinstance(finish, str):
        raise TypeError("the content or the finish reason is not text")
    usage = response.get("usage") or {}
    return Completion(
        text=well_formed(content or ""),
        finish=finish,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        seconds=seconds,
        logprobs=_logprobs(choice.get("logprobs")),
        tries=tries,
    )


def _count(value: Any) -> int:
    """A number of tokens; 0 for a value that cannot be one."""
    return value if isinstance(value, int) and 0 <= value < 2**53 else 0


def _logprobs(part: Any) -> tuple[tuple[str, float], ...] | None:
    if not part:
        return None
    if "content" in part:
        return tuple((each["token"], float(each["logprob"])) for each in part["content"] or ())
    pairs = zip(part["tokens"], part["token_logprobs"], strict=True)
    return tuple((token, float(value or 0.0)) for token, value in pairs)


def well_formed(text: str) -> str:
    """``text`` with lone surrogates replaced, since no file or table can store them."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def error_message(text: str) -> tuple[str, str]:
    """The message and the code of an error body; the start of the body if it has none."""
    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text[:4000].split())[:500] or "no message", ""
    if isinstance(error, dict):
        error = error.get("error") or error
    if isinstance(error, dict):
        message = error.get("message") or error.get("detail") or json.dumps(error)
        code = error.get("code") or error.get("type")
        return str(message)[:2000], str(code or "")
    return str(error)[:2000], ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, by the headers, at most a minute; ``None`` without such a header."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        text = headers.get(header, "")
        date = parsedate_tz(text)
        try:
            seconds = mktime_tz(date) - time.time() if date else float(text) * unit
        except (ValueError, OverflowError):
            continue
        if date or seconds >= 0:
            return min(max(seconds, 0.0), 60.0)
    return None
