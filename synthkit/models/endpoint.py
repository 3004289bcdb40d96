"""Endpoints: any server that speaks the OpenAI chat-completions protocol.

Configured as the ``openai`` SDK is, and with its errors. The requests themselves go over
:mod:`synthkit.models.http`: the SDK's client costs several times the CPU of the request it makes,
and would be the bottleneck of a run.
"""

from __future__ import annotations

import getpass
import json
import os
import queue
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from synthkit.errors import EndpointError, UsageError
from synthkit.extras import need
from synthkit.models.wire import Wire
from synthkit.types import Budget, Completion, Request, canonical

DEFAULT_BASE_URL = "https://api.openai.com/v1"
TICK_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model behind an OpenAI-compatible server: hosted, vLLM, llama.cpp, Ollama, and others.

    Build it with :func:`endpoint`, or ``load_model("openai:NAME", ...)``.
    """

    name: str
    base_url: str
    api_key: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str]
    extra_body: Mapping[str, Any]
    concurrency: int
    timeout: float
    max_retries: int
    raw: bool
    price: tuple[float, float] | None
    budget: Budget

    @property
    def fingerprint(self) -> str:
        """What changes an answer: base URL, model name, fixed extra parameters. Never the key."""
        parts: dict[str, Any] = {"base_url": self.base_url, "model": self.name}
        if self.query:
            parts["query"] = dict(self.query)
        if self.extra_body:
            parts["extra_body"] = dict(self.extra_body)
        if self.raw:
            parts["raw"] = True
        return canonical(parts).decode()

    @property
    def url(self) -> str:
        """Where requests are posted."""
        return f"{self.base_url}/{'completions' if self.raw else 'chat/completions'}"

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs as they finish, ``concurrency`` in flight at most.

        429 and 5xx answers, timeouts and broken connections are tried again, with the server's
        ``Retry-After`` or growing waits; a body that is no completion once more. What still fails
        is a completion with ``finish="error"``.

        Raises
        ------
        EndpointError
            On 401, 403, 404 and 422, on a quota that is used up, and on a server that does not
            answer any more. It is an instance of the ``openai`` error of the same status too.
        """
        wire = Wire(self)
        handed = answered = 0
        try:
            while answered < len(requests):
                if handed < len(requests):
                    wire.submit(enumerate(requests[handed:], handed))
                    handed = len(requests)
                try:
                    item = wire.out.get(timeout=TICK_SECONDS)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(item, BaseException):
                    raise item
                answered += 1
                yield item
        finally:
            wire.close()

    def body(self, request: Request, max_tokens: str) -> bytes:
        """The JSON to post for a request; ``max_tokens`` is what the server calls that limit."""
        sampling, schema = request.sampling, request.schema
        body: dict[str, Any] = {"model": self.name}
        if self.raw:
            body["prompt"] = "\n\n".join(message.content for message in request.messages)
        else:
            body["messages"] = [
                {"role": message.role, "content": message.content} for message in request.messages
            ]
        given = {
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            max_tokens: sampling.max_tokens,
            "seed": None if sampling.seed is None else request.row_seed,
            "stop": list(sampling.stop) or None,
            "logprobs": sampling.logprobs or None,
        }
        body |= {name: value for name, value in given.items() if value is not None}
        if schema is not None and "enum" not in schema:
            shape = {"name": "row", "schema": strict(schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        return json.dumps(body | dict(sampling.extra) | dict(self.extra_body)).encode()

    def redact(self, text: str) -> str:
        """``text`` without the key, in whatever the server repeats of it."""
        return text.replace(self.api_key, "[key]") if self.api_key else text

    def refusal(self, status: int, words: str, body: str) -> EndpointError:
        """The error for an answer that ends a run: ours, and the ``openai`` SDK's, in one."""
        words = self.redact(words)
        openai, httpx2 = need_sdk()
        kinds = {
            400: openai.BadRequestError,
            401: openai.AuthenticationError,
            403: openai.PermissionDeniedError,
            404: openai.NotFoundError,
            422: openai.UnprocessableEntityError,
            429: openai.RateLimitError,
        }
        kind = kinds.get(status, openai.APIStatusError)
        hint = _HINTS.get(status, "")
        message = f"{self.base_url} refused ({status}): {words}{hint}"
        both = type(kind.__name__, (EndpointError, kind), {"__module__": __name__})
        error = cast("EndpointError", both.__new__(both, message))
        response = httpx2.Response(
            status, content=self.redact(body), request=httpx2.Request("POST", self.url)
        )
        kind.__init__(error, message, response=response, body=None)
        error.status = status
        return error


_HINTS = {
    401: " Check the key: api_key_env names the environment variable that holds it.",
    403: " The key may not use this model or address.",
    404: " Check base_url (it usually ends in /v1) and the model's name.",
}


def need_sdk() -> tuple[Any, Any]:
    """The ``openai`` package and the HTTP package whose responses its errors carry."""
    why = "to name a server's refusal"
    return need("openai", extra="local", why=why), need("httpx2", extra="local", why=why)


def endpoint(
    name: str,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
    api_key_env: str | None = None,
    ask_key: bool = False,
    organization: str | None = None,
    project: str | None = None,
    default_headers: Mapping[str, str] | None = None,
    default_query: Mapping[str, str] | None = None,
    extra_body: Mapping[str, Any] | None = None,
    concurrency: int = 64,
    timeout: float = 600.0,
    max_retries: int = 3,
    raw: bool = False,
    price: tuple[float, float] | None = None,
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    max_cost: float | None = None,
) -> Endpoint:
    """The model ``name`` of a server that speaks the OpenAI protocol.

    What is not given comes from where the ``openai`` SDK takes it: ``OPENAI_BASE_URL``,
    ``OPENAI_API_KEY``, ``OPENAI_ORG_ID``, ``OPENAI_PROJECT_ID``. A server of your own needs no key.

    Parameters
    ----------
    api_key_env : name of the environment variable that holds the key. Prefer it to ``api_key``,
        which stays in the notebook.
    ask_key : ask for the key with ``getpass``; it is kept in memory alone.
    concurrency : most requests in flight; fewer when the server answers 429.
    timeout : seconds for one try. ``max_retries``: further tries after the first.
    extra_body : parameters that are sent with every request; part of the fingerprint.
    raw : send the prompt as plain text to ``/completions``, for models without a chat template.
    price : US dollars per million (prompt, completion) tokens, for the ledger and ``max_cost``.
    max_requests, max_tokens_total, max_cost : the budget of every run of this model.

    Raises
    ------
    UsageError
        If a key is needed and not there, or a number makes no sense.
    """
    if not name:
        raise UsageError('expected a model name after "openai:", such as "openai:gpt-4.1-mini".')
    if concurrency < 1 or max_retries < 0 or timeout <= 0:
        raise UsageError(
            "concurrency must be at least 1, max_retries at least 0 and timeout above 0; got "
            f"{concurrency}, {max_retries} and {timeout}."
        )
    address = (base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL).rstrip("/")
    if not re.match(r"https?://[^/]", address):
        raise UsageError(f"base_url must begin with http:// or https://; got {address!r}.")
    key = _key(address, api_key, api_key_env, ask_key)
    headers = {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
    }
    if key:
        headers["Authorization"] = f"Bearer {key}"
    account = {
        "OpenAI-Organization": organization or os.environ.get("OPENAI_ORG_ID"),
        "OpenAI-Project": project or os.environ.get("OPENAI_PROJECT_ID"),
    }
    headers |= {header: value for header, value in account.items() if value}
    return Endpoint(
        name=name,
        base_url=address,
        api_key=key,
        headers=headers | dict(default_headers or {}),
        query=dict(default_query or {}),
        extra_body=dict(extra_body or {}),
        concurrency=concurrency,
        timeout=timeout,
        max_retries=max_retries,
        raw=raw,
        price=price,
        budget=Budget(
            max_requests=max_requests, max_tokens_total=max_tokens_total, max_cost=max_cost
        ),
    )


def _key(address: str, api_key: str | None, env: str | None, ask: bool) -> str | None:
    if ask:
        return getpass.getpass(f"Key for {address}: ").strip() or None
    if api_key is not None:
        return api_key.strip() or None
    if env is not None:
        if not os.environ.get(env):
            raise UsageError(
                f"the environment variable {env!r} is not set; set it before the kernel starts, "
                "or use ask_key=True."
            )
        return os.environ[env].strip()
    found = os.environ.get("OPENAI_API_KEY", "").strip()
    if address != DEFAULT_BASE_URL:
        # The SDK's variable is meant for the SDK's server or the one named beside it, not for any.
        return found if os.environ.get("OPENAI_BASE_URL", "").rstrip("/") == address else None
    if not found:
        raise UsageError(
            f"{DEFAULT_BASE_URL} needs a key: set OPENAI_API_KEY, or give api_key_env=, or "
            "ask_key=True; a server of your own needs base_url=."
        )
    return found


def strict(schema: Any) -> Any:
    """A copy of a JSON Schema as strict mode wants it: every object closed, all of it required."""
    if isinstance(schema, list):
        return [strict(part) for part in schema]
    if not isinstance(schema, Mapping):
        return schema
    closed = {name: strict(part) for name, part in schema.items() if name != "default"}
    if isinstance(closed.get("properties"), Mapping):
        closed["additionalProperties"] = False
        closed["required"] = list(closed["properties"])
    return closed
