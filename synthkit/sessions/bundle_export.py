"""Export of a bundle: a session, or some of its tables with all they need, in one .zip file.

A bundle has ``manifest.json``, ``store.sqlite``, ``tables/*.parquet``, ``inputs/*.parquet`` (the
tables that runs and evaluations were given), ``cards``, ``figures``, ``trainings`` (their records,
without weights) and ``seal.json``. The same content gives the same bytes.
:mod:`synthkit.sessions.bundle_import` reads it, and :mod:`synthkit.verify` derives it again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError, TableError, UsageError, cause, check_known
from synthkit.core.files import file_to_write, replacing, scratch_folder, sweep, sync, sync_folder
from synthkit.sessions.bundle_contents import collect
from synthkit.sessions.named_tables import read_all
from synthkit.store.schema import SCHEMA_VERSION
from synthkit.store.store import Store

FORMAT = 2
MANIFEST = "manifest.json"
CHUNK_BYTES = 1 << 20


def export(
    store: Store,
    folder: Path,
    path: Path | str,
    names: Sequence[str] | None = None,
    *,
    over: bool = False,
    notebooks: Sequence[Path | str] = (),
    allow_secrets: bool = False,
    marks: bool = True,
) -> Path:
    """Write a bundle, completely or not at all, and return its path.

    It holds the session as it is at one moment, also while other kernels write. Folders are removed
    from the lines of cells, since they mean nothing elsewhere; prompts stay as they are.

    Parameters
    ----------
    path : gets the suffix ``.zip`` if it has none.
    names : export only these tables, with their runs, completions, marks, verdicts and scores, and
        without labs and learned filters.
    over : replace an existing file.
    notebooks : files whose hashes, and the figures in their outputs, belong to the bundle.
    allow_secrets : export although a prompt holds what looks like a key.
    marks : ``False`` to leave out marks, and evaluations and claims, which may rest on them.
    """
    path = _checked_path(path, over)
    tables = {table.name: table for table in read_all(store, folder)}
    check_known("table", names or (), tables, error=TableError)
    chosen = [table for name, table in sorted(tables.items()) if names is None or name in names]
    try:
        with _scratch(store, folder.parent) as scratch:
            store.marks.identify()
            members, counts = collect(
                store,
                folder,
                scratch,
                chosen,
                whole=names is None,
                notebooks=[Path(each).expanduser() for each in notebooks],
                allow_secrets=allow_secrets,
                marks=marks,
            )
            bundle = scratch / "bundle.zip"
            _write(bundle, {name: scratch / name for name in members}, counts)
            _move(bundle, path)
    except StoreError:
        raise
    except OSError as error:
        raise StoreError(f"the bundle {path} cannot be written: {cause(error)}.") from None
    return path


@contextmanager
def _scratch(store: Store, folder: Path) -> Iterator[Path]:
    """A temporary folder in the session's, where a killed process's is swept, if that may be."""
    if not store.read_only:
        with scratch_folder(folder) as scratch:
            yield scratch
    else:
        with tempfile.TemporaryDirectory(prefix="synthkit-") as name:
            yield Path(name)


def _move(source: Path, path: Path) -> None:
    """Give a file its name, completely or not at all, also on another disk."""
    try:
        sync(source)
        source.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        sweep(path.parent)
        with replacing(path) as partial:
            shutil.copyfile(source, partial)


def _checked_path(path: Path | str, over: bool) -> Path:
    path = file_to_write(path)
    if not path.suffix:
        path = path.with_suffix(".zip")
    if path.exists() and not over:
        raise UsageError(
            f"{path} exists already; choose another name, or replace it: --over in a line, "
            "over=True in Python."
        )
    return path


def _write(path: Path, members: dict[str, Path], counts: dict[str, int]) -> None:
    manifest: dict[str, Any] = {
        "format": FORMAT,
        "synthkit": version("jupyter-synthkit"),
        "store": SCHEMA_VERSION,
        "counts": counts,
        "members": {},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as bundle:
        for name, source in members.items():
            when = source.stat().st_mtime
            hasher = hashlib.blake2b(digest_size=16)
            with source.open("rb") as file, bundle.open(_entry(name), "w", force_zip64=True) as out:
                # hashed while it is written, since another kernel may replace a table meanwhile
                while chunk := file.read(CHUNK_BYTES):
                    hasher.update(chunk)
                    out.write(chunk)
            member = {"bytes": bundle.getinfo(name).file_size, "blake2b": hasher.hexdigest()}
            is_table = name.startswith("tables/")
            manifest["members"][name] = member | {"when": when} if is_table else member
        text = json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False)
        bundle.writestr(_entry(MANIFEST), text)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    return entry
