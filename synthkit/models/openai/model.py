"""Endpoints: any server that speaks the OpenAI chat-completions protocol.

Configured as the ``openai`` SDK is, and with its errors. The requests themselves go over
:mod:`synthkit.models.openai.transport`: the SDK's client costs several times the CPU of the request it makes,
and would be the bottleneck of a run.
"""

from __future__ import annotations

import getpass
import json
import os
import queue
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from synthkit.core.errors import EndpointError, UsageError
from synthkit.core.hashing import canonical
from synthkit.core.types import Budget, Completion, Request
from synthkit.models.openai.scheduler import Wire
from synthkit.models.openai.strict_schema import strict
from synthkit.models.openai.transport import merged

DEFAULT_BASE_URL = "https://api.openai.com/v1"
TICK_SECONDS = 0.1
_PRINTABLE = "([!-~\xa1-\xff]([ -~\xa0-\xff]*[!-~\xa1-\xff])?)?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model behind an OpenAI-compatible server: hosted, vLLM, llama.cpp, Ollama, and others.

    Build it with :func:`endpoint`, or ``load_model("openai:NAME", ...)``.
    """

    name: str
    base_url: str
    api_key: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
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
        query = {name: value for name, value in self.query.items() if not _SECRET.search(name)}
        if query:
            parts["query"] = query
        if self.extra_body:
            parts["extra_body"] = dict(self.extra_body)
        if self.raw:
            parts["raw"] = True
        return canonical(parts).decode()

    def with_budget(self, budget: Budget) -> Endpoint:
        """The same endpoint with another budget, which counts retries as well."""
        return replace(self, budget=budget)

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
        UsageError
            If a request asks for a user's turn, gives a text to be scored, or has a
            ``token_bias``; before any is sent.
        EndpointError
            On 401, 403, 404 and 422, on a quota that is used up, and on a server that does not
            answer any more. It is an instance of the ``openai`` error of the same status too.
        """
        wire = Wire(self)
        handed = answered = 0
        try:
            while answered < len(requests):
                if handed < len(requests):
                    self._check(requests[handed:])
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

    def _check(self, requests: Sequence[Request]) -> None:
        """Refuse what only a model on this machine can do, and a server might pass over."""
        for request in requests:
            here = 'needs a model on this machine, such as "smollm2".'
            if request.turn == "user":
                raise UsageError(
                    f"{self.name} is behind a server, which writes the assistant's turn only; "
                    f'turn="user" (Magpie) {here}'
                )
            if request.answer is not None:
                raise UsageError(
                    f"{self.name} is behind a server, which writes answers and does not score given"
                    f" ones; to score (likelihood, ifd, perplexity, a weighted judge) {here}"
                )
            if "token_bias" in request.sampling.extra:
                raise UsageError(
                    f"{self.name} is behind a server, which does not know tokens by their texts; "
                    f"token_bias {here}"
                )

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
            # of the text protocol it is how many alternatives to list beside each token
            "logprobs": (1 if self.raw else True) if sampling.logprobs else None,
        }
        body |= {name: value for name, value in given.items() if value is not None}
        if schema is not None and "enum" not in schema:
            shape = {"name": "row", "schema": strict(schema), "strict": True}
            body["response_format"] = {"type": "json_schema", "json_schema": shape}
        return json.dumps(body | dict(sampling.extra) | dict(self.extra_body)).encode()

    def redact(self, text: str) -> str:
        """``text`` without the key and whatever else is secret, where the server repeats it."""
        given = [("key", self.api_key or ""), *self.headers.items(), *self.query.items()]
        for name, value in given:
            secret = value.rpartition(" ")[2]
            # What is short is a placeholder, such as "EMPTY".
            if _SECRET.search(name) and len(secret) >= 8:
                text = text.replace(secret, "[key]")
        return text

    def refusal(self, status: int, words: str, body: str) -> EndpointError:
        """The error for an answer that ends a run: ours, and the ``openai`` SDK's, in one."""
        import httpx2
        import openai

        words, body = self.redact(words), self.redact(body)
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
        # OSError, among the ancestors, would take the arguments for itself
        own = {"__module__": __name__, "__init__": kind.__init__}
        both: Any = type(kind.__name__, (EndpointError, kind), own)
        response = httpx2.Response(status, content=body, request=httpx2.Request("POST", self.url))
        error: EndpointError = both(message, response=response, body=_detail(body))
        error.status = status
        return error


_SECRET = re.compile("auth|key|token|secret|cookie|password|signature", re.IGNORECASE)
_HINTS = {
    401: " Check the key: api_key_env names the environment variable that holds it.",
    403: " The key may not use this model or address.",
    404: " Check base_url (it usually ends in /v1) and the model's name.",
    407: " Check the proxy that the environment names.",
} | dict.fromkeys((301, 302, 303, 307, 308), " Give that address as base_url.")


def _detail(body: str) -> Any:
    """The part of a refusal that the SDK's errors carry as their ``body``."""
    try:
        detail = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return detail.get("error", detail) if isinstance(detail, dict) else detail


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
    ``OPENAI_API_KEY``, ``OPENAI_ORG_ID``, ``OPENAI_PROJECT_ID``. A server of your own needs no key,
    and unlike with the SDK the one in ``OPENAI_API_KEY`` is not sent to a ``base_url`` given here.

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
    address = _address(base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)
    key = _key(address, api_key, api_key_env, ask_key)
    account = {
        "Authorization": f"Bearer {key}" if key else None,
        "OpenAI-Organization": organization or os.environ.get("OPENAI_ORG_ID"),
        "OpenAI-Project": project or os.environ.get("OPENAI_PROJECT_ID"),
    }
    headers = merged(
        {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        },
        {header: value for header, value in account.items() if value},
        default_headers or {},
    )
    for header, value in headers.items():
        if not re.fullmatch(r"[!#-'*+.0-9A-Z^-z|~-]+", header) or not re.fullmatch(
            _PRINTABLE, value
        ):
            what = "the key" if header == "Authorization" else f"the header {header!r}"
            raise UsageError(
                f"{what} has a character that HTTP cannot carry; a line break, a space at an end "
                "or a typographic quote may have been copied with it."
            )
    return Endpoint(
        name=name,
        base_url=address,
        api_key=key,
        headers=headers,
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


def _address(given: str) -> str:
    """A base URL without the slash at its end, if it is one."""
    address = given.strip().rstrip("/")
    try:
        parts = urlsplit(address)
        plain = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        plain = False
    if not plain or not re.fullmatch("[!-~]+", address):
        raise UsageError(
            "base_url must be an address such as http://127.0.0.1:8000/v1, in plain ASCII; "
            f"got {given!r}."
        )
    if "@" in parts.netloc:
        raise UsageError(
            "base_url is kept beside each answer, so it must hold no user or password; give them "
            "by api_key_env or default_headers."
        )
    if parts.query or parts.fragment:
        raise UsageError(f"base_url must end with its path; give default_query; got {given!r}.")
    return address


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
        return (
            found if os.environ.get("OPENAI_BASE_URL", "").strip().rstrip("/") == address else None
        )
    if not found:
        raise UsageError(
            f"{DEFAULT_BASE_URL} needs a key: set OPENAI_API_KEY, or give api_key_env=, or "
            "ask_key=True; a server of your own needs base_url=."
        )
    return found
