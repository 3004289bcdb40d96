"""Cards, gathered again from the store and the tables of the bundle."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.sessions import card_facts
from synthkit.sessions.bundle_contents import CARDS
from synthkit.sessions.session import Session
from synthkit.share.card import Card, CardFacts
from synthkit.verify.findings import Findings

OF_THE_MACHINE = ("versions.", "citations.")
"""Beginnings of facts that depend on what was installed where the card was written."""
_OF_MODELS = (".licence", ".source")


def check(findings: Findings, session: Session, folder: Path) -> None:
    """Gather each card again, and compare every fact, and every line of its text."""
    names = {path.stem for path in (folder / CARDS).iterdir()}
    for name in sorted(names):
        files = [f"{CARDS}/{name}.{suffix}" for suffix in ("json", "md")]
        missing = [file for file in files if not (folder / file).exists()]
        for file in missing:
            findings.differs(file, "no file", "a card")
        with findings.deriving(files[0]):
            if not missing:
                _check(findings, session, folder, name)


def _check(findings: Findings, session: Session, folder: Path, name: str) -> None:
    where = f"{CARDS}/{name}.json"
    text = (folder / where).read_text(encoding="utf-8")
    stored = json.loads(text)
    expected = {field.name for field in fields(CardFacts)}
    needed = {
        field.name
        for field in fields(CardFacts)
        if field.default is MISSING and field.default_factory is MISSING
    }
    if not isinstance(stored, dict) or not needed <= set(stored) <= expected:
        raise StoreError("it has other facts than this synthkit gathers.")
    derived = json.loads(json.dumps(asdict(card_facts.card(session.store, session.table_folder,
                                                           name, "").facts)))  # fmt: skip
    for fact in expected - set(stored):
        del derived[fact]
        findings.lacks(f"{fact} of {where}", "it was written by a synthkit that gathered none")
    if expected - set(stored):  # sentences that follow from all facts
        del derived["limits"], stored["limits"]
    one, two = dict(_leaves("", _comparable(stored))), dict(_leaves("", _comparable(derived)))
    elsewhere = 0
    for place in [*one, *(place for place in two if place not in one)]:
        a, b = one.get(place), two.get(place)
        if _is_number(a) or _is_number(b):
            kind = "numbers of cards"
        else:
            kind = "facts of cards"
            if a != b and (place.startswith(OF_THE_MACHINE) or place.endswith(_OF_MODELS)):
                elsewhere += 1
                continue
        findings.same(kind, f"{where}, {place}", a, b, 1e-9 if _is_number(a) else 0)
    findings.lacks(
        where,
        "its versions, licences and citations are those of the machine that wrote it, and differ "
        "here",
        elsewhere,
    )
    if set(stored) != expected:
        reason = "it was written by a synthkit that wrote cards in another form"
        findings.lacks(f"text of {CARDS}/{name}.md", reason)
        return
    shown = (folder / CARDS / f"{name}.md").read_text(encoding="utf-8").split("\n")
    again = str(Card(CardFacts(**stored))).split("\n")
    for at in range(max(len(shown), len(again))):
        one_line, other = (lines[at] if at < len(lines) else None for lines in (shown, again))
        findings.same("lines of cards", f"{CARDS}/{name}.md, line {at + 1}", one_line, other)


def _comparable(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts without the limit that depends on what licences a machine knows."""
    limits = [text for text in facts.get("limits", ()) if not text.startswith("The licence of ")]
    return {**facts, "limits": limits}


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The values in nested facts, each with the names and positions, from 1, that lead to it."""
    if isinstance(value, Mapping):
        parts = [(str(key), part) for key, part in value.items()]
    elif isinstance(value, list):
        parts = [(str(at), part) for at, part in enumerate(value, 1)]
    else:
        yield name, value
        return
    for key, part in parts:
        yield from _leaves(f"{name}.{key}" if name else key, part)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
