"""Leases: which run is sending which request, so that no two kernels send the same one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from synthkit.core.processes import has_ended
from synthkit.store.batches import BatchTable
from synthkit.store.database import AMONG, Database, TableGroup

LEASE_SECONDS = 120.0
"""How long a lease lasts if it is not renewed. Those of a run on this machine that is over end."""

_INSERT = (
    "INSERT INTO leases VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET owner = excluded.owner, until = excluded.until"
)


class LeaseTable(TableGroup):
    """Request key -> the run that sends it, and until when.

    An owner is a run of a process (:func:`~synthkit.core.processes.begin_work`). ``batches`` are
    the requests that a server answers later.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.batches = BatchTable(database)

    def claim(self, keys: Sequence[str], owner: str) -> set[str]:
        """Lease requests for a run, and return those that other runs have leased."""
        now = time.time()
        query = f"SELECT key, owner FROM leases WHERE until > ? AND owner != ? AND key {AMONG}"
        with self._database.transaction():
            leased = self._database.rows(query, (now, owner, list(keys)))
            ended = set(filter(has_ended, {other for _, other in leased}))
            taken = {key for key, other in leased if other not in ended}
            self._database.execute_many(
                _INSERT,
                [(key, owner, now + LEASE_SECONDS) for key in keys if key not in taken],
            )
        return taken

    def renew(self, owner: str) -> None:
        """Extend the leases of a run."""
        until = time.time() + LEASE_SECONDS
        self._database.execute("UPDATE leases SET until = ? WHERE owner = ?", (until, owner))

    def release(self, owner: str, keys: Iterable[str] | None = None) -> None:
        """End the leases of a run, or some of them, and forget those that are over."""
        if keys is None:
            statement = "DELETE FROM leases WHERE owner = ? OR until < ?"
            self._database.execute(statement, (owner, time.time()))
        else:
            statement = f"DELETE FROM leases WHERE owner = ? AND key {AMONG}"
            self._database.execute(statement, (owner, list(keys)))

    def clear(self) -> None:
        """End all leases, and forget all batches."""
        self.batches.clear()
        self._database.execute("DELETE FROM leases")
