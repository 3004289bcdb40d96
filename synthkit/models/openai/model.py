"""Endpoints: models behind any server that speaks the OpenAI chat-completions protocol.

Settings and errors are those of the ``openai`` SDK. Requests go over
:mod:`synthkit.models.openai.transport`, since the SDK's client takes several times the CPU.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synthkit.core import keywords
from synthkit.core.answers import REASONING_MARKERS, Markers, checked_markers, marker_identity
from synthkit.core.errors import UsageError
from synthkit.core.hashing import canonical
from synthkit.core.models import Activity, Budget, Price, check_price
from synthkit.core.secrets import Options, hidden, placeholders_in, secrets_in
from synthkit.core.types import Completion, Request
from synthkit.models.openai import answers, responses
from synthkit.models.openai import requests as written
from synthkit.models.openai.constraints import PatternOption
from synthkit.models.openai.dialect import Dialect, KnownServer
from synthkit.models.openai.health import Meter
from synthkit.models.openai.prices import listed_price
from synthkit.models.openai.providers import PROVIDERS, provider_at
from synthkit.models.openai.refusals import Refusal
from synthkit.models.openai.server import Server, connect
from synthkit.models.openai.stream import stream
from synthkit.models.schemes import model_scheme


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A model behind an OpenAI-compatible server: hosted, vLLM, llama.cpp, Ollama and others.

    Create one with :func:`endpoint`, or ``load_model("openai:NAME", ...)``.
    """

    name: str
    server: Server
    extra_body: Mapping[str, Any]
    raw: bool
    given_price: Price | None
    budget: Budget
    reasoning_markers: Markers = REASONING_MARKERS
    pattern_option: PatternOption = ""
    known: KnownServer = field(default_factory=KnownServer, compare=False, repr=False)
    meter: Meter = field(default_factory=Meter, compare=False, repr=False)

    @property
    def concurrency(self) -> int:
        """Most requests in flight."""
        return self.server.concurrency

    @property
    def price(self) -> Price | None:
        """The given price, or the one that ``genai-prices`` lists for a hosted model."""
        if self.given_price is not None:
            return self.given_price
        return listed_price(self.server.origin, self.name)

    @property
    def fingerprint(self) -> str:
        """Base URL, model name and extra parameters as JSON; secrets in them as placeholders."""
        parts = self.server.identity() | {"model": self.name}
        if self.extra_body:
            parts["extra_body"] = hidden(dict(self.extra_body))
        if self.raw:
            parts["raw"] = True
        parts |= marker_identity(self.reasoning_markers)
        return canonical(parts).decode()

    def with_budget(self, budget: Budget) -> Endpoint:
        """The same endpoint for a run with this budget, which counts retries as well."""
        return replace(self, budget=budget, meter=Meter())

    @property
    def sent(self) -> int:
        """How many requests were sent since :meth:`with_budget`, with every further try."""
        return self.meter.sent

    @property
    def activity(self) -> Activity:
        """The requests in flight, and what the server makes it wait for."""
        return self.meter.activity

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
        most = self.budget.max_requests
        return stream(self.server, self, requests, max_requests=most, meter=self.meter)

    @property
    def url(self) -> str:
        """The address that requests are posted to."""
        return f"{self.server.base_url}/{'completions' if self.raw else 'chat/completions'}"

    @property
    def member(self) -> str:
        """The beginning of the member that every answer has."""
        return '"choices'

    def check(self, request: Request) -> None:
        """Raise ``UsageError`` for what only a local model can do and a server might ignore.

        What the server is known to refuse is said once.
        """
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
        if self.raw and request.sampling.extra.get(written.TEMPLATE):
            raise UsageError(
                f"{self.name} was loaded with raw=True, which sends plain text; "
                f"{written.TEMPLATE} need the chat protocol."
            )
        if taken := {"model", "messages", "prompt"} & written.own(self, request).keys():
            raise UsageError(
                f"extra parameters cannot replace {min(taken)!r}: the row would not lead back to "
                "what was asked. Give another model or prompt."
            )
        if "token_bias" in request.sampling.extra:
            raise UsageError(
                f"{self.name} is behind a server, which does not know tokens by their texts; "
                f"token_bias {here}"
            )
        self._check_secrets(request)
        answers.say_left_out(self, request, self.known.dialect)

    def _check_secrets(self, request: Request) -> None:
        """Refuse a placeholder in the place of a secret, and note the secrets that are sent."""
        extra = request.sampling.extra
        if placeholders_in(extra):
            raise UsageError(
                f"a secret in Sampling.extra is not stored, so it is not known here: {extra!r}. "
                "Give it again."
            )
        for secret in secrets_in(extra):
            self.server.redactor.add(secret, certain=True)

    def body(self, request: Request, dialect: Dialect) -> bytes:
        """The JSON to post, as the dialect of the server has it."""
        return written.body(self, request, dialect)

    def adapted(self, request: Request, dialect: Dialect, refusal: Refusal) -> Dialect | None:
        """The dialect without what the server refuses; ``None`` if it refuses something else."""
        return written.adapted(self, request, dialect, refusal)

    def read(
        self, request: Request, dialect: Dialect, data: bytes, seconds: float, tries: int
    ) -> Completion:
        """The completion in a response body."""
        completion = responses.read(data, seconds, tries)
        return answers.answer(self, request, dialect, completion)

    def failed(self, reason: str, raw: str, tries: int) -> Completion:
        """A completion with ``finish="error"``."""
        return Completion(raw, finish="error", error=reason, tries=tries)


@model_scheme("openai")
@keywords.shows(connect)
def endpoint(
    name: str,
    *,
    extra_body: Mapping[str, Any] | None = None,
    chat_template_kwargs: Mapping[str, Any] | None = None,
    raw: bool = False,
    price: Price | None = None,
    max_requests: int | None = None,
    max_tokens_total: int | None = None,
    max_cost: float | None = None,
    reasoning_markers: Markers | None = None,
    **server: Any,
) -> Endpoint:
    """A model of any server with the OpenAI chat-completions protocol.

    Parameters
    ----------
    name : the model's name on the server.
    extra_body : parameters that are sent with every request; part of the fingerprint.
    chat_template_kwargs : variables of the chat template, such as ``{"enable_thinking": False}``,
        which vLLM, SGLang and llama.cpp read from ``extra_body``; those of a request go before.
    raw : send the prompt as plain text to ``/completions``, for models without a chat template.
    price : US dollars per million (prompt, completion) tokens, or (prompt, completion, cached
        prompt) tokens, for the ledger and ``max_cost``; by default that of ``genai-prices``.
    max_requests, max_tokens_total, max_cost : the budget of each run of this model.
    reasoning_markers : (start, end) pairs of texts around the reasoning in an answer; by default
        :data:`~synthkit.core.answers.REASONING_MARKERS`, none with ``()``.
    server : options of :func:`synthkit.models.openai.server.connect`: ``provider``, ``base_url``,
        ``proxy_of``, ``api_key``, ``api_key_env``, ``ask_key``, ``organization``, ``project``,
        ``default_headers``, ``default_query``, ``concurrency`` (64), ``timeout`` (600 s for one
        try), ``max_retries`` (3). Missing ones come from the variables that the ``openai`` SDK
        reads.

    Raises
    ------
    UsageError
        If a key is needed and missing, or an option is out of its range.
    """
    if not name:
        raise UsageError('expected a model name after "openai:", such as "openai:gpt-4.1-mini".')
    check_price(price)
    fixed = dict(extra_body or {})
    if chat_template_kwargs:
        if raw:
            raise UsageError(
                "chat_template_kwargs need a chat template, which raw=True does not use."
            )
        fixed[written.TEMPLATE] = {**fixed.get(written.TEMPLATE, {}), **chat_template_kwargs}
    connected = connect(**server)
    for secret in secrets_in(fixed):
        connected.redactor.add(secret, certain=True)
    provider = provider_at(connected.origin)
    named = PROVIDERS.get(str(server.get("provider")), provider)
    return Endpoint(
        name=name,
        server=connected,
        extra_body=Options(fixed),
        raw=raw,
        given_price=price,
        budget=Budget(
            max_requests=max_requests, max_tokens_total=max_tokens_total, max_cost=max_cost
        ),
        reasoning_markers=checked_markers(reasoning_markers),
        pattern_option=named.pattern if named else "",
        known=KnownServer(provider.dialect if provider else Dialect()),
    )
