"""Labels, vectors and similarities as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkit import Session, classify, embed, load_embedder, similarity
from synthkit.core.errors import TableError, UsageError
from synthkit.data import tables
from synthkit.models.embedders import normalized

TEXTS = ["Hot soup.", "A tax form.", "Hot soup.", "  ", None]


class Letters:
    """An embedder that counts letters, and the texts that it has embedded."""

    name, fingerprint, dim = "letters", "letters", 26

    def __init__(self) -> None:
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        self.texts += texts
        counts = [[text.lower().count(chr(97 + at)) for at in range(26)] for text in texts]
        return normalized(np.array(counts, np.float32).reshape(-1, 26))


def test_vectors_are_those_of_the_embedder_and_cached(
    session: Session, make: Callable[..., Any], kind: str
) -> None:
    letters = Letters()
    table = make({"id": list("abcde"), "text": TEXTS})
    rows = embed(table, letters, session=session)
    assert tables.kind(rows) == kind
    vectors = tables.column(rows, "vector")
    expected = Letters().embed(["Hot soup.", "A tax form."])
    np.testing.assert_array_equal(np.array(vectors[:2], np.float32), expected)
    assert vectors[2] == vectors[0]
    assert vectors[3] is None
    assert vectors[4] is None
    assert letters.texts == ["Hot soup.", "A tax form."]
    embed(table, letters, session=session, to="again")
    assert len(letters.texts) == 2


def test_similarity_is_the_cosine(session: Session) -> None:
    rows = [{"a": "ab", "b": "ab"}, {"a": "ab", "b": "a"}, {"a": "ab", "b": "c"}, {"a": "ab"}]
    found = similarity(rows, "a", "b", embedder=Letters(), session=session)
    assert found["similarity"].tolist()[:3] == pytest.approx([1, 0.5**0.5, 0])
    assert tables.column(found, "similarity")[3] is None
    near = similarity(rows, "b", text="abc", embedder=Letters(), to="near", session=session)
    assert near["near"].tolist()[:2] == pytest.approx([(2 / 3) ** 0.5, 3**-0.5])


def test_a_classifier_of_transformers_gives_the_label_and_its_probability(
    session: Session, tmp_path: Path
) -> None:
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        PreTrainedTokenizerFast,
        pipeline,
    )

    words = ["[PAD]", "[UNK]", "Hot", "soup", ".", "A", "tax", "form"]
    split = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, "[UNK]"))
    split.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=split, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(tmp_path)
    labels = {0: "food", 1: "law", 2: "other"}
    config = BertConfig(
        vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=16, max_position_embeddings=32, id2label=labels,
        label2id={name: at for at, name in labels.items()},
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForSequenceClassification(config).save_pretrained(tmp_path)
    rows = classify({"text": [*TEXTS[:3], None]}, f"hf:{tmp_path}", session=session)
    truth = pipeline("text-classification", model=str(tmp_path), device="cpu")(TEXTS[:3])
    assert rows["predicted"].tolist()[:3] == [each["label"] for each in truth]
    assert rows["predicted_score"].tolist()[:3] == pytest.approx(
        [each["score"] for each in truth], rel=1e-4
    )
    assert tables.column(rows, "predicted")[3] is None
    before = session.store.completions.count()
    classify({"text": TEXTS[:2]}, f"hf:{tmp_path}", session=session, to="label")
    assert session.store.completions.count() == before == 2


def test_what_cannot_be_done_is_said(session: Session, tmp_path: Path) -> None:
    rows = [{"text": "Soup."}]
    with pytest.raises(UsageError, match=r"expected a classifier: 'hf:...' or an object"):
        classify(rows, 3, session=session)
    (tmp_path / "config.json").write_text('{"architectures": ["BertModel"]}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(UsageError, match="is no text classifier: its architecture is BertModel"):
        classify(rows, f"hf:{tmp_path}", session=session)
    with pytest.raises(UsageError, match=r"expected 'hf:<repository or folder>'"):
        classify(rows, "openai:x", session=session)
    with pytest.raises(UsageError, match="or with text=; give one"):
        similarity(rows, "text", session=session)
    with pytest.raises(TableError, match="'txt' not found"):
        embed(rows, Letters(), column="txt", session=session)
    with pytest.raises(TableError, match="has no text"):
        embed([{"text": None}], Letters(), column="text", session=session)
    assert load_embedder("wordllama").dim == 256


def test_the_users_label_stays(session: Session) -> None:
    class Fixed:
        labels = ("a", "b")

        def probabilities(self, texts: Sequence[str]) -> Any:
            return np.array([[0.25, 0.75]] * len(texts))

    rows = classify([{"text": "x", "predicted": "mine"}], Fixed(), session=session)
    assert rows[["predicted_2", "predicted", "predicted_score"]].values.tolist() == [
        ["mine", "b", 0.75]
    ]
