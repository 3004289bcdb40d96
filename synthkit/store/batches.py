"""Batches: which requests were submitted to a server's batch API, and in which batch they wait.

These records are of this session alone, as leases are: they are written before anything is
submitted, so that a killed process submits nothing twice, and they are not exported.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.core.hashing import canonical
from synthkit.store.database import AMONG, SqlRow, TableGroup

_ANSWERED = "EXISTS (SELECT 1 FROM completions WHERE completions.key = batch_requests.key)"
_INSERT = (
    "INSERT INTO batch_requests VALUES (?, ?, ?) "
    "ON CONFLICT (key) DO UPDATE SET batch = excluded.batch, tries = excluded.tries"
)


@dataclass(frozen=True, slots=True)
class StoredBatch:
    """The record of one batch.

    Parameters
    ----------
    tag : its name here, which is unique.
    owner : what submits it now; empty if nothing does.
    at : when it was recorded, in seconds since 1970.
    body : what its model knows of it, as JSON values.
    waiting : its requests that have no completion yet.
    """

    tag: str
    owner: str
    at: float
    body: Mapping[str, Any]
    waiting: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """Where a request waits: the tag of its batch, and how many batches it has been in."""

    batch: str
    tries: int = 1


class BatchTable(TableGroup):
    """Batches by their tags, and the requests in them by their keys."""

    def claim(
        self, tag: str, owner: str, body: Mapping[str, Any], keys: Mapping[str, Submitted | None]
    ) -> set[str]:
        """Record a batch with the requests that no other batch has; returns the keys of the others.

        Parameters
        ----------
        keys : key -> where the request was before, if it is submitted once more. One that is
            elsewhere by now stays there.

        Examples
        --------
        >>> import tempfile, pathlib
        >>> from synthkit.store.store import Store
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     store = Store(pathlib.Path(folder) / "store.sqlite")
        ...     store.leases.batches.claim("a", "", {}, {"k1": None}), store.leases.batches.claim(
        ...         "b", "", {}, {"k1": None, "k2": None})
        ...     store.close()
        (set(), {'k1'})
        """
        with self._database.transaction(durable=True):
            present = self.of(keys)
            taken = {key for key, before in keys.items() if present.get(key) != before}
            rows = [
                (key, tag, 1 + (before.tries if before else 0))
                for key, before in keys.items()
                if key not in taken
            ]
            if rows:
                self._database.execute(
                    "INSERT INTO batches VALUES (?, ?, ?, ?)",
                    (tag, owner, time.time(), _text(body)),
                )
                self._database.execute_many(_INSERT, rows)
        return taken

    def put(self, tag: str, owner: str, body: Mapping[str, Any]) -> None:
        """Replace what is known of a batch; it is on disk then.

        Raises
        ------
        StoreError
            If the batch was forgotten.
        """
        statement = "UPDATE batches SET owner = ?, body = ? WHERE batch = ?"
        with self._database.transaction(durable=True):
            if not self._database.execute(statement, (owner, _text(body), tag)):
                raise StoreError(f"the batch {tag} was forgotten meanwhile; run it again.")

    def of(self, keys: Iterable[str]) -> dict[str, Submitted]:
        """Where the requests with these keys wait; one that is in no batch is missing."""
        query = f"SELECT key, batch, tries FROM batch_requests WHERE key {AMONG}"
        rows = self._database.rows(query, (list(keys),))
        return {key: Submitted(batch, tries) for key, batch, tries in rows}

    def all(self) -> list[StoredBatch]:
        """All batches, the oldest first."""
        waiting: dict[str, int] = dict(
            self._database.rows(
                f"SELECT batch, count(*) FROM batch_requests WHERE NOT {_ANSWERED} GROUP BY batch"
            )
        )
        rows = self._database.rows("SELECT batch, owner, at, body FROM batches ORDER BY at")
        return [_stored(row, waiting.get(row[0], 0)) for row in rows]

    def release(self, keys: Iterable[str], tag: str) -> None:
        """Take requests out of a batch, so that they are submitted again when they are asked."""
        statement = f"DELETE FROM batch_requests WHERE batch = ? AND key {AMONG}"
        self._database.execute(statement, (tag, list(keys)))

    def forget(self, tag: str, body: Mapping[str, Any] | None = None) -> bool:
        """Delete a batch, which was not submitted, and take its requests out of it.

        Parameters
        ----------
        body : what was known of it when that was decided. If something else is known by now,
            nothing is deleted, and the answer is ``False``.
        """
        with self._database.transaction():
            rows = self._database.rows("SELECT body FROM batches WHERE batch = ?", (tag,))
            if body is not None and rows != [(_text(body),)]:
                return False
            self._database.execute("DELETE FROM batch_requests WHERE batch = ?", (tag,))
            self._database.execute("DELETE FROM batches WHERE batch = ?", (tag,))
        return True

    def tidy(self) -> None:
        """Forget where the requests were whose completions are stored."""
        self._database.execute(f"DELETE FROM batch_requests WHERE {_ANSWERED}")

    def clear(self) -> None:
        """Delete all records."""
        with self._database.transaction():
            self._database.execute("DELETE FROM batch_requests")
            self._database.execute("DELETE FROM batches")


def _text(body: Mapping[str, Any]) -> str:
    return canonical(body).decode("utf-8", "replace")


def _stored(row: SqlRow, waiting: int) -> StoredBatch:
    tag, owner, at, body = row
    return StoredBatch(tag, owner, at, json.loads(body), waiting)
