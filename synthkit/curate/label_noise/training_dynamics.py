"""Training dynamics: the probability of each row's label after every epoch of training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.curate.label_noise.cross_fitting import LabelledRows
from synthkit.curate.label_noise.influence import with_constant
from synthkit.stats.classifier import Floats, softmax

BATCH = 32
RATE = 2.0
"""The learning rate, times the mean squared length of a row's vector with its constant."""
PENALTY = 1e-3
"""The weight of half the squared coefficients in the loss, beside the mean cross-entropy."""
MOST_CONFIDENCE = 0.2
MOST_ALEATORIC = 0.2
"""The upper bounds of CLLM for harmful rows."""


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """The record of n rows over E epochs of training.

    Parameters
    ----------
    own : (E, n) p_ie, the probability of row i's label after epoch e.
    right : (E, n) whether its label was the likeliest.
    duel : (E, n) p_ie / (p_ie + the probability of the likeliest other label): p_ie itself for two
        labels, and above 1/2 for any number of labels if the row's label is the likeliest.
    mean : (n, k) the probabilities of all labels, averaged over the epochs.

    References
    ----------
    Confidence, variability and correctness: Swayamdipta et al. (2020), arXiv 2009.10795, section 2.
    Aleatoric uncertainty: Seedat et al. (2022), Data-IQ, arXiv 2210.13043, section 3. Forgetting:
    Toneva et al. (2019), arXiv 1812.05159, section 3.

    Examples
    --------
    >>> dynamics = Dynamics.of([[0.4, 0.9], [0.6, 0.9], [0.2, 0.9], [0.4, 0.9]])
    >>> dynamics.confidence.round(2).tolist(), dynamics.variability.round(2).tolist()
    ([0.4, 0.9], [0.14, 0.0])
    >>> dynamics.aleatoric.round(2).tolist(), dynamics.correctness.tolist()
    ([0.22, 0.09], [0.25, 1.0])
    >>> dynamics.forgotten.tolist()
    [1, 0]
    """

    own: Floats
    right: NDArray[np.bool_]
    duel: Floats
    mean: Floats

    @classmethod
    def of(cls, own: ArrayLike) -> Dynamics:
        """A record made elsewhere, (E, n), of rows with two possible labels."""
        p = np.asarray(own, np.float64)
        if p.ndim != 2 or not len(p) or not ((p >= 0) & (p <= 1)).all():
            raise UsageError(
                f"expected (epochs, n) probabilities of the labels, 0..1; got {p.shape}."
            )
        mean = p.mean(axis=0)
        return cls(p, p > 0.5, p, np.column_stack([mean, 1 - mean]))

    @property
    def hard(self) -> NDArray[np.bool_]:
        """(n,) the rows that CLLM drops, by :func:`hard` of the probabilities of the duel.

        The paper has two labels. Of many labels every one is unlikely, so that the paper's bounds
        would drop rows with the right label: 42 % of them with twenty labels.
        """
        return hard(self.duel.mean(axis=0), (self.duel * (1 - self.duel)).mean(axis=0))

    @property
    def confidence(self) -> Floats:
        """(n,) mean_e p_ie, 0..1."""
        return np.asarray(self.own.mean(axis=0))

    @property
    def aleatoric(self) -> Floats:
        """(n,) mean_e p_ie (1 - p_ie), 0..1/4: at most confidence (1 - confidence)."""
        return np.asarray((self.own * (1 - self.own)).mean(axis=0))

    @property
    def variability(self) -> Floats:
        """(n,) standard deviation of p_ie over the epochs, 0..1/2."""
        return np.asarray(self.own.std(axis=0))

    @property
    def correctness(self) -> Floats:
        """(n,) the share of epochs after which the label was the likeliest, 0..1."""
        return np.asarray(self.right.mean(axis=0))

    @property
    def forgotten(self) -> NDArray[np.intp]:
        """(n,) how often the label was the likeliest, and was not after the next epoch.

        Toneva et al. check a row when it is in a batch; here all rows are checked after each epoch.
        """
        return np.asarray((self.right[:-1] & ~self.right[1:]).sum(axis=0))

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
    """(n,) rows whose label is unlikely after most epochs, which CLLM drops; for two labels.

    Aleatoric uncertainty is at most confidence (1 - confidence), so it is always below 0.2 if the
    confidence is at most 0.27. Its bound matters only for a higher bound of the confidence.

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
    rows: LabelledRows, *, epochs: int = 20, seed: int = 0, real: LabelledRows | None = None
) -> Dynamics:
    """Record the label probabilities of rows while a classifier is trained on them.

    The classifier is softmax regression, trained by stochastic gradient descent from zero: batches
    of 32, shuffled in every epoch, and a learning rate that falls to 0 along a half cosine.

    Parameters
    ----------
    real : rows with the same labels, which are trusted. The classifier is trained on these instead,
        as in CLLM.

    Raises
    ------
    UsageError
        If there are fewer than two epochs.

    Examples
    --------
    >>> import numpy as np
    >>> vectors = np.array([[-1.0], [1.0], [-1.0], [1.0], [-1.0]])
    >>> rows = LabelledRows(("-", "+"), np.array([0, 1, 0, 1, 1]), vectors, np.arange(5))
    >>> train(rows).confidence.round(1).tolist()  # the last has a wrong label
    [0.7, 0.9, 0.7, 0.9, 0.3]
    """
    if epochs < 2:
        raise UsageError(f"training dynamics need at least two epochs; got {epochs}.")
    source = real or rows
    rng = np.random.default_rng(seed)
    n, k = len(rows.targets), len(rows.labels)
    recorded = with_constant(rows.vectors)
    trained = with_constant(source.vectors)
    rate = RATE / (trained**2).sum(axis=1).mean()
    one_hot = np.eye(k)[source.targets]
    weights = np.zeros((k, trained.shape[1]))
    likely, duel, mean = np.empty((epochs, n)), np.empty((epochs, n)), np.zeros((n, k))
    right = np.empty((epochs, n), np.bool_)
    for epoch in range(epochs):
        step = rate * (1 + np.cos(np.pi * epoch / epochs)) / 2
        order = rng.permutation(len(trained))
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            gradients = softmax(trained[batch] @ weights.T) - one_hot[batch]
            weights *= 1 - step * PENALTY
            weights -= step / len(batch) * gradients.T @ trained[batch]
        probabilities = softmax(recorded @ weights.T)
        likely[epoch] = probabilities[np.arange(n), rows.targets]
        right[epoch] = probabilities.argmax(axis=1) == rows.targets
        mean += probabilities / epochs
        probabilities[np.arange(n), rows.targets] = 0
        duel[epoch] = likely[epoch] / (likely[epoch] + probabilities.max(axis=1))
    return Dynamics(likely, right, duel, mean)
