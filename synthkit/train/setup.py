"""What a trainer gets: weights, arguments and an adapter, without marks on the process."""

from __future__ import annotations

import functools
import random
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.models.hub import resolve
from synthkit.models.hub.download import SAFETENSORS
from synthkit.models.local import memory
from synthkit.models.local.settings import Dtype
from synthkit.models.local_model import load_local
from synthkit.train.settings import TrainSettings

WARMUP = 0.1
CHECKPOINTS = 4
LIBRARIES = 900_000_000
"""Bytes of torch, transformers and a trainer, beside the weights."""
IMPORTED = {"trl": 550_000_000, "torch": 310_000_000, "pandas": 120_000_000}
"""Package -> bytes that a process has already once it is imported."""
ACTIVATIONS = 400_000
"""Bytes of activations for each token of a small model."""
REWARD = "SequenceClassification"
"""The head of a reward model, as transformers names it."""
TASKS = {"CausalLM": "CAUSAL_LM", REWARD: "SEQ_CLS"}
"""Head of the network -> what peft calls its task; it trains the head of a ``SEQ_CLS`` as well."""


PACKED_ON_CPU = "support_avx512bf16_for_cpu"
"""The attribute of bitsandbytes' layers that says that they pack their weights in evaluations."""


@functools.cache
def device_name() -> str:
    """``"cuda"`` if the installed torch can use a GPU, else ``"cpu"``."""
    return "cuda" if memory.cuda_bytes() else "cpu"


def libraries(processes: int = 1) -> int:
    """Bytes that torch, transformers and a trainer take, beyond what this process has already.

    Further processes begin with nothing.
    """
    there = (size for package, size in IMPORTED.items() if package in sys.modules)
    return LIBRARIES - (next(there, 0) if processes == 1 else 0)


def check_memory(source: resolve.ModelSource, needed: int, advice: str) -> None:
    """Check that a training fits into the memory of the GPU, or that of this process.

    Raises
    ------
    NotEnoughMemory
        If it does not; the message ends in the advice.
    """
    total = memory.cuda_bytes()
    found = functools.partial(memory.Memory, total, total, "the GPU")
    there = found if device_name() == "cuda" else memory.of_process
    memory.preflight(f"training {source.name}", needed, there, advice)


def check_processes(settings: TrainSettings, micro: int) -> None:
    """Check that the steps can be divided among the processes, each with a GPU if there is one.

    Raises
    ------
    UsageError
        If they cannot.
    """
    n = settings.processes
    if settings.batch_size % (micro * n) and n > 1:
        raise UsageError(
            f"processes={n} share the rows of a step equally: expected a batch_size that is a "
            f"multiple of {n}; got {settings.batch_size}."
        )
    if n > 1 and device_name() == "cuda":
        import torch

        if torch.cuda.device_count() < n:
            raise UsageError(
                f"processes={n} need as many GPUs; this machine has {torch.cuda.device_count()}."
            )


def loaded(
    base: str,
    source: resolve.ModelSource,
    settings: TrainSettings,
    device: str,
    head: str = "CausalLM",
) -> tuple[Any, Any]:
    """The tokenizer and the weights to train; ``head`` as :data:`REWARD`, with one number."""
    from synthkit.models.transformers.loading import load_options, pretrained, quiet

    # bfloat16 cannot hold the small changes of a step, and an adapter is float32 in any case
    dtype: Dtype = "float32" if device == "cpu" or settings.rank is None else "auto"
    local = load_local(base, engine="transformers", quantize=settings.quantize, raw=settings.raw,
                       dtype=dtype, device=device).settings  # fmt: skip
    if dtype == "auto":
        from synthkit.models.transformers.precision import fastest

        local = replace(local, dtype=fastest(device))
    options = load_options(local) | ({"num_labels": 1} if head == REWARD else {})
    with quiet():
        tokenizer, net = pretrained(head, source.files(SAFETENSORS), source.name, **options)
    for module in net.modules():
        # held-out rows would pack 4-bit weights, and packed ones pass no gradient back
        if hasattr(module, PACKED_ON_CPU):
            setattr(module, PACKED_ON_CPU, False)
    return tokenizer, net


def further(net: Any, folder: Path, head: str = "CausalLM") -> Any:
    """The weights with the adapter in a folder, to be trained further."""
    import peft

    config = peft.PeftConfig.from_pretrained(str(folder))
    config.inference_mode = False
    config.base_model_name_or_path = None  # it is a spec, where peft expects a folder
    config.task_type, config.modules_to_save = TASKS[head], None  # peft adds the head of the task
    adapted = peft.get_peft_model(net, config)
    # a head that the adapter was not trained with stays as it is
    weights = peft.get_peft_model_state_dict(adapted) | peft.load_peft_weights(str(folder), "cpu")
    peft.set_peft_model_state_dict(adapted, weights)
    return adapted


def common_arguments(
    settings: TrainSettings, work: Path, device: str, micro: int
) -> dict[str, Any]:
    """The arguments that all trainers have in common; ``micro`` rows are read in one pass."""
    return {
        "output_dir": str(work),
        "per_device_train_batch_size": micro,
        "per_device_eval_batch_size": micro,
        "gradient_accumulation_steps": settings.batch_size // (micro * settings.processes) or 1,
        "num_train_epochs": settings.epochs,
        "max_steps": settings.steps or -1,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "warmup_steps": WARMUP,
        "seed": settings.seed,
        "data_seed": settings.seed,
        "save_steps": settings.checkpoint_every or 1,
        "save_strategy": "steps",
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "report_to": "none",
        "disable_tqdm": True,
        "use_cpu": device == "cpu",
        "bf16": False,  # no mixed precision: the weights have the type to compute in
        "dataloader_pin_memory": device != "cpu",
    }


def best_kept(metric: str) -> dict[str, Any]:
    """The arguments of a trainer that keeps the best checkpoint, and may stop early."""
    return {
        "load_best_model_at_end": True,
        "metric_for_best_model": metric,
        "greater_is_better": metric != "eval_loss",
        # how long there was no improvement, before a kill
        "restore_callback_states_from_checkpoint": True,
    }


def spread_checkpoints(arguments: Any, n: int) -> None:
    """Spread the checkpoints over the steps."""
    in_step = arguments.per_device_train_batch_size * arguments.gradient_accumulation_steps
    in_step *= arguments.world_size
    steps = arguments.max_steps
    if steps < 1:
        steps = int(-(-n // in_step) * arguments.num_train_epochs)
    arguments.save_steps = max(1, steps // CHECKPOINTS)


def adapter_config(settings: TrainSettings, head: str = "CausalLM") -> Any:
    """The configuration of the adapter; ``None`` if all weights are trained."""
    import peft

    if settings.rank is None:
        return None
    targets = settings.targets.split(",")
    return peft.LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=settings.targets if len(targets) == 1 else targets,
        task_type=TASKS[head],
    )


def limit_threads(most: int) -> None:
    """Use at most so many threads: those on CPUs that other programs use slow the others down."""
    import torch

    torch.set_num_threads(min(most, torch.get_num_threads()))


@contextmanager
def undisturbed() -> Iterator[None]:
    """Keep what a trainer changes in the whole process: random states, threads, bars, messages.

    No new progress bar is shown meanwhile.
    """
    import datasets
    import numpy as np
    import torch
    import transformers
    from tqdm import tqdm

    from synthkit.models.transformers.loading import quiet

    bar: Any = tqdm
    show = bar.__init__

    def hide(self: Any, *args: Any, **options: Any) -> None:
        show(self, *args, **{**options, "disable": True})

    states, threads = (random.getstate(), np.random.get_state()), torch.get_num_threads()
    libraries = transformers.logging, datasets.logging
    verbosities = [library.get_verbosity() for library in libraries]
    bars = datasets.utils.logging.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    for library in libraries:
        library.set_verbosity_error()
    bar.__init__ = hide  # sentence-transformers 6.2 has no option to mine negatives without bars
    try:
        with torch.random.fork_rng(), quiet():
            # trl 1.16 sets the option by the name that transformers 5.23 renamed
            warnings.filterwarnings("ignore", ".gradient_checkpointing.* is deprecated")
            yield
    finally:
        bar.__init__ = show
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_num_threads(threads)
        for library, verbosity in zip(libraries, verbosities, strict=True):
            library.set_verbosity(verbosity)
        if bars:
            datasets.enable_progress_bars()
