"""What a job would ask, and what that would take, told before anything is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.models import Model
from synthkit.core.types import Request
from synthkit.generation.spending import dollars


@dataclass(frozen=True, slots=True, kw_only=True)
class CostEstimate:
    """Expected tokens, cost (US dollars) and seconds; ``None`` where unknown."""

    prompt_tokens: int
    completion_tokens: int
    cost: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """How far a job gets with the completions that the session holds.

    Parameters
    ----------
    hits : requests whose completions are cached.
    next_requests : the requests that would be sent first. A recipe of several steps asks more,
        which depend on their answers.
    estimate : what the rest would take.
    """

    hits: int
    next_requests: list[Request]
    estimate: CostEstimate


def estimate(
    n: int, characters: int, most_tokens: int, *, model: Model, past: Sequence[Mapping[str, Any]]
) -> CostEstimate:
    """What ``n`` requests to a model would take, judged by its past runs in the session.

    Parameters
    ----------
    characters : the length of their prompts in total.
    most_tokens : the most tokens that they may be answered with in total.
    past : the records of all runs, as the store keeps them.
    """
    runs = [run for run in past if run["model"] == model.name and run["requests"]]
    requests = sum(run["requests"] for run in runs)
    seconds, completion_tokens = None, most_tokens
    if requests:
        completion_tokens = round(sum(run["completion_tokens"] for run in runs) / requests * n)
        seconds = n * sum(run["seconds"] for run in runs) / requests
    prompt_tokens = characters // 4
    return CostEstimate(
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        cost=dollars(model.price, prompt_tokens, completion_tokens),
        seconds=seconds if n else 0.0,
    )
