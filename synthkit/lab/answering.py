"""Inquiry: which answers are held, which are on their way, and having the others given.

Models are asked side by side, each in a thread of its own: what fails with one does not stop the
others. Answers are committed to the store one by one, as in any run.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from synthkit.core.types import Completion, Ledger, Model, Request
from synthkit.generation.branches import Answer
from synthkit.generation.runner import RowEvent, run_recipe
from synthkit.recipes._ask import ask
from synthkit.store.ids import ID_DIGITS
from synthkit.store.store import Store

State = Literal["new", "asking", "error"]


@dataclass(frozen=True, slots=True)
class Question:
    """One request to one model, and the template it was made of."""

    key: str
    request: Request
    prompt: str


class Inquiry:
    """The answers to a set of questions, by the keys of their requests.

    ``held`` has what is answered; ``failures`` says of each model why it could not go on.
    """

    def __init__(self, store: Store) -> None:
        self.store = store
        self.held: dict[str, Completion] = {}
        self.failures: dict[str, str] = {}
        self._asking: set[str] = set()
        self._errors: dict[str, str] = {}
        self._lock = threading.RLock()

    def look_up(self, keys: Sequence[str]) -> None:
        """Take from the store what it holds under these keys."""
        absent = [key for key in keys if key not in self.held]
        self.held.update(self.store.completions.get(absent) if absent else {})

    def state(self, key: str) -> tuple[State, str]:
        """What is known of a question without an answer, and why there is none."""
        with self._lock:
            if key in self._asking:
                return "asking", ""
            return ("error", self._errors[key]) if key in self._errors else ("new", "")

    def ask(
        self,
        questions: Iterable[tuple[Model, Sequence[Question]]],
        *,
        stop: threading.Event,
        changed: Callable[[], None],
    ) -> None:
        """Have the questions answered; ends when each model is done, has failed or was stopped.

        Parameters
        ----------
        stop : set it from another thread to end with what is done.
        changed : called after each answer, and now and then, from the threads that ask.
        """
        threads = [
            threading.Thread(
                target=self._ask, args=(model, list(asked), stop, changed), daemon=True
            )
            for model, asked in questions
            if asked
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

    def _ask(
        self,
        model: Model,
        questions: list[Question],
        stop: threading.Event,
        changed: Callable[[], None],
    ) -> None:
        keys = {question.key for question in questions}
        with self._lock:
            self._asking |= keys
            for key in keys:
                self._errors.pop(key, None)
            self.failures.pop(model.name, None)
        changed()
        try:
            outcome = run_recipe(
                (ask(question.request, lambda completion: completion) for question in questions),
                models={"": model},
                store=self.store,
                cancel=stop,
                listener=_Watch(self, questions, changed),
            )
            done = sum(completion.finish != "error" for completion in outcome.results.values())
            prompts = "\n\n".join(dict.fromkeys(question.prompt for question in questions))
            ledger = replace(outcome.ledger, rejects=len(outcome.results) - done)
            ids = [questions[n].key[:ID_DIGITS] for n in sorted(outcome.results)]
            self.store.runs.add("", model.name, prompts, done, ledger, ids=ids)
            if outcome.ledger.stopped not in ("", "interrupted"):
                self.failures[model.name] = outcome.ledger.stopped
        except Exception as error:  # of a model that breaks its promise; the others go on
            self.failures[model.name] = f"{type(error).__name__}: {error}"
        finally:
            with self._lock:
                self._asking -= keys
            changed()

    def take(self, key: str, completion: Completion) -> None:
        """Keep one answer, or why there is none."""
        with self._lock:
            self._asking.discard(key)
            if completion.finish == "error":
                self._errors[key] = completion.error
            else:
                self.held[key] = completion


class _Watch:
    """A :class:`~synthkit.generation.runner.RunListener` that hands each answer to its inquiry."""

    def __init__(
        self, inquiry: Inquiry, questions: Sequence[Question], changed: Callable[[], None]
    ) -> None:
        self.inquiry, self.questions, self.changed = inquiry, questions, changed

    def row_made(self, event: RowEvent) -> None:
        """Questions make no rows."""

    def branch_ended(self, position: int, result: Any, answers: Sequence[Answer]) -> None:
        """Take one answer."""
        self.inquiry.take(self.questions[position].key, result)
        self.changed()

    def tick(self, ledger: Ledger) -> None:
        """Let those who look on know that time passes."""
        self.changed()
