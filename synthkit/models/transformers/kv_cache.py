"""The keys and values of a batch whose rows come and go.

All rows end at one column: a row that joins is laid so that its last token stands in the column
before the next one to be written, and its first column is remembered. So one write serves all rows
at each step, a row leaves by the last one taking its place, and nothing is moved otherwise. Room is
reserved ahead: transformers' own cache copies itself whole at every step: a quarter of the CPU time
in a profile of SmolLM2 with 8 rows.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers.cache_utils import Cache, CacheLayerMixin

ROOM = 128
"""Columns reserved beyond what is needed, so that growing is rare."""


class Layer:
    """One layer's keys and values, (rows, heads, columns, width), in a transformers Cache."""

    is_sliding = False
    is_compileable = False
    is_initialized = True

    def __init__(self, keys: Any, values: Any, rows: int, columns: int) -> None:
        # zeros: a masked column still counts 0 times what lies there, and 0 times NaN is NaN
        self.keys = keys.new_zeros(rows, keys.shape[1], columns, keys.shape[3])
        self.values = values.new_zeros(rows, values.shape[1], columns, values.shape[3])
        self.rows, self.end = 0, 0

    def update(self, keys: Any, values: Any, *_: Any, **__: Any) -> tuple[Any, Any]:
        """Write one more column for each row; all keys and values up to it."""
        end = self.end + keys.shape[-2]
        self.keys[: self.rows, :, self.end : end] = keys
        self.values[: self.rows, :, self.end : end] = values
        return self.keys[: self.rows, :, :end], self.values[: self.rows, :, :end]

    def get_seq_length(self) -> int:
        """Columns written."""
        return self.end

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Columns after a forward pass over so many tokens, and where they begin."""
        return self.end + query_length, 0

    def get_max_length(self) -> int:
        """No maximum."""
        return -1

    def relay(self, rows: int, columns: int, begin: int, at: int) -> None:
        """Move the columns from ``begin`` on to ``at``, into room for so many rows and columns."""
        count = self.end - begin
        for name in ("keys", "values"):
            old = getattr(self, name)
            new = old.new_zeros(rows, old.shape[1], columns, old.shape[3])
            new[: self.rows, :, at : at + count] = old[: self.rows, :, begin : self.end]
            setattr(self, name, new)


# transformers tells layers apart by isinstance
CacheLayerMixin.register(Layer)


class KeyValues:
    """The batch's cache: ``cache`` goes into the model's forward pass.

    Parameters
    ----------
    mergeable : whether rows may share a batch. A model whose layers keep a state other than keys
        and values (a Mamba, a hybrid) keeps the cache of its one row as transformers made it.
    """

    def __init__(self, *, mergeable: bool) -> None:
        self.mergeable = mergeable
        self.cache: Any = None
        self.starts: list[int] = []
        self.end = 0
        self.columns = 0
        self.room = 0

    def join(self, cache: Any, lengths: list[int]) -> None:
        """Take in new rows: the cache of their prompts, padded on the left to one length."""
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
        """Room for so many rows, ``width`` columns back and ``ROOM`` columns ahead."""
        if self.cache is None:
            self.columns, self.room, self.end = width + ROOM, rows, width
            layers = [Layer(new.keys, new.values, rows, self.columns) for new in cache.layers]
            self.cache = Cache(layers=layers)
            self._tell()
        elif rows > self.room or width > self.end:
            self._relay(max(rows, self.room), max(width, self.end - min(self.starts)))

    def _relay(self, rows: int, end: int) -> None:
        """Lay the rows anew, so that they end at column ``end`` with room ahead."""
        begin = min(self.starts)
        shift = end - self.end
        at = begin + shift
        self.columns, self.room = end + max(ROOM, end // 2), rows
        for layer in self.cache.layers:
            layer.relay(rows, self.columns, begin, at)
        self.starts = [start + shift for start in self.starts]
        self.end = end
        self._tell()

    def _tell(self) -> None:
        for layer in self.cache.layers:
            layer.end = self.end

    def leave(self, rows: list[int]) -> None:
        """Let rows go. From the highest down, the last row takes the place of each that leaves."""
        if not self.mergeable:
            self.cache, self.starts, self.end = None, [], 0
            return
        for row in sorted(rows, reverse=True):
            last = len(self.starts) - 1
            if row != last:
                begin = self.starts[last]
                for layer in self.cache.layers:
                    for kept in (layer.keys, layer.values):
                        kept[row, :, begin : self.end] = kept[last, :, begin : self.end]
                self.starts[row] = begin
            self.starts.pop()
        for layer in self.cache.layers:
            layer.rows = len(self.starts)

    def advance(self) -> None:
        """Account for the column that a forward pass has written; make room for the next."""
        self.end += 1
        if not self.mergeable:
            return
        self._tell()
        if self.end == self.columns:
            self._relay(len(self.starts), self.end - min(self.starts))

    def inputs(self, device: Any) -> tuple[Any, Any]:
        """The attention mask, (rows, columns + 1) or ``None``, and the positions, (rows, 1)."""
        starts = torch.tensor(self.starts, device=device)[:, None]
        mask = None
        if any(self.starts):
            mask = (torch.arange(self.end + 1, device=device) >= starts).long()
        return mask, self.end - starts
