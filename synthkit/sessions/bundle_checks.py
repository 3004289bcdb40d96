"""Checks of the records in a bundle: whether synthkit itself could have written them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.core.models import Ledger
from synthkit.sessions import claims, evaluations, inputs, people
from synthkit.sessions.lab_bodies import check_lab_body
from synthkit.store.completions import (
    has_valid_checksum,
    is_ask_of,
    is_key_of,
)
from synthkit.store.foreign import RowCheck

_LEDGER_FIELDS = {field.name for field in fields(Ledger)}


def _completion(row: Mapping[str, Any]) -> None:
    key, request = row["key"], json.loads(row["request"])
    turns = [_is_turn(*turn) for turn in request["messages"]]
    kinds = (("model", str), ("sampling", dict), ("index", int), ("schema", str | None))
    if not all(turns) or not all(isinstance(request[name], kind) for name, kind in kinds):
        raise StoreError(f"the request of {key[:16]!r} cannot be read.")
    if not is_key_of(key, request):
        raise StoreError(f"the completion {key[:16]!r} belongs to another request.")
    if not re.fullmatch("[0-9a-f]{32}", key) or not is_ask_of(row["ask"], request):
        raise StoreError(f"the completion {key[:16]!r} has an invalid key.")
    for name in ("prompt_tokens", "completion_tokens", "reasoning_tokens", "cached_tokens"):
        _check_amount(f"{name} of a completion", row[name])
    _check_amount("the seconds of a completion", row["seconds"])
    if row["logprobs"] is not None:
        for token, value in json.loads(row["logprobs"]):
            if not isinstance(token, str) or not isinstance(value, int | float):
                raise StoreError("a log-probability is not a number.")
    for call in json.loads(row["tool_calls"] or "[]"):
        named = isinstance(call["name"], str) and isinstance(call["id"], str)
        if len(call) != 3 or not named or not isinstance(call["arguments"], dict | str):
            raise StoreError("a tool call cannot be read.")
    _check_session("a completion", row["source"])
    if len(row["how"]) > 200 or not row["how"].isprintable():
        raise StoreError(f"a completion says of how it was made: {row['how'][:80]!r}.")
    if not has_valid_checksum(row):
        raise StoreError(f"the completion {key[:16]!r} differs from its checksum.")


def _check_session(what: str, id: str) -> None:
    """Refuse the id of a session that synthkit does not make; ``""`` is the session itself."""
    if not re.fullmatch("([0-9a-f]{8})?", id):
        raise StoreError(f"the session of {what} is {id[:16]!r}.")


def _person(row: Mapping[str, Any]) -> None:
    _check_session("a person", row["session"])
    people.check_name(row["name"])


def _check_amount(what: str, value: float) -> None:
    """Refuse a number that cannot be a count, a time or a price, or whose sums would overflow."""
    if not 0 <= value < 2**53:
        raise StoreError(f"{what} is {value!r}.")


def _is_turn(role: Any, text: Any, images: Any = ()) -> bool:
    texts = [role, text, *(value for image in images for value in dict(image).values())]
    return all(isinstance(value, str) for value in texts)


def _run(row: Mapping[str, Any]) -> None:
    ledger = json.loads(row["ledger"])
    if not isinstance(ledger, dict) or not _LEDGER_FIELDS.issuperset(ledger):
        raise StoreError("the ledger of a run cannot be read.")
    for name, value in ledger.items():
        kinds = str if name == "stopped" else int | float | None
        if not isinstance(value, kinds) or (value is None and name != "cost"):
            raise StoreError(f"the ledger of a run has {name} {value!r}.")
        if value is not None and not isinstance(value, str):
            _check_amount(f"{name} of a run", value)
    _check_amount("the rows of a run", row["rows"])
    reasons = json.loads(row["reasons"] or "{}")
    if not isinstance(reasons, dict) or not all(type(n) is int for n in reasons.values()):
        raise StoreError("the reasons for the rejects of a run cannot be read.")


def _run_rows(row: Mapping[str, Any]) -> None:
    if len(row["made"]) % 8 or len(row["rejected"]) % 8:
        raise StoreError("the rows of a run cannot be read.")
    if "\n" in row["line"] or "\r" in row["line"]:
        raise StoreError("the line of a cell has a line break.")
    if row["call"] and not isinstance(json.loads(row["call"]), dict):
        raise StoreError("the call of a run cannot be read.")


def _mark(row: Mapping[str, Any]) -> None:
    edit = json.loads(row["edit"])
    if not isinstance(edit, dict) or not all(isinstance(text, str) for text in edit.values()):
        raise StoreError("the edit of a mark cannot be read.")
    _check_session("a mark", row["session"])
    if row["act"] not in ("mark", "undo", "redo"):
        raise StoreError(f"the act of a mark is {row['act']!r}.")


def _meta(row: Mapping[str, Any]) -> None:
    if row["key"] == "session" and not re.fullmatch("[0-9a-f]{8}", row["value"]):
        raise StoreError(f"the id of the session is {row['value'][:16]!r}.")


def _origin(row: Mapping[str, Any]) -> None:
    if not re.fullmatch("[0-9a-f]{16}", row["row"]) or len(row["keys"]) % 16 or not row["keys"]:
        raise StoreError(f"the requests of the row {row['row'][:16]!r} cannot be read.")


def _filter(row: Mapping[str, Any]) -> None:
    if not isinstance(json.loads(row["body"]), dict) or row["version"] < 1:
        raise StoreError("a learned filter cannot be read.")


def _curation(row: Mapping[str, Any]) -> None:
    for name, rows, kept, reasons in json.loads(row["funnel"]):
        counts = [rows, kept, *reasons.values()]
        if not isinstance(name, str) or not all(type(count) is int for count in counts):
            raise StoreError("the funnel of a curation cannot be read.")


def _input(row: Mapping[str, Any]) -> None:
    if not re.fullmatch(r"\w[\w.-]{,99}", row["name"]):
        raise StoreError(f"an input has the name {row['name'][:40]!r}.")
    inputs.hashes(json.loads(row["body"]))


CHECKS: Mapping[str, RowCheck] = {
    "completions": _completion,
    "runs": _run,
    "run_rows": _run_rows,
    "marks": _mark,
    "meta": _meta,
    "origins": _origin,
    "people": _person,
    "labs": lambda row: check_lab_body(row["name"], json.loads(row["body"])),
    "curations": _curation,
    "filters": _filter,
    "inputs": _input,
    "claims": lambda row: claims.read(row["body"]),
    "evaluations": lambda row: evaluations.decode(row["body"], row["rows"]),
}
"""Table of a store -> function that raises if a row of it is not valid."""
