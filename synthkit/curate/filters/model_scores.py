"""Filters by what a model says of each text: how toxic, or how unexpected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError
from synthkit.curate.filters.base import MISSING, Filter, texts
from synthkit.curate.filters.ranges import check_share, describe_range
from synthkit.data import tables as tables

Score = Callable[[Sequence[str]], ArrayLike]
"""n texts -> (n,) numbers."""


def toxicity(score: Score, *, column: str = "text", most: float = 0.5) -> Filter:
    """A filter by a model of toxicity: texts of probability ``most`` or less stay.

    Parameters
    ----------
    score : n texts -> (n,) probabilities, 0..1, such as those of a classifier of yours. It is
        called once, with the texts that are there.

    Raises
    ------
    UsageError
        If ``most`` is no share; when applied, if ``score`` gives something else.

    Examples
    --------
    >>> rude = toxicity(lambda texts: [0.9 if "idiot" in text else 0.1 for text in texts])
    >>> rude.judge([{"text": "You idiot."}, {"text": "Good soup."}])
    ['toxic: 0.9', '']
    """
    check_share("most", most)
    return _by_score("toxicity", score, column, _toxic(most), f"<= {most:g}", 1.0)


def perplexity(
    score: Score, *, column: str = "text", most: float | None = None, least: float | None = None
) -> Filter:
    """A filter by a language model: texts of perplexity ``least`` to ``most`` stay.

    The perplexity of a text is exp of the mean negative log-probability of its tokens, 1 or more.
    High ones are of garbled or foreign texts, very low ones of texts that repeat, or are known by
    heart (G. Wenzek et al. 2020, CCNet, arXiv 1911.00359).

    Parameters
    ----------
    score : n texts -> (n,) perplexities, of a model of yours; infinity is for a text without a
        token. It is called once, with the texts that are there.

    Raises
    ------
    UsageError
        If there is no bound; when applied, if ``score`` gives something else.

    Examples
    --------
    >>> odd = perplexity(lambda texts: [900 if "xq" in text else 40 for text in texts], most=500)
    >>> odd.judge([{"text": "xq soup"}, {"text": "Good soup."}])
    ['perplexity too high: 900', '']
    """
    span = describe_range("perplexity", least, most)

    def said(value: float) -> str:
        if least is not None and value < least:
            return f"perplexity too low: {value:.4g}"
        return f"perplexity too high: {value:.4g}" if most is not None and value > most else ""

    return _by_score("perplexity", score, column, said, span, np.inf)


def _toxic(most: float) -> Callable[[float], str]:
    return lambda value: f"toxic: {value:.4g}" if value > most else ""


def _by_score(
    what: str, score: Score, column: str, test: Callable[[float], str], span: str, top: float
) -> Filter:
    """A filter that asks for the scores of all texts at once, and checks that they are scores."""
    if not callable(score):
        raise UsageError(f"expected a function of texts for {what}; got {type(score).__name__}.")

    def judge(table: Any) -> list[str]:
        there = [cell is not None for cell in tables.column(table, column)]
        given = [
            text for text, is_there in zip(texts(table, column), there, strict=True) if is_there
        ]
        values = np.asarray(score(given) if given else [], dtype=float)
        if values.shape != (len(given),) or not np.all((values >= 0) & (values <= top)):
            raise UsageError(
                f"the scores for {what} must be ({len(given)},) numbers from 0 to {top:g}; got "
                f"{values.shape} from {values.min(initial=np.inf):g} to "
                f"{values.max(initial=-np.inf):g}."
            )
        left = iter(values.tolist())
        return [test(next(left)) if is_there else MISSING for is_there in there]

    return Filter(f"{what} {span}", judge)
