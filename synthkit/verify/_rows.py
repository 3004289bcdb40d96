"""Rows, made again by their recipes from the completions in the bundle."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from synthkit.core.errors import StoreError, SynthkitError
from synthkit.data import tables
from synthkit.data.arrow_tables import column_cells
from synthkit.data.storage import storable
from synthkit.generation import calls
from synthkit.generation.job import Job
from synthkit.recipes._base import RECIPES
from synthkit.sessions import inputs, named_tables
from synthkit.sessions.bundle_seal import cell_text
from synthkit.sessions.session import Session
from synthkit.store.runs import RunRows
from synthkit.verify._records import ids_of_cells
from synthkit.verify.findings import Findings, shown

SLACK = 1000
"""Requests above the completions in the bundle that a recipe may have; more are not tried."""


def check(findings: Findings, session: Session) -> None:
    """Make the rows of each run again, and compare them with the tables that have them."""
    newest = {run["name"]: run["run"] for run in session.store.runs.all()}
    loaded = {}
    for name in session.names():
        with findings.deriving(f"tables/{name}.parquet"):
            loaded[name] = _Cells(named_tables.load(session.table_folder, name))
    runs = session.store.runs.all_rows()
    lost: set[str] = set()
    for run in session.store.runs.all():
        rows = runs.get(run["run"])
        if rows is None or not (rows.ids or rows.reject_ids):
            continue
        ids = {*rows.ids, *rows.reject_ids}
        unasked = ids - session.store.completions.known_rows(ids)
        what = f"the cells of {len(rows.ids)} rows of run {run['run']} {run['name']}".rstrip()
        try:
            again = _again(findings, session, run, rows)
            made, rejects = _Cells(again.table), _Cells(again.rejects)
        except (SynthkitError, *_DAMAGE) as error:
            findings.lacks(what, str(error), len(rows.ids))
            what = f"{len(unasked)} row ids of run {run['run']}, which rest on no request"
            findings.lacks(what, str(error), len(unasked))
            lost |= ids
            continue
        for id in rows.ids:
            if id not in made.at:
                where = f"store.sqlite run_rows, run {run['run']}, row {id}"
                findings.differs(where, "a row", "no such row of its recipe and completions")
        gone = unasked - made.at.keys() - rejects.at.keys() - set(rows.ids)
        findings.checked["row ids"] += len(unasked) - len(gone)
        what = f"{len(gone)} ids of rejects of run {run['run']}, which rest on no request"
        findings.lacks(what, "its recipe does not make them from the completions", len(gone))
        for name, table in loaded.items():
            _compare(findings, name, table, made, own=newest.get(name) == run["run"])
    for name, table in loaded.items():
        _note_others(findings, session, name, table, lost)


def _note_others(
    findings: Findings, session: Session, name: str, table: _Cells, lost: set[str]
) -> None:
    """Note the cells that no run made, unless ids were made of them or their runs are noted."""
    named = ids_of_cells(named_tables.load(session.table_folder, name))
    rest = table.at.keys() - lost - named
    counts = {
        column: len(rest - table.compared[column]) for column in table.columns if column != "id"
    }
    added = [column for column, n in counts.items() if n]
    what = f"{sum(counts.values())} cells of table {name}, columns {', '.join(added)}"
    findings.lacks(what, "no run made them: they are the user's", sum(counts.values()))


_DAMAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError, ArithmeticError)


class _Cells:
    """The cells of a table as they are stored, by column, and the place of each id."""

    def __init__(self, table: Any) -> None:
        arrow = storable(table)
        self.columns = {name: column_cells(arrow, name) for name in arrow.schema.names}
        ids = self.columns.get("id", [])
        self.at = {str(id): at for at, id in enumerate(ids)}
        self.compared: defaultdict[str, set[str]] = defaultdict(set)
        """Column -> ids of the rows whose cells were compared with those of a run."""


def _again(findings: Findings, session: Session, run: Mapping[str, Any], rows: RunRows) -> Any:
    """A run, made from its call; no request is sent."""
    if not rows.call:
        raise StoreError("a synthkit recorded it that kept no calls.")
    body = json.loads(rows.call)
    if body["recipe"] and body["recipe"] not in RECIPES:
        raise StoreError(f"its recipe {body['recipe']!r} is not installed here.")
    if body["recipe"] and not RECIPES[body["recipe"]].__module__.startswith("synthkit."):
        raise StoreError(f"its recipe {body['recipe']!r} is code of another package.")
    if body["arguments"].get("image"):
        raise StoreError("its images are not in the bundle.")
    most = session.store.completions.count() + SLACK
    if _size(session, body["arguments"]) > most:
        raise StoreError(f"it asks for more than the {most} requests that a bundle of it can have.")
    recipe, models = calls.rebuilt(session.store, rows.call)
    where = f"store.sqlite runs, run {run['run']}, column prompt"
    findings.same("prompts of runs", where, run["prompt"], recipe.prompt)
    job = Job(
        recipe=recipe,
        models=models,
        session=session,
        budget=None,
        name="",
        no_truncated=bool(body["no_truncated"]),
        added=tuple(body["added"]),
    )
    return job.replay()


def _size(session: Session, arguments: Mapping[str, Any]) -> int:
    """How many requests a prompt has at least, before it is built."""
    n = arguments.get("n", 1)
    vary = arguments.get("vary")
    combinations = 1
    if isinstance(vary, dict) and arguments.get("sampler", "product") == "product":
        for values in vary.values():
            combinations *= len(values) if isinstance(values, list) else 1
    size = max(n if isinstance(n, int) else 1, combinations)
    rows = arguments.get("rows")
    return size if rows is None else size * max(1, tables.size(inputs.decode(session.store, rows)))


def _compare(findings: Findings, name: str, table: _Cells, made: _Cells, *, own: bool) -> None:
    """Compare the cells of the rows that a table and a run have in common."""
    changed: list[str] = []
    for column in made.columns.keys() & table.columns.keys():
        for id in _both(made, table):
            stored = table.columns[column][table.at[id]]
            derived = made.columns[column][made.at[id]]
            table.compared[column].add(id)
            if _same(stored, derived):
                findings.checked["cells of rows"] += 1
                continue
            place = f"tables/{name}.parquet, row {table.at[id] + 1} (id {id}), column {column}"
            if own:
                findings.differences.pop(place, None)  # the seal knows no derived value
                findings.differs(place, shown(stored), shown(derived))
            else:
                changed.append(place)
    if changed:
        findings.lacks(
            f"{changed[0]}{f', and {len(changed) - 1} more' if len(changed) > 1 else ''}",
            "the session changed it after it was generated",
            len(changed),
        )
    if own:
        for column in made.columns.keys() - table.columns.keys():
            findings.differs(f"tables/{name}.parquet, column {column}", "no column", "a column")


def _both(made: _Cells, table: _Cells) -> Iterable[str]:
    return [id for id in table.at if id in made.at]


def _same(stored: Any, derived: Any) -> bool:
    if isinstance(stored, int | float) and isinstance(derived, int | float):
        return stored == derived or (stored != stored and derived != derived)
    return cell_text(stored) == cell_text(derived)
