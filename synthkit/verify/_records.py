"""Records of the store: keys, checksums, ids of rows, and what each record may hold."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthkit.core.formatting import count
from synthkit.core.hashing import digest
from synthkit.data import tables
from synthkit.generation.rows import row_id
from synthkit.sessions import named_tables
from synthkit.sessions.bundle_checks import CHECKS
from synthkit.sessions.bundle_seal import store_records
from synthkit.sessions.session import Session
from synthkit.store.completions import derived_checksum
from synthkit.store.ids import KEY_DIGITS, unpack
from synthkit.verify.findings import Findings

MOST_ROWS_OF_ONE = 10_000
"""Most rows that are tried to rest on the same requests."""


def check_store(findings: Findings, path: Path) -> None:
    """Check each record of a store file by itself."""
    origins: defaultdict[bytes, list[str]] = defaultdict(list)
    unsummed = 0
    for table, (names, rows) in store_records(path):
        at = 0
        for at, cells in enumerate(rows, 1):
            record = dict(zip(names, cells, strict=True))
            where = f"store.sqlite {table}, row {at}"
            if table == "completions":
                where = f"{where} (key {record['key']})"
                with findings.deriving(where):
                    unsummed += not record["checksum"]
                    _check_completion(findings, where, record)
            if table == "origins":
                origins[bytes(record["keys"])].append(record["row"])
            if check := CHECKS.get(table):
                with findings.deriving(where):
                    check(record)
        if table == "marks":
            findings.checked["marks"] += at
    what, reason = f"{count(unsummed, 'completion')} of store.sqlite", "stored without checksums"
    findings.lacks(what, f"{reason}, by an older synthkit", unsummed)
    for keys, ids in origins.items():
        with findings.deriving(f"store.sqlite origins of {ids[0]}"):
            _check_origin(findings, unpack(keys, KEY_DIGITS), ids)


def _check_completion(findings: Findings, where: str, record: Mapping[str, Any]) -> None:
    request = json.loads(record["request"])
    if "\ufffd" in record["request"]:
        findings.lacks(where, "its request has half of a surrogate pair, so its key is not known")
    else:
        findings.same("request keys", f"{where}, column key", record["key"], digest(request))
    if record["checksum"]:
        derived = derived_checksum(record)
        findings.same("checksums", f"{where}, column checksum", record["checksum"], derived)


def _check_origin(findings: Findings, keys: list[str], ids: list[str]) -> None:
    """Check the ids of rows that rest on the same requests."""
    left = set(ids)
    for nth in range(MOST_ROWS_OF_ONE):
        left.discard(row_id(keys, nth))
        if not left:
            break
    findings.checked["row ids"] += len(ids) - len(left)
    for id in sorted(left):
        where = f"store.sqlite origins, row {id}, column row"
        findings.differs(where, repr(id), f"{row_id(keys)!r} or the like, of its {len(keys)} keys")


def check_ids(findings: Findings, session: Session) -> None:
    """Check that each row of a run or a table leads to its requests, or is named by its cells.

    Rows of runs that rest on no request are checked when their recipe makes them again.
    """
    store = session.store
    for rows in store.runs.all_rows().values():
        known = store.completions.known_rows({*rows.ids, *rows.reject_ids})
        findings.checked["row ids"] += len(known)
    for name in session.names():
        with findings.deriving(f"tables/{name}.parquet"):
            _check_table(findings, session, name)


def _check_table(findings: Findings, session: Session, name: str) -> None:
    table = named_tables.load(session.table_folder, name)
    if "id" not in tables.columns(table):
        findings.lacks(f"table {name}", "it has no column id", tables.size(table))
        return
    ids = [str(id) for id in tables.column(table, "id")]
    known = session.store.completions.known_rows(ids)
    if len(known) < len(set(ids)):
        known |= set(ids) & ids_of_cells(table)
    rows_of = session.store.runs.all_rows()
    own = {
        id
        for run in session.store.runs.all()
        if run["name"] == name and run["run"] in rows_of
        for id in rows_of[run["run"]].ids
    }
    known |= {id for rows in rows_of.values() for id in rows.ids}.intersection(ids)
    findings.checked["row ids"] += sum(id in known for id in ids)
    others = [at for at, id in enumerate(ids, 1) if id not in known]
    if own.isdisjoint(ids):
        what = f"{len(others)} row ids of table {name}"
        findings.lacks(what, "no request leads to them: they are the user's", len(others))
        return
    for at in others:
        where = f"tables/{name}.parquet, row {at}, column id"
        findings.differs(where, repr(ids[at - 1]), "the id of no request, and of no row of its run")


def ids_of_cells(table: Any) -> set[str]:
    """The ids that rows without an id get, from their cells."""
    names = [name for name in tables.columns(table) if name != "id"]
    bare = table[names] if names else None
    return set() if bare is None else set(map(str, tables.column(tables.identified(bare), "id")))
