"""Tables that other programs made: DataDreamer, distilabel, OpenAI's batches and ShareGPT.

Each row gets an id, its own or a hash of its cells, and a column ``origin`` that says which
program, file and row it comes from.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.files import read_json
from synthkit.data import tables
from synthkit.share import messages as chat

ORIGIN = "origin"
_ORIGIN = re.compile(r"((?:DataDreamer|distilabel|datasets|OpenAI batch|ShareGPT) .+), row \d+")
_HIDDEN = ("_backups", ".cache")
_LAYOUTS = (
    "an output folder of DataDreamer (step.json beside _dataset), a Distiset of distilabel or "
    "another folder of datasets, results of an OpenAI batch (.jsonl), or chats in the form of "
    "ShareGPT (.json or .jsonl with conversations)"
)


def read(path: Path | str) -> dict[str, Any]:
    """The tables in a file or folder of another program, by name.

    - DataDreamer: a table for each step whose rows it has saved; a warning names the others, such
      as lazy ones. Steps with pickled values are refused.
    - distilabel, and any folder of ``datasets``: a table for each leaf and split.
    - Results of an OpenAI batch: ``parent`` is the ``custom_id``, which
      :func:`synthkit.share.save` sets to the id of the row that was asked about; ``completion``,
      ``reasoning``, ``tool_calls``, ``model``, ``finish`` and tokens; ``error`` where it failed.
    - ShareGPT: ``messages`` with ``role`` and ``content``, and the other columns.

    Returns
    -------
    dict
        Name -> DataFrame with ``id``, the columns, and ``origin``.

    Raises
    ------
    UsageError
        If nothing of this kind is there, or it is damaged; says what was expected.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "chats.json"
    ...     chats = '[{"conversations": [{"from": "human", "value": "Hi"}]}]'
    ...     _ = file.write_text(chats)
    ...     read(file)["chats"][["messages", "origin"]].values.tolist()
    [[[{'role': 'user', 'content': 'Hi'}], 'ShareGPT chats.json, row 0']]
    """
    path = Path(path).expanduser().absolute()
    try:
        found = dict(_folder(path) if path.is_dir() else _file(path))
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or error}.") from None
    if not found:
        raise UsageError(f"{path} has nothing that can be imported; expected {_LAYOUTS}.")
    return found


def _folder(path: Path) -> Iterator[tuple[str, Any]]:
    steps = sorted(path.rglob("step.json"))
    for file in steps:
        step = file.parent
        inner = step.relative_to(path)
        if not (step / "_dataset").is_dir() or set(_HIDDEN) & set(inner.parts):
            continue
        facts = read_json(file) or {}
        if facts.get("pickled"):
            raise UsageError(f"{step} has pickled values, which could run any program; not read.")
        label = f"DataDreamer {facts.get('name') or step.name} in {path.name}"
        inner_name = "_".join(inner.parts) or path.name
        yield _name(inner_name), _table(tables.records(_loaded(step / "_dataset")), label)
    if steps:
        _say_unsaved(path)
        return
    marked = (
        file.parent for kind in ("dataset_dict.json", "state.json") for file in path.rglob(kind)
    )
    folders = sorted(set(marked))
    program = "distilabel" if (path / "distiset_configs").exists() else "datasets"
    for folder in folders:
        if folder.parent in folders or "artifacts" in folder.relative_to(path).parts:
            continue  # a split of a folder that is read as a whole
        loaded = _loaded(folder)
        inner_parts = folder.relative_to(path).parts
        parts = loaded.items() if hasattr(loaded, "items") else [("", loaded)]
        for split, data in parts:
            place = [*inner_parts, *([split] if split else [])]
            label = "/".join([path.name, *place])
            name = "_".join(place) if len(place) else path.name
            yield _name(name), _table(tables.records(data), f"{program} {label}")


def _say_unsaved(path: Path) -> None:
    """Warn of steps of which DataDreamer saved no rows: lazy ones, and those that did not end."""
    locks = sorted(path.rglob("._dataset.flock"))
    names = [
        "/".join(lock.parent.relative_to(path).parts) or path.name
        for lock in locks
        if not (lock.parent / "_dataset").is_dir()
        and not set(_HIDDEN) & set(lock.relative_to(path).parts)
    ]
    if names:
        warn(
            f"DataDreamer has saved no rows of {', '.join(names)}: a lazy step, or one that did "
            "not end. Call .save() on it there to have them.",
            stacklevel=4,
        )


def _loaded(folder: Path) -> Any:
    datasets: Any = need("datasets", extra="data", why="to read a folder of it")
    try:
        return datasets.load_from_disk(str(folder))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{folder} cannot be read by datasets: {error}") from None


def _file(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        is_lines = path.suffix == ".jsonl"
        rows = [json.loads(line) for line in text.split("\n") if line.strip()] if is_lines else None
        rows = json.loads(text) if rows is None else rows
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no JSON: {error}; expected {_LAYOUTS}.") from None
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return
    if all("custom_id" in row and ("response" in row or "error" in row) for row in rows):
        yield _name(path.stem), _table([_answer(row) for row in rows], f"OpenAI batch {path.name}")
    elif all(isinstance(row.get("conversations"), list) for row in rows):
        made = []
        for at, row in enumerate(rows):
            rest = {name: cell for name, cell in row.items() if name != "conversations"}
            try:
                turns = chat.messages(row["conversations"])
            except (UsageError, ValueError, KeyError, TypeError) as error:
                raise UsageError(f"{path}, row {at}: {error}") from None
            made.append({**rest, "messages": turns})
        yield _name(path.stem), _table(made, f"ShareGPT {path.name}")


def _answer(row: Mapping[str, Any]) -> dict[str, Any]:
    """The cells of one line of a batch's results, or of its errors."""
    response = row.get("response") or {}
    body = response.get("body") or {}
    error = row.get("error") or body.get("error") or {}
    choice = (body.get("choices") or [{}])[0]
    message, usage = choice.get("message") or {}, body.get("usage") or {}
    return {
        "parent": row["custom_id"],
        "completion": message.get("content"),
        "reasoning": message.get("reasoning_content"),
        "tool_calls": [
            {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
            for call in chat.tool_calls(message.get("tool_calls") or [])
        ],
        "model": body.get("model"),
        "finish": choice.get("finish_reason"),
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
        "error": error.get("message") if isinstance(error, Mapping) else str(error),
    }


def _table(rows: Sequence[Mapping[str, Any]], label: str) -> Any:
    """The rows with ids and origins; an ``id`` that is missing or occurs twice is ``id_2``."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = tables.build({name: [row.get(name) for row in rows] for name in names}, n=len(rows))
    origins = [f"{label}, row {at}" for at in range(len(rows))]
    return tables.attach(tables.with_ids(table), {ORIGIN: origins}, first=("id",))


def imported_from(cell: Any) -> str:
    """The program and file or folder in a cell of the column ``origin``; ``""`` if it has none.

    >>> imported_from("ShareGPT chats.json, row 0")
    'ShareGPT chats.json'
    """
    found = _ORIGIN.fullmatch(cell) if isinstance(cell, str) else None
    return found[1] if found else ""


def _name(text: str) -> str:
    """A name for a table and its variable."""
    name = re.sub(r"\W+", "_", text).strip("_")
    return name if name.isidentifier() else f"table_{name}"
