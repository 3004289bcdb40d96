"""The client of the ``openai`` SDK for what is asked seldom: files, and jobs that take hours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from synthkit.core.errors import EndpointError
from synthkit.models.openai.refusals import error_message
from synthkit.models.openai.server import Server

OWN_HEADERS = {"content-type", "accept", "accept-encoding", "authorization"}
"""Headers that the client of ``openai`` sets itself."""


def client(server: Server) -> Any:
    """A client for a server, with its key, headers and query; close it after use."""
    import openai as sdk

    others = {
        name: value for name, value in server.headers.items() if name.lower() not in OWN_HEADERS
    }
    return sdk.OpenAI(
        api_key=server.api_key or "none",
        base_url=server.address,
        default_headers=others,
        default_query=dict(server.query),
        max_retries=server.max_retries,
        timeout=server.timeout,
    )


def patient(ask: Callable[[], Any], otherwise: Any) -> Any:
    """An answer of the server; ``otherwise`` while it cannot be reached, since the job goes on."""
    import openai as sdk

    try:
        return ask()
    except (sdk.APIConnectionError, sdk.InternalServerError, sdk.RateLimitError):
        return otherwise


@contextmanager
def refusals(server: Server) -> Iterator[None]:
    """Raise refusals of a server as errors of synthkit, without secrets.

    Raises
    ------
    EndpointError
        If it refuses; with ``status`` ``None`` if it cannot be reached.
    """
    import openai as sdk

    try:
        yield
    except EndpointError:
        raise
    except sdk.APIStatusError as error:
        body = error.response.text
        words, _ = error_message(body)
        raise server.refusal(server.base_url, error.status_code, words, body) from None
    except sdk.APIError as error:
        words = server.redact(str(error.__cause__ or error))
        raise EndpointError(f"{server.base_url} cannot be reached: {words}") from None
