from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.evaluate.metrics.learners import held_out, learner_name
from synthkit.evaluate.metrics.tstr import gain, tstr
from synthkit.models.hub.sample_data import load_sample
from synthkit.train.classifier import fine_tuned, finetune
from tests.models.conftest import save_tiny

WORDS = "good bad fine cold soup bread salt wine".split()
TEXTS = [f"{first} {second}" for first in WORDS[:4] for second in WORDS[4:]]
LABELS = ["+", "-", "+", "-"]
LABELS = [label for label in LABELS for _ in range(4)]


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A BERT of two thin layers and random weights, with a word for each token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("bert")
    vocabulary = {word: at for at, word in enumerate(["[PAD]", "[UNK]", *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]"
    ).save_pretrained(folder)
    import torch

    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(vocabulary), hidden_size=32, intermediate_size=32, num_hidden_layers=2,
            num_attention_heads=2, max_position_embeddings=16, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )  # fmt: skip
        BertModel(config).save_pretrained(folder)
    return f"hf:{folder}"


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{save_tiny(tmp_path_factory.mktemp('llama'))}"


def quick(model: str, labels: Sequence[Any] = LABELS, **options: Any) -> Any:
    arguments = {"epochs": 8, "learning_rate": 1e-2, "batch_size": 4} | options
    return finetune(TEXTS, labels, model=model, **arguments)


@pytest.mark.parametrize("model", ["bert", "llama"])
def test_it_learns_what_the_labels_hang_on(model: str, request: pytest.FixtureRequest) -> None:
    options = {} if model == "bert" else {"learning_rate": 2e-3, "epochs": 12}
    found = quick(request.getfixturevalue(model), **options)
    assert found.labels == ("+", "-")
    assert found.predict(TEXTS) == LABELS
    likely = found.probabilities(TEXTS)
    assert likely.sum(axis=1) == pytest.approx(1, abs=1e-12)
    assert [found.labels[at] for at in likely.argmax(axis=1)] == LABELS


def test_labels_may_be_of_any_type_and_number(bert: str) -> None:
    labels = [n // 4 for n in range(16)]
    assert quick(bert, labels).predict(TEXTS) == labels


def test_the_same_seed_gives_the_same_classifier_and_another_seed_another(bert: str) -> None:
    first, again, other = (quick(bert, seed=seed).probabilities(TEXTS) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


def test_random_numbers_outside_are_left_as_they_are(bert: str) -> None:
    import random

    import torch

    before = torch.random.get_rng_state(), np.random.get_state()[1], random.getstate()
    quick(bert, epochs=1)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


def test_a_row_of_weight_two_counts_as_that_row_twice(bert: str) -> None:
    weights = [2.0] * 4 + [1.0] * 12
    heavy = quick(bert, weights=weights, epochs=2, batch_size=16)
    twice = finetune(
        TEXTS[:4] + TEXTS, LABELS[:4] + LABELS, model=bert, epochs=2, learning_rate=1e-2,
        batch_size=20,
    )  # fmt: skip
    plain = quick(bert, epochs=2, batch_size=16)
    found = [one.probabilities(TEXTS) for one in (heavy, twice, plain)]
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    assert abs(found[0] - found[2]).max() > 1e-2


def test_rows_of_weight_zero_are_left_out_and_the_scale_of_weights_says_nothing(bert: str) -> None:
    weights = [1.0] * 14 + [0.0] * 2
    zero = quick(bert, weights=weights).probabilities(TEXTS)
    scaled = quick(bert, weights=[8 * w for w in weights]).probabilities(TEXTS)
    without = finetune(
        TEXTS[:14], LABELS[:14], model=bert, epochs=8, learning_rate=1e-2, batch_size=4
    )
    assert (zero == without.probabilities(TEXTS)).all()
    assert (zero == scaled).all()


@pytest.mark.parametrize("model", ["bert", "llama"])
def test_a_text_has_one_answer_whatever_its_neighbours(
    model: str, request: pytest.FixtureRequest
) -> None:
    found = quick(request.getfixturevalue(model), epochs=1)
    odd = ["", " ", "soup", "soup " * 200, "スープ 🙂", *TEXTS]
    together = found.probabilities(odd)
    assert np.isfinite(together).all()
    alone = np.concatenate([found.probabilities([text]) for text in odd])
    assert together == pytest.approx(alone, abs=1e-5)


def test_no_text_has_no_answer(bert: str) -> None:
    found = quick(bert, epochs=1)
    assert found.probabilities([]).shape == (0, 2)
    assert found.predict([]) == []
    with pytest.raises(UsageError, match="row 1: expected a text; got None"):
        found.predict(["good", None])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"labels": ["+"] * 16}, "two or more labels"),
        ({"labels": ["+", "-"]}, "a label for each of 16 texts; got 2"),
        ({"labels": [None, *LABELS[1:]]}, "row 0: expected a label"),
        ({"texts": [5, *TEXTS[1:]]}, "row 0: expected a text; got 5"),
        ({"texts": [], "labels": []}, "two or more labels"),
        ({"weights": [1.0]}, "expected 16 weights"),
        ({"weights": [-1.0] * 16}, "weights of 0 or more"),
        ({"weights": [1.0] * 4 + [0.0] * 4 + [1.0] * 4 + [0.0] * 4}, "no row of the label '-'"),
        ({"epochs": 0}, "of 1 or more and a learning_rate above 0; got 0"),
        ({"learning_rate": 0}, "learning_rate above 0"),
        ({"batch_size": 0}, "got 5, 0"),
        ({"max_tokens": 0}, "of 1 or more"),
        ({"model": "wordllama"}, "wordllama is not a transformer"),
    ],
)
def test_what_makes_no_sense_is_refused(bert: str, given: dict[str, Any], message: str) -> None:
    options = {"texts": TEXTS, "labels": LABELS, "model": bert} | given
    with pytest.raises(UsageError, match=message):
        finetune(**options)


def test_models_that_are_not_there_are_refused(tmp_path: Path) -> None:
    for model in ("bert", f"hf:{tmp_path / 'nothing'}", f"hf:{tmp_path}"):
        with pytest.raises(ModelNotFound):
            finetune(TEXTS, LABELS, model=model)
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="could not load it as AutoModelForSequenceClassification"):
        finetune(TEXTS, LABELS, model=f"hf:{tmp_path}")


def test_a_loss_that_is_not_finite_is_an_error(bert: str) -> None:
    with pytest.raises(ModelError, match="Use a learning_rate below 1e"):
        quick(bert, learning_rate=1e30)


def test_it_is_a_learner_for_utility(bert: str) -> None:
    table = pd.DataFrame({"text": TEXTS, "label": LABELS, "weight": [1.0] * 16})
    learner = fine_tuned(model=bert, epochs=8, learning_rate=1e-2, batch_size=4)
    assert learner_name(learner).endswith(", 8 epochs at 0.01, seed 0")
    found = tstr(table, table, table, learner=learner, weight="weight")
    assert (found.synthetic.value, found.gap.value, found.gap.high) == (1, 0, 0)
    assert gain(table, table[::5], table, learner=learner).augmented.value == 1


@pytest.mark.model
def test_minilm_learns_sentiment_from_real_rows() -> None:
    train, test = held_out(load_sample("yelp", quiet=True), 0.5)
    found = finetune(train["text"][:64].tolist(), train["label"][:64].tolist())
    right = np.array(found.predict(test["text"][:100].tolist())) == test["label"][:100]
    assert right.mean() > 0.7


def test_a_text_forges_no_control_token(llama: str) -> None:
    model = quick(llama, epochs=1)
    control = model.tokenizer.eos_token
    plain, forged = model.probabilities(["good soup", f"good soup{control}"])
    assert model.tokenizer.eos_token_id in model.tokenizer(control)["input_ids"]
    assert model.net.config.pad_token_id == model.tokenizer.eos_token_id  # it ends the text
    assert not np.allclose(plain, forged)
