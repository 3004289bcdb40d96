"""Hashes of JSON values: request keys, row ids and seeds are made of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from synthkit.core.errors import UsageError

_ENCODERS = {
    sort: json.JSONEncoder(
        sort_keys=sort, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    for sort in (True, False)
}


def digest(value: Any) -> str:
    """32 hex digits (BLAKE2b, 128 bits) of the canonical JSON of ``value``."""
    return hashlib.blake2b(canonical(value), digest_size=16).hexdigest()


def canonical(value: Any, *, sort: bool = True) -> bytes:
    """The canonical JSON of ``value``: sorted keys, no spaces, UTF-8.

    Parameters
    ----------
    sort : ``False`` for what is read back and may be asked again, where an order has a meaning: a
        model writes the properties of a schema in theirs.
    """
    try:
        text = _ENCODERS[sort].encode(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a request must consist of plain JSON values: {error}.") from None
    return text.encode("utf-8", "surrogatepass")


def storable_json(value: Any, *, sort: bool = False) -> str:
    r"""JSON of ``value`` that is read back as it was: its order, and halves of surrogate pairs.

    >>> print(storable_json({"b": "\ud83d", "a": 1}))
    {"b":"\ud83d","a":1}
    """
    text = canonical(value, sort=sort).decode("utf-8", "surrogatepass")
    return text.encode("utf-8", "backslashreplace").decode()
