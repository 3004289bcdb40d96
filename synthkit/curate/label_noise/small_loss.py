"""Small and large losses, separated by a mixture of two normal distributions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.stats.classifier import Floats

LEAST_VARIANCE = 5e-4
"""The least variance of a component, on losses from 0 to 1, as in DivideMix."""


@dataclass(frozen=True, slots=True, eq=False)
class LossMixture:
    """Two normal distributions of losses, the one of small losses first.

    Parameters
    ----------
    losses : (n,) scaled from 0, the smallest, to 1, the largest.
    small : (n,) the probability that a loss is a small one, which means a correct label. It never
        rises with the loss.
    means, deviations, shares : of the two distributions, (2,) each.
    """

    losses: Floats
    small: Floats
    means: Floats
    deviations: Floats
    shares: Floats


def small_loss(losses: ArrayLike, *, seed: int = 0) -> LossMixture:
    """Separate small from large losses by a mixture of two normal distributions.

    If all losses are equal, all are small. If one distribution is wide and the other narrow, the
    wide one is likelier again on the far side of the narrow one, so by Bayes' rule the smallest
    losses would be trusted less than others, or the largest more. There the probability keeps its
    highest, or lowest, value.

    Parameters
    ----------
    losses : (n,) cross-entropies of rows, of whose labels some may be wrong.
    seed : of the initialization.

    Raises
    ------
    UsageError
        If the losses are not finite numbers.
    MissingExtra
        If scikit-learn is not installed.

    References
    ----------
    Li et al. (2020), DivideMix, arXiv 2002.07394, section 3.1; Xiao et al. (2023), FreeAL, arXiv
    2311.15614, which trusts a row above 0.7. Both use the losses of a network after some epochs; a
    linear classifier does not memorize rows, so here the losses of left-out rows are used.

    Examples
    --------
    >>> found = small_loss([0.1, 0.12, 0.09, 0.11, 2.0, 2.2])
    >>> found.small.round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    values = np.asarray(losses, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise UsageError(f"expected (n,) losses, all finite; got {values.dtype} of {values.shape}.")
    span = float(np.ptp(values)) if len(values) else 0.0
    if not span:
        zero = np.zeros(len(values))
        return LossMixture(zero, zero + 1, np.array([0.0, 1.0]), np.zeros(2), np.array([1.0, 0.0]))
    scaled = (values - values.min()) / span
    mixture = need("sklearn.mixture", extra="curate", why="to separate small losses")
    model = mixture.GaussianMixture(
        2, reg_covar=LEAST_VARIANCE, max_iter=1000, random_state=seed
    ).fit(scaled[:, None])
    order = np.argsort(model.means_[:, 0], kind="stable")
    small = model.predict_proba(scaled[:, None])[:, order[0]]
    means = model.means_[order, 0]
    # it falls between the means; outside of them it may rise again
    low, high = scaled <= means[0], scaled >= means[1]
    small[low] = small[low].max(initial=0.0)
    small[high] = small[high].min(initial=1.0)
    return LossMixture(
        losses=scaled,
        small=small,
        means=means,
        deviations=np.sqrt(model.covariances_[order, 0, 0]),
        shares=model.weights_[order],
    )
