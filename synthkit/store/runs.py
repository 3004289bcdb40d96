"""Runs, the rows that each run returned, and the models that were used."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from synthkit.core.models import Ledger
from synthkit.store.database import AMONG, Database, SqlRow, TableGroup
from synthkit.store.ids import pack, unpack
from synthkit.store.origins import OriginTable

_COLUMNS = ("run", "name", "model", "prompt", "at", "rows", "recipe")
_INSERTED = "name, model, prompt, at, rows, ledger, recipe, reasons"
_INSERT = f"INSERT INTO runs ({_INSERTED}) VALUES (?,?,?,?,?,?,?,?)"
_INSERT_ROWS = "INSERT INTO run_rows VALUES (?,?,?,?,?)"


@dataclass(frozen=True, slots=True)
class RunRows:
    """The cell line of a run, the ids of the rows and rejects that it returned, and its call.

    ``call`` is JSON by which the run can be made again; empty if it was not recorded.
    """

    line: str
    ids: list[str]
    reject_ids: list[str]
    call: str = ""


class RunTable:
    """The runs of a session, in the order in which they ended."""

    def __init__(self, database: Database, origins: OriginTable) -> None:
        self._database, self._origins = database, origins

    def add(
        self,
        name: str,
        model: str,
        prompt: str,
        rows: int,
        ledger: Ledger,
        *,
        line: str = "",
        call: str = "",
        ids: Sequence[str] = (),
        reject_ids: Sequence[str] = (),
        origins: Iterable[tuple[str, Sequence[str]]] = (),
        recipe: str = "",
        reasons: Mapping[str, int] | None = None,
    ) -> int:
        """Record a finished or interrupted run, and return its number.

        Parameters
        ----------
        line : what followed ``%%synth``, if a cell started the run.
        call : JSON of the recipe and its arguments, by which the run can be made again.
        ids, reject_ids : of its rows and of its rejects.
        origins : row ids, each with the keys of the requests that it is based on, in order.
        recipe : the name of its recipe.
        reasons : kind of reason -> how many rows were rejected for it.
        """
        with self._database.transaction():
            counts = json.dumps(dict(reasons), ensure_ascii=False) if reasons else ""
            values = (name, model, prompt, time.time(), rows, json.dumps(asdict(ledger)))
            run = self._database.insert(_INSERT, (*values, recipe, counts))
            if ids or reject_ids:
                packed = (pack(ids), pack(reject_ids))
                self._database.execute(_INSERT_ROWS, (run, line, *packed, call))
            self._origins.add(origins)
        self._database.merge_log()
        return run

    def all(self) -> list[dict[str, Any]]:
        """One dict per run, the oldest first: its columns, and those of its ledger.

        ``recipe`` is the name of its recipe, and ``reasons`` a dict of kind of reason -> how many
        rows were rejected for it; both are empty for runs of format 7 and before.
        """
        query = f"SELECT {', '.join(_COLUMNS)}, ledger, reasons FROM runs ORDER BY run"
        return [
            dict(zip(_COLUMNS, values, strict=True))
            | json.loads(ledger)
            | {"reasons": json.loads(reasons or "{}")}
            for *values, ledger, reasons in self._database.rows(query)
        ]

    def rows(self, run: int) -> RunRows | None:
        """The rows of a run; ``None`` if they were not recorded."""
        query = "SELECT line, made, rejected, call FROM run_rows WHERE run = ?"
        records = [_run_rows(*row) for row in self._database.rows(query, (run,))]
        return records[0] if records else None

    def all_rows(self) -> dict[int, RunRows]:
        """Run -> its rows, for all runs whose rows were recorded."""
        query = "SELECT run, line, made, rejected, call FROM run_rows"
        return {run: _run_rows(*row) for run, *row in self._database.rows(query)}

    def without_rows(self) -> list[int]:
        """The runs that returned rows, but whose rows were not recorded."""
        query = "SELECT run FROM runs WHERE rows > 0 AND run NOT IN (SELECT run FROM run_rows)"
        return [run for (run,) in self._database.rows(query)]

    def delete(self, runs: Iterable[int]) -> None:
        """Delete runs by their numbers; their completions stay."""
        numbers = list(runs)
        self._database.execute(f"DELETE FROM runs WHERE run {AMONG}", (numbers,))
        self._database.execute(f"DELETE FROM run_rows WHERE run {AMONG}", (numbers,))

    def keep(self, names: Iterable[str]) -> None:
        """Delete all runs but those with these names."""
        self._database.execute(f"DELETE FROM runs WHERE name NOT {AMONG}", (list(names),))
        self._database.execute("DELETE FROM run_rows WHERE run NOT IN (SELECT run FROM runs)")

    def edit_lines(self, edit: Callable[[str], str]) -> None:
        """Replace the cell line of each run by ``edit(line)``."""
        lines = self._database.rows("SELECT run, line FROM run_rows")
        self._database.execute_many(
            "UPDATE run_rows SET line = ? WHERE run = ?", [(edit(line), run) for run, line in lines]
        )

    def merge(self, runs: Iterable[SqlRow], run_rows: Iterable[SqlRow]) -> int:
        """Add the runs of another store that are not here, and return how many they are."""
        known = set(self._database.rows(f"SELECT {_INSERTED} FROM runs"))
        rows_of = {number: rest for number, *rest in run_rows}
        added = 0
        for number, *values in runs:
            if tuple(values) in known:
                continue
            run = self._database.insert(_INSERT, values)
            if number in rows_of:
                self._database.execute(_INSERT_ROWS, (run, *rows_of[number]))
            added += 1
        return added


class ModelTable(TableGroup):
    """The models that were used in a session."""

    def add(self, fingerprint: str, name: str) -> None:
        """Record the name of a model, so that its completions can be replayed."""
        with self._database.transaction():  # it becomes the last one
            self._database.execute("DELETE FROM models WHERE fingerprint = ?", (fingerprint,))
            self._database.execute("INSERT INTO models VALUES (?, ?)", (fingerprint, name))

    def names(self) -> dict[str, str]:
        """Fingerprint -> name, the model used last at the end."""
        return dict(self._database.rows("SELECT fingerprint, name FROM models ORDER BY rowid"))

    def keep_used(self) -> None:
        """Delete the models that no stored completion comes from."""
        used = "SELECT DISTINCT json_extract(request, '$.model') FROM completions"
        self._database.execute(f"DELETE FROM models WHERE fingerprint NOT IN ({used})")

    def merge(self, rows: Iterable[SqlRow]) -> None:
        """Add models of another store; those that are here stay."""
        self._database.execute_many("INSERT INTO models VALUES (?,?) ON CONFLICT DO NOTHING", rows)


def _run_rows(line: str, ids: bytes, reject_ids: bytes, call: str) -> RunRows:
    return RunRows(line, unpack(ids), unpack(reject_ids), call)
