"""The bundle: a session, or some of its tables with what they rest on, in one .zip file.

It holds ``manifest.json``, ``store.sqlite`` and ``tables/*.parquet``, and nothing else. The same
content gives the same bytes. What comes from elsewhere is checked in full before any of it is
taken in; see :mod:`synthkit.sessions.bundle_import`.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sqlite3
import tempfile
import zipfile
from collections.abc import Sequence
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError, TableError, UsageError, unknown
from synthkit.sessions.inventory import Shelved, shelved
from synthkit.store.store import SCHEMA_VERSION, Store, resting, unpacked

FORMAT = 1
MANIFEST = "manifest.json"
STORE = "store.sqlite"
CHUNK = 1 << 20
_PATH = re.compile(r"(?<![\w.@/\\-])(?:~|[A-Za-z]:)?[/\\](?:[^\s'\"=,:]*[/\\])?")


def export(
    store: Store,
    folder: Path,
    path: Path | str,
    tables: Sequence[str] | None = None,
    *,
    over: bool = False,
) -> Path:
    """Write a bundle, whole or not at all, and give back its path.

    Also while other kernels write: it holds the session as it was at one moment. Folders in the
    lines of cells are cut off, since they mean nothing elsewhere; prompts stay as they are.

    Parameters
    ----------
    path : gets the ending ``.zip`` if it has none.
    tables : only these, with their runs, answers, marks, verdicts and scores; no labs or
        learned filters.
    over : write in the place of a file that is there.
    """
    path = _target(path, over)
    here = {one.name: one for one in shelved(store, folder)}
    for name in tables or ():
        if name not in here:
            raise TableError(unknown("table", name, here))
    chosen = [one for name, one in sorted(here.items()) if tables is None or name in tables]
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with tempfile.TemporaryDirectory(prefix="synthkit-") as scratch:
            copy = Path(scratch) / STORE
            store.backup(copy)
            counts = _prepare(copy, None if tables is None else chosen)
            members = [(STORE, copy)]
            members += [(f"tables/{one.name}.parquet", folder / f"{one.name}.parquet")
                        for one in chosen]  # fmt: skip
            _write(partial, members, counts | {"tables": len(chosen)})
        os.replace(partial, path)
    except OSError as error:
        if isinstance(error, StoreError):
            raise
        raise StoreError(f"the bundle {path} cannot be written: {error}.") from None
    finally:
        partial.unlink(missing_ok=True)
    return path


def file_hash(path: Path) -> str:
    """BLAKE2b (128 bits) of a file, as 32 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()


def _target(path: Path | str, over: bool) -> Path:
    path = Path(path).expanduser()
    if path.is_dir():
        raise UsageError(f"expected the name of a file; {path} is a folder.")
    if not path.suffix:
        path = path.with_suffix(".zip")
    if not path.parent.is_dir():
        raise UsageError(f"the folder {path.parent} does not exist; make it first.")
    if path.exists() and not over:
        raise UsageError(f"{path} is there already; choose another name.")
    return path


def _prepare(copy: Path, chosen: Sequence[Shelved] | None) -> dict[str, int]:
    """Bring the copy of a store into its one form, cut to some tables; counts what it holds."""
    try:
        with closing(sqlite3.connect(copy, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = DELETE")
            if chosen is not None:
                _narrow(db, chosen)
            db.create_function("portable", 1, lambda line: _PATH.sub("", line))
            db.execute("UPDATE run_rows SET line = portable(line)")
            db.execute("VACUUM")
            kinds = ("completions", "runs", "marks", "labs", "curations", "filters", "evaluations")
            return {
                kind: int(db.execute(f"SELECT count(*) FROM {kind}").fetchone()[0])
                for kind in kinds
            }
    except sqlite3.Error as error:
        raise StoreError(f"the store cannot be copied: {error}.") from None


def _narrow(db: sqlite3.Connection, chosen: Sequence[Shelved]) -> None:
    """Keep what some tables rest on: their runs, their rows' and parents' answers, their marks."""
    names = json.dumps([one.name for one in chosen])
    db.execute("DELETE FROM runs WHERE name NOT IN (SELECT value FROM json_each(?))", (names,))
    db.execute("DELETE FROM run_rows WHERE run NOT IN (SELECT run FROM runs)")
    db.execute(
        "DELETE FROM evaluations WHERE name NOT IN (SELECT value FROM json_each(?))", (names,)
    )
    ids = {id for one in chosen for id in (*one.ids, *one.parents) if id is not None}
    marked = json.dumps(sorted(ids))
    for table in ("marks", "verdicts"):
        db.execute(
            f"DELETE FROM {table} WHERE row NOT IN (SELECT value FROM json_each(?))", (marked,)
        )
    db.execute("DELETE FROM curations WHERE curation NOT IN (SELECT curation FROM verdicts)")
    for made, rejected in db.execute("SELECT made, rejected FROM run_rows"):
        ids.update(unpacked(made), unpacked(rejected))
    kept = json.dumps(sorted(resting(db, ids)))
    db.execute("DELETE FROM completions WHERE key NOT IN (SELECT value FROM json_each(?))", (kept,))
    rows = json.dumps(sorted(ids))
    db.execute("DELETE FROM origins WHERE row NOT IN (SELECT value FROM json_each(?))", (rows,))
    used = "SELECT DISTINCT json_extract(request, '$.model') FROM completions"
    db.execute(f"DELETE FROM models WHERE fingerprint NOT IN ({used})")
    db.execute("DELETE FROM labs")
    db.execute("DELETE FROM filters")


def _write(path: Path, members: Sequence[tuple[str, Path]], counts: dict[str, int]) -> None:
    told: dict[str, Any] = {
        "format": FORMAT,
        "synthkit": version("jupyter-synthkit"),
        "store": SCHEMA_VERSION,
        "counts": counts,
        "members": {},
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as bundle:
        for name, source in members:
            state = source.stat()
            hasher = hashlib.blake2b(digest_size=16)
            with source.open("rb") as file, bundle.open(_entry(name), "w", force_zip64=True) as out:
                # hashed as it is written: another kernel may put a new table in its place
                while part := file.read(CHUNK):
                    hasher.update(part)
                    out.write(part)
            one = {"bytes": bundle.getinfo(name).file_size, "blake2b": hasher.hexdigest()}
            told["members"][name] = one if name == STORE else one | {"when": state.st_mtime}
        text = json.dumps(told, indent=1, sort_keys=True, ensure_ascii=False)
        bundle.writestr(_entry(MANIFEST), text)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    return entry
