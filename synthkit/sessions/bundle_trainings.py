"""Records of trainings in bundles, without weights: their models replay what they were asked."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.core.files import read_json, replacing
from synthkit.models.hub.fingerprint import TRAINING, adapter_hash

TRAIN = "train"
"""The folder of what was trained, within that of a session."""
RECORDS = "trainings"
"""The folder of records in a bundle: files KEY.json, which have the adapter's hash as well."""
_KEYS = {
    "key": str, "adapter": str, "method": str, "base": dict, "settings": dict, "rows": dict,
    "held_out": dict, "log": list, "device": str, "versions": dict, "steps": int,
    "seconds": int | float,
}  # fmt: skip
_BASE = ("spec", "name", "weights", "template")
_SETTINGS = ("rank", "quantize", "raw")


def records(session: Path) -> dict[str, dict[str, Any]]:
    """Key -> record, with the adapter's hash, of each training of an adapter.

    A base in an absolute folder is on no other machine, so its trainings are left out.
    """
    found = {}
    for path in sorted((session / TRAIN).glob(f"[0-9a-f]*/{TRAINING}")):
        record = read_json(path) or {}
        base = record.get("base", {}).get("spec", "").partition(":")[2]
        if record.get("settings", {}).get("rank") and not Path(base).is_absolute():
            found[path.parent.name] = record | {"adapter": adapter_hash(path.parent)}
    return found


def save(session: Path, folder: Path, fingerprints: Collection[str] | None) -> None:
    """Write the records of a session's trainings into a bundle's folder.

    Parameters
    ----------
    fingerprints : of the models of the bundle, of which it has the trainings, and those that they
        went on from; ``None`` for all.
    """
    found = records(session)
    starts = {record["adapter"]: record["base"].get("adapter") for record in found.values()}
    wanted = set(starts)
    if fingerprints is not None:
        wanted = {adapter for adapter in starts if any(adapter in text for text in fingerprints)}
        while more := {starts[adapter] for adapter in wanted} & starts.keys() - wanted:
            wanted |= more
    for key, record in found.items():
        if record["adapter"] in wanted:
            text = json.dumps(record, ensure_ascii=False, sort_keys=True)
            (folder / f"{key}.json").write_text(text, encoding="utf-8")


def check(folder: Path) -> None:
    """Check that the records of an unpacked bundle are such as :func:`save` writes.

    Raises
    ------
    StoreError
        If one is not.
    """
    for path in sorted((folder / RECORDS).glob("*.json")):
        record = read_json(path)
        if not (isinstance(record, dict) and path.stem == record.get("key") and _is_one(record)):
            raise StoreError(f"the bundle's record of the training {path.stem} is none.")


def _is_one(record: Mapping[str, Any]) -> bool:
    return (
        all(isinstance(record.get(key), kind) for key, kind in _KEYS.items())
        and all(isinstance(record["base"].get(key), str) for key in _BASE)
        and all(key in record["settings"] for key in _SETTINGS)
        and all(isinstance(entry, dict) for entry in record["log"])
        and re.fullmatch(r"[0-9a-f]{16}", record["adapter"]) is not None
    )


def bring(folder: Path, session: Path) -> None:
    """Give a session the records of an unpacked bundle, or of another session's folder.

    What was trained here stays.
    """
    brought = {path.stem: read_json(path) for path in sorted((folder / RECORDS).glob("*.json"))}
    for key, record in (brought | records(folder)).items():
        target = session / TRAIN / key / TRAINING
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as partial:
                text = json.dumps(record, ensure_ascii=False, indent=1)
                partial.write_text(text, encoding="utf-8")
