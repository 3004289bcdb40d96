"""Small losses and large ones: a mixture of two normal distributions tells them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.stats.classifier import Floats

LEAST_VARIANCE = 5e-4
"""Of a component, on losses from 0 to 1: DivideMix's."""


@dataclass(frozen=True, slots=True, eq=False)
class Mixture:
    """Two normal distributions of losses, that of the small ones first.

    Parameters
    ----------
    losses : (n,) from 0, the least, to 1, the greatest.
    small : (n,) the probability that a row's loss is of the first: that its label is right. It
        never rises with the loss.
    means, deviations, shares : of the two, (2,) each.
    """

    losses: Floats
    small: Floats
    means: Floats
    deviations: Floats
    shares: Floats


def small_loss(losses: ArrayLike, *, seed: int = 0) -> Mixture:
    """Which losses are small, by a mixture of two normal distributions.

    Where all losses are equal there is nothing to tell apart, and all are small. Of a wide and a
    narrow distribution the wide one is likelier again beyond the narrow one, so that by Bayes' rule
    the least losses would be trusted less than others, or the greatest more: there the probability
    stays what it was at its highest, or lowest.

    Parameters
    ----------
    losses : (n,) cross-entropies, of rows with labels of which some may be wrong.
    seed : of where the fit begins.

    Raises
    ------
    UsageError
        If the losses are not finite numbers.
    MissingExtra
        If scikit-learn is not installed.

    References
    ----------
    Li et al. (2020), DivideMix, arXiv 2002.07394, section 3.1; Xiao et al. (2023), FreeAL, arXiv
    2311.15614, which trusts a row above 0.7. Both take the losses of a network after some epochs;
    a linear student does not learn rows by heart, so that they can be those from out of the fold.

    Examples
    --------
    >>> found = small_loss([0.1, 0.12, 0.09, 0.11, 2.0, 2.2])
    >>> found.small.round(2).tolist()
    [1.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    """
    given = np.asarray(losses, np.float64)
    if given.ndim != 1 or not np.isfinite(given).all():
        raise UsageError(f"expected (n,) losses, all finite; got {given.dtype} of {given.shape}.")
    span = float(np.ptp(given)) if len(given) else 0.0
    if not span:
        zero = np.zeros(len(given))
        return Mixture(zero, zero + 1, np.array([0.0, 1.0]), np.zeros(2), np.array([1.0, 0.0]))
    scaled = (given - given.min()) / span
    mixture = need("sklearn.mixture", extra="curate", why="to tell small losses from large ones")
    model = mixture.GaussianMixture(
        2, reg_covar=LEAST_VARIANCE, max_iter=1000, random_state=seed
    ).fit(scaled[:, None])
    order = np.argsort(model.means_[:, 0], kind="stable")
    small = model.predict_proba(scaled[:, None])[:, order[0]]
    means = model.means_[order, 0]
    # between the means it falls; beyond them it may turn
    low, high = scaled <= means[0], scaled >= means[1]
    small[low] = small[low].max(initial=0.0)
    small[high] = small[high].min(initial=1.0)
    return Mixture(
        losses=scaled,
        small=small,
        means=means,
        deviations=np.sqrt(model.covariances_[order, 0, 0]),
        shares=model.weights_[order],
    )
