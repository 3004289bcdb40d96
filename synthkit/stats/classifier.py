"""What a table is good for, by what a light student learns from it.

The student is logistic regression on embeddings of the texts. It is fitted in a second or less, so
that it can say after every round of generation what it still gets wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need

MAX_ITER = 10_000
TOLERANCE = 1e-6
"""Largest gradient at which a fit ends. At scikit-learn's 1e-4 influence is off by a percent."""

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Embed = Callable[[Sequence[str]], ArrayLike]
"""Texts -> (n, d) numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A classifier of texts: softmax(vectors @ coefficients.T + intercepts).

    It is at the least of sum_i shares_i l_i + penalty / 2 |coefficients|^2, where l_i is the
    cross-entropy of a row that it was fitted on.

    Parameters
    ----------
    labels : the k labels that it tells apart, sorted.
    embed : texts -> (n, d) numbers.
    coefficients, intercepts : (k, d) and (k,); they add up to 0 over the labels.
    penalty : of the coefficients.
    vectors, targets, shares : the rows it was fitted on: (n, d); (n,) positions in ``labels``;
        (n,) weights that add up to 1.
    """

    labels: tuple[Any, ...]
    embed: Embed
    coefficients: Floats
    intercepts: Floats
    penalty: float
    vectors: Floats
    targets: Positions
    shares: Floats

    def probabilities(self, texts: Sequence[str]) -> Floats:
        """(n, k), the probability of each label, in the order of ``labels``.

        Raises
        ------
        UsageError
            If a text is missing, or has a vector of another length than those it was fitted on.
        """
        return self.of_vectors(embedded(texts, self.embed, width=self.vectors.shape[1]))

    def of_vectors(self, vectors: Floats) -> Floats:
        """(n, k), the probability of each label for texts that are embedded already."""
        return softmax(vectors @ self.coefficients.T + self.intercepts)

    def predict(self, texts: Sequence[str]) -> list[Any]:
        """The likeliest label of each text."""
        return [self.labels[at] for at in self.probabilities(texts).argmax(axis=1)]


def fit(
    texts: Sequence[str],
    labels: Sequence[Any],
    *,
    embed: Embed,
    C: float = 1.0,
    weights: Sequence[float] | None = None,
) -> Classifier:
    """A student that has learned the labels of the texts; there is no chance in it.

    It is scikit-learn's ``LogisticRegression`` by L-BFGS: the least of
    C sum_i weights_i l_i + |W|^2 / 2, with free intercepts. For two labels scikit-learn has one
    vector of coefficients, w, which here are two, -w/2 and w/2: the penalty then is 2 / C and not
    1 / C, divided by the sum of the weights.

    Parameters
    ----------
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    C : the larger, the closer it follows the rows.
    weights : of the rows, 0 or more; 1 each if not given.

    Raises
    ------
    UsageError
        If there are not two labels or more; if texts, labels and weights differ in number; if a
        text or a label is missing, or a vector is not finite; if a weight is below 0, or a label
        has none above 0; if ``C`` is not above 0.
    MissingExtra
        If scikit-learn is not installed.

    References
    ----------
    The small model of S3 (arXiv 2310.13671, algorithm 2) and PGKD (arXiv 2411.05045), which there
    are DistilBERT and BERT. This one learns less, and needs no GPU and no seed.

    Examples
    --------
    >>> def embed(texts):
    ...     return [[text.count("good"), text.count("bad")] for text in texts]
    >>> student = fit(["good soup", "bad soup"], ["+", "-"], embed=embed)
    >>> student.predict(["a good day", "too bad"])
    ['+', '-']
    """
    if not C > 0:
        raise UsageError(f"C must be above 0; got {C}.")
    known = distinct(labels)
    targets = positions(labels, known, n=len(texts))
    return fitted(embedded(texts, embed), targets, known, embed=embed, C=C, weights=weights)


def fitted(
    vectors: Floats,
    targets: Positions,
    known: tuple[Any, ...],
    *,
    embed: Embed = np.asarray,
    C: float = 1.0,
    weights: Sequence[float] | None = None,
    tolerance: float = TOLERANCE,
) -> Classifier:
    """What :func:`fit` gives, from vectors and from the place of each label among those known.

    ``tolerance`` is the largest gradient at which the fit ends. With ``embed`` left out the student
    knows vectors alone: ask it by ``of_vectors``.
    """
    linear = need("sklearn.linear_model", extra="curate", why="to fit a student")
    given = row_weights(weights, targets, known)
    model = linear.LogisticRegression(C=C, max_iter=MAX_ITER, tol=tolerance)
    model.fit(vectors, targets, sample_weight=given)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(known) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return Classifier(
        labels=known,
        embed=embed,
        coefficients=coefficients,
        intercepts=intercepts,
        penalty=(2 if len(known) == 2 else 1) / (C * float(given.sum())),
        vectors=vectors,
        targets=targets,
        shares=given / given.sum(),
    )


def errors(student: Classifier, texts: Sequence[str], labels: Sequence[Any]) -> list[int]:
    """Positions of the texts that the student gets wrong, the surest of its mistakes first.

    How sure it is is the probability of the label that it gives; of equal ones the earlier text
    comes first.

    Raises
    ------
    UsageError
        If texts and labels differ in number, one is missing, or the student knows no such label.

    References
    ----------
    The errors on real rows near which S3 generates (arXiv 2310.13671, algorithm 2), in the order of
    PGKD's hard negatives (arXiv 2411.05045). Never give it the test rows.

    Examples
    --------
    >>> def embed(texts):
    ...     return [[text.count("good") - text.count("bad")] for text in texts]
    >>> student = fit(["good", "bad"], [1, 0], embed=embed)
    >>> errors(student, ["not bad", "good", "not bad, not bad at all"], [1, 1, 1])
    [2, 0]
    """
    asked = positions(labels, student.labels, n=len(texts))
    found = student.probabilities(texts)
    wrong = np.flatnonzero(found.argmax(axis=1) != asked)
    order = np.argsort(-found[wrong].max(axis=1), kind="stable")
    return [int(at) for at in wrong[order]]


def embedded(texts: Sequence[str], embed: Embed, *, width: int | None = None) -> Floats:
    """The vectors of the texts, (n, d) and finite; of ``width`` numbers each, if it is given.

    Raises
    ------
    UsageError
        If there is no text, one is missing, or the vectors are others.
    """
    if not len(texts):
        raise UsageError("expected one text or more; got none.")
    for n, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(f"row {n}: expected a text; got {text!r}. Leave such rows out.")
    vectors = np.asarray(embed(list(texts)), np.float64)
    if vectors.ndim != 2 or vectors.shape != (len(texts), width or vectors.shape[1]):
        wide = "d" if width is None else width
        raise UsageError(f"expected vectors of shape ({len(texts)}, {wide}); got {vectors.shape}.")
    unsound = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(unsound):
        raise UsageError(f"row {unsound[0]}: its vector is not finite. Leave such rows out.")
    return vectors


def positions(labels: Sequence[Any], known: Sequence[Any], *, n: int) -> Positions:
    """Where each of ``n`` labels stands among those known.

    Raises
    ------
    UsageError
        If their number is another, or one is not known.
    """
    if len(labels) != n:
        raise UsageError(f"expected a label for each of {n} texts; got {len(labels)} labels.")
    place = {label: at for at, label in enumerate(known)}
    for row, label in enumerate(labels):
        if not isinstance(label, Hashable) or label not in place:
            raise UsageError(f"row {row}: {unknown('label', str(label), known)}")
    return np.array([place[label] for label in labels], np.intp)


def softmax(logits: Floats) -> Floats:
    """(n, k) probabilities of logits."""
    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def distinct(labels: Sequence[Any]) -> tuple[Any, ...]:
    """The labels that occur, sorted.

    Raises
    ------
    UsageError
        If they are not two or more, or one is missing.
    """
    for row, label in enumerate(labels):
        if label is None or label != label or not isinstance(label, Hashable):
            raise UsageError(f"row {row}: expected a label; got {label!r}. Leave such rows out.")
    known = tuple(sorted(set(labels), key=lambda label: (type(label).__name__, label)))
    if len(known) < 2:
        raise UsageError(f"a student needs rows of two labels or more; got {list(known)}.")
    return known


def row_weights(
    weights: Sequence[float] | None, targets: Positions, labels: Sequence[Any]
) -> Floats:
    """(n,) what each row counts, 1 each if not given.

    Raises
    ------
    UsageError
        If their number is another, one is below 0, or the rows of a label have none above 0.
    """
    if weights is None:
        return np.ones(len(targets))
    given = np.asarray(weights, np.float64)
    if given.shape != targets.shape or not (np.isfinite(given) & (given >= 0)).all():
        raise UsageError(f"expected {len(targets)} weights of 0 or more; got {weights!r}.")
    for at, mass in enumerate(np.bincount(targets, given)):
        if mass == 0:
            raise UsageError(f"no row of the label {labels[at]!r} has a weight above 0.")
    return given
