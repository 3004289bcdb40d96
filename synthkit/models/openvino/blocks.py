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
    needed, so that another text with this beginning need not read it again.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._users = [0] * count
        self._idle = dict.fromkeys(range(count))  # without users; those to be used first come first
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
        fresh = [block for block in self._idle if block not in held][: count - len(held)]
        if len(held) + len(fresh) < count:
            return None
        for block in fresh:
            self._blocks.pop(self._keys.pop(block, b""), None)
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
            if not self._users[block]:
                self._idle[block] = None


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
