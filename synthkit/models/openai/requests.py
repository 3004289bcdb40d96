"""Chat requests: how one is written in a server's dialect.

The key of a request is that of what was asked, whatever the server takes of it. So its meaning is
kept: a parameter that the server refuses is left out with a warning, a stop text is applied to the
answer instead, and a schema is asked for in the strictest way that the server knows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from synthkit.core.answers import Markers
from synthkit.core.types import Message, Request
from synthkit.models.openai.constraints import PatternOption, constraint
from synthkit.models.openai.dialect import LEVELS, Dialect, KnownServer, Structured
from synthkit.models.openai.messages import wire
from synthkit.models.openai.refusals import Refusal
from synthkit.models.openai.server import Server
from synthkit.models.openai.strict_schema import strict

NEWER_LIMIT = "max_completion_tokens"
"""What newer servers call ``max_tokens``."""
TOOL = "row"
"""The name of the tool, or of the schema, that a structured answer is given by."""
TEMPLATE = "chat_template_kwargs"
"""The parameter of vLLM and llama.cpp with variables of the chat template, of a request or all."""
SYSTEM = "system turn"
"""What of a request is left out of :class:`Dialect` by this name."""
PATTERN = "pattern"
"""The regular expression of a request, by the same name."""
LABEL = "label"
"""The property of a structured answer that holds a label."""
LABEL_TOKENS = 32
"""Fewest tokens with which a label is asked for as JSON, which takes more than the bare label."""
WITH_SCHEMA = (
    "Answer with one JSON object that follows this JSON Schema, and with nothing else:\n{schema}"
)


class ChatModel(Protocol):
    """What a request depends on besides itself: see :class:`~.model.Endpoint`."""

    @property
    def name(self) -> str:
        """The model's name on the server."""

    @property
    def server(self) -> Server:
        """The server that it is on."""

    @property
    def extra_body(self) -> Mapping[str, Any]:
        """Parameters that are sent with every request."""

    @property
    def raw(self) -> bool:
        """Whether the prompt is sent as plain text."""

    @property
    def reasoning_markers(self) -> Markers:
        """Where reasoning starts and ends in its texts."""

    @property
    def pattern_option(self) -> PatternOption:
        """The parameter that takes a regular expression, if the server has one."""

    @property
    def known(self) -> KnownServer:
        """What former responses have taught."""


def options(endpoint: ChatModel, request: Request) -> dict[str, Any]:
    """The sampling parameters that a request asks for, by their usual names."""
    sampling = request.sampling
    asked = {
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "max_tokens": sampling.max_tokens,
        "seed": None if sampling.seed is None else request.row_seed,
        "stop": list(sampling.stop) or None,
        # in the text protocol, the number of alternatives to list for each token
        "logprobs": (1 if endpoint.raw else True) if sampling.logprobs else None,
    }
    extra = own(endpoint, request)
    return {name: value for name, value in asked.items() if value is not None and name not in extra}


def own(endpoint: ChatModel, request: Request) -> dict[str, Any]:
    """The parameters that the user wrote for this server; ``None`` leaves one out."""
    extra, body = request.sampling.extra, endpoint.extra_body
    if not (extra or body):
        return {}
    several = [each.get(TEMPLATE) for each in (body, extra)]
    variables = [each for each in several if isinstance(each, Mapping)]
    merged = {TEMPLATE: {name: each[name] for each in variables for name in each}}
    return {**extra, **body, **(merged if len(variables) == 2 else {})}


def structured(endpoint: ChatModel, request: Request, dialect: Dialect) -> Structured | None:
    """How a schema is asked for; ``None`` without a schema, or if the user asks in another way."""
    schema = request.schema
    if (
        schema is None
        or endpoint.raw
        or {"response_format", "tools"} & own(endpoint, request).keys()
    ):
        return None
    level = LEVELS[dialect.level(schema)]
    if level == "tool" and request.tools:  # the model may call those
        level = "json_object"
    if is_labels(schema):
        sampling = request.sampling
        longest = max(len(str(label).encode()) for label in schema["enum"])
        room = sampling.max_tokens is None or sampling.max_tokens >= LABEL_TOKENS + longest
        # log-probabilities are those of the label, so it must be bare
        constrained = level == "json_schema" and room and not sampling.logprobs
        return level if constrained else None
    return level


def is_labels(schema: Mapping[str, Any]) -> bool:
    """Whether a schema asks for one of some labels as bare text."""
    return "enum" in schema


def shape(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the object to ask for: a label becomes the property of one."""
    if not is_labels(schema):
        return dict(strict(schema))
    labels = {"type": "string", "enum": [str(label) for label in schema["enum"]]}
    return dict(strict({"type": "object", "properties": {LABEL: labels}}))


def body(endpoint: ChatModel, request: Request, dialect: Dialect) -> bytes:
    """The JSON to post."""
    sent: dict[str, Any] = {"model": endpoint.name}
    if endpoint.raw:
        sent["prompt"] = "\n\n".join(message.content for message in request.messages)
    else:
        messages = request.messages
        if SYSTEM in dialect.left_out:
            messages = without_system(messages)
        sent["messages"] = [wire(message) for message in messages]
    if request.tools:
        sent["tools"] = list(request.tools)
    for name, value in options(endpoint, request).items():
        if name not in dialect.left_out:
            sent[dialect.name(name)] = value
    way = structured(endpoint, request, dialect)
    if way is not None and request.schema is not None:
        sent |= _asking(way, shape(request.schema))
        if way in ("json_object", "prompt"):
            sent["messages"] = _with_schema(sent["messages"], request.schema)
    sent |= sent_pattern(endpoint, request, dialect)
    sent |= own(endpoint, request)
    return json.dumps({name: v for name, v in sent.items() if v is not None}).encode()


def sent_pattern(endpoint: ChatModel, request: Request, dialect: Dialect) -> dict[str, Any]:
    """The parameters that ask for a pattern; none if the server cannot follow it."""
    option = "" if PATTERN in dialect.left_out else endpoint.pattern_option
    return constraint(request.pattern, option)


def without_system(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The messages with the system turns at the beginning of the first user's turn.

    >>> without_system([Message("system", "Be brief."), Message("user", "Hi.")])
    (Message(role='user', content='Be brief.\\n\\nHi.'),)
    """
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    others = [message for message in messages if message.role != "system"]
    if not system:
        return tuple(others)
    if not others or others[0].role != "user":
        return (Message("user", system), *others)
    first = replace(others[0], content=f"{system}\n\n{others[0].content}")
    return (first, *others[1:])


def _asking(way: Structured, schema: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters that ask for a schema."""
    if way == "json_schema":
        named = {"name": TOOL, "schema": schema, "strict": True}
        return {"response_format": {"type": "json_schema", "json_schema": named}}
    if way == "tool":
        function = {"name": TOOL, "description": "Give the answer.", "parameters": schema}
        return {
            "tools": [{"type": "function", "function": function}],
            "tool_choice": {"type": "function", "function": {"name": TOOL}},
        }
    return {"response_format": {"type": "json_object"}} if way == "json_object" else {}


def _with_schema(messages: list[dict[str, Any]], schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages with the schema at the end of the last user's turn."""
    written = WITH_SCHEMA.format(schema=json.dumps(schema, ensure_ascii=False))
    places = [at for at, message in enumerate(messages) if message["role"] == "user"]
    if not places:
        return [*messages, {"role": "user", "content": written}]
    at = places[-1]
    content = messages[at]["content"]
    parts = isinstance(content, list)
    longer = [*content, {"type": "text", "text": written}] if parts else f"{content}\n\n{written}"
    turn = messages[at] | {"content": longer}
    return [*messages[:at], turn, *messages[at + 1 :]]


def adapted(
    endpoint: ChatModel, request: Request, dialect: Dialect, refusal: Refusal
) -> Dialect | None:
    """The dialect without what the server refuses; ``None`` if it refuses something else."""
    sent = {
        dialect.name(name): name
        for name in options(endpoint, request)
        if name not in dialect.left_out
    }
    if "max_tokens" in sent and refusal.mentions(NEWER_LIMIT):
        return dialect.renaming("max_tokens", NEWER_LIMIT)
    refused = [sent[name] for name in refusal.unsupported(sent)]
    if {"temperature", "top_p"} <= {*refused} and refusal.mentions("both"):
        refused.remove("top_p")  # either may be set, and only the temperature has a default
    if "max_tokens" in refused and dialect.name("max_tokens") == "max_tokens":
        dialect = dialect.renaming("max_tokens", NEWER_LIMIT)
        refused.remove("max_tokens")
        if not refused:
            return dialect
    if refused:
        return dialect.without(*refused)
    has_system = any(message.role == "system" for message in request.messages)
    if has_system and SYSTEM not in dialect.left_out and not endpoint.raw and refusal.of_system:
        return dialect.without(SYSTEM)
    if sent_pattern(endpoint, request, dialect) and refusal.of_pattern:
        return dialect.without(PATTERN)
    way = structured(endpoint, request, dialect)
    # a refusal in other words may be of the schema too, unless one was followed before
    about_schema = refusal.of_structured or (refusal.is_unclear and not endpoint.known.followed)
    if request.schema is not None and way not in (None, "prompt") and about_schema:
        return dialect.lower(request.schema, only=refusal.of_schema)
    return None
