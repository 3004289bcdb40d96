"""Folders of LLaMA-Factory: files of rows, and ``dataset_info.json`` that says how to read them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.files import replacing
from synthkit.data import tables
from synthkit.data.cells import json_text
from synthkit.share.formats import FIELDS, NOT_REPLACED, formatted, verdict
from synthkit.share.messages import for_sharegpt

INFO = "dataset_info.json"


def save(
    parts: Mapping[str, Any],
    folder: Path,
    *,
    columns: Mapping[str, str | None] | None = None,
    overwrite: bool = False,
) -> Path:
    """Add tables to a folder of LLaMA-Factory, as ``FOLDER`` or ``FOLDER_SPLIT``.

    Rows with ``chosen`` and ``rejected`` are preferences, those with a label of true or false KTO,
    others fine-tuning. Texts are written in its form ``alpaca``, conversations in ``sharegpt``.

    Raises
    ------
    UsageError
        If columns are not found, or a name is there and ``overwrite`` is not set.
    """
    info: dict[str, Any] = {}
    if (folder / INFO).exists():
        try:
            info = json.loads((folder / INFO).read_text(encoding="utf-8"))
        except ValueError as error:
            raise UsageError(f"{folder / INFO} is no JSON: {error}.") from None
    files = {}
    for part, table in parts.items():
        name = f"{folder.name}_{part}" if part else folder.name
        if name in info and not overwrite:
            raise UsageError(f"{folder / INFO} has {name!r} already, {NOT_REPLACED}")
        rows, how = _rows(table, columns or {})
        info[name] = {"file_name": f"{name}.jsonl", **how}
        files[folder / f"{name}.jsonl"] = "".join(f"{json_text(row)}\n" for row in rows)
    files[folder / INFO] = json.dumps(info, indent=2, ensure_ascii=False) + "\n"
    folder.mkdir(exist_ok=True)
    for file, text in files.items():
        with replacing(file) as partial:
            partial.write_text(text, encoding="utf-8", errors="backslashreplace", newline="")
    return folder


def _rows(
    table: Any, columns: Mapping[str, str | None]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows, and what ``dataset_info.json`` says of them."""
    known = {*tables.columns(table), *(field for field, column in columns.items() if column)}
    kto = "label" in columns or any(name in known for name in FIELDS["label"])
    if {"chosen", "rejected"} <= known:
        rows = formatted(table, "preference", columns=columns)
        return _preferences(rows)
    if kto and (columns.get("label") or _are_verdicts(table)):
        rows = formatted(table, "kto", columns=columns)
        return _answers(rows, {"kto_tag": "label"})
    chat = any(name in known for name in FIELDS["messages"])
    rows = formatted(table, "messages" if chat else "prompt-completion", columns=columns)
    return _answers(rows, {})


def _are_verdicts(table: Any) -> bool:
    """Whether the labels say which answers are wanted; those of a class do not."""
    name = next((name for name in FIELDS["label"] if name in tables.columns(table)), None)
    cells = [cell for cell in tables.column(table, name) if cell is not None] if name else []
    return bool(cells) and all(verdict(cell) is not None for cell in cells)


def _answers(
    rows: list[dict[str, Any]], more: dict[str, str]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    if all(isinstance(row.get("prompt"), str) for row in rows):
        columns = {"prompt": "prompt", "response": "completion"} | more
        return rows, {"columns": columns}
    made: list[dict[str, Any]] = []
    for row in rows:
        turns = row.get("messages") or [*row["prompt"], *row["completion"]]
        kept: dict[str, Any] = {name: row[name] for name in ("id", "label", "tools") if name in row}
        made.append({"conversations": for_sharegpt(turns), **kept})
    return made, {"formatting": "sharegpt", "columns": _shared(made) | more}


def _preferences(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    own = {"chosen": "chosen", "rejected": "rejected"}
    if all(isinstance(row.get("prompt"), str) for row in rows):
        return rows, {"ranking": True, "columns": {"prompt": "prompt"} | own}
    made: list[dict[str, Any]] = []
    for at, row in enumerate(rows):
        if "prompt" not in row or len(row["chosen"]) > 1 or len(row["rejected"]) > 1:
            raise UsageError(f"row {at}: LLaMA-Factory takes a prompt, and one message for each.")
        kept: dict[str, Any] = {name: row[name] for name in ("id", "tools") if name in row}
        (chosen,), (rejected,) = for_sharegpt(row["chosen"]), for_sharegpt(row["rejected"])
        turns = for_sharegpt(row["prompt"])
        made.append({"conversations": turns, "chosen": chosen, "rejected": rejected, **kept})
    return made, {"formatting": "sharegpt", "ranking": True, "columns": _shared(made) | own}


def _shared(rows: list[dict[str, Any]]) -> dict[str, str]:
    tools = {"tools": "tools"} if any("tools" in row for row in rows) else {}
    return {"messages": "conversations", **tools}
