"""Supervised fine-tuning."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from synthkit.train import examples
from synthkit.train.progress import Listener
from synthkit.train.settings import TrainSettings
from synthkit.train.trained import TrainedModel
from synthkit.train.training import FOLDER
from synthkit.train.trl_method import TrlMethod, trained


def sft(
    rows: Any,
    *,
    base: str | TrainedModel = "smollm2",
    held_out: Any = None,
    prompt: str = "prompt",
    completion: str = "completion",
    messages: str = "messages",
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **options: Any,
) -> TrainedModel:
    """A model fine-tuned to answer prompts as the rows do, by trl's ``SFTTrainer``.

    Only completions count in the loss. Prompts and completions are texts or lists of turns; in a
    table with ``messages``, each answer of the assistant is a completion of the turns before it.
    trl's trainers take no row weights.

    The same rows in any order, base, and options give the model that was trained before. If the
    process is killed, the same call goes on from the last checkpoint. On a CPU the same seed and
    number of threads give the same model. The global random state does not change.

    Parameters
    ----------
    rows : a table of any kind, with an ``id`` or without; or a file or a pattern such as
        ``data/*.jsonl``.
    base : a spec as :func:`synthkit.load_model` takes it, of weights that transformers loads; or a
        model that was trained here. Its adapter is trained further, and keeps its shape.
    held_out : rows or files whose loss is measured at the start and at each checkpoint.
    prompt, completion, messages : names of columns.
    folder : of all trained models; by default in the folder of the notebook's session.
    listener : called with a :class:`~synthkit.train.progress.Progress` after each step.
    options : those of :class:`TrainSettings`, such as ``rank``, ``epochs`` or ``quantize``. The
        learning rate is 2e-4 by default, and 2e-5 if all weights are trained.

    Raises
    ------
    TableError
        If a column is missing, or a cell is not a text.
    UsageError
        If an option is unknown or out of its range.
    ModelNotFound, ChatTemplateMissing, NotEnoughMemory
        Before weights are loaded: if there is no such base, it has no chat template and ``raw`` is
        not set, or it would not fit into memory by an estimate.
    ModelError
        If a loss is not finite.
    Interrupted
        After Ctrl-C; ``model`` of it is that of the last checkpoint.
    MissingExtra
        If trl or peft is not installed.

    References
    ----------
    E. J. Hu et al. (2022), LoRA, arXiv 2106.09685.

    Examples
    --------
    >>> model = sft(rows, base="smollm2", epochs=2)  # doctest: +SKIP
    >>> model.record["steps"], model.log[-1]["loss"]  # doctest: +SKIP
    (24, 1.93)
    """
    settings = TrainSettings.of(options, rate=2e-4)
    convert = partial(examples.completions, prompt=prompt, completion=completion, messages=messages)
    method = TrlMethod(name="sft", trainer_name="SFT", own={})
    model: TrainedModel = trained(method, convert, rows, held_out, base, settings, folder, listener)
    return model
