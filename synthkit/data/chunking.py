"""Chunks: documents cut into pieces that fit into a prompt, each with its place in the document."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import digest
from synthkit.data import tables as tables

# A run of more than 20 characters counts as several words, so that a long link, or a language
# without spaces, is bounded too; such a language's full stop ends one.
_WORD = re.compile(r"[^\s。！？]{0,19}[。！？]|\S{1,20}")
_STOP = re.compile(r"[.!?…][\"'”’»)\]*_]*\s|[。！？]")
_PARAGRAPH, _SENTENCE, _SPACE, _NONE = 3, 2, 1, 0


def chunks(table: Any, *, words: int = 200, overlap: int = 40, column: str = "text") -> Any:
    """A table of the same kind with a row for each chunk of each document.

    A chunk ends at the last paragraph of its second half, else sentence, else word; the next one
    begins at the first such place within the overlap, so that it begins a paragraph or sentence
    where there is one. ``column[start:end]`` of the document is the chunk's text exactly.

    Parameters
    ----------
    table : documents; their other columns are repeated for each chunk.
    words : the most in a chunk. A run of more than 20 characters counts as several.
    overlap : the most words that a chunk has in common with the one before.
    column : of the texts; a missing or blank one has no chunks.

    Returns
    -------
    The table with ``id``, ``parent`` (the document's id), ``start`` and ``end``, in characters;
    columns of these names, if the documents have them, are replaced.

    Raises
    ------
    UsageError
        If ``words`` is below 1, or ``overlap`` not from 0 to below ``words``.
    TableError
        If there is no such column, or a cell of it is no text.

    Examples
    --------
    >>> made = chunks([{"text": "One is here. Two is there. Three."}], words=4, overlap=1)
    >>> made[["start", "end", "text"]].values.tolist()
    [[0, 12, 'One is here.'], [13, 33, 'Two is there. Three.']]
    """
    if words < 1 or not 0 <= overlap < words:
        raise UsageError(
            f"words must be at least 1 and overlap from 0 to below words; got {words}, {overlap}."
        )
    source = tables.identified(table)
    parents = tables.column(source, "id")
    found = []
    for row, text in enumerate(tables.column(source, column)):
        text = "" if text is None else text
        if not isinstance(text, str):
            raise TableError(f"column {column!r} must hold text; in row {row} it is {text!r:.80}.")
        found += [(row, *span, text[slice(*span)]) for span in spans(text, words, overlap)]
    made = {
        "id": [digest([str(parents[row]), start, text])[:16] for row, start, _, text in found],
        "parent": [parents[row] for row, _, _, _ in found],
        column: [text for _, _, _, text in found],
        "start": [start for _, start, _, _ in found],
        "end": [end for _, _, end, _ in found],
    }
    # without the texts, each of which would be there as often as it has chunks
    bare = tables.assign(source, {column: [""] * len(parents)})
    rows = tables.take(bare, [row for row, _, _, _ in found])
    return tables.assign(rows, made, first=("id", "parent"))


def spans(text: str, words: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The (start, end) of each chunk of a text, in order; see :func:`chunks`.

    >>> list(spans("a b c d e", 3, 1))
    [(0, 5), (4, 9)]
    """
    places = [match.span() for match in _WORD.finditer(text)]
    cuts = [_PARAGRAPH, *(_cut(text, *pair) for pair in itertools.pairwise(places))]
    start = 0
    while start < len(places):
        stop = min(start + words, len(places))
        if stop < len(places):
            least = start + max(words // 2, overlap + 1)
            stop = max(range(least, stop + 1), key=lambda at: (cuts[at], at))
        yield places[start][0], places[stop - 1][1]
        if stop == len(places):
            return
        start = max(range(stop - overlap, stop + 1), key=lambda at: (cuts[at], -at))


def _cut(text: str, before: tuple[int, int], after: tuple[int, int]) -> int:
    """How good a place to cut it is between two words that follow each other."""
    gap = text[before[1] : after[0]]
    if gap.count("\n") > 1:
        return _PARAGRAPH
    if _STOP.search(text, before[0], after[0]):
        return _SENTENCE
    return _SPACE if gap else _NONE
