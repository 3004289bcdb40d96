"""Batches of a session: what was submitted to batch APIs, how far it is, and ending it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Any

from synthkit.core.errors import EndpointError, UsageError, check_known
from synthkit.models.openai.batch import records
from synthkit.models.openai.batch.api import BatchForm
from synthkit.models.openai.batch.forms import form_for
from synthkit.models.openai.batch.records import BatchRecord
from synthkit.models.openai.model import Endpoint, endpoint
from synthkit.sessions._frames import frame
from synthkit.store.store import Store

COLUMNS = tuple("id model server state requests done failed waiting when".split())


class Batches:
    """The batches that this session has submitted, by ``generate(..., batch=True)``.

    Each method takes the ``model`` to ask the server with; without one, the server is asked with
    the key of its environment variable, if that is set.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def table(self, model: Endpoint | None = None) -> Any:
        """A DataFrame with one row per batch, the newest first, as the servers say by now.

        ``waiting`` counts the requests that have no completion in the session yet. The state of a
        batch whose server cannot be asked is the one that it had last.
        """
        self._store.check_present()
        rows = [_row(self._asked(record, model)) for record in self._all()[::-1]]
        return frame(rows, COLUMNS, what="batches", time="when")

    def cancel(self, id: str, model: Endpoint | None = None) -> str:
        """End a batch; returns its state then.

        What it has done is paid, and is collected by the next run that asks for it with
        ``batch=True``. That run also submits the rest again.

        Raises
        ------
        UsageError
            If there is no such batch, or its server needs a key that is not known here.
        EndpointError
            If the server refuses.
        """
        self._store.check_writable()
        record = self._found(id)
        if record.state is None:
            raise UsageError(
                f"{id} is not submitted yet, so that there is nothing to cancel; forget it, or run "
                "its cell again."
            )
        form = _form(record, model)
        try:
            state = form.cancel(record.id)
        finally:
            form.api.close()
        records.keep(self._store, replace(record, state=state))
        return state.word

    def forget(self, id: str) -> int:
        """Forget a batch, such as one that was deleted at its server; returns what waited in it.

        Its requests are submitted again when they are asked again, and may be paid again.

        Raises
        ------
        UsageError
            If there is no such batch.
        """
        record = self._found(id)
        self._store.leases.batches.forget(record.tag)
        return record.waiting

    def _all(self) -> list[BatchRecord]:
        return records.all_records(self._store)

    def _found(self, id: str) -> BatchRecord:
        known = {record.id: record for record in self._all()}
        check_known("batch", id, known)
        return known[id]

    def _asked(self, record: BatchRecord, model: Endpoint | None) -> BatchRecord:
        """A record with the present state of its batch, if the server can be asked."""
        if record.state is None or record.state.ended:
            return record
        with suppress(UsageError, EndpointError):
            form = _form(record, model)
            try:
                record = replace(record, state=form.look(record.id))
            finally:
                form.api.close()
            if not self._store.read_only:
                records.keep(self._store, record)
        return record


def _form(record: BatchRecord, model: Endpoint | None) -> BatchForm:
    """What asks the server of a batch.

    Raises
    ------
    UsageError
        If the model is of another server, or a key is needed and missing.
    """
    if model is None:
        other = None if record.origin == record.base_url else record.origin
        model = endpoint(record.model, base_url=record.base_url, proxy_of=other)
    elif model.server.base_url != record.base_url:
        raise UsageError(
            f"{record.id} is at {record.base_url}; {model.name} is at {model.server.base_url}."
        )
    return form_for(model)


def _row(record: BatchRecord) -> tuple[Any, ...]:
    state = record.state
    return (
        record.id,
        record.model,
        record.base_url,
        state.word if state else record.step,
        record.requests,
        state.done if state else 0,
        state.failed if state else 0,
        record.waiting,
        record.at,
    )
