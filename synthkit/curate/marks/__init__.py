"""Marks: their history, what they say about rows, and the filter learned from them."""

from synthkit.curate.marks.history import (
    History,
    accepted,
    contested,
    frame,
    pairs,
    sample,
    shuffled,
    skipped,
    split,
    standing,
    uncertain,
)

__all__ = [
    "History",
    "accepted",
    "contested",
    "frame",
    "pairs",
    "sample",
    "shuffled",
    "skipped",
    "split",
    "standing",
    "uncertain",
]
