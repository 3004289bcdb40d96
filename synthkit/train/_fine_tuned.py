"""A fine-tuned transformer as a learner, to evaluate tables with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from synthkit.evaluate.metrics.learners import Learner, Predict
from synthkit.train._classifier import RATE, classifier
from synthkit.train.trained import Trained


def fine_tuned(
    *,
    base: str | Trained = "minilm",
    epochs: float = 5,
    learning_rate: float = RATE,
    seed: int = 0,
    folder: Path | str | None = None,
    **options: Any,
) -> Learner:
    """A learner that fine-tunes a transformer for each fit, for :func:`synthkit.evaluate.tstr`.

    Intervals do not cover the variation between seeds, so compare several seeds.

    Parameters
    ----------
    base, epochs, learning_rate, seed, options : as in :func:`classifier`, whose errors it shares.
    folder : where each classifier is kept, so that it is trained once; by default none is kept.

    Examples
    --------
    >>> fine_tuned(seed=3).__name__
    'fine-tuned minilm, 5 epochs at 0.0002, seed 3'
    """
    chosen = {"epochs": epochs, "learning_rate": learning_rate, "seed": seed, **options}

    def learn(
        texts: Sequence[str], labels: Sequence[Any], weights: Sequence[float] | None
    ) -> Predict:
        rows = {
            "text": list(texts),
            "label": list(labels),
            "weight": [1.0] * len(texts) if weights is None else list(weights),
        }
        with TemporaryDirectory() as scratch:
            found = classifier(
                rows, base=base, weights="weight", folder=folder or scratch, **chosen
            )
            found.predict(texts[:1])  # loads it before the folder goes
        return found.predict

    name = base if isinstance(base, str) else getattr(base, "name", "model")
    learn.__name__ = f"fine-tuned {name}, {epochs:g} epochs at {learning_rate:g}, seed {seed}"
    return learn
