"""Embedders: what turns texts into vectors, and ``load_embedder``, which finds one by its spec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from synthkit.core.errors import ModelNotFound, UsageError, unknown
from synthkit.core.registry import Registry
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.schemes import create, of_provider

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class Embedder(Protocol):
    """Anything that turns texts into vectors. Their scalar product is the similarity, -1..1."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def fingerprint(self) -> str:
        """Text that is equal for two embedders only if they give equal vectors."""

    @property
    def dim(self) -> int:
        """The length of a vector."""

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """(n, dim) float32, rows L2-normalised; a text without tokens gives a row of zeros."""


EMBEDDERS: Registry[Callable[..., Embedder]] = Registry(
    "embedder", decorator="embedder", package="synthkit.models"
)
"""Name or scheme -> factory: those of synthkit, of installed packages and of the notebook."""

Factory = TypeVar("Factory", bound=Callable[..., Any])


def embedder(scheme: str) -> Callable[[Factory], Factory]:
    """Register a factory of embedders for ``load_embedder("scheme:name", ...)``: a decorator.

    The factory takes the name (``""`` for a spec without a colon), and the options of
    ``load_embedder`` as keyword arguments.
    """

    def register(factory: Factory) -> Factory:
        EMBEDDERS.add(scheme, factory, factory)
        return factory

    return register


def embedder_specs() -> list[str]:
    """What ``load_embedder`` takes: catalog names, and schemes with a colon. Imports none."""
    return [name if name in CATALOG else f"{name}:" for name in EMBEDDERS]


def load_embedder(spec: str, **options: Any) -> Embedder:
    """The embedder that ``spec`` names. Its weights are loaded when it is first used.

    Parameters
    ----------
    spec : ``"wordllama"`` or ``"minilm"`` of the catalog; ``"hf:<repo id or folder>"`` for a
        sentence encoder that transformers loads; ``"openai:<name>"`` for a server's
        ``/embeddings``, or ``"ollama:<name>"`` for one of a provider; or a name that
        :func:`embedder` registered.
    options : of the embedder: see :func:`synthkit.models.transformers.embedder.load_encoder` and
        :func:`synthkit.models.openai.embedder.endpoint_embedder`.

    Raises
    ------
    ModelNotFound
        If there is no such embedder, or it cannot be fetched.
    UsageError
        If it is not an embedder, or has no such option.

    Examples
    --------
    >>> vectors = load_embedder("wordllama").embed(["a cat", "a kitten"])
    >>> vectors.shape
    (2, 256)
    """
    if not isinstance(spec, str):
        raise UsageError(f"expected the spec of an embedder: 'wordllama'; got {spec!r:.200}.")
    scheme, _, name = spec.partition(":")
    if spec in CATALOG and spec not in EMBEDDERS:
        specs = ", ".join(embedder_specs())
        raise UsageError(f"{spec} is not an embedder; embedders are {specs}.")
    scheme = of_provider(scheme, EMBEDDERS, options)
    if scheme not in EMBEDDERS:
        raise ModelNotFound(unknown("embedder", spec, embedder_specs()))
    return create(EMBEDDERS[scheme], name, options, f"an embedder {spec!r}")


def normalized(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rows divided by their L2 norms, in place; rows of zeros stay."""
    import numpy as np

    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(np.divide(vectors, lengths, out=vectors, where=lengths > 0))
