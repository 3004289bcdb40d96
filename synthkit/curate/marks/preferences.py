"""Preferences: which of a row's two texts annotators prefer, from their marks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Literal, TypeAlias

from synthkit.core.types import Mark
from synthkit.curate.marks.history import SHOWN_LEFT, current_marks, first_labels
from synthkit.data import tables

Side: TypeAlias = Literal["first", "second"]
PAIR: tuple[Side, Side] = ("first", "second")
"""The columns of the two texts."""
PREFERENCES = (*PAIR, "tie")
"""The labels of a mark of a pair: the preferred column, on whichever side its text was shown."""
_VOTE = {"first": 1, "second": -1, "tie": 0}


def preferred(table: Any, marks: Iterable[Mark]) -> Any:
    """The table with the preferred column of each pair in ``outcome``, missing without a mark.

    The text with more votes wins; a tie is half a vote for each. If both have the same number of
    votes, the outcome is a tie. Only marks of the first round count, as in
    :func:`~synthkit.curate.split_by_marks`.

    Parameters
    ----------
    table : of pairs, of any kind; ids as in :func:`synthkit.data.tables.identified`.
    marks : the log of one task.

    Its own column ``outcome``, such as a judge's, is kept as ``outcome_2``.

    Examples
    --------
    >>> pairs = [{"id": "a", "first": "Cold.", "second": "Warm."}]
    >>> marks = [Mark(id="a", label="second", by="ann"), Mark(id="a", label="tie", by="bob")]
    >>> preferred(pairs, marks)["outcome"].tolist()
    ['second']
    """
    table = tables.identified(table)
    votes: dict[str, int] = {}
    for mark in first_labels(marks):
        if mark.label in _VOTE:
            votes[mark.id] = votes.get(mark.id, 0) + _VOTE[mark.label]
    ids = [str(id) for id in tables.column(table, "id")]
    return tables.attach(table, {"outcome": [_outcome(votes.get(id)) for id in ids]})


def sides(marks: Iterable[Mark]) -> tuple[list[Any], list[str]]:
    """The labels of marked pairs, and which text was shown on the left, where that is known.

    Marks of both rounds and of all annotators are included. The result is the input of
    :func:`~synthkit.evaluate.raters.preferences.left_wins`, which measures a preference for a side.
    """
    labelled = [
        (mark.label, mark.edit[SHOWN_LEFT])
        for mark in current_marks(marks).values()
        if mark.label in _VOTE and SHOWN_LEFT in mark.edit
    ]
    return [label for label, _ in labelled], [left for _, left in labelled]


def drawn_left(id: str, *, by: str, seed: int) -> Side:
    """The text of a pair to show on the left: random for each row and annotator, by the seed.

    >>> sum(drawn_left(f"row {n}", by="ann", seed=0) == "first" for n in range(1000))
    497
    """
    byte = hashlib.blake2b(f"{seed}:{by}:{id}".encode("utf-8", "replace"), digest_size=1).digest()
    return "first" if byte[0] % 2 else "second"


def other(side: str) -> Side:
    """The other column of the pair."""
    return "second" if side == "first" else "first"


def _outcome(votes: int | None) -> str | None:
    return None if votes is None else "tie" if not votes else "first" if votes > 0 else "second"
