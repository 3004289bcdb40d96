"""A tiny random BERT, for what needs an encoder but not a good one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

WORDS = "good bad fine cold soup bread salt wine".split()
TEXTS = [f"{first} {second}" for first in WORDS[:4] for second in WORDS[4:]]
LABELS = [label for label in "+-+-" for _ in range(4)]


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of two thin layers and random weights, with a word for each token."""
    return f"hf:{save_bert(tmp_path_factory.mktemp('bert') / 'bert')}"


def save_bert(folder: Path) -> Path:
    """Save it into a folder."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary), hidden_size=32, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=16, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        BertModel(config).save_pretrained(folder)
    return folder


def rows_of(texts: Sequence[Any], labels: Sequence[Any]) -> list[dict[str, Any]]:
    """Rows with ids that keep their order."""
    pairs = zip(texts, labels, strict=True)
    return [
        {"id": f"{n:02}", "text": text, "label": label} for n, (text, label) in enumerate(pairs)
    ]
