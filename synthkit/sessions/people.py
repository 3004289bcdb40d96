"""The person of a session, whose name goes with marks and answers into bundles."""

from __future__ import annotations

import unicodedata

from synthkit.core.errors import UsageError
from synthkit.core.types import Mark
from synthkit.curate.marks.history import current_marks
from synthkit.store.store import Store

ME = "me"
"""The person who gave no name: a login name would travel with every bundle."""
HINT = "%synth me NAME names you"
MOST_CHARACTERS = 80


def composed(name: str) -> str:
    """The name in Unicode NFC: names that look alike are then equal.

    >>> composed("Jose\\u0301") == composed("Jos\\u00e9")
    True
    """
    return unicodedata.normalize("NFC", name)


def check_name(name: str) -> str:
    """Return the name in Unicode NFC, without spaces around it.

    Raises
    ------
    UsageError
        If it is empty, longer than 80 characters or has characters that cannot be seen.
    """
    name = composed(name.strip())
    if not name or len(name) > MOST_CHARACTERS or not name.isprintable():
        raise UsageError(
            f"expected a name of 1 to {MOST_CHARACTERS} printable characters; got {name[:90]!r}."
        )
    return name


def person(store: Store) -> str:
    """The name that the person of a session gave, or :data:`ME`."""
    return composed(store.marks.people.names().get(store.marks.identify(), ME))


def name_person(store: Store, name: str) -> None:
    """Name the person of a session."""
    store.check_writable()
    store.marks.people.put(store.marks.identify(), check_name(name))


def asked_by(store: Store, source: str) -> str:
    """Who asked for a completion, by its ``source``; ``""`` if it was this session."""
    name = store.marks.people.names().get(source, "")
    return f"{name}, in session {source}" if name else f"session {source}" if source else ""


def marks_by(store: Store, name: str) -> list[Mark]:
    """The current marks that someone of that name made in this session."""
    current = current_marks(store.marks.all()).values()
    return [mark for mark in current if (mark.person, mark.session) == (name, "")]
