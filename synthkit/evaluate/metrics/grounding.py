"""Grounding: spans found in their sources, and hypotheses entailed by their premises."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError, check_known
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.evaluate.checks import Verdict
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.metrics.faithfulness import Faithfulness, verdict_share
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Floats
from synthkit.stats.bootstrap import bootstrap
from synthkit.stats.intervals import wilson

TextOrTexts = str | Sequence[str] | None


def grounded(
    spans: Sequence[TextOrTexts],
    sources: Sequence[TextOrTexts],
    *,
    match: Literal["exact", "whitespace"] = "whitespace",
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Faithfulness:
    """The share of spans that occur, word for word, in the sources of their row.

    A row passes if all its spans are found; a row without spans has no verdict. The interval is a
    bootstrap over rows, each with all its spans; if all spans are found, or none, it is Wilson's
    with the number of rows.

    Parameters
    ----------
    spans : for each row a span, or several; blank ones are ignored.
    sources : for each row a source, or several.
    match : ``"exact"``, or ``"whitespace"``: any run of blanks and line ends is one blank.

    Raises
    ------
    UsageError
        If there is no span, or the two have different lengths.

    Examples
    --------
    >>> found = grounded(["cold soup", ["the waiter", "a fly"]],
    ...                  ["We had cold\\nsoup.", "A fly, said the waiter."])
    >>> round(found.score.value, 2), found.verdicts[1].reason
    (0.67, "'a fly' is not in the source")
    """
    check_known("match", [match], ("exact", "whitespace"))
    if len(spans) != len(sources):
        raise UsageError(f"expected sources for {len(spans)} rows; got {len(sources)}.")
    verdicts, n_found, totals = [], [], []
    for row_spans, row_sources in zip(spans, sources, strict=True):
        quotes = [_normal(span, match) for span in _texts(row_spans) if span.strip()]
        texts = [_normal(source, match) for source in _texts(row_sources)]
        missing = [span for span in quotes if not any(span in text for text in texts)]
        n_found.append(len(quotes) - len(missing))
        totals.append(len(quotes))
        reason = f"{missing[0]!r} is not in the source" if missing else "" if quotes else "no span"
        verdicts.append(Verdict(not missing if quotes else None, reason))
    with_spans = np.array(totals, int) > 0
    hits, counts = (np.array(cells, np.float64)[with_spans] for cells in (n_found, totals))
    if not len(counts):
        raise UsageError("expected spans to look for; got none.")
    score = _ratio(hits, counts, match, resamples=resamples, level=level, seed=seed)
    return Faithfulness(score, tuple(verdicts))


def _ratio(hits: Floats, counts: Floats, match: str, **options: Any) -> Score:
    """The spans found over all spans, from their (n,) numbers in each row with spans."""
    value, level = float(hits.sum() / counts.sum()), options["level"]
    how = f"{match} match of {counts.sum():.0f} spans"
    if value in (0.0, 1.0):
        low, high = wilson(value * len(counts), len(counts), level)
        how += "; Wilson over rows"
    else:
        low, high = bootstrap(
            lambda rows: hits[rows].sum(axis=-1) / counts[rows].sum(axis=-1),
            len(counts),
            vectorised=True,
            **options,
        )
        how += f"; bootstrap over rows, {options['resamples']} resamples, seed {options['seed']}"
    return Score(
        name="grounded spans", value=value, low=low, high=high, n=len(counts), unit="0..1",
        better="higher", how=how, level=level,
        parts=value + (hits - value * counts) / counts.mean(),  # of a ratio of sums, to first order
    )  # fmt: skip


@metric("grounding", kind="faithfulness", of="inputs", needs=("source",))
def _grounded(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """Grounded spans, with each text as a span."""
    sources = inputs.rows.of(tables.column(inputs.rows.table, inputs.source))
    faithful = grounded(inputs.rows.texts, sources, level=inputs.level, seed=inputs.seed)
    yield faithful.with_ids(inputs.rows.ids)


def entailment(
    premises: Sequence[str],
    hypotheses: Sequence[str],
    score: Callable[[Sequence[str], Sequence[str]], ArrayLike],
    *,
    threshold: float = 0.5,
    level: float = 0.95,
) -> Faithfulness:
    """The share of hypotheses that a model finds entailed by their premises (Wilson interval).

    Parameters
    ----------
    premises, hypotheses : (n,) texts, such as sources and the texts written from them.
    score : (premises, hypotheses) -> (n,) probabilities of entailment, 0..1; NaN is no verdict.
    threshold : the lowest probability with which a hypothesis is entailed.

    Raises
    ------
    UsageError
        If there is no pair, the lengths differ, or the model gives anything but probabilities.

    References
    ----------
    O. Honovich et al. (2022), TRUE: re-evaluating factual consistency evaluation, NAACL, section 3.

    Examples
    --------
    >>> def same_words(premises, hypotheses):
    ...     return [float(set(h.split()) <= set(p.split())) for p, h in zip(premises, hypotheses)]
    >>> entailment(["the soup was cold"] * 2, ["the soup", "a fly"], same_words).score.value
    0.5
    """
    if len(premises) != len(hypotheses):
        raise UsageError(f"expected {len(premises)} hypotheses; got {len(hypotheses)}.")
    try:
        values = np.asarray(score(premises, hypotheses) if len(premises) else [], np.float64)
    except (TypeError, ValueError):
        values = np.full(1 + len(premises), np.nan)
    if values.shape != (len(premises),) or ((values < 0) | (values > 1)).any():
        raise UsageError(f"expected {len(premises)} probabilities from the model, 0..1 each.")
    verdicts = [
        Verdict(None, "the model gave no probability")
        if np.isnan(p)
        else Verdict(bool(p >= threshold), f"entailed with probability {p:.2f}")
        for p in values
    ]
    how = f"entailed from a probability of {threshold:g} on"
    return Faithfulness(
        verdict_share("entailment", verdicts, level=level, how=how), tuple(verdicts)
    )


def _texts(texts: TextOrTexts) -> list[str]:
    """One text, several or none, as a list."""
    if texts is None:
        return []
    listed: list[Any] = (
        [texts] if isinstance(texts, str) or not isinstance(texts, Iterable) else list(texts)
    )
    for text in listed:
        if not isinstance(text, str):
            raise UsageError(f"expected text; got {text!r}.")
    return listed


def _normal(text: str, match: str) -> str:
    """The text as it is compared."""
    return text if match == "exact" else " ".join(text.split())
