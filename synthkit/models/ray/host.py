"""What runs on a node: a model that answers the requests that arrive, in streams of its own."""

from __future__ import annotations

import os
import pickle
import platform
import queue
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from synthkit.core.errors import ModelError
from synthkit.core.models import Activity, Model
from synthkit.core.types import Completion, Request

TOGETHER_SECONDS = 0.005
"""How long completions that follow the first are waited for, so that they travel together."""

Part = list[tuple[int, Request]]
"""Requests with their positions."""


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a worker says when it has its model, or why it cannot have it."""

    node: str
    fingerprint: str = ""
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What a worker has finished since it was asked last, and what it is doing."""

    completions: list[tuple[int, Completion]] = field(default_factory=list)
    activity: Activity = field(default_factory=Activity)
    error: BaseException | None = None


class Stream:
    """Requests that one run sends to a model, answered in a thread.

    The model's iterator stays open while nothing is to be done, so that an endpoint keeps its
    connections and what it has learnt of the server until the run ends.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.inbox: queue.SimpleQueue[Part | None] = queue.SimpleQueue()
        self.out: queue.SimpleQueue[tuple[int, Completion] | BaseException | None] = (
            queue.SimpleQueue()
        )
        self.thread = threading.Thread(target=self._main, name="synthkit-ray-stream", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        """Abandon what is under way; whoever waits for news gets them at once."""
        self.inbox.put(None)
        self.out.put(None)

    def news(self, seconds: float) -> News:
        """What is finished; waits at most so many seconds for the first completion."""
        completions: list[tuple[int, Completion]] = []
        error: BaseException | None = None
        until = time.monotonic() + seconds
        while error is None:
            try:
                item = self.out.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if item is None:
                break
            if isinstance(item, BaseException):
                error = item
            else:
                completions.append(item)
                until = min(until, time.monotonic() + TOGETHER_SECONDS)
        activity = getattr(self.model, "activity", Activity())
        return News(completions, activity, error)

    def _main(self) -> None:
        try:
            self._answer()
        except BaseException as error:  # raised where the run is
            self.out.put(sendable(error))

    def _answer(self) -> None:
        positions: list[int] = []
        feed: list[Request] = []
        answered = 0

        def go_on() -> bool:
            """Take what has arrived, and wait for it if nothing is to be done."""
            while answered == len(feed) or not self.inbox.empty():
                part = self.inbox.get()
                if part is None:
                    return False
                positions.extend(position for position, _ in part)
                feed.extend(request for _, request in part)
            return True

        if not go_on():
            return
        answers = self.model.complete(feed)
        try:
            for answer in answers:
                if answer is not None:
                    answered += 1
                    self.out.put((positions[answer[0]], answer[1]))
                if not go_on():
                    return
        finally:
            if close := getattr(answers, "close", None):
                close()


class Host:
    """A model on a node, which several runs may use at the same time: the class of the actors.

    Parameters
    ----------
    load : makes the model, when it is greeted.
    """

    def __init__(self, load: Callable[[], Model]) -> None:
        self._load = load
        self._model: Model | None = None
        self._streams: dict[str, Stream] = {}
        self._ended: set[str] = set()
        self._lock = threading.Lock()

    def greet(self, variables: Mapping[str, str]) -> Greeting:
        """Make the model, if that is not done; ``variables`` are set in the environment before."""
        node = platform.node()
        with self._lock:
            os.environ.update(variables)
            try:
                self._model = self._model or self._load()
            except Exception as error:  # raised where the run is
                return Greeting(node, error=sendable(error))
            return Greeting(node, self._model.fingerprint)

    def exchange(self, stream: str, part: Part, seconds: float) -> News:
        """Take requests of a run, and give what is finished; wait for it so many seconds."""
        with self._lock:
            if stream in self._ended or self._model is None:
                return News()
            if stream not in self._streams:
                self._streams[stream] = Stream(self._model)
            current = self._streams[stream]
        if part:
            current.inbox.put(part)
        return current.news(seconds)

    def stop(self, stream: str) -> None:
        """Abandon the requests of a run."""
        with self._lock:
            self._ended.add(stream)
            current = self._streams.pop(stream, None)
        if current is not None:
            current.stop()


def sendable(error: BaseException) -> BaseException:
    """The error, or one with its text if it cannot be sent to another process."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does
        return ModelError(f"{type(error).__name__}: {error}")
    return error
