"""Log-probabilities of given texts, from models that run on this machine."""

from __future__ import annotations

import math
from collections.abc import Sequence

from synthkit.core.types import Completion, Reject


def token_logprobs(completion: Completion) -> list[float] | Reject:
    """The log-probability of each token of a scored text; a reject if there are none.

    >>> token_logprobs(Completion("a b", logprobs=((" b", -1.0),)))
    [-1.0]
    """
    if completion.finish == "error":
        return Reject(completion.text, completion.error)
    if completion.logprobs is None:
        reason = "the model gave no log-probabilities; use one on this machine, such as smollm2"
        return Reject(completion.text, reason)
    if not completion.logprobs:
        return Reject(completion.text, "it is a single token, with nothing before it")
    return [value for _, value in completion.logprobs]


def softmax(logits: Sequence[float]) -> list[float]:
    """exp(s_i) / sum_j exp(s_j).

    >>> softmax([0.0, 0.0])
    [0.5, 0.5]
    """
    largest = max(logits)
    exponentials = [math.exp(logit - largest) for logit in logits]
    return [value / math.fsum(exponentials) for value in exponentials]


def probabilities(
    completions: Sequence[Completion], *, per_token: bool = False
) -> list[float] | Reject:
    """The probability of each scored text among all of them; a reject if one has no score.

    ``per_token`` divides the log-likelihood of each text by its number of tokens.
    """
    logits = []
    for completion in completions:
        values = token_logprobs(completion)
        if isinstance(values, Reject):
            return values
        logits.append(math.fsum(values) / (len(values) if per_token else 1))
    return softmax(logits)


def expected_score(
    completions: Sequence[Completion], scale: Sequence[int]
) -> tuple[float, float] | Reject:
    """The mean and the standard deviation of a score, from the probability of each of its values.

    G-Eval (arXiv 2303.16634, equation 1): sum_i p(s_i) s_i, with p normalised over the scale.

    >>> expected_score([Completion(s, logprobs=((s, -1.0),)) for s in "13"], [1, 3])
    (2.0, 1.0)
    """
    shares = probabilities(completions)
    if isinstance(shares, Reject):
        return shares
    pairs = list(zip(shares, scale, strict=True))
    mean = math.fsum(p * value for p, value in pairs)
    variance = math.fsum(p * (value - mean) ** 2 for p, value in pairs)
    return mean, math.sqrt(variance)
