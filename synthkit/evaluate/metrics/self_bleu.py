"""Self-BLEU: how much of each text the other texts say too."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.metrics.ngrams import Counts, Ints, checked, coded, orders
from synthkit.evaluate.registry import metric
from synthkit.stats.intervals import check_level
from synthkit.stats.jackknife import jackknife, pseudo_values

Floats = NDArray[np.float64]
EPSILON = 0.1
"""Matches counted where there are none: method 1 of Chen and Cherry (2014)."""


@metric("self-BLEU", kind="diversity")
def self_bleu(texts: Iterable[str], n: int = 4, *, level: float = 0.95) -> Score:
    """Self-BLEU-n: the mean BLEU of each text against all others as references.

    0..1, lower is more diverse: 1 for copies of one text of n tokens or more, 0 where no two texts
    share a token. It rises with the number of texts, so compare tables of one size.

    Parameters
    ----------
    texts : two or more. Tokens are :func:`synthkit.stats.rouge.tokens`.
    n : longest n-gram; those of lengths 1 to n weigh alike.
    level : of the interval, the jackknife's over texts; there is none for two.

    Raises
    ------
    UsageError
        If there are fewer than two texts, one is no text, or n is below 1.

    Notes
    -----
    The BLEU of a text: ``min(1, exp(1 - r / c)) * exp(mean_k ln p_k)`` with c its length, r that of
    the other text whose length is closest (the shorter of two), and p_k the share of its k-grams
    found in others, each as often as in the one other text that has it most often. Where none is
    found, 0.1 of one counts (smoothing method 1); without a common token BLEU is 0. So it is that
    of nltk, and a text without tokens has 0. With the three largest counts of each k-gram all
    texts, and all texts without any other, are scored at once, in O(tokens log tokens).

    References
    ----------
    Y. Zhu et al. (2018), Texygen, arXiv 1802.01886, section 3.2; K. Papineni et al. (2002), BLEU,
    section 2.3; B. Chen and C. Cherry (2014), section 4, method 1.

    Examples
    --------
    >>> self_bleu(["the soup was cold", "the soup was warm", "the soup was cold"]).value
    0.799...
    >>> self_bleu(["the soup was cold"] * 3).value
    1.0
    """
    check_level(level)
    held = checked(texts)
    rows = len(held)
    if rows < 2 or n < 1:
        raise UsageError(f"expected two or more texts and n of 1 or more; got {rows} and n={n}.")
    flat, lengths = coded(held)
    found = np.zeros((n, rows))
    places, losses = [], []
    for order, counts in enumerate(orders(flat, lengths, n)):
        kept, pair, loss = _matched(counts, rows)
        found[order] = kept
        places.append(pair)
        losses.append(loss)
    closest, holder, second = _closest(lengths)
    scores = _bleu(found, lengths, closest)
    value = float(scores.mean())
    low = high = parts = None
    if rows > 2:
        # where leaving text j out changes the score of text i
        pairs, at = np.unique(
            np.concatenate([*places, np.arange(rows) * rows + holder]), return_inverse=True
        )
        left = found[:, pairs // rows]
        start = 0
        for order, loss in enumerate(losses):
            where = at[start : start + len(loss)]
            left[order] -= np.bincount(where, loss, minlength=len(pairs))
            start += len(loss)
        i, j = np.divmod(pairs, rows)
        change = (
            _bleu(left, lengths[i], np.where(holder[i] == j, second[i], closest[i])) - scores[i]
        )
        without = (scores.sum() - scores + np.bincount(j, change, minlength=rows)) / (rows - 1)
        low, high = jackknife(value, without, level)
        parts = pseudo_values(value, without)
        if low is not None and high is not None:
            low, high = max(0.0, low), min(1.0, high)
    return Score(
        name=f"self-BLEU-{n}", value=value, low=low, high=high, n=rows, unit="0..1",
        better="lower", how="words, smoothing method 1; interval: jackknife", level=level,
        parts=parts,
    )  # fmt: skip


def _matched(counts: Counts, rows: int) -> tuple[Floats, Ints, Floats]:
    """(rows,) matches of each text in the others; and what text i loses without text j, by pair.

    A pair is ``i * rows + j``; it may come more than once.
    """
    common = (counts.texts > 1)[counts.gram] if len(counts.gram) else np.zeros(0, bool)
    gram, text, count = (part[common] for part in (counts.gram, counts.text, counts.count))
    by_count = np.lexsort((-count, gram))
    gram, text, count = gram[by_count], text[by_count], count[by_count]
    first = np.flatnonzero(np.diff(gram, prepend=-1))
    sizes = np.diff(first, append=len(gram))
    start = np.repeat(first, sizes)
    rank = np.arange(len(gram)) - start
    third = np.where(np.repeat(sizes, sizes) > 2, count[np.minimum(start + 2, len(gram) - 1)], 0)
    best = start + (rank == 0)  # the largest count of another text, and the next
    match = np.minimum(count, count[best])
    match_without = np.minimum(count, np.where(rank < 2, third, count[start + 1]))
    loss = match - match_without
    lost = loss > 0
    kept = np.bincount(text, match, minlength=rows).astype(np.float64)
    return kept, (text * rows + text[best])[lost], loss[lost].astype(np.float64)


def _closest(lengths: Ints) -> tuple[Ints, Ints, Ints]:
    """The length closest to that of each text among the others, its text, and the next closest.

    With two texts the next is the same again.
    """
    rows = len(lengths)
    order = np.argsort(lengths, kind="stable")
    near = np.arange(rows)[:, None] + np.array([-2, -1, 1, 2])
    there = (near >= 0) & (near < rows)
    text = order[near.clip(0, rows - 1)]
    far = np.abs(lengths[text] - lengths[order][:, None]) * 2 + (
        lengths[text] > lengths[order][:, None]
    )
    far[~there] = np.iinfo(np.int64).max
    by_distance = np.argsort(far, axis=1, kind="stable")[:, :2]
    chosen = np.take_along_axis(text, by_distance, axis=1)
    if rows == 2:
        chosen[:, 1] = chosen[:, 0]
    nearest = np.empty((rows, 2), np.int64)
    nearest[order] = chosen
    return lengths[nearest[:, 0]], nearest[:, 0], lengths[nearest[:, 1]]


def _bleu(found: Floats, lengths: Ints, closest: Ints) -> Floats:
    """(m,) BLEU from (n, m) matches, (m,) lengths and (m,) closest lengths of references."""
    most = np.maximum(lengths - np.arange(len(found))[:, None], 1)
    shares = np.where(found > 0, found, EPSILON) / most
    brief = np.where(lengths > closest, 0.0, 1 - closest / np.maximum(lengths, 1))
    scores = np.exp(brief) * np.exp(np.log(shares).mean(axis=0))
    return np.where(found[0] > 0, scores, 0.0)
