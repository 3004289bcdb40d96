"""Blocks of keys and values: which are free, and which hold the beginning of a text."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from itertools import takewhile

import numpy as np

TOKENS = 32
"""Tokens of a block, as OpenVINO's attention on CPUs has them."""


class Blocks:
    """A pool of blocks.

    A full block of a prompt is kept under the hash of all tokens up to its end, until its place is
    needed, so that another text with this beginning need not read it again. Blocks that keep
    nothing are taken first, those used last before all others: the system gives memory to a block
    when it is first used, and never takes it back.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._users = [0] * count
        self._empty = list(reversed(range(count)))  # without users, and keep nothing
        self._idle: dict[int, None] = {}  # without users; those kept for longest come first
        self._keys: dict[int, bytes] = {}
        self._blocks: dict[bytes, int] = {}

    def fits(self, tokens: int) -> bool:
        """Whether the pool could hold so many tokens."""
        return tokens <= self.count * TOKENS

    def reserve(self, keys: Sequence[bytes], count: int) -> tuple[list[int], int] | None:
        """The ``count`` blocks of a text, and how many of them hold its beginning already.

        ``keys`` are those of the blocks that another text may have left. ``None`` if too few
        blocks are free.
        """
        held = [self._blocks[key] for key in takewhile(self._blocks.__contains__, keys)]
        wanted = count - len(held)
        oldest = [block for block in self._idle if block not in held]
        oldest = oldest[: max(0, wanted - len(self._empty))]
        if len(self._empty) + len(oldest) < wanted:
            return None
        for block in oldest:
            del self._blocks[self._keys.pop(block)]
        fresh = [self._empty.pop() for _ in range(wanted - len(oldest))] + oldest
        for block in [*held, *fresh]:
            self._users[block] += 1
            self._idle.pop(block, None)
        return held + fresh, len(held)

    def keep(self, block: int, key: bytes) -> None:
        """Note that a block now holds all that its key names."""
        if key not in self._blocks:
            self._blocks[key], self._keys[block] = block, key

    def release(self, blocks: Sequence[int]) -> None:
        """Give back the blocks of a text. Its end is taken for other texts before its beginning."""
        for block in reversed(blocks):
            self._users[block] -= 1
            if not self._users[block] and block in self._keys:
                self._idle[block] = None
            elif not self._users[block]:
                self._empty.append(block)


def keys(tokens: Sequence[int]) -> list[bytes]:
    """The keys of the full blocks of a prompt, but of none that has its last token.

    >>> one, other = keys([7] * 70), keys([7] * 40 + [8] * 30)
    >>> len(one), len(other), one[0] == other[0], one[1] == other[1]
    (2, 2, True, False)
    """
    seen, found = blake2b(digest_size=16), []
    for start in range(0, len(tokens) - TOKENS, TOKENS):
        seen.update(np.array(tokens[start : start + TOKENS], np.int64).tobytes())
        found.append(seen.digest())
    return found
