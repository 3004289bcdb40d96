"""What is kept of a batch in the session: how far its submission got, and what the server said."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from synthkit.core.formatting import count, duration, thousands
from synthkit.core.processes import has_ended
from synthkit.models.openai.batch.api import BatchState
from synthkit.models.openai.dialect import Dialect
from synthkit.store.batches import StoredBatch
from synthkit.store.store import Store

STALE_SECONDS = 3600.0
"""After so long without a sign, another process submits no longer; a long file may take half."""

Step = Literal["uploading", "creating", "submitted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRecord:
    """The record of one batch.

    Parameters
    ----------
    tag : its name here, which the server keeps as well, where it can.
    model, fingerprint, base_url, origin : of the model that it asks, and of its server.
    requests : how many it has.
    dialect : the dialect that they are written in.
    step : ``"uploading"``: nothing is submitted; ``"creating"``: it may be; ``"submitted"``: it is.
    changed : when the step began.
    file : the id of its file at the server.
    state : what the server said last.
    at : when it was recorded.
    owner : what submits it now; empty if nothing does.
    waiting : its requests that have no completion here yet.
    """

    tag: str
    model: str
    fingerprint: str
    base_url: str
    origin: str
    requests: int
    dialect: Dialect = field(default_factory=Dialect)
    step: Step = "uploading"
    changed: float = field(default_factory=time.time)
    file: str = ""
    state: BatchState | None = None
    at: float = field(default_factory=time.time)
    owner: str = ""
    waiting: int = 0

    @property
    def is_abandoned(self) -> bool:
        """Whether the process or thread that was submitting it has ended before it was done."""
        ended = not self.owner or has_ended(self.owner)
        return ended or time.time() - self.changed > STALE_SECONDS

    @property
    def has_answers(self) -> bool:
        """Whether the server has answered requests as they are written in it."""
        return self.state is not None and self.state.done > 0

    @property
    def id(self) -> str:
        """Its name at the server, or here until it has one there."""
        return self.state.id if self.state else self.tag

    def body(self) -> dict[str, Any]:
        """What the store keeps, as JSON values."""
        own = ("tag", "at", "owner", "waiting")
        kept = {name: value for name, value in asdict(self).items() if name not in own}
        parts = self.dialect
        kept["dialect"] = {
            "left_out": sorted(parts.left_out),
            "renamed": sorted(map(list, parts.renamed)),
            "structured": sorted(map(list, parts.structured)),
        }
        return kept

    def to(self, step: Step, **changes: Any) -> BatchRecord:
        """The record at the beginning of a further step."""
        return replace(self, step=step, changed=time.time(), **changes)

    @property
    def word(self) -> str:
        """The server's word for its state, or how far its submission got."""
        return self.state.word if self.state else "being submitted"


def read(stored: StoredBatch) -> BatchRecord:
    """The record that the store keeps."""
    body = dict(stored.body)
    state, dialect = body.pop("state"), body.pop("dialect")
    return BatchRecord(
        tag=stored.tag,
        at=stored.at,
        owner=stored.owner,
        waiting=stored.waiting,
        state=None if state is None else _state(state),
        dialect=Dialect(
            frozenset(dialect["left_out"]),
            frozenset((name, other) for name, other in dialect["renamed"]),
            frozenset((schema, level) for schema, level in dialect["structured"]),
        ),
        **body,
    )


def _state(kept: Mapping[str, Any]) -> BatchState:
    return BatchState(**{**kept, "results": tuple(kept["results"])})


def all_records(store: Store) -> list[BatchRecord]:
    """The records of a session, the oldest first."""
    return [read(stored) for stored in store.leases.batches.all()]


def keep(store: Store, record: BatchRecord) -> BatchRecord:
    """Write a record; it is on disk then."""
    store.leases.batches.put(record.tag, record.owner, record.body())
    return record


def waits(records: Sequence[BatchRecord], requests: int) -> str:
    """A sentence on the requests that wait in batches, for people.

    >>> of = {"model": "m", "fingerprint": "", "base_url": "", "origin": ""}
    >>> waits([BatchRecord(tag="b1", requests=2, **of)], 2)
    '2 requests wait in 1 batch (being submitted, 0 of 2 done, sent 0 s ago)'
    """
    words = " and ".join(dict.fromkeys(record.word for record in records))
    states = [record.state for record in records if record.state]
    done = sum(state.done + state.failed for state in states)
    total = sum(record.requests for record in records)
    since = duration(time.time() - min(record.at for record in records))
    batches = "1 batch" if len(records) == 1 else f"{len(records)} batches"
    verb = "waits" if requests == 1 else "wait"
    return (
        f"{count(requests, 'request')} {verb} in {batches} ({words}, {thousands(done)} of "
        f"{thousands(total)} done, sent {since} ago)"
    )
