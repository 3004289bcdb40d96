"""Seven methods that find wrong labels, each with a suspicion of 0..1 for every row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError, check_known
from synthkit.curate.label_noise import cross_fitting, training_dynamics
from synthkit.curate.label_noise.confident_learning import label_issues, label_quality
from synthkit.curate.label_noise.cross_fitting import LabelledRows
from synthkit.curate.label_noise.influence import influence_on_vectors
from synthkit.curate.label_noise.pvi import LEAST, pvi_of_rows
from synthkit.curate.label_noise.small_loss import small_loss
from synthkit.stats.classifier import Floats, fitted

Method = Literal["confident", "dynamics", "forgetting", "small_loss", "pvi", "influence"]
Mask = NDArray[np.bool_]

TRUSTED = 0.7
"""FreeAL trusts a label if the probability that its loss is a small one is above this."""
LOSS_WEIGHT = 1e-6
"""The weight of the loss in the suspicion by small losses: it only orders equal probabilities."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a method finds about n rows.

    Parameters
    ----------
    suspicion : (n,) 0..1.
    probabilities : (n, k) of the labels.
    noisy : (n,) by the method's own rule, or by a threshold.
    columns : the quantities from which the suspicion is computed, (n,) each.
    ambiguous : (n,) rows that no threshold makes noisy.
    """

    suspicion: Floats
    probabilities: Floats
    noisy: Mask
    columns: Mapping[str, NDArray[Any]]
    ambiguous: Mask | None = None


def check_method(method: str, threshold: float | None) -> None:
    """Raise a UsageError if the method is unknown, or the threshold is not in 0..1."""
    check_known("method", [method], _METHODS)
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"threshold must be a suspicion, 0..1; got {threshold}.")


def evidence(
    rows: LabelledRows,
    method: Method,
    *,
    threshold: float | None = None,
    folds: int = 5,
    seed: int = 0,
    real: LabelledRows | None = None,
) -> Evidence:
    """The evidence of a method, as :func:`~synthkit.curate.suspicion` describes it."""
    check_method(method, threshold)
    if real is not None:
        cross_fitting.check_same_width(rows, real)
    noise = _METHODS[method](rows, folds, seed, real)
    if threshold is None:
        return noise
    noisy = noise.suspicion >= threshold
    return replace(noise, noisy=noisy if noise.ambiguous is None else noisy & ~noise.ambiguous)


def _confident(rows: LabelledRows, folds: int, seed: int, real: LabelledRows | None) -> Evidence:
    probabilities = cross_fitting.label_probabilities(rows, folds=folds, seed=seed, real=real)
    confidence = label_quality(probabilities, rows.targets, method="self_confidence")
    return Evidence(
        1 - label_quality(probabilities, rows.targets),
        probabilities,
        label_issues(probabilities, rows.targets),
        {"self_confidence": confidence},
    )


def _dynamics(rows: LabelledRows, folds: int, seed: int, real: LabelledRows | None) -> Evidence:
    dynamics = training_dynamics.train(rows, seed=seed, real=real)
    names = ("confidence", "aleatoric", "variability", "correctness")
    return Evidence(
        1 - dynamics.duel.mean(axis=0),
        dynamics.mean,
        dynamics.hard,
        {name: getattr(dynamics, name) for name in names},
        ambiguous=(dynamics.duel * (1 - dynamics.duel)).mean(axis=0)
        > training_dynamics.MOST_ALEATORIC,
    )


def _forgetting(rows: LabelledRows, folds: int, seed: int, real: LabelledRows | None) -> Evidence:
    dynamics = training_dynamics.train(rows, seed=seed, real=real)
    most = len(dynamics.own) // 2
    times = np.where(dynamics.learned, dynamics.forgotten, most)
    return Evidence(
        (times + 1 - dynamics.confidence) / (most + 1),
        dynamics.mean,
        ~dynamics.learned,
        {"forgotten": dynamics.forgotten, "learned": dynamics.learned},
    )


def _small_loss(rows: LabelledRows, folds: int, seed: int, real: LabelledRows | None) -> Evidence:
    probabilities = cross_fitting.label_probabilities(rows, folds=folds, seed=seed, real=real)
    of_label = probabilities[np.arange(len(rows.targets)), rows.targets]
    losses = -np.log(np.maximum(of_label, LEAST))
    mixture = small_loss(losses, seed=seed)
    suspicion = (1 - LOSS_WEIGHT) * (1 - mixture.small) + LOSS_WEIGHT * mixture.losses
    columns = {"loss": losses, "small": mixture.small}
    return Evidence(suspicion, probabilities, mixture.small <= TRUSTED, columns)


def _pvi(rows: LabelledRows, folds: int, seed: int, real: LabelledRows | None) -> Evidence:
    bits, probabilities = pvi_of_rows(rows, folds=folds, seed=seed, real=real)
    return Evidence(_falling(bits * np.log(2)), probabilities, bits < 0, {"pvi": bits})


def _influence(rows: LabelledRows, folds: int, seed: int, real: LabelledRows | None) -> Evidence:
    phi, probabilities = _of_halves(rows, seed) if real is None else _on_real(rows, real)
    scale = float(np.sqrt((phi**2).mean())) or 1.0
    return Evidence(_falling(phi / scale), probabilities, phi < 0, {"influence": phi})


_METHODS: dict[str, Callable[[LabelledRows, int, int, LabelledRows | None], Evidence]] = {
    "confident": _confident,
    "dynamics": _dynamics,
    "forgetting": _forgetting,
    "small_loss": _small_loss,
    "pvi": _pvi,
    "influence": _influence,
}


def _on_real(rows: LabelledRows, real: LabelledRows) -> tuple[Floats, Floats]:
    """(n,) the influence of the rows on real ones, and (n, k) by a classifier of the real ones."""
    classifier = fitted(rows.vectors, rows.targets, rows.labels)
    phi = influence_on_vectors(classifier, real.vectors, real.targets)
    return phi, cross_fitting.label_probabilities(rows, real=real)


def _of_halves(rows: LabelledRows, seed: int) -> tuple[Floats, Floats]:
    """(n,) the influence of each half on the other, and (n, k) by a classifier of the other."""
    phi = np.empty(len(rows.targets))
    probabilities = np.empty((len(rows.targets), len(rows.labels)))
    for half, other in cross_fitting.stratified_folds(
        rows.targets, rows.labels, folds=2, seed=seed
    ):
        classifier = fitted(rows.vectors[half], rows.targets[half], rows.labels)
        phi[half] = influence_on_vectors(classifier, rows.vectors[other], rows.targets[other])
        probabilities[other] = classifier.of_vectors(rows.vectors[other])
    return phi, probabilities


def _falling(values: Floats) -> Floats:
    """(n,) 1 / (1 + exp(value))."""
    powers = np.exp(-np.abs(values))
    return np.asarray(np.where(values > 0, powers, 1.0) / (1 + powers))
