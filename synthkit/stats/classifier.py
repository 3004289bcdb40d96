"""The light classifier: logistic regression on embeddings of texts.

It is fitted in a second or less, fast enough to find errors after every round of generation.
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
"""Largest gradient of a finished fit. With scikit-learn's 1e-4, influence is off by one percent."""

Floats = NDArray[np.float64]
Positions = NDArray[np.intp]
Embed = Callable[[Sequence[str]], ArrayLike]
"""Texts -> (n, d) numbers."""


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingClassifier:
    """A classifier of texts: softmax(vectors @ coefficients.T + intercepts).

    It minimises sum_i shares_i l_i + penalty / 2 |coefficients|^2, where l_i is the cross-entropy
    of training row i.

    Parameters
    ----------
    labels : its k labels, sorted.
    embed : texts -> (n, d) numbers.
    coefficients, intercepts : (k, d) and (k,); they add up to 0 over the labels.
    penalty : the L2 penalty of the coefficients.
    vectors, targets, shares : the training rows: (n, d); (n,) positions in ``labels``; (n,) weights
        that add up to 1.
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
        """(n, k) probabilities, with columns in the order of ``labels``.

        Raises
        ------
        UsageError
            If a text is missing, or its vector has another length than the training vectors.
        """
        return self.of_vectors(embedded(texts, self.embed, width=self.vectors.shape[1]))

    def of_vectors(self, vectors: Floats) -> Floats:
        """(n, k) probabilities for texts that are already embedded."""
        return softmax(vectors @ self.coefficients.T + self.intercepts)

    def predict(self, texts: Sequence[str]) -> list[Any]:
        """The most probable label of each text."""
        return [self.labels[at] for at in self.probabilities(texts).argmax(axis=1)]


def fit(
    texts: Sequence[str],
    labels: Sequence[Any],
    *,
    embed: Embed,
    C: float = 1.0,
    weights: Sequence[float] | None = None,
) -> EmbeddingClassifier:
    """A classifier trained on the texts and their labels; training is deterministic.

    It is scikit-learn's ``LogisticRegression`` by L-BFGS, which minimises
    C sum_i weights_i l_i + |W|^2 / 2, with unpenalised intercepts. For two labels scikit-learn has
    one vector of coefficients, w, which here becomes two, -w/2 and w/2: the penalty is then 2 / C
    instead of 1 / C, divided by the sum of the weights.

    Parameters
    ----------
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    C : the inverse strength of the penalty; larger values fit the rows more closely.
    weights : the weights of the rows, 0 or more; by default 1 each.

    Raises
    ------
    UsageError
        If there are fewer than two labels; if texts, labels and weights differ in number; if a text
        or a label is missing, or a vector is not finite; if a weight is below 0, or a label has
        none above 0; if ``C`` is not above 0.
    MissingExtra
        If scikit-learn is not installed.

    References
    ----------
    The small models of S3 (arXiv 2310.13671, algorithm 2) and PGKD (arXiv 2411.05045) are
    DistilBERT and BERT. This one is weaker, and needs no GPU and no seed.

    Examples
    --------
    >>> def embed(texts):
    ...     return [[text.count("good"), text.count("bad")] for text in texts]
    >>> classifier = fit(["good soup", "bad soup"], ["+", "-"], embed=embed)
    >>> classifier.predict(["a good day", "too bad"])
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
) -> EmbeddingClassifier:
    """:func:`fit` for vectors, and for the position of each label among the ``known`` ones.

    ``tolerance`` is the largest gradient of a finished fit. Without ``embed`` the classifier takes
    vectors only, by ``of_vectors``.
    """
    linear = need("sklearn.linear_model", extra="curate", why="to fit a classifier")
    row_shares = row_weights(weights, targets, known)
    model = linear.LogisticRegression(C=C, max_iter=MAX_ITER, tol=tolerance)
    model.fit(vectors, targets, sample_weight=row_shares)
    coefficients, intercepts = model.coef_, model.intercept_
    if len(known) == 2:
        coefficients = np.concatenate([-coefficients, coefficients]) / 2
        intercepts = np.concatenate([-intercepts, intercepts]) / 2
    return EmbeddingClassifier(
        labels=known,
        embed=embed,
        coefficients=coefficients,
        intercepts=intercepts,
        penalty=(2 if len(known) == 2 else 1) / (C * float(row_shares.sum())),
        vectors=vectors,
        targets=targets,
        shares=row_shares / row_shares.sum(),
    )


def embedded(texts: Sequence[str], embed: Embed, *, width: int | None = None) -> Floats:
    """(n, d) finite vectors of the texts; d must be ``width``, if that is given.

    Raises
    ------
    UsageError
        If there is no text, one is missing, or the vectors have another shape or are not finite.
    """
    if not len(texts):
        raise UsageError("expected one text or more; got none.")
    check_texts(texts)
    vectors = np.asarray(embed(list(texts)), np.float64)
    if vectors.ndim != 2 or vectors.shape != (len(texts), width or vectors.shape[1]):
        d = "d" if width is None else width
        raise UsageError(f"expected vectors of shape ({len(texts)}, {d}); got {vectors.shape}.")
    invalid = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(invalid):
        raise UsageError(f"row {invalid[0]}: its vector is not finite. Leave such rows out.")
    return vectors


def positions(labels: Sequence[Any], known: Sequence[Any], *, n: int) -> Positions:
    """(n,) position of each label among the ``known`` ones.

    Raises
    ------
    UsageError
        If there are not ``n`` labels, or one is unknown.
    """
    if len(labels) != n:
        raise UsageError(f"expected a label for each of {n} texts; got {len(labels)} labels.")
    position = {label: at for at, label in enumerate(known)}
    for row, label in enumerate(labels):
        if not isinstance(label, Hashable) or label not in position:
            raise UsageError(f"row {row}: {unknown('label', str(label), known)}")
    return np.array([position[label] for label in labels], np.intp)


def sigmoid(logits: ArrayLike) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    halved: Floats = np.tanh(np.asarray(logits) / 2)
    return (1 + halved) / 2


def softmax(logits: Floats) -> Floats:
    """(n, k) probabilities of logits."""
    powers: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
    powers /= powers.sum(axis=1, keepdims=True)
    return powers


def distinct(labels: Sequence[Any]) -> tuple[Any, ...]:
    """The distinct labels, sorted.

    Raises
    ------
    UsageError
        If there are fewer than two, or one is missing.
    """
    check_labels(labels)
    known = tuple(sorted(set(labels), key=lambda label: (type(label).__name__, label)))
    if len(known) < 2:
        raise UsageError(f"a classifier needs rows of two or more labels; got {list(known)}.")
    return known


def unit(vectors: Any) -> NDArray[np.float32]:
    """(n, d) float32, rows L2-normalized; rows of zeros stay zero."""
    rows = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)


def numbers_or_nan(values: ArrayLike) -> Floats:
    """The values as float64, or a single NaN if they are not numbers."""
    try:
        return np.asarray(values, np.float64)
    except (TypeError, ValueError):
        return np.array(np.nan)


def check_texts(texts: Sequence[Any], row: str = "row") -> None:
    """Raise a :class:`UsageError` for the first of some texts that is not a string."""
    for at, text in enumerate(texts):
        if not isinstance(text, str):
            raise UsageError(f"{row} {at}: expected a text; got {text!r}. Leave such rows out.")


def check_labels(labels: Sequence[Any], row: str = "row") -> None:
    """Raise a :class:`UsageError` for the first label that is missing or not hashable."""
    for at, label in enumerate(labels):
        if label is None or label != label or not isinstance(label, Hashable):
            raise UsageError(f"{row} {at}: expected a label; got {label!r}. Leave such rows out.")


def row_weights(
    weights: Sequence[float] | None, targets: Positions, labels: Sequence[Any]
) -> Floats:
    """(n,) weight of each row, by default 1.

    Raises
    ------
    UsageError
        If there are not n weights, one is below 0, or the rows of a label have none above 0.
    """
    if weights is None:
        return np.ones(len(targets))
    values = np.asarray(weights, np.float64)
    if values.shape != targets.shape or not (np.isfinite(values) & (values >= 0)).all():
        raise UsageError(f"expected {len(targets)} weights of 0 or more; got {weights!r}.")
    for at, total in enumerate(np.bincount(targets, values)):
        if total == 0:
            raise UsageError(f"no row of the label {labels[at]!r} has a weight above 0.")
    return values
