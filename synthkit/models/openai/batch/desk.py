"""The requests of one run at a batch API: which wait in which batch, and which in none.

The record of a batch is written before it is submitted. If the process ends in between, the list of
the server's batches says whether it was, and a request is submitted again only if it was not.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from synthkit.core.environment import warn
from synthkit.core.errors import EndpointError, UsageError
from synthkit.core.formatting import count
from synthkit.core.processes import begin_work, end_work
from synthkit.core.types import Completion, Request
from synthkit.models.openai.batch import records
from synthkit.models.openai.batch.api import BatchForm, BatchResult, BatchState
from synthkit.models.openai.batch.outcomes import Outcomes
from synthkit.models.openai.batch.records import BatchRecord
from synthkit.models.openai.dialect import Dialect
from synthkit.models.openai.model import Endpoint
from synthkit.models.ticking import ticking
from synthkit.store.batches import Submitted
from synthkit.store.store import Store

T = TypeVar("T")

CERTAIN_SECONDS = 60.0
"""How long after a submission was begun the list of a server's batches is sure to have it."""
DOWNLOADS = 2
"""How often the files of a batch are read whose results are incomplete."""


class Desk:
    """The requests of one run that have no answer yet, by their keys.

    Parameters
    ----------
    say : is told what is done, for the people who wait.

    Attributes
    ----------
    asked : key -> position and request.
    where : key -> the batch that it waits in; those that are missing are to be submitted.
    problem : why the server refused a batch as a whole, if it did.
    unreachable : why the server could not be asked, if it could not.
    """

    def __init__(
        self, endpoint: Endpoint, store: Store, form: BatchForm, say: Callable[[str], None]
    ) -> None:
        self.endpoint, self.store, self.form, self.say = endpoint, store, form, say
        self.asked: dict[str, tuple[int, Request]] = {}
        self.where: dict[str, Submitted] = {}
        self.records: dict[str, BatchRecord] = {}
        self.trial = Dialect()
        self.problem = self.unreachable = ""
        self._again: dict[str, Submitted] = {}
        self._failed: dict[str, list[str]] = {}
        self._waited = False

    def take(self, requests: Sequence[Request], first: int) -> int:
        """Take the requests from position ``first`` on; returns how many there are by now.

        Raises
        ------
        UsageError
            If no server can do one of them.
        """
        fingerprint = self.endpoint.fingerprint
        for position, request in enumerate(requests[first:], first):
            self.endpoint.check(request)
            self.asked[request.key(fingerprint)] = (position, request)
        self.warn()
        return len(requests)

    def warn(self) -> None:
        """Give the warnings of what the server takes and ignores."""
        notices = self.endpoint.known.notices
        while notices:
            warn(self.endpoint.server.redact(notices.pop(0)), RuntimeWarning, stacklevel=2)

    def collect(self) -> Iterator[tuple[int, Completion] | None]:
        """The answers that are there by now; ``None`` while the server is asked."""
        yield from ticking(self._look)
        ended = [each for each in self.records.values() if each.state and each.state.ended]
        for record in ended:
            keys = [key for key, at in self.where.items() if at.batch == record.tag]
            if record.state and record.state.problem:
                words = f"{record.id} failed: {record.state.problem}"
                self.problem = self.endpoint.server.redact(words)
                self.store.leases.batches.forget(record.tag)
                self._leave(keys)
                continue
            self.say(f"reading the answers of {record.id}")
            try:
                results = yield from ticking(partial(self._results, record, keys))
            except EndpointError as error:
                self._bear(error)
                continue
            yield from self._answers(record, keys, results)
        self.say("")

    def _leave(self, keys: Iterable[str]) -> None:
        """Note that some requests wait in no batch."""
        for key in keys:
            self.where.pop(key, None)

    def _look(self) -> None:
        """Ask the server about the batches that the requests wait in."""
        self.say(f"asking {self.endpoint.server.base_url} about its batches")
        self.unreachable = ""
        where = self.store.leases.batches.of(self.asked)
        tags = {each.batch for each in where.values()}
        found: list[BatchRecord] = []
        try:
            for record in records.all_records(self.store):
                if record.fingerprint == self.endpoint.fingerprint and record.has_answers:
                    self.endpoint.known.adopt(record.dialect)
                if record.tag in tags:
                    found.append(record)
            self.records = {
                settled.tag: settled for each in found if (settled := self._settled(each))
            }
        finally:
            self.form.api.close()
        waiting = {key: at for key, at in where.items() if at.batch in self.records}
        self.where = {key: at for key, at in waiting.items() if key not in self._again}

    def _settled(self, record: BatchRecord) -> BatchRecord | None:
        """The batch as it is by now; ``None`` if it was never submitted."""
        if record.state is not None and record.state.ended:
            return record
        try:
            if record.state is not None:
                state = self.form.look(record.state.id)
                if state == record.state:
                    return record
                return records.keep(self.store, replace(record, state=state))
            if not record.is_abandoned:
                return record
            return self._reconciled(record)
        except EndpointError as error:
            if error.status == 404:
                raise self._gone(record, error) from None
            self._bear(error)
            return record

    def _bear(self, error: EndpointError) -> None:
        """Note that the server cannot be asked now; raises what it will say again."""
        if _is_refusal(error) and error.status != 429:
            raise error
        self.unreachable = str(error)

    def _gone(self, record: BatchRecord, error: EndpointError) -> EndpointError:
        """The error for a batch that the server does not know, with what to do."""
        gone = EndpointError(
            f"{error} If it was deleted there, %synth batches forget {record.id} has its requests "
            "submitted again; if it belongs to another account, use the key of that one."
        )
        gone.status = error.status
        return gone

    def _reconciled(self, record: BatchRecord) -> BatchRecord | None:
        """A batch whose process ended while it was submitted; ``None`` if it was not."""
        if record.step == "creating":
            others = [each.id for each in records.all_records(self.store) if each.state]
            state = self.form.find(record.tag, record.file, others)
            if state is not None:
                return records.keep(self.store, record.to("submitted", state=state, owner=""))
            if time.time() - record.changed < CERTAIN_SECONDS:
                return record
        return None if self._forget(record) else record

    def _forget(self, record: BatchRecord) -> bool:
        """Forget a batch that was not submitted, and delete its file.

        ``False`` if another kernel knows more of it by now.
        """
        if not self.store.leases.batches.forget(record.tag, record.body()):
            return False
        if record.file:
            with suppress(EndpointError):  # the server deletes it some day
                self.form.remove(record.file)
        return True

    def _results(self, record: BatchRecord, keys: Sequence[str]) -> Mapping[str, BatchResult]:
        """The results of requests; those that answer before those that fail."""
        assert record.state is not None
        results: dict[str, BatchResult] = {}
        try:
            for _ in range(DOWNLOADS):
                whole = True
                for result in self.form.results(record.state):
                    if result is None:
                        whole = False
                    elif result.key not in results or results[result.key].status != 200:
                        results[result.key] = result
                if whole and all(key in results for key in keys):
                    break
        except EndpointError as error:
            raise (self._gone(record, error) if error.status == 404 else error) from None
        finally:
            self.form.api.close()
        return results

    def _answers(
        self, record: BatchRecord, keys: Sequence[str], results: Mapping[str, BatchResult]
    ) -> Iterator[tuple[int, Completion]]:
        """The answers of a batch that has ended; what can still succeed is submitted again."""
        outcomes = Outcomes(self.endpoint, record)
        failed = self._failed.setdefault(record.tag, [])
        try:
            for key in keys:
                position, request = self.asked[key]
                before = self.where.pop(key)
                completion = outcomes.completion(request, results.get(key), before.tries)
                if completion is None:
                    self._again[key] = before
                    continue
                if completion.finish == "error":
                    failed.append(key)
                del self.asked[key]
                yield position, completion
        finally:
            self.trial |= outcomes.trial
            self.warn()

    def refusal(self) -> EndpointError:
        """The error for a batch that was refused as a whole."""
        error = EndpointError(
            f"{self.endpoint.server.base_url}: {self.problem}. Nothing of it was done. Mend that "
            "and run it again; with fewer rows if the server limits what may wait."
        )
        error.status = 400
        return error

    @property
    def unsubmitted(self) -> list[str]:
        """The keys of the requests that wait in no batch."""
        return [key for key in self.asked if key not in self.where]

    def submit(self) -> None:
        """Submit the requests that wait in no batch, in as many batches as they need.

        Raises
        ------
        EndpointError
            If the server refuses the file or the batch, or cannot be reached.
        """
        dialect = self.endpoint.known.dialect | self.trial
        try:
            for lines in self._parts(self.unsubmitted, dialect):
                self._submit(lines, dialect)
        finally:
            self.form.api.close()
            self.say("")

    def _parts(self, keys: Sequence[str], dialect: Dialect) -> Iterator[dict[str, bytes]]:
        """The lines of requests by their keys, as many as one batch may have."""
        part: dict[str, bytes] = {}
        size = 0
        for key in keys:
            body = json.loads(self.endpoint.body(self.asked[key][1], dialect))
            line = self.form.line(key, body)
            full = len(part) >= self.form.most_requests or size + len(line) > self.form.most_bytes
            if part and full:
                yield part
                part, size = {}, 0
            part[key] = line
            size += len(line) + 1
        if part:
            yield part

    def _submit(self, lines: Mapping[str, bytes], dialect: Dialect) -> None:
        """Submit one batch; the requests that another kernel submits meanwhile are left out."""
        tag = uuid.uuid4().hex[:16]
        owner = begin_work(tag)
        record = BatchRecord(
            tag=tag,
            model=self.endpoint.name,
            fingerprint=self.endpoint.fingerprint,
            base_url=self.endpoint.server.base_url,
            origin=self.endpoint.server.origin,
            requests=len(lines),
            dialect=dialect,
            owner=owner,
        )
        befores = {key: self._again.get(key) for key in lines}
        batches = self.store.leases.batches
        try:
            taken = batches.claim(record.tag, record.owner, record.body(), befores)
            own = [key for key in lines if key not in taken]
            self.where |= batches.of(taken)
            if own:
                record = replace(record, requests=len(own))
                self.records[record.tag] = record = self._sent(record, [lines[key] for key in own])
                self.where |= batches.of(own)
        finally:
            end_work(owner)
        for key in lines:
            self._again.pop(key, None)

    def _sent(self, record: BatchRecord, lines: Sequence[bytes]) -> BatchRecord:
        """Send a batch that is recorded, and record what the server makes of it."""
        content = b"\n".join(lines) + b"\n"
        what = f"{count(len(lines), 'request')} ({len(content) / 1e6:.1f} MB)"
        self.say(f"uploading {what} to {record.base_url}")
        try:
            record = records.keep(self.store, record)
            file = self.form.upload(record.tag, content)
            record = records.keep(self.store, record.to("creating", file=file))
            self.say(f"submitting {what} to {record.base_url}")
            state = self._created(record, content)
            record = records.keep(self.store, record.to("submitted", state=state, owner=""))
        except BaseException as error:
            if record.step == "uploading" or _is_refusal(error):
                self._forget(record)
                if isinstance(error, EndpointError) and error.status in (404, 405, 501):
                    raise UsageError(
                        f"{record.base_url} seems to have no batch API. Ask it directly: without "
                        f"--batch, or batch=False. {error}"
                    ) from None
            elif record.step == "creating":
                records.keep(self.store, replace(record, owner=""))
            raise
        return record

    def _created(self, record: BatchRecord, content: bytes) -> BatchState:
        """The state of a batch that is submitted now; looked up if the answer was lost."""
        try:
            return self.form.create(record.tag, record.file, content)
        except EndpointError as error:
            if _is_refusal(error):
                raise
            with suppress(EndpointError):  # a list that is refused says nothing of the batch
                others = [each.id for each in records.all_records(self.store) if each.state]
                if state := self.form.find(record.tag, record.file, others):
                    return state
            raise

    def later(self) -> Iterator[tuple[int, Completion]]:
        """For each request that has no answer yet, a completion that says when it comes."""
        words = f"{self.words()}; run it again to collect the answers"
        for position, _ in self.asked.values():
            yield position, Completion("", finish="later", error=words)
        self._waited |= bool(self.asked)
        self.asked.clear()

    def end(self) -> None:
        """Let a later run submit again what was refused, if nothing else has to be waited for.

        Until then it stays refused, so that a run which only collects submits nothing.
        """
        self.store.leases.batches.tidy()
        if not self._waited:
            for tag, keys in self._failed.items():
                self.store.leases.batches.release(keys, tag)

    def words(self) -> str:
        """What the requests wait for, for people."""
        tags = {self.where[key].batch for key in self.asked if key in self.where}
        waiting = [each for each in records.all_records(self.store) if each.tag in tags]
        parts = []
        if waiting:
            n = len(self.asked) - len(self.unsubmitted)
            parts.append(records.waits(waiting, n))
        if self.unsubmitted:
            parts.append(f"{count(len(self.unsubmitted), 'request')} not submitted yet")
        return "; ".join(filter(None, [*parts, self.unreachable]))


def _is_refusal(error: BaseException) -> bool:
    """Whether a server has refused what it was asked, so that it has done nothing."""
    status = error.status if isinstance(error, EndpointError) else None
    return status is not None and status < 500 and status not in (408, 409)
