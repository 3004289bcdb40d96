"""The keys and values of a batch that rows join and leave.

All rows end at the same column: the last token of a joining row goes into the column before the
next one to be written, and the row's first column is remembered. So each step needs one write for
all rows, and when a row leaves, only the last row moves into its place. Columns are reserved ahead.
transformers' own cache copies itself at every step, a quarter of the CPU time in a profile of
SmolLM2 with 8 rows.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

ROOM = 128
"""Spare columns, so that the cache rarely grows."""


class Layer:
    """One layer's keys and values, (rows, heads, columns, width), in a transformers Cache."""

    is_sliding = False
    is_compileable = False
    is_initialized = True

    def __init__(self, keys: Any, values: Any, rows: int, columns: int) -> None:
        # zeros, since a masked column still counts 0 times its value, and 0 times NaN is NaN
        self.keys = keys.new_zeros(rows, keys.shape[1], columns, keys.shape[3])
        self.values = values.new_zeros(rows, values.shape[1], columns, values.shape[3])
        self.rows, self.end = 0, 0

    def update(self, keys: Any, values: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Write one more column for each row; returns all keys and values up to it."""
        end = self.end + keys.shape[-2]
        self.keys[: self.rows, :, self.end : end] = keys
        self.values[: self.rows, :, self.end : end] = values
        return self.keys[: self.rows, :, :end], self.values[: self.rows, :, :end]

    def get_seq_length(self) -> int:
        """The number of written columns."""
        return self.end

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """The number of columns after a pass over ``query_length`` tokens, and the first one."""
        return self.end + query_length, 0

    def get_max_length(self) -> int:
        """-1: there is no maximum."""
        return -1

    def relay(self, rows: int, columns: int, begin: int, at: int) -> None:
        """Move the columns from ``begin`` on to ``at``, in new arrays of (rows, columns)."""
        count = self.end - begin
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(rows, old.shape[1], columns, old.shape[3])
            new[: self.rows, :, at : at + count] = old[: self.rows, :, begin : self.end]
            setattr(self, name, new)


# transformers checks layers with isinstance
CacheLayerMixin.register(Layer)


class KeyValues:
    """The cache of a batch: ``cache`` is passed to the model's forward pass.

    Parameters
    ----------
    mergeable : whether rows may share a batch. For a model whose layers keep other state (Mamba,
        hybrids), the cache of its single row stays as transformers made it.
    """

    def __init__(self, *, mergeable: bool) -> None:
        self.mergeable = mergeable
        self.cache: Any = None
        self.starts: list[int] = []
        self.end = 0
        self.columns = 0
        self.room = 0

    def join(self, cache: Any, lengths: list[int]) -> None:
        """Add rows, given the cache of their prompts, padded on the left to one length."""
        width = max(lengths)
        if not self.mergeable:
            self.cache, self.end, self.starts = cache, width, [0]
            return
        if not self.starts:
            self.cache, self.end = None, 0
        rows = len(self.starts) + len(lengths)
        self._reserve(cache, rows, width)
        for layer, new in zip(self.cache.layers, cache.layers, strict=True):
            place = slice(len(self.starts), rows)
            columns = slice(self.end - width, self.end)
            layer.keys[place, :, columns] = new.keys
            layer.values[place, :, columns] = new.values
            layer.rows = rows
        self.starts += [self.end - length for length in lengths]

    def _reserve(self, cache: Any, rows: int, width: int) -> None:
        """Make room for ``rows`` rows, ``width`` columns back and ``ROOM`` columns ahead."""
        if self.cache is None:
            self.columns, self.room, self.end = width + ROOM, rows, width
            layers = [Layer(new.keys, new.values, rows, self.columns) for new in cache.layers]
            self.cache = Cache(layers=layers)
            self._sync()
        elif rows > self.room or width > self.end:
            self._relay(max(rows, self.room), max(width, self.end - min(self.starts)))

    def _relay(self, rows: int, end: int) -> None:
        """Move all rows into new arrays, so that they end at column ``end`` with room ahead."""
        begin = min(self.starts)
        shift = end - self.end
        at = begin + shift
        self.columns, self.room = end + max(ROOM, end // 2), rows
        for layer in self.cache.layers:
            layer.relay(rows, self.columns, begin, at)
        self.starts = [start + shift for start in self.starts]
        self.end = end
        self._sync()

    def _sync(self) -> None:
        for layer in self.cache.layers:
            layer.end = self.end

    def leave(self, rows: list[int]) -> None:
        """Remove rows, the highest first; the last row moves into each freed place."""
        if not self.mergeable:
            self.cache, self.starts, self.end = None, [], 0
            return
        for row in sorted(rows, reverse=True):
            last = len(self.starts) - 1
            if row != last:
                begin = self.starts[last]
                for layer in self.cache.layers:
                    for stored in (layer.keys, layer.values):
                        stored[row, :, begin : self.end] = stored[last, :, begin : self.end]
                self.starts[row] = begin
            self.starts.pop()
        for layer in self.cache.layers:
            layer.rows = len(self.starts)

    def advance(self) -> None:
        """Count the column that a forward pass has written, and make room for the next one."""
        self.end += 1
        if not self.mergeable:
            return
        self._sync()
        if self.end == self.columns:
            self._relay(len(self.starts), self.end - min(self.starts))

    def inputs(self, device: Any) -> tuple[Any, Any]:
        """The attention mask, (rows, columns + 1) or ``None``, and the positions, (rows, 1)."""
        starts = torch.tensor(self.starts, device=device)[:, None]
        mask = None
        if any(self.starts):
            mask = (torch.arange(self.end + 1, device=device) >= starts).long()
        return mask, self.end - starts
