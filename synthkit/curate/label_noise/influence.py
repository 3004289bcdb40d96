"""Which of the rows that a student learned from help it, and which lead it astray."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need
from synthkit.stats.classifier import Classifier, Embed, Floats, Positions, embedded, fit, positions

Loss = Literal["rce", "ce"]
LOG_ZERO = -4.0
"""What the reverse cross-entropy takes for the logarithm of 0."""
TOLERANCE = 1e-10
"""Relative residual at which H s = grad L counts as solved."""


def influence(
    student: Classifier, texts: Sequence[str], labels: Sequence[Any], *, loss: Loss = "rce"
) -> Floats:
    """(n,), how much each row that the student learned from helps it on validation rows.

    It is how fast the mean loss L of the validation rows falls as a row z_i weighs more in the
    student's own objective J, which then has its least at J + eps l_ce(z_i):

        phi_i = -dL / d eps = grad L^T H^-1 grad l_ce(z_i)

    Above 0 the row helps, below 0 it harms. H is the whole Hessian of J at the student's
    coefficients and intercepts, with the rows' weights and the penalty; H s = grad L is solved by
    conjugate gradients, without H being formed. Adding the same to all intercepts is no direction
    of grad L, so it does no harm that H is 0 along it.

    Parameters
    ----------
    student : as :func:`~synthkit.stats.classifier.fit` made it; the result is in the order of the
        rows it was given.
    texts, labels : the validation rows.
    loss : of the validation rows. ``"rce"``, the reverse cross-entropy -sum_k p_k log q_k with the
        one-hot label q and log 0 = -4, bears wrong labels among them, as synthetic rows have;
        ``"ce"``, the cross-entropy, is for gold labels.

    Raises
    ------
    UsageError
        If texts and labels differ in number, one is missing, or the student knows no such label;
        if H is too near to singular, as that of a student fitted with a very large ``C``.

    References
    ----------
    J. Ye et al. (2022), ProGen, arXiv 2210.12329, section 3.1, after P. W. Koh and P. Liang (2017),
    arXiv 1703.04730, equation 2. Theirs is the rise of the loss, so that its least rows help; here
    it is the fall. They estimate H^-1 grad L by sampling, for a network; here it is solved, and
    exact for a small eps. log 0 = -4 is that of the symmetric cross-entropy (Y. Wang et al. 2019,
    arXiv 1908.06112); ProGen's code smooths q so that the logarithms lie 1 apart, which gives a
    quarter of it, and the same order.

    Examples
    --------
    >>> from synthkit.stats.classifier import fit
    >>> def embed(texts):
    ...     return [[text.count("good") - text.count("bad")] for text in texts]
    >>> rows = ["good", "so good", "bad", "too bad", "bad, bad"]
    >>> student = fit(rows, ["+", "+", "-", "-", "+"], embed=embed)
    >>> found = influence(student, ["good soup", "bad tea"], ["+", "-"])
    >>> [round(one, 2) for one in found.tolist()]
    [0.5, 0.5, 0.68, 0.68, -1.64]
    """
    if loss not in ("rce", "ce"):
        raise UsageError(unknown("loss", loss, ("rce", "ce")))
    targets = positions(labels, student.labels, n=len(texts))
    vectors = embedded(texts, student.embed, width=student.vectors.shape[1])
    return on_vectors(student, vectors, targets, loss=loss)


def on_vectors(
    student: Classifier, vectors: Floats, targets: Positions, *, loss: Loss = "rce"
) -> Floats:
    """What :func:`influence` gives, for validation rows that are embedded already.

    ``targets`` are the places of their labels among the student's.
    """
    found = student.of_vectors(vectors)
    slopes = ce_slopes(found, targets) / len(targets)
    if loss == "rce":  # -LOG_ZERO (1 - p_y) falls by -LOG_ZERO p_y where -log p_y falls by 1
        slopes *= -LOG_ZERO * found[np.arange(len(targets)), targets, None]
    solved = _solved(student, slopes.T @ with_one(vectors))
    rows = ce_slopes(student.of_vectors(student.vectors), student.targets)
    phi: Floats = (rows * (with_one(student.vectors) @ solved.T)).sum(axis=1)
    return phi


def helpfulness(embed: Embed) -> Callable[..., Floats]:
    """A function of (texts, labels, validation texts, validation labels) that gives the influence.

    It fits a student on the texts and labels each time: what ProGen asks between two rounds.
    """

    def helpful(
        texts: Sequence[str], labels: Sequence[Any], seen: Sequence[str], said: Sequence[Any]
    ) -> Floats:
        return influence(fit(texts, labels, embed=embed), seen, said)

    return helpful


def ce_slopes(probabilities: Floats, targets: Positions) -> Floats:
    """(n, k), of the cross-entropy of each row by its logits."""
    slopes = probabilities.copy()
    slopes[np.arange(len(targets)), targets] -= 1
    return slopes


def with_one(vectors: Floats) -> Floats:
    """(n, d + 1), with the constant that the intercepts weigh."""
    return np.column_stack([vectors, np.ones(len(vectors))])


def _solved(student: Classifier, gradient: Floats) -> Floats:
    """The s of H s = gradient; both (k, d + 1)."""
    linalg = need("scipy.sparse.linalg", extra="curate", why="to find the influence of rows")
    rows = with_one(student.vectors)
    found = student.of_vectors(student.vectors)
    ridge = np.full(gradient.shape, student.penalty)
    ridge[:, -1] = 0

    def times(flat: Floats) -> Floats:
        s = flat.reshape(gradient.shape)
        logits = rows @ s.T
        moved = found * (logits - (found * logits).sum(axis=1, keepdims=True))
        product: Floats = ((moved * student.shares[:, None]).T @ rows + ridge * s).ravel()
        return product

    hessian = linalg.LinearOperator((gradient.size, gradient.size), matvec=times, dtype=np.float64)
    with np.errstate(all="ignore"):  # it overflows where H is singular
        flat, failed = linalg.cg(hessian, gradient.ravel(), rtol=TOLERANCE)
    if failed or not np.isfinite(flat).all():
        raise UsageError(
            "the student is too sure to find the influence of rows; fit it with less C."
        )
    solved: Floats = flat.reshape(gradient.shape)
    return solved
