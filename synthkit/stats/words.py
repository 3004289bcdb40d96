"""Words of texts in any script, for every metric, filter and pool.

A word is a run of letters and digits with their combining marks, as in Unicode Standard Annex #29.
Scripts that are written without spaces (Chinese, Japanese, Thai, Lao, Khmer, Burmese and others)
have no mark between words; there each character with its marks is a word. No dictionary is used,
so that a number does not depend on what is installed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from functools import cache, cached_property
from typing import Literal, NamedTuple

from synthkit.core.errors import UsageError, unknown

Unit = Literal["tokens", "words", "characters"]
"""What a metric counts, as explained in :func:`split`."""

_IDEOGRAPHS = (
    "\u2e80-\u2fd5\u3005-\u3007\u3021-\u3029\u3031-\u3035\u3038-\u303c\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\U00016fe0-\U00018cff\U0001b170-\U0001b2ff\U00020000-\U0003fffd"
)
KANA = (
    "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\uff66-\uff9d"
    "\U0001aff0-\U0001b16f"
)
_SOUTHEAST_ASIAN = (
    "\u0e01-\u0e4e\u0e81-\u0ece\u0edc-\u0edf\u1000-\u103f\u1050-\u108f\u109a-\u109d\ua9e0-\ua9ef"
    "\ua9fa-\ua9fe\uaa60-\uaa7f\u1780-\u17d3\u17d7-\u17dd\u1950-\u19cf\u1a20-\u1a7f\u1aa7"
    "\uaa80-\uaadf\u1b05-\u1b4c\ua984-\ua9c0"
)
UNSPACED = _IDEOGRAPHS + KANA + _SOUTHEAST_ASIAN
"""Scripts that are written without spaces, as ranges of a regular expression."""
STACKERS = "\u1039\u17d2\u1a60\u1b44\ua9c0"
"""Signs that put the next consonant below this one, in Burmese, Khmer, Tai Tham and others."""
_MARKS = "\u200c\u200d\uff9e\uff9f"
"""Joiners and half-width marks of Japanese, which belong to the letter before them."""
_LAST_LETTER = 0x32400
"""No letter has a higher code point."""
_SEPARATORS = str.maketrans(dict.fromkeys("\u200b\u0f0b\u0f0c\u1361", " "))
"""Signs between words that are not white space: zero width, Tibetan and Ethiopic."""

_INVISIBLE = re.compile(
    "[\u00ad\u0640\u061c\u180e\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]"
)
"""Soft hyphens, tatweels, marks of direction: they change no word."""
_BLANKS = "\u200b\u2122\u2120"
"""A zero-width space ends a word; TM and SM signs are no letters, which NFKC makes of them."""
_NOT_LATIN = r"[^\W\d_\u0000-\u024f\u1e00-\u1eff]"
_APOSTROPHE = re.compile(
    rf"['\u2019\u05f3\u05f4](?<={_NOT_LATIN}.)(?={_NOT_LATIN})"
    r"|\"(?<=[\u05d0-\u05ea].)(?=[\u05d0-\u05ea])"
)
_ASCII_TOKEN = re.compile("[a-z0-9]+")


def fold(text: str) -> str:
    """The form in which texts are compared: NFKC, casefolded, without signs that change no word.

    Full-width and other forms of a letter become one; so do the dotted and plain capital I of
    Turkish. An apostrophe inside a word of another script than Latin becomes a letter, so that it
    does not split the word. Characters of direction and soft hyphens are removed.

    >>> fold("ＦＵＬＬ Straße"), fold("İyi"), fold("п'ять") == fold("п’ять")
    ('full strasse', 'iyi', True)
    """
    if text.isascii():
        return text.lower()
    # NFKC is applied twice, because case folding can undo it
    text = _INVISIBLE.sub("", text)
    for sign in _BLANKS:
        text = text.replace(sign, " ")
    text = unicodedata.normalize("NFKC", text).casefold()
    text = unicodedata.normalize("NFKC", text).replace("i\u0307", "i")
    return _APOSTROPHE.sub("\u02bc", text).replace("l\u00b7l", "ll")


def tokens(text: str) -> list[str]:
    """The words and numbers of a text, after :func:`fold`.

    For ASCII these are the tokens of the package rouge-score without its stemmer, which
    Self-Instruct uses. That tokenizer drops other letters; here letters of all scripts are kept
    with their marks, and each character of a script without spaces is a token.

    >>> tokens("Don't STOP: 3 Crêpes_à_la 東京!")
    ['don', 't', 'stop', '3', 'crêpes', 'à', 'la', '東', '京']
    >>> tokens("वह दिन"), tokens("ข่าวดี")
    (['वह', 'दिन'], ['ข่', 'า', 'ว', 'ดี'])
    """
    folded = fold(text)
    return (_ASCII_TOKEN if folded.isascii() else patterns().token).findall(folded)


def words(text: str) -> list[str]:
    """The words of a text as people count them: what stands between white space.

    In a script without spaces each character with its marks is a word, without punctuation.

    >>> words("Don't stop - it's 3.50!"), words("味道很好。Good!"), len(words("อร่อยมาก"))
    (["Don't", 'stop', '-', "it's", '3.50!'], ['味', '道', '很', '好', 'Good'], 7)
    """
    if text.isascii():
        return text.split()
    text = text.translate(_SEPARATORS)
    if not patterns().unspaced.search(text):
        return text.split()
    found: list[str] = []
    for piece in text.split():
        unspaced = patterns().unspaced.search(piece)
        found += patterns().run.findall(piece) if unspaced else [piece]
    return found


def characters(text: str) -> list[str]:
    """The characters of a text as readers see them, with marks and joined emoji, without blanks.

    >>> characters("हिन्दी 👍🏽 ok")
    ['हि', 'न्', 'दी', '👍🏽', 'o', 'k']
    """
    return patterns().character.findall(text)


def pieces(text: str) -> list[str]:
    """A text in pieces that add up to it: blanks, words, and other characters.

    >>> pieces("दिन, 好!")
    ['दिन', ',', ' ', '好', '!']
    """
    return patterns().piece.findall(text)


def split(text: str, unit: Unit = "tokens") -> list[str]:
    """A text after :func:`fold`, in units.

    Parameters
    ----------
    unit : ``"tokens"``, as :func:`tokens`; ``"words"``, as :func:`words`, so that "don't" is one
        and punctuation is part of a word; or ``"characters"``, as :func:`characters`.

    Raises
    ------
    UsageError
        If the unit is unknown.
    """
    return splitter(unit)(text)


def splitter(unit: str) -> Callable[[str], list[str]]:
    """The function that splits texts into units, as :func:`split`."""
    if unit not in _SPLITTERS:
        raise UsageError(unknown("unit", str(unit), _SPLITTERS))
    return _SPLITTERS[unit]


def described(texts: Iterable[str], unit: str = "tokens") -> str:
    """What :func:`split` counts in these texts, for the ``how`` of a score.

    >>> described(["good soup"]), described(["味道很好"])
    ('words', 'words; single characters in scripts without spaces')
    """
    if unit == "characters":
        return "characters"
    name = "words" if unit == "tokens" else "words between spaces"
    search = patterns().unspaced.search
    if any(not text.isascii() and search(text) for text in texts):
        return f"{name}; single characters in scripts without spaces"
    return name


_SPLITTERS: dict[str, Callable[[str], list[str]]] = {
    "tokens": tokens,
    "words": lambda text: words(fold(text)),
    "characters": lambda text: characters(fold(text)),
}


class Patterns:
    """The regular expressions of words, which take a moment to compile.

    ``mark``, ``letter`` and ``alone`` match one combining mark or joiner, one letter or digit of a
    script with spaces, and one of a script without. ``unspaced`` finds scripts without spaces.
    """

    def __init__(self) -> None:
        every = "".join(map(chr, [*range(_LAST_LETTER), *range(0xE0100, 0xE01F0)]))
        others = (c for c in every if not c.isalnum())
        marks = _ranges(
            c for c in [*others, *_MARKS] if unicodedata.category(c)[0] == "M" or c in _MARKS
        )
        letters, alone = (
            [(ord(match[0][0]), ord(match[0][-1])) for match in re.finditer(pattern, every)]
            for pattern in (rf"[^\W_{UNSPACED}{_MARKS}]+", rf"(?:(?![\W_])[{UNSPACED}])+")
        )
        self._marks, inside = _Class.of(marks), _Class.of(marks + letters)
        self.mark, self.letter = str(self._marks), str(_Class.of(letters))
        self.alone = str(_Class.of(alone))
        one = f"{self.alone}{self._marks.repeated}"
        self._cluster = rf"{one}(?:(?<=[{STACKERS}]){one})*"
        self._run = f"{self.letter}{inside.repeated}"
        self._character = (
            rf"[\U0001f1e6-\U0001f1ff]{{2}}|{self._cluster}"
            rf"|\S(?:(?<=\u200d)\S|{self.mark}|[\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f])*"
        )
        self.unspaced = re.compile(f"[{UNSPACED}]")

    @cached_property
    def token(self) -> re.Pattern[str]:
        """A word as it is compared."""
        return re.compile(f"{self._run}|{self._cluster}")

    @cached_property
    def run(self) -> re.Pattern[str]:
        """A word as it is counted, with signs inside."""
        return re.compile(rf"{self._run}(?:['\u2019.,:_-]+{self._run})*|{self._cluster}")

    @cached_property
    def character(self) -> re.Pattern[str]:
        """A character with its marks."""
        return re.compile(self._character)

    @cached_property
    def piece(self) -> re.Pattern[str]:
        """Blanks, a word, or another character."""
        return re.compile(rf"\s+|(?:{self._run}|_{self._marks.repeated})+|{self._character}")

    @cached_property
    def word(self) -> re.Pattern[str]:
        """A word with its apostrophes, or another character."""
        return re.compile(rf"{self._run}(?:['\u2019]{self._run})*|{self._character}")

    @cached_property
    def marks(self) -> re.Pattern[str]:
        """Marks that Python does not take for letters."""
        return re.compile(rf"(?:(?!\w){self.mark})+")


class _Class(NamedTuple):
    """A class of characters, in two parts: Python's ``re`` is slow with classes beyond U+FFFF."""

    low: str
    high: str

    @classmethod
    def of(cls, ranges: Sequence[tuple[int, int]]) -> _Class:
        """The class of some ranges of code points, none of which crosses U+FFFF."""
        low, high = (
            "".join(f"\\U{a:08x}-\\U{b:08x}" for a, b in ranges if (a > 0xFFFF) is above)
            for above in (False, True)
        )
        return cls(f"[{low}]", rf"[\U00010000-\U000effff](?<=[{high}])")

    def __str__(self) -> str:
        return f"(?:{self.low}|{self.high})"

    @property
    def repeated(self) -> str:
        """A pattern of any number of these characters."""
        return f"{self.low}*(?:{self.high}{self.low}*)*"


def _ranges(characters: Iterable[str]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for code in map(ord, characters):
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1] = ranges[-1][0], code
        else:
            ranges.append((code, code))
    return ranges


@cache
def patterns() -> Patterns:
    """The regular expressions of words."""
    return Patterns()
