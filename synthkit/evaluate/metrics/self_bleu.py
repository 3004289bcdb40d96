"""Self-BLEU: how much of each text occurs in the other texts."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.evaluate.metrics import ngrams
from synthkit.evaluate.metrics.ngrams import Ints, NgramCounts
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Floats, jackknifed
from synthkit.stats.intervals import check_level
from synthkit.stats.words import Unit, described

EPSILON = 0.1
"""Matches counted where there are none: method 1 of Chen and Cherry (2014)."""


@metric("self-BLEU", kind="diversity")
def self_bleu(
    texts: Iterable[str], n: int = 4, *, unit: Unit = "tokens", level: float = 0.95
) -> Score:
    """Self-BLEU-n: the mean BLEU of each text with all others as references.

    0..1, lower is more diverse: 1 for copies of one text of n tokens or more, 0 if no two texts
    share a token. It rises with the number of texts, so compare tables of one size.

    Parameters
    ----------
    texts : two or more.
    n : longest n-gram; those of lengths 1 to n have equal weights.
    unit : what is counted, as in :func:`synthkit.stats.words.split`: ``"tokens"``, ``"words"``
        between white space, or ``"characters"``.
    level : of the interval, the jackknife's over texts; there is none for two.

    Raises
    ------
    UsageError
        If there are fewer than two texts, an element is not a text, or n is below 1.

    Notes
    -----
    The BLEU of a text is ``min(1, exp(1 - r / c)) * exp(mean_k ln p_k)``, where c is its length, r
    the closest length of another text (the shorter of two), and p_k the share of its k-grams found
    in others, each as often as in the one other text that has it most often. If none is found, 0.1
    of one counts (smoothing method 1); without a common token BLEU is 0. These are the choices of
    nltk, where a text without tokens has 0 too. The three largest counts of each k-gram suffice to
    score all texts, and all texts without any other, at once, in O(tokens log tokens).

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
    listed = ngrams.text_list(texts)
    rows = len(listed)
    if rows < 2 or n < 1:
        raise UsageError(f"expected two or more texts and n of 1 or more; got {rows} and n={n}.")
    codes, lengths = ngrams.token_codes(listed, unit)
    matches = np.zeros((n, rows))
    pairs, losses = [], []
    # counts are freed before the next ones are made, since they may be large
    each = map(partial(_matches, rows=rows), ngrams.counts_by_length(codes, lengths, n))
    for order, (total, pair, loss) in enumerate(each):
        matches[order] = total
        pairs.append(pair)
        losses.append(loss)
    closest = _closest_lengths(lengths)
    scores = _bleu(matches, lengths, closest[0])
    without = np.zeros(0)
    if rows > 2:
        without = _without_each(scores, matches, lengths, closest, pairs, losses)
    return jackknifed(
        f"self-BLEU-{n}", float(scores.mean()), without, rows, unit="0..1",
        how=f"{described(listed, unit)}, smoothing method 1", better="lower", most=1.0,
        level=level, at_n=rows,
    )  # fmt: skip


def _without_each(
    scores: Floats,
    matches: Floats,
    lengths: Ints,
    closest: tuple[Ints, Ints, Ints],
    pairs: list[Ints],
    losses: list[Floats],
) -> Floats:
    """(rows,) the mean score without each text."""
    rows = len(lengths)
    nearest, holder, second = closest
    # the pairs (i, j) for which leaving out text j changes the score of text i
    changed, at = np.unique(
        np.concatenate([*pairs, np.arange(rows) * rows + holder]), return_inverse=True
    )
    i, j = np.divmod(changed, rows)
    left = matches[:, i]
    start = 0
    for order, loss in enumerate(losses):
        where = at[start : start + len(loss)]
        left[order] -= np.bincount(where, loss, minlength=len(changed))
        start += len(loss)
    lost = _bleu(left, lengths[i], np.where(holder[i] == j, second[i], nearest[i])) - scores[i]
    without: Floats = scores.sum() - scores + np.bincount(j, lost, minlength=rows)
    return without / (rows - 1)


def _matches(counts: NgramCounts, rows: int) -> tuple[Floats, Ints, Floats]:
    """(rows,) matches of each text in the others; and the matches of text i lost without text j.

    The losses come as (p,) pairs ``i * rows + j``, of which one may occur more than once, and (p,)
    numbers.
    """
    found = (_matches_of_part(part, rows) for part in counts.parts())
    totals, pairs, losses = zip(*found, strict=True)
    return np.sum(totals, axis=0), np.concatenate(pairs), np.concatenate(losses)


def _matches_of_part(counts: NgramCounts, rows: int) -> tuple[Floats, Ints, Floats]:
    shared = (counts.texts > 1)[counts.gram] if len(counts.gram) else np.zeros(0, bool)
    gram, text, count = (part[shared] for part in (counts.gram, counts.text, counts.count))
    by_count = np.lexsort((-count, gram))
    gram, text, count = gram[by_count], text[by_count], count[by_count]
    first = np.flatnonzero(np.diff(gram, prepend=-1))
    sizes = np.diff(first, append=len(gram))
    start = np.repeat(first, sizes)
    rank = np.arange(len(gram)) - start
    third = np.where(np.repeat(sizes, sizes) > 2, count[np.minimum(start + 2, len(gram) - 1)], 0)
    best = start + (rank == 0)  # position of the largest count of another text
    match = np.minimum(count, count[best])
    match_without = np.minimum(count, np.where(rank < 2, third, count[start + 1]))
    loss = match - match_without
    lost = loss > 0
    total = np.bincount(text, match, minlength=rows).astype(np.float64)
    return total, (text * rows + text[best])[lost], loss[lost].astype(np.float64)


def _closest_lengths(lengths: Ints) -> tuple[Ints, Ints, Ints]:
    """For each text: the closest length of another text, that text, and the next closest length.

    With two texts the next closest is the same again.
    """
    rows = len(lengths)
    order = np.argsort(lengths, kind="stable")
    near = np.arange(rows)[:, None] + np.array([-2, -1, 1, 2])
    exists = (near >= 0) & (near < rows)
    text = order[near.clip(0, rows - 1)]
    distance = np.abs(lengths[text] - lengths[order][:, None]) * 2 + (
        lengths[text] > lengths[order][:, None]
    )
    distance[~exists] = np.iinfo(np.int64).max
    by_distance = np.argsort(distance, axis=1, kind="stable")[:, :2]
    chosen = np.take_along_axis(text, by_distance, axis=1)
    if rows == 2:
        chosen[:, 1] = chosen[:, 0]
    nearest = np.empty((rows, 2), np.int64)
    nearest[order] = chosen
    return lengths[nearest[:, 0]], nearest[:, 0], lengths[nearest[:, 1]]


def _bleu(matches: Floats, lengths: Ints, closest: Ints) -> Floats:
    """(m,) BLEU from (n, m) matches, (m,) lengths and (m,) closest lengths of references."""
    grams = np.maximum(lengths - np.arange(len(matches))[:, None], 1)
    shares = np.where(matches > 0, matches, EPSILON) / grams
    brevity = np.where(lengths > closest, 0.0, 1 - closest / np.maximum(lengths, 1))
    scores = np.exp(brevity) * np.exp(np.log(shares).mean(axis=0))
    return np.where(matches[0] > 0, scores, 0.0)
