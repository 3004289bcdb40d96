"""Drawing tokens so that a row's draw depends on its own seed and logits, and on nothing else.

A draw is the Gumbel-max trick, argmax(log p + g), where the noise g of a token is a hash of the
row's seed, the step and the token. No state passes from step to step, so a row that was stopped and
goes on in another batch draws as it would have. A rounding difference between two batches changes
a draw only where the two best scores nearly tie; with the usual inverse of the cumulative sum it
would also move every boundary between rare tokens.

Hashing the whole vocabulary at each step would cost more than the model, so only the ``HEAD``
likeliest tokens get noise of their own. The rest stands as one token with their summed mass, which
is exact; when it wins, the draw is repeated among the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Sampling

HEAD = 128
"""How many of the likeliest tokens are looked at first: 2 to 3 ms for 32 rows of 49,152 logits."""

EXTRA: Mapping[str, tuple[type, ...]] = {
    "top_k": (int,),
    "min_p": (float, int),
    "repetition_penalty": (float, int),
    "ignore_eos": (bool,),
    "token_bias": (dict,),
}
"""What ``Sampling.extra`` may hold for a local model, as vLLM names it but for ``token_bias``."""

MOST_BIASED = 1_000
LARGEST_BIAS = 1e9
"""Far beyond any logit, and still finite as float32 at a low temperature."""

_REST = np.uint64(0xFFFF_FFFF)
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """A row's sampling with every choice made.

    ``token_bias`` maps the text of a token, as a completion's ``logprobs`` tell it, to what is
    added to its logit before the temperature, in natural-log units: a bias b makes a token exp(b)
    times as likely beside the others. Where b is negative it is the logit suppression of arXiv
    2306.04140. A text that stands for several tokens biases all of them; the tokens that end a
    turn are spared.
    """

    temperature: float
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    ignore_eos: bool = False
    token_bias: Mapping[str, float] = field(default_factory=dict)

    @property
    def cuts(self) -> bool:
        """Whether unlikely tokens are cut off before the draw."""
        return self.top_p < 1 or self.top_k > 0 or self.min_p > 0


def knobs(sampling: Sampling) -> Knobs:
    """The knobs of a request; an absent temperature is 1, an absent ``top_p`` cuts nothing.

    Raises
    ------
    UsageError
        If ``extra`` holds something a local model does not know, or a value that cannot be.
    """
    for name, value in sampling.extra.items():
        if name not in EXTRA:
            raise UsageError(
                f"extra parameter {name!r} is not known to a local model; known are "
                f"{', '.join(map(repr, EXTRA))}."
            )
        if not isinstance(value, EXTRA[name]) or (isinstance(value, bool) != (bool in EXTRA[name])):
            raise UsageError(f"{name} must be of type {EXTRA[name][0].__name__}; got {value!r}.")
    made = Knobs(
        temperature=1.0 if sampling.temperature is None else sampling.temperature,
        top_p=1.0 if sampling.top_p is None else sampling.top_p,
        **sampling.extra,
    )
    for fault, rule in (
        (made.top_k < 0, f"top_k must be 0 (off) or more; got {made.top_k}."),
        (not 0 <= made.min_p <= 1, f"min_p must be from 0 to 1; got {made.min_p}."),
        (
            made.repetition_penalty <= 0,
            f"repetition_penalty must be above 0; got {made.repetition_penalty}.",
        ),
        (
            len(made.token_bias) > MOST_BIASED,
            f"token_bias must have at most {MOST_BIASED} tokens; got {len(made.token_bias)}.",
        ),
    ):
        if fault:
            raise UsageError(rule)
    for text, value in made.token_bias.items():
        plain = isinstance(value, float | int) and not isinstance(value, bool)
        if not plain or not abs(value) <= LARGEST_BIAS:
            raise UsageError(
                f"token_bias must map the texts of tokens to numbers from {-LARGEST_BIAS:g} to "
                f"{LARGEST_BIAS:g}; got {value!r} for {text!r}."
            )
    return made


def noise(
    seeds: NDArray[np.uint64], steps: NDArray[np.uint64], tokens: NDArray[Any]
) -> NDArray[np.float64]:
    """Standard Gumbel noise, (n, k), of (n,) seeds and steps and (n, k) tokens.

    The hash is the finalizer of splitmix64 (Steele, Lea and Flood 2014), which numpy wraps as it
    should.
    """
    keys = _mix(_mix(seeds * _GOLDEN + np.uint64(1)) + steps)
    bits = _mix(keys[:, None] + (tokens.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    gumbel: NDArray[np.float64] = -np.log(-np.log(uniform))
    return gumbel


def _mix(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return bits ^ (bits >> np.uint64(31))


def draw(
    logp: NDArray[np.float64],
    tokens: NDArray[np.int64],
    seeds: NDArray[np.uint64],
    steps: NDArray[np.uint64],
    knobs: list[Knobs],
) -> NDArray[np.int64]:
    """(n,) tokens drawn, or -1 where these columns cannot decide and :func:`draw_all` must.

    Parameters
    ----------
    logp : (n, k) natural log-probabilities at each row's temperature, likeliest first.
    tokens : (n, k) the tokens they belong to.
    seeds, steps : (n,) the row's seed and how many tokens it has.
    knobs : the rows' knobs.
    """
    gone, undecided = np.zeros(logp.shape, bool), np.zeros(len(logp), bool)
    cutting = np.array([knob.cuts for knob in knobs])
    if cutting.any():
        rows = np.flatnonzero(cutting)
        gone[rows], undecided[rows] = _cut(logp[rows], [knobs[row] for row in rows])
    scores = np.where(gone, -np.inf, logp) + noise(seeds, steps, tokens)
    best = scores.argmax(axis=1)
    chosen = np.take_along_axis(tokens, best[:, None], axis=1)[:, 0]
    rest_mass = np.clip(-np.expm1(np.logaddexp.reduce(logp, axis=1)), 1e-300, None)
    rest = np.log(rest_mass) + noise(seeds, steps, np.full((len(logp), 1), _REST))[:, 0]
    # below 1e-6 the mass is a rounding error of the sum, and under a grammar nothing may be left
    undecided |= ~cutting & (rest > scores.max(axis=1)) & (rest_mass > 1e-6)
    return np.where(undecided, -1, chosen)


def _cut(
    logp: NDArray[np.float64], knobs: list[Knobs]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which columns top-k, then top-p, then min-p cut off, and which rows would cut further out."""
    columns = np.arange(logp.shape[1])
    top_k = np.array([knob.top_k or np.iinfo(np.int64).max for knob in knobs])[:, None]
    top_p = np.array([knob.top_p for knob in knobs])[:, None]
    min_p = np.array([knob.min_p for knob in knobs])[:, None]
    share = np.where(columns < top_k, np.exp(logp), 0.0)
    # top-k leaves a distribution of its own, of which top-p takes its part
    known = share.sum(axis=1, keepdims=True)
    share /= np.where(top_k <= logp.shape[1], known, 1.0)
    before = np.cumsum(share, axis=1) - share
    gone = (columns >= top_k) | (before >= top_p) | (share < min_p * share[:, :1])
    return gone, ~gone[:, -1:].any(axis=1) & (known[:, 0] < 1 - 1e-6)


def draw_all(
    logp: NDArray[np.float64], seed: int, step: int, knob: Knobs, head: NDArray[np.int64]
) -> int:
    """The token that one row draws when its ``head`` could not decide.

    Parameters
    ----------
    logp : (v,) natural log-probabilities of the whole vocabulary at the row's temperature.
    head : the likeliest tokens, which :func:`draw` has looked at.
    """
    seeds, steps = np.array([seed], np.uint64), np.array([step], np.uint64)
    if knob.cuts:
        order = np.argsort(-logp, kind="stable")[None]
        gone, _ = _cut(logp[order[0]][None], [knob])
        scores = np.where(gone, -np.inf, logp[order[0]][None]) + noise(seeds, steps, order)
        return int(order[0, scores.argmax()])
    rest = logp.copy()
    rest[head] = -np.inf
    # a stream of its own: the head's noise of this step is spent
    everything = np.arange(len(logp))[None] + (1 << 32)
    return int((rest + noise(seeds, steps, everything)[0]).argmax())
