"""What the answers of an OpenAI-compatible server say: completions, refusals, waits."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Any

from synthkit.core.types import Completion

UNREADABLE = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def read(data: bytes, seconds: float, tries: int) -> Completion:
    """The completion in the body of an answer.

    Raises
    ------
    ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError
        If the body is not JSON, or not a chat or text completion.
    """
    answer = json.loads(data)
    if not answer.get("choices") and answer.get("error"):
        raise ValueError(server_words(data.decode("utf-8", "replace"))[0])
    choice = answer["choices"][0]
    message = choice.get("message")
    content = choice["text"] if message is None else message.get("content")
    finish = choice.get("finish_reason") or "stop"
    if finish == "error":
        raise ValueError(server_words(json.dumps(choice))[0])
    if isinstance(content, list):
        content = "".join(part.get("text", "") for part in content)
    if content is None and message is not None and message.get("refusal"):
        content, finish = message["refusal"], "content_filter"
    if not isinstance(content, str | None) or not isinstance(finish, str):
        raise TypeError("the content or the finish reason is not text")
    usage = answer.get("usage") or {}
    return Completion(
        text=well_formed(content or ""),
        finish=finish,
        prompt_tokens=_count(usage.get("prompt_tokens")),
        completion_tokens=_count(usage.get("completion_tokens")),
        seconds=seconds,
        logprobs=_logprobs(choice.get("logprobs")),
        tries=tries,
    )


def _count(given: Any) -> int:
    """A number of tokens; 0 for what can be none."""
    return given if isinstance(given, int) and 0 <= given < 2**53 else 0


def _logprobs(given: Any) -> tuple[tuple[str, float], ...] | None:
    if not given:
        return None
    if "content" in given:
        return tuple((part["token"], float(part["logprob"])) for part in given["content"] or ())
    values = zip(given["tokens"], given["token_logprobs"], strict=True)
    return tuple((token, float(value or 0.0)) for token, value in values)


def well_formed(text: str) -> str:
    """``text`` with lone surrogates, which no file or table can hold, replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def server_words(text: str) -> tuple[str, str]:
    """The message and the code in the body of a refusal, or the beginning of the body itself."""
    try:
        error = json.loads(text)
    except (ValueError, RecursionError):
        return " ".join(text[:4000].split())[:500] or "no words", ""
    if isinstance(error, dict):
        error = error.get("error") or error
    if isinstance(error, dict):
        words = error.get("message") or error.get("detail") or json.dumps(error)
        code = error.get("code") or error.get("type")
        return str(words)[:2000], str(code or "")
    return str(error)[:2000], ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the headers ask to wait, at most a minute; ``None`` if they ask for none."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        given = headers.get(header, "")
        date = parsedate_tz(given)
        try:
            seconds = mktime_tz(date) - time.time() if date else float(given) * unit
        except (ValueError, OverflowError):
            continue
        if date or seconds >= 0:
            return min(max(seconds, 0.0), 60.0)
    return None
