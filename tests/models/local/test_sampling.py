from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Sampling
from synthkit.models.local import sampling
from synthkit.models.local.sampling import Knobs

DRAWS = 40_000


def frequencies(logp: NDArray[np.float64], head: int, knob: Knobs) -> NDArray[np.float64]:
    """How often each token is drawn, when ``head`` columns are looked at first."""
    order = np.argsort(-logp)
    tokens = np.tile(order[:head], (DRAWS, 1))
    seeds = np.arange(DRAWS, dtype=np.uint64)
    steps = np.full(DRAWS, 3, np.uint64)
    drawn = sampling.draw(
        np.tile(logp[order[:head]], (DRAWS, 1)), tokens, seeds, steps, [knob] * DRAWS
    )
    for at in np.flatnonzero(drawn < 0):
        drawn[at] = sampling.draw_all(logp, int(seeds[at]), 3, knob, tokens[at])
    return np.bincount(drawn, minlength=len(logp)) / DRAWS


@pytest.fixture
def logp() -> NDArray[np.float64]:
    logits = np.random.default_rng(0).normal(size=40) * 2
    shifted: NDArray[np.float64] = logits - np.logaddexp.reduce(logits)
    return shifted


def close(got: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    """Within five standard errors at every token."""
    error = np.sqrt(np.maximum(expected * (1 - expected), 1e-4) / DRAWS)
    assert (np.abs(got - expected) < 5 * error).all()


@pytest.mark.parametrize("head", [40, 8, 2])
def test_draws_follow_the_distribution_however_small_the_head(
    logp: NDArray[np.float64], head: int
) -> None:
    close(frequencies(logp, head, Knobs(temperature=1.0)), np.exp(logp))


@pytest.mark.parametrize("head", [40, 4])
@pytest.mark.parametrize(
    "cut", [{"top_k": 6}, {"top_p": 0.8}, {"min_p": 0.1}, {"top_k": 10, "top_p": 0.9}]
)
def test_cuts_keep_what_transformers_keeps(
    logp: NDArray[np.float64], head: int, cut: dict[str, Any]
) -> None:
    import torch
    from transformers import MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    warpers = {"top_k": TopKLogitsWarper, "top_p": TopPLogitsWarper, "min_p": MinPLogitsWarper}
    scores = torch.tensor(logp)[None]
    for name, value in cut.items():
        scores = warpers[name](value)(None, scores)
    close(
        frequencies(logp, head, Knobs(temperature=1.0, **cut)),
        torch.softmax(scores[0], -1).numpy(),
    )


def test_nothing_that_a_grammar_forbids_is_drawn() -> None:
    logp = np.array([np.log(0.5), np.log(0.5), -np.inf, -np.inf])
    found = frequencies(logp, 3, Knobs(temperature=1.0))
    assert found[2:].sum() == 0


def test_noise_is_gumbel_and_independent_over_seeds_steps_and_tokens() -> None:
    count = np.arange(20_000, dtype=np.uint64)
    one, tokens = np.ones_like(count), np.full((len(count), 1), 7)
    along = [
        sampling.noise(count, one, tokens)[:, 0],
        sampling.noise(one, count, tokens)[:, 0],
        sampling.noise(one[:1], one[:1], count[None].astype(np.int64))[0],
    ]
    for values in along:
        assert values.mean() == pytest.approx(0.5772, abs=0.05)
        assert values.var() == pytest.approx(np.pi**2 / 6, abs=0.1)
        assert abs(np.corrcoef(values[:-1], values[1:])[0, 1]) < 0.03


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"top_k": -1}, "top_k must be 0"),
        ({"top_k": True}, "top_k must be of type int; got True"),
        ({"top_k": 2.5}, "top_k must be of type int"),
        ({"min_p": 2}, "min_p must be from 0 to 1"),
        ({"repetition_penalty": 0}, "repetition_penalty must be above 0"),
        ({"ignore_eos": 1}, "ignore_eos must be of type bool"),
        ({"token_bias": [("a", 1)]}, "token_bias must be of type dict"),
        ({"token_bias": {"a": "1"}}, "numbers from -1e\\+09 to 1e\\+09; got '1' for 'a'"),
        ({"token_bias": {"a": True}}, "got True for 'a'"),
        ({"token_bias": {"a": float("nan")}}, "got nan for 'a'"),
        ({"token_bias": {"a": float("-inf")}}, "got -inf for 'a'"),
        ({"token_bias": {str(n): 0 for n in range(1001)}}, "at most 1000 tokens; got 1001"),
    ],
)
def test_a_value_that_cannot_be_is_refused(extra: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        sampling.knobs(Sampling(extra=extra))
