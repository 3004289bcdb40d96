"""How a training differs from the nearest one that there is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from synthkit.core.files import read_json
from synthkit.train.trained import RECORD


def difference(plan: Mapping[str, Any], folder: Path) -> str:
    """A sentence on how a training differs from the nearest earlier one; ``""`` if there is none.

    The nearest is the one with the fewest differences among those by the same method, on some of
    the same rows.
    """
    earlier = [read_json(path) or {} for path in sorted(folder.glob(f"*/{RECORD}"))]
    found = [
        (list(differences(plan, record)), record["key"])
        for record in earlier
        if record.get("method") == plan["method"] and record["rows"].keys() & plan["rows"].keys()
    ]
    if not found:
        return ""
    what, key = min(found, key=lambda pair: len(pair[0]))
    return f"A new training: it differs from {key[:8]} in {'; '.join(what)}."


def differences(plan: Mapping[str, Any], record: Mapping[str, Any]) -> Iterator[str]:
    """What differs, each in a few words with both values."""
    base, other = plan["base"], record["base"]
    if (base["weights"], base["template"]) != (other["weights"], other["template"]):
        same = base["name"] == other["name"]
        yield (
            f"the files of {base['name']}" if same else f"base {base['name']} (was {other['name']})"
        )
    if (now := base.get("adapter")) != (was := other.get("adapter")):
        yield f"the adapter it starts from, {(now or 'none')[:8]} (was {(was or 'none')[:8]})"
    settings, others = plan["settings"], record["settings"]
    for name in dict.fromkeys([*settings, *others]):
        now, was = settings.get(name), others.get(name)
        if now != was:
            yield f"{name} {_short(now)} (was {_short(was)})"
    for name in ("rows", "held_out"):
        if words := _rows(plan[name], record[name]):
            yield words if name == "rows" else f"held-out {words}"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:40].rstrip()}…"


def _rows(now: Mapping[str, str], was: Mapping[str, str]) -> str:
    """Rows that were added, removed and changed."""
    numbers = {
        "added": len(now.keys() - was.keys()),
        "removed": len(was.keys() - now.keys()),
        "changed": sum(now[id] != was[id] for id in now.keys() & was.keys()),
    }
    parts = [f"{n} {what}" for what, n in numbers.items() if n]
    return f"rows: {', '.join(parts)}" if parts else ""
