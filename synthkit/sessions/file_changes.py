"""Files that are deleted or added together with a transaction of the store, or not at all.

Within the transaction a file to be deleted gets another name, and a file that is added gets a note
beside it; at its end the store gets a record of the commit. If the process is killed,
:func:`recover` completes what was committed, and takes back what was not.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synthkit.core.errors import StoreError
from synthkit.core.files import sync, sync_folder
from synthkit.store.store import Store

DELETED, ADDED = ".deleted", ".added"


class FileChanges:
    """The changes of one transaction. Use :func:`file_changes`."""

    def __init__(self) -> None:
        self.token = uuid.uuid4().hex
        self._deleted: list[tuple[Path, Path]] = []  # (name, name within the transaction)
        self._added: list[tuple[Path, Path]] = []

    def delete(self, path: Path) -> None:
        """Delete a file once the transaction is committed."""
        aside = _aside(path, self.token, DELETED)
        path.replace(aside)
        self._deleted.append((path, aside))

    def add(self, source: Path, path: Path) -> None:
        """Move a file to ``path``; it is taken back if the transaction fails."""
        sync(source)
        note = _aside(path, self.token, ADDED)
        note.write_text(_identity(source))
        sync(note)
        self._added.append((path, note))
        source.replace(path)

    def sync(self) -> None:
        """Wait until the names are on disk."""
        for folder in {path.parent for path, _ in (*self._deleted, *self._added)}:
            sync_folder(folder)

    def complete(self) -> None:
        """Remove what is no longer needed: the transaction is committed."""
        for _, aside in (*self._deleted, *self._added):
            aside.unlink(missing_ok=True)

    def take_back(self) -> None:
        """Leave the files as they were: the transaction was not committed."""
        for path, aside in self._deleted:
            aside.replace(path)
        for path, note in self._added:
            _remove_added(path, note)


@contextmanager
def file_changes(store: Store) -> Iterator[FileChanges]:
    """A transaction of the store, and changes of files that are made with it or not at all."""
    changes = FileChanges()
    try:
        with store.transaction():
            yield changes
            changes.sync()
            store.meta.put(_key(changes.token), "committed")
    except BaseException:
        if not _is_committed(store, changes.token):
            changes.take_back()
            raise
    changes.complete()
    with suppress(StoreError):  # it is of no more use, and does no harm
        store.meta.delete(_key(changes.token))


def recover(store: Store, folder: Path) -> None:
    """Complete or take back what killed processes have begun in a folder.

    Those that are at work hold the store's write lock, so nothing of theirs is touched.
    """
    begun = [*folder.glob(f"*{DELETED}"), *folder.glob(f"*{ADDED}")]
    if not begun:
        return
    tokens = set()
    with suppress(StoreError), store.transaction():
        for aside in begun:
            name, token, _ = aside.name.rsplit(".", 2)
            path = aside.with_name(name)
            with suppress(FileNotFoundError):  # the process is completing it now
                if _is_committed(store, token):
                    aside.unlink()
                elif aside.suffix == ADDED:
                    _remove_added(path, aside)
                elif not path.exists():
                    aside.replace(path)
            tokens.add(token)
        sync_folder(folder)
        for token in tokens:
            store.meta.delete(_key(token))


def _is_committed(store: Store, token: str) -> bool:
    with suppress(StoreError):
        return store.meta.get(_key(token)) is not None
    return False


def _identity(path: Path) -> str:
    stat = path.stat()
    return f"{stat.st_ino} {stat.st_size} {stat.st_mtime_ns}"


def _remove_added(path: Path, note: Path) -> None:
    """Remove the file that a note is about, unless another one has its name by now."""
    with suppress(FileNotFoundError):
        if _identity(path) == note.read_text():
            path.unlink()
    note.unlink(missing_ok=True)


def _aside(path: Path, token: str, suffix: str) -> Path:
    return path.with_name(f"{path.name}.{token}{suffix}")


def _key(token: str) -> str:
    return f"file changes {token}"
