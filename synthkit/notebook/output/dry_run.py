"""The output of ``--dry-run``: the prompts, the cached completions, and an estimate of the rest."""

from __future__ import annotations

from synthkit.core.formatting import count, money
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.generation.batches import waiting
from synthkit.generation.dry_run import DryRun
from synthkit.generation.job import Job

PROMPTS = 3
"""Prompts that are shown."""


def outline(job: Job) -> StaticOutput:
    """The first prompts of a job, its cached and missing completions, and an estimate."""
    dry_run = job.dry_run()
    estimate = dry_run.estimate
    first = [request for request in job.requests if request is not None]
    # a branch that does not start with a request is shown by the request that follows
    rows = [
        {"prompt": i, "role": role, "text": text}
        for i, request in enumerate((first or dry_run.next_requests)[:PROMPTS])
        for role, text in [
            *((message.role, message.content) for message in request.messages),
            *([("to score", request.answer)] if request.answer is not None else []),
        ]
    ]
    parts = [
        _requests(job, dry_run),
        f"about {count(estimate.prompt_tokens, 'token')} in, "
        f"{count(estimate.completion_tokens, 'token')} out",
        "cost unknown" if estimate.cost is None else f"about {money(estimate.cost)}",
    ]
    if estimate.seconds is None:
        parts.append("time unknown before a first run")
    elif dry_run.next_requests:
        parts.append(f"about {max(1, round(estimate.seconds))} s")
    if in_batches := waiting(job.session.store, job.first_keys):
        parts.append(f"{count(in_batches, 'request')} in batches already")
    return static_table(rows, note=["; ".join(parts), *_first_miss(job, dry_run)])


def _requests(job: Job, dry_run: DryRun) -> str:
    """How many requests there are, how many are cached, and how many are to be sent."""
    bounds, cached, following = job.recipe.requests, dry_run.hits, len(dry_run.next_requests)
    if bounds.least == bounds.most:
        total = count(bounds.least, "request")
        return f"{total}: {cached} cached, {bounds.least - cached} to generate"
    rest = f"{following} to generate next" if following else "none to generate"
    return f"{bounds} requests: {cached} cached, {rest}"


def _first_miss(job: Job, dry_run: DryRun) -> list[str]:
    """Why the first missing completion is not cached, compared with the session's nearest."""
    if not dry_run.next_requests or not job.session.store.completions.count():
        return []
    request = dry_run.next_requests[0]
    return [f"First to generate: {job.session.explain(request, job.model_of(request))}"]
