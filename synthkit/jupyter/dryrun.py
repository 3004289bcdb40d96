"""What ``--dry-run`` shows: the prompts as they would be sent, and what they would take."""

from __future__ import annotations

from synthkit.jupyter.display import Static, count, grid, money
from synthkit.synthesis import Plan
from synthkit.types import Request

SHOWN = 3


def outline(plan: Plan) -> Static:
    """The first rendered prompts of a plan, its hits and misses, and an estimate."""
    misses = plan.misses()
    hits = len(plan.requests) - len(misses)
    estimate = plan.estimate()
    rows = [
        {"prompt": i, "role": message.role, "text": message.content}
        for i, request in enumerate(plan.requests[:SHOWN])
        for message in request.messages
    ]
    parts = [
        f"{count(len(plan.requests), 'request')}: {hits} from the session, {len(misses)} to ask",
        f"about {count(estimate.prompt_tokens, 'token')} in, "
        f"{count(estimate.completion_tokens, 'token')} out",
    ]
    parts.append("cost unknown" if estimate.cost is None else f"about {money(estimate.cost)}")
    if estimate.seconds is None:
        parts.append("time unknown before a first run")
    elif misses:
        parts.append(f"about {max(1, round(estimate.seconds))} s")
    note = "; ".join(parts)
    return grid(rows, note=note + _why(plan, misses))


def _why(plan: Plan, misses: list[Request]) -> str:
    """Why the first miss is one, where the session has something to compare it with."""
    if not misses or not plan.session.store.count():
        return ""
    return f". First to ask: {plan.session.explain(misses[0], plan.model)}"
