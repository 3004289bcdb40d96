"""Lists in what a model writes: numbered, with bullets, in JSON, in lines or with commas."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from synthkit.core.types import Completion, Reject
from synthkit.prompts import parsing

SHORT = 8
"""Most words of an entry in a list without numbers or bullets: longer ones are prose."""

_MARK = re.compile(r"(?:[-*+•–]|\(?[A-Za-z]\)|\d{1,3}:)\s+|\(?\d{1,3}[.)](?!\d)\s*")
_COMMA = re.compile(r"[,;、](?:\s*and\b)?")
_INTRODUCTION = re.compile(r"^[^,;:]*:\s+")
_NUMBER = re.compile(r"(?<!\S)\(?\d{1,3}[.)]\s+")


def entries(k: int) -> Callable[[Completion], list[str | Reject] | Reject]:
    r"""A decoder for a list of ``k``: its entries, or why one of them cannot be taken.

    Entries are what stands behind numbers or bullets, the texts of a JSON array, or else the parts
    of one line with commas and the lines of several, where they are short. A list of one may be a
    line alone.

    >>> entries(2)(Completion("Sure:\n1. **Golf**\n2. Chess.\n3. Go"))[:2]
    ['Golf', 'Chess']
    >>> entries(2)(Completion("I would rather not say.")).reason
    'is no list'
    """

    def entered(raw: str) -> parsing.Cells | str:
        parts = _listed(raw) or ([raw] if k == 1 and "\n" not in raw.strip() else [])
        found = [one for one in map(_tidy, parts) if re.search(r"\w", one)]
        return {"entries": found} if found else "is no list"

    decoder = parsing.Decoder(("entries",), entered)

    def read(completion: Completion) -> list[str | Reject] | Reject:
        found = decoder(completion)
        if isinstance(found, Reject):
            return found
        made: list[str | Reject] = list(found["entries"])
        if completion.finish == "length":
            made[-1] = Reject(str(made[-1]), "the answer was cut at max_tokens")
        beyond = f"beyond the {k} that were asked for"
        return made[:k] + [Reject(one, beyond) if isinstance(one, str) else one for one in made[k:]]

    return read


def _listed(raw: str) -> list[str]:
    """The parts of a list, as they are written."""
    start, end = raw.find("["), raw.rfind("]")
    try:
        array = json.loads(raw[start : end + 1]) if start >= 0 else None
    except (ValueError, RecursionError):
        array = None
    if isinstance(array, list) and all(isinstance(one, str) for one in array):
        return array
    lines = [line.strip() for line in raw.splitlines() if line.strip()]
    marked = [line for line in lines if _MARK.match(line)]
    if marked:
        return marked if len(marked) > 1 else _NUMBER.split(marked[0])
    lines = lines[1:] if lines[0].endswith(":") else lines
    parts = lines if len(lines) > 1 else _COMMA.split(_INTRODUCTION.sub("", "".join(lines)))
    plain = all(len(one.split()) <= SHORT and not re.search("[<>{}]", one) for one in parts)
    return parts if plain and len(parts) > 1 else []


def _tidy(entry: str) -> str:
    """An entry without its number, emphasis, quotation marks and final stop."""
    entry = " ".join(entry.split())
    while mark := _MARK.match(entry):
        entry = entry[mark.end() :]
    entry = entry.replace("**", "").strip(" ,;:*_`\"'“”‘’")
    return entry[:-1].rstrip() if entry.endswith(".") and entry.count(".") == 1 else entry
