"""Endpoints: models behind any server that speaks the OpenAI chat-completions protocol.

Settings and errors are those of the ``openai`` SDK. Requests go over
:mod:`synthkit.models.openai.transport`, since the SDK's client takes several times the CPU.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synthkit.core import keywords
from synthkit.core.errors import UsageError
from synthkit.core.hashing import canonical
from synthkit.core.types import Budget, Completion, Request
from synthkit.models.openai import responses
from synthkit.models.openai.messages import wire
from synthkit.models.openai.scheduler import stream
from synthkit.models.openai.server import Server, connect
from synthkit.models.openai.strict_schema import strict
from synthkit.models.schemes import model_scheme

NEWER_LIMIT = "max_completion_tokens"
"""What some servers call ``max_tokens``: the other form of a request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model behind an OpenAI-compatible server: hosted, vLLM, llama.cpp, Ollama and others.

    Create one with :func:`endpoint`, or ``load_model("openai:NAME", ...)``.
    """

    name: str
    server: Server
    extra_body: Mapping[str, Any]
    raw: bool
    price: tuple[float, float] | None
    budget: Budget

    @property
    def concurrency(self) -> int:
        """Most requests in flight."""
        return self.server.concurrency

    @property
    def fingerprint(self) -> str:
        """Base URL, model name and extra parameters as JSON; never the key."""
        parts = self.server.identity() | {"model": self.name}
        if self.extra_body:
            parts["extra_body"] = dict(self.extra_body)
        if self.raw:
            parts["raw"] = True
        return canonical(parts).decode()

    def with_budget(self, budget: Budget) -> Endpoint:
        """The same endpoint with another budget, which counts retries as well."""
        return replace(self, budget=budget)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs as they finish, at most ``concurrency`` in flight.

        429 and 5xx responses, timeouts and broken connections are retried, after the server's
        ``Retry-After`` or growing waits; a body that cannot be read, once. A request
        that still fails gives a completion with ``finish="error"``.

        Raises
        ------
        UsageError
            If a request has a user's turn, a text to score or a ``token_bias``, or an image whose
            file has changed; nothing is sent then.
        EndpointError
            On 401, 403, 404 and 422, on a used-up quota, and on a server that stops answering. It
            is also an instance of the ``openai`` error of the same status.
        """
        return stream(self.server, self, requests, max_requests=self.budget.max_requests)

    @property
    def url(self) -> str:
        """The address that requests are posted to."""
        return f"{self.server.base_url}/{'completions' if self.raw else 'chat/completions'}"

    def check(self, request: Request) -> None:
        """Raise ``UsageError`` for what only a local model can do and a server might ignore."""
        here = 'needs a model on this machine, such as "smollm2".'
        if request.turn == "user":
            raise UsageError(
                f"{self.name} is behind a server, which writes the assistant's turn only; "
                f'turn="user" (Magpie) {here}'
            )
        if request.answer is not None:
            raise UsageError(
                f"{self.name} is behind a server, which writes answers and cannot score given "
                f"texts; to score (likelihood, ifd, perplexity, a weighted judge) {here}"
            )
        if self.raw and (request.tools or any(message.images for message in request.messages)):
            raise UsageError(
                f"{self.name} was loaded with raw=True, which sends plain text; images and tools "
                "need the chat protocol."
            )
        if "token_bias" in request.sampling.extra:
            raise UsageError(
                f"{self.name} is behind a server, which does not know tokens by their texts; "
                f"token_bias {here}"
            )

    def body(self, request: Request, form: str) -> bytes:
        """The JSON to post; ``form`` is what the server calls ``max_tokens``, if something else."""
        sampling, schema = request.sampling, request.schema
        body: dict[str, Any] = {"model": self.name}
        if self.raw:
            body["prompt"] = "\n\n".join(message.content for message in request.messages)
        else:
            body["messages"] = [wire(message) for message in request.messages]
        options = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            form or "max_tokens": sampling.max_tokens,
            "seed": None if sampling.seed is None else request.row_seed,
            "stop": list(sampling.stop) or None,
            # in the text protocol, the number of alternatives to list for each token
            "logprobs": (1 if self.raw else True) if sampling.logprobs else None,
        }
        body |= {name: value for name, value in options.items() if value is not None}
        if request.tools:
            body["tools"] = list(request.tools)
        if schema is not None and "enum" not in schema:
            shape = {"name": "row", "schema": strict(schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        return json.dumps(body | dict(sampling.extra) | dict(self.extra_body)).encode()

    def other_form(self, form: str, message: str) -> str:
        """``"max_completion_tokens"`` if the server asks for it and did not get it."""
        return NEWER_LIMIT if NEWER_LIMIT in message and form != NEWER_LIMIT else ""

    def read(self, data: bytes, seconds: float, tries: int) -> Completion:
        """The completion in a response body."""
        return responses.read(data, seconds, tries)

    def failed(self, reason: str, raw: str, tries: int) -> Completion:
        """A completion with ``finish="error"``."""
        return Completion(raw, finish="error", error=reason, tries=tries)


@model_scheme("openai")
@keywords.shows(connect)
def endpoint(
    name: str,
    *,
    extra_body: Mapping[str, Any] | None = None,
    raw: bool = False,
    price: tuple[float, float] | None = None,
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    max_cost: float | None = None,
    **server: Any,
) -> Endpoint:
    """A model of any server with the OpenAI chat-completions protocol.

    Parameters
    ----------
    name : the model's name on the server.
    extra_body : parameters that are sent with every request; part of the fingerprint.
    raw : send the prompt as plain text to ``/completions``, for models without a chat template.
    price : US dollars per million (prompt, completion) tokens, for the ledger and ``max_cost``.
    max_requests, max_tokens_total, max_cost : the budget of each run of this model.
    server : options of :func:`synthkit.models.openai.server.connect`: ``base_url``, ``api_key``,
        ``api_key_env``, ``ask_key``, ``organization``, ``project``, ``default_headers``,
        ``default_query``, ``concurrency`` (64), ``timeout`` (600 s for one try), ``max_retries``
        (3). Missing ones come from the variables that the ``openai`` SDK reads.

    Raises
    ------
    UsageError
        If a key is needed and missing, or an option is out of its range.
    """
    if not name:
        raise UsageError('expected a model name after "openai:", such as "openai:gpt-4.1-mini".')
    return Endpoint(
        name=name,
        server=connect(**server),
        extra_body=dict(extra_body or {}),
        raw=raw,
        price=price,
        budget=Budget(
            max_requests=max_requests, max_tokens_total=max_tokens_total, max_cost=max_cost
        ),
    )
