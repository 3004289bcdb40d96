"""Import of a bundle: it is checked completely, and then merged in one transaction."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError, cause
from synthkit.core.files import file_hash, scratch_folder
from synthkit.core.formatting import count
from synthkit.sessions import bundle_trainings, inputs
from synthkit.sessions.bundle_checks import CHECKS
from synthkit.sessions.bundle_contents import FOLDERS
from synthkit.sessions.bundle_export import CHUNK_BYTES, FORMAT, MANIFEST
from synthkit.sessions.bundle_seal import STORE
from synthkit.sessions.bundle_tables import check_table
from synthkit.sessions.file_changes import file_changes
from synthkit.sessions.named_tables import path_of
from synthkit.store.foreign import MAX_TIME, ForeignStore
from synthkit.store.mark_merge import MarkConflict
from synthkit.store.schema import SCHEMA_VERSION
from synthkit.store.store import Store

MAX_RATIO = 250
"""Most bytes of a member per compressed byte. Text seldom has more than 20."""
MAX_CONFLICTS = 5
"""Most rows with conflicting marks that a message lists."""
_MEMBER = re.compile(
    r"seal\.json|tables/\w[\w.-]{,99}\.parquet|inputs/[0-9a-f]{32}\.parquet"
    r"|cards/\w[\w.-]{,99}\.(?:json|md)|figures/\w[\w.-]{,150}\.(?:png|jpg|svg|json)"
    r"|trainings/[0-9a-f]{16}\.json"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a bundle added: numbers of records; for tables and labs, name there -> name here.

    ``conflicts`` are the rows that people of one name have marked differently, here and there.
    ``loads`` has all tables of the bundle, and what its cells were given: name there -> the name
    for ``session.load``. ``session`` is the id of the session that exported it, and ``held`` the
    numbers of marks and completions in it, also of those that were here.
    """

    completions: int
    runs: int
    marks: int
    tables: Mapping[str, str]
    labs: Mapping[str, str]
    curations: int
    filters: int
    evaluations: int
    claims: int
    loads: Mapping[str, str]
    conflicts: tuple[MarkConflict, ...] = ()
    session: str = ""
    held: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = [("completion", self.completions), ("run", self.runs), ("mark", self.marks)]
        counts += [("table", len(self.tables)), ("lab", len(self.labs))]
        counts += [("curation", self.curations), ("filter", self.filters)]
        counts += [("evaluation", self.evaluations), ("claim", self.claims)]
        added = [count(n, noun) for noun, n in counts if n]
        renamed = [
            f"{name} was renamed to {here}, since another {noun} has its name"
            for noun, names in (("table", self.tables), ("lab", self.labs))
            for name, here in names.items()
            if name != here
        ]
        return "; ".join([", ".join(added) or "nothing new", *renamed, *self._differences()])

    def _differences(self) -> list[str]:
        """A sentence on the conflicts, if there are any."""
        if not self.conflicts:
            return []
        shown = [str(conflict) for conflict in self.conflicts[:MAX_CONFLICTS]]
        rest = len(self.conflicts) - len(shown)
        shown += [f"{rest} more"] if rest else []
        rows = count(len(self.conflicts), "row")
        return [f"both marks stay where one name marked {rows} differently: {'; '.join(shown)}"]


def import_bundle(store: Store, folder: Path, path: Path | str) -> Imported:
    """Add what a bundle holds and the session does not; a second import adds nothing.

    Completions, models and trainings that are here stay. Marks are inserted by their time among
    those that are here; a name in another session is another person, so no mark replaces one that
    is here. A table or lab whose name has other content here gets another name.

    Raises
    ------
    StoreError
        If the file is not a bundle, is damaged or forged, or was written by a newer synthkit;
        nothing is changed then.
    """
    path = Path(path).expanduser()
    store.check_writable()
    with checked(path, folder.parent) as scratch:
        tables, given = _tables(scratch)
        with closing(ForeignStore(scratch / STORE)) as other:
            names = {table: _free_name(table, folder) for table in tables}
            new = {
                table: name for table, name in names.items() if not path_of(folder, name).exists()
            }
            try:
                with file_changes(store) as changes:
                    added = store.merge(other)
                    added |= {"session": other.session(), "held": other.counts()}
                    for table, name in new.items():
                        changes.add(table, path_of(folder, name))
                    for table in given:
                        if not (path := inputs.path_of(store, table.stem)).exists():
                            path.parent.mkdir(exist_ok=True)
                            changes.add(table, path)
            except StoreError:
                raise
            except OSError as error:
                raise StoreError(f"nothing was imported: {cause(error)}.") from None
        bundle_trainings.bring(scratch, folder.parent)
    loads = added.pop("inputs") | {table.stem: name for table, name in names.items()}
    loads = dict(sorted(loads.items()))
    return Imported(**added, tables={table.stem: name for table, name in new.items()}, loads=loads)


@contextmanager
def checked(path: Path, folder: Path) -> Iterator[Path]:
    """What :func:`unpacked` yields, once all in it is what synthkit could have written."""
    with unpacked(path, folder) as scratch:
        tables, given = _tables(scratch)
        for table in (*tables, *given):
            check_table(table)
        for table in given:
            if file_hash(table) != table.stem:
                raise StoreError(f"the bundle's input {table.stem} is another table.")
        bundle_trainings.check(scratch)
        with closing(ForeignStore(scratch / STORE)) as other:
            other.check(CHECKS)
        yield scratch


def _tables(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files of a bundle's named tables and of its inputs."""
    tables, given = (
        sorted((folder / kind).glob("*.parquet")) for kind in ("tables", inputs.FOLDER)
    )
    return tables, given


@contextmanager
def unpacked(path: Path, folder: Path) -> Iterator[Path]:
    """A temporary folder in ``folder`` with the members of a bundle, checked by the manifest.

    Raises
    ------
    StoreError
        If the file is not a bundle, is damaged, or was written by a newer synthkit.
    """
    with ExitStack() as held:
        try:
            scratch = held.enter_context(scratch_folder(folder))
        except OSError as error:
            raise StoreError(f"the session cannot be written: {cause(error)}.") from None
        try:
            with zipfile.ZipFile(path) as bundle:
                members = _members(bundle, path.stat().st_size)
                free = shutil.disk_usage(scratch).free
                if sum(member["bytes"] for member in members.values()) > free:
                    raise StoreError(f"it holds more than the {free} bytes that are free here.")
                for kind in FOLDERS:
                    (scratch / kind).mkdir()
                for name, member in members.items():
                    _extract(bundle, name, member, scratch / name)
        except FileNotFoundError:
            raise StoreError(f"no bundle at {path}; expected a file of %synth export.") from None
        except StoreError as error:
            raise StoreError(f"{path} is refused: {error}") from None
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
            raise StoreError(f"{path} is not a bundle, or is damaged: {cause(error)}.") from None
        except Exception as error:  # zlib, lzma and zipfile have errors of their own
            raise StoreError(f"{path} is damaged: {type(error).__name__}: {error}.") from None
        yield scratch


def _members(bundle: zipfile.ZipFile, size: int) -> dict[str, dict[str, Any]]:
    """Name -> entry in the manifest of each member, checked against the zip directory."""
    entries = bundle.infolist()
    names = [entry.filename for entry in entries]
    if MANIFEST not in names:
        raise StoreError(f"it has no {MANIFEST}; expected a file that %synth export wrote.")
    for entry in entries:
        _check_entry(entry)
    if len(set(names)) < len(names) or sum(entry.compress_size for entry in entries) > size:
        raise StoreError("its members overlap.")
    if bundle.getinfo(MANIFEST).file_size > CHUNK_BYTES * 16:
        raise StoreError("its manifest is too long.")
    manifest = json.loads(bundle.read(MANIFEST))
    if not isinstance(manifest, dict):
        raise StoreError("its manifest has no format.")
    form, schema = manifest.get("format"), manifest.get("store")
    if not isinstance(form, int) or not isinstance(schema, int):
        raise StoreError("its manifest has no format.")
    if form > FORMAT or schema > SCHEMA_VERSION:
        raise StoreError(
            f"it was written by a newer synthkit ({manifest.get('synthkit')}). "
            "Upgrade: pip install -U jupyter-synthkit"
        )
    members = manifest.get("members")
    if not isinstance(members, dict) or {*members, MANIFEST} != set(names):
        raise StoreError("its members are not those of its manifest.")
    if STORE not in members:
        raise StoreError(f"it has no {STORE}.")
    for entry in entries:
        if entry.filename != MANIFEST:
            member = members[entry.filename]
            if not isinstance(member, dict) or member.get("bytes") != entry.file_size:
                raise StoreError(f"{entry.filename} is not as long as its manifest says.")
    return members


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if name not in (MANIFEST, STORE) and not _MEMBER.fullmatch(name):
        raise StoreError(f"{name[:200]!r} does not belong in a bundle.")
    if entry.flag_bits & 1 or entry.external_attr >> 16 & 0o170000 not in (0, 0o100000):
        raise StoreError(f"{name} is not a plain file.")
    if entry.file_size > MAX_RATIO * entry.compress_size + CHUNK_BYTES:
        raise StoreError(
            f"{name} would grow from {entry.compress_size} to {entry.file_size} bytes."
        )


def _extract(bundle: zipfile.ZipFile, name: str, member: Mapping[str, Any], target: Path) -> None:
    left = int(member["bytes"])
    with bundle.open(name) as source, target.open("xb") as out:
        while chunk := source.read(CHUNK_BYTES):
            left -= len(chunk)
            if left < 0:
                raise StoreError(f"{name} is longer than its manifest says.")
            out.write(chunk)
    if left or file_hash(target) != member.get("blake2b"):
        raise StoreError(f"{name} is not what was exported: its BLAKE2b differs.")
    when = member.get("when")
    if isinstance(when, int | float) and math.isfinite(when) and 0 <= when < MAX_TIME:
        os.utime(target, (when, when))


def _free_name(path: Path, folder: Path) -> str:
    """The name for a table in this session: its own, or one with a number if that is taken."""
    content = file_hash(path)
    for name in (path.stem, *(f"{path.stem[:90]}-{n}" for n in range(2, 1000))):
        existing = folder / f"{name}.parquet"
        if not existing.exists() or file_hash(existing) == content:
            return name
    raise StoreError(f"a thousand tables have names like {path.stem!r}; delete some.")
