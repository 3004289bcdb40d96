"""Attached sessions: what they hold is found from here, and is paid for once."""

from __future__ import annotations

import atexit
import hashlib
import shutil
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import StoreError, UsageError
from synthkit.core.files import existing, file_hash, replacing, scratch_folder
from synthkit.core.formatting import count
from synthkit.sessions import bundle_import, bundle_trainings, inputs, named_tables
from synthkit.sessions.opening import TABLES
from synthkit.store.address import SQLITE, store_file
from synthkit.store.store import Store

FOLDER = "attached"
"""The folder of the bundles that were attached, within that of the session."""
MOST_BYTES = 2**30
"""Bytes of the largest bundle that is downloaded."""
SECONDS = 60.0
"""How long a server may be silent."""


@dataclass(frozen=True, slots=True)
class Attached:
    """A session whose tables and completions another one finds.

    Parameters
    ----------
    source : where it is, as it was given.
    """

    source: str
    store: Store

    def __str__(self) -> str:
        completions = count(self.store.completions.count(), "completion")
        tables = ", ".join(sorted(self.names())) or "none"
        return f"attached {self.source}: {completions}; tables: {tables}"

    def names(self) -> set[str]:
        """The names of its tables, and of what its cells were given."""
        return {*named_tables.names(self._tables), *self.store.inputs.all()}

    def load(self, name: str) -> Any:
        """What :meth:`names` has under a name."""
        if name in named_tables.names(self._tables):
            return named_tables.load(self._tables, name)
        return inputs.named(self.store, name)

    @property
    def _tables(self) -> Path:
        return self.store.path.parent / TABLES


def attach(store: Store, source: Path | str, *, read_only: bool = True) -> Attached:
    """Let a session find what another one holds.

    Its marks are read where they are, as those of other people. The names of its models and people
    and the records of its trainings are copied, and each completion when it is first used.

    Parameters
    ----------
    source : a session's folder, a bundle that ``%synth export`` wrote, or the URL of one, which is
        downloaded into the session's folder each time, and taken from there if that fails.
    read_only : ``False`` to add what is asked here to the other folder as well.

    Raises
    ------
    UsageError
        If something else than a folder is to be written to.
    StoreError
        If there is no session or bundle, if it is damaged, or cannot be downloaded.
    """
    path = Path(str(source)).expanduser()
    if (there := existing(path)) and there.is_dir():
        folder = path
    elif not read_only:
        raise UsageError(f"only a session's folder can be written to; {source} is none.")
    elif str(source).startswith(("http://", "https://")):
        with _downloaded(store, str(source)) as bundle:
            folder = _unpacked(store, bundle)
    else:
        folder = _unpacked(store, path)
    if not (file := store_file(folder)).exists():
        raise StoreError(f"{source} is no session: it has no {SQLITE}.")
    other = Store(file, read_only=read_only)
    if other.is_same(store):
        other.close()
        raise UsageError(f"{source} is this session itself; attach another one.")
    if not store.read_only:
        store.models.merge(other.models.names().items())
        store.marks.people.merge(other.marks.people.names().items())
        bundle_trainings.bring(folder, store.path.parent)
    store.marks.attach(other.marks)
    store.completions.attach(
        other.completions, other.marks.identify(), "" if read_only else store.marks.identify()
    )
    return Attached(str(source), other)


def _unpacked(store: Store, bundle: Path) -> Path:
    """The folder of a bundle's members, which are checked before they are first used."""
    if not existing(bundle) or not bundle.is_file():
        raise StoreError(
            f"no session and no bundle at {bundle}. Name a session's folder or a bundle (.zip); "
            "that of a lesson is in the folder 'bundles' beside the notebook; copy both."
        )
    target = _folder(store) / file_hash(bundle)
    if not target.exists():
        with bundle_import.checked(bundle, target.parent) as members:
            members.rename(target)
    return target


def _folder(store: Store) -> Path:
    """Where bundles are unpacked: beside the store, or in a temporary folder if that is refused."""
    folder = store.path.parent / FOLDER
    if store.read_only:
        temporary = Path(tempfile.mkdtemp(prefix="synthkit-"))
        atexit.register(shutil.rmtree, temporary, ignore_errors=True)
        return temporary
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def _downloaded(store: Store, url: str) -> Iterator[Path]:
    """The file at a URL, or the one that was there last time."""
    folder = _folder(store)
    kept = folder / f"{hashlib.blake2b(url.encode(), digest_size=16).hexdigest()}.zip"
    with scratch_folder(folder) as scratch:
        try:
            _download(url, scratch / "bundle")
            with replacing(kept) as partial:
                shutil.move(scratch / "bundle", partial)
        except (OSError, ValueError) as error:  # refused, cut short, or too long
            if not kept.exists():
                raise StoreError(f"{url} cannot be downloaded: {error}.") from None
            warn(f"{url} cannot be downloaded ({error}); the copy of last time is used.",
                 RuntimeWarning, stacklevel=4)  # fmt: skip
    yield kept


def _download(url: str, path: Path) -> None:
    left = MOST_BYTES
    with urllib.request.urlopen(url, timeout=SECONDS) as answer, path.open("wb") as file:
        while chunk := answer.read(1 << 20):
            left -= len(chunk)
            if left < 0:
                raise ValueError(f"it is longer than {MOST_BYTES} bytes")
            file.write(chunk)
