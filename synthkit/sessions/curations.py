"""Curations: what filters said of rows, by row id, and the filters that were learned here."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import canonical
from synthkit.data import tables as tables
from synthkit.data.results import Curation
from synthkit.store.store import Store

VERDICTS = ["id", "curation", "name", "verdict", "filter", "why", "at"]
FILTERS = ["name", "version", "at"]
ADD_FILTER = (
    "INSERT INTO filters SELECT :name, coalesce(max(version), 0) + 1, :body, :at "
    "FROM filters WHERE name = :name"
)


def remember(store: Store, curation: Curation, name: str) -> int:
    """Write down what was decided of each row; gives the curation's number."""
    funnel = [[one.name, one.rows, one.kept, dict(one.reasons)] for one in curation.funnel]
    dropped = curation.dropped
    by = ["filter"] if "filter" in tables.columns(dropped) else []
    columns = [tables.column(dropped, column) for column in ("id", *by, "why")]
    said = [
        (str(id), filter[0] if filter else "", why)
        for id, *filter, why in zip(*columns, strict=True)
    ]
    said += [(str(id), "", "") for id in tables.column(curation.kept, "id")]
    with store.transaction() as db:
        new = db.execute(
            "INSERT INTO curations (name, at, funnel) VALUES (?,?,?)",
            (name, time.time(), json.dumps(funnel, ensure_ascii=False)),
        ).lastrowid
        db.executemany(
            "INSERT INTO verdicts VALUES (?,?,?,?)",
            ((id, new, filter, _plain(why)) for id, filter, why in said),
        )
    return int(new or 0)


def verdicts(store: Store, rows: Sequence[str] | None = None) -> list[dict[str, Any]]:
    """What was decided of some rows, or of all, in the order in which it was: :data:`VERDICTS`."""
    where = "" if rows is None else "WHERE v.row IN (SELECT value FROM json_each(?)) "
    given = () if rows is None else (json.dumps(list(rows)),)
    query = (
        "SELECT v.row, v.curation, c.name, v.filter, v.why, c.at FROM verdicts AS v "
        f"JOIN curations AS c USING (curation) {where}ORDER BY v.curation, v.rowid"
    )
    with store.transaction(write=False) as db:
        found = db.execute(query, given).fetchall()
    return [
        {"id": id, "curation": number, "name": name, "verdict": "dropped" if why else "kept"}
        | {"filter": filter, "why": why, "at": at}
        for id, number, name, filter, why, at in found
    ]


def put_filter(store: Store, name: str, body: Mapping[str, Any]) -> int:
    """Keep a learned filter as the next version of its name; gives the version.

    A body that is that of the latest version adds none.
    """
    if not name.strip():
        raise UsageError("a learned filter needs a name.")
    text = canonical(dict(body)).decode("utf-8", "replace")
    with store.transaction() as db:
        last = db.execute(
            "SELECT version, body FROM filters WHERE name = ? ORDER BY version DESC LIMIT 1",
            (name,),
        ).fetchone()
        if last and last[1] == text:
            return int(last[0])
        db.execute(ADD_FILTER, {"name": name, "body": text, "at": time.time()})
        return int(last[0]) + 1 if last else 1


def filters(store: Store) -> list[dict[str, Any]]:
    """The versions of all learned filters, the oldest first: :data:`FILTERS`."""
    with store.transaction(write=False) as db:
        found = db.execute("SELECT name, version, at FROM filters ORDER BY rowid").fetchall()
    return [dict(zip(FILTERS, row, strict=True)) for row in found]


def get_filter(store: Store, name: str, version: int | None = None) -> dict[str, Any]:
    """What :func:`put_filter` kept, of the latest version unless another is asked for.

    Raises
    ------
    UsageError
        If there is none of that name or version.
    """
    with store.transaction(write=False) as db:
        found = dict(
            db.execute("SELECT version, body FROM filters WHERE name = ?", (name,)).fetchall()
        )
    if not found:
        known = dict.fromkeys(one["name"] for one in filters(store))
        raise UsageError(unknown("learned filter", name, known))
    wanted = max(found) if version is None else version
    if wanted not in found:
        raise UsageError(f"the filter {name!r} has the versions {sorted(found)}; got {version}.")
    body: dict[str, Any] = json.loads(found[wanted])
    return body


def _plain(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
