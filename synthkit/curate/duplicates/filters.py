"""Three filters of duplicates: equal texts, nearly equal texts, texts of the same meaning."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError, check_known, check_positive
from synthkit.curate.duplicates import base, cosine, minhash
from synthkit.curate.duplicates.shingles import Shingling, Unit, folded
from synthkit.curate.filters.base import Filter, embedder_name
from synthkit.curate.filters.registry import filter_option, number
from synthkit.data.large_texts import first_equal
from synthkit.stats.classifier import Positions

Embed = Callable[[Sequence[str]], ArrayLike]
"""Texts -> (n, d) numbers."""
SIZES: dict[str, int] = {"words": 1, "chars": 5}
"""The default size of a shingle."""


def exact_duplicates(
    *, column: str = "text", punctuation: bool = True, prefer: str = "first"
) -> base.Duplicates:
    """Drop rows whose text equals that of another row: ``"duplicate: of <id>"``.

    Texts are compared after NFKC normalization and case folding; a run of white space counts as one
    space, and white space at the ends is ignored. Rows without a text are dropped as missing. Of
    the texts that are empty after normalization one is kept.

    Parameters
    ----------
    punctuation : whether punctuation counts; if not, it is treated as white space. Symbols and
        emoji always count.
    prefer : which of equal rows is kept: ``"first"``, ``"longest"``, or the name of a column of
        numbers, of which the row with the largest number is kept. Rows without a number come last.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "text": "Good soup!"}, {"id": "b", "text": "good  soup"}]
    >>> apply_filters(rows, exact_duplicates(punctuation=False)).dropped["why"].tolist()
    ['duplicate: of a']
    """

    def fold(texts: Sequence[str]) -> list[str]:
        return folded(texts, punctuation=punctuation)

    def representatives(texts: Sequence[str]) -> base.Representatives:
        return first_equal(texts, fold), np.ones(len(texts))

    def pairs(texts: Sequence[str], chosen: Sequence[int]) -> base.Pairs:
        same = fold(texts)
        for i in chosen:
            yield from ((i, j, 1.0) for j, text in enumerate(same) if text == same[i] and i != j)

    def links(texts: Sequence[str]) -> tuple[Positions, Positions]:
        of, _ = representatives(texts)
        return np.arange(len(of)), of

    name = f"duplicates of {column}{'' if punctuation else ' without punctuation'}"
    similarity = base.Similarity(representatives, pairs, links, large=True)
    return base.duplicates_filter(name, "duplicate", "", column, prefer, similarity)


def near_duplicates(
    *,
    threshold: float = 0.8,
    column: str = "text",
    shingle: Unit = "words",
    size: int | None = None,
    recall: float = 0.999,
    prefer: str = "first",
    seed: int = 0,
) -> base.Duplicates:
    """Drop rows whose text is nearly that of another row, by the Jaccard similarity of shingles.

    The reason is ``"near-duplicate: of <id>, Jaccard 0.93"``. The Jaccard similarity of two texts
    is the number of shingles they share divided by the number of shingles of either. MinHash
    proposes the pairs to compare, and the similarity of each pair is computed exactly, so no row is
    dropped wrongly. A pair at the threshold is missed with probability ``1 - recall``, more similar
    pairs are missed less often, and equal texts never.

    Texts are normalized as by :func:`exact_duplicates`. With shingles of one word the order of the
    words does not matter, and one word changed in n leaves a similarity of (n - 1) / (n + 1): that
    reaches 0.8 from 9 words on, and 0.9 from 19. Of sentences with one word changed, 0.8 finds half
    to two thirds, and 0.9 a third or less; 0.7 also drops rows that share only their form, such as
    questions. Rows without a text are dropped as missing; empty texts are equal.

    Parameters
    ----------
    threshold : the Jaccard similarity from which on a row is dropped, above 0 and at most 1.
    shingle : ``"words"``, as by :func:`synthkit.stats.words.tokens`, or ``"chars"``.
    size : how many words or characters in a row are one shingle; 1 word or 5 characters if not
        given. A text with fewer is one shingle.
    recall : the probability to find a pair at the threshold, above 0 and below 1.
    prefer : which of two rows is kept, as for :func:`exact_duplicates`.
    seed : of the hash functions.

    Raises
    ------
    UsageError
        If an option is out of range.

    References
    ----------
    A. Z. Broder (1997), On the resemblance and containment of documents; J. Leskovec, A. Rajaraman
    and J. D. Ullman, Mining of Massive Datasets, chapter 3, for the bands.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "text": "The soup was very good and hot."},
    ...         {"id": "b", "text": "The soup was good and hot!"}]
    >>> apply_filters(rows, near_duplicates(threshold=0.8)).dropped["why"].tolist()
    ['near-duplicate: of a, Jaccard 0.86']
    """
    check_known("shingle", [shingle], SIZES)
    _check_threshold(threshold)
    if not 0 < recall < 1:
        raise UsageError(f"recall must be above 0 and below 1; got {recall}.")
    shingling = Shingling(shingle, SIZES[shingle] if size is None else size)
    check_positive(size=shingling.size)

    def representatives(texts: Sequence[str]) -> base.Representatives:
        return minhash.representatives(
            texts, shingling, threshold=threshold, recall=recall, seed=seed
        )

    def pairs(texts: Sequence[str], chosen: Sequence[int]) -> base.Pairs:
        return minhash.similar_pairs(texts, shingling, chosen, threshold)

    def links(texts: Sequence[str]) -> tuple[Positions, Positions]:
        return minhash.links(texts, shingling, threshold=threshold, recall=recall, seed=seed)

    name = f"near-duplicates of {column}, Jaccard of {shingling.size} {shingle} >= {threshold}"
    name += f", recall {recall}, seed {seed}"
    similarity = base.Similarity(representatives, pairs, links, large=True)
    return base.duplicates_filter(name, "near-duplicate", "Jaccard", column, prefer, similarity)


@filter_option("dedupe", takes="THRESHOLD", cost=2)
def _dedupe(threshold: str = "exact", *, column: str) -> Filter:
    """Drop duplicates: equal texts, or texts with a Jaccard similarity of at least THRESHOLD."""
    if threshold == "exact":
        return exact_duplicates(column=column)
    return near_duplicates(threshold=number(threshold), column=column)


def semantic_duplicates(
    embed: Embed, *, threshold: float = 0.9, column: str = "text", prefer: str = "first"
) -> base.Duplicates:
    """Drop rows whose text means nearly the same as another row's, by the cosine of embeddings.

    The reason is ``"semantic duplicate: of <id>, cosine 0.93"``. All pairs are found, in time that
    grows with the square of the number of rows: 100,000 rows take seconds, a million take minutes.
    Drop the other duplicates first. That also helps because embeddings may depend on case:
    WordLlama recognizes less than half of the copies in another case. Rows without a text are
    dropped as missing. A text whose embedding is zero is a duplicate only of equal texts.

    Parameters
    ----------
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    threshold : the cosine from which on a row is dropped, above 0 and at most 1, to within 1e-6.
    prefer : which of two rows is kept, as for :func:`exact_duplicates`.

    Raises
    ------
    UsageError
        If the threshold is out of range; when applied, if ``embed`` does not return one vector of
        finite numbers for each text.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "text": "hot soup"}, {"id": "b", "text": "warm soup"}]
    >>> filter = semantic_duplicates(lambda texts: [[1.0, len(text)] for text in texts])
    >>> apply_filters(rows, filter).dropped["why"].tolist()
    ['semantic duplicate: of a, cosine 1.00']
    """
    _check_threshold(threshold)

    def representatives(texts: Sequence[str]) -> base.Representatives:
        return cosine.representatives(cosine.unit(embed(texts), len(texts)), threshold)

    def pairs(texts: Sequence[str], chosen: Sequence[int]) -> base.Pairs:
        return cosine.similar_pairs(cosine.unit(embed(texts), len(texts)), chosen, threshold)

    def links(texts: Sequence[str]) -> tuple[Positions, Positions]:
        return cosine.links(cosine.unit(embed(texts), len(texts)), threshold)

    name = f"semantic duplicates of {column}, cosine by {embedder_name(embed)} >= {threshold}"
    similarity = base.Similarity(representatives, pairs, links)
    return base.duplicates_filter(name, "semantic duplicate", "cosine", column, prefer, similarity)


@filter_option("dedupe-meaning", takes="NUMBER", cost=3)
def _dedupe_meaning(threshold: float, *, column: str, embed: Embed) -> Filter:
    """Drop texts of the same meaning: those with a cosine similarity of at least NUMBER."""
    return semantic_duplicates(embed, threshold=threshold, column=column)


def _check_threshold(threshold: float) -> None:
    if not 0 < threshold <= 1:
        raise UsageError(f"threshold must be above 0 and at most 1; got {threshold}.")
