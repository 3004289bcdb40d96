"""Differences between two requests, field by field."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(field, old value, new value) for each field in which two request payloads differ.

    Messages are named by role and number (``"system"``, ``"user 2"``), sampling parameters by their
    own names, and the model by the parts of its fingerprint.
    """
    before, after = _fields(old), _fields(new)
    return [
        (name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _fields(request: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    counts: dict[str, int] = {}
    for role, content, *images in request["messages"]:
        counts[role] = counts.get(role, 0) + 1
        turn = role if counts[role] == 1 else f"{role} {counts[role]}"
        fields[turn] = content
        if images:
            fields[f"{turn} images"] = images[0]
    model = request["model"]
    parts = json.loads(model) if model.startswith("{") else {"model": model}
    others = ("op", "answer", "schema", "index", "turn", "version", "tools")
    rest = {name: request.get(name) for name in others}
    return fields | parts | dict(request["sampling"]) | rest


def distance(new: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[int, int]:
    """The numbers of fields and of characters in which two requests differ."""
    changed = differences(old, new)
    characters = sum(sum(map(len, _middles(str(a), str(b)))) for _, a, b in changed)
    return len(changed), characters


def _middles(a: str, b: str) -> tuple[str, str]:
    """Two texts without their common prefix and suffix."""
    start = _common_prefix(a, b)
    end = _common_prefix(a[start:][::-1], b[start:][::-1])
    return a[start : len(a) - end], b[start : len(b) - end]


def _common_prefix(a: str, b: str) -> int:
    """The length of the common prefix of two texts."""
    differing = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differing, min(len(a), len(b)))


def described(name: str, old: Any, new: Any) -> str:
    """One difference as text; of two long texts, the place where they differ."""
    if isinstance(old, str) and isinstance(new, str):
        start = max(0, _common_prefix(old, new) - 20)
        lead = "…" if start else ""
        old, new = lead + old[start:], lead + new[start:]
    return f"{name}: {_short(old)} stored, {_short(new)} requested"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return repr(text if len(text) <= 60 else text[:59] + "…")
