"""Draw tokens so that a row's draw depends only on its own seed and logits.

A draw is the Gumbel-max trick, argmax(log p + g), where the noise g of a token is a hash of the
row's seed, the step and the token. No state passes from step to step, so a row that is interrupted
and continues in another batch draws the same tokens. A rounding difference between two batches
changes a draw only if the two best scores nearly tie; with the usual inverse of the cumulative sum
it would also move every boundary between rare tokens.

Hashing the whole vocabulary at each step would cost more than the model, so only the ``HEAD``
likeliest tokens get noise of their own. The others count as one token with their summed mass, which
is exact; if it wins, the draw is repeated among them.
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
"""Number of likeliest tokens that are drawn from first: 2 to 3 ms for 32 rows of 49,152 logits."""

EXTRA: Mapping[str, tuple[type, ...]] = {
    "top_k": (int,),
    "min_p": (float, int),
    "repetition_penalty": (float, int),
    "ignore_eos": (bool,),
    "token_bias": (dict,),
    "chat_template_kwargs": (dict,),
}
"""The keys of ``Sampling.extra`` for a local model; except ``token_bias``, named as in vLLM."""

MOST_BIASED = 1_000
LARGEST_BIAS = 1e9
"""Far above any logit, and still finite as float32 at a low temperature."""

_REST = np.uint64(0xFFFF_FFFF)
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Knobs:
    """The sampling of a row, without open defaults.

    ``token_bias`` maps the text of a token, as in a completion's ``logprobs``, to a number that is
    added to its logit before the temperature, in natural-log units: a bias b makes a token exp(b)
    times as likely relative to the others. A negative b is the logit suppression of arXiv
    2306.04140. If several tokens have one text, the bias applies to all of them; the tokens that
    end a turn get none.
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
    """The knobs of a request; a missing temperature is 1, a missing ``top_p`` cuts nothing.

    Raises
    ------
    UsageError
        If ``extra`` has a key that a local model does not know, or a value out of its range.
    """
    for name, value in sampling.extra.items():
        if name not in EXTRA:
            raise UsageError(
                f"extra parameter {name!r} is not known to a local model; known are "
                f"{', '.join(map(repr, EXTRA))}."
            )
        if not isinstance(value, EXTRA[name]) or (isinstance(value, bool) != (bool in EXTRA[name])):
            raise UsageError(f"{name} must be of type {EXTRA[name][0].__name__}; got {value!r}.")
    checked = Knobs(
        temperature=1.0 if sampling.temperature is None else sampling.temperature,
        top_p=1.0 if sampling.top_p is None else sampling.top_p,
        **{key: value for key, value in sampling.extra.items() if key != "chat_template_kwargs"},
    )
    if checked.top_k < 0:
        raise UsageError(f"top_k must be 0 (off) or more; got {checked.top_k}.")
    if not 0 <= checked.min_p <= 1:
        raise UsageError(f"min_p must be from 0 to 1; got {checked.min_p}.")
    if checked.repetition_penalty <= 0:
        raise UsageError(f"repetition_penalty must be above 0; got {checked.repetition_penalty}.")
    if len(checked.token_bias) > MOST_BIASED:
        raise UsageError(
            f"token_bias must have at most {MOST_BIASED} tokens; got {len(checked.token_bias)}."
        )
    for text, value in checked.token_bias.items():
        plain = isinstance(value, float | int) and not isinstance(value, bool)
        if not plain or not abs(value) <= LARGEST_BIAS:
            raise UsageError(
                f"token_bias must map the texts of tokens to numbers from {-LARGEST_BIAS:g} to "
                f"{LARGEST_BIAS:g}; got {value!r} for {text!r}."
            )
    return checked


def noise(
    seeds: NDArray[np.uint64], steps: NDArray[np.uint64], tokens: NDArray[Any]
) -> NDArray[np.float64]:
    """(n, k) standard Gumbel noise for (n,) seeds and steps and (n, k) tokens.

    The hash is the finalizer of splitmix64 (Steele, Lea and Flood 2014); it relies on the
    wrap-around of uint64.
    """
    keys = _mix(_mix(seeds * _GOLDEN + np.uint64(1)) + steps)
    bits = _mix(keys[:, None] + (tokens.astype(np.uint64) + np.uint64(1)) * _GOLDEN)
    uniform = ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return np.asarray(-np.log(-np.log(uniform)))


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
    """(n,) drawn tokens, or -1 where these columns are not enough and :func:`draw_all` is needed.

    Parameters
    ----------
    logp : (n, k) natural log-probabilities at each row's temperature, likeliest first.
    tokens : (n, k) the tokens of these columns.
    seeds, steps : (n,) the row's seed and its number of tokens.
    knobs : the rows' knobs.
    """
    cut, undecided = np.zeros(logp.shape, bool), np.zeros(len(logp), bool)
    cutting = np.array([knob.cuts for knob in knobs])
    if cutting.any():
        rows = np.flatnonzero(cutting)
        cut[rows], undecided[rows] = _cut(logp[rows], [knobs[row] for row in rows])
    scores = np.where(cut, -np.inf, logp) + noise(seeds, steps, tokens)
    best = scores.argmax(axis=1)
    chosen = np.take_along_axis(tokens, best[:, None], axis=1)[:, 0]
    rest_mass = np.clip(-np.expm1(np.logaddexp.reduce(logp, axis=1)), 1e-300, None)
    rest = np.log(rest_mass) + noise(seeds, steps, np.full((len(logp), 1), _REST))[:, 0]
    # a mass below 1e-6 is a rounding error; under a grammar nothing else may be allowed
    undecided |= ~cutting & (rest > scores.max(axis=1)) & (rest_mass > 1e-6)
    return np.where(undecided, -1, chosen)


def _cut(
    logp: NDArray[np.float64], knobs: list[Knobs]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """The columns that top-k, top-p and min-p cut off, and the rows that may keep further ones."""
    columns = np.arange(logp.shape[1])
    top_k = np.array([knob.top_k or np.iinfo(np.int64).max for knob in knobs])[:, None]
    top_p = np.array([knob.top_p for knob in knobs])[:, None]
    min_p = np.array([knob.min_p for knob in knobs])[:, None]
    share = np.where(columns < top_k, np.exp(logp), 0.0)
    # top-p applies to the distribution that top-k leaves
    mass = share.sum(axis=1, keepdims=True)
    share /= np.where(top_k <= logp.shape[1], mass, 1.0)
    before = np.cumsum(share, axis=1) - share
    cut = (columns >= top_k) | (before >= top_p) | (share < min_p * share[:, :1])
    return cut, ~cut[:, -1:].any(axis=1) & (mass[:, 0] < 1 - 1e-6)


def draw_all(
    logp: NDArray[np.float64], seed: int, step: int, knob: Knobs, head: NDArray[np.int64]
) -> int:
    """The token of one row whose ``head`` was not enough to draw from.

    Parameters
    ----------
    logp : (v,) natural log-probabilities of the whole vocabulary at the row's temperature.
    head : the likeliest tokens, which :func:`draw` used.
    """
    seeds, steps = np.array([seed], np.uint64), np.array([step], np.uint64)
    if knob.cuts:
        order = np.argsort(-logp, kind="stable")[None]
        cut, _ = _cut(logp[order[0]][None], [knob])
        scores = np.where(cut, -np.inf, logp[order[0]][None]) + noise(seeds, steps, order)
        return int(order[0, scores.argmax()])
    rest = logp.copy()
    rest[head] = -np.inf
    # different noise, since that of the head is already used in this step
    everything = np.arange(len(logp))[None] + (1 << 32)
    return int((rest + noise(seeds, steps, everything)[0]).argmax())
