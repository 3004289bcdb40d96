"""``verify``: all checks of a bundle, one after the other."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.core.files import file_hash
from synthkit.sessions import bundle_notebooks, inputs
from synthkit.sessions.bundle_contents import FOLDERS, NOTEBOOKS
from synthkit.sessions.bundle_import import unpacked
from synthkit.sessions.bundle_seal import (
    SEAL,
    STORE,
    Records,
    changes,
    store_records,
    table_records,
)
from synthkit.sessions.bundle_tables import check_table
from synthkit.sessions.session import Session
from synthkit.store.foreign import ForeignStore
from synthkit.verify import _cards, _records, _rows, _scores
from synthkit.verify.findings import Findings, Verification, shown


def verify(path: Path | str) -> Verification:
    """Derive again what a bundle says, and compare it; no network and no model is used.

    That is every row id and request key, every checksum, each cell of the tables that runs
    returned, every score with its interval, every claim, and every number of every card. Each
    record is also compared with the seal that the export wrote.

    Parameters
    ----------
    path : of the file that ``%synth export`` wrote.

    Raises
    ------
    StoreError
        If the file is not a bundle, is damaged, or was written by a newer synthkit.

    Examples
    --------
    >>> import synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(f"{folder}/session") as session:
    ...     run = sk.generate("Say {{ i }}.", rows={"i": [1]}, model=sk.Fake(), session=session,
    ...                       name="said")
    ...     verify(session.export(f"{folder}/lesson")).agrees
    True
    """
    path = Path(path).expanduser()
    findings = Findings()
    with tempfile.TemporaryDirectory(prefix="synthkit-") as name:
        scratch = Path(name)
        with unpacked(path, scratch) as folder:
            for kind in ("tables", inputs.FOLDER):
                for table in sorted((folder / kind).iterdir()):
                    check_table(table)
            with closing(ForeignStore(folder / STORE)) as store:
                store.check({})
            _check_notebooks(findings, _compare_seal(findings, folder), path.parent)
            _records.check_store(findings, folder / STORE)
            with Session(folder) as session:
                _records.check_ids(findings, session)
                _scores.check(findings, session)
                _scores.check_claims(findings, session)
                _cards.check(findings, session, folder)
                _rows.check(findings, session)
    return findings.result()


def _compare_seal(findings: Findings, folder: Path) -> dict[str, Any]:
    """Compare each record with the seal, and return the seal; empty if the bundle has none."""
    path = folder / SEAL
    if not path.exists():
        findings.lacks("the seal", "the bundle was written by a synthkit that made none")
        return {}
    try:
        sealed = dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError) as error:
        raise StoreError(f"{SEAL} cannot be read: {error}.") from None
    present = {f"{kind}/{each.name}" for kind in FOLDERS for each in (folder / kind).iterdir()}
    for member in sorted({*present, STORE} ^ (sealed.keys() - {NOTEBOOKS})):
        here = "a file" if member in {*present, STORE} else "no file"
        findings.differs(member, here, "a file" if here == "no file" else "no seal of one")
    for member, seal in sealed.items():
        with findings.deriving(member):
            if member == NOTEBOOKS or not (folder / member).exists():
                continue
            if member == STORE:
                for table, records in store_records(folder / member):
                    own = seal.get(table, {"columns": {}, "rows": ""})
                    _compare(findings, f"{member} {table}", _sealed_part(records, own), own)
            elif member.endswith(".parquet"):
                _compare(findings, member, table_records(folder / member), seal)
            elif not member.startswith("cards/"):  # whose numbers are derived
                findings.same("sealed files", member, file_hash(folder / member), seal)
    return sealed


def _sealed_part(records: Records, seal: Mapping[str, Any]) -> Records:
    """The records without the columns, at the end, that a later format added."""
    names, rows = records
    n = len(seal["columns"])
    return (names[:n], (row[:n] for row in rows)) if {*names[:n]} == {*seal["columns"]} else records


def _compare(findings: Findings, where: str, records: Records, seal: Any) -> None:
    n, found = changes(records, seal)
    findings.checked["sealed records"] += n - len(found)
    for change in found:
        if change.row is None:
            findings.differs(where, change.what, "another digest")
            continue
        label = _label(change.cells)
        for column in change.columns:
            place = f"{where}, row {change.row + 1}{label}, column {column}"
            findings.differs(place, shown(change.cells[column]), "a value with another digest")


def _label(cells: Mapping[str, Any]) -> str:
    """How a row is known besides its position."""
    key = next((name for name in ("id", "key", "row", "name") if name in cells), "")
    return f" ({key} {str(cells[key])[:32]})" if key else ""


def _check_notebooks(findings: Findings, sealed: dict[str, Any], folder: Path) -> None:
    """Compare the notebooks beside the bundle with their hashes."""
    for name, hashes in dict(sealed.get(NOTEBOOKS, {})).items():
        path = folder / Path(str(name)).name
        if not path.is_file():
            findings.lacks(f"notebook {name}", "it does not lie beside the bundle")
            continue
        with findings.deriving(f"notebook {name}"):
            here = bundle_notebooks.hashes(path)
            findings.same("notebooks", f"{name}, code cells", hashes["cells"], here["cells"])
