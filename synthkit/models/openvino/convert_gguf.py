"""Convert a GGUF file: ``python -m synthkit.models.openvino.convert_gguf FILE.gguf FOLDER``.

Each time that openvino-genai reads a GGUF file it takes seconds, and its tokenizer finds control
tokens in any text; so the file is converted once, with the tokenizer that transformers makes of it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from synthkit.models.hub.convert_gguf import rotation_factors, split_digits

SPECIAL = {
    "bos_token": "bos_token_id",
    "eos_token": "eos_token_id",
    "unk_token": "unknown_token_id",
    "pad_token": "padding_token_id",
}


def main(gguf: Path, folder: Path) -> None:
    """Write the weights, config and tokenizer of a GGUF file into a folder."""
    import openvino
    import openvino_genai
    from gguf import GGUFReader

    from synthkit.models.openvino.gguf_copy import copy
    from synthkit.models.openvino.gguf_weights import restore, scale_rotation

    reader = GGUFReader(gguf)
    read = {name: field.contents() for name, field in reader.fields.items() if _is_text(name)}
    architecture = read["general.architecture"]
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        read_file = Path(scratch) / "model.gguf"  # the model is written beside it
        copy(gguf, reader, read_file)
        openvino_genai.LLMPipeline(read_file, "CPU", enable_save_ov_model=True)
        model = openvino.Core().read_model(read_file.with_name("openvino_model.xml"))
        heads = {
            f"attn_{name}": int(read[f"{architecture}.attention.{key}"])
            for name, key in (("q", "head_count"), ("k", "head_count_kv"))
        }
        restore(model, reader.tensors, heads)
        factors = rotation_factors(reader)
        if factors is not None:
            scale_rotation(model, factors, float(read.get(f"{architecture}.rope.freq_base", 1e4)))
        openvino.save_model(model, folder / "openvino_model.xml", compress_to_fp16=False)
        del model  # which reads from the files of the scratch folder
    config = {
        "max_position_embeddings": read[f"{architecture}.context_length"],
        "eos_token_id": read.get("tokenizer.ggml.eos_token_id"),
    }
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    tokenizer = _tokenizer(read)
    split_digits(tokenizer, reader)
    tokenizer.save_pretrained(folder)


def _is_text(name: str) -> bool:
    ends = (".context_length", ".attention.head_count", ".attention.head_count_kv", ".freq_base")
    return name.startswith(("tokenizer.", "general.arch")) or name.endswith(ends)


def _tokenizer(read: dict[str, Any]) -> Any:
    """The tokenizer as transformers makes it of a GGUF file, which for reading needs torch."""
    from transformers import PreTrainedTokenizerFast
    from transformers.integrations.gguf import GGUF_TOKENIZER_MAPPING, convert_gguf_tokenizer

    parts, config = (
        {
            name: read[f"tokenizer.{key}"]
            for key, name in names.items()
            if f"tokenizer.{key}" in read
        }
        for names in (GGUF_TOKENIZER_MAPPING[group] for group in ("tokenizer", "tokenizer_config"))
    )
    for name, key in SPECIAL.items():
        token = read.get(f"tokenizer.ggml.{key}")
        config[name] = None if token is None else parts["tokens"][token]
    backend, _ = convert_gguf_tokenizer(read["general.architecture"], parts)
    return PreTrainedTokenizerFast(tokenizer_object=backend, **config)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
