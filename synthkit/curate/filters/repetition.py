"""A filter that drops texts which repeat themselves, as models do when they loop.

The measures and thresholds are those of Gopher: J. Rae et al. (2021), arXiv 2112.11446, table A1.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import Filter, text_filter
from synthkit.curate.filters.ranges import check_share
from synthkit.curate.filters.registry import filter_option
from synthkit.stats.words import tokens

TOP: Mapping[int, float] = {2: 0.20, 3: 0.18, 4: 0.16}
"""n -> the largest allowed share of characters in the most frequent n-gram (Gopher)."""
DUPLICATE: Mapping[int, float] = {5: 0.15, 6: 0.14, 7: 0.13, 8: 0.12, 9: 0.11, 10: 0.10}
"""n -> the largest allowed share of characters in n-grams that occur more than once (Gopher)."""


@filter_option("no-repetition", cost=1)
def repetition(
    *,
    column: str = "text",
    lines: float = 0.30,
    line_chars: float = 0.20,
    paragraphs: float = 0.30,
    paragraph_chars: float = 0.20,
    top: Mapping[int, float] = TOP,
    duplicate: Mapping[int, float] = DUPLICATE,
    short: int = 50,
) -> Filter:
    """Drop texts that repeat lines, paragraphs or words, by the thresholds of Gopher.

    Words are :func:`synthkit.stats.words.tokens`; shares are of the characters in words. Where two
    occurrences of an n-gram overlap, each character counts once. Gopher does not judge texts of
    fewer than 50 words. Here the most frequent n-gram of such a text counts only if it occurs three
    times, since 44% of the characters of "The soup was good and the bread was good" occur twice.

    Parameters
    ----------
    lines, paragraphs : the largest allowed share of lines and paragraphs that repeat an earlier
        one, 0..1. Blank lines do not count; they separate paragraphs.
    line_chars, paragraph_chars : the largest allowed share of characters in these.
    top, duplicate : n -> the largest allowed share of characters in the most frequent n-gram, and
        in all n-grams that occur more than once.
    short : number of words from which Gopher's rule applies without a change.

    Raises
    ------
    UsageError
        If a share is not from 0 to 1, or an ``n`` is below 1.

    Examples
    --------
    >>> texts = ["so good so good so good so good", "The soup was good and the bread was good."]
    >>> repetition().judge([{"text": text} for text in texts])
    ["repeated 2-gram: 100% of characters in 'so good'", '']
    """
    gopher = (lines, line_chars, paragraphs, paragraph_chars, short) == (0.3, 0.2, 0.3, 0.2, 50)
    gopher = gopher and top == TOP and duplicate == DUPLICATE
    shares = {
        "lines": lines,
        "line_chars": line_chars,
        "paragraphs": paragraphs,
        "paragraph_chars": paragraph_chars,
        **{f"top {n}-gram": value for n, value in top.items()},
        **{f"duplicate {n}-grams": value for n, value in duplicate.items()},
    }
    for name, value in shares.items():
        check_share(name, value)
    if not all(isinstance(n, int) and n >= 1 for n in [*top, *duplicate]):
        raise UsageError(f"n must be 1 or more words; got {[*top, *duplicate]}.")

    def test(text: str) -> str:
        return (
            _parts(text.split("\n\n"), "paragraphs", paragraphs, paragraph_chars)
            or _parts(text.split("\n"), "lines", lines, line_chars)
            or _grams(tokens(text), top, duplicate, short)
        )

    limits = ", ".join(f"{name} {value:g}" for name, value in shares.items())
    return text_filter(
        f"repetition <= {'Gopher' if gopher else f'{limits}; short {short}'}", column, test
    )


def _parts(parts: Sequence[str], what: str, most: float, most_chars: float) -> str:
    """Why a text is dropped for its repeated lines or paragraphs."""
    parts = [part.strip() for part in parts if part.strip()]
    repeats = [part for part, n in Counter(parts).items() for _ in range(n - 1)]
    if len(repeats) > most * len(parts):
        return f"repeated {what}: {len(repeats)} of {len(parts)}"
    chars, total = sum(map(len, repeats)), sum(map(len, parts))
    return f"repeated {what}: {chars} of {total} characters" if chars > most_chars * total else ""


def _grams(
    words: Sequence[str], top: Mapping[int, float], duplicate: Mapping[int, float], short: int
) -> str:
    """Why a text is dropped for its repeated n-grams."""
    total = sum(map(len, words))
    least = 3 if len(words) < short else 2
    for n, most in top.items():
        gram, starts = _most_frequent(words, n)
        if len(starts) >= least and (chars := _covered(words, starts, n)) > most * total:
            return f"repeated {n}-gram: {chars / total:.0%} of characters in {gram!r}"
    for n, most in duplicate.items():
        repeated = [starts for starts in _starts(words, n).values() if len(starts) > 1]
        starts = sorted(start for of_gram in repeated for start in of_gram)
        if (chars := _covered(words, starts, n)) > most * total:
            return f"repeated {n}-grams: {chars / total:.0%} of characters"
    return ""


def _most_frequent(words: Sequence[str], n: int) -> tuple[str, list[int]]:
    """The n-gram that occurs most often, the longest of several, and where it begins."""
    starts = _starts(words, n)
    if not starts:
        return "", []
    gram = max(starts, key=lambda gram: (len(starts[gram]), sum(map(len, gram))))
    return " ".join(gram), starts[gram]


def _starts(words: Sequence[str], n: int) -> dict[tuple[str, ...], list[int]]:
    """The positions of the words at which each n-gram begins."""
    starts: dict[tuple[str, ...], list[int]] = {}
    for at, gram in enumerate(zip(*(words[i:] for i in range(n)), strict=False)):
        starts.setdefault(gram, []).append(at)
    return starts


def _covered(words: Sequence[str], starts: Sequence[int], n: int) -> int:
    """The number of characters in the n-grams that begin at these words, each counted once."""
    chars, end = 0, 0
    for start in starts:
        chars += sum(map(len, words[max(start, end) : start + n]))
        end = start + n
    return chars
