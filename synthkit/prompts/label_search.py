"""Labels in the sentences of a model, in any script: found whole, and not where they are denied."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from synthkit.prompts.negation import is_denied
from synthkit.stats.words import UNSPACED, characters, fold

MOST = 1000
"""Occurrences of one label that are looked at."""

_SEPARATORS = re.compile(r"(?<=[^-_\s])[-_\s]+(?=[^-_\s])")
_VOWEL_MARKS = re.compile(
    # the ending of the Arabic accusative is one with its letter alif
    "(?<=[\\w\u064b-\u0652]{3})(?:\u064b\u0651?ا|ا\u064b)(?!\\w)"
    "|[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u064b-\u0652\u0670]"
)
_PREFIX = re.compile(r"(?<!\w)(?:[وفبك]?ال|لل|[وفبكل]|[ובהכלמש]{1,2})$")
_SUFFIX = re.compile(
    "['’](?:[dt][ıiuü]r|[dt][ae](?:n|ki)?|[ny]?[ıiuü]n?|[ny]?[ae]|[ln][ae](?:r\\w*)?)(?!\\w)"
)
"""The Arabic article, short words that Arabic and Hebrew join, and Turkish suffixes of names."""
_CERTAIN = re.compile("(?:[وفبك]?ال)?(?:['’][dt][ıiuü]r)?")
_EMOJI_FORMS = re.compile("[\ufe0e\ufe0f\u20e3]")
_AROUND = " \"'“”„‘’«»‹›「」『』《》【】*_`.,;:!?。、…।॥؟،؛።()[]{}<>|~"
_UNSPACED, _KATAKANA = re.compile(f"[{UNSPACED}]"), re.compile(r"[\u30a1-\u30fa\u30fc-\u30ff]")
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3]")
_PARTICLES = re.compile(
    "(?:적)?(?:이지는?|하지는?|입니다|이다|이에요|예요|이었|였|이며|이고|이라|라고|이라고|인|임|으로|로|은|는|이|가"
    "|을|를|의|에|도|만|과|와|함|합니다|하다|해요|하고|하며|하게|한)?(?:습니다|어요|다|요|서|는|지만)?"
)
"""Korean particles and forms of the copula, which follow a noun without a space."""
_LEAD = re.compile(
    "(?:(?:答案|标签|標籤|结果|結果|类别|類別|分类|分類|情感|评价|評價|評価|回答|判断|判定|正解|ラベル)"
    "(?:是|为|為|は|が)?|คือ|เป็น|ແມ່ນ|គឺ)[\\s\"'“「『]*$"
)
_TAIL = re.compile("[\"'”」』\\s]*(?:的|です|だ|である|ครับ|ค่ะ)?(?:$|[^\\w])")


class Occurrence(NamedTuple):
    """A label at text[start:end]."""

    start: int
    end: int
    denied: bool
    certain: bool


@dataclass(frozen=True, slots=True)
class LabelSearch:
    """A search for labels in texts.

    A label is found in its folded form (:func:`synthkit.stats.words.fold`), with any of blank,
    hyphen and underscore between its parts. It must be a whole word: not part of a longer word, of
    a compound with a hyphen, of a number or of a longer label. The Arabic article and the Turkish
    "is" after an apostrophe leave it whole; joined to other parts, such as the Arabic "and", it
    counts beside a label that is whole, but is not found by itself. In scripts without spaces every
    occurrence is whole, but a label of a single character must stand by itself or after "the answer
    is".
    """

    labels: tuple[Any, ...]
    forms: tuple[str, ...]
    patterns: tuple[re.Pattern[str], ...]
    folding: Callable[[str], str]
    dotless: bool
    pointed: bool

    @classmethod
    def of(cls, labels: Sequence[Any]) -> LabelSearch | None:
        """A search for these labels; ``None`` if one is empty or two differ in case alone."""
        for folding in (_folded, _casefolded):
            plain = [folding(str(label)) for label in labels]
            if _distinct(plain):
                break
        else:
            return None
        # each further step of folding is taken if the labels stay distinct
        dotless = _distinct([form.replace("ı", "i") for form in plain])
        pointed = not _distinct([_VOWEL_MARKS.sub("", form) for form in plain])
        forms = [_optional(form, dotless, pointed) for form in plain]
        if not _distinct(forms):
            dotless, pointed, forms = False, True, plain
        between = r"[-_\s]+" if _distinct([_SEPARATORS.sub(" ", form) for form in forms]) else ""
        patterns = (
            re.compile(
                between.join(map(re.escape, _SEPARATORS.split(form)))
                if between
                else re.escape(form)
            )
            for form in forms
        )
        return cls(tuple(labels), tuple(forms), tuple(patterns), folding, dotless, pointed)

    def named(self, raw: str) -> tuple[list[Any], list[Any]]:
        """The labels that a text names, and those of them that it denies ("not positive")."""
        text = _optional(self.folding(raw), self.dotless, self.pointed)
        for candidate in (text, text.strip(_AROUND)):
            if candidate in self.forms:
                return [self.labels[self.forms.index(candidate)]], []
        found = [list(self._occurrences(text, at)) for at in range(len(self.labels))]
        for at, form in enumerate(self.forms):
            longer = [
                span
                for spans, other in zip(found, self.forms, strict=True)
                for span in spans
                if len(other) > len(form)
            ]
            found[at] = [
                own
                for own in found[at]
                if not any(span.start <= own.start and own.end <= span.end for span in longer)
            ]
        if not any(span.certain for spans in found for span in spans):
            return [], []
        named = [label for label, spans in zip(self.labels, found, strict=True) if spans]
        denied = [
            label
            for label, spans in zip(self.labels, found, strict=True)
            if any(span.denied for span in spans)
        ]
        return named, denied

    def _occurrences(self, text: str, at: int) -> Iterator[Occurrence]:
        single = _is_single(self.forms[at])
        for number, match in enumerate(self.patterns[at].finditer(text)):
            if number == MOST:
                return
            start, end, certain = _with_affixes(text, *match.span())
            if not is_whole(text, start, end):
                continue
            if single and not _stands_alone(text, start, end):
                continue
            before = text[max(0, start - 80) : start]
            if text[start].isdigit():  # "no 2" is a number
                before = re.sub(r"\bno\s+$", "", before)
            yield Occurrence(start, end, is_denied(before, text[end : end + 40]), certain)


def _folded(text: str) -> str:
    return " ".join(_EMOJI_FORMS.sub("", fold(text)).split())


def _casefolded(text: str) -> str:
    """The form of labels that :func:`_folded` would make one, such as m² and m2."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def _optional(text: str, dotless: bool, pointed: bool) -> str:
    text = text.replace("ı", "i") if dotless else text
    return text if pointed else _VOWEL_MARKS.sub("", text)


def _with_affixes(text: str, start: int, end: int) -> tuple[int, int, bool]:
    """The span of a label with what is joined to it, and whether that leaves it the same word.

    This is certain of the Arabic article and of the Turkish "is" after an apostrophe.
    """
    if end - start < 3:
        return start, end, True
    before, after = _PREFIX.search(text[max(0, start - 4) : start]), _SUFFIX.match(text, end)
    prefix, suffix = before[0] if before else "", after[0] if after else ""
    certain = _CERTAIN.fullmatch(prefix + suffix) is not None
    return start - len(prefix), end + len(suffix), certain


def _distinct(forms: Sequence[str]) -> bool:
    return len(set(forms)) == len(forms) and "" not in forms


def _kind(text: str, at: int) -> str:
    """The kind of the character at a position: a letter, a digit, a script's own, or a sign."""
    if not 0 <= at < len(text):
        return ""
    char = text[at]
    if not char.isalnum():
        return "mark" if unicodedata.category(char)[0] == "M" or char in "\u200c\u200d" else "sign"
    if _UNSPACED.match(char):
        return "katakana" if _KATAKANA.match(char) else "unspaced"
    if _HANGUL.match(char):
        return "hangul"
    return "digit" if char.isdigit() else "letter"


def _before(text: str, at: int) -> int:
    """The position of the letter before a position, without its marks."""
    at -= 1
    while _kind(text, at) == "mark":
        at -= 1
    return at


def is_whole(text: str, start: int, end: int, *, prefix: bool = False) -> bool:
    """Whether text[start:end] is no part of a longer word, number or character.

    With ``prefix`` it may begin a longer word. The text is folded.
    """
    if (
        _kind(text, start) == "mark"
        or _kind(text, end) == "mark"
        or text[start - 1 : start] == "\u200d"
    ):
        return False
    if "\U0001f3fb" <= text[end : end + 1] <= "\U0001f3ff" or _splits_flag(text, start):
        return False
    first, last = _kind(text, start), _kind(text, _before(text, end))
    return _begins(text, start, first) and (prefix or _ends(text, end, last))


def _begins(text: str, start: int, first: str) -> bool:
    at = _before(text, start)
    previous, sign = _kind(text, at), text[start - 1 : start]
    joined = _kind(text, _before(text, start - 1)) if start > 1 else ""
    if first in ("letter", "digit"):
        if previous in ("letter", "digit"):
            return False
        if joined in ("letter", "digit") and sign in "-_\u2010&@":
            return False
        if first == "digit":
            number = joined == "digit" and sign in ".,:/"
            return not number and not (sign in "-+\u2212" and sign != "")
        return not (joined == "letter" and sign == ".")
    if first in ("hangul", "katakana"):
        return previous != first and not (joined == first and sign in ("-", "\u2010", "_"))
    if first == "sign" and text[start].isascii():
        return previous not in ("letter", "digit") and sign != text[start]
    return True


def _ends(text: str, end: int, last: str) -> bool:
    following, sign = _kind(text, end), text[end : end + 1]
    joined = _kind(text, end + 1)
    if last in ("letter", "digit"):
        if following in ("letter", "digit"):
            return False
        if joined in ("letter", "digit") and sign in "-_\u2010'\u2019&@\u02bc" and sign:
            return False
        if last == "digit":
            return not (joined == "digit" and sign in ".,:/") and sign != "%"
        return not (sign and sign in "+#")
    if last == "hangul":
        rest = re.match(r"\w*", text[end:])
        return rest is None or bool(_PARTICLES.fullmatch(rest[0])) or _kind(text, end) != "hangul"
    if last == "katakana":
        return following != "katakana"
    if last == "sign" and text[end - 1].isascii():
        return following not in ("letter", "digit") and sign != text[end - 1]
    return True


def _splits_flag(text: str, start: int) -> bool:
    """Whether a position is inside the pair of letters of a flag."""
    at = start
    while at and "\U0001f1e6" <= text[at - 1] <= "\U0001f1ff":
        at -= 1
    return (start - at) % 2 == 1 and "\U0001f1e6" <= text[start] <= "\U0001f1ff"


def _is_single(form: str) -> bool:
    """Whether a label is one character of a script without spaces."""
    return bool(_UNSPACED.match(form)) and len(characters(form)) == 1


def _stands_alone(text: str, start: int, end: int) -> bool:
    spaced = {"", "sign", "letter", "digit"}
    led = _kind(text, _before(text, start)) in spaced or bool(_LEAD.search(text[:start][-40:]))
    return led and bool(_TAIL.match(text, end))
