"""What ``--dry-run`` shows: the prompts as they would be sent, and what they would take."""

from __future__ import annotations

from synthkit.core.formatting import count, money
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.generation.job import DryRun, Job

SHOWN = 3


def outline(making: Job) -> StaticOutput:
    """The first prompts of a recipe, its hits and misses, and an estimate."""
    outlook = making.dry_run()
    estimate = outlook.estimate
    # each branch's first request; those that begin otherwise are shown by what is ahead
    first = [
        request for request in making.first_requests() if request is not None
    ] or outlook.next_requests
    rows = [
        {"prompt": i, "role": role, "text": text}
        for i, request in enumerate(first[:SHOWN])
        for role, text in [
            *((message.role, message.content) for message in request.messages),
            *([("to score", request.answer)] if request.answer is not None else []),
        ]
    ]
    parts = [
        _requests(making, outlook),
        f"about {count(estimate.prompt_tokens, 'token')} in, "
        f"{count(estimate.completion_tokens, 'token')} out",
    ]
    parts.append("cost unknown" if estimate.cost is None else f"about {money(estimate.cost)}")
    if estimate.seconds is None:
        parts.append("time unknown before a first run")
    elif outlook.next_requests:
        parts.append(f"about {max(1, round(estimate.seconds))} s")
    return static_table(rows, note="; ".join(parts) + _why(making, outlook))


def _requests(making: Job, outlook: DryRun) -> str:
    """How many requests there are, and how many of them are to be asked."""
    bounds, hits = making.recipe.requests, outlook.hits
    if bounds.least == bounds.most:
        return f"{count(bounds.least, 'request')}: {hits} cached, {bounds.least - hits} to generate"
    ahead = (
        f"{len(outlook.next_requests)} to generate next"
        if outlook.next_requests
        else "none to generate"
    )
    return f"{bounds} requests: {hits} cached, {ahead}"


def _why(making: Job, outlook: DryRun) -> str:
    """Why the first miss is one, where the session has something to compare it with."""
    if not outlook.next_requests or not making.session.store.completions.count():
        return ""
    request = outlook.next_requests[0]
    why = making.session.explain(request, making.model_of(request))
    return f". First to ask: {why}"
