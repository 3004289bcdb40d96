"""How diverse texts are in their words.

Tokens are :func:`synthkit.stats.rouge.tokens`: words and numbers, casefolded. Nearly all of these values
move with the number and length of texts, so compare tables of one size.
"""

from __future__ import annotations

import gzip
import math
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.metrics.ngrams import Counts, checked, coded, counted
from synthkit.evaluate.registry import metric
from synthkit.stats.jackknife import jackknife, pseudo_values

Floats = NDArray[np.float64]
PARTS = 20
"""Into which texts are dealt where leaving out each text would take too long."""


@metric("vocabulary", kind="diversity")
def vocabulary(texts: Iterable[str], *, n: int | None = None, level: float = 0.95) -> Score:
    """How many distinct tokens ``n`` of the texts have.

    In tokens, from 0 up, higher is more diverse.

    Parameters
    ----------
    texts : (N,) one or more.
    n : with fewer than N, what n of the texts drawn without replacement have on average: so tables
        of different sizes are compared at the size of the smaller. All texts, if not given.
    level : of the interval, the jackknife's over texts; there is none for one text.

    Raises
    ------
    UsageError
        If there is no text, something is none, or n is not from 1 to N.

    Notes
    -----
    ``sum_t 1 - C(N - N_t, n) / C(N, n)`` over tokens t, each in N_t texts: exact, without a draw.

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
    held = _some(texts)
    rows = len(held)
    size = rows if n is None else n
    if not 1 <= size <= rows:
        raise UsageError(f"n must be from 1 to the {rows} texts; got {n}.")
    counts = counted(held, 1)
    value = float(_present(counts.texts, rows, size).sum())
    without = np.zeros(0)
    if rows > 1:
        # of each token: what it adds to N - 1 texts if a text that lacks it is left out, or has it
        size_left = min(size, rows - 1)
        lacking = _present(counts.texts, rows - 1, size_left)
        having = _present(counts.texts - 1, rows - 1, size_left)
        without = lacking.sum() - counts.added((lacking - having)[counts.gram], rows)
    return _score("vocabulary", value, rows, "tokens", f"words of {size} texts", level, without)


@metric("distinct-1", kind="diversity", n=1)
@metric("distinct-2", kind="diversity", n=2)
def distinct_n(texts: Iterable[str], n: int = 2, *, level: float = 0.95) -> Score:
    """Distinct-n: how many of the n-grams of tokens are different ones.

    Above 0, at most 1, higher is more diverse. It falls as texts get more or longer.

    Parameters
    ----------
    texts : (N,) one or more. No n-gram reaches over the end of a text.
    n : tokens in an n-gram.
    level : of the interval, the jackknife's over texts; there is none for one text.

    Raises
    ------
    UsageError
        If no text has n tokens, something is no text, or n is below 1.

    Notes
    -----
    Over the number of n-grams, where the paper divides by that of words.

    References
    ----------
    J. Li et al. (2016), A diversity-promoting objective function for neural conversation models,
    NAACL, section 5.

    Examples
    --------
    >>> distinct_n(["the soup was cold", "the soup was warm"]).value
    0.666...
    """
    held, counts = _grams(texts, n)
    rows, total = len(held), int(counts.count.sum())
    own = counts.added(counts.texts[counts.gram] == 1, rows)
    different = len(counts.totals)
    without = _ratio(different - own, total - counts.added(counts.count, rows))
    return _score(
        f"distinct-{n}", different / total, rows, "0..1", "words", level, without, most=1.0
    )


@metric("n-gram entropy", kind="diversity")
def ngram_entropy(texts: Iterable[str], n: int = 2, *, level: float = 0.95) -> Score:
    """The entropy of the n-grams of tokens.

    In nats, 0..ln V, higher is more diverse; ln V where each of V n-grams is as frequent. Of few
    texts it is too low.

    Parameters
    ----------
    texts : (N,) one or more. No n-gram reaches over the end of a text.
    n : tokens in an n-gram.
    level : of the interval, the jackknife's over texts; there is none for one text.

    Raises
    ------
    UsageError
        If no text has n tokens, something is no text, or n is below 1.

    Notes
    -----
    ``-sum p ln p`` with p the share of an n-gram among all.

    References
    ----------
    C. E. Shannon (1948), A mathematical theory of communication, section 6; of n-grams: Y. Zhang et
    al. (2018), arXiv 1809.05972, section 4.1.

    Examples
    --------
    >>> ngram_entropy(["cold soup", "warm soup"], 2).value, math.log(2)
    (0.693..., 0.693...)
    """
    held, counts = _grams(texts, n)
    rows, totals, total = len(held), counts.totals, int(counts.count.sum())
    logs = _x_log_x(totals)
    left = totals[counts.gram] - counts.count
    logs_left = logs.sum() + counts.added(_x_log_x(left) - logs[counts.gram], rows)
    total_left = total - counts.added(counts.count, rows)
    without = np.log(np.where(total_left > 0, total_left, np.nan)) - _ratio(logs_left, total_left)
    value = max(0.0, math.log(total) - float(logs.sum()) / total)
    return _score(f"{n}-gram entropy", value, rows, "nats", "words", level, without)


@metric("compression ratio", kind="diversity")
def compression_ratio(texts: Iterable[str], *, level: float = 0.95) -> Score:
    """How much smaller gzip makes the texts.

    Above 0, lower is more diverse: 1 where nothing repeats; a little below for a few short texts.

    Parameters
    ----------
    texts : (N,) one or more.
    level : of the interval, the jackknife's over 20 parts into which texts are dealt by turns.

    Raises
    ------
    UsageError
        If no text has a character, or something is no text.

    Notes
    -----
    Bytes over bytes of gzip at level 9, of the texts in UTF-8 joined by line ends, in their order.
    gzip looks 32 KiB back, so a text that comes again later than that is not noticed. The
    compression depends on the build of zlib, by about a percent.

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

    held = _some(texts)
    if not any(held):
        raise UsageError("all texts are empty: there is nothing to compress.")
    without = [ratio(part) for part in _parts(held)]
    return _score(
        "compression ratio", ratio(held), len(held), "bytes per byte", "gzip 9, line ends between",
        level, np.array(without), better="lower",
    )  # fmt: skip


@metric("MTLD", kind="diversity")
def mtld(texts: Iterable[str], *, threshold: float = 0.72, level: float = 0.95) -> Score:
    """MTLD: how many tokens on end it takes until so many repeat.

    In tokens, above 1, higher is more diverse; it hardly depends on the length.

    Parameters
    ----------
    texts : (N,) one or more, read on end in their order, as one text.
    threshold : share of distinct tokens at which a stretch ends, above 0, below 1.
    level : of the interval, Student's of the mean length of the whole stretches read forwards;
        there is none for fewer than two.

    Raises
    ------
    UsageError
        If no token comes twice (no stretch ends), something is no text, or the threshold is out of
        its range.

    Notes
    -----
    Tokens over stretches, the mean of reading forwards and backwards. A stretch ends with the token
    that brings its share of distinct tokens to the threshold or below; a last one that does not get
    there counts as ``(1 - share) / (1 - threshold)``.

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
    held = _some(texts)
    flat = coded(held)[0].tolist()
    (whole, rest), (back, back_rest) = (_stretches(way, threshold) for way in (flat, flat[::-1]))
    if not (whole or rest):
        raise UsageError("no token comes twice, so MTLD has no value; it takes more text.")
    value = sum(len(flat) / some for some in (len(whole) + rest, len(back) + back_rest)) / 2
    lengths = np.array(whole, np.float64)
    low, high = jackknife(value, (lengths.sum() - lengths) / max(1, len(whole) - 1), level)
    return Score(
        name="MTLD", value=value, low=None if low is None else max(0.0, low), high=high,
        n=len(held), unit="tokens", better="higher",
        how=f"words, threshold {threshold:g}, texts in their order; interval: of stretches",
        level=level,
    )  # fmt: skip


def _stretches(flat: Sequence[int], threshold: float) -> tuple[list[int], float]:
    """The lengths of whole stretches, and how much of one the rest is."""
    whole: list[int] = []
    length = 0
    seen: set[int] = set()
    for token in flat:
        seen.add(token)
        length += 1
        if len(seen) <= threshold * length:
            whole.append(length)
            length = 0
            seen.clear()
    return whole, (1 - len(seen) / length) / (1 - threshold) if length else 0.0


def _some(texts: Iterable[str]) -> list[str]:
    held = checked(texts)
    if not held:
        raise UsageError("expected one text or more; got none.")
    return held


def _grams(texts: Iterable[str], n: int) -> tuple[list[str], Counts]:
    held = checked(texts)
    counts = counted(held, n)
    if not len(counts.gram):
        raise UsageError(f"none of {len(held)} texts has {n} tokens; take a smaller n.")
    return held, counts


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts without each of 20 parts; or nothing where a part would be all."""
    parts = min(PARTS, len(texts))
    for part in range(parts) if parts > 1 else ():
        rest = [text for row, text in enumerate(texts) if row % parts != part]
        if any(rest):
            yield rest


def _present(texts: NDArray[np.int64], rows: int, size: int) -> Floats:
    """The chance that one of ``size`` of ``rows`` texts is one of so many, for each number."""
    known, at = np.unique(texts, return_inverse=True)
    log = math.lgamma

    def absent(some: int) -> float:
        rest = rows - some
        if rest < size:
            return 0.0
        return math.exp(log(rest + 1) - log(rest - size + 1) - log(rows + 1) + log(rows - size + 1))

    found: Floats = np.array([1 - absent(some) if some else 0.0 for some in known.tolist()])
    return found[at]


def _ratio(some: Floats, total: Floats) -> Floats:
    """NaN where the total is 0: nothing is left without that text, and there is no interval."""
    found: Floats = some / np.where(total > 0, total, np.nan)
    return found


def _x_log_x(counts: NDArray[np.int64]) -> Floats:
    return np.asarray(counts * np.log(np.maximum(counts, 1)), np.float64)


def _score(
    name: str, value: float, n: int, unit: str, how: str, level: float, without: Floats, *,
    better: str = "higher", most: float = math.inf,
) -> Score:  # fmt: skip
    low, high = jackknife(value, without, level)
    if low is not None and high is not None:
        low, high = max(0.0, low), min(most, high)
    return Score(
        name=name, value=value, low=low, high=high, n=n, unit=unit,
        better="lower" if better == "lower" else "higher",
        how=f"{how}; interval: jackknife", level=level,
        parts=pseudo_values(value, without) if len(without) == n else None,
    )  # fmt: skip
