"""Texts that do not fit into memory: worked on part by part, by the same code as a list of texts.

Functions of texts that pass them through :func:`map_parts` and :func:`regrouped` take a list and
:class:`LargeTexts` alike. A list is one part, so that nothing is different for it.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Result = TypeVar("Result")
Positions = NDArray[np.intp]
Digests = NDArray[np.uint64]
"""(n, 2) hashes of 128 bits."""
Arrays = Sequence[NDArray[Any]] | NDArray[Any]
"""Several arrays, or the rows of one."""


class LargeTexts(Sequence[str]):
    """Texts outside of memory, in parts that may be read by several processes."""

    cache: dict[Any, Any]
    """What was computed of the texts and may be used again."""

    @property
    @abstractmethod
    def characters(self) -> int:
        """About how many characters all texts have."""

    @abstractmethod
    def map(self, function: Callable[[list[str]], Result]) -> Iterator[Result]:
        """The results of a function for the texts of each part, in their order."""

    @abstractmethod
    def take(self, positions: Positions) -> LargeTexts:
        """The texts at some positions, in that order."""

    @abstractmethod
    def regrouped(self, parts: Iterable[Arrays]) -> Iterable[NDArray[Any]]:
        """As :func:`regrouped`; the arrays are kept outside of memory until they are joined."""


def map_parts(
    texts: Sequence[str], function: Callable[[Sequence[str]], Result]
) -> Iterator[Result]:
    """The results of a function for each part of the texts; a list is one part."""
    return texts.map(function) if isinstance(texts, LargeTexts) else iter([function(texts)])


def regrouped(texts: Sequence[str], parts: Iterable[Arrays]) -> Iterable[NDArray[Any]]:
    """For each place the arrays that all parts have in it, joined, one place after the other.

    Parameters
    ----------
    parts : for each part of the texts as many arrays as for any other.
    """
    if isinstance(texts, LargeTexts):
        return texts.regrouped(parts)
    (arrays,) = parts
    return arrays


def take(texts: Sequence[str], positions: Positions) -> Sequence[str]:
    """The texts at some positions, in that order."""
    if isinstance(texts, LargeTexts):
        return texts.take(positions)
    return [texts[at] for at in positions]


def lengths_of(texts: Sequence[str]) -> Positions:
    """(n,) the lengths of texts, in characters.

    >>> lengths_of(["soup", "tea"]).tolist()
    [4, 3]
    """
    return np.concatenate(list(map_parts(texts, _lengths)))


def _lengths(texts: Sequence[str]) -> Positions:
    return np.fromiter(map(len, texts), np.intp, len(texts))


def first_equal(
    texts: Sequence[str], change: Callable[[Sequence[str]], Sequence[str]] | None = None
) -> Positions:
    """(n,) for each text the position of the first that equals it.

    Large texts are compared by hashes of 128 bits.

    Parameters
    ----------
    change : how texts are changed before they are compared.

    Examples
    --------
    >>> first_equal(["soup", "Soup", "soup"]).tolist()
    [0, 1, 0]
    """
    if isinstance(texts, LargeTexts):
        return first_equal_digests(np.concatenate(list(texts.map(_Digested(change)))))
    first: dict[str, int] = {}
    changed = change(texts) if change else texts
    return np.fromiter(map(first.setdefault, changed, range(len(texts))), np.intp, len(texts))


class _Digested:
    """The digests of texts after a change; other processes can be sent it."""

    def __init__(self, change: Callable[[Sequence[str]], Sequence[str]] | None) -> None:
        self.change = change

    def __call__(self, texts: Sequence[str]) -> Digests:
        return digests(self.change(texts) if self.change else texts)


def digests(texts: Iterable[str]) -> Digests:
    """(n, 2) hashes of 128 bits of texts."""
    found = b"".join(
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for text in texts
    )
    return np.frombuffer(found, np.uint64).reshape(-1, 2)


def first_equal_digests(found: Digests) -> Positions:
    """(n,) for each digest the position of the first that equals it.

    >>> first_equal_digests(digests(["soup", "tea", "soup"])).tolist()
    [0, 1, 0]
    """
    order = np.lexsort((found[:, 1], found[:, 0]))
    new = np.zeros(len(found), bool)
    new[:1] = True
    for half in (0, 1):
        ordered = found[order, half]
        new[1:] |= ordered[1:] != ordered[:-1]
    of = np.empty(len(found), np.intp)
    # the sort is stable, so that the first of equal digests comes first
    of[order] = order[new][np.cumsum(new) - 1]
    return of
