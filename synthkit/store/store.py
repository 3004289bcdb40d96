"""The store of a session: one SQLite file or schema, and an object for each group of its tables."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from synthkit.store.address import URL
from synthkit.store.completions import CompletionTable
from synthkit.store.curations import CurationTable, FilterTable
from synthkit.store.database import Database
from synthkit.store.evaluations import EvaluationTable
from synthkit.store.foreign import ForeignStore
from synthkit.store.inputs import InputTable
from synthkit.store.labs import LabTable
from synthkit.store.leases import LeaseTable
from synthkit.store.marks import MarkTable
from synthkit.store.meta import MetaTable
from synthkit.store.origins import OriginTable
from synthkit.store.runs import ModelTable, RunTable
from synthkit.store.sqlite import SqliteDatabase

PATIENCE = 10.0
"""Seconds that a deletion or an import waits while another kernel is writing."""

_ROW_BYTES = {
    "marks": {"marks": "length(row) + length(reason) + length(edit) + 64"},
    "labs": {"labs": "length(body)", "inputs": "length(body)"},
    "runs": {
        "runs": "length(prompt) + length(ledger) + 64",
        "run_rows": "length(made) + length(rejected)",
        "origins": "length(keys) + 32",
    },
    "curations": {
        "curations": "length(funnel) + 64",
        "verdicts": "2 * length(row) + length(filter) + length(why) + 48",
        "filters": "length(body) + 64",
    },
    "evaluations": {"evaluations": "length(body) + length(rows) + 64"},
}
"""Kind of records -> table -> the bytes that a row of it takes, nearly."""


class Store:
    """Completions, runs, marks and the other records of one session.

    Parameters
    ----------
    path : the SQLite file, which is created if it does not exist; or a file ``store.url`` that has
        the URL of a PostgreSQL database.
    log : keep a write-ahead log beside the file while it is open.
    read_only : open the file to read, although it may be written.

    Raises
    ------
    StoreError
        If the file cannot be opened, is not a synthkit store, or has a newer format.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     store = Store(Path(folder) / "store.sqlite")
    ...     store.labs.put("tone", {"variants": []})
    ...     store.labs.get("tone"), store.completions.count()
    ...     store.close()
    ({'variants': []}, 0)
    """

    def __init__(self, path: Path | str, *, log: bool = True, read_only: bool = False) -> None:
        self.path = Path(path)
        self._database = database = _database(self.path, log, read_only)
        self.origins = OriginTable(database)
        self.completions = CompletionTable(database, self.origins)
        self.runs = RunTable(database, self.origins)
        self.models = ModelTable(database)
        self.marks = MarkTable(database)
        self.labs = LabTable(database)
        self.curations = CurationTable(database)
        self.filters = FilterTable(database)
        self.evaluations = EvaluationTable(database)
        self.inputs = InputTable(database)
        self.leases = LeaseTable(database)
        self.meta = MetaTable(database)
        if not database.read_only:
            self.completions.keep_count()
            self.completions.absorb()

    def transaction(
        self, *, write: bool = True, patience: float | None = None, durable: bool = True
    ) -> AbstractContextManager[None]:
        """Commit all writes of a ``with`` block together, or none; reads see one state.

        Parameters
        ----------
        durable : the writes are on disk when the block has ended, also after a power cut.

        Raises
        ------
        StoreLocked
            If another process writes to the file for longer than ``patience`` seconds, or
            :data:`PATIENCE` if it is not given.
        """
        seconds = PATIENCE if patience is None else patience
        return self._database.transaction(write=write, patience=seconds, durable=durable and write)

    @property
    def place(self) -> str:
        """Where the tables are: the path of the file, or the URL without a password."""
        return self._database.place

    @property
    def read_only(self) -> bool:
        """Whether the store may only be read."""
        return self._database.read_only

    def is_present(self) -> bool:
        """Whether the file that was opened is still at its path."""
        return self._database.is_present()

    def is_same(self, other: Store) -> bool:
        """Whether the other one has the same tables."""
        return self._database.is_same(other._database)

    def check_present(self) -> None:
        """Raise ``StoreError`` if the file was deleted or replaced since it was opened."""
        self._database.check_present()

    def check_writable(self) -> None:
        """Raise ``StoreError`` if the file may only be read, or is no longer there."""
        self._database.check_present()
        self._database.check_writable()

    def sizes(self) -> dict[str, int]:
        """Bytes of completions, marks, labs, runs, curations and evaluations, and of free space.

        Completions take what the others leave, since their pages are not read.
        """
        used, free = self._database.pages()
        sizes = {
            kind: sum(self._database.table_bytes(*table) for table in tables.items())
            for kind, tables in _ROW_BYTES.items()
        }
        completions = max(0, used - sum(sizes.values())) if self.completions.count() else 0
        return {"completions": completions, **sizes, "free": free}

    def counts(self) -> dict[str, int]:
        """Number of completions, runs, marks, labs, curations, filters and evaluations."""
        kinds = ("runs", "marks", "labs", "curations", "filters", "evaluations")
        counts = {kind: int(self._database.value(f"SELECT count(*) FROM {kind}")) for kind in kinds}
        return {"completions": self.completions.count(), **counts}

    def keep(self, names: Iterable[str], ids: Iterable[str]) -> None:
        """Delete all that some tables do not need.

        Parameters
        ----------
        names : of the tables; their runs and evaluations stay, with the completions of these runs.
        ids : of their rows, and of those that these were generated from; their marks, verdicts and
            completions stay.
        """
        names, row_ids = list(names), set(ids)
        self.runs.keep(names)
        self.evaluations.keep(names)
        self.marks.keep(row_ids)
        self.curations.keep(row_ids)
        for rows in self.runs.all_rows().values():
            row_ids.update(rows.ids, rows.reject_ids)
        self.completions.keep(self.completions.keys_for_rows(row_ids))
        self.origins.keep(row_ids)
        self.models.keep_used()
        self.labs.clear()
        self.filters.clear()

    def merge(self, other: ForeignStore) -> dict[str, Any]:
        """Add what another store holds and this one does not; returns what was added.

        That is the number of records of each kind, of ``labs`` and ``inputs`` their name there ->
        name here, and the ``conflicts`` of marks.
        """
        other_id = other.session()
        marks, conflicts = self.marks.merge(other.rows("marks"), other_id)
        self.models.merge(other.rows("models"))
        self.marks.people.merge(other.rows("people"))
        self.origins.merge(other.rows("origins"))
        return {
            "completions": self.completions.merge(other.rows("completions"), other_id),
            "runs": self.runs.merge(other.rows("runs"), other.rows("run_rows")),
            "marks": marks,
            "conflicts": conflicts,
            "labs": self.labs.merge(other.rows("labs")),
            "curations": self.curations.merge(other.rows("curations"), other.rows("verdicts")),
            "filters": self.filters.merge(other.rows("filters")),
            "evaluations": self.evaluations.merge(other.rows("evaluations")),
            "inputs": self.inputs.merge(other.rows("inputs")),
            "claims": self.evaluations.claims.merge(other.rows("claims")),
        }

    def backup(self, path: Path) -> None:
        """Write an SQLite file of what is stored at one moment, also while others write."""
        self._database.backup(path)

    def compact(self) -> bool:
        """Give free space back to the disk; ``False`` if another process is writing."""
        return self._database.compact()

    def close(self) -> None:
        """Close the store. No log is left beside a file."""
        self._database.close()


def _database(path: Path, log: bool, read_only: bool) -> Database:
    if path.name != URL:
        return SqliteDatabase(path, log=log, read_only=read_only)
    from synthkit.store.postgres import PostgresDatabase  # needs the extra

    return PostgresDatabase(path, read_only=read_only)
