"""How a student comes to believe the label of each row, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.curate.label_noise.out_of_fold import Labelled
from synthkit.stats.classifier import Floats, softmax

BATCH = 32
RATE = 2.0
"""Of learning, over the mean squared length of a row's vector with its constant."""
PENALTY = 1e-3
"""Of half the squared coefficients, beside the mean cross-entropy."""
MOST_CONFIDENCE = 0.2
MOST_ALEATORIC = 0.2
"""The bounds of CLLM."""


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """What was recorded of n rows over E epochs of training.

    Parameters
    ----------
    own : (E, n), p_ie: the probability of row i's label after epoch e.
    right : (E, n), whether its label was the likeliest.
    mean : (n, k), the probabilities of all labels, averaged over the epochs.

    References
    ----------
    Confidence, variability and correctness: Swayamdipta et al. (2020), arXiv 2009.10795, section 2.
    Aleatoric uncertainty: Seedat et al. (2022), Data-IQ, arXiv 2210.13043, section 3. Forgetting:
    Toneva et al. (2019), arXiv 1812.05159, section 3.

    Examples
    --------
    >>> seen = Dynamics.of([[0.4, 0.9], [0.6, 0.9], [0.2, 0.9], [0.4, 0.9]])
    >>> seen.confidence.round(2).tolist(), seen.variability.round(2).tolist()
    ([0.4, 0.9], [0.14, 0.0])
    >>> seen.aleatoric.round(2).tolist(), seen.correctness.tolist(), seen.forgotten.tolist()
    ([0.22, 0.09], [0.25, 1.0], [1, 0])
    """

    own: Floats
    right: NDArray[np.bool_]
    mean: Floats

    @classmethod
    def of(cls, own: ArrayLike) -> Dynamics:
        """What was recorded elsewhere, (E, n), of rows with two labels."""
        given = np.asarray(own, np.float64)
        if given.ndim != 2 or not len(given) or not ((given >= 0) & (given <= 1)).all():
            raise UsageError(
                f"expected (epochs, n) probabilities of the labels, 0..1; got {given.shape}."
            )
        mean = given.mean(axis=0)
        return cls(given, given > 0.5, np.column_stack([mean, 1 - mean]))

    @property
    def confidence(self) -> Floats:
        """(n,) mean_e p_ie, 0..1."""
        confidence: Floats = self.own.mean(axis=0)
        return confidence

    @property
    def aleatoric(self) -> Floats:
        """(n,) mean_e p_ie (1 - p_ie), 0..1/4: at most confidence (1 - confidence)."""
        aleatoric: Floats = (self.own * (1 - self.own)).mean(axis=0)
        return aleatoric

    @property
    def variability(self) -> Floats:
        """(n,) standard deviation of p_ie over the epochs, 0..1/2."""
        variability: Floats = self.own.std(axis=0)
        return variability

    @property
    def correctness(self) -> Floats:
        """(n,) share of the epochs after which the label was the likeliest, 0..1."""
        correctness: Floats = self.right.mean(axis=0)
        return correctness

    @property
    def forgotten(self) -> NDArray[np.intp]:
        """(n,) how often the label was the likeliest, and was not after the next epoch.

        Toneva et al. count when a row is in a batch; here all rows are looked at after each epoch.
        """
        times: NDArray[np.intp] = (self.right[:-1] & ~self.right[1:]).sum(axis=0)
        return times

    @property
    def learned(self) -> NDArray[np.bool_]:
        """(n,) whether the label was ever the likeliest."""
        return np.asarray(self.right.any(axis=0))


def hard(
    confidence: Sequence[float] | Floats,
    aleatoric: Sequence[float] | Floats,
    *,
    most_confidence: float = MOST_CONFIDENCE,
    most_aleatoric: float = MOST_ALEATORIC,
) -> NDArray[np.bool_]:
    """(n,) rows that the student is steadily sure are something else: CLLM drops them.

    As aleatoric is at most confidence (1 - confidence), its bound of 0.2 is always met where
    confidence is at most 0.27: it spares ambiguous rows only beyond.

    References
    ----------
    Seedat et al. (2023), CLLM, arXiv 2312.12112, section 3.2: "harmful" rows have both at most 0.2.

    Examples
    --------
    >>> hard([0.1, 0.4, 0.4, 0.9], [0.05, 0.24, 0.1, 0.05], most_confidence=0.5).tolist()
    [True, False, True, False]
    """
    return (np.asarray(confidence) <= most_confidence) & (np.asarray(aleatoric) <= most_aleatoric)


def train(
    rows: Labelled, *, epochs: int = 20, seed: int = 0, real: Labelled | None = None
) -> Dynamics:
    """What a student believes of the rows while it learns from them, or from ``real`` ones.

    The student is softmax regression by stochastic gradient descent from zero: batches of 32, in an
    order drawn anew for each epoch, with a rate that falls to 0 along a half cosine.

    Parameters
    ----------
    real : rows whose labels are trusted, of the same labels; the rows are then judged and not
        learned from, as CLLM does.

    Raises
    ------
    UsageError
        If there are not two epochs or more.

    Examples
    --------
    >>> import numpy as np
    >>> vectors = np.array([[-1.0], [1.0], [-1.0], [1.0], [-1.0]])
    >>> rows = Labelled(("-", "+"), np.array([0, 1, 0, 1, 1]), vectors, np.arange(5))
    >>> train(rows).confidence.round(1).tolist()  # the last has a wrong label
    [0.7, 0.9, 0.7, 0.9, 0.3]
    """
    if epochs < 2:
        raise UsageError(f"dynamics need two epochs or more; got {epochs}.")
    source = real or rows
    rng = np.random.default_rng(seed)
    n, k = len(rows.targets), len(rows.known)
    seen = np.column_stack([rows.vectors, np.ones(n)])
    learned = np.column_stack([source.vectors, np.ones(len(source.targets))])
    rate = RATE / (learned**2).sum(axis=1).mean()
    goal = np.eye(k)[source.targets]
    weights = np.zeros((k, learned.shape[1]))
    own, right, mean = np.empty((epochs, n)), np.empty((epochs, n), np.bool_), np.zeros((n, k))
    for epoch in range(epochs):
        pace = rate * (1 + np.cos(np.pi * epoch / epochs)) / 2
        order = rng.permutation(len(learned))
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            slopes = softmax(learned[batch] @ weights.T) - goal[batch]
            weights *= 1 - pace * PENALTY
            weights -= pace / len(batch) * slopes.T @ learned[batch]
        found = softmax(seen @ weights.T)
        own[epoch] = found[np.arange(n), rows.targets]
        right[epoch] = found.argmax(axis=1) == rows.targets
        mean += found / epochs
    return Dynamics(own, right, mean)
