"""Completions of several models at the same time: each request goes to the model of its role."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Generator, Mapping, Sequence

from synthkit.core.models import Activity, Model
from synthkit.core.types import Completion, Request

TICK_SECONDS = 0.04

Item = tuple["_Worker", "tuple[int, Completion] | BaseException"]


def complete(
    models: Mapping[str, Model], requests: Sequence[Request]
) -> Generator[tuple[int, Completion] | None]:
    """(position, completion) pairs as any model finishes one; ``None`` every 0.04 s of waiting.

    Each model works in its own thread. After each completion it waits until the caller has
    taken it and appended any follow-up requests. A single model works in the caller's thread.

    Parameters
    ----------
    models : role -> model. The role ``""`` answers requests without a role. A model may have
        several roles; it still reads one list of requests.

    Raises
    ------
    ModelError
        If one of the models cannot continue; the others are closed first.

    Examples
    --------
    >>> from synthkit.models.fake import Fake
    >>> from synthkit.core.types import Message
    >>> models = {"": Fake("A draft."), "judge": Fake("Good.", name="judge")}
    >>> asked = [Request((Message("user", "?"),), to=role) for role in ("judge", "")]
    >>> sorted((at, done.text) for at, done in filter(None, complete(models, asked)))
    [(0, 'Good.'), (1, 'A draft.')]
    """
    distinct = list(models.values())
    if all(model == distinct[0] for model in distinct):
        yield from distinct[0].complete(requests)
        return
    out: queue.SimpleQueue[Item] = queue.SimpleQueue()
    workers: dict[int, _Worker] = {}
    submitted = answered = 0
    answering: _Worker | None = None
    try:
        while answered < len(requests):
            parts: dict[int, list[tuple[int, Request]]] = {}
            for position, request in enumerate(requests[submitted:], submitted):
                at = distinct.index(models[request.to])
                parts.setdefault(at, []).append((position, request))
            submitted = len(requests)
            for at, part in parts.items():
                if at not in workers:
                    workers[at] = _Worker(distinct[at], out)
                workers[at].inbox.put(part)
            if answering is not None:
                answering.resume.release()
                answering = None
            try:
                answering, done = out.get(timeout=TICK_SECONDS)
            except queue.Empty:
                yield None
                continue
            if isinstance(done, BaseException):
                raise done
            answered += 1
            yield done
    finally:
        _close(workers.values())


def activity(models: Mapping[str, Model]) -> Activity:
    """What the models are doing, together; nothing is known of those that do not say it."""
    distinct = {id(model): model for model in models.values()}.values()
    return Activity.together([model.activity for model in distinct if hasattr(model, "activity")])


class _Worker:
    """A model that answers its share of the requests in a thread and puts completions in ``out``.

    It receives (position, request) pairs through ``inbox`` and waits for ``resume`` after each
    completion, so that follow-up requests arrive before the model runs out of requests and ends
    its stream. If the stream has ended, the next requests open a new one.
    """

    def __init__(self, model: Model, out: queue.SimpleQueue[Item]) -> None:
        self.model, self.out = model, out
        self.inbox: queue.SimpleQueue[list[tuple[int, Request]]] = queue.SimpleQueue()
        self.resume = threading.Semaphore(0)
        self.closing = False
        self.thread = threading.Thread(target=self._main, name="synthkit-role-model", daemon=True)
        self.thread.start()

    def _main(self) -> None:
        try:
            while not self.closing:
                if part := self.inbox.get():
                    self._answer(part)
        except BaseException as error:  # raised in the caller's thread
            self.out.put((self, error))

    def _answer(self, part: list[tuple[int, Request]]) -> None:
        positions = [position for position, _ in part]
        feed = [request for _, request in part]
        answers = self.model.complete(feed)
        try:
            for answer in answers:
                if answer is not None:
                    self.out.put((self, (positions[answer[0]], answer[1])))
                    self.resume.acquire()
                while not self.inbox.empty():
                    for position, request in self.inbox.get():
                        positions.append(position)
                        feed.append(request)
                if self.closing:
                    return
        finally:
            if close := getattr(answers, "close", None):
                close()


def _close(workers: Collection[_Worker]) -> None:
    """Stop the workers; each closes its model's iterator in its own thread."""
    for worker in workers:
        worker.closing = True
        worker.inbox.put([])
        worker.resume.release()
    for worker in workers:
        worker.thread.join()
