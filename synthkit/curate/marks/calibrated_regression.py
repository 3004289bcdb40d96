"""P(accept) of a row: logistic regression, calibrated by Platt scaling on left-out rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from synthkit.core.extras import need
from synthkit.stats.classifier import Floats, sigmoid

CHOICES = (1.0, 3.0, 10.0)
"""The values of C that are tried."""
CHOICE = 10.0
"""The value of C with too few marks to choose it."""
ENOUGH = 40
"""The number of marks from which on C is chosen."""
TOLERANCE = 1e-8
PRIOR = 0.3
"""The precision of the normal prior of Platt's slope; its mean is 1, which is no scaling."""


@dataclass(frozen=True, slots=True, eq=False)
class CalibratedRegression:
    """P(accept) of a vector: sigmoid(slope (vector @ coefficients + intercept) + offset).

    Parameters
    ----------
    coefficients, intercept : (d,) and a number, of the regression.
    slope, offset : of Platt scaling; the slope is 0 or more.
    C : the inverse regularization strength; the larger, the closer the fit.
    """

    coefficients: Floats
    intercept: float
    slope: float
    offset: float
    C: float

    def logits(self, vectors: Floats) -> Floats:
        """(n,) the calibrated log-odds of accept for vectors of shape (n, d)."""
        return (vectors @ self.coefficients + self.intercept) * self.slope + self.offset

    def probabilities(self, vectors: Floats) -> Floats:
        """(n,) P(accept) for vectors of shape (n, d)."""
        return sigmoid(self.logits(vectors))


def calibrated(vectors: Floats, accepted: Floats) -> tuple[CalibratedRegression, Floats]:
    """The regression of marked rows, and (n,) the leave-one-out P(accept) of each.

    The probability of a row comes from a regression and a scaling without that row, both computed
    to second order from one fit to all rows (see :func:`left_out`). With :data:`ENOUGH` marks, C is
    the one of :data:`CHOICES` with the lowest cross-entropy of these probabilities.

    Parameters
    ----------
    vectors : (n, d).
    accepted : (n,) 1 for accept and 0 for reject, at least two of each.

    References
    ----------
    J. Platt (1999), Probabilistic outputs for support vector machines, also for the targets
    (N+ + 1) / (N+ + 2) and 1 / (N- + 2), which avoid overconfidence with few marks.
    """
    basis, reduced = _reduced(vectors)
    fits = []
    for C in CHOICES if len(accepted) >= ENOUGH else (CHOICE,):
        weights, intercept = _regression(reduced, accepted, C)
        logits = left_out(reduced, accepted, weights, intercept, C)
        slope, offset, probabilities = platt_scaled(logits, accepted)
        fit = CalibratedRegression(basis @ weights, intercept, slope, offset, C)
        fits.append((_loss(probabilities, accepted), fit, probabilities))
    _, fit, probabilities = min(fits, key=lambda entry: entry[0])
    return fit, probabilities


def left_out(
    vectors: Floats, accepted: Floats, weights: Floats, intercept: float, C: float
) -> Floats:
    """(n,) each row's logit under a regression without that row, to second order.

    The other rows of its class have as much more weight, so that the classes keep their shares:
    otherwise a left-out row would find its own class rarer, and a filter that is right half of the
    time would seem wrong most of the time. It is one Newton step from the fit to all rows, where
    H is the Hessian of the objective with all rows, less that of the row.

    References
    ----------
    K. R. Rad and A. Maleki (2020), A scalable estimate of the out-of-sample prediction error via
    approximate leave-one-out, arXiv 1801.10243; W. Jiang, S. Varma and R. Simon (2008), Statistical
    Applications in Genetics and Molecular Biology 7, 8, on the pessimism of leave-one-out.
    """
    rows = np.column_stack([vectors, np.ones(len(vectors))])
    logits = vectors @ weights + intercept
    p = sigmoid(logits)
    hessian = (rows * (p * (1 - p))[:, None]).T @ rows
    hessian[np.arange(len(weights)), np.arange(len(weights))] += 1 / C
    return logits + _step_without(rows, accepted, p, accepted, hessian)


def _step_without(
    rows: Floats, accepted: Floats, p: Floats, targets: Floats, hessian: Floats
) -> Floats:
    """(n,) the change of each row's logit if it is left out, and its class is weighted up.

    For row i of a class of m rows, with gradients g_j = (p_j - y_j) x_j and their sum S over the
    class, the gradient without it is (S - g_i) / (m - 1) - g_i.
    """
    solved = np.linalg.solve(hessian, rows.T)
    leverage = np.einsum("ij,ji->i", rows, solved)
    residuals = p - targets
    steps = np.empty(len(rows))
    for verdict in (0.0, 1.0):
        of_class = accepted == verdict
        m = int(of_class.sum())
        total = residuals[of_class] @ rows[of_class]
        own = m / (m - 1) * residuals[of_class] * leverage[of_class]
        steps[of_class] = own - solved[:, of_class].T @ total / (m - 1)
    return np.asarray(steps / (1 - p * (1 - p) * leverage))


def platt_scaled(logits: Floats, accepted: Floats) -> tuple[float, float, Floats]:
    """Slope and offset of Platt scaling, and (n,) the leave-one-out probabilities.

    If the slope would be negative, the logits carry no information, and it is set to 0.
    """
    n_accepted = accepted.sum()
    n_rejected = len(accepted) - n_accepted
    targets = np.where(accepted > 0, (n_accepted + 1) / (n_accepted + 2), 1 / (n_rejected + 2))
    rows = np.column_stack([logits, np.ones(len(logits))])
    fitted = _newton(rows, targets)
    if fitted[0] < 0:
        rows[:, 0] = 0
        fitted = _newton(rows, targets) * [0, 1]
    p = sigmoid(rows @ fitted)
    hessian = _hessian(rows, p * (1 - p))
    without = sigmoid(rows @ fitted + _step_without(rows, accepted, p, targets, hessian))
    return float(fitted[0]), float(fitted[1]), without


def _newton(rows: Floats, targets: Floats) -> Floats:
    """The two coefficients of lowest cross-entropy, by Newton's method with halved steps."""
    at = np.array([0.0, np.log(targets.mean() / (1 - targets.mean()))])

    def objective(x: Floats) -> float:
        logits = rows @ x
        return float(
            (np.logaddexp(0, logits) - targets * logits).sum() + PRIOR / 2 * (x[0] - 1) ** 2
        )

    for _ in range(100):
        p = sigmoid(rows @ at)
        gradient = rows.T @ (p - targets) + [PRIOR * (at[0] - 1), 0]
        if np.abs(gradient).max() < TOLERANCE:
            break
        step = np.linalg.solve(_hessian(rows, p * (1 - p)), gradient)
        before = objective(at)
        while objective(at - step) > before and np.abs(step).max() > TOLERANCE:
            step /= 2
        at = at - step
    return at


def _hessian(rows: Floats, spread: Floats) -> Floats:
    return (rows * spread[:, None]).T @ rows + np.diag([PRIOR, 1e-12])


def _regression(vectors: Floats, accepted: Floats, C: float) -> tuple[Floats, float]:
    linear = need("sklearn.linear_model", extra="curate", why="to learn from marks")
    model = linear.LogisticRegression(C=C, solver="newton-cholesky", tol=TOLERANCE)
    model.fit(vectors, accepted)
    return model.coef_[0], float(model.intercept_[0])


def _reduced(vectors: Floats) -> tuple[Floats, Floats]:
    """A basis (d, r) of the span of the rows, and (n, r) the rows in it.

    With fewer marks than dimensions the coefficients are in that span, and the fit is faster.
    """
    if len(vectors) >= vectors.shape[1]:
        return np.eye(vectors.shape[1]), vectors
    basis, rows = np.linalg.qr(vectors.T)
    return basis, rows.T


def _loss(p: Floats, accepted: Floats) -> float:
    of_verdict = np.where(accepted > 0, p, 1 - p)
    return float(-np.log(np.maximum(of_verdict, 1e-12)).mean())
