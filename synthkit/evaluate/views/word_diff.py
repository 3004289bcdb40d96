"""Changes: what became of a text, word by word."""

from __future__ import annotations

import difflib
import re
from typing import Literal

Change = tuple[Literal["same", "out", "in"], str]

MOST_WORDS = 1500
_PIECES = re.compile(r"\s+|\w+|[^\w\s]")


def changes(before: str, after: str, *, most: int = MOST_WORDS) -> list[Change] | None:
    """The pieces that make ``before`` into ``after``: words kept, taken out and put in, in order.

    The kept and put-in pieces together are ``after``; the kept and taken-out ones ``before``.
    ``None`` if either has more than ``most`` words, marks and spaces: comparing takes time by the
    square of that.

    >>> changes("Cold soup.", "Warm soup.")
    [('out', 'Cold'), ('in', 'Warm'), ('same', ' soup.')]
    """
    old, new = _PIECES.findall(before), _PIECES.findall(after)
    if max(len(old), len(new)) > 2 * most:
        return None
    found: list[Change] = []
    out = into = gap = ""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, i, j, k, n in matcher.get_opcodes():
        kept = "".join(new[k:n])
        if kind != "equal":
            out, into, gap = out + gap + "".join(old[i:j]), into + gap + kept, ""
        elif (out or into) and not re.search(r"\w", kept):
            gap = kept  # a blank or a comma between two changes is read as one change with them
        else:
            found += [*_changed(out, into), ("same", kept)]
            out = into = ""
    found += _changed(out, into)
    return [*found, ("same", gap)] if gap else found


def _changed(out: str, into: str) -> list[Change]:
    pieces: list[Change] = [("out", out), ("in", into)]
    return [piece for piece in pieces if piece[1]]


def cut(pieces: list[Change], length: int) -> list[Change]:
    """The first pieces, as far as ``length`` characters go.

    >>> cut([("same", "abc"), ("in", "def")], 4)
    [('same', 'abc'), ('in', 'd')]
    """
    kept: list[Change] = []
    for kind, text in pieces:
        if length <= 0:
            break
        kept.append((kind, text[:length]))
        length -= len(text)
    return kept
