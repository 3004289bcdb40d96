"""What a student says of rows that it did not learn from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.data import tables as tables
from synthkit.data.expressions import text as as_text
from synthkit.stats.classifier import (
    Embed,
    Floats,
    Positions,
    distinct,
    embedded,
    fitted,
    positions,
)

STRENGTHS = (0.1, 0.3, 1.0, 3.0)
"""The student's ``C`` that are tried. Of many rows with many wrong labels a low one is best; of a
few hundred rows it would leave the probabilities near the shares of the labels."""
TOLERANCE = 1e-4
"""Ten times sooner than at the student's own, and the same ranking to the third decimal."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """Rows to learn from.

    Parameters
    ----------
    known : the k labels there may be, sorted.
    targets : (n,) the place of each row's label among them.
    vectors : (n, d).
    places : (n,) where the rows are in their table; the others lack a text or a label.
    """

    known: tuple[Any, ...]
    targets: Positions
    vectors: Floats
    places: Positions

    def at(self, some: Positions) -> Labelled:
        """Some of the rows."""
        return Labelled(self.known, self.targets[some], self.vectors[some], self.places[some])


def labelled(
    table: Any,
    label: str,
    *,
    column: str,
    embed: Embed | None,
    known: tuple[Any, ...] | None = None,
) -> Labelled:
    """The rows of a table that have a text and a label, embedded.

    Parameters
    ----------
    label, column : of the labels, and of the texts; or of vectors, without ``embed``.
    known : the labels there may be; those of the table if not given.

    Raises
    ------
    TableError
        If a column is not there.
    UsageError
        If there are not two labels, or one is not known; if texts have no ``embed``.
    """
    cells, labels = tables.column(table, column), tables.column(table, label)
    whole = [
        at
        for at, (cell, given) in enumerate(zip(cells, labels, strict=True))
        if cell is not None and given is not None
    ]
    kept = [labels[at] for at in whole]
    known = distinct(kept) if known is None else known
    targets = positions(kept, known, n=len(kept))
    vectors = vectors_of([cells[at] for at in whole], embed)
    return Labelled(known, targets, vectors, np.array(whole, np.intp))


def vectors_of(cells: Sequence[Any], embed: Embed | None) -> Floats:
    """(n, d), the vectors of cells as texts; the cells themselves, if there is no ``embed``."""
    if embed is not None:
        return embedded([as_text(cell) for cell in cells], embed)
    if any(isinstance(cell, str) for cell in cells):
        raise UsageError(
            "texts are compared by their vectors: give embed=, such as "
            'load_embedder("wordllama").embed.'
        )
    try:
        vectors = np.array(list(cells), np.float64)
    except (TypeError, ValueError):
        vectors = np.empty(0)
    if vectors.ndim != 2 or not np.isfinite(vectors).all():
        raise UsageError(
            "expected texts and embed=, or vectors of one length, all finite; without embed= "
            "these cells are no vectors. Leave rows without one out."
        )
    return vectors


def cross_fitted(
    cells: Sequence[Any],
    labels: Sequence[Any],
    *,
    embed: Embed | None = None,
    folds: int = 5,
    seed: int = 0,
    C: float | None = None,
) -> Floats:
    """(n, k), the probability of each label, sorted, for each row by a student of other rows.

    The rows are dealt into folds, each with its share of every label. The rows of one fold are
    judged by the student of all others. A text that occurs twice can lie in two folds, and vouch
    for its own label: drop duplicates first.

    Parameters
    ----------
    cells : texts; or vectors, (n, d), without ``embed``.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    folds : 2 or more. More of them judge better, and take longer.
    seed : of how rows are dealt.
    C : of the student, see :func:`synthkit.stats.classifier.fit`; the lower, the less it follows wrong
        labels. If not given it is the one of 0.1, 0.3, 1 and 3 whose students give the labels of
        other rows the least log-loss.

    Raises
    ------
    UsageError
        If there are not two labels, a label has fewer rows than there are folds, or a cell or a
        label is missing.
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> rows = [[0], [1], [0], [9], [8], [0]]
    >>> labels = ["low", "low", "low", "high", "high", "high"]
    >>> cross_fitted(rows, labels, folds=3)[:, 1].round(1).tolist()  # of "low"
    [0.6, 0.7, 0.6, 0.2, 0.3, 0.8]

    The last row is called high, and looks low.
    """
    known = distinct(labels)
    targets = positions(labels, known, n=len(cells))
    dealt(targets, known, folds=folds, seed=seed)  # before the texts are embedded, which is slow
    vectors = embedded(cells, embed) if embed else vectors_of(cells, None)
    rows = Labelled(known, targets, vectors, np.arange(len(cells)))
    return out_of_fold(rows, folds=folds, seed=seed, C=C)


def out_of_fold(rows: Labelled, *, folds: int = 5, seed: int = 0, C: float | None = None) -> Floats:
    """What :func:`cross_fitted` gives, for rows that are embedded already."""
    deals = dealt(rows.targets, rows.known, folds=folds, seed=seed)
    tried = [_others(rows, deals, one) for one in (STRENGTHS if C is None else (C,))]
    return min(tried, key=lambda found: _log_loss(found, rows.targets))


def _others(rows: Labelled, deals: Sequence[tuple[Positions, Positions]], C: float) -> Floats:
    """(n, k) of each row by the student of the other folds."""
    found = np.empty((len(rows.targets), len(rows.known)))
    for others, fold in deals:
        student = fitted(
            rows.vectors[others], rows.targets[others], rows.known, C=C, tolerance=TOLERANCE
        )
        found[fold] = student.of_vectors(rows.vectors[fold])
    return found


def _log_loss(found: Floats, targets: Positions) -> float:
    likely = found[np.arange(len(targets)), targets]
    return -float(np.log(np.maximum(likely, np.finfo(float).tiny)).mean())


def judged(
    rows: Labelled,
    *,
    folds: int = 5,
    seed: int = 0,
    real: Labelled | None = None,
    C: float | None = None,
) -> Floats:
    """(n, k), of the student of the other folds; of that of the ``real`` rows, if given."""
    if real is None:
        return out_of_fold(rows, folds=folds, seed=seed, C=C)
    student = fitted(real.vectors, real.targets, real.known, tolerance=TOLERANCE)
    return student.of_vectors(rows.vectors)


def alike(rows: Labelled, real: Labelled) -> None:
    """Refuse real rows with vectors of another length."""
    if real.vectors.shape[1] != rows.vectors.shape[1]:
        raise UsageError(
            f"expected real rows with vectors of {rows.vectors.shape[1]} numbers; "
            f"got {real.vectors.shape[1]}."
        )


def dealt(
    targets: Positions, known: Sequence[Any], *, folds: int, seed: int
) -> list[tuple[Positions, Positions]]:
    """For each fold the places of all other rows, and of its own."""
    if folds < 2:
        raise UsageError(f"folds must be 2 or more; got {folds}.")
    counts = np.bincount(targets, minlength=len(known))
    few = int(counts.argmin())
    if counts[few] < folds:
        raise UsageError(
            f"each label needs a row in each of {folds} folds; {known[few]!r} has {counts[few]}. "
            "Give fewer folds, or leave labels as rare as this out."
        )
    selection = need("sklearn.model_selection", extra="curate", why="to deal rows into folds")
    split = selection.StratifiedKFold(folds, shuffle=True, random_state=seed)
    pairs: Iterator[tuple[Positions, Positions]] = split.split(targets[:, None], targets)
    return list(pairs)
