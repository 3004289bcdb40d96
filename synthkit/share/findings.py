"""Secrets and personal data in what is about to be shared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from synthkit.curate.filters.pii import find_pii
from synthkit.curate.filters.secrets import find_secrets
from synthkit.data import tables
from synthkit.data.cells import as_text


class Finding(NamedTuple):
    """A kind of secret or personal data, where it was found, and how often; never the data."""

    place: str
    kind: str
    times: int


def find_in_table(table: Any, place: str = "") -> list[Finding]:
    """The secrets and personal data in the texts of a table, by column.

    Numbers, and the columns ``id`` and ``parent``, are not searched.

    Examples
    --------
    >>> find_in_table([{"id": "a", "text": "Write to a@b.org."}])
    [Finding(place='text', kind='email', times=1)]
    """
    found: list[Finding] = []
    for column in tables.columns(table):
        if column not in ("id", "parent"):
            texts = (as_text(each) for each in tables.column(table, column) if _is_text(each))
            found += _found(texts, f"{place}: {column}" if place else column)
    return found


def find_in_text(text: str, place: str, *, personal: bool = True) -> list[Finding]:
    """The secrets, and if asked the personal data, in a text."""
    return list(_found([text], place, personal))


def _is_text(cell: Any) -> bool:
    return isinstance(cell, str | list | tuple | dict) or hasattr(cell, "tolist")


def _found(texts: Iterable[str], place: str, personal: bool = True) -> Iterator[Finding]:
    kinds: Counter[str] = Counter()
    for text in texts:
        kinds.update(span.kind for span in find_secrets(text))
        if personal:
            kinds.update(span.kind for span in find_pii(text))
    return (Finding(place, kind, n) for kind, n in kinds.most_common())
