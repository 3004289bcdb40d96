"""Chunks: documents split into pieces that fit into a prompt, with their positions."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any

from synthkit.core.errors import TableError, UsageError
from synthkit.core.hashing import digest
from synthkit.data import tables

# A run of more than 20 characters counts as several words, so that long links and languages
# without spaces are bounded too. The full stop of such a language ends a word.
_WORD = re.compile(r"[^\s。！？]{0,19}[。！？]|\S{1,20}")
_STOP = re.compile(r"[.!?…][\"'”’»)\]*_]*\s|[。！？]")
_PARAGRAPH, _SENTENCE, _SPACE, _NONE = 3, 2, 1, 0


def chunks(table: Any, *, words: int = 200, overlap: int = 40, column: str = "text") -> Any:
    """A table of the same kind with one row for each chunk of each document.

    A chunk ends at the last end of a paragraph in its second half; without one, at the last end of
    a sentence, then of a word. The next chunk starts at the first such place within the overlap, so
    it starts with a paragraph or sentence if possible. The chunk's text is exactly
    ``text[start:end]`` of the document.

    Parameters
    ----------
    table : documents; their other columns are repeated for each chunk.
    words : most words of a chunk. A run of more than 20 characters counts as several.
    overlap : most words that a chunk shares with the one before it.
    column : the column of the texts; a missing or blank text has no chunks.

    Returns
    -------
    The table with ``id``, ``parent`` (the document's id), ``start`` and ``end``, in characters.
    Columns of the documents with these names are replaced.

    Raises
    ------
    UsageError
        If ``words`` is below 1, or ``overlap`` is not from 0 to below ``words``.
    TableError
        If there is no such column, or one of its cells is not a text.

    Examples
    --------
    >>> pieces = chunks([{"text": "One is here. Two is there. Three."}], words=4, overlap=1)
    >>> pieces[["start", "end", "text"]].values.tolist()
    [[0, 12, 'One is here.'], [13, 33, 'Two is there. Three.']]
    """
    if words < 1 or not 0 <= overlap < words:
        raise UsageError(
            f"words must be at least 1 and overlap from 0 to below words; got {words}, {overlap}."
        )
    source = tables.identified(table)
    parents = tables.column(source, "id")
    pieces = []
    for row, text in enumerate(tables.column(source, column)):
        text = "" if text is None else text
        if not isinstance(text, str):
            raise TableError(f"column {column!r} must hold text; in row {row} it is {text!r:.80}.")
        pieces += [(row, *span, text[slice(*span)]) for span in spans(text, words, overlap)]
    cells = {
        "id": [digest([str(parents[row]), start, text])[:16] for row, start, _, text in pieces],
        "parent": [parents[row] for row, _, _, _ in pieces],
        column: [text for _, _, _, text in pieces],
        "start": [start for _, start, _, _ in pieces],
        "end": [end for _, _, end, _ in pieces],
    }
    # the texts are removed first, because each would be copied for every one of its chunks
    without_texts = tables.assign(source, {column: [""] * len(parents)})
    rows = tables.take(without_texts, [row for row, _, _, _ in pieces])
    taken = tables.free_names(tables.columns(rows), {"parent", "start", "end"} - {column})
    return tables.assign(tables.rename(rows, taken), cells, first=("id", "parent"))


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
    """The rank of the gap between two adjacent words as a place to cut; higher is better."""
    gap = text[before[1] : after[0]]
    if gap.count("\n") > 1:
        return _PARAGRAPH
    if _STOP.search(text, before[0], after[0]):
        return _SENTENCE
    return _SPACE if gap else _NONE
