"""Kahneman-Tversky optimization."""

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


def kto(
    rows: Any,
    *,
    base: str | TrainedModel = "smollm2",
    beta: float = 0.1,
    weights: tuple[float, float] = (1.0, 1.0),
    held_out: Any = None,
    prompt: str = "prompt",
    completion: str = "completion",
    label: str = "label",
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **options: Any,
) -> TrainedModel:
    """A model trained towards accepted completions and away from rejected ones, without pairs.

    By trl's ``KTOTrainer``. The rows of a step are read in one pass, since the completions of other
    rows estimate how far the model is from the frozen base: use a ``batch_size`` of 4 or more.

    Cached, resumed and seeded as :func:`sft`, whose parameters and errors it shares.

    Parameters
    ----------
    beta : how much a departure from the base costs.
    weights : of accepted and of rejected rows. The paper advises that weight times number differ by
        a third at most between the two.
    prompt, completion : names of columns, with texts or lists of turns.
    label : name of the column that says whether the completion is wanted: true or false, or
        ``"accept"`` or ``"reject"`` as in marks.
    options : those of :class:`TrainSettings`. The learning rate is 1e-4 by default, and 1e-5 if all
        weights are trained.

    Raises
    ------
    TableError
        If a column is missing, a cell is not a text, a label is another value, or all are the same.
    UsageError
        If ``beta`` or a weight is not above 0, or ``batch_size`` is below 2 for each process.

    References
    ----------
    K. Ethayarajh et al. (2024), KTO, arXiv 2402.01306, section 4.1.

    Examples
    --------
    >>> model = kto(marked, base="smollm2")  # doctest: +SKIP
    >>> model.log[-1]["rewards/margins"]  # doctest: +SKIP
    0.12
    """
    check_numbers(beta=beta)
    if not min(beta, *weights) > 0:
        raise UsageError(f"beta and weights must be above 0; got {beta} and {weights}.")
    settings = TrainSettings.of(options, rate=1e-4)
    if settings.batch_size < 2 * settings.processes:
        raise UsageError(
            "kto compares the rows of a step: batch_size must be at least 2 for each process; got "
            f"{settings.batch_size}."
        )
    convert = partial(examples.judged, prompt=prompt, completion=completion, label=label)
    wanted, unwanted = weights
    own = {"beta": beta, "desirable_weight": wanted, "undesirable_weight": unwanted}
    method = TrlMethod(name="kto", trainer_name="KTO", own=own, copies=2, parts=2, together=True)
    model: TrainedModel = trained(method, convert, rows, held_out, base, settings, folder, listener)
    return model
