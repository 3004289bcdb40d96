"""The vectors of a table's texts: embedded in batches, or read from a column."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from synthkit.core.errors import TableError, UsageError
from synthkit.core.formatting import cell
from synthkit.evaluate.views.projection import Floats, neighbours

BATCH = 128


class Embeds(Protocol):
    """Anything that embeds texts; its ``name``, if it has one, is shown."""

    def embed(self, texts: Sequence[str]) -> Any:
        """(n, d) numbers."""
        ...


class TextVectors:
    """Texts, and the vectors of those that are embedded so far (``done``).

    Parameters
    ----------
    texts : the texts.
    embedder : embeds them, if ``cells`` are not given.
    column, cells : a column that holds vectors, and its cells.
    """

    def __init__(
        self,
        texts: Sequence[str],
        embedder: Embeds | None,
        column: str | None = None,
        cells: Sequence[Any] = (),
    ) -> None:
        if column is None and embedder is None:
            raise UsageError("expected an embedder, or a column that holds vectors.")
        self.texts, self.embedder, self.column = texts, embedder, column
        self._vectors = None if column is None else _stacked(cells, column)
        self.done = 0 if column is None else len(texts)

    @property
    def source(self) -> str:
        """Where the vectors come from, in words."""
        if self.column is not None:
            return f"column {self.column}"
        return str(getattr(self.embedder, "name", type(self.embedder).__name__))

    @property
    def array(self) -> Floats:
        """(n, d) float32; not finite for a text without a vector."""
        if self._vectors is None:
            return np.full((len(self.texts), 1), np.nan, np.float32)
        return self._vectors

    def embed(self, progress: Callable[[], None] = lambda: None) -> None:
        """Embed the rest of the texts; ``progress`` is called after each batch.

        After an interrupt, the next call continues.

        Raises
        ------
        UsageError
            If the embedder does not return one vector of the same length for each text.
        """
        while self.done < len(self.texts):
            batch = self.texts[self.done : self.done + BATCH]
            assert self.embedder is not None
            vectors = np.asarray(self.embedder.embed(batch), np.float32)
            length = vectors.shape[-1] if self._vectors is None else self._vectors.shape[1]
            if vectors.shape != (len(batch), length):
                raise UsageError(
                    f"expected vectors of shape ({len(batch)}, {length}) from {self.source}; "
                    f"got {vectors.shape}."
                )
            if self._vectors is None:
                self._vectors = np.full((len(self.texts), length), np.nan, np.float32)
            self._vectors[self.done : self.done + len(batch)] = vectors
            self.done += len(batch)
            progress()

    def neighbours(self, position: int, k: int) -> list[tuple[int, float]]:
        """The positions of the nearest texts by cosine, and the cosines, the nearest first."""
        if self._vectors is None:
            raise UsageError("there are no vectors yet.")
        return neighbours(self._vectors, position, k)


def _stacked(cells: Sequence[Any], name: str) -> Floats:
    """The vectors in a column; not finite where a cell is missing."""
    present = [value for value in cells if value is not None]
    length = len(present[0]) if present and hasattr(present[0], "__len__") else 0
    if cells and not length:
        raise TableError(f"expected vectors in column {name!r}; got {cell(cells[0])[:80]!r}.")
    missing = [np.nan] * length
    try:
        vectors = np.array([missing if value is None else value for value in cells], np.float32)
    except (TypeError, ValueError):
        raise TableError(f"expected vectors of {length} numbers in column {name!r}.") from None
    return vectors.reshape(len(cells), length)
