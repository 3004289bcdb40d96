"""Samples of rows whose distribution matches that of real rows.

A row is drawn in proportion to p(x) / q(x), where p is the density of the real texts and q that of
the table's texts, estimated from n-grams or from embeddings; without replacement, as in
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
from synthkit.core.hashing import digest
from synthkit.curate.filters.base import MISSING, Filter, embedder_name
from synthkit.curate.selection.sampling import checked_n, gumbel, rank_reasons
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.stats.classifier import Embed, Floats, embedded, unit
from synthkit.stats.words import tokens

BUCKETS = 10_000
"""The number of buckets into which n-grams are hashed, as in DSIR."""
FOLDS = 5
"""The folds of cross-validation in which the density ratio is estimated."""


def dsir(
    target: Any,
    *,
    n: int,
    column: str = "text",
    target_column: str | None = None,
    buckets: int = BUCKETS,
    seed: int = 0,
) -> Filter:
    """Keep ``n`` rows whose words are distributed like those of target texts.

    Rows are drawn by :func:`log_importance`. Rows without a word are dropped. All other rows are
    kept if there are ``n`` or fewer.

    Parameters
    ----------
    target : texts, or a table of real rows.
    n : the number of rows to keep.
    column, target_column : of the texts; the target's is the same if not given.
    buckets : the number of buckets into which n-grams are hashed.

    Raises
    ------
    TableError
        If a column does not exist.
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
    most, real = checked_n(n), _texts(target, target_column or column)
    if not any(map(tokens, real)):
        raise UsageError("the target has no word; expected texts that the rows should resemble.")
    _check_buckets(buckets)

    def judge(table: Any) -> list[str]:
        cells = tables.column(table, column)
        texts = [as_text(cell) for cell in cells]
        present = [at for at, text in enumerate(texts) if tokens(text)]
        logs = log_importance([texts[at] for at in present], real, buckets=buckets)
        reasons = _reasons(table, present, logs, most, seed, missing="no words")
        return [
            why if cell is not None else MISSING for why, cell in zip(reasons, cells, strict=True)
        ]

    name = f"DSIR: {most} of {column} like {len(real)} texts {digest(real)[:8]}"
    return Filter(f"{name} in {buckets} buckets, seed {seed}", judge)


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
    """Keep ``n`` rows whose embeddings are distributed like those of target texts.

    Rows are drawn by :func:`log_density_ratio`. All rows are kept if there are ``n`` or fewer.

    Parameters
    ----------
    target : texts, or a table of real rows; at least two.
    n : the number of rows to keep.
    embed : texts -> (n, d) numbers.
    column, target_column : of the texts; the target's is the same if not given.
    C : the inverse regularization strength of the classifier; the larger, the farther the ratios
        are from 1.

    Raises
    ------
    TableError
        If a column does not exist.
    UsageError
        If an option is out of range; when applied, if there are fewer than two rows.
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
    most, real = checked_n(n), _texts(target, target_column or column)
    if not C > 0:
        raise UsageError(f"C must be above 0; got {C}.")
    if len(real) < 2:
        raise UsageError(f"expected at least two target texts; got {len(real)}.")

    def judge(table: Any) -> list[str]:
        cells = tables.column(table, column)
        present = [at for at, cell in enumerate(cells) if cell is not None]
        if len(present) <= most:
            logs = np.zeros(len(present))  # all are kept, and may be too few for a classifier
        else:
            vectors = unit(embedded([as_text(cells[at]) for at in present], embed))
            real_vectors = unit(embedded(real, embed, width=vectors.shape[1]))
            logs = log_density_ratio(vectors, real_vectors, C=C, seed=seed)
        return _reasons(table, present, logs, most, seed, missing=MISSING)

    name = f"density match: {most} of {column} like {len(real)} texts {digest(real)[:8]}"
    return Filter(f"{name} ({embedder_name(embed)}, C {C:g}), seed {seed}", judge)


def log_importance(
    texts: Sequence[str], target: Sequence[str], *, buckets: int = BUCKETS
) -> Floats:
    """(n,) log p(z) - log q(z) of each text: how much likelier its words are in the target.

    z counts the words and the pairs of adjacent words of a text, by the bucket to which each is
    hashed. p and q are the shares of the buckets in the target and in the texts, so the result is
    sum_j z_j (log p_j - log q_j). As a sum over n-grams, it is farther from 0 for longer texts.

    Words are split by :func:`synthkit.stats.words.tokens`, in any script and without punctuation;
    the authors' code counts punctuation as words. Here 1 is added to the count of each bucket. The
    authors add 1e-8 to the shares, which suits targets of millions of words; in smaller targets it
    makes one unseen n-gram outweigh all others.

    Examples
    --------
    >>> log_importance(["soup", "stocks"], ["soup", "soup"], buckets=1000).round(2).tolist()
    [0.41, -0.69]
    """
    _check_buckets(buckets)
    of_texts, ends = _hashed(texts, buckets)
    of_target, _ = _hashed(target, buckets)
    p, q = (np.bincount(hashes, minlength=buckets) + 1.0 for hashes in (of_target, of_texts))
    gain = np.log(p / p.sum()) - np.log(q / q.sum())
    sums = np.concatenate([[0.0], np.cumsum(gain[of_texts])])[ends]
    return np.diff(sums)


def log_density_ratio(
    vectors: NDArray[Any], target: NDArray[Any], *, C: float = 1.0, seed: int = 0
) -> Floats:
    """(n,) log p(x) - log q(x) of each vector, by a classifier of target vectors against others.

    The odds P(target | x) / P(other | x) of a logistic regression are p(x) / q(x), times the ratio
    of their numbers. Each vector is scored by a regression that was not fitted on it, in 5 folds,
    or in fewer if there are fewer rows of a kind.

    Parameters
    ----------
    vectors, target : (n, d) and (m, d), at least two rows each.

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
        raise UsageError(f"expected at least two rows of each kind; got {least}.")
    folds = model_selection.StratifiedKFold(min(FOLDS, least), shuffle=True, random_state=seed)
    odds = model_selection.cross_val_predict(
        linear.LogisticRegression(C=C, max_iter=1000),
        np.concatenate([vectors, target]),
        np.repeat([0, 1], [len(vectors), len(target)]),
        cv=folds,
        method="decision_function",
    )
    return np.asarray(odds[: len(vectors)] + np.log(len(vectors) / len(target)))


def _reasons(
    table: Any, present: Sequence[int], logs: Floats, n: int, seed: int, *, missing: str
) -> list[str]:
    """The reasons for all rows, if ``n`` present ones are drawn in proportion to exp(logs)."""
    ids = tables.column(tables.identified(table), "id")
    keys = logs + gumbel([str(ids[at]) for at in present], seed)
    ranking = [present[at] for at in np.argsort(-keys, kind="stable")]
    return rank_reasons(ranking, n, size=len(ids), missing=missing)


def _hashed(texts: Sequence[str], buckets: int) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """The buckets of the n-grams of all texts, and (n + 1,) the position at which each begins."""
    hashes, ends = array("i"), [0]
    for text in texts:
        words = [word.encode("utf-8", "surrogatepass") for word in tokens(text)]
        checksums = [zlib.crc32(word) for word in words]
        hashes.extend(checksum % buckets for checksum in checksums)
        for first, word in zip(checksums, words[1:], strict=False):
            hashes.append(zlib.crc32(b" " + word, first) % buckets)
        ends.append(len(hashes))
    return np.array(hashes, np.int32), np.array(ends, np.intp)


def _texts(target: Any, column: str) -> list[str]:
    """The texts of a target, without missing ones."""
    if isinstance(target, list | tuple) and all(isinstance(text, str) for text in target):
        return list(target)
    return [as_text(cell) for cell in tables.column(target, column) if cell is not None]


def _check_buckets(buckets: int) -> None:
    if not 1 <= buckets < 2**31:
        raise UsageError(f"buckets must be from 1 to below 2**31; got {buckets}.")
