"""Filters by the score that a model gives each text: toxicity and perplexity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter
from synthkit.curate.filters.ranges import check_share, describe_range
from synthkit.data import tables
from synthkit.data.cells import as_text

Score = Callable[[Sequence[str]], ArrayLike]
"""n texts -> (n,) numbers."""


def toxicity(score: Score, *, column: str = "text", most: float = 0.5) -> Filter:
    """Keep texts whose probability of being toxic is at most ``most``.

    Parameters
    ----------
    score : n texts -> (n,) probabilities, 0..1, such as those of your own classifier. It is called
        once, without the missing texts.

    Raises
    ------
    UsageError
        If ``most`` is not from 0 to 1; when applied, if ``score`` does not return probabilities.

    Examples
    --------
    >>> rude = toxicity(lambda texts: [0.9 if "idiot" in text else 0.1 for text in texts])
    >>> rude.judge([{"text": "You idiot."}, {"text": "Good soup."}])
    ['toxic: 0.9', '']
    """
    check_share("most", most)

    def test(value: float) -> str:
        return f"toxic: {value:.4g}" if value > most else ""

    return _score_filter("toxicity", score, column, test, limits=f"<= {most:g}", top=1.0)


def perplexity(
    score: Score, *, column: str = "text", most: float | None = None, least: float | None = None
) -> Filter:
    """Keep texts whose perplexity under a language model is from ``least`` to ``most``.

    The perplexity of a text is exp of the mean negative log-probability of its tokens, 1 or more.
    Garbled and foreign texts have a high perplexity; texts that repeat, or that the model has
    memorized, have a very low one (G. Wenzek et al. 2020, CCNet, arXiv 1911.00359).

    Parameters
    ----------
    score : n texts -> (n,) perplexities, by your own model; infinity for a text without a token. It
        is called once, without the missing texts.

    Raises
    ------
    UsageError
        If there is no bound; when applied, if ``score`` does not return perplexities.

    Examples
    --------
    >>> odd = perplexity(lambda texts: [900 if "xq" in text else 40 for text in texts], most=500)
    >>> odd.judge([{"text": "xq soup"}, {"text": "Good soup."}])
    ['perplexity too high: 900', '']
    """
    limits = describe_range("perplexity", least, most)

    def test(value: float) -> str:
        if least is not None and value < least:
            return f"perplexity too low: {value:.4g}"
        return f"perplexity too high: {value:.4g}" if most is not None and value > most else ""

    return _score_filter("perplexity", score, column, test, limits=limits, top=np.inf)


def _score_filter(
    what: str, score: Score, column: str, test: Callable[[float], str], *, limits: str, top: float
) -> Filter:
    """A filter that computes the scores of all texts at once, and checks them."""
    if not callable(score):
        raise UsageError(f"expected a function of texts for {what}; got {type(score).__name__}.")

    def judge(table: Any) -> list[str]:
        cells = tables.column(table, column)
        present = [as_text(cell) for cell in cells if cell is not None]
        scores = np.asarray(score(present) if present else [], dtype=float)
        if scores.shape != (len(present),) or not np.all((scores >= 0) & (scores <= top)):
            raise UsageError(
                f"the scores for {what} must be ({len(present)},) numbers from 0 to {top:g}; got "
                f"{scores.shape} from {scores.min(initial=np.inf):g} to "
                f"{scores.max(initial=-np.inf):g}."
            )
        remaining = iter(scores.tolist())
        return [MISSING if cell is None else test(next(remaining)) for cell in cells]

    return Filter(f"{what} {limits}", judge, by_row=True)
