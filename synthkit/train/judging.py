"""Rewards that a judge model gives: by a yes-or-no question, or by a recipe over rows."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import Any

from synthkit.core.models import Model
from synthkit.core.types import Completion, Reject, Request, Row, Sampling, Steps
from synthkit.evaluate.checks import Judge, Verdict, read_verdict
from synthkit.prompts.templates import parse

SAMPLING = Sampling(temperature=0.0, max_tokens=128)

Rows = Sequence[Mapping[str, Any]]
Asking = Generator[list[Request], list[Completion], Any]


def question(judge: Judge, model: Model) -> Callable[[Rows], list[Verdict]]:
    """A function of rows that asks a model the question about the ``output`` of each."""
    template = parse(judge.template)

    def verdicts(rows: Rows) -> list[Verdict]:
        requests = [Request(template.render(row), SAMPLING) for row in rows]
        return [
            Verdict(None, f"the judge failed: {answer.error}")
            if answer.finish == "error"
            else read_verdict(answer.text)
            for answer in completed(requests, model)
        ]

    return verdicts


def recipe_scores(
    make: Callable[..., Any], model: Model
) -> Callable[[Sequence[Mapping[str, Any]]], list[Any]]:
    """A function of rows that runs a recipe on them: its first column, or why there is none.

    Parameters
    ----------
    make : makes a recipe of ``rows``, with one branch for each, such as
        ``functools.partial(recipes.judge, rubrics="quality", column="completion")``.
    """

    def scores(rows: Rows) -> list[Any]:
        recipe = make(rows=list(rows))
        outcomes: list[list[Row | Reject]] = [[] for _ in rows]
        asking = together(
            [flat(steps, found) for steps, found in zip(recipe.branches(), outcomes, strict=True)]
        )
        reply = None
        while True:
            try:
                requests = asking.send(reply)  # type: ignore[arg-type]
            except StopIteration:
                return [_first(found, recipe.columns[0]) for found in outcomes]
            reply = completed(requests, model)

    return scores


def completed(requests: Sequence[Request], model: Model) -> list[Completion]:
    """The completions of requests, in their order; equal requests are sent once."""
    keys = [request.key(model.fingerprint) for request in requests]
    first = dict(zip(keys, requests, strict=True))
    answers = dict(event for event in model.complete(list(first.values())) if event is not None)
    by_key = {key: answers[at] for at, key in enumerate(first)}
    return [by_key[key] for key in keys]


def flat(steps: Steps[Any], outcomes: list[Row | Reject]) -> Asking:
    """Steps, with those that they start, as one generator of requests; outcomes are collected."""
    reply: Any = None
    while True:
        try:
            step: Any = steps.send(reply)
        except StopIteration as end:
            return end.value
        reply = []
        if step and isinstance(step[0], Request):
            reply = yield step
        elif step and isinstance(step[0], Row | Reject):
            outcomes += step
        elif step:
            reply = yield from together([flat(each, outcomes) for each in step])


def together(several: Sequence[Asking]) -> Asking:
    """Several generators of requests side by side; what each returns."""
    results: list[Any] = [None] * len(several)
    replies: dict[int, Any] = dict.fromkeys(range(len(several)))
    while replies:
        waiting: dict[int, list[Request]] = {}
        for at, reply in replies.items():
            try:
                waiting[at] = list(several[at].send(reply))
            except StopIteration as end:
                results[at] = end.value
        if not waiting:
            break
        answers = iter((yield [request for requests in waiting.values() for request in requests]))
        replies = {at: [next(answers) for _ in requests] for at, requests in waiting.items()}
    return results


def _first(outcomes: Sequence[Row | Reject], column: str) -> Any:
    """The cell of the first row; no verdict if there is none."""
    for outcome in outcomes:
        if isinstance(outcome, Row):
            return outcome.cells.get(column)
    return Verdict(None, outcomes[0].reason if outcomes else "the recipe made no row")  # type: ignore[union-attr]
