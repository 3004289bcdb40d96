"""Branches of a recipe under way: each is resumed when the completions it waits for are there."""

from __future__ import annotations

import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from synthkit.core.errors import RecipeError, SynthkitError, UsageError
from synthkit.core.types import Completion, Reject, Request, Row, Steps


@dataclass(frozen=True, slots=True)
class Answer:
    """A completion as a recipe received it; ``cached`` says that the store had it."""

    key: str
    completion: Completion
    cached: bool


@dataclass(slots=True)
class Branch:
    """Steps under way, and what they wait for: completions by their keys, or further steps.

    Parameters
    ----------
    position : of the recipe's branch that the steps belong to.
    parent, place : the steps that started these, and which of theirs these are.
    requests : all that the steps have asked so far, by key.
    answers : all that they have received.
    """

    position: int
    steps: Steps[Any]
    parent: Branch | None = None
    place: int = 0
    waiting_for: list[str] = field(default_factory=list)
    completions: dict[str, Completion] = field(default_factory=dict)
    children: list[Branch] = field(default_factory=list)
    unfinished: int = 0
    result: Any = None
    requests: dict[str, Request] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)


class BranchListener(Protocol):
    """What branches report to."""

    def key(self, request: Request) -> str:
        """The key of a request."""

    def asked(self, branch: Branch, requests: Mapping[str, Request]) -> None:
        """A branch waits for the completions of these requests, given by their keys."""

    def yielded(self, branch: Branch, outcome: Row | Reject) -> None:
        """A branch has made a row, or a reject."""

    def ended(self, branch: Branch) -> None:
        """A branch of the recipe has returned its ``result``."""


class Branches:
    """Resumes branches, and all those that can go on because of it, without recursion."""

    def __init__(self, listener: BranchListener) -> None:
        self.listener = listener
        self._ready: deque[tuple[Branch, list[Any] | None]] = deque()
        self._resuming = False

    def start(self, position: int, steps: Steps[Any]) -> None:
        """Start a branch of the recipe."""
        self._resume(Branch(position, steps), None)

    def deliver(self, branch: Branch, answer: Answer) -> None:
        """Give a branch one completion, and resume it once it has all that it waits for."""
        branch.completions[answer.key] = answer.completion
        branch.answers.append(answer)
        if len(branch.completions) == len(set(branch.waiting_for)):
            self._resume(branch, [branch.completions[key] for key in branch.waiting_for])

    def _resume(self, branch: Branch, reply: list[Any] | None) -> None:
        self._ready.append((branch, reply))
        if self._resuming:
            return
        self._resuming = True
        try:
            while self._ready:
                self._advance(*self._ready.popleft())
        finally:
            self._resuming = False

    def _advance(self, branch: Branch, reply: list[Any] | None) -> None:
        """Run steps until they wait for something or end."""
        while True:
            try:
                step: Any = next(branch.steps) if reply is None else branch.steps.send(reply)
            except StopIteration as end:
                self._end(branch, end.value)
                return
            except SynthkitError:
                raise
            except Exception as error:
                raise _recipe_error(error) from error
            reply = []
            if not step:
                continue
            if isinstance(step[0], Request):
                self._ask(branch, step)
                return
            if not isinstance(step[0], Row | Reject):
                branch.children = [
                    Branch(branch.position, steps, branch, place)
                    for place, steps in enumerate(step)
                ]
                branch.unfinished = len(step)
                self._ready.extend((child, None) for child in branch.children)
                return
            if branch.parent is not None:
                raise UsageError(
                    "only a recipe's outermost steps yield rows; steps within it return them."
                )
            for outcome in step:
                self.listener.yielded(branch, outcome)

    def _ask(self, branch: Branch, requests: Sequence[Request]) -> None:
        branch.waiting_for = [self.listener.key(request) for request in requests]
        branch.completions = {}
        by_key = dict(zip(branch.waiting_for, requests, strict=True))
        branch.requests |= by_key
        self.listener.asked(branch, by_key)

    def _end(self, branch: Branch, result: Any) -> None:
        """Report the end of a branch of the recipe, or hand a result to the steps that wait."""
        branch.result = result
        parent = branch.parent
        if parent is None:
            self.listener.ended(branch)
            return
        parent.unfinished -= 1
        if not parent.unfinished:
            children, parent.children = parent.children, []
            for child in children:
                parent.requests |= child.requests
                parent.answers += child.answers
            self._ready.append((parent, [child.result for child in children]))


def _recipe_error(error: Exception) -> RecipeError:
    """An error in a recipe's own code: its words, and the line where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].name}, line {frames[-1].lineno})" if frames else ""
    return RecipeError(f"the recipe failed: {type(error).__name__}: {error}{place}")
