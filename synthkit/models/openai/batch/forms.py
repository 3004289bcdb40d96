"""Which form of batches a server has."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlsplit

from synthkit.core.errors import UsageError
from synthkit.models.openai.batch.anthropic_form import AnthropicForm
from synthkit.models.openai.batch.api import Api, BatchForm
from synthkit.models.openai.batch.gemini_form import GeminiForm
from synthkit.models.openai.batch.mistral_form import MistralForm
from synthkit.models.openai.batch.openai_form import OpenAIForm
from synthkit.models.openai.batch.together_form import TogetherForm
from synthkit.models.openai.model import Endpoint
from synthkit.models.openai.providers import BatchKind, provider_at


def _path(endpoint: Endpoint) -> str:
    """The address of each request in a file, as the server wants it."""
    kind = "completions" if endpoint.raw else "chat/completions"
    host = urlsplit(endpoint.server.origin).hostname or ""
    return f"/{kind}" if host.endswith(".azure.com") else f"/v1/{kind}"


def _anthropic(endpoint: Endpoint) -> BatchForm:
    headers = {"anthropic-version": "2023-06-01", "x-api-key": endpoint.server.api_key or ""}
    return AnthropicForm(Api(endpoint.server, headers=headers))


def _mistral(endpoint: Endpoint) -> BatchForm:
    return MistralForm(Api(endpoint.server), _path(endpoint), endpoint.name)


def _gemini(endpoint: Endpoint) -> BatchForm:
    server = endpoint.server
    address = server.address.removesuffix("/openai")
    headers = {"x-goog-api-key": server.api_key or ""}
    return GeminiForm(Api(server, headers=headers, address=address), endpoint.name)


FORMS: dict[BatchKind, Callable[[Endpoint], BatchForm]] = {
    "openai": lambda endpoint: OpenAIForm(Api(endpoint.server), _path(endpoint)),
    "together": lambda endpoint: TogetherForm(Api(endpoint.server), _path(endpoint)),
    "mistral": _mistral,
    "anthropic": _anthropic,
    "gemini": _gemini,
}
"""Kind of a provider's batches -> what makes its form for an endpoint."""


def form_for(endpoint: Endpoint) -> BatchForm:
    """The form of an endpoint's server; that of OpenAI for a server that is not listed.

    Raises
    ------
    UsageError
        If the provider has no batch API, or none for plain text.
    """
    provider = provider_at(endpoint.server.origin)
    title = provider.title if provider else "the server"
    kind: BatchKind = provider.batch if provider else "openai"
    if not kind:
        raise UsageError(
            f"{endpoint.name} cannot be asked in a batch: {title} has no batch API that synthkit "
            "knows. Ask it directly: without --batch, or batch=False."
        )
    if endpoint.raw and kind != "openai":
        raise UsageError(
            f"{endpoint.name} was loaded with raw=True, and batches of {title} are of "
            "chats. Load it without raw=True, or ask it directly."
        )
    return FORMS[kind](endpoint)
