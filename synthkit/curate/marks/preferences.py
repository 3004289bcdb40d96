"""Preferences: which of a row's two texts people found better, from their marks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from synthkit.core.types import Mark
from synthkit.curate.marks.history import SHOWN_LEFT, standing
from synthkit.data import tables as tables

Side: TypeAlias = Literal["first", "second"]
PAIR: tuple[Side, Side] = ("first", "second")
"""The columns of the two texts."""
PREFERENCES = (*PAIR, "tie")
"""What a mark can say of a pair: a column of it, whichever side its text stood on."""
_VOTE = {"first": 1, "second": -1, "tie": 0}


def preferred(table: Any, marks: Iterable[Mark]) -> Any:
    """``table`` with what people said of each pair in ``outcome``; nothing where nobody did.

    Of several annotators the text with more votes wins, a tie being half a vote for each; where
    they are even it is a tie. Only marks of the first round count, as in
    :func:`~synthkit.curate.marks.history.split`.

    Parameters
    ----------
    table : of pairs, of any kind; ids as in :func:`synthkit.data.tables.identified`.
    marks : of one task, as the log has them.

    Examples
    --------
    >>> pairs = [{"id": "a", "first": "Cold.", "second": "Warm."}]
    >>> said = [Mark(id="a", label="second", by="ann"), Mark(id="a", label="tie", by="bob")]
    >>> preferred(pairs, said)["outcome"].tolist()
    ['second']
    """
    table = tables.identified(table)
    votes: dict[str, int] = {}
    for mark in standing(marks).values():
        if mark.round == 1 and mark.label in _VOTE:
            votes[mark.id] = votes.get(mark.id, 0) + _VOTE[mark.label]
    ids = [str(id) for id in tables.column(table, "id")]
    return tables.assign(table, {"outcome": [_outcome(votes.get(id)) for id in ids]})


def sides(marks: Iterable[Mark]) -> tuple[list[Any], list[str]]:
    """What was said of pairs, and which text stood on the left then, where that is known.

    Both rounds and all annotators are in it: what :func:`~synthkit.evaluate.raters.preferences.left_wins`
    takes, to tell whether a person likes one side more.
    """
    said = [
        (mark.label, mark.edit[SHOWN_LEFT])
        for mark in standing(marks).values()
        if mark.label in _VOTE and SHOWN_LEFT in mark.edit
    ]
    return [label for label, _ in said], [left for _, left in said]


def drawn_left(id: str, *, by: str, seed: int) -> Side:
    """Which text of a pair to show on the left: drawn for each row and each person by the seed.

    >>> sum(drawn_left(f"row {n}", by="ann", seed=0) == "first" for n in range(1000))
    497
    """
    lot = hashlib.blake2b(f"{seed}:{by}:{id}".encode("utf-8", "replace"), digest_size=1).digest()
    return "first" if lot[0] % 2 else "second"


def other(side: str) -> Side:
    """The other of the two."""
    return "second" if side == "first" else "first"


def _outcome(votes: int | None) -> str | None:
    return None if votes is None else "tie" if not votes else "first" if votes > 0 else "second"
