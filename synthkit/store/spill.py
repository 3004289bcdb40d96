"""Completions that wait in a file of their own while another program keeps the store locked.

The file has one JSON object in each line, and is on disk when :meth:`Spill.add` returns. What it
holds is moved to the store as soon as that can be written, by this process or by the next one.
"""

from __future__ import annotations

import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from synthkit.core.files import sync_folder
from synthkit.core.processes import has_ended, process_tag
from synthkit.core.types import Completion, ToolCall

StoredItem = tuple[str, Mapping[str, Any], Completion]
"""Key and payload of a request, and its completion."""
_IN_USE: set[Path] = set()
SILENT_SECONDS = 4 * 3600.0
"""After so long without a change, a file belongs to no run: none waits so long for its store."""


class Spill:
    """A file of completions that wait for the store. It exists only while it holds some."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / f"waiting.{process_tag()}.{uuid.uuid4().hex[:8]}.jsonl"

    def add(self, items: Iterable[StoredItem]) -> None:
        """Append completions, and wait until they are on disk."""
        _IN_USE.add(self.path)
        lines = [
            json.dumps({"key": key, "request": dict(request), "completion": asdict(completion)})
            for key, request, completion in items
        ]
        is_new = not self.path.exists()
        with self.path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())
        if is_new:
            sync_folder(self.path.parent)

    def remove(self) -> None:
        """Remove the file: all that it holds is in the store."""
        self.path.unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Leave the file to whoever opens the store next."""
        _IN_USE.discard(self.path)


def left_behind(folder: Path) -> list[Path]:
    """The files of runs that have ended."""
    paths = [path for path in folder.glob("waiting.*.jsonl") if path not in _IN_USE]
    return list(filter(_has_ended, paths))


def _has_ended(path: Path) -> bool:
    """Whether the run of a file has ended; that of another machine, if it has long not written."""
    tag = path.name.split(".")[1]
    if tag == process_tag() or has_ended(tag):
        return True
    with suppress(FileNotFoundError):
        return time.time() - path.stat().st_mtime > SILENT_SECONDS
    return False


def read(path: Path) -> Iterator[StoredItem]:
    """The completions of a file. A line that is damaged or was cut short is left out."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with suppress(ValueError, KeyError, TypeError):
                item = json.loads(line)
                values = item["completion"]
                if values["logprobs"] is not None:
                    values["logprobs"] = tuple(map(tuple, values["logprobs"]))
                values["tool_calls"] = tuple(ToolCall(**call) for call in values["tool_calls"])
                yield item["key"], item["request"], Completion(**values)
