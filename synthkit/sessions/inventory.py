"""The inventory: what a session holds, counted; tables, runs and marks brought together by ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from synthkit.core.extras import need
from synthkit.curate.marks.history import standing
from synthkit.sessions.lineage import Edge, Kept, edges
from synthkit.store.store import Store

COSTS = ["run", "at", "name", "requests", "tokens", "cost"]
COSTS += ["total_requests", "total_tokens", "total_cost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelved:
    """A kept table, without its rows.

    ``ids`` has one for each row, ``parents`` too if the table has such a column. ``when`` is its
    file's time, ``born`` that of the first run of its name if that is earlier, in seconds since
    1970. ``run`` is the newest run of its name. ``problem`` says why its file cannot be read.
    """

    name: str
    rows: int
    columns: tuple[str, ...]
    bytes: int
    when: float
    born: float
    run: int | None
    ids: Sequence[str | None]
    parents: Sequence[str | None]
    problem: str = ""


def shelved(store: Store, folder: Path) -> list[Shelved]:
    """The tables in a folder, the newest first."""
    first: dict[str, float] = {}
    newest: dict[str, int] = {}
    for entry in store.runs():
        first.setdefault(entry["name"], entry["at"])
        newest[entry["name"]] = entry["run"]
    found = []
    for path in folder.glob("*.parquet"):
        try:
            state = path.stat()
        except FileNotFoundError:  # another kernel deleted it just now
            continue
        name, when = path.stem, state.st_mtime
        found.append(
            Shelved(
                name=name,
                bytes=state.st_size,
                when=when,
                born=min(when, first.get(name, when)),
                run=newest.get(name),
                **_read(path),
            )
        )
    return sorted(found, key=lambda one: (-one.when, one.name))


def lineage(tables: Iterable[Shelved]) -> list[Edge]:
    """How the tables come from each other; see :func:`synthkit.sessions.lineage.edges`."""
    return edges(Kept(one.name, one.ids, one.parents, one.born) for one in tables)


def makers(store: Store, tables: Iterable[Shelved]) -> dict[str, dict[int, int]]:
    """For each table, the runs that made its rows, and how many; a row counts for the newest."""
    wanted: dict[str, list[str]] = {}
    found: dict[str, dict[int, int]] = {}
    for one in tables:
        found[one.name] = {}
        for id in one.ids:
            if id is not None:
                wanted.setdefault(id, []).append(one.name)
    for run in reversed(store.runs()):
        if not wanted:
            break
        rows = store.run_rows(run["run"])
        for id in rows.made if rows else ():
            for name in wanted.pop(id, ()):
                found[name][run["run"]] = found[name].get(run["run"], 0) + 1
    return found


def labels(store: Store, tables: Iterable[Shelved]) -> dict[str, dict[str, int]]:
    """For each table, how many marks of each label stand on its rows."""
    tables = list(tables)
    held = {one.name: {id for id in one.ids if id is not None} for one in tables}
    found: dict[str, Counter[str]] = {one.name: Counter() for one in tables}
    for mark in standing(store.marks()).values():
        for name, ids in held.items():
            if mark.label and mark.id in ids:
                found[name][mark.label] += 1
    return {name: dict(counts.most_common()) for name, counts in found.items()}


def marked(store: Store) -> list[dict[str, Any]]:
    """How many marks stand, for each task, annotator, round and label."""
    counts = Counter(
        (mark.task, mark.by, mark.round, mark.label)
        for mark in standing(store.marks()).values()
        if mark.label
    )
    names = ("task", "by", "round", "label")
    return [{**dict(zip(names, key, strict=True)), "marks": n} for key, n in sorted(counts.items())]


def cost(runs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What runs took, one after another: each one's own requests, tokens and dollars, and in all.

    ``cost`` is ``None`` where no price is known, and adds nothing to ``total_cost``.
    """
    found = []
    requests, tokens, dollars = 0, 0, 0.0
    for run in runs:
        own = run["prompt_tokens"] + run["completion_tokens"]
        requests, tokens = requests + run["requests"], tokens + own
        dollars += run["cost"] or 0.0
        each = (run["run"], run["at"], run["name"], run["requests"], own, run["cost"])
        found.append(dict(zip(COSTS, (*each, requests, tokens, dollars), strict=True)))
    return found


def _read(path: Path) -> dict[str, Any]:
    """Rows, columns, ids and parents of a table's file; only these two columns are read."""
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    try:
        with parquet.ParquetFile(path) as file:
            columns, rows = tuple(file.schema_arrow.names), int(file.metadata.num_rows)
            cells = file.read(columns=[name for name in ("id", "parent") if name in columns])
    except (OSError, ValueError) as error:  # pyarrow's errors are among these
        return {"rows": 0, "columns": (), "ids": [], "parents": [], "problem": str(error)}
    return {
        "rows": rows,
        "columns": columns,
        "ids": _texts(cells.column("id")) if "id" in columns else [None] * rows,
        "parents": _texts(cells.column("parent")) if "parent" in columns else [],
    }


def _texts(cells: Any) -> list[str | None]:
    return [None if cell is None else str(cell) for cell in cells.to_pylist()]
