"""Open again what was trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synthkit.core.errors import ModelNotFound
from synthkit.core.files import read_json
from synthkit.train.hosted import hosted
from synthkit.train.reward_model import RewardModel
from synthkit.train.trained import RECORD, TrainedModel
from synthkit.train.trained_classifier import FewShotClassifier, TrainedClassifier
from synthkit.train.trained_embedder import TrainedEmbedder

RESULTS: dict[str, Callable[[Path, dict[str, Any]], Any]] = {
    "classifier": TrainedClassifier,
    "embedder": TrainedEmbedder,
    "fewshot": FewShotClassifier,
    "openai": hosted,
    "reward": RewardModel,
}
"""Method -> what it makes, unless that is a local language model."""


def load_trained(folder: Path | str) -> Any:
    """What is in a folder that a method of :mod:`synthkit.train` wrote.

    Returns
    -------
    TrainedModel, HostedModel, RewardModel, TrainedEmbedder, TrainedClassifier or
        FewShotClassifier

    Raises
    ------
    ModelNotFound
        If the folder has no record of a training, or the base model is not here.
    UsageError
        If its adapter is missing.
    """
    folder = Path(folder).expanduser().absolute()
    record = read_json(folder / RECORD)
    if record is None:
        raise ModelNotFound(f"{folder} was expected to be the folder of a trained model; it has no "
                            f"{RECORD} that can be read.")  # fmt: skip
    return RESULTS.get(record["method"], TrainedModel)(folder, record)
