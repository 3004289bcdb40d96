"""Label probabilities of rows by classifiers that were fitted on other rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.data.labels import in_one_form
from synthkit.stats import classifier
from synthkit.stats.classifier import Embed, Floats, Positions

STRENGTHS = (0.1, 0.3, 1.0, 3.0)
"""The values of the classifier's ``C`` that are tried. With many rows and many wrong labels a low
one is best; with a few hundred rows a low one leaves the probabilities near the label shares."""
TOLERANCE = 1e-4
"""The tolerance of the fits: ten times faster than the classifier's default, and the ranking is the
same to the third decimal."""


@dataclass(frozen=True, slots=True, eq=False)
class LabelledRows:
    """Rows of a table with their labels and vectors.

    Parameters
    ----------
    labels : the k possible labels, sorted.
    targets : (n,) the position of each row's label in ``labels``.
    vectors : (n, d).
    places : (n,) the positions of the rows in their table; its other rows lack a text or a label.
    """

    labels: tuple[Any, ...]
    targets: Positions
    vectors: Floats
    places: Positions

    def subset(self, at: Positions) -> LabelledRows:
        """The rows at these positions."""
        return LabelledRows(self.labels, self.targets[at], self.vectors[at], self.places[at])

    def spread(self, values: Iterable[Any], table: Any, missing: Any = None) -> list[Any]:
        """A cell for each row of the table: a value of these rows, or ``missing``."""
        cells = [missing] * tables.size(table)
        for at, value in zip(self.places, values, strict=True):
            cells[at] = value
        return cells


def labelled_rows(
    table: Any,
    label: str,
    *,
    column: str,
    embed: Embed | None,
    labels: tuple[Any, ...] | None = None,
) -> LabelledRows:
    """The rows of a table that have a text and a label, with their vectors.

    Parameters
    ----------
    label, column : of the labels, and of the texts; or of vectors, without ``embed``.
    labels : the possible labels; those of the table if not given.

    Raises
    ------
    TableError
        If a column does not exist.
    UsageError
        If there are fewer than two labels, or one is unknown; if texts have no ``embed``.
    """
    cells, all_labels = tables.column(table, column), tables.column(table, label)
    places = [
        at
        for at, (cell, value) in enumerate(zip(cells, all_labels, strict=True))
        if cell is not None and value is not None
    ]
    own_labels = [all_labels[at] for at in places]
    labels = classifier.distinct(own_labels) if labels is None else labels
    targets = classifier.positions(own_labels, labels, n=len(own_labels))
    vectors = vectors_of([cells[at] for at in places], embed)
    return LabelledRows(labels, targets, vectors, np.array(places, np.intp))


def labelled_with_real(
    table: Any, real: Any, label: str, *, column: str, embed: Embed | None
) -> tuple[LabelledRows, LabelledRows | None]:
    """The rows of a table, and those of a real table, whose labels are then the possible ones."""
    table, real = in_one_form(label, table, real)
    trusted = None if real is None else labelled_rows(real, label, column=column, embed=embed)
    labels = None if trusted is None else trusted.labels
    return labelled_rows(table, label, column=column, embed=embed, labels=labels), trusted


def vectors_of(cells: Sequence[Any], embed: Embed | None) -> Floats:
    """(n, d) the embeddings of cells as texts; without ``embed``, the cells themselves."""
    if embed is not None:
        return classifier.embedded([as_text(cell) for cell in cells], embed)
    if any(isinstance(cell, str) for cell in cells):
        raise UsageError(
            "texts are compared by their vectors: give embed=, such as "
            'load_embedder("wordllama").embed.'
        )
    vectors = classifier.numbers_or_nan(list(cells))
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
    """(n, k) probabilities of the sorted labels, by a classifier that was fitted on other rows.

    The rows are split into stratified folds. The rows of a fold are scored by a classifier that was
    fitted on all other folds. A text that occurs twice can be in two folds and confirm its own
    label, so drop duplicates first.

    Parameters
    ----------
    cells : texts; or vectors, (n, d), without ``embed``.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    folds : 2 or more; with more folds the probabilities are better, and take longer.
    seed : of the split into folds.
    C : the inverse regularization strength, see :func:`synthkit.stats.classifier.fit`; the lower,
        the less the classifier follows wrong labels. If not given, it is the one of 0.1, 0.3, 1 and
        3 with the lowest log loss on the labels of the left-out rows.

    Raises
    ------
    UsageError
        If there are fewer than two labels, a label has fewer rows than there are folds, or a cell
        or a label is missing.
    MissingExtra
        If scikit-learn is not installed.

    Examples
    --------
    >>> rows = [[0], [1], [0], [9], [8], [0]]
    >>> labels = ["low", "low", "low", "high", "high", "high"]
    >>> cross_fitted(rows, labels, folds=3)[:, 1].round(1).tolist()  # of "low"
    [0.6, 0.7, 0.6, 0.2, 0.3, 0.8]

    The last row is labelled high, and looks low.
    """
    classes = classifier.distinct(labels)
    targets = classifier.positions(labels, classes, n=len(cells))
    stratified_folds(targets, classes, folds=folds, seed=seed)  # checks before the slow embedding
    vectors = classifier.embedded(cells, embed) if embed else vectors_of(cells, None)
    rows = LabelledRows(classes, targets, vectors, np.arange(len(cells)))
    return out_of_fold(rows, folds=folds, seed=seed, C=C)


def out_of_fold(
    rows: LabelledRows, *, folds: int = 5, seed: int = 0, C: float | None = None
) -> Floats:
    """The probabilities of :func:`cross_fitted`, for rows with vectors."""
    splits = stratified_folds(rows.targets, rows.labels, folds=folds, seed=seed)
    candidates = [_out_of_fold(rows, splits, C) for C in (STRENGTHS if C is None else (C,))]
    return min(candidates, key=lambda probabilities: _log_loss(probabilities, rows.targets))


def _out_of_fold(
    rows: LabelledRows, splits: Sequence[tuple[Positions, Positions]], C: float
) -> Floats:
    probabilities = np.empty((len(rows.targets), len(rows.labels)))
    for others, fold in splits:
        model = classifier.fitted(
            rows.vectors[others], rows.targets[others], rows.labels, C=C, tolerance=TOLERANCE
        )
        probabilities[fold] = model.of_vectors(rows.vectors[fold])
    return probabilities


def _log_loss(probabilities: Floats, targets: Positions) -> float:
    of_label = probabilities[np.arange(len(targets)), targets]
    return -float(np.log(np.maximum(of_label, np.finfo(float).tiny)).mean())


def label_probabilities(
    rows: LabelledRows,
    *,
    folds: int = 5,
    seed: int = 0,
    real: LabelledRows | None = None,
    C: float | None = None,
) -> Floats:
    """(n, k) by classifiers of the other folds, or by a classifier of the ``real`` rows."""
    if real is None:
        return out_of_fold(rows, folds=folds, seed=seed, C=C)
    model = classifier.fitted(real.vectors, real.targets, real.labels, tolerance=TOLERANCE)
    return model.of_vectors(rows.vectors)


def check_same_width(rows: LabelledRows, real: LabelledRows) -> None:
    """Raise a UsageError if the vectors of the real rows have another length."""
    if real.vectors.shape[1] != rows.vectors.shape[1]:
        raise UsageError(
            f"expected real rows with vectors of {rows.vectors.shape[1]} numbers; "
            f"got {real.vectors.shape[1]}."
        )


def stratified_folds(
    targets: Positions, labels: Sequence[Any], *, folds: int, seed: int
) -> list[tuple[Positions, Positions]]:
    """For each fold the positions of all other rows, and of its own rows.

    Raises
    ------
    UsageError
        If there are fewer than two folds, or a label has fewer rows than there are folds.
    """
    if folds < 2:
        raise UsageError(f"folds must be 2 or more; got {folds}.")
    counts = np.bincount(targets, minlength=len(labels))
    rarest = int(counts.argmin())
    if counts[rarest] < folds:
        raise UsageError(
            f"each label needs a row in each of {folds} folds; {labels[rarest]!r} has "
            f"{counts[rarest]}. Give fewer folds, or leave labels as rare as this out."
        )
    selection = need("sklearn.model_selection", extra="curate", why="to split rows into folds")
    split = selection.StratifiedKFold(folds, shuffle=True, random_state=seed)
    pairs: Iterator[tuple[Positions, Positions]] = split.split(targets[:, None], targets)
    return list(pairs)
