"""The completions of a lab's requests: cached, running, or missing.

Each model runs in a thread of its own, so that an error of one does not stop the others. Each
completion is stored as it arrives, as in any run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from synthkit.core.models import Activity, Ledger, Model
from synthkit.core.types import Completion, Request
from synthkit.generation.branches import Answer
from synthkit.generation.rows import RowEvent
from synthkit.generation.runner import run_recipe
from synthkit.recipes._ask import ask
from synthkit.store.ids import ID_DIGITS
from synthkit.store.store import Store

State = Literal["new", "asking", "error"]


@dataclass(frozen=True, slots=True)
class LabRequest:
    """One request to one model, its key, and its prompt template."""

    key: str
    request: Request
    prompt: str


class LabCompletions:
    """The completions of a lab, by the keys of their requests.

    Attributes
    ----------
    cached : key -> completion.
    failures : model name -> the error that ended its run.
    activities : model name -> what it does, while it runs.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.cached: dict[str, Completion] = {}
        self.failures: dict[str, str] = {}
        self.activities: dict[str, Activity] = {}
        self._running: set[str] = set()
        self._errors: dict[str, str] = {}
        self._lock = threading.RLock()

    def look_up(self, keys: Sequence[str]) -> None:
        """Read the completions of these keys from the store."""
        missing = [key for key in keys if key not in self.cached]
        self.cached.update(self.store.completions.get(missing) if missing else {})

    def state(self, key: str) -> tuple[State, str]:
        """The state of a request without a completion, and its error."""
        with self._lock:
            if key in self._running:
                return "asking", ""
            return ("error", self._errors[key]) if key in self._errors else ("new", "")

    def run(
        self,
        requests: Iterable[tuple[Model, Sequence[LabRequest]]],
        *,
        stop: threading.Event,
        changed: Callable[[], None],
    ) -> None:
        """Run the requests of each model; returns when every model is done, failed or stopped.

        Parameters
        ----------
        stop : set it from another thread to stop.
        changed : called after each completion, and now and then, from the threads of the models.
        """
        threads = [
            threading.Thread(target=self._run, args=(model, list(due), stop, changed), daemon=True)
            for model, due in requests
            if due
        ]
        for thread in threads:
            thread.start()
        try:
            for thread in threads:
                while thread.is_alive():
                    thread.join(0.1)
        except KeyboardInterrupt:
            stop.set()
            for thread in threads:
                thread.join()
            raise

    def add(self, key: str, completion: Completion) -> None:
        """Add a completion, or its error."""
        with self._lock:
            self._running.discard(key)
            if completion.finish == "error":
                self._errors[key] = completion.error
            else:
                self.cached[key] = completion

    def _run(
        self,
        model: Model,
        requests: list[LabRequest],
        stop: threading.Event,
        changed: Callable[[], None],
    ) -> None:
        keys = {request.key for request in requests}
        with self._lock:
            self._running |= keys
            for key in keys:
                self._errors.pop(key, None)
            self.failures.pop(model.name, None)
        changed()
        try:
            outcome = run_recipe(
                (ask(request.request, lambda completion: completion) for request in requests),
                models={"": model},
                store=self.store,
                cancel=stop,
                listener=_Listener(self, model.name, requests, changed),
            )
            done = sum(completion.finish != "error" for completion in outcome.results.values())
            prompts = "\n\n".join(dict.fromkeys(request.prompt for request in requests))
            ledger = replace(outcome.ledger, rejects=len(outcome.results) - done)
            ids = [requests[n].key[:ID_DIGITS] for n in sorted(outcome.results)]
            self.store.runs.add("", model.name, prompts, done, ledger, ids=ids)
            if outcome.ledger.stopped not in ("", "interrupted"):
                self.failures[model.name] = outcome.ledger.stopped
        except Exception as error:  # any error of one model; the others continue
            self.failures[model.name] = f"{type(error).__name__}: {error}"
        finally:
            with self._lock:
                self._running -= keys
                self.activities.pop(model.name, None)
            changed()


class _Listener:
    """Adds completions as they arrive: a :class:`~synthkit.generation.runner.RunListener`."""

    def __init__(
        self,
        completions: LabCompletions,
        model: str,
        requests: Sequence[LabRequest],
        changed: Callable[[], None],
    ) -> None:
        self.completions, self.model = completions, model
        self.requests, self.changed = requests, changed

    def row_made(self, event: RowEvent) -> None:
        """A lab's requests make no rows."""

    def branch_ended(self, position: int, result: Any, answers: Sequence[Answer]) -> None:
        """Add one completion."""
        self.completions.add(self.requests[position].key, result)
        self.changed()

    def tick(self, ledger: Ledger, activity: Activity) -> None:
        """Keep what the model does, and report that time has passed."""
        self.completions.activities[self.model] = activity
        self.changed()
