"""``python -m synthkit.models.hub.convert_gguf FILE.gguf FOLDER``: GGUF to bfloat16 safetensors.

transformers can read GGUF, but needs 19 CPU-seconds each time, against 1.2 for safetensors, and
bitsandbytes cannot quantize weights that were read from it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

DIGITS = {"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"}
"""Pre-tokenizers that llama.cpp runs as GPT-2's after a split of numbers into digits."""


def main(gguf: Path, folder: Path) -> None:
    """Write the weights, config and tokenizer of a GGUF file into a folder."""
    import torch
    from gguf import GGUFReader
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    # without dequantize=True the model stays marked as quantized, and save_pretrained raises
    model = AutoModelForCausalLM.from_pretrained(
        gguf.parent,
        gguf_file=gguf.name,
        quantization_config=GgufConfig(dequantize=True),
        dtype=torch.bfloat16,
    )
    reader = GGUFReader(gguf)
    factors = rotation_factors(reader)
    if factors is not None:
        # as a type of scaling that takes any factors; the attention factor is not that of the type
        model.config.rope_parameters |= {
            "rope_type": "longrope",
            "short_factor": factors.tolist(),
            "long_factor": factors.tolist(),
            "attention_factor": 1.0,
            "factor": 1.0,
            "original_max_position_embeddings": model.config.max_position_embeddings,
        }
    model.save_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
    split_digits(tokenizer, reader)
    tokenizer.save_pretrained(folder)


def rotation_factors(reader: Any) -> Any:
    """What a file divides its frequencies of positions by, which both engines' readers ignore.

    A (half a head,) array, as in files of Llama 3.1 and later; ``None`` in others.
    """
    found = [tensor.data for tensor in reader.tensors if tensor.name == "rope_freqs.weight"]
    return found[0].astype("float32") if found else None


def split_digits(tokenizer: Any, reader: Any) -> None:
    """Have a tokenizer split numbers as its GGUF file says, which transformers forgets."""
    from tokenizers import pre_tokenizers

    field = reader.get_field("tokenizer.ggml.pre")
    if field is not None and field.contents() in DIGITS:
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Digits(individual_digits=True),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
            ]
        )


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
