"""Load weights with transformers, bitsandbytes and PEFT, by the settings of a model."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.utils import logging as progress

from synthkit.core.errors import ModelError, UsageError
from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.garbage import collection_paused
from synthkit.models.local import threads
from synthkit.models.local.settings import LocalSettings
from synthkit.models.transformers.weights import Engine, accepted

TRIAL_ROWS = 8
"""Rows of the steps with which numbers of threads are tried."""
MERGEABLE = {"full_attention", "sliding_attention"}
"""Layer types whose only state is keys and values of single tokens, so rows can share a batch."""


def engine(folder: Path, settings: LocalSettings) -> Engine:
    """The weights in a folder, loaded by the settings.

    Raises
    ------
    ModelError
        If transformers cannot load them.
    """
    watch = threads.CPUWatch()
    device, name = settings.device, settings.source.name
    if settings.quantize == "int8":
        # it says at each of thousands of products that its input is cast to float16
        logging.getLogger("bitsandbytes.autograd._functions").addFilter(_no_cast)
    with quiet(), collection_paused():  # transformers imports most of itself only now
        tokenizer, net = pretrained("CausalLM", folder, name, **load_options(settings))
        if settings.adapter is not None:
            net = _adapted(net, settings)
    return tuned(wrap(net, tokenizer, device), settings, watch)


def tuned(engine: Engine, settings: LocalSettings, watch: threads.CPUWatch) -> Engine:
    """The engine, once the number of threads is chosen and set for the whole process."""
    how = engine.how if settings.quantize == "none" else f"{settings.quantize}, {engine.how}"
    number = settings.threads
    if settings.device == "cpu" and number is None:
        ids = torch.zeros(TRIAL_ROWS if engine.mergeable else 1, 1, dtype=torch.long)

        def step() -> None:
            engine.forward(input_ids=ids)

        number = threads.fastest(step, torch.set_num_threads, watch.free())
    if number is not None:
        how = f"{how} with {count(number, 'thread')}"
    if commit := settings.source.commit:
        how = f"{how}, commit {commit}"
    return replace(engine, how=how, threads=number or 0)


def pretrained(head: str, folder: Path, name: str, **options: Any) -> tuple[Any, Any]:
    """The tokenizer and the network in a folder; a ``head`` such as ``"CausalLM"``, or none.

    Code in the folder is never run, and pickled weights are never read.

    Raises
    ------
    ModelError
        If transformers cannot load them.
    """
    kind = getattr(transformers, f"AutoModelFor{head}" if head else "AutoModel")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        return tokenizer, kind.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, **options
        )
    except (OSError, ValueError, KeyError) as error:
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"{name} needs Python code of its own ({folder} names it in auto_map), which is "
                "never run. Use a model that transformers knows itself, or run this one behind a "
                "server and load it with 'openai:NAME'."
            ) from error
        raise ModelError(
            f"{name} was found in {folder}, but transformers could not load it as "
            f"{kind.__name__}: {error}"
        ) from error


def wrap(net: Any, tokenizer: Any, device: str) -> Engine:
    """An engine of weights that are in memory, which are set to evaluation mode."""
    net.eval()
    config = net.config.get_text_config(decoder=True)
    return Engine(
        net=net,
        accepts=accepted(net),
        tokenizer=tokenizer,
        ends=_ends(net, tokenizer),
        context=_context(config, tokenizer),
        mergeable=_mergeable(net, config),
        device=device,
        width=net.get_output_embeddings().weight.shape[0],
        row_bytes=_row_bytes(config, net.dtype),
        how=f"{str(net.dtype).removeprefix('torch.')} on {device}",
    )


def load_options(settings: LocalSettings) -> dict[str, Any]:
    """Options of ``from_pretrained``. Quantized weights are never moved: bitsandbytes #2078."""
    dtype = getattr(torch, settings.dtype)
    options: dict[str, Any] = {"dtype": dtype, "device_map": {"": settings.device}}
    if settings.quantize != "none":
        need("bitsandbytes", extra="local", why=f"to quantize to {settings.quantize}")
    if settings.quantize == "nf4":
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=dtype
        )
    elif settings.quantize == "int8":
        options["quantization_config"] = transformers.BitsAndBytesConfig(load_in_8bit=True)
    return options


def _adapted(net: Any, settings: LocalSettings) -> Any:
    peft = need("peft", extra="local", why="to apply an adapter")
    try:
        adapted = peft.PeftModel.from_pretrained(net, str(settings.adapter))
    except (ValueError, RuntimeError) as error:
        raise UsageError(
            f"adapter={str(settings.adapter)!r} does not fit {settings.source.name}: "
            f"{str(error).strip().splitlines()[0]}"
        ) from error
    # merged, a layer is one product instead of three; quantized weights cannot be merged exactly
    return adapted.merge_and_unload() if settings.quantize == "none" else adapted


def _ends(net: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a completion, from the generation config and the tokenizer."""
    ends = net.generation_config.eos_token_id
    listed = ends if isinstance(ends, list) else [ends]
    return frozenset(end for end in [*listed, tokenizer.eos_token_id] if end is not None)


def _context(config: Any, tokenizer: Any) -> int:
    """Most tokens of a prompt and its completion together."""
    positions = getattr(config, "max_position_embeddings", None)
    return int(positions or min(tokenizer.model_max_length, 1 << 20))


def _mergeable(net: Any, config: Any) -> bool:
    layers = getattr(config, "layer_types", None)
    # a class is marked as stateful also for models of it that have layers of attention only
    return set(layers) <= MERGEABLE if layers else not getattr(net, "_is_stateful", False)


def _row_bytes(config: Any, dtype: Any) -> int:
    """Most bytes of keys and values for one token.

    Layers without attention heads, as in Mamba, keep a state of one size for all tokens; they are
    counted as if they kept two hidden states of each token.
    """
    heads = _largest(config, "num_attention_heads") or 1
    width = _largest(config, "head_dim", "qk_head_dim", "v_head_dim") or config.hidden_size // heads
    kept = _largest(config, "num_key_value_heads") or heads
    return int(2 * config.num_hidden_layers * kept * width * dtype.itemsize)


def _largest(config: Any, *names: str) -> int:
    """The largest of some settings, one of which may be a list with a value for each layer."""
    settings = [getattr(config, name, None) or 0 for name in names]
    values = [value for each in settings for value in (each if isinstance(each, list) else [each])]
    return max(int(value or 0) for value in values)


@contextmanager
def quiet() -> Iterator[None]:
    """Hide progress bars, which a notebook would save, and two harmless warnings."""
    shown = progress.is_progress_bar_enabled()
    progress.disable_progress_bar()
    packing = logging.getLogger("bitsandbytes.backends.cpu.ops")
    packing.addFilter(_matters)
    try:
        with warnings.catch_warnings():
            # peft 0.21 uses a name that transformers 5.23 renamed
            warnings.filterwarnings("ignore", ".is_gradient_checkpointing. is deprecated")
            yield
    finally:
        packing.removeFilter(_matters)
        if shown:
            progress.enable_progress_bar()


def _matters(record: logging.LogRecord) -> bool:
    """False for bitsandbytes' message that it found no faster kernels on the Hub."""
    return "kernels-community" not in record.getMessage()


def _no_cast(record: logging.LogRecord) -> bool:
    """False for bitsandbytes' message that it casts the input of a product."""
    return "inputs will be cast" not in str(record.msg)
