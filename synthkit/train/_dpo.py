"""Direct preference optimization."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError, check_numbers
from synthkit.train import examples
from synthkit.train.progress import Listener
from synthkit.train.settings import TrainSettings
from synthkit.train.trained import TrainedModel
from synthkit.train.training import FOLDER
from synthkit.train.trl_method import TrlMethod, trained


def dpo(
    rows: Any,
    *,
    base: str | TrainedModel = "smollm2",
    beta: float = 0.1,
    held_out: Any = None,
    prompt: str = "prompt",
    chosen: str = "chosen",
    rejected: str = "rejected",
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **options: Any,
) -> TrainedModel:
    """A model trained to prefer the chosen completion of each pair, by trl's ``DPOTrainer``.

    The loss is ``-log sigmoid(beta (d_chosen - d_rejected))``, where d is the log-probability of a
    completion less that under the frozen base. The log has ``rewards/accuracies``, the share of
    pairs with d_chosen > d_rejected, for the rows of each step and the held-out rows.

    Cached, resumed and seeded as :func:`sft`, whose parameters and errors it shares.

    Parameters
    ----------
    beta : how much a departure from the base costs.
    prompt, chosen, rejected : names of columns, with texts or lists of turns.
    options : those of :class:`TrainSettings`. The learning rate is 1e-4 by default, and 1e-5 if all
        weights are trained.

    Raises
    ------
    TableError
        If a column is missing, a cell is not a text, or both completions of a row are the same.
    UsageError
        If ``beta`` is not above 0.

    References
    ----------
    R. Rafailov et al. (2023), Direct preference optimization, arXiv 2305.18290, equation 7.

    Examples
    --------
    >>> model = dpo(pairs, base="smollm2", beta=0.1)  # doctest: +SKIP
    >>> model.log[-1]["rewards/accuracies"]  # doctest: +SKIP
    0.75
    """
    check_numbers(beta=beta)
    if not beta > 0:
        raise UsageError(f"beta must be above 0; got {beta}.")
    settings = TrainSettings.of(options, rate=1e-4)
    convert = partial(examples.preferences, prompt=prompt, chosen=chosen, rejected=rejected)
    method = TrlMethod(name="dpo", trainer_name="DPO", own={"beta": beta}, copies=2, parts=2)
    model: TrainedModel = trained(method, convert, rows, held_out, base, settings, folder, listener)
    return model
