"""Text that a chat template can read and change, and that remains recognisable in what it writes.

Each character of a message that is not white space is written as a private character of its own,
its twin. So the text that a template renders shows which characters come from a message and which
from the template, in whatever order it writes them, and however it trims, splits or joins them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, SupportsIndex

FIRST, LAST = 0xF0000, 0x10FFFD
"""The private planes of Unicode, from which twins are taken."""


class Twins:
    """A twin for each character of the messages.

    Parameters
    ----------
    avoid : texts whose characters are no twins, such as the template's.
    """

    def __init__(self, avoid: Iterable[str] = ()) -> None:
        used = {ord(char) for text in avoid for char in text if ord(char) >= FIRST}
        self._free = (code for code in range(FIRST, LAST + 1) if code not in used)
        self._twins: dict[int, int] = {}
        self._originals: dict[int, int] = {}

    def trace(self, text: str) -> TracedText:
        """The text in twins, with the methods of the text."""
        return TracedText(self.hidden(text), self)

    def hidden(self, text: str) -> str:
        """The text in twins; white space stays, so that templates can trim it."""
        for char in sorted(set(text)):
            if ord(char) not in self._twins and not char.isspace():
                self._twins[ord(char)] = twin = next(self._free)
                self._originals[twin] = ord(char)
        return text.translate(self._twins)

    def shown(self, text: str) -> str:
        """The text with the originals of its twins."""
        return str.translate(text, self._originals)


class TracedText(str):
    """A text in twins that compares, searches and splits as the original would."""

    _twins: Twins

    def __new__(cls, text: str, twins: Twins) -> TracedText:
        """A text whose characters are twins in part or all."""
        traced = super().__new__(cls, text)
        traced._twins = twins
        return traced

    @property
    def _shown(self) -> str:
        return self._twins.shown(str.__str__(self))

    def _part(self, start: int, length: int) -> TracedText:
        return TracedText(str.__getitem__(self, slice(start, start + length)), self._twins)

    def _parts(self, texts: Iterable[str], step: int) -> list[TracedText]:
        """Parts with these texts in order; ``step`` characters lie between two, or blanks if 0."""
        shown, at, found = self._shown, 0, []
        for text in texts:
            at = at if step else shown.index(text, at)
            found.append(self._part(at, len(text)))
            at += len(text) + step
        return found

    def __str__(self) -> str:
        return self

    def __repr__(self) -> str:
        written = repr(self._shown)
        if written[1:-1] == self._shown:
            return f"{written[0]}{str.__str__(self)}{written[-1]}"
        return self._twins.hidden(written)

    def __eq__(self, other: object) -> bool:
        return bool(self._shown == _plain(other))

    def __hash__(self) -> int:
        return hash(self._shown)

    def __contains__(self, key: object) -> bool:
        return _plain(key) in self._shown

    def __iter__(self) -> Iterator[str]:
        return (self._part(at, 1) for at in range(len(self)))

    def __getitem__(self, key: SupportsIndex | slice) -> TracedText:
        return TracedText(str.__getitem__(self, key), self._twins)

    def __add__(self, other: str) -> TracedText:
        return TracedText(str.__add__(self, other), self._twins)

    def __radd__(self, other: str) -> TracedText:
        return TracedText(str.__add__(other, self), self._twins)

    def __mul__(self, times: SupportsIndex) -> TracedText:
        return TracedText(str.__mul__(self, times), self._twins)

    __rmul__ = __mul__

    def strip(self, chars: str | None = None) -> TracedText:
        """As of the original."""
        return self.lstrip(chars).rstrip(chars)

    def lstrip(self, chars: str | None = None) -> TracedText:
        """As of the original."""
        left = len(self._shown.lstrip(_plain(chars)))
        return self._part(len(self) - left, left)

    def rstrip(self, chars: str | None = None) -> TracedText:
        """As of the original."""
        return self._part(0, len(self._shown.rstrip(_plain(chars))))

    def removeprefix(self, prefix: str, /) -> TracedText:
        """As of the original."""
        left = len(self._shown.removeprefix(_plain(prefix)))
        return self._part(len(self) - left, left)

    def removesuffix(self, suffix: str, /) -> TracedText:
        """As of the original."""
        return self._part(0, len(self._shown.removesuffix(_plain(suffix))))

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[Any]:
        """As of the original."""
        return self._parts(self._shown.split(_plain(sep), maxsplit), len(sep or ""))

    def rsplit(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[Any]:
        """As of the original."""
        return self._parts(self._shown.rsplit(_plain(sep), maxsplit), len(sep or ""))

    def splitlines(self, keepends: bool = False) -> list[Any]:
        """As of the original."""
        return self._parts(self._shown.splitlines(keepends), 0)

    def partition(self, sep: str, /) -> tuple[Any, Any, Any]:
        """As of the original."""
        before, middle, _ = map(len, self._shown.partition(_plain(sep)))
        return self[:before], self[before : before + middle], self[before + middle :]

    def rpartition(self, sep: str, /) -> tuple[Any, Any, Any]:
        """As of the original."""
        before, middle, _ = map(len, self._shown.rpartition(_plain(sep)))
        return self[:before], self[before : before + middle], self[before + middle :]

    def replace(self, old: str, new: str, /, count: SupportsIndex = -1) -> TracedText:
        """As of the original; what takes the place of a part is the template's."""
        if not old:
            return TracedText(str.replace(self, old, new, count), self._twins)
        return TracedText(str.join(new, self.split(old, count)), self._twins)


def traced(value: Any, twins: Twins) -> Any:
    """The value with traced texts, also within lists and mappings."""
    if isinstance(value, str):
        return twins.trace(value)
    if isinstance(value, Mapping):
        return {traced(name, twins): traced(part, twins) for name, part in value.items()}
    return [traced(part, twins) for part in value] if isinstance(value, list | tuple) else value


def tojson(
    plain: Callable[..., str], value: Any, ensure_ascii: bool = False, **options: Any
) -> str:
    """JSON of a value with traced texts, by the template's own filter for plain ones."""
    found: list[Twins] = []

    def escaped(part: Any) -> Any:
        if isinstance(part, TracedText):
            found.append(part._twins)
            inner = json.dumps(part._shown, ensure_ascii=ensure_ascii)[1:-1]
            return TracedText(part._twins.hidden(inner), part._twins)
        if isinstance(part, Mapping):
            return {escaped(name): escaped(each) for name, each in part.items()}
        return [escaped(each) for each in part] if isinstance(part, list | tuple) else part

    ready = escaped(value)
    text = plain(ready, ensure_ascii=ensure_ascii and not found, **options)
    return TracedText(text, found[0]) if found else text


def joined(parts: Iterable[str]) -> str:
    """The parts as one text, traced if one of them is: what a template joins its output with."""
    listed = list(parts)
    text = "".join(listed)
    traced = next((part for part in listed if isinstance(part, TracedText)), None)
    return text if traced is None else TracedText(text, traced._twins)


def _plain(value: Any) -> Any:
    if isinstance(value, TracedText):
        return value._shown
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _query(name: str) -> Any:
    def method(self: TracedText, *args: Any) -> Any:
        return getattr(self._shown, name)(*map(_plain, args))

    return method


def _cased(name: str) -> Any:
    def method(self: TracedText) -> TracedText:
        changed = getattr(self._shown, name)()
        twins = self._twins
        if len(changed) != len(self):
            return twins.trace(changed)
        pairs = zip(changed, str.__str__(self), self._shown, strict=True)
        text = "".join(new if was == shown else twins.hidden(new) for new, was, shown in pairs)
        return TracedText(text, twins)

    return method


for _name in (
    "__ne__ __lt__ __le__ __gt__ __ge__ startswith endswith find rfind index rindex count isalnum "
    "isalpha isascii isdecimal isdigit isidentifier islower isnumeric isprintable istitle isupper"
).split():
    setattr(TracedText, _name, _query(_name))
for _name in "upper lower title capitalize swapcase casefold".split():
    setattr(TracedText, _name, _cased(_name))
