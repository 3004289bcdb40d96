"""Spans of texts: what a search finds, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text, ``text[start:end]``, and what kind of data it is."""

    start: int
    end: int
    kind: str
    text: str


def without_overlaps(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, without those that overlap an earlier one.

    Of spans that begin at the same character, the longest stays.
    """
    kept: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def first_match(patterns: Iterable[tuple[str, re.Pattern[str]]], text: str) -> str:
    """The kind of the first pattern that is found in a text, and what it matches; else empty."""
    for kind, pattern in patterns:
        if match := pattern.search(text):
            return f"{kind}: {match[0].strip()[:60]}"
    return ""


def reason(what: str, spans: Sequence[Span]) -> str:
    """Why a text with these spans is dropped, by their kinds; empty without spans."""
    return f"{what}: {', '.join(dict.fromkeys(span.kind for span in spans))}" if spans else ""
