"""Reward models."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.train import examples
from synthkit.train.progress import Listener
from synthkit.train.reward_model import RewardModel
from synthkit.train.settings import TrainSettings
from synthkit.train.setup import REWARD
from synthkit.train.trained import Trained
from synthkit.train.training import FOLDER
from synthkit.train.trl_method import TrlMethod, trained


def reward(
    rows: Any,
    *,
    base: str | Trained = "smollm2",
    center: float = 0.0,
    held_out: Any = None,
    prompt: str = "prompt",
    chosen: str = "chosen",
    rejected: str = "rejected",
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **options: Any,
) -> RewardModel:
    """A model that scores completions as the pairs prefer them, by trl's ``RewardTrainer``.

    The base gets a head with one number r, the reward, in place of its words. The loss is
    ``-log sigmoid(r_chosen - r_rejected)``, that of the Bradley-Terry model. The log has
    ``accuracy``, the share of pairs with r_chosen > r_rejected, and ``eval_accuracy``, that of the
    held-out pairs.

    Cached, resumed and seeded as :func:`sft`, whose parameters and errors it shares. The head is
    new, and drawn by the seed, unless the base is a reward model.

    Parameters
    ----------
    base : as that of :func:`sft`, or a reward model, which is trained further.
    center : weight of ``(r_chosen + r_rejected)^2`` in the loss, which draws the mean reward to 0;
        0.01 is usual (arXiv 2312.09244, equation 2).
    prompt, chosen, rejected : names of columns, with texts or lists of turns.
    options : those of :class:`TrainSettings`. The learning rate is 1e-4 by default, and 1e-5 if all
        weights are trained.

    Raises
    ------
    TableError
        If a column is missing, a cell is not a text, or both completions of a row are the same.
    UsageError
        If ``center`` is below 0.

    References
    ----------
    L. Ouyang et al. (2022), Training language models to follow instructions with human feedback,
    arXiv 2203.02155, equation 1.

    Examples
    --------
    >>> scorer = reward(pairs, base="smollm2", held_out=others)  # doctest: +SKIP
    >>> scorer.log[-1]["eval_accuracy"]  # doctest: +SKIP
    0.8
    >>> scorer.rate(answers)["reward"]  # doctest: +SKIP
    """
    if not center >= 0:
        raise UsageError(f"center must be 0 or more; got {center}.")
    settings = TrainSettings.of(options, rate=1e-4)
    convert = partial(examples.preferences, prompt=prompt, chosen=chosen, rejected=rejected)
    own = {"center_rewards_coefficient": center or None}
    method = TrlMethod(name="reward", trainer_name="Reward", own=own, parts=2, head=REWARD)
    scorer: RewardModel = trained(method, convert, rows, held_out, base, settings, folder, listener)
    return scorer
