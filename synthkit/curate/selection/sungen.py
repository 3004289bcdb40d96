"""Weights of rows that make a student do well on other rows: SunGen, with exact gradients."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.curate.label_noise.influence import LOG_ZERO, ce_slopes, with_one
from synthkit.curate.label_noise.out_of_fold import Labelled, alike
from synthkit.stats.classifier import Floats, Positions, softmax

DENSE = 1024
"""Up to so many coefficients the Hessian is formed and factored; above, it is only applied."""
GRADIENT = 1e-10
"""Largest gradient at which the inner problem counts as solved."""
RESIDUAL = 1e-10
"""Relative residual at which H s = g counts as solved by conjugate gradients."""
NEWTON_STEPS = 100
STEPS = 5
"""More of them fit the weights to the validation rows: with 20% of Yelp's labels turned round, the
weight ranks a right label above a wrong one in 81% of pairs after 5 steps, and in 69% after 20."""
BOUND = 6.0
"""Of |theta|: weights before they are scaled lie between 0.0025 and 0.9975."""
WHY = "to find weights of rows"


@dataclass(frozen=True, eq=False)
class Inner:
    """The inner problem: a student of weighted rows, at the least of

        J(A) = (1/n) [ sum_i w_i l_i + penalty / 2 |A without its last column|^2 ],

    where the logits are (basis A) [x; 1]. The basis, (k, k - 1) and orthonormal, has columns that
    add up to 0: it leaves out the direction in which softmax does not change, so that the Hessian
    has an inverse. Its minimum is that of ``student.fit(..., C=C, weights=w)``.

    Parameters
    ----------
    rows : to learn from.
    C : as of :func:`synthkit.stats.classifier.fit`.
    """

    rows: Labelled
    C: float = 1.0

    @cached_property
    def basis(self) -> Floats:
        """(k, k - 1)."""
        return basis(len(self.rows.known))

    @cached_property
    def seen(self) -> Floats:
        """(n, d + 1), the vectors and a constant."""
        return with_one(self.rows.vectors)

    @cached_property
    def ridge(self) -> Floats:
        """(d + 1,), the penalty of each column of A over n."""
        penalty = (2 if len(self.rows.known) == 2 else 1) / self.C
        ridge = np.full(self.seen.shape[1], penalty / len(self.seen))
        ridge[-1] = 0
        return ridge

    def solve(self, weights: Floats, start: Floats | None = None) -> Floats:
        """(k - 1, d + 1), the A of least J, by Newton's method from ``start``.

        Raises
        ------
        UsageError
            If it has none: the weights of a label are all 0.
        """
        k, n = len(self.rows.known), len(self.seen)
        if not np.bincount(self.rows.targets, weights, minlength=k).all():
            raise UsageError("a label has no row with a weight above 0.")
        at = np.zeros((k - 1, self.seen.shape[1])) if start is None else start
        loss, found = self._loss(at, weights)
        for _ in range(NEWTON_STEPS):
            slopes = self._slopes(found) * (weights / n)[:, None]
            gradient = slopes.T @ self.seen + self.ridge * at
            if np.abs(gradient).max() < GRADIENT:
                break
            step = self.inverse(found, weights, gradient)
            expected, share = float((gradient * step).sum()), 1.0
            while share > 1e-6:  # halved until J falls
                lower, then = self._loss(at - share * step, weights)
                if lower <= loss - 1e-4 * share * expected + 1e-15:
                    break
                share /= 2
            at, loss, found = at - share * step, lower, then
        return at

    def inverse(self, found: Floats, weights: Floats, gradient: Floats) -> Floats:
        """H^-1 gradient, (k - 1, d + 1), where the student gives the probabilities ``found``."""
        linalg = need("scipy.linalg", extra="curate", why=WHY)
        n = len(self.seen)
        shares = (weights / n)[:, None]
        ridge = np.broadcast_to(self.ridge, gradient.shape)
        if gradient.size <= DENSE:
            whole = np.diag(ridge.ravel())
            width = gradient.shape[1]
            spread = np.einsum("nk,ka,kb->nab", found, self.basis, self.basis)
            mean = found @ self.basis
            spread -= mean[:, :, None] * mean[:, None, :]
            for a in range(len(gradient)):
                for b in range(a + 1):
                    block = (self.seen * (spread[:, a, b, None] * shares)).T @ self.seen
                    whole[a * width : (a + 1) * width, b * width : (b + 1) * width] += block
            factor = linalg.cho_factor(whole, lower=True)
            solved: Floats = linalg.cho_solve(factor, gradient.ravel()).reshape(gradient.shape)
            return solved

        def times(flat: Floats) -> Floats:
            s = flat.reshape(gradient.shape)
            logits = self.seen @ s.T @ self.basis.T
            moved = found * (logits - (found * logits).sum(axis=1, keepdims=True))
            product: Floats = (moved @ self.basis * shares).T @ self.seen + ridge * s
            return product.ravel()

        sparse = need("scipy.sparse.linalg", extra="curate", why=WHY)
        hessian = sparse.LinearOperator((gradient.size,) * 2, matvec=times, dtype=np.float64)
        flat, _ = sparse.cg(hessian, gradient.ravel(), rtol=RESIDUAL, maxiter=10 * gradient.size)
        by_parts: Floats = flat.reshape(gradient.shape)
        return by_parts

    def probabilities(self, at: Floats, seen: Floats | None = None) -> Floats:
        """(n, k), of the inner rows, or of other vectors with their constant."""
        return softmax((self.seen if seen is None else seen) @ at.T @ self.basis.T)

    def slopes(self, weights: Floats, at: Floats, gradient: Floats) -> Floats:
        """(n,), dL/dw_i of a loss L whose gradient by A is given, by the implicit function theorem.

        dL/dw_i = -(1/n) (grad l_i)^T H^-1 grad L
        """
        found = self.probabilities(at)
        solved = self.inverse(found, weights, gradient)
        by_row: Floats = (self._slopes(found) * (self.seen @ solved.T)).sum(axis=1)
        return -by_row / len(self.seen)

    def _slopes(self, found: Floats) -> Floats:
        """(n, k - 1), of each row's cross-entropy by its logits in the basis."""
        slopes: Floats = ce_slopes(found, self.rows.targets) @ self.basis
        return slopes

    def _loss(self, at: Floats, weights: Floats) -> tuple[float, Floats]:
        logits = self.seen @ at.T @ self.basis.T
        logits -= logits.max(axis=1, keepdims=True)
        own = logits[np.arange(len(logits)), self.rows.targets]
        losses = np.log(np.exp(logits).sum(axis=1)) - own
        loss = float(weights @ losses) / len(losses) + float((self.ridge * at**2).sum()) / 2
        return loss, softmax(logits)


def reverse_cross_entropy(found: Floats, targets: Positions) -> tuple[float, Floats]:
    """Its mean, -log 0 (1 - p_y) with log 0 = -4, and (n, k) its slopes by the logits."""
    own = found[np.arange(len(found)), targets]
    slopes = ce_slopes(found, targets) * (-LOG_ZERO * own[:, None] / len(found))
    return float(-LOG_ZERO * (1 - own).mean()), slopes


def basis(k: int) -> Floats:
    """(k, k - 1), orthonormal columns that add up to 0."""
    made = np.zeros((k, k - 1))
    for at in range(1, k):
        made[:at, at - 1] = -1 / np.sqrt(at * (at + 1))
        made[at, at - 1] = at / np.sqrt(at * (at + 1))
    return made


@dataclass(frozen=True, slots=True, eq=False)
class Weighted:
    """What SunGen found.

    ``weights``, (n,), 0 or more, with a mean of 1; ``losses``, the validation loss at each solution
    of the inner problem, the first with equal weights.
    """

    weights: Floats
    losses: tuple[float, ...]


def sungen(rows: Labelled, validation: Labelled, *, steps: int = STEPS, C: float = 1.0) -> Weighted:
    """Weights of rows at which a student of them has a low reverse cross-entropy elsewhere.

    w_i = sigmoid(theta_i) over their mean, from theta = 0, by at most ``steps`` steps of L-BFGS;
    each solves the inner problem from where the last one ended. Nothing in it is random.

    An option, not a default: it helps where labels are wrong, and not where they are right. With
    20% of Yelp's labels turned round, those it was validated on too, a student of the weighted rows
    was right of 80.4% of other rows and one of plain rows of 77.5%; with none, of 79.3% and 80.0%.

    Raises
    ------
    UsageError
        If a label has no row; if the vectors are of different lengths.

    References
    ----------
    Gao et al. (2023), SunGen, arXiv 2205.12679, equations 2 to 6. They train a network for some
    steps and approximate H^-1; a linear student is solved, and the gradient exact. They do not
    divide by the mean: here it keeps the weights from acting as a weaker or stronger penalty.

    Examples
    --------
    >>> import numpy as np
    >>> vectors = np.array([[-1.0], [1.0], [-1.2], [1.2], [-1.1]])
    >>> rows = Labelled(("-", "+"), np.array([0, 1, 0, 1, 1]), vectors, np.arange(5))
    >>> valid = Labelled(("-", "+"), np.array([0, 1]), vectors[:2], np.arange(2))
    >>> sungen(rows, valid, steps=3).weights.round(1).tolist()  # the last has a wrong label
    [1.3, 1.2, 1.4, 1.2, 0.0]
    """
    optimize = need("scipy.optimize", extra="curate", why=WHY)
    alike(validation, rows)
    inner = Inner(rows, C)
    seen = with_one(validation.vectors)
    at: Floats | None = None
    losses: list[float] = []

    def outer(theta: Floats) -> tuple[float, Floats]:
        nonlocal at
        shares = 1 / (1 + np.exp(-theta))
        mean = float(shares.mean())
        weights = shares / mean
        at = inner.solve(weights, at)
        found = inner.probabilities(at, seen)
        loss, slopes = reverse_cross_entropy(found, validation.targets)
        by_weight = inner.slopes(weights, at, (slopes @ inner.basis).T @ seen)
        by_share = (by_weight - float(by_weight @ weights) / len(weights)) / mean
        losses.append(loss)
        # in units of 1 / n, so that a step does not depend on how many rows there are
        return loss * len(weights), by_share * shares * (1 - shares) * len(weights)

    made = optimize.minimize(
        outer,
        np.zeros(len(rows.targets)),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-BOUND, BOUND)] * len(rows.targets),
        options={"maxiter": steps},
    )
    shares = 1 / (1 + np.exp(-made.x))
    return Weighted(shares / shares.mean(), tuple(losses))
