"""Files that are written completely or not at all, and JSON files that may be missing.

A process that is killed leaves its temporary files behind. Their names say whose they are, so that
:func:`sweep` can remove them later.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.processes import has_ended, is_of_this_machine, process_tag

PARTIAL, SCRATCH = ".partial", ".scratch"
DAY_SECONDS = 86_400.0
_OURS = re.compile(r"\..*\.([0-9a-f]+-\d+-\d+)\.[^.]*\.(?:partial|scratch)")


def existing(text: Path | str) -> Path | None:
    """The file or folder that a text names, with ``~`` for the home; ``None`` if there is none.

    A text of any length can be asked about, unlike by ``Path.exists``.

    >>> existing("Student 1," * 30) is None
    True
    """
    path = os.path.expanduser(text)
    return Path(path) if os.path.exists(path) else None


def file_to_write(path: Path | str) -> Path:
    """The path of a file that can be written after long work.

    Raises
    ------
    UsageError
        If it is a folder, or in a folder that does not exist.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        raise UsageError(f"expected the name of a file; {path} is a folder.")
    if not path.parent.is_dir():
        raise UsageError(f"the folder {path.parent} does not exist; create it first.")
    return path


def folder_to_write(path: Path | str) -> Path:
    """The path of a folder that is there or can be created after long work.

    Raises
    ------
    UsageError
        If it, or a folder that it is in, is a file.
    """
    path = Path(path).expanduser()
    present = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not present.is_dir():
        raise UsageError(f"expected the name of a folder; {present} is a file.")
    return path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file beside ``path``, which takes its place when the block ends without error.

    The file and the new name are on disk when the block has ended, so that a power cut leaves the
    old file or the new one.
    """
    partial = path.with_name(f".{path.name}.{process_tag()}.{threading.get_ident()}{PARTIAL}")
    try:
        yield partial
        sync(partial)
        partial.replace(path)
        sync_folder(path.parent)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder in ``parent``, removed when the block ends."""
    prefix = f".work.{process_tag()}."
    folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=SCRATCH, dir=parent))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def sweep(folder: Path) -> list[Path]:
    """Remove what killed processes left in a folder, and return it.

    That is what :func:`replacing` and :func:`scratch_folder` would have removed. What a process of
    another machine left is removed a day after the last change in it.
    """
    removed = []
    for path in folder.glob(".*"):
        match = _OURS.fullmatch(path.name)
        with suppress(OSError):
            if match and (has_ended(match[1]) or _is_abandoned(match[1], path)):
                if path.is_dir():
                    shutil.rmtree(path)
                else:
                    path.unlink()
                removed.append(path)
    return removed


def _is_abandoned(tag: str, path: Path) -> bool:
    """Whether a process of another machine changed nothing for a day."""
    changed = (each.stat().st_mtime for each in [path, *path.rglob("*")])
    return not is_of_this_machine(tag) and max(changed) < time.time() - DAY_SECONDS


def sync(path: Path) -> None:
    """Wait until a file is on disk."""
    file = os.open(path, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on disk, where the file system can tell."""
    with suppress(OSError):  # Windows, and some network drives
        folder = os.open(path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def file_hash(path: Path) -> str:
    """BLAKE2b (128 bits) of a file, as 32 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def read_json(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file; ``None`` if the file is missing or damaged."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
