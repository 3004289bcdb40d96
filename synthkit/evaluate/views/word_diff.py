"""Word diffs of two texts."""

from __future__ import annotations

import difflib
import re
from typing import Literal

from synthkit.stats.words import pieces as split_pieces

Change = tuple[Literal["same", "out", "in"], str]

MOST_WORDS = 1500


def changes(before: str, after: str, *, most: int = MOST_WORDS) -> list[Change] | None:
    """The diff of two texts: pieces that stay the same, go out or come in, in order.

    The pieces ``same`` and ``in`` together are ``after``; ``same`` and ``out`` are ``before``.
    No piece splits a letter from its marks. ``None`` if either text has more than twice ``most``
    words, marks and spaces, since time grows with the square of that.

    >>> changes("Cold soup.", "Warm soup.")
    [('out', 'Cold'), ('in', 'Warm'), ('same', ' soup.')]
    """
    old, new = split_pieces(before), split_pieces(after)
    if max(len(old), len(new)) > 2 * most:
        return None
    pieces: list[Change] = []
    out = into = gap = ""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, i, j, k, n in matcher.get_opcodes():
        text = "".join(new[k:n])
        if kind != "equal":
            out, into, gap = out + gap + "".join(old[i:j]), into + gap + text, ""
        elif (out or into) and not re.search(r"\w", text):
            gap = text  # a blank or a comma between two changes becomes part of one change
        else:
            pieces += [*_changed(out, into), ("same", text)]
            out = into = ""
    pieces += _changed(out, into)
    return [*pieces, ("same", gap)] if gap else pieces


def _changed(out: str, into: str) -> list[Change]:
    pieces: list[Change] = [("out", out), ("in", into)]
    return [piece for piece in pieces if piece[1]]


def cut(pieces: list[Change], length: int) -> list[Change]:
    """The first pieces, with ``length`` characters in all.

    >>> cut([("same", "abc"), ("in", "def")], 4)
    [('same', 'abc'), ('in', 'd')]
    """
    first: list[Change] = []
    for kind, text in pieces:
        if length <= 0:
            break
        first.append((kind, text[:length]))
        length -= len(text)
    return first
