"""Embeddings from an OpenAI-compatible server's ``/embeddings``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core import keywords
from synthkit.core.errors import EndpointError, UsageError
from synthkit.core.hashing import canonical
from synthkit.models.embedders import embedder, normalized
from synthkit.models.openai.dialect import Dialect, KnownServer
from synthkit.models.openai.refusals import Refusal
from synthkit.models.openai.server import Server, connect
from synthkit.models.openai.stream import stream

Vectors = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class EndpointEmbedder:
    """An embedding model behind a server. Create one with ``load_embedder("openai:NAME", ...)``."""

    name: str
    server: Server
    dimensions: int | None
    batch_size: int
    known: KnownServer = field(default_factory=KnownServer, compare=False, repr=False)

    @property
    def fingerprint(self) -> str:
        """Base URL, model name and dimensions as JSON; never the key."""
        parts = self.server.identity() | {"embedder": self.name, "dimensions": self.dimensions}
        return canonical(parts).decode()

    @cached_property
    def dim(self) -> int:
        """The length of a vector; sends a request unless ``dimensions`` is set."""
        return self.dimensions or self.embed(["dimensions"]).shape[1]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """(n, dim) float32, rows L2-normalised; an empty text gives a row of zeros.

        Texts go in batches of ``batch_size``, which are retried as completions are. An empty text
        is not sent, since servers refuse it.

        Raises
        ------
        UsageError
            If an element is not a text.
        EndpointError
            If a batch fails, or the server gives vectors of different lengths. After a refusal it
            is also an instance of the ``openai`` error of the same status.
        """
        for at, text in enumerate(texts):
            if not isinstance(text, str):
                raise UsageError(f"text {at}: expected a str to embed; got {text!r}.")
        rows = [at for at, text in enumerate(texts) if text.strip()]
        if not rows:
            return np.zeros((len(texts), self.dim), np.float32)
        size = self.batch_size
        batches = [
            [texts[at] for at in rows[start : start + size]] for start in range(0, len(rows), size)
        ]
        answers = dict(filter(None, stream(self.server, _Embeddings(self), batches)))
        parts = []
        for at, batch in enumerate(batches):
            answer = answers[at]
            if isinstance(answer, EndpointError):
                raise answer
            parts.append(answer)
            dim = self.dimensions or parts[0].shape[1]
            if answer.shape != (len(batch), dim):
                raise EndpointError(
                    f"{self.server.base_url} gave vectors of the shape {answer.shape}; expected "
                    f"{(len(batch), dim)}."
                )
        out = np.zeros((len(texts), parts[0].shape[1]), np.float32)
        out[rows] = normalized(np.concatenate(parts))
        return out


@dataclass(frozen=True, slots=True)
class _Embeddings:
    """The ``/embeddings`` operation: a list of texts gives a matrix."""

    embedder: EndpointEmbedder

    @property
    def url(self) -> str:
        return f"{self.embedder.server.base_url}/embeddings"

    @property
    def known(self) -> KnownServer:
        return self.embedder.known

    @property
    def member(self) -> str:
        return '"data'

    def check(self, request: list[str]) -> None:
        pass

    def body(self, request: list[str], dialect: Dialect) -> bytes:
        body: dict[str, Any] = {"model": self.embedder.name, "input": request}
        if self.embedder.dimensions is not None:
            body["dimensions"] = self.embedder.dimensions
        if "encoding_format" not in dialect.left_out:
            body["encoding_format"] = "float"
        return json.dumps(body).encode()

    def adapted(self, request: list[str], dialect: Dialect, refusal: Refusal) -> Dialect | None:
        refused = refusal.unsupported({"encoding_format"} - dialect.left_out)
        return dialect.without(*refused) if refused else None

    def read(
        self, request: list[str], dialect: Dialect, data: bytes, seconds: float, tries: int
    ) -> Vectors | EndpointError:
        by_index = {int(part["index"]): part["embedding"] for part in json.loads(data)["data"]}
        vectors = np.array([by_index[at] for at in range(len(by_index))], np.float32)
        if vectors.ndim != 2 or not np.isfinite(vectors).all():
            raise ValueError("the embeddings are not lists of finite numbers")
        return vectors

    def failed(self, reason: str, raw: str, tries: int) -> Vectors | EndpointError:
        return EndpointError(f"{self.embedder.server.base_url}: {reason}")


@embedder("openai")
@keywords.shows(connect)
def endpoint_embedder(
    name: str, *, dimensions: int | None = None, batch_size: int = 32, **server: Any
) -> EndpointEmbedder:
    """An embedding model of any server with the OpenAI ``/embeddings`` protocol.

    Parameters
    ----------
    name : the model's name on the server.
    dimensions : the length of a vector, for models that can shorten theirs; part of the
        fingerprint.
    batch_size : texts in one request.
    server : options of :func:`synthkit.models.openai.server.connect`, such as ``base_url`` and
        ``api_key_env``.

    Raises
    ------
    UsageError
        If a key is needed and missing, or an option is out of its range.
    """
    if not name:
        raise UsageError(
            'expected a model name after "openai:", such as "openai:text-embedding-3-small".'
        )
    if batch_size < 1 or (dimensions is not None and dimensions < 1):
        raise UsageError(
            f"batch_size and dimensions must be 1 or more; got {batch_size} and {dimensions}."
        )
    return EndpointEmbedder(
        name=name, server=connect(**server), dimensions=dimensions, batch_size=batch_size
    )
