"""Row ids and request keys: their lengths, and lists of them packed into one column."""

from __future__ import annotations

from collections.abc import Sequence

ID_DIGITS = 16
"""Hex digits of a row id, the start of a request key. One clash is likely among 4e9 rows."""
KEY_DIGITS = 32
"""Hex digits of a request key."""


def pack(ids: Sequence[str]) -> bytes:
    """The hex digits of ids as bytes, half as long. The ids must have equal lengths."""
    return bytes.fromhex("".join(ids))


def unpack(packed: bytes, digits: int = ID_DIGITS) -> list[str]:
    """The ids that :func:`pack` packed, of ``digits`` hex digits each."""
    text = packed.hex()
    return [text[i : i + digits] for i in range(0, len(text), digits)]
