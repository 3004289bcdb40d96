"""How likely a person accepts a row: logistic regression with leave-one-out and Platt's scaling."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthkit.core.extras import need
from synthkit.stats.classifier import Floats

CHOICES = (1.0, 3.0, 10.0)
"""C of the regression, from which the marks choose."""
CHOICE = 10.0
"""C where there are too few marks to choose by."""
ENOUGH = 40
"""Marks from which on C is chosen by them."""
TOLERANCE = 1e-8
PRIOR = 0.3
"""Precision of the prior of Platt's slope, which is normal around 1: the regression as it is."""


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """P(accept) of a vector: sigmoid(slope (vector @ coefficients + intercept) + offset).

    Parameters
    ----------
    coefficients, intercept : (d,) and a number, of the regression.
    slope, offset : Platt's scaling of its logits, at least 0 and any number.
    C : of the regression; the larger, the closer it follows the marks.
    """

    coefficients: Floats
    intercept: float
    slope: float
    offset: float
    C: float

    def logits(self, vectors: Floats) -> Floats:
        """(n,), the calibrated log-odds of accept for vectors of shape (n, d)."""
        logits: Floats = (vectors @ self.coefficients + self.intercept) * self.slope + self.offset
        return logits

    def probabilities(self, vectors: Floats) -> Floats:
        """(n,), P(accept) for vectors of shape (n, d)."""
        return sigmoid(self.logits(vectors))


def calibrated(vectors: Floats, accepted: Floats) -> tuple[Classifier, Floats]:
    """The classifier of marked rows, and (n,) P(accept) of each as if it had not been marked.

    A row's own probability comes from a regression and from a scaling that were fitted without it.
    Both are left out to second order, from one fit to all rows (see :func:`left_out`). C is the one
    of :data:`CHOICES` with the least cross-entropy of these probabilities, where there are
    :data:`ENOUGH` marks.

    Parameters
    ----------
    vectors : (n, d).
    accepted : (n,), 1 for accept and 0 for reject, two of each at least.

    References
    ----------
    J. Platt (1999), Probabilistic outputs for support vector machines; the targets that keep it
    from being too sure of few marks, (N+ + 1) / (N+ + 2) and 1 / (N- + 2), are his.
    """
    choices = CHOICES if len(accepted) >= ENOUGH else (CHOICE,)
    basis, small = _reduced(vectors)
    found = []
    for C in choices:
        weights, intercept = _regression(small, accepted, C)
        logits = left_out(small, accepted, weights, intercept, C)
        slope, offset, own = scaled(logits, accepted)
        found.append((_loss(own, accepted), C, weights, intercept, slope, offset, own))
    _, C, weights, intercept, slope, offset, own = min(found, key=lambda one: one[0])
    return Classifier(basis @ weights, intercept, slope, offset, C), own


def left_out(
    vectors: Floats, accepted: Floats, weights: Floats, intercept: float, C: float
) -> Floats:
    """(n,), each row's logit under the regression that was fitted without it, to second order.

    With one Newton step from the fit to all rows: f_i + (p_i - y_i) h_i / (1 - p_i (1 - p_i) h_i),
    where h_i = x_i^T H^-1 x_i, and H is the Hessian of the objective with all rows.

    References
    ----------
    K. R. Rad and A. Maleki (2020), A scalable estimate of the out-of-sample prediction error via
    approximate leave-one-out, arXiv 1801.10243.
    """
    rows = np.column_stack([vectors, np.ones(len(vectors))])
    logits = vectors @ weights + intercept
    p = sigmoid(logits)
    spread = p * (1 - p)
    hessian = (rows * spread[:, None]).T @ rows
    hessian[np.arange(len(weights)), np.arange(len(weights))] += 1 / C
    reach = np.einsum("ij,ji->i", rows, np.linalg.solve(hessian, rows.T))
    moved: Floats = logits + (p - accepted) * reach / (1 - spread * reach)
    return moved


def scaled(logits: Floats, accepted: Floats) -> tuple[float, float, Floats]:
    """Slope and offset of Platt's scaling, and (n,) the probabilities with each row left out.

    Logits that order the rows the wrong way round say nothing: the slope is then 0.
    """
    for_, against = accepted.sum(), len(accepted) - accepted.sum()
    targets = np.where(accepted > 0, (for_ + 1) / (for_ + 2), 1 / (against + 2))
    rows = np.column_stack([logits, np.ones(len(logits))])
    fitted = _newton(rows, targets)
    if fitted[0] < 0:
        rows[:, 0] = 0
        fitted = _newton(rows, targets) * [0, 1]
    p = sigmoid(rows @ fitted)
    spread = p * (1 - p)
    reach = np.einsum("ij,ji->i", rows, np.linalg.solve(_curvature(rows, spread), rows.T))
    own = sigmoid(rows @ fitted + (p - targets) * reach / (1 - spread * reach))
    return float(fitted[0]), float(fitted[1]), own


def sigmoid(logits: Floats) -> Floats:
    """1 / (1 + exp(-x)), without overflow."""
    halved: Floats = np.tanh(np.asarray(logits) / 2)
    return (1 + halved) / 2


def _newton(rows: Floats, targets: Floats) -> Floats:
    """The two coefficients at the least cross-entropy, from a constant on; steps are halved."""
    at = np.array([0.0, np.log(targets.mean() / (1 - targets.mean()))])

    def objective(x: Floats) -> float:
        logits = rows @ x
        return float(
            (np.logaddexp(0, logits) - targets * logits).sum() + PRIOR / 2 * (x[0] - 1) ** 2
        )

    for _ in range(100):
        p = sigmoid(rows @ at)
        slope = rows.T @ (p - targets) + [PRIOR * (at[0] - 1), 0]
        if np.abs(slope).max() < TOLERANCE:
            break
        step = np.linalg.solve(_curvature(rows, p * (1 - p)), slope)
        before = objective(at)
        while objective(at - step) > before and np.abs(step).max() > TOLERANCE:
            step /= 2
        at = at - step
    return at


def _curvature(rows: Floats, spread: Floats) -> Floats:
    hessian: Floats = (rows * spread[:, None]).T @ rows + np.diag([PRIOR, 1e-12])
    return hessian


def _regression(vectors: Floats, accepted: Floats, C: float) -> tuple[Floats, float]:
    linear = need("sklearn.linear_model", extra="curate", why="to learn from marks")
    model = linear.LogisticRegression(C=C, solver="newton-cholesky", tol=TOLERANCE)
    model.fit(vectors, accepted)
    return model.coef_[0], float(model.intercept_[0])


def _reduced(vectors: Floats) -> tuple[Floats, Floats]:
    """A basis (d, r) of what the rows span, and the rows in it, (n, r).

    With fewer marks than dimensions the coefficients lie in that span, and the fit is as much
    quicker.
    """
    if len(vectors) >= vectors.shape[1]:
        return np.eye(vectors.shape[1]), vectors
    basis, rows = np.linalg.qr(vectors.T)
    return basis, rows.T


def _loss(p: Floats, accepted: Floats) -> float:
    likely = np.where(accepted > 0, p, 1 - p)
    return float(-np.log(np.maximum(likely, 1e-12)).mean())
