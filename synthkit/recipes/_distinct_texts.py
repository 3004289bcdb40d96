"""A pool of texts that differ from each other: copies and near-copies are rejected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Reject, Request, Row
from synthkit.recipes._ask import with_origin
from synthkit.stats.rouge import Pool
from synthkit.stats.words import tokens

QUOTED = 80
"""Most characters of a text that a reason quotes."""


class DistinctTexts:
    """A pool of texts in which no two are too similar.

    Parameters
    ----------
    likeness : a text is too similar if its ROUGE-L F1 with one of the pool is above this; at 1,
        only if the words are the same.
    texts : texts that are in the pool from the start.

    Raises
    ------
    UsageError
        If ``likeness`` is not above 0 and at most 1.

    Examples
    --------
    >>> pool = DistinctTexts(0.7, ["Warm bread, cold soup."])
    >>> pool.complaint("warm bread - cold soup")
    "the same words as 'Warm bread, cold soup.'"
    >>> pool.complaint("Warm bread and cold soup.")
    "ROUGE-L 0.89 with 'Warm bread, cold soup.'"
    >>> pool.complaint("Nobody came.")
    ''
    """

    def __init__(self, likeness: float, texts: Iterable[str] = ()) -> None:
        if not 0 < likeness <= 1:
            raise UsageError(f"likeness must be above 0, at most 1; got {likeness}.")
        self._likeness = likeness
        self._pool = Pool() if likeness < 1 else None
        self._texts: list[str] = []
        self._by_words: dict[str, str] = {}
        for text in texts:
            self.add(text)

    def complaint(self, text: str) -> str:
        """Which text of the pool this one is too similar to; empty if there is none."""
        same = self._by_words.get(_words(text))
        if same is not None:
            return f"the same words as {quoted(same)}"
        if self._pool is None:
            return ""
        score, position = self._pool.max_rouge(text, above=self._likeness)
        if position is None:
            return ""
        return f"ROUGE-L {score:.2f} with {quoted(self._texts[position])}"

    def outcome(
        self,
        parsed: Mapping[str, Any] | Reject,
        *,
        of: tuple[Request, ...],
        cells: Mapping[str, Any],
        parent: str | None = None,
    ) -> Row | Reject:
        """The row of a new text, which joins the pool; a reject if the text is too similar.

        Parameters
        ----------
        parsed : cells with a ``text``; or a reject, which is returned with the other arguments.
        of, cells, parent : the row's requests, its other cells, and the id of its parent row.
        """
        if not isinstance(parsed, Reject):
            complaint = self.complaint(parsed["text"])
            if complaint:
                parsed = Reject(parsed["text"], complaint)
            else:
                self.add(parsed["text"])
        return with_origin(parsed, of, cells, parent)

    def add(self, text: str) -> None:
        """Add a text to the pool."""
        self._by_words.setdefault(_words(text), text)
        if self._pool is not None:
            self._pool.add(text)
            self._texts.append(text)


def quoted(text: str) -> str:
    """The start of a text, in quotation marks."""
    return repr(text if len(text) <= QUOTED else f"{text[:QUOTED]}...")


def _words(text: str) -> str:
    return " ".join(tokens(text)) or text.strip()
