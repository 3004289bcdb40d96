"""Chat answers: the completion as it was asked for, whatever the server took of the request.

A server that does something else than it was asked is noticed, and a warning says so once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import replace

from synthkit.core.answers import separated
from synthkit.core.hashing import digest
from synthkit.core.types import Completion, Request
from synthkit.models.openai.dialect import LEVELS, Dialect, Structured
from synthkit.models.openai.requests import (
    LABEL,
    SYSTEM,
    ChatModel,
    is_labels,
    options,
    sent_pattern,
    structured,
)

SAME_TEXTS, SAME_SHORT_TEXTS = 3, 10
"""After so many equal texts for different seeds of one prompt, the server may ignore the seed."""
LONG_TEXT = 60
"""Shortest text, in characters, that counts as long."""
PROMPTS_SEEN = 1000
"""How many prompts are watched for equal texts."""
OPTION = {
    "temperature": "temperature=None (in a cell: --temperature none)",
    "top_p": "top_p=None",
    "seed": "seed=None (in a cell: --seed none)",
    "stop": "no stop texts",
    "logprobs": "logprobs=False",
    "max_tokens": "max_tokens=None (in a cell: --max-tokens none)",
}
"""Parameter -> what to set to not ask for it."""
BESIDES = {
    "stop": "answers are cut at the stop texts here instead",
    "seed": "its answers cannot be repeated",
    "logprobs": "completions have no log-probabilities",
    "max_tokens": "answers may be longer",
}


def say_left_out(endpoint: ChatModel, request: Request, dialect: Dialect) -> None:
    """Warn, once, of each parameter of a request that is left out."""
    if not dialect.left_out:
        return
    if SYSTEM in dialect.left_out and any(m.role == "system" for m in request.messages):
        words = "takes no system turn, so its text is at the beginning of the user's turn."
        _say(endpoint, SYSTEM, words)
    for name in options(endpoint, request).keys() & dialect.left_out:
        besides = f"; {BESIDES[name]}" if name in BESIDES else ""
        words = f"takes no {name}, so it is left out{besides}. To ask for none, set {OPTION[name]}."
        _say(endpoint, name, words)


def _say(endpoint: ChatModel, kind: str, words: str) -> None:
    """Warn, once for each kind, of what the model does at its server."""
    endpoint.known.say(kind, f"{endpoint.name} at {endpoint.server.base_url} {words}")


_WAYS: Mapping[Structured, str] = {
    "json_schema": "by response_format with the JSON Schema",
    "tool": "by a forced tool call",
    "json_object": "in JSON mode, with the schema in the prompt",
    "prompt": "by the schema in the prompt alone",
}


def _say_way(endpoint: ChatModel, way: Structured | None) -> None:
    """Warn, once for each way, that a schema is asked for in another way than the strictest."""
    if way in (None, "json_schema"):
        return
    _say(
        endpoint,
        way,
        f"takes no stricter way, so structured output is asked for {_WAYS[way]}; rows that do not "
        "follow the schema are rejects.",
    )


def answer(
    endpoint: ChatModel, request: Request, dialect: Dialect, completion: Completion
) -> Completion:
    """The completion as it was asked for, whatever way the server was asked in."""
    say_left_out(endpoint, request, dialect)
    way = structured(endpoint, request, dialect)
    _say_way(endpoint, way)
    if way is not None:
        completion = replace(completion, how=f"structured output asked for {_WAYS[way]}")
    elif sent_pattern(endpoint, request, dialect):
        completion = replace(completion, how="the pattern was sent to the server")
    if way == "tool":
        completion = _of_tool(completion)
    if way is not None and request.schema is not None and is_labels(request.schema):
        completion = replace(completion, text=_label(completion.text))
    elif way is not None:
        _see_schema(endpoint, request, dialect, way, completion)
    if "stop" in dialect.left_out and request.sampling.stop:
        # reasoning may have the stop texts
        completion = separated(completion, request, endpoint.reasoning_markers)
        completion = _cut(completion, request.sampling.stop)
    if request.sampling.logprobs and "logprobs" not in dialect.left_out:
        _see_logprobs(endpoint, completion)
    _see_seeds(endpoint, request, completion)
    return completion


def _of_tool(completion: Completion) -> Completion:
    """A completion whose text is the arguments of the forced tool call, if it has one.

    No other tool was declared, so a call by another name is meant for it; those of several calls
    are in several lines.
    """
    if not completion.tool_calls:
        return completion
    texts = [
        call.arguments
        if isinstance(call.arguments, str)
        else json.dumps(call.arguments, ensure_ascii=False)
        for call in completion.tool_calls
    ]
    finish = "length" if completion.truncated else "stop"
    return replace(completion, text="\n".join(texts), finish=finish, tool_calls=())


_LABEL = re.compile(rf'(?:```(?:json)?\s*)?\{{\s*"{LABEL}"\s*:\s*("(?:[^"\\]|\\.)*")\s*\}}[\s`]*$')


def _label(text: str) -> str:
    """The text with the label in place of the JSON object at its end, if there is one.

    >>> _label('{"label": "good"}'), _label("good")
    ('good', 'good')
    """
    found = _LABEL.search(text[-4000:])
    if found is None:
        return text
    try:
        label = json.loads(found[1])
    except ValueError:
        return text
    return text[: len(text) - len(text[-4000:]) + found.start()] + str(label)


def _cut(completion: Completion, stop: tuple[str, ...]) -> Completion:
    """A completion that ends before the first of the stop texts."""
    ends = [at for each in stop if (at := completion.text.find(each)) >= 0]
    if not ends:
        return completion
    return replace(completion, text=completion.text[: min(ends)], finish="stop")


def _see_schema(
    endpoint: ChatModel, request: Request, dialect: Dialect, way: Structured, completion: Completion
) -> None:
    """If the answer is no JSON at all, ask for the schema in the next way from now on."""
    text = completion.text.strip()
    if "{" in text:
        endpoint.known.followed.add(way)
    if way in {"prompt", *endpoint.known.followed} or completion.finish != "stop" or not text:
        return
    _say(
        endpoint,
        f"ignored {way}",
        f"ignores the schema that is sent as {way}: it answered {text[:60]!r}. From now on it is "
        "asked in the next way; use a server that follows response_format if many rows are "
        "rejected.",
    )
    endpoint.known.said.add(LEVELS[LEVELS.index(way) + 1])
    if request.schema is not None:
        endpoint.known.adopt(dialect.lower(request.schema, only=False))


def _see_logprobs(endpoint: ChatModel, completion: Completion) -> None:
    """Warn, once, of an answer without the log-probabilities that were asked for."""
    if completion.logprobs is None and completion.text:
        _say(
            endpoint,
            "no logprobs",
            "ignores logprobs=True: its answers have no log-probabilities. Use a server or a model "
            "that gives them, or set logprobs=False.",
        )


def _see_seeds(endpoint: ChatModel, request: Request, completion: Completion) -> None:
    """Warn, once, if several samples of one prompt are the same text."""
    sampling = request.sampling
    if request.index == 0 or sampling.temperature == 0 or "equal texts" in endpoint.known.said:
        return
    if request.schema is not None or completion.finish != "stop":
        return
    prompt = digest([message.payload() for message in request.messages])
    samples = endpoint.known.samples
    if prompt not in samples and len(samples) >= PROMPTS_SEEN:
        return
    texts = samples.setdefault(prompt, {})
    seen = texts.setdefault(digest(completion.text), set())
    seen.add(request.index)
    if len(texts) > 1:  # the server draws its answers
        endpoint.known.said.add("equal texts")
        samples.clear()
    elif len(seen) >= (SAME_TEXTS if len(completion.text) >= LONG_TEXT else SAME_SHORT_TEXTS):
        _say(
            endpoint,
            "equal texts",
            f"gave {len(seen)} samples of one prompt the same text: it may ignore temperature and "
            "seed, or cache its answers. Raise temperature, turn off the server's cache, or ask "
            "for one sample of each prompt.",
        )
