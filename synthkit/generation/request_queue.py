"""The requests of a run on their way to the models."""

from __future__ import annotations

import heapq
import itertools
import time
import uuid
from collections import deque
from collections.abc import Iterable
from contextlib import suppress

from synthkit.core.errors import StoreError, StoreLocked
from synthkit.core.processes import begin_work, end_work
from synthkit.core.types import Completion, Request
from synthkit.generation.branches import Branch
from synthkit.store.database import BUSY_SECONDS
from synthkit.store.leases import LEASE_SECONDS
from synthkit.store.store import Store

CLAIM = 256
"""How many requests are leased at once."""
AGAIN_SECONDS = 0.25
"""How often a run asks for the completions that other runs are waiting for."""

Entry = tuple[int, int, str, Request]
"""Position of the branch, turn, key and request: the earliest branch comes first."""


class Leases:
    """What one run may send: requests that no other run of this session is sending."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.owner = begin_work(uuid.uuid4().hex[:8])
        self.keys: set[str] = set()
        self._renewed = time.monotonic()
        self._locked_since: float | None = None

    def claim(self, keys: list[str]) -> tuple[dict[str, Completion], set[str]] | None:
        """The completions that are stored by now, and the keys that other runs have leased.

        ``None`` while another program keeps the store locked.

        Raises
        ------
        StoreError
            If the store is locked for a minute, or cannot be written.
        """
        try:
            with self.store.transaction(patience=0.0, durable=False):
                stored = self.store.completions.get(keys)
                missing = [key for key in keys if key not in stored]
                taken = self.store.leases.claim(missing, self.owner)
        except StoreLocked:
            now = time.monotonic()
            self._locked_since = self._locked_since or now
            if now - self._locked_since > BUSY_SECONDS:
                raise
            return None
        self._locked_since = None
        self.keys.update(key for key in missing if key not in taken)
        return stored, taken

    def renew(self) -> None:
        """Renew the leases when it is time, as long as the run lasts."""
        now = time.monotonic()
        if self.keys and now - self._renewed > LEASE_SECONDS / 4:
            self._renewed = now
            with suppress(StoreError):
                self.store.leases.renew(self.owner)

    def release(self, keys: Iterable[str] | None = None) -> None:
        """End all leases of the run, or some."""
        if self.keys:
            ended = self.keys.copy() if keys is None else self.keys.intersection(keys)
            self.keys -= ended
            with suppress(StoreError):
                self.store.leases.release(self.owner, None if keys is None else ended)

    def close(self) -> None:
        """End all leases, as the run does. Those that a locked store keeps count no longer."""
        self.release()
        end_work(self.owner)


class RequestQueue:
    """Requests on their way: new, waiting to be sent, and sent.

    Attributes
    ----------
    new : (branch, key, request) triples that were not looked up in the store yet.
    waiting : key -> the branches that wait for its completion.
    unsent : a heap of entries.
    elsewhere : entries that other runs are sending.
    later : what the requests wait for whose answers a later run will have, in words.
    sent, keys : the growing list that the models answer, and the keys of its requests.
    """

    def __init__(self, store: Store) -> None:
        self.new: deque[tuple[Branch, str, Request]] = deque()
        self.waiting: dict[str, list[Branch]] = {}
        self.unsent: list[Entry] = []
        self.elsewhere: list[Entry] = []
        self.later: dict[str, None] = {}
        self.sent: list[Request] = []
        self.keys: list[str] = []
        self.leases = Leases(store)
        self._turn = itertools.count()
        self._again = 0.0

    def wait(self, branch: Branch, key: str, request: Request) -> None:
        """Let a branch wait for a completion; the request is queued once, whoever else waits."""
        if key in self.waiting:
            self.waiting[key].append(branch)
        else:
            self.waiting[key] = [branch]
            heapq.heappush(self.unsent, (branch.position, next(self._turn), key, request))

    def claim(self) -> dict[str, Completion] | None:
        """Lease the next requests, or set them aside if another run is sending them.

        Returns the completions that are stored by now, and ``None`` if the store is locked.
        """
        entries = [heapq.heappop(self.unsent) for _ in range(min(CLAIM, len(self.unsent)))]
        claimed = None
        try:
            claimed = self.leases.claim([entry[2] for entry in entries])
        finally:
            stored, taken = claimed or ({}, set())
            for entry in entries:
                if entry[2] in taken:
                    self.elsewhere.append(entry)
                elif entry[2] not in stored:
                    heapq.heappush(self.unsent, entry)
        return None if claimed is None else stored

    def push_next(self) -> None:
        """Move the first unsent request to those that are sent."""
        _, _, key, request = heapq.heappop(self.unsent)
        self.sent.append(request)
        self.keys.append(key)

    def try_again(self) -> bool:
        """Queue the requests that other runs were sending, now and then; whether it did."""
        now = time.monotonic()
        if not self.elsewhere or now < self._again:
            return False
        self._again = now + AGAIN_SECONDS
        for entry in self.elsewhere:
            heapq.heappush(self.unsent, entry)
        self.elsewhere = []
        return True

    def restart(self) -> None:
        """Begin a new list of sent requests: all of the last one are answered."""
        self.sent, self.keys = [], []

    def remaining(self) -> list[Request]:
        """The requests that were not sent, the first ones first."""
        return [request for *_, request in sorted([*self.unsent, *self.elsewhere])]
