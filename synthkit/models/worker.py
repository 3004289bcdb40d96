"""A model in a thread of its own, which answers requests as they are handed to it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Collection
from typing import TypeAlias

from synthkit.core.models import Model
from synthkit.core.types import Completion, Request

Item: TypeAlias = "tuple[Worker, tuple[int, Completion] | BaseException]"


class Worker:
    """A model that answers its share of the requests in a thread and puts completions in ``out``.

    It receives (position, request) pairs through ``inbox`` and waits for ``resume`` after each
    completion, so that follow-up requests arrive before the model runs out of requests and ends
    its stream. If the stream has ended, the next requests open a new one. After an error, which it
    puts in ``out``, it has ended.
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


def close(workers: Collection[Worker]) -> None:
    """Stop the workers; each closes its model's iterator in its own thread."""
    for worker in workers:
        worker.closing = True
        worker.inbox.put([])
        worker.resume.release()
    for worker in workers:
        worker.thread.join()
