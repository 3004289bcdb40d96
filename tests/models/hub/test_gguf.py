from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.core.types import Message, Request, Sampling
from synthkit.models import load_model

TEMPLATE = "{% for m in messages %}<|im_start|>{{ m.content }}<|im_end|>{% endfor %}<|im_start|>"


# type -> the scales of a block of 256 weights, and its bytes before and after them
BLOCKS = {"Q4_K": ((3e-4, 2.2e-3), 0, 140), "Q6_K": ((2e-4,), 208, 0)}


def random_block(rng: np.random.Generator, kind: str) -> np.ndarray[Any, Any]:
    """The bytes of 256 weights of about 0.1; the package gguf cannot quantize to these types."""
    scales, before, after = BLOCKS[kind]
    parts = [rng.integers(0, 256, count, np.uint8) for count in (before, after)]
    return np.concatenate([parts[0], np.array(scales, np.float16).view(np.uint8), parts[1]])


def save_gguf(
    path: Path,
    *,
    quantized: bool = False,
    kind: str = "Q4_1",
    width: int = 32,
    factors: bool = False,
) -> np.ndarray[Any, Any]:
    """Save a tiny Llama of random weights as GGUF; returns its (tokens, width) embeddings.

    If ``quantized``, the matrices of its layer are of ``kind``, the others of Q8_0. With
    ``factors``, frequencies of positions are divided by large numbers.
    """
    from gguf import GGMLQuantizationType, GGUFWriter, TokenType
    from gguf.quants import quantize
    from tokenizers import pre_tokenizers

    control = ["<|im_end|>", "<|im_start|>", "<|endoftext|>"]
    tokens = [*control, *sorted(pre_tokenizers.ByteLevel.alphabet()), "ab"]
    kinds = [TokenType.CONTROL] * 3 + [TokenType.NORMAL] * (len(tokens) - 3)
    rng = np.random.default_rng(0)
    writer = GGUFWriter(path, "llama")
    writer.add_file_type(3 if quantized else 0)
    writer.add_context_length(128)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(2)
    writer.add_head_count_kv(2)
    writer.add_rope_dimension_count(width // 2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types(kinds)
    writer.add_token_merges(["a b"])
    writer.add_eos_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    square = dict.fromkeys(["attn_q", "attn_k", "attn_v", "attn_output"], (width, width))
    wide = dict.fromkeys(["ffn_gate", "ffn_up"], (2 * width, width))
    shapes = {**square, **wide, "ffn_down": (width, 2 * width)}

    def add(name: str, weights: np.ndarray[Any, Any], kind: GGMLQuantizationType) -> None:
        if quantized and kind.name in BLOCKS:
            blocks = np.concatenate(
                [random_block(rng, kind.name) for _ in range(weights.size // 256)]
            )
            writer.add_tensor(name, blocks.reshape(len(weights), -1), raw_dtype=kind)
        elif quantized:
            writer.add_tensor(name, quantize(weights, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, weights)

    embeddings = rng.normal(size=(len(tokens), width)).astype(np.float32)
    add("token_embd.weight", embeddings, GGMLQuantizationType.Q8_0)
    # quantized, with probabilities that are less extreme
    output = embeddings[::-1] / (4 if quantized else 1)
    add("output.weight", output.astype(np.float32), GGMLQuantizationType.Q8_0)
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for name in ("attn_norm", "ffn_norm"):
        writer.add_tensor(f"blk.0.{name}.weight", np.ones(width, np.float32))
    for name, shape in shapes.items():
        weights = rng.normal(size=shape).astype(np.float32) / 8
        add(f"blk.0.{name}.weight", weights, GGMLQuantizationType[kind])
    if factors:
        writer.add_tensor("rope_freqs.weight", np.linspace(8, 32, width // 4, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return embeddings


def test_a_gguf_file_is_converted_once_and_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SYNTHKIT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    (tmp_path / "one").mkdir()
    file = tmp_path / "one" / "tiny-F32.gguf"
    embeddings = save_gguf(file)
    model: Any = load_model(f"gguf:{file}", dtype="float32", quantize="none")
    assert capsys.readouterr().err == ""
    model.load()
    shown = capsys.readouterr().err
    assert "100%" in shown
    assert shown.startswith("Converting tiny-F32.gguf (0 MB) to bfloat16 safetensors, once; ")
    assert model.name == "tiny-F32 fp32"
    asked = Request((Message("user", "ab 12"),), Sampling(temperature=0, max_tokens=3))
    [(_, done)] = [event for event in model.complete([asked]) if event]
    assert done.prompt_tokens == len(["<|im_start|>", "ab", " ", "1", "2", "<|im_end|>", "<|im_st"])
    engine = model.load()
    assert engine.tokenizer.chat_template == TEMPLATE
    found = engine.net.get_input_embeddings().weight.detach().numpy()
    assert found[: len(embeddings)] == pytest.approx(embeddings, rel=1e-2, abs=1e-3)
    capsys.readouterr()
    for spec in (f"gguf:{file.parent}", f"hf:{file.parent}"):
        again: Any = load_model(spec, dtype="float32", quantize="none")
        assert again.fingerprint == model.fingerprint
        again.load()
    assert capsys.readouterr().err == ""
    (file.parent / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(UsageError, match=r"several GGUF files: other\.gguf, tiny-F32\.gguf"):
        load_model(f"gguf:{file.parent}")
    with pytest.raises(ModelError, match=r"other\.gguf cannot be read .* may be cut"):
        load_model(f"gguf:{file.parent / 'other.gguf'}")
    later: Any = load_model(f"gguf:{file}", quantize="none")
    with file.open("ab") as other:
        other.write(b"more")
    with pytest.raises(ModelError, match="have changed since this model was made"):
        later.load()
    left = [path.name for path in (tmp_path / "cache").iterdir() if path.is_dir()]
    assert len(left) == 1


def test_what_is_no_gguf_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="expected to be a GGUF file or a folder with one"):
        load_model(f"gguf:{tmp_path / 'gone.gguf'}")
    (tmp_path / "pointer.gguf").write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(UsageError, match=r"got b'vers'.*pointer of Git LFS"):
        load_model(f"gguf:{tmp_path / 'pointer.gguf'}")
    (tmp_path / "big-00001-of-00002.gguf").write_bytes(b"GGUF")
    with pytest.raises(UsageError, match=r"part of 2.*gguf-split --merge .* big\.gguf"):
        load_model(f"gguf:{tmp_path / 'big-00001-of-00002.gguf'}")
