"""Orders in which rows are marked: random, the uncertain first, the contested first."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def shuffled(ids: Sequence[T], seed: int) -> list[T]:
    """The ids in a random order, which depends only on the seed."""
    return random.Random(seed).sample(list(ids), len(ids))


def sample_ids(ids: Sequence[str], n: int, seed: int) -> list[str]:
    """``n`` random ids, or all of them.

    The random number of an id depends only on the id and the seed, so an id that is added or
    removed changes at most one other id of the sample.
    """

    def key(id: str) -> bytes:
        return hashlib.blake2b(f"{seed}:{id}".encode("utf-8", "replace"), digest_size=8).digest()

    return sorted(ids, key=key)[:n]


def uncertain_first(ids: Sequence[str], scores: Sequence[float | None]) -> list[str]:
    """The ids in ascending distance of their score from 0.5; ids without a score last.

    >>> uncertain_first(["a", "b", "c"], [0.9, 0.45, None])
    ['b', 'a', 'c']
    """
    distance = {
        id: abs(score - 0.5) if score is not None and score == score else 9.0
        for id, score in zip(ids, scores, strict=True)
    }
    return sorted(ids, key=distance.__getitem__)


def contested_first(ids: Sequence[str], judgements: Mapping[str, Sequence[Any]]) -> list[str]:
    """The ids in descending disagreement of their judgements.

    Disagreement is the probability that two judgements, drawn with replacement, differ (Gini,
    1912): 0 for a single judgement or unanimity.

    >>> contested_first(["a", "b", "c"], {"b": ["accept", "reject"], "c": ["accept", "accept"]})
    ['b', 'a', 'c']
    """

    def disagreement(id: str) -> float:
        counts = Counter(map(str, judgements.get(id, ())))
        total = counts.total()
        return 1 - sum((n / total) ** 2 for n in counts.values()) if total else 0.0

    return sorted(ids, key=lambda id: -disagreement(id))
