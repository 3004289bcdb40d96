"""Answers on their way to the disk: committed together, and kept while the store is locked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, NamedTuple

from synthkit.core.environment import warn
from synthkit.core.errors import StoreError, StoreLocked, StoreUnreachable
from synthkit.core.types import Completion
from synthkit.store.spill import Spill
from synthkit.store.store import Store

RETRY_SECONDS = 0.2
SPILL_SECONDS = 2.0
"""How long answers wait for a locked store in memory alone."""
LOCKED_SECONDS = 1800.0
"""How long a run waits for a locked store before it ends."""


class Arrived(NamedTuple):
    """A completion that arrived, with the key and payload of its request.

    The payload is ``None`` for a completion that is not stored.
    """

    key: str
    payload: Mapping[str, Any] | None
    completion: Completion


class Commits:
    """Commits the answers that arrive: ``waiting`` ones become ``committed`` ones.

    Parameters
    ----------
    together : take together the answers that arrive within so many seconds, or within as long as
        the last commit took, so that at most half of the time is spent on commits; if not given,
        commit each as it arrives.
    """

    def __init__(self, store: Store, *, together: float | None) -> None:
        self.store, self.together = store, together
        self.waiting: list[Arrived] = []
        self.committed: deque[Arrived] = deque()
        self._next = 0.0
        self._locked_since: float | None = None
        self._spill = Spill(store.path.parent)
        self._spilled = 0

    def add(self, arrived: Arrived) -> None:
        """Take an answer, to be committed."""
        self.waiting.append(arrived)

    def is_due(self) -> bool:
        """Whether it is time for a commit."""
        return bool(self.waiting) and time.perf_counter() >= self._next

    def commit(self) -> bool:
        """Move what is waiting to what is committed, with the completions as they are stored.

        ``False`` if another program keeps the store locked: all are waiting still.

        Raises
        ------
        StoreError
            If the store cannot be written, or has been locked for :data:`LOCKED_SECONDS`; all are
            waiting still.
        """
        began = time.perf_counter()
        if self._locked_since is not None and began < self._next:
            return False
        try:
            stored = self.store.completions.put_many(self._items(), patience=0.0)
        except StoreLocked as error:
            self._keep_through_lock(began, error)
            return False
        if self._spilled:
            self._spill.remove()
        self._spilled, self._locked_since = 0, None
        ended = time.perf_counter()
        if self.together is not None:
            self._next = ended + max(self.together, ended - began)
        self._move(stored)
        return True

    def settle(self) -> None:
        """End: commit what is waiting, or leave it in a file, where the next run finds it."""
        if not self.waiting:
            return
        stored = [completion for _, _, completion in self._items()]
        try:
            stored = self.store.completions.put_many(self._items(), patience=0.0)
            self._spill.remove()
        except StoreError:
            with suppress(OSError):  # it is in the run, and nowhere else
                self._spill_rest()
            self._spill.leave()
        self._move(stored)

    def _items(self) -> list[tuple[str, Mapping[str, Any], Completion]]:
        return [
            (key, payload, completion)
            for key, payload, completion in self.waiting
            if payload is not None
        ]

    def _move(self, stored: list[Completion]) -> None:
        completions = iter(stored)
        for each in self.waiting:
            if each.payload is not None:
                each = each._replace(completion=next(completions))
            self.committed.append(each)
        self.waiting = []

    def _keep_through_lock(self, now: float, error: StoreLocked) -> None:
        """Write what is waiting to a file once the store has been locked for a while."""
        what, remedy = _causes(self.store.place, error)
        self._next = now + RETRY_SECONDS
        if self._locked_since is None:
            self._locked_since = now
        locked = now - self._locked_since
        if locked >= LOCKED_SECONDS:
            raise StoreLocked(
                f"for {locked / 60:.0f} minutes, {what}. {remedy}, then run this again."
            )
        if locked >= SPILL_SECONDS:
            if not self._spilled:
                warn(
                    f"{what}, so the run waits. The {len(self.waiting)} answers that arrived are "
                    f"kept in {self._spill.path.name}. {remedy}, or interrupt.",
                    RuntimeWarning,
                    stacklevel=2,
                )
            with suppress(OSError):  # they wait in memory
                self._spill_rest()

    def _spill_rest(self) -> None:
        items = self._items()
        if self._spilled < len(items):
            self._spill.add(items[self._spilled :])
            self._spilled = len(items)


def _causes(place: str, error: StoreLocked) -> tuple[str, str]:
    """What keeps a store from being written, and what ends that."""
    if isinstance(error, StoreUnreachable):
        return f"the server of {place} does not answer", "Start it, or mend the network"
    return (
        f"another program keeps {place} locked",
        "Close the other program (a database browser, a backup)",
    )
