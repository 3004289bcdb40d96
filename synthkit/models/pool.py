"""Several models as one: each request goes to the model of its role, and they work side by side."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Completion, Model, Request, canonical

TICK_SECONDS = 0.04

Item = tuple["_Worker", "tuple[int, Completion] | BaseException"]


class Several:
    """A ``types.Model`` made of models, which answer at the same time.

    Parameters
    ----------
    models : role -> model. The role ``""`` answers what is asked of none in particular. One model
        may have many roles; it still reads one list of requests.

    Raises
    ------
    UsageError
        If no model has the role ``""``.

    Examples
    --------
    >>> from synthkit.models.fake import Fake
    >>> from synthkit.core.types import Message
    >>> several = Several({"": Fake("A draft."), "judge": Fake("Good.", name="judge")})
    >>> asked = [Request((Message("user", "?"),), to=role) for role in ("judge", "")]
    >>> sorted((at, done.text) for at, done in filter(None, several.complete(asked)))
    [(0, 'Good.'), (1, 'A draft.')]
    """

    price = None

    def __init__(self, models: Mapping[str, Model]) -> None:
        if "" not in models:
            raise UsageError(
                "expected a model for the role '', which answers what is asked of no role; got "
                f"{', '.join(map(repr, models)) or 'none'}."
            )
        self.models = dict(models)
        self.name = " + ".join(dict.fromkeys(model.name for model in self.models.values()))

    @property
    def fingerprint(self) -> str:
        """The fingerprints by role. A request's key has that of the model that answers it."""
        return canonical({role: model.fingerprint for role, model in self.models.items()}).decode()

    def of(self, request: Request) -> Model:
        """The model that answers a request.

        Raises
        ------
        UsageError
            If no model has its role.
        """
        if request.to not in self.models:
            raise UsageError(unknown("role", request.to, self.models))
        return self.models[request.to]

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """(position, completion) pairs as any model finishes one; ``None`` every 0.04 s of waiting.

        Each model works in a thread of its own, and goes on after each answer once the caller has
        taken it and said what follows. An only model works in the caller's thread.

        Raises
        ------
        UsageError
            If no model has the role of a request.
        ModelError
            If one of the models cannot go on; the others are closed first.
        """
        models = list(self.models.values())
        if all(model == models[0] for model in models):
            yield from self._alone(requests)
            return
        out: queue.SimpleQueue[Item] = queue.SimpleQueue()
        workers: dict[int, _Worker] = {}
        handed = answered = 0
        taken: _Worker | None = None
        try:
            while answered < len(requests):
                parts: dict[int, list[tuple[int, Request]]] = {}
                for position, request in enumerate(requests[handed:], handed):
                    at = models.index(self.of(request))
                    parts.setdefault(at, []).append((position, request))
                handed = len(requests)
                for at, part in parts.items():
                    if at not in workers:
                        workers[at] = _Worker(models[at], out)
                    workers[at].inbox.put(part)
                if taken is not None:
                    taken.resume.release()
                    taken = None
                try:
                    taken, done = out.get(timeout=TICK_SECONDS)
                except queue.Empty:
                    yield None
                    continue
                if isinstance(done, BaseException):
                    raise done
                answered += 1
                yield done
        finally:
            _close(workers.values())

    def _alone(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """What an only model answers, here and now; the roles are looked at as they come."""
        for request in requests:
            self.of(request)
        seen = len(requests)
        answers = self.models[""].complete(requests)
        try:
            for answer in answers:
                yield answer
                for request in requests[seen:]:
                    self.of(request)
                seen = len(requests)
        finally:
            _end(answers)


class _Worker:
    """A model at work in a thread on its share of the requests; its answers go to ``out``.

    It is handed (position, request) pairs through ``inbox``, and waits for ``resume`` after each
    answer: so what follows from an answer reaches the model before it could run out of requests,
    as it does where a model works in the caller's thread. A model that has run out nevertheless is
    asked anew.
    """

    def __init__(self, model: Model, out: queue.SimpleQueue[Item]) -> None:
        self.model, self.out = model, out
        self.inbox: queue.SimpleQueue[list[tuple[int, Request]]] = queue.SimpleQueue()
        self.resume = threading.Semaphore(0)
        self.closing = False
        self.thread = threading.Thread(target=self._main, name="synthkit-several", daemon=True)
        self.thread.start()

    def _main(self) -> None:
        try:
            while not self.closing:
                if part := self.inbox.get():
                    self._answer(part)
        except BaseException as error:  # the caller's thread waits for it, and raises it
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
            _end(answers)


def _close(workers: Collection[_Worker]) -> None:
    """End the workers, each of which closes its model's iterator in its own thread."""
    for worker in workers:
        worker.closing = True
        worker.inbox.put([])
        worker.resume.release()
    for worker in workers:
        worker.thread.join()


def _end(answers: Iterator[object]) -> None:
    """Close an iterator that can be closed."""
    close = getattr(answers, "close", None)
    if close is not None:
        close()
