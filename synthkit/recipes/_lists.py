"""Lists that a model writes: how they are requested, and how their entries are read."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import TypeVar

from synthkit.core.types import Completion, Message, Reject, Request, Sampling
from synthkit.prompts import parsing
from synthkit.prompts.templates import Turns

T = TypeVar("T")

SHORT = 8
"""Most words of an entry without a number or bullet: longer lines are prose."""

ONE = "\n\nAnswer with one, on a single line, and nothing else."
FORM = "\n\nAnswer with a numbered list of {k}, each on a line of its own, and nothing else."

_MARK = re.compile(r"(?:[-*+•–]|\(?[A-Za-z]\)|\d{1,3}:)\s+|\(?\d{1,3}[.)](?!\d)\s*")
_COMMA = re.compile(r"[,;、](?:\s*and\b)?")
_INTRODUCTION = re.compile(r"^[^,;:]*:\s+")
_NUMBER = re.compile(r"(?<!\S)\(?\d{1,3}[.)]\s+")


def list_request(messages: Turns, k: int, sampling: Sampling, *, note: str = "") -> Request:
    """A request for a list of ``k`` entries: the messages, the form of the list, and a note."""
    *before, last = messages
    form = ONE if k == 1 else FORM.format(k=k)
    return Request((*before, Message("user", last.content + form + note)), sampling)


def list_entries(k: int) -> Callable[[Completion], list[str | Reject] | Reject]:
    r"""A decoder for a list of ``k`` entries; an entry that cannot be used is a reject.

    Entries are lines with numbers or bullets, or the texts of a JSON array; otherwise short lines,
    or the short parts of one line with commas. A list of one may be a single line.

    >>> list_entries(2)(Completion("Sure:\n1. **Golf**\n2. Chess.\n3. Go"))[:2]
    ['Golf', 'Chess']
    >>> list_entries(2)(Completion("I would rather not say.")).reason
    'is no list'
    """

    def parse(raw: str) -> list[str] | str:
        parts = _parts(raw) or ([raw] if k == 1 and "\n" not in raw.strip() else [])
        return [entry for entry in map(_tidied, parts) if re.search(r"\w", entry)] or "is no list"

    def read(completion: Completion) -> list[str | Reject] | Reject:
        entries = parsed_entries(completion, parse)
        if isinstance(entries, Reject):
            return entries
        reason = f"beyond the {k} that were asked for"
        surplus = (Reject(each, reason) if isinstance(each, str) else each for each in entries[k:])
        return [*entries[:k], *surplus]

    return read


def parsed_entries(
    completion: Completion,
    parse: Callable[[str], list[T] | str],
    as_text: Callable[[T], str] = str,
) -> list[T | Reject] | Reject:
    """The entries of a completion; the last one is a reject if the completion was cut.

    ``parse`` returns the entries of a text, or the reason why there are none.
    """

    def read(raw: str) -> parsing.Cells | str:
        entries = parse(raw)
        return entries if isinstance(entries, str) else {"entries": entries}

    parsed = parsing.Decoder(("entries",), read, whole=False)(completion)
    if isinstance(parsed, Reject):
        return parsed
    entries: list[T | Reject] = parsed["entries"]
    if completion.finish == "length":
        entries[-1] = Reject(as_text(parsed["entries"][-1]), parsing.TRUNCATED)
    return entries


def _parts(raw: str) -> list[str]:
    """The parts of a list, with their numbers and bullets."""
    start, end = raw.find("["), raw.rfind("]")
    try:
        array = json.loads(raw[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        array = None
    if isinstance(array, list) and all(isinstance(item, str) for item in array):
        return array
    lines = [line.strip() for line in raw.splitlines() if line.strip()]
    marked = [line for line in lines if _MARK.match(line)]
    if marked:
        return marked if len(marked) > 1 else _NUMBER.split(marked[0])
    lines = lines[1:] if lines[0].endswith(":") else lines
    parts = lines if len(lines) > 1 else _COMMA.split(_INTRODUCTION.sub("", "".join(lines)))
    plain = all(len(part.split()) <= SHORT and not re.search("[<>{}]", part) for part in parts)
    return parts if plain and len(parts) > 1 else []


def _tidied(entry: str) -> str:
    """An entry without its number, emphasis, quotation marks and final full stop."""
    entry = " ".join(entry.split())
    while mark := _MARK.match(entry):
        entry = entry[mark.end() :]
    entry = entry.replace("**", "").strip(" ,;:*_`\"'“”‘’")
    return entry[:-1].rstrip() if entry.endswith(".") and entry.count(".") == 1 else entry
