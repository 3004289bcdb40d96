"""An OpenAI-compatible server: its address, key, headers and limits, and its refusals as errors."""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from synthkit.core.errors import EndpointError, UsageError, check_known, check_numbers
from synthkit.core.formatting import printable
from synthkit.core.redaction import Redactor, passwords_of_proxies
from synthkit.core.secrets import (
    hidden_query,
    hidden_url,
    is_opaque,
    looks_secret,
    placeholder,
    secrets_in,
)
from synthkit.models.openai.providers import PROVIDERS, provider_at
from synthkit.models.openai.refusals import error_message
from synthkit.models.openai.responses import is_error
from synthkit.models.openai.transport import merge_headers

DEFAULT_BASE_URL = "https://api.openai.com/v1"
_PRINTABLE = "([!-~\xa1-\xff]([ -~\xa0-\xff]*[!-~\xa1-\xff])?)?"
_SECRET = re.compile("auth|key|token|secret|cookie|password|signature", re.IGNORECASE)
"""In the name of a parameter of the URL that is no part of the fingerprint."""
_HINTS = {
    401: " Check the key: api_key_env names the environment variable that holds it.",
    403: " The key may not use this model or address.",
    404: " Check base_url (it usually ends in /v1) and the model's name.",
    407: " Check the proxy that the environment names.",
} | dict.fromkeys((301, 302, 303, 307, 308), " Give that address as base_url.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """An OpenAI-compatible server and how to use it. Create one with :func:`connect`.

    Parameters
    ----------
    base_url : as it may be shown and stored: a secret in its path is a placeholder.
    address : the base URL itself.
    origin : the base URL of the server that answers, which is another one behind a proxy.
    concurrency : most requests in flight.
    timeout : seconds for one try.
    max_retries : further tries after the first.
    redactor : replaces the secrets that were sent, in case the server repeats them.
    """

    base_url: str
    address: str = field(repr=False)
    origin: str
    api_key: str | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    query: Mapping[str, str] = field(repr=False)
    concurrency: int
    timeout: float
    max_retries: int
    redactor: Redactor = field(repr=False, compare=False)

    def identity(self) -> dict[str, Any]:
        """The parts of a fingerprint that name this server: base URL and public query."""
        query = {name: value for name, value in self.query.items() if not _SECRET.search(name)}
        return {"base_url": self.origin} | ({"query": hidden_query(query)} if query else {})

    def target(self, url: str) -> str:
        """The address to post to, of a URL that may be shown."""
        return self.address + url.removeprefix(self.base_url)

    def redact(self, text: str) -> str:
        """Words of the server as they may be shown: without secrets and control codes."""
        return printable(self.redactor.redact(text))

    def refusal(self, url: str, status: int, words: str, body: str) -> EndpointError:
        """The error for a response that ends a run, also an ``openai`` error of the same status."""
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
        if status in (404, 405) and (likely := likely_base_url(self.base_url)):
            hint += f" Did you mean base_url={likely!r}?"
        stop = "." if hint and words[-1:].isalnum() else ""
        message = f"{self.base_url} refused ({status}): {words}{stop}{hint}"
        # without an __init__ of its own, OSError would take the arguments
        members = {"__module__": __name__, "__init__": kind.__init__}
        both: Any = type(kind.__name__, (EndpointError, kind), members)
        response = httpx2.Response(status, content=body, request=httpx2.Request("POST", url))
        error: EndpointError = both(message, response=response, body=_detail(body))
        error.status = status
        return error

    def misplaced(self, url: str, text: str) -> EndpointError:
        """The error for a response that is none of the protocol."""
        likely = likely_base_url(self.base_url)
        hint = f" Did you mean base_url={likely!r}?" if likely else ""
        text = self.redact(text)
        if is_error(text.encode()):
            problem = f"answered an error and no completion: {error_message(text)[0]}"
        else:
            words = " ".join(text[:4000].split())[:200]
            problem = f"does not speak the protocol of OpenAI; it answered: {words}"
        error = EndpointError(
            f"{url} {problem.rstrip('.')}. Check base_url, which usually ends in /v1.{hint}"
        )
        error.status = 200
        return error


def likely_base_url(address: str) -> str:
    """The base URL that was probably meant; empty if this one looks right.

    >>> likely_base_url("http://localhost:1234"), likely_base_url("http://h/v1/chat/completions")
    ('http://localhost:1234/v1', 'http://h/v1')
    >>> likely_base_url("https://openrouter.ai"), likely_base_url("http://localhost:11434/api")
    ('https://openrouter.ai/api/v1', 'http://localhost:11434/v1')
    """
    parts = urlsplit(address)
    if provider := provider_at(address):
        return "" if address == provider.base_url else provider.base_url
    path = parts.path.rstrip("/")
    for ending in ("/chat/completions", "/completions", "/models", "/embeddings", "/responses"):
        path = path.removesuffix(ending)
    for ending in ("/api", "/api/chat", "/api/generate"):  # Ollama's own protocol
        path = path.removesuffix(ending)
    if not re.search(r"/v\d+\w*(/|$)", path):
        path += "/v1"
    return "" if path == parts.path else parts._replace(path=path).geturl()


def _detail(body: str) -> Any:
    """The part of a refusal that the SDK's errors carry as their ``body``."""
    try:
        detail = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return detail.get("error", detail) if isinstance(detail, dict) else detail


def connect(
    *,
    provider: str | None = None,
    base_url: str | None = None,
    proxy_of: str | None = None,
    api_key: str | None = None,
    api_key_env: str | None = None,
    ask_key: bool = False,
    organization: str | None = None,
    project: str | None = None,
    default_headers: Mapping[str, str] | None = None,
    default_query: Mapping[str, str] | None = None,
    concurrency: int = 64,
    timeout: float = 600.0,
    max_retries: int = 3,
) -> Server:
    """The server at an address. Nothing is sent yet.

    Missing settings come from the variables that the ``openai`` SDK reads: ``OPENAI_BASE_URL``,
    ``OPENAI_API_KEY``, ``OPENAI_ORG_ID``, ``OPENAI_PROJECT_ID``. Your own server needs no key.
    Unlike in the SDK, the key in ``OPENAI_API_KEY`` is not sent to a ``base_url`` given here.

    Parameters
    ----------
    provider : a name of :data:`~synthkit.models.openai.providers.PROVIDERS`, which gives the
        address and the variable of the key.
    proxy_of : the base URL of the server behind a proxy at ``base_url``, such as that of a class:
        completions are stored under it, so that those of either address are found.
    api_key_env : name of the environment variable that holds the key. Prefer it to ``api_key``,
        which stays in the notebook.
    ask_key : ask for the key with ``getpass``; it is kept in memory only.
    concurrency : most requests in flight; fewer while the server answers 429.
    timeout : seconds for one try.
    max_retries : further tries after the first.

    Raises
    ------
    UsageError
        If a key is needed and missing, or a setting is out of its range.
    """
    check_numbers(concurrency=concurrency, timeout=timeout, max_retries=max_retries)
    added: dict[str, Any] = {"default_headers": default_headers, "default_query": default_query}
    for option, pairs in added.items():
        if pairs is not None and not isinstance(pairs, Mapping):
            kind = type(pairs).__name__  # not the value, which may be a key
            raise UsageError(f'{option} must be a dict, such as {{"Name": "value"}}; got a {kind}.')
    if concurrency < 1 or max_retries < 0 or timeout <= 0:
        raise UsageError(
            "concurrency must be at least 1, max_retries at least 0 and timeout above 0; got "
            f"{concurrency}, {max_retries} and {timeout}."
        )
    if provider is not None:
        check_known("provider", provider, PROVIDERS)
        base_url = base_url or PROVIDERS[provider].base_url
    address = _address(base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_BASE_URL)
    key = _key(address, api_key, api_key_env, ask_key)
    if provider is not None and not key and PROVIDERS[provider].key_env and not default_headers:
        named = PROVIDERS[provider]
        raise UsageError(
            f"{named.title} needs a key: set {named.key_env}, or use api_key_env= or ask_key=True."
        )
    account = {
        "Authorization": f"Bearer {key}" if key else None,
        "OpenAI-Organization": organization or os.environ.get("OPENAI_ORG_ID"),
        "OpenAI-Project": project or os.environ.get("OPENAI_PROJECT_ID"),
    }
    headers = merge_headers(
        {
            "Content-Type": "application/json",
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        },
        {header: value for header, value in account.items() if value},
        default_headers or {},
    )
    for header, value in headers.items():
        _check_header(header, value)
    query = dict(default_query or {})
    shown = hidden_url(address, path=True)
    return Server(
        base_url=shown,
        address=address,
        origin=hidden_url(_address(proxy_of), path=True) if proxy_of else shown,
        api_key=key,
        headers=headers,
        query=query,
        concurrency=concurrency,
        timeout=timeout,
        max_retries=max_retries,
        redactor=_redactor(key, headers, query, address, shown),
    )


def _redactor(
    key: str | None,
    headers: Mapping[str, str],
    query: Mapping[str, Any],
    address: str,
    shown: str,
) -> Redactor:
    """A redactor of everything secret that is sent to a server."""
    redactor = Redactor()
    redactor.add_key(key or "")
    for name, value in headers.items():
        redactor.add_header(name, value)
    for name, value in query.items():
        if _SECRET.search(name) or {name: value} != hidden_query({name: value}):
            redactor.add(str(value), certain=True)
        for secret in secrets_in(value, name):
            redactor.add(secret, certain=True)
    segments = zip(address.split("/"), shown.split("/"), strict=True)
    for secret, segment in segments:
        if secret != segment:
            redactor.add(secret, certain=True)
    for password in passwords_of_proxies(os.environ):
        redactor.add(password, certain=True)
    return redactor


def _check_header(header: str, value: str) -> None:
    if not re.fullmatch(r"[!#-'*+.0-9A-Z^-z|~-]+", header) or not re.fullmatch(_PRINTABLE, value):
        what = "the key" if header == "Authorization" else f"the header {header!r}"
        raise UsageError(
            f"{what} has a character that HTTP cannot carry. A line break, a space at an end or a "
            "typographic quote may have been copied with it."
        )


def _address(address: str) -> str:
    """A base URL without its trailing slash.

    Raises
    ------
    UsageError
        If it is not an ``http`` or ``https`` URL, or has a user, a query or a fragment.
    """
    plain = address.strip().rstrip("/")
    try:
        parts = urlsplit(plain)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or not re.fullmatch("[!-~]+", plain):
        raise UsageError(
            "base_url must be an address such as http://127.0.0.1:8000/v1, in plain ASCII; "
            f"got {hidden_url(address, path=True)!r}."
        )
    if "@" in parts.netloc:
        raise UsageError(
            "base_url is stored with each completion, so it must contain no user or password. Use "
            "api_key_env or default_headers instead."
        )
    if parts.query or parts.fragment:
        shown = hidden_url(address, path=True)
        raise UsageError(f"base_url must end with its path; use default_query; got {shown!r}.")
    return plain


def _key(address: str, api_key: str | None, env: str | None, ask: bool) -> str | None:
    if ask:
        return getpass.getpass(f"Key for {hidden_url(address, path=True)}: ").strip() or None
    if api_key is not None:
        return api_key.strip() or None
    if env is not None:
        if not os.environ.get(env):
            is_key = looks_secret(env) or is_opaque(env)
            raise UsageError(
                f"the environment variable {(placeholder(env) if is_key else env)!r} is not set"
                + (" (a key was given in place of its name). " if is_key else ". ")
                + "Set it before the kernel starts, or use ask_key=True."
            )
        return os.environ[env].strip()
    key = os.environ.get("OPENAI_API_KEY", "").strip()
    known = provider_at(address)
    if known is not None and known.key_env:
        return os.environ.get(known.key_env, "").strip() or None
    if address != DEFAULT_BASE_URL:
        # that variable is meant for the SDK's server or for OPENAI_BASE_URL, not for any address
        return key if os.environ.get("OPENAI_BASE_URL", "").strip().rstrip("/") == address else None
    if not key:
        raise UsageError(
            f"{DEFAULT_BASE_URL} needs a key: set OPENAI_API_KEY, or use api_key_env= or "
            "ask_key=True. For your own server give base_url=."
        )
    return key
