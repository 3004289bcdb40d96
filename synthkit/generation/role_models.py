"""Completions of several models at the same time: each request goes to the model of its role."""

from __future__ import annotations

import queue
from collections.abc import Generator, Mapping, Sequence

from synthkit.core.models import Activity, Model
from synthkit.core.types import Completion, Request
from synthkit.models.worker import Item, Worker, close

TICK_SECONDS = 0.04


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
    workers: dict[int, Worker] = {}
    submitted = answered = 0
    answering: Worker | None = None
    try:
        while answered < len(requests):
            parts: dict[int, list[tuple[int, Request]]] = {}
            for position, request in enumerate(requests[submitted:], submitted):
                at = distinct.index(models[request.to])
                parts.setdefault(at, []).append((position, request))
            submitted = len(requests)
            for at, part in parts.items():
                if at not in workers:
                    workers[at] = Worker(distinct[at], out)
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
        close(workers.values())


def activity(models: Mapping[str, Model]) -> Activity:
    """What the models are doing, together; nothing is known of those that do not say it."""
    distinct = {id(model): model for model in models.values()}.values()
    return Activity.together([model.activity for model in distinct if hasattr(model, "activity")])
