"""Diversity of words: vocabulary, distinct-n, entropy of n-grams, compression ratio and MTLD.

Tokens are :func:`synthkit.stats.words.tokens`: words and numbers, case-folded. Nearly all of these
values depend on the number and length of texts, so compare tables of one size.
"""

from __future__ import annotations

import gzip
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.metrics.ngrams import counted, text_list, token_codes
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Floats, jackknifed
from synthkit.stats.jackknife import jackknife
from synthkit.stats.words import Unit, described

PARTS = 20
"""Parts of the texts for the jackknife, where leaving out each text would take too long."""


@metric("vocabulary", kind="diversity", large=True)
def vocabulary(
    texts: Iterable[str], *, n: int | None = None, unit: Unit = "tokens", level: float = 0.95
) -> Score:
    """The number of distinct tokens in ``n`` of the texts.

    In tokens, 0 or more, higher is more diverse.

    Parameters
    ----------
    texts : (N,) one or more.
    n : number of texts; below N the value is the mean over all choices of n texts, so that tables
        of different sizes can be compared at the size of the smaller one. N if not given.
    unit : what is counted, as in :func:`synthkit.stats.words.split`: ``"tokens"``, ``"words"``
        between white space, or ``"characters"``.
    level : of the interval, the jackknife's over texts; there is none for one text.

    Raises
    ------
    UsageError
        If there is no text, an element is not a text, or n is not from 1 to N.

    Notes
    -----
    ``sum_t 1 - C(N - N_t, n) / C(N, n)`` over tokens t, each in N_t texts: exact, without sampling.

    References
    ----------
    S. H. Hurlbert (1971), The nonconcept of species diversity, Ecology 52, equation 15, with texts
    for individuals.

    Examples
    --------
    >>> vocabulary(["cold soup", "warm soup", "Soup"]).value
    3.0
    >>> vocabulary(["cold soup", "warm soup", "Soup"], n=2).value
    2.333...
    """
    listed = _nonempty(texts)
    rows = len(listed)
    size = rows if n is None else n
    if not 1 <= size <= rows:
        raise UsageError(f"n must be from 1 to the {rows} texts; got {n}.")
    what, parts = counted(listed, 1, unit)
    value = 0.0
    without = np.zeros(rows if rows > 1 else 0)
    for counts in parts:
        value += float(_presence(counts.texts, rows, size).sum())
        if rows > 1:
            # what a token adds to N - 1 texts if a text without it is left out, or a text with it
            smaller = min(size, rows - 1)
            lacking = _presence(counts.texts, rows - 1, smaller)
            having = _presence(counts.texts - 1, rows - 1, smaller)
            without += lacking.sum() - counts.sum_by_text((lacking - having)[counts.gram], rows)
    return jackknifed(
        "vocabulary",
        value,
        without,
        rows,
        unit=unit,
        level=level,
        at_n=size,
        how=f"{what} of {size} texts",
    )


@metric("distinct-1", kind="diversity", large=True, n=1)
@metric("distinct-2", kind="diversity", large=True, n=2)
def distinct_n(
    texts: Iterable[str], n: int = 2, *, unit: Unit = "tokens", level: float = 0.95
) -> Score:
    """Distinct-n: the share of distinct n-grams among all n-grams of tokens.

    Above 0, at most 1, higher is more diverse. It falls with the number and length of texts.

    Parameters
    ----------
    texts : (N,) one or more. No n-gram crosses the end of a text.
    n : tokens in an n-gram.
    unit : what is counted, as in :func:`synthkit.stats.words.split`: ``"tokens"``, ``"words"``
        between white space, or ``"characters"``.
    level : of the interval, the jackknife's over texts; there is none for one text.

    Raises
    ------
    UsageError
        If no text has n tokens, an element is not a text, or n is below 1.

    Notes
    -----
    The denominator is the number of n-grams; in the paper it is the number of words.

    References
    ----------
    J. Li et al. (2016), A diversity-promoting objective function for neural conversation models,
    NAACL, section 5.

    Examples
    --------
    >>> distinct_n(["the soup was cold", "the soup was warm"]).value
    0.666...
    """
    listed = text_list(texts)
    rows = len(listed)
    what, parts = counted(listed, n, unit)
    total = distinct = 0
    unique, of_text = np.zeros(rows), np.zeros(rows)
    for counts in parts:
        total, distinct = total + int(counts.count.sum()), distinct + len(counts.totals)
        unique += counts.sum_by_text(counts.texts[counts.gram] == 1, rows)
        of_text += counts.sum_by_text(counts.count, rows)
    _check_any(total, rows, n, unit)
    without = _ratio(distinct - unique, total - of_text)
    return jackknifed(
        f"distinct-{n}", distinct / total, without, rows, unit="0..1",
        how=what, most=1.0, level=level, at_n=rows,
    )  # fmt: skip


@metric("n-gram entropy", kind="diversity", large=True)
def ngram_entropy(
    texts: Iterable[str], n: int = 2, *, unit: Unit = "tokens", level: float = 0.95
) -> Score:
    """The entropy of the n-grams of tokens.

    In nats, 0..ln V for V distinct n-grams, higher is more diverse; ln V if all are equally
    frequent. The estimate from few texts is too low. Parameters and errors are those of
    :func:`distinct_n`.

    Notes
    -----
    ``-sum p ln p``, where p is the share of an n-gram among all.

    References
    ----------
    C. E. Shannon (1948), A mathematical theory of communication, section 6; of n-grams: Y. Zhang et
    al. (2018), arXiv 1809.05972, section 4.1.

    Examples
    --------
    >>> ngram_entropy(["cold soup", "warm soup"], 2).value, math.log(2)
    (0.693..., 0.693...)
    """
    listed = text_list(texts)
    rows = len(listed)
    what, parts = counted(listed, n, unit)
    times = Counter[int]()  # how many n-grams occur how often
    changed, of_text = np.zeros(rows), np.zeros(rows)
    for counts in parts:
        totals = counts.totals
        often, grams = np.unique(totals, return_counts=True)
        times.update(dict(zip(often.tolist(), grams.tolist(), strict=True)))
        left = _x_log_x(totals[counts.gram] - counts.count)
        changed += counts.sum_by_text(left - _x_log_x(totals)[counts.gram], rows)
        of_text += counts.sum_by_text(counts.count, rows)
    total = sum(often * grams for often, grams in times.items())
    _check_any(total, rows, n, unit)
    logs = math.fsum(grams * often * math.log(often) for often, grams in times.items())
    total_left = total - of_text
    logs_left = logs + changed
    without = np.log(np.where(total_left > 0, total_left, np.nan)) - _ratio(logs_left, total_left)
    value = max(0.0, math.log(total) - logs / total)
    return jackknifed(
        f"{n}-gram entropy", value, without, rows, unit="nats", how=what,
        level=level, at_n=rows,
    )  # fmt: skip


@metric("compression ratio", kind="diversity")
def compression_ratio(texts: Iterable[str], *, level: float = 0.95) -> Score:
    """The size of the texts over their size once gzip has compressed them.

    Above 0, lower is more diverse: 1 if nothing repeats; slightly below 1 for a few short texts.

    Parameters
    ----------
    texts : (N,) one or more.
    level : of the interval, the jackknife's over 20 parts, to which texts are assigned in turn.

    Raises
    ------
    UsageError
        If no text has a character, or an element is not a text.

    Notes
    -----
    Bytes over bytes of gzip at level 9, of the texts in UTF-8 joined by line ends, in their order.
    gzip looks back 32 KiB, so it does not notice a text that is repeated later than that. The value
    depends on the build of zlib, by about a percent.

    References
    ----------
    C. Shaib et al. (2024), Standardizing the measurement of text diversity, arXiv 2403.00553,
    section 2.

    Examples
    --------
    >>> compression_ratio(["the soup was cold"] * 100).value > 20
    True
    """

    def ratio(part: Sequence[str]) -> float:
        whole = "\n".join(part).encode(errors="surrogatepass")
        return len(whole) / len(gzip.compress(whole, 9, mtime=0))

    listed = _nonempty(texts)
    if not any(listed):
        raise UsageError("all texts are empty: there is nothing to compress.")
    without = np.array([ratio(rest) for rest in _without_parts(listed)])
    return jackknifed(
        "compression ratio", ratio(listed), without, len(listed), unit="bytes per byte",
        how="gzip 9, line ends between", better="lower", level=level, at_n=len(listed),
    )  # fmt: skip


@metric("MTLD", kind="diversity")
def mtld(
    texts: Iterable[str],
    *,
    threshold: float = 0.72,
    unit: Unit = "tokens",
    level: float = 0.95,
) -> Score:
    """MTLD: the mean number of tokens in a row until too many of them repeat.

    In tokens, above 1, higher is more diverse; it hardly depends on the length of the texts.

    Parameters
    ----------
    texts : (N,) one or more, read one after the other as one text.
    threshold : share of distinct tokens at which a stretch ends, above 0, below 1.
    unit : what is counted, as in :func:`synthkit.stats.words.split`: ``"tokens"``, ``"words"``
        between white space, or ``"characters"``.
    level : of the interval, Student's of the mean length of the whole stretches read forwards;
        there is none for fewer than two.

    Raises
    ------
    UsageError
        If no token occurs twice (no stretch ends), an element is not a text, or the threshold is
        out of its range.

    Notes
    -----
    Tokens over stretches, the mean of reading forwards and backwards. A stretch ends with the token
    that brings its share of distinct tokens to the threshold or below; a last stretch that does not
    end counts as ``(1 - share) / (1 - threshold)``.

    References
    ----------
    P. M. McCarthy and S. Jarvis (2010), MTLD, vocd-D, and HD-D, Behavior Research Methods 42,
    pages 384-385.

    Examples
    --------
    >>> mtld(["soup soup soup soup"]).value
    2.0
    """
    if not 0 < threshold < 1:
        raise UsageError(f"threshold must be between 0 and 1; got {threshold}.")
    listed = _nonempty(texts)
    codes = token_codes(listed, unit)[0].tolist()
    (forwards, rest), (backwards, back_rest) = (
        _stretches(direction, threshold) for direction in (codes, codes[::-1])
    )
    if not (forwards or rest):
        raise UsageError("no token comes twice, so MTLD has no value; it takes more text.")
    stretches = (len(forwards) + rest, len(backwards) + back_rest)
    value = sum(len(codes) / n for n in stretches) / 2
    lengths = np.array(forwards, np.float64)
    low, high = jackknife(value, (lengths.sum() - lengths) / max(1, len(forwards) - 1), level)
    return Score(
        name="MTLD", value=value, low=None if low is None else max(0.0, low), high=high,
        n=len(listed), unit=unit, better="higher", level=level,
        how=f"{described(listed, unit)}, threshold {threshold:g}, texts in their order; "
        "interval: of stretches",
    )  # fmt: skip


def _stretches(codes: Sequence[int], threshold: float) -> tuple[list[int], float]:
    """The lengths of the whole stretches, and the last stretch as a fraction of a whole one."""
    lengths: list[int] = []
    length = 0
    seen: set[int] = set()
    for code in codes:
        seen.add(code)
        length += 1
        if len(seen) <= threshold * length:
            lengths.append(length)
            length = 0
            seen.clear()
    return lengths, (1 - len(seen) / length) / (1 - threshold) if length else 0.0


def _nonempty(texts: Iterable[str]) -> Sequence[str]:
    listed = text_list(texts)
    if not listed:
        raise UsageError("expected one text or more; got none.")
    return listed


def _check_any(total: int, rows: int, n: int, unit: Unit) -> None:
    """Raise an error if there is no n-gram."""
    if not total:
        raise UsageError(f"none of {rows} texts has {n} {unit}; take a smaller n.")


def _without_parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts without each of 20 parts, unless nothing would be left."""
    parts = min(PARTS, len(texts))
    for part in range(parts) if parts > 1 else ():
        rest = [text for row, text in enumerate(texts) if row % parts != part]
        if any(rest):
            yield rest


def _presence(texts: NDArray[np.int64], rows: int, size: int) -> Floats:
    """(V,) the probability that a sample of ``size`` of ``rows`` texts has a token.

    ``texts`` are the (V,) numbers of texts with each token.
    """
    distinct, at = np.unique(texts, return_inverse=True)
    log = math.lgamma

    def absence(having: int) -> float:
        rest = rows - having
        if rest < size:
            return 0.0
        return math.exp(log(rest + 1) - log(rest - size + 1) - log(rows + 1) + log(rows - size + 1))

    present: Floats = np.array([1 - absence(n) if n else 0.0 for n in distinct.tolist()])
    return present[at]


def _ratio(part: Floats, total: Floats) -> Floats:
    """NaN where the total is 0: nothing is left without that text, so there is no interval."""
    return part / np.where(total > 0, total, np.nan)


def _x_log_x(counts: NDArray[np.int64]) -> Floats:
    return np.asarray(counts * np.log(np.maximum(counts, 1)), np.float64)
