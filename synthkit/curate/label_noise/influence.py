"""Influence: which of the rows that a classifier was fitted on help it, and which harm it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from synthkit.core.errors import UsageError, check_known
from synthkit.core.extras import need
from synthkit.stats.classifier import (
    Embed,
    EmbeddingClassifier,
    Floats,
    Positions,
    embedded,
    fit,
    positions,
)

Loss = Literal["rce", "ce"]
LOG_ZERO = -4.0
"""The value of log 0 in the reverse cross-entropy."""
TOLERANCE = 1e-10
"""The relative residual at which H s = grad L counts as solved."""


def influence(
    classifier: EmbeddingClassifier,
    texts: Sequence[str],
    labels: Sequence[Any],
    *,
    loss: Loss = "rce",
) -> Floats:
    """(n,) how much each row that a classifier was fitted on helps it on validation rows.

    It is the rate at which the mean loss L of the validation rows falls as a row z_i gets more
    weight in the objective J of the classifier, whose minimum is then that of J + eps l_ce(z_i):

        phi_i = -dL / d eps = grad L^T H^-1 grad l_ce(z_i)

    Above 0 the row helps, below 0 it harms. H is the full Hessian of J at the coefficients and
    intercepts, with the weights of the rows and the penalty; H s = grad L is solved by conjugate
    gradients without forming H. H is singular in the direction that adds the same number to all
    intercepts, but grad L is orthogonal to it.

    Parameters
    ----------
    classifier : as returned by :func:`~synthkit.stats.classifier.fit`; the result is in the order
        of the rows it was fitted on.
    texts, labels : the validation rows.
    loss : of the validation rows. ``"rce"``, the reverse cross-entropy -sum_k p_k log q_k with the
        one-hot label q and log 0 = -4, tolerates wrong labels among them, as in synthetic rows;
        ``"ce"``, the cross-entropy, is for gold labels.

    Raises
    ------
    UsageError
        If texts and labels differ in number, one is missing, or a label is unknown to the
        classifier; if H is nearly singular, as with a very large ``C``.

    References
    ----------
    J. Ye et al. (2022), ProGen, arXiv 2210.12329, section 3.1, after P. W. Koh and P. Liang (2017),
    arXiv 1703.04730, equation 2. They define the rise of the loss, so their helpful rows have the
    lowest values; here it is the fall. They estimate H^-1 grad L for a network by sampling; here it
    is solved, and exact for a small eps. log 0 = -4 is from the symmetric cross-entropy (Y. Wang et
    al. 2019, arXiv 1908.06112); ProGen's code smooths q so that the logarithms differ by 1, which
    gives a quarter of the value, and the same order.

    Examples
    --------
    >>> from synthkit.stats.classifier import fit
    >>> def embed(texts):
    ...     return [[text.count("good") - text.count("bad")] for text in texts]
    >>> rows = ["good", "so good", "bad", "too bad", "bad, bad"]
    >>> classifier = fit(rows, ["+", "+", "-", "-", "+"], embed=embed)
    >>> influence(classifier, ["good soup", "bad tea"], ["+", "-"]).round(2).tolist()
    [0.5, 0.5, 0.68, 0.68, -1.64]
    """
    check_known("loss", [loss], ("rce", "ce"))
    targets = positions(labels, classifier.labels, n=len(texts))
    vectors = embedded(texts, classifier.embed, width=classifier.vectors.shape[1])
    return influence_on_vectors(classifier, vectors, targets, loss=loss)


def influence_on_vectors(
    classifier: EmbeddingClassifier, vectors: Floats, targets: Positions, *, loss: Loss = "rce"
) -> Floats:
    """The result of :func:`influence`, for validation rows with vectors.

    Parameters
    ----------
    vectors, targets : (m, d), and (m,) the positions of their labels in ``classifier.labels``.
    """
    probabilities = classifier.of_vectors(vectors)
    gradients = logit_gradients(probabilities, targets) / len(targets)
    if loss == "rce":  # the gradient of -LOG_ZERO (1 - p_y) is -LOG_ZERO p_y that of -log p_y
        gradients *= -LOG_ZERO * probabilities[np.arange(len(targets)), targets, None]
    solution = _solve(classifier, gradients.T @ with_constant(vectors))
    of_rows = logit_gradients(classifier.of_vectors(classifier.vectors), classifier.targets)
    return np.asarray((of_rows * (with_constant(classifier.vectors) @ solution.T)).sum(axis=1))


def helpfulness(embed: Embed) -> Callable[..., Floats]:
    """A function of texts, labels, validation texts and labels that returns the influence, (n,).

    It fits a classifier on the texts and labels at every call, as ProGen needs between two rounds.
    """

    def helpful(
        texts: Sequence[str],
        labels: Sequence[Any],
        validation_texts: Sequence[str],
        validation_labels: Sequence[Any],
    ) -> Floats:
        return influence(fit(texts, labels, embed=embed), validation_texts, validation_labels)

    return helpful


def logit_gradients(probabilities: Floats, targets: Positions) -> Floats:
    """(n, k) the gradient of the cross-entropy of each row by its logits."""
    gradients = probabilities.copy()
    gradients[np.arange(len(targets)), targets] -= 1
    return gradients


def with_constant(vectors: Floats) -> Floats:
    """(n, d + 1) the vectors with a column of ones, for the intercepts."""
    return np.column_stack([vectors, np.ones(len(vectors))])


def _solve(classifier: EmbeddingClassifier, gradient: Floats) -> Floats:
    """The solution s of H s = gradient; both (k, d + 1)."""
    linalg = need("scipy.sparse.linalg", extra="curate", why="to compute the influence of rows")
    rows = with_constant(classifier.vectors)
    probabilities = classifier.of_vectors(classifier.vectors)
    ridge = np.full(gradient.shape, classifier.penalty)
    ridge[:, -1] = 0

    def times(flat: Floats) -> Floats:
        s = flat.reshape(gradient.shape)
        logits = rows @ s.T
        mean = (probabilities * logits).sum(axis=1, keepdims=True)
        weighted = probabilities * (logits - mean) * classifier.shares[:, None]
        return np.asarray((weighted.T @ rows + ridge * s).ravel())

    hessian = linalg.LinearOperator((gradient.size, gradient.size), matvec=times, dtype=np.float64)
    with np.errstate(all="ignore"):  # it overflows if H is singular
        flat, failed = linalg.cg(hessian, gradient.ravel(), rtol=TOLERANCE)
    if failed or not np.isfinite(flat).all():
        raise UsageError(
            "the influence of rows cannot be computed, because the classifier is too confident; "
            "fit it with a lower C."
        )
    return np.asarray(flat.reshape(gradient.shape))
