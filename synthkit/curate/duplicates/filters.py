"""Duplicates: rows that say what another row says, by their characters, their words or meaning.

Of rows that are alike one stays: rows are gone through in the order of preference, and a row goes
if it is as like as the threshold to one that stays. So no two rows that stay are that alike, and
each row that goes is that like the one that stands for it. To leave one row of each connected
component would keep the first of these, but drop more, and the second would no longer hold: in a
chain of rows each is like the next, and the last unlike the first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need
from synthkit.curate.duplicates import minhash, nearest
from synthkit.curate.duplicates.shingles import Kind, Positions, Shape, folded
from synthkit.curate.filters.base import MISSING, Filter
from synthkit.curate.filters.registry import filter_option, number
from synthkit.data import tables as tables
from synthkit.data.expressions import text as as_text
from synthkit.data.results import Curation

Embed = Callable[[Sequence[str]], ArrayLike]
"""Texts -> (n, d) numbers."""
SIZES: dict[str, int] = {"words": 1, "chars": 5}
"""How long a shingle is if nobody says."""

Found = tuple[Positions, NDArray[np.float64]]
"""For each of n texts which one stands for it, itself if it stays, and how alike they are, 0..1."""
Pairs = Iterator[tuple[int, int, float]]


class Measure(NamedTuple):
    """A way for texts to be alike: ``find`` leaves one of those that are; ``compare`` compares.

    ``compare(texts, chosen)`` gives all pairs of a chosen position and any other whose likeness is
    at the threshold or above, by brute force.
    """

    find: Callable[[Sequence[str]], Found]
    compare: Callable[[Sequence[str], Sequence[int]], Pairs]


@dataclass(frozen=True, slots=True)
class Duplicates(Filter):
    """A filter of duplicates, which can also tell its clusters (:func:`clusters`) and be checked.

    Parameters
    ----------
    column : of the texts.
    prefer : which row stays: ``"first"``, ``"longest"``, or a column, largest number first.
    measure : what makes two texts alike.
    """

    column: str
    prefer: str
    measure: Measure


def exact_duplicates(
    *, column: str = "text", punctuation: bool = True, prefer: str = "first"
) -> Duplicates:
    """A filter of rows whose text is that of another: ``"duplicate: of <id>"``.

    Texts are compared after NFKC, case folding, and with white space made one space, or none at
    the ends. Rows without a text are dropped as missing. Texts that are empty then are equal to
    each other: one of them stays.

    Parameters
    ----------
    punctuation : whether it counts; if not, it is as white space. Symbols and emoji always count.
    prefer : which of equal rows stays: ``"first"``, ``"longest"``, or a column of numbers, of
        which the row with the largest stays. Rows without a number come last.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "text": "Good soup!"}, {"id": "b", "text": "good  soup"}]
    >>> apply_filters(rows, exact_duplicates(punctuation=False)).dropped["why"].tolist()
    ['duplicate: of a']
    """

    def fold(texts: Sequence[str]) -> list[str]:
        return folded(texts, punctuation=punctuation)

    def find(texts: Sequence[str]) -> Found:
        first: dict[str, int] = {}
        of = map(first.setdefault, fold(texts), range(len(texts)))
        return np.fromiter(of, np.intp, len(texts)), np.ones(len(texts))

    def compare(texts: Sequence[str], chosen: Sequence[int]) -> Pairs:
        held = fold(texts)
        for i in chosen:
            yield from ((i, j, 1.0) for j, text in enumerate(held) if text == held[i] and i != j)

    name = f"duplicates of {column}{'' if punctuation else ' without punctuation'}"
    return _filter(name, "duplicate", "", column, prefer, Measure(find, compare))


def near_duplicates(
    *,
    threshold: float = 0.8,
    column: str = "text",
    shingle: Kind = "words",
    size: int | None = None,
    recall: float = 0.999,
    prefer: str = "first",
    seed: int = 0,
) -> Duplicates:
    """A filter of rows whose text has nearly the shingles of another's, by MinHash.

    The reason is ``"near-duplicate: of <id>, Jaccard 0.93"``. The Jaccard coefficient of two texts
    is the share of shingles that both have in those that either has. It is computed for each pair
    that MinHash proposes, so that no row is dropped wrongly. A pair at the threshold is missed with
    probability ``1 - recall``, one that is more alike more rarely, and equal ones never.

    Texts are compared after what :func:`exact_duplicates` does. By single words their order does
    not count, and one word changed in n leaves (n - 1) / (n + 1): at 0.8 that is found from 9 words
    on, at 0.9 from 19. Of sentences with one word changed 0.8 finds half to two thirds, 0.9 a third
    or less; at 0.7 also rows go that only have the form in common, such as questions. Rows without
    a text are dropped as missing; those with an empty one are equal.

    Parameters
    ----------
    threshold : Jaccard coefficient from which on a row is dropped, above 0, at most 1.
    shingle : ``"words"``, those of :func:`synthkit.stats.rouge.tokens`, or ``"chars"``.
    size : how many of them in a row are a shingle; 1 word or 5 characters if not given. A text
        with fewer is one shingle.
    recall : probability to find a pair at the threshold, below 1.
    prefer : which of two rows stays, as for :func:`exact_duplicates`.
    seed : of the hash functions.

    Raises
    ------
    UsageError
        If an option is out of its range.

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
    if shingle not in SIZES:
        raise UsageError(unknown("shingle", str(shingle), SIZES))
    if not 0 < threshold <= 1:
        raise UsageError(f"threshold must be above 0 and at most 1; got {threshold}.")
    if not 0 < recall < 1:
        raise UsageError(f"recall must be above 0 and below 1; got {recall}.")
    shape = Shape(shingle, SIZES[shingle] if size is None else size)
    if shape.size < 1:
        raise UsageError(f"size must be at least 1; got {size}.")

    def find(texts: Sequence[str]) -> Found:
        return minhash.representatives(texts, shape, threshold=threshold, recall=recall, seed=seed)

    def compare(texts: Sequence[str], chosen: Sequence[int]) -> Pairs:
        return minhash.compare(texts, shape, chosen, threshold)

    name = f"near-duplicates of {column}, Jaccard of {shape.size} {shingle} >= {threshold}"
    name += f", recall {recall}, seed {seed}"
    return _filter(name, "near-duplicate", "Jaccard", column, prefer, Measure(find, compare))


def semantic_duplicates(
    embed: Embed, *, threshold: float = 0.9, column: str = "text", prefer: str = "first"
) -> Duplicates:
    """A filter of rows whose text means nearly what another's does, by the cosine of embeddings.

    The reason is ``"semantic duplicate: of <id>, cosine 0.93"``. All pairs are found, in time that
    grows with the square of the rows: 100,000 take seconds, a million take minutes; drop the other
    duplicates first, also since embeddings may heed case: WordLlama takes less than half of the
    copies in other letters for the same. Rows without a text are dropped as missing. A text whose
    embedding is zero is like none but equal ones.

    Parameters
    ----------
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    threshold : cosine from which on a row is dropped, above 0, at most 1, to within 1e-6.
    prefer : which of two rows stays, as for :func:`exact_duplicates`.

    Raises
    ------
    UsageError
        If the threshold is out of its range; when it is applied, if ``embed`` gives anything but
        one vector of finite numbers for each text.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"id": "a", "text": "hot soup"}, {"id": "b", "text": "warm soup"}]
    >>> rule = semantic_duplicates(lambda texts: [[1.0, len(text)] for text in texts])
    >>> apply_filters(rows, rule).dropped["why"].tolist()
    ['semantic duplicate: of a, cosine 1.00']
    """
    if not 0 < threshold <= 1:
        raise UsageError(f"threshold must be above 0 and at most 1; got {threshold}.")

    def find(texts: Sequence[str]) -> Found:
        return nearest.representatives(nearest.unit(embed(texts), len(texts)), threshold)

    def compare(texts: Sequence[str], chosen: Sequence[int]) -> Pairs:
        return nearest.compare(nearest.unit(embed(texts), len(texts)), chosen, threshold)

    by = getattr(embed, "__self__", embed)
    by = getattr(by, "name", None) or getattr(embed, "__qualname__", type(embed).__name__)
    name = f"semantic duplicates of {column}, cosine by {by} >= {threshold}"
    return _filter(name, "semantic duplicate", "cosine", column, prefer, Measure(find, compare))


@filter_option("dedupe", takes="THRESHOLD", cost=2)
def _dedupe(threshold: str = "exact", *, column: str) -> Filter:
    """Drop duplicates: equal texts, or texts with a Jaccard similarity of at least THRESHOLD."""
    if threshold == "exact":
        return exact_duplicates(column=column)
    return near_duplicates(threshold=number(threshold), column=column)


@filter_option("dedupe-meaning", takes="NUMBER", cost=3)
def _dedupe_meaning(threshold: float, *, column: str, embed: Embed) -> Filter:
    """Drop texts of the same meaning: those with a cosine similarity of at least NUMBER."""
    return semantic_duplicates(embed, threshold=threshold, column=column)


def clusters(table: Any, rule: Duplicates) -> Any:
    """The rows that are alike: ``id``, ``cluster``, ``representative`` and ``similarity``.

    A cluster is a row that stays, first, and those that go because of it; it is numbered from 1 in
    their order in the table. ``representative`` is the id of the row that stays, ``similarity`` how
    like it a row is, 0..1. Rows that are like no other are not listed.

    Examples
    --------
    >>> rows = [{"id": i, "text": text} for i, text in enumerate(["Soup", "Tea", "soup ", "SOUP"])]
    >>> clusters(rows, exact_duplicates()).to_dict("list")
    {'id': [0, 2, 3], 'cluster': [1, 1, 1], 'representative': [0, 0, 0], \
'similarity': [1.0, 1.0, 1.0]}
    """
    held = tables.identified(table)
    of, likeness, _ = _found(held, rule)
    size = np.bincount(of, minlength=len(of))
    (members,) = np.nonzero(size[of] > 1)
    members = members[np.lexsort((members, of[members] != members, of[members]))]
    _, number = np.unique(of[members], return_inverse=True)
    ids = tables.column(held, "id")
    cells = {
        "id": [ids[at] for at in members],
        "cluster": (number + 1).tolist(),
        "representative": [ids[at] for at in of[members]],
        "similarity": likeness[members].tolist(),
    }
    return tables.build(cells, like=tables.kind(held))


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateCheck:
    """What brute force finds of the duplicates that a filter left.

    Parameters
    ----------
    rows : how many have a text.
    sampled : how many of these were compared with all others.
    alike : how many of the sampled are as like as the threshold to another.
    high : of all rows the share that may be, 0..1: the upper end of the one-sided Clopper-Pearson
        interval of 95 %, about 3 / ``sampled`` if none was found; the share itself if all rows
        were sampled.
    pairs : the ids of a sampled row and of one that is like it, and how much.
    """

    rows: int
    sampled: int
    alike: int
    high: float
    pairs: tuple[tuple[Any, Any, float], ...]

    def __str__(self) -> str:
        bound = f"{'at most ' if self.sampled < self.rows else ''}{self.high:.2%}"
        return (
            f"{self.alike} of {self.sampled} sampled rows are like another; "
            f"{bound} of all {self.rows} are."
        )


def check_duplicates(
    kept: Any, rule: Duplicates, *, sample: int = 300, seed: int = 0
) -> DuplicateCheck:
    """Whether rows that a filter of duplicates kept are still alike, by brute force on a sample.

    Sampled rows are compared with all rows, without MinHash or any other short cut. A sample of
    rows says more than one of pairs: among n rows few of n^2 pairs can be alike, so that hardly one
    of them would be drawn.

    Parameters
    ----------
    kept : a table, or a :class:`~synthkit.data.results.Curation`.
    rule : the filter, which says how texts are compared and what the threshold is.

    Raises
    ------
    UsageError
        If ``sample`` is below 1.

    References
    ----------
    C. J. Clopper and E. S. Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.

    Examples
    --------
    >>> rows = [{"id": n, "text": f"row {n}"} for n in range(1000)]
    >>> print(check_duplicates(rows, near_duplicates()))
    0 of 300 sampled rows are like another; at most 0.99% of all 1000 are.
    """
    if sample < 1:
        raise UsageError(f"sample must be at least 1; got {sample}.")
    held = tables.identified(kept.kept if isinstance(kept, Curation) else kept)
    cells = tables.column(held, rule.column)
    ids = [
        id for id, cell in zip(tables.column(held, "id"), cells, strict=True) if cell is not None
    ]
    texts = [as_text(cell) for cell in cells if cell is not None]
    rows, drawn = len(texts), min(sample, len(texts))
    if not rows:
        return DuplicateCheck(rows=0, sampled=0, alike=0, high=0.0, pairs=())
    chosen = np.random.default_rng(seed).choice(rows, drawn, replace=False).tolist()
    found = list(rule.measure.compare(texts, sorted(chosen)))
    alike = len({i for i, _, _ in found})
    high = alike / drawn
    if alike < drawn < rows:
        special = need("scipy.special", extra="curate", why="to bound a share")
        high = float(special.betaincinv(alike + 1, drawn - alike, 0.95))
    pairs = tuple((ids[i], ids[j], likeness) for i, j, likeness in found)
    return DuplicateCheck(rows=rows, sampled=drawn, alike=alike, high=high, pairs=pairs)


def _filter(
    name: str, kind: str, unit: str, column: str, prefer: str, measure: Measure
) -> Duplicates:
    def judge(table: Any) -> list[str]:
        held = table if "id" in tables.columns(table) else tables.identified(table)
        of, likeness, missing = _found(held, rule)
        ids = tables.column(held, "id")
        why = [""] * len(of)
        for at in np.flatnonzero(of != np.arange(len(of))).tolist():
            how = f", {unit} {likeness[at]:.2f}" if unit else ""
            why[at] = f"{kind}: of {ids[of[at]]}{how}"
        for at in missing:
            why[at] = MISSING
        return why

    name += "" if prefer == "first" else f", the {prefer} first"
    rule = Duplicates(name, judge, column, prefer, measure)
    return rule


def _found(table: Any, rule: Duplicates) -> tuple[Positions, NDArray[np.float64], list[int]]:
    """Which row stands for each, how like it is, and the rows without a text."""
    cells = tables.column(table, rule.column)
    missing: list[int] = []
    texts: list[str] = cells
    if set(map(type, cells)) != {str}:
        missing = [at for at, cell in enumerate(cells) if cell is None]
        texts = [as_text(cell) for cell in cells]
    order = np.array(_order(table, rule.prefer, texts), np.intp)
    if missing:
        order = order[~np.isin(order, missing)]
    ordered = texts if rule.prefer == "first" and not missing else [texts[at] for at in order]
    # texts that are the same to the letter are compared once
    first: dict[str, int] = {}
    same = np.fromiter(map(first.setdefault, ordered, range(len(ordered))), np.intp, len(ordered))
    of, likeness = np.arange(len(texts)), np.ones(len(texts))
    if first:
        new = same == np.arange(len(same))
        found, alike = rule.measure.find(list(first))
        which = (np.cumsum(new) - 1)[same]
        of[order], likeness[order] = order[new][found[which]], alike[which]
    return of, likeness, missing


def _order(table: Any, prefer: str, texts: Sequence[str]) -> ArrayLike:
    """The positions of the rows, those to keep first."""
    if prefer == "first":
        return np.arange(len(texts))
    if prefer == "longest":
        return sorted(range(len(texts)), key=lambda at: -len(texts[at]))
    scores = tables.column(table, prefer)
    for score in scores:
        if isinstance(score, bool | str) or not (score is None or hasattr(score, "__float__")):
            raise UsageError(f"prefer needs a column of numbers; got {score!r} in {prefer!r}.")
    return sorted(range(len(texts)), key=lambda at: (scores[at] is None, -float(scores[at] or 0.0)))
