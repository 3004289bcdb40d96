"""Sentence encoders from folders, with tiny random weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.models.embedders import load_embedder
from synthkit.models.hub import catalog

TEXTS = ["salt river", "", "lamp", "quiet orchard paper window salt", "river " * 40]
WORDS = "salt river lamp quiet orchard paper window winter".split()


@pytest.fixture
def encoder(tmp_path: Path) -> Callable[..., Path]:
    """Saves a BERT of random weights, with files of sentence-transformers if some are given."""

    def save(files: dict[str, Any] | None = None, *, at: str = "") -> Path:
        import torch
        from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
        from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

        vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]"])}
        vocabulary |= {word: at for at, word in enumerate(WORDS, 4)}
        tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        tokenizer.normalizer = normalizers.NFC()
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
        tokenizer.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        folder = tmp_path / "encoder"
        PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
        ).save_pretrained(folder / at)
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary),
            hidden_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=32,
            max_position_embeddings=32,
        )
        BertModel(config).save_pretrained(folder / at)
        for name, content in (files or {}).items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(json.dumps(content))
        return folder

    return save


def states(folder: Path, text: str, longest: int = 32) -> np.ndarray:
    """(tokens, 16) the states of a text by itself."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    coded = tokenizer(text, truncation=True, max_length=longest, return_tensors="pt")
    with torch.inference_mode():
        return np.asarray(AutoModel.from_pretrained(folder)(**coded).last_hidden_state[0])


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)


def modules(*kinds: str) -> list[dict[str, str]]:
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    prefix = "sentence_transformers.models."
    return [{"type": prefix + kind, "path": paths.get(kind, kind)} for kind in kinds]


POOLED = {
    "mean": lambda found: found.mean(0),
    "cls": lambda found: found[0],
    "max": lambda found: found.max(0),
    "last": lambda found: found[-1],
}


def test_states_are_averaged_over_the_tokens_of_each_text(encoder: Callable[..., Path]) -> None:
    folder = encoder()
    embedder = load_embedder(f"hf:{folder}")
    vectors = embedder.embed(TEXTS)
    assert (vectors.shape, vectors.dtype) == ((5, embedder.dim), np.float32)
    assert (embedder.name, embedder.dim) == ("encoder", 16)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert vector == pytest.approx(unit(states(folder, text).mean(0)), abs=1e-5)


@pytest.mark.parametrize("form", ["flags", "name"])
@pytest.mark.parametrize("mode", POOLED)
def test_the_pooling_of_the_folder_is_used(
    encoder: Callable[..., Path], mode: str, form: str
) -> None:
    flag = {"mean": "mean_tokens", "cls": "cls_token", "max": "max_tokens", "last": "lasttoken"}
    flags = {f"pooling_mode_{name}": name == flag[mode] for name in flag.values()}
    named = {"pooling_mode": "lasttoken" if mode == "last" else mode}
    folder = encoder(
        {
            "modules.json": modules("Transformer", "Pooling", "Normalize"),
            "1_Pooling/config.json": {"word_embedding_dimension": 16, "include_prompt": True}
            | (flags if form == "flags" else named),
        }
    )
    vectors = load_embedder(f"hf:{folder}").embed(TEXTS)
    given = load_embedder(f"hf:{folder}", pooling=mode).embed(TEXTS)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert vector == pytest.approx(unit(POOLED[mode](states(folder, text))), abs=1e-5)
    assert given == pytest.approx(vectors, abs=1e-6)


def test_length_case_and_prompt_of_the_folder_are_used(encoder: Callable[..., Path]) -> None:
    files = {
        "modules.json": modules("Transformer"),
        "sentence_bert_config.json": {"max_seq_length": 6, "do_lower_case": True},
        "config_sentence_transformers.json": {
            "prompts": {"query": "lamp "},
            "default_prompt_name": "query",
        },
    }
    folder = encoder(files)
    vectors = load_embedder(f"hf:{folder}").embed(["SALT River", "salt " * 20])
    expected = [states(folder, text, 6) for text in ("lamp salt river", "lamp " + "salt " * 20)]
    assert [len(each) for each in expected] == [5, 6]
    for vector, each in zip(vectors, expected, strict=True):
        assert vector == pytest.approx(unit(each.mean(0)), abs=1e-5)
    longer = load_embedder(f"hf:{folder}", max_tokens=4).embed(["salt " * 20])
    assert longer[0] == pytest.approx(unit(states(folder, "lamp salt salt", 4).mean(0)), abs=1e-5)


def test_weights_may_be_in_a_folder_of_their_own(encoder: Callable[..., Path]) -> None:
    listed = modules("Transformer")
    listed[0]["path"] = "0_Transformer"
    folder = encoder({"modules.json": listed}, at="0_Transformer")
    vector = load_embedder(f"hf:{folder}").embed(["salt"])[0]
    assert vector == pytest.approx(unit(states(folder / "0_Transformer", "salt").mean(0)), abs=1e-5)


def test_the_fingerprint_changes_with_weights_and_pooling(encoder: Callable[..., Path]) -> None:
    folder = encoder()
    plain = load_embedder(f"hf:{folder}").fingerprint
    assert plain == load_embedder(f"hf:{folder}").fingerprint
    assert load_embedder(f"hf:{folder}", pooling="cls").fingerprint != plain
    assert load_embedder(f"hf:{folder}", max_tokens=9).fingerprint != plain
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    assert load_embedder(f"hf:{folder}").fingerprint != plain


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"modules.json": modules("Transformer", "Dense")}, "module Dense after pooling"),
        (
            {
                "modules.json": modules("Transformer", "Pooling"),
                "1_Pooling/config.json": {"pooling_mode_weightedmean_tokens": True},
            },
            r"the pooling weightedmean_tokens; .*Choose one with pooling=",
        ),
        (
            {
                "modules.json": modules("Transformer", "Pooling"),
                "1_Pooling/config.json": {"pooling_mode": ["cls", "mean"]},
            },
            "the pooling cls, mean",
        ),
    ],
)
def test_what_a_folder_asks_for_and_is_not_supported_is_named(
    encoder: Callable[..., Path], files: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        load_embedder(f"hf:{encoder(files)}")


@pytest.mark.parametrize("options", [{"pooling": "median"}, {"max_tokens": 0}])
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=next(iter(options))):
        load_embedder("hf:x", **options)


def test_a_folder_that_is_missing_or_no_encoder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFound, match="no such folder"):
        load_embedder(f"hf:{tmp_path}/nothing")
    (tmp_path / "config.json").write_text('{"model_type": "bert", "hidden_size": 4}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="transformers could not load it"):
        load_embedder(f"hf:{tmp_path}").embed(["a"])


def test_a_decoder_without_padding_token_is_an_encoder_too(tiny: Path) -> None:
    embedder = load_embedder(f"hf:{tiny}", pooling="last")
    vectors = embedder.embed(["salt", "", "salt river"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 0, 1], abs=1e-5)
    assert embedder.embed([""])[0].tolist() == [0.0] * 64
    assert vectors[0] == pytest.approx(embedder.embed(["salt"])[0], abs=1e-5)


@pytest.mark.model
def test_minilm_as_a_folder_gives_what_the_catalog_gives() -> None:
    folder = catalog.fetch("minilm", quiet=True)
    texts = ["A cat sat on the mat.", "Naïve 🙂 日本語", "word " * 200, ""]
    here = load_embedder(f"hf:{folder}").embed(texts)
    assert here == pytest.approx(load_embedder("minilm").embed(texts), abs=1e-5)
