"""The calls of a batch API over HTTP, and the forms that providers give it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from synthkit.core.errors import EndpointError
from synthkit.models.openai import sdk
from synthkit.models.openai.server import Server

MEGABYTE = 10**6
NEVER = {"cancelled", "expired"}
"""States of a batch whose requests without a result were not asked."""


class Api:
    """A server's addresses below its base URL. Refusals are those of :func:`.sdk.refusals`.

    Parameters
    ----------
    headers : sent with each call, besides those of the server.
    address : in place of the server's base URL, if the batch API has another one.
    """

    def __init__(
        self, server: Server, *, headers: Mapping[str, str] | None = None, address: str = ""
    ) -> None:
        self.server = server
        self._headers = dict(headers or {})
        self._address = address
        self._client: Any = None

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at a path."""
        return self._call("get", path, {"params": query})

    def post(self, path: str, body: Mapping[str, Any], *, once: bool = False) -> Any:
        """The JSON that answers a body; ``once``: never sent a second time by itself."""
        return self._call("post", path, {"max_retries": 0} if once else {}, body=dict(body))

    def delete(self, path: str) -> Any:
        """The JSON that answers a deletion."""
        return self._call("delete", path, {})

    def upload(self, path: str, name: str, content: bytes, **fields: str) -> Any:
        """The JSON that answers a file, posted as a form with further fields."""
        form = {"headers": {"Content-Type": "multipart/form-data"}}
        return self._call("post", path, form, body=fields, files={"file": (name, content)})

    def download(self, path: str) -> bytes:
        """The bytes at a path."""
        import openai

        kind = openai.HttpxBinaryResponseContent
        content: bytes = self._call("get", path, {}, kind=kind).content
        return content

    def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _call(
        self, method: str, path: str, options: dict[str, Any], kind: Any = object, **content: Any
    ) -> Any:
        if self._client is None:
            self._client = sdk.client(self.server)
        options["headers"] = {**self._headers, **options.get("headers", {})}
        with sdk.refusals(self.server):
            send = getattr(self._client, method)
            try:
                answer = send(self._address + path, cast_to=kind, options=options, **content)
            except ValueError as error:  # JSON that was cut
                answer = str(error)
        if kind is object and not isinstance(answer, dict | list):  # such as the page of a proxy
            start = self.server.redact(" ".join(str(answer)[:200].split()))
            raise EndpointError(f"{self.server.base_url} has answered no JSON: {start!r}")
        return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """What a server says of a batch.

    Parameters
    ----------
    id : its name at the server.
    word : the server's word for its state, in small letters.
    ended : nothing more happens to it.
    results : the files or addresses that have results.
    total, done, failed : its requests, and those that were answered and that failed.
    problem : why none of its requests was done, if the server refused the whole.
    """

    id: str
    word: str
    ended: bool
    results: tuple[str, ...] = ()
    total: int = 0
    done: int = 0
    failed: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The result of one request.

    Parameters
    ----------
    key : of the request.
    status : of HTTP; 0 if it was not asked, since the batch expired or was cancelled before.
    body : the JSON of the response, in the form of chat completions, or of the error.
    """

    key: str
    status: int
    body: bytes


class BatchForm(Protocol):
    """How one provider has batches written, submitted, found again and read."""

    @property
    def most_requests(self) -> int:
        """How many requests a batch may have."""

    @property
    def most_bytes(self) -> int:
        """How many bytes their lines may have."""

    @property
    def api(self) -> Api:
        """What it is asked by."""

    def line(self, key: str, body: Mapping[str, Any]) -> bytes:
        """A request as a line of the file, without the end of the line."""

    def upload(self, tag: str, lines: bytes) -> str:
        """Send the file of a batch, and return what names it; empty if ``create`` sends it."""

    def create(self, tag: str, file: str, lines: bytes) -> BatchState:
        """Submit a batch, once."""

    def find(self, tag: str, file: str, known: Iterable[str]) -> BatchState | None:
        """The batch that was submitted by this tag, or with this file; ``None`` if there is none.

        ``known`` are the ids of batches that are others.
        """

    def look(self, id: str) -> BatchState:
        """What the server says of a batch."""

    def results(self, state: BatchState) -> Iterable[BatchResult | None]:
        """The results of its requests; ``None`` for a line that cannot be read."""

    def cancel(self, id: str) -> BatchState:
        """Ask the server to end a batch."""

    def remove(self, file: str) -> None:
        """Delete a file that was uploaded and not submitted."""
