"""Whether a server gives its list of models, which it does much sooner than it writes a text."""

from __future__ import annotations

from synthkit.models.openai.server import Server
from synthkit.models.openai.transport import Client

LIST_SECONDS = 5.0
"""Longest wait for the list."""


async def lists_models(server: Server) -> bool:
    """Whether a server gives its list of models to this key: then it is no wrong address.

    The list is asked for once while the first request of a run is under way, and costs nothing. A
    server without one is used as if it had not been asked.
    """
    url = server.target(f"{server.base_url}/models")
    client = Client(url, server.headers, server.query, method="GET")
    try:
        response = await client.post(b"", LIST_SECONDS)
    except OSError:
        return False  # the first request will say what is wrong
    finally:
        client.close()
    return response.status == 200 and b'"data"' in response.body
