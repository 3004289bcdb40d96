"""Matching: rows that are drawn so that they are distributed like a real sample.

A row is drawn in proportion to p(x) / q(x), with p the density of the real texts and q that of the
table's, by their n-grams or by their embeddings; without replacement, as in
:func:`~synthkit.curate.sample_by_score`.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import digest
from synthkit.curate.filters.base import MISSING, Filter
from synthkit.curate.selection.diverse import called, unit
from synthkit.curate.selection.sampling import Floats, gumbel, positive, ranked
from synthkit.data import tables as tables
from synthkit.data.expressions import text as as_text
from synthkit.stats.classifier import Embed, embedded
from synthkit.stats.rouge import tokens

BUCKETS = 10_000
FOLDS = 5


def dsir(
    target: Any,
    *,
    n: int,
    column: str = "text",
    target_column: str | None = None,
    buckets: int = BUCKETS,
    seed: int = 0,
) -> Filter:
    """A filter that keeps ``n`` rows whose words are distributed like those of a target.

    It draws them by :func:`log_importance`. Rows without a word are dropped. Where there are ``n``
    rows or fewer, all stay.

    Parameters
    ----------
    target : texts, or a table of real rows.
    n : how many rows stay.
    column, target_column : of the texts; the target's is the same if not given.
    buckets : into which n-grams are hashed.

    Raises
    ------
    TableError
        If there is no such column.
    UsageError
        If an option is out of range, or the target has no word.

    References
    ----------
    S. M. Xie et al. (2023), Data selection for language models via importance resampling, arXiv
    2302.03169, algorithm 1 and section 3.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "text": "cold soup"}, {"id": "b", "text": "stocks fell"}]
    >>> apply_filters(rows, dsir(["hot soup", "cold soup", "soup"], n=1)).kept["id"].tolist()
    ['a']
    """
    most, real = positive(n), _texts(target, target_column or column)
    if not any(map(tokens, real)):
        raise UsageError("the target has no word; expected texts that the rows should be like.")
    _checked_buckets(buckets)

    def judge(table: Any) -> list[str]:
        cells = tables.column(table, column)
        contents = [as_text(cell) for cell in cells]
        there = [at for at, text in enumerate(contents) if tokens(text)]
        found = log_importance([contents[at] for at in there], real, buckets=buckets)
        reasons = _drawn(table, there, found, most, seed)
        return [
            why if cell is not None else MISSING for why, cell in zip(reasons, cells, strict=True)
        ]

    named = f"DSIR: {most} of {column} like {len(real)} texts {digest(real)[:8]}"
    return Filter(f"{named} in {buckets} buckets, seed {seed}", judge)


def density_match(
    target: Any,
    *,
    n: int,
    embed: Embed,
    column: str = "text",
    target_column: str | None = None,
    C: float = 1.0,
    seed: int = 0,
) -> Filter:
    """A filter that keeps ``n`` rows whose embeddings are distributed like those of a target.

    It draws them by :func:`log_density_ratio`. Where there are ``n`` rows or fewer, all stay.

    Parameters
    ----------
    target : texts, or a table of real rows; two at least.
    n : how many rows stay.
    embed : texts -> (n, d) numbers.
    column, target_column : of the texts; the target's is the same if not given.
    C : of the classifier; the larger, the farther ratios are from 1.

    Raises
    ------
    TableError
        If there is no such column.
    UsageError
        If an option is out of range; when it is applied, if there are less than two rows.
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> def embed(texts):
    ...     return [[text.count("soup"), text.count("stocks")] for text in texts]
    >>> rows = [{"id": str(i), "text": ["soup", "stocks"][i % 2]} for i in range(40)]
    >>> kept = apply_filters(rows, density_match(["soup"] * 40, n=10, embed=embed, C=100)).kept
    >>> set(kept["text"])
    {'soup'}
    """
    most, real = positive(n), _texts(target, target_column or column)
    if not C > 0:
        raise UsageError(f"C must be above 0; got {C}.")
    if len(real) < 2:
        raise UsageError(f"expected two target texts or more; got {len(real)}.")

    def judge(table: Any) -> list[str]:
        cells = tables.column(table, column)
        there = [at for at, cell in enumerate(cells) if cell is not None]
        if len(there) <= most:
            found = np.zeros(len(there))  # all stay, and a classifier may have too few
        else:
            own = unit(embedded([as_text(cells[at]) for at in there], embed))
            theirs = unit(embedded(real, embed, width=own.shape[1]))
            found = log_density_ratio(own, theirs, C=C, seed=seed)
        return _drawn(table, there, found, most, seed, MISSING)

    named = f"density match: {most} of {column} like {len(real)} texts {digest(real)[:8]}"
    return Filter(f"{named} ({called(embed)}, C {C:g}), seed {seed}", judge)


def log_importance(
    texts: Sequence[str], target: Sequence[str], *, buckets: int = BUCKETS
) -> Floats:
    """(n,), log p(z) - log q(z) of each text: how much likelier its words are in the target.

    z counts a text's words and pairs of adjacent words, by the bucket that each is hashed to. p and
    q are the shares of the buckets in the target and in the texts, so that the result is
    sum_j z_j (log p_j - log q_j). It is a sum over n-grams, and farther from 0 the longer a text.

    Words are those of :func:`synthkit.stats.rouge.tokens`, in any script and without punctuation, where
    the authors' code takes punctuation for words too. 1 is added to the count of each bucket; they
    add 1e-8 to the shares, which is right for targets of millions of words, and in smaller ones
    makes one unseen n-gram outweigh all others.

    Examples
    --------
    >>> log_importance(["soup", "stocks"], ["soup", "soup"], buckets=1000).round(2).tolist()
    [0.41, -0.69]
    """
    _checked_buckets(buckets)
    coded, ends = _hashed(texts, buckets)
    wanted, _ = _hashed(target, buckets)
    p, q = (np.bincount(found, minlength=buckets) + 1.0 for found in (wanted, coded))
    gain = np.log(p / p.sum()) - np.log(q / q.sum())
    sums = np.concatenate([[0.0], np.cumsum(gain[coded])])[ends]
    found: Floats = np.diff(sums)
    return found


def log_density_ratio(
    vectors: NDArray[Any], target: NDArray[Any], *, C: float = 1.0, seed: int = 0
) -> Floats:
    """(n,), log p(x) - log q(x) of each vector, by a classifier that tells target and others apart.

    The odds of a logistic regression, P(target | x) / P(other | x), are p(x) / q(x) times the ratio
    of their numbers. Each vector is judged by one that did not learn from it, in 5 folds or as many
    as there are rows of a kind.

    Parameters
    ----------
    vectors, target : (n, d) and (m, d), two rows or more each.

    References
    ----------
    M. Sugiyama, T. Suzuki and T. Kanamori (2012), Density ratio estimation in machine learning,
    section 4.1.

    Examples
    --------
    >>> ratio = log_density_ratio(np.array([[0], [0], [1], [1]]), np.array([[1], [1], [1]]), C=10)
    >>> bool(ratio[:2].max() < ratio[2:].min())
    True
    """
    linear = need("sklearn.linear_model", extra="curate", why="to match a density")
    model_selection = need("sklearn.model_selection", extra="curate", why="to match a density")
    least = min(len(vectors), len(target))
    if least < 2:
        raise UsageError(f"expected two rows or more of each kind; got {least}.")
    folds = model_selection.StratifiedKFold(min(FOLDS, least), shuffle=True, random_state=seed)
    odds = model_selection.cross_val_predict(
        linear.LogisticRegression(C=C, max_iter=1000),
        np.concatenate([vectors, target]),
        np.repeat([0, 1], [len(vectors), len(target)]),
        cv=folds,
        method="decision_function",
    )
    found: Floats = odds[: len(vectors)] + np.log(len(vectors) / len(target))
    return found


def _drawn(
    table: Any, there: Sequence[int], logs: Floats, n: int, seed: int, missing: str = "no words"
) -> list[str]:
    """Why each row is dropped, if ``n`` of those there are drawn in proportion to exp(logs)."""
    ids = tables.column(tables.identified(table), "id")
    keys = logs + gumbel([str(ids[at]) for at in there], seed)
    order = [there[at] for at in np.argsort(-keys, kind="stable")]
    return ranked(order, n, len(ids), missing)


def _hashed(texts: Sequence[str], buckets: int) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """The buckets of all n-grams, one text after another, and where each text ends, from 0."""
    coded, ends = array("i"), [0]
    for text in texts:
        words = [word.encode("utf-8", "surrogatepass") for word in tokens(text)]
        sums = [zlib.crc32(word) for word in words]
        coded.extend(one % buckets for one in sums)
        for first, word in zip(sums, words[1:], strict=False):
            coded.append(zlib.crc32(b" " + word, first) % buckets)
        ends.append(len(coded))
    return np.array(coded, np.int32), np.array(ends, np.intp)


def _texts(target: Any, column: str) -> list[str]:
    """The texts of a target, those that are missing left out."""
    if isinstance(target, list | tuple) and all(isinstance(one, str) for one in target):
        return list(target)
    return [as_text(cell) for cell in tables.column(target, column) if cell is not None]


def _checked_buckets(buckets: int) -> None:
    if not 1 <= buckets < 2**31:
        raise UsageError(f"buckets must be from 1 to below 2**31; got {buckets}.")
