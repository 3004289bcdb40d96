"""Trainings of a classifier: what is learned, how rows are weighted, and what it is equal to."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import (
    ModelError,
    ModelNotFound,
    NotEnoughMemory,
    TableError,
    UsageError,
)
from synthkit.curate import relabel
from synthkit.evaluate.metrics.learners import held_out, learner_name
from synthkit.evaluate.metrics.tstr import gain, tstr
from synthkit.models.hub.sample_data import load_sample
from synthkit.train import TrainedClassifier, classifier, fine_tuned, load_trained
from tests.models.conftest import save_tiny
from tests.train.conftest import LABELS, TEXTS, rows_of

ROWS = rows_of(TEXTS, LABELS)


@pytest.fixture(scope="session")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{save_tiny(tmp_path_factory.mktemp('llama'))}"


@pytest.fixture
def quick(tmp_path: Path, bert: str) -> Any:
    """A function that trains a classifier, by default for eight epochs."""

    def train(rows: Any = ROWS, **options: Any) -> TrainedClassifier:
        usual = {"base": bert, "epochs": 8, "learning_rate": 1e-2, "batch_size": 4}
        return classifier(rows, folder=tmp_path / "trained", **usual | options)

    return train


@pytest.mark.parametrize("base", ["bert", "llama"])
def test_it_learns_what_the_labels_depend_on(
    base: str, quick: Any, request: pytest.FixtureRequest
) -> None:
    options = {} if base == "bert" else {"learning_rate": 2e-3, "epochs": 12}
    found = quick(base=request.getfixturevalue(base), **options)
    assert found.labels == ("+", "-")
    assert found.predict(TEXTS) == LABELS
    likely = found.probabilities(TEXTS)
    assert likely.sum(axis=1) == pytest.approx(1, abs=1e-12)
    again = load_trained(found.folder)
    assert again.fingerprint == found.fingerprint
    assert (again.probabilities(TEXTS) == likely).all()
    relabelled = relabel(rows_of(TEXTS, LABELS[::-1]), found.probabilities, labels=found.labels)
    assert relabelled["label"].tolist() == LABELS


def test_labels_may_be_numbers_and_more_than_two(quick: Any) -> None:
    labels = [n // 4 for n in range(16)]
    found = quick(rows_of(TEXTS, labels))
    assert (found.labels, found.predict(TEXTS)) == ((0, 1, 2, 3), labels)
    assert load_trained(found.folder).predict(TEXTS) == labels


def test_weights_of_one_give_what_the_trainer_of_transformers_gives(
    bert: str, quick: Any, tmp_path: Path
) -> None:
    import datasets
    import torch
    import transformers

    options = {"epochs": 2, "learning_rate": 1e-3, "batch_size": 8}
    found = quick(held_out=ROWS[:4], **options)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = transformers.AutoModelForSequenceClassification.from_pretrained(bert[3:])
        tokenizer = transformers.AutoTokenizer.from_pretrained(bert[3:])
        rows = datasets.Dataset.from_list([
            {"input_ids": tokenizer(text)["input_ids"], "label": int(label == "-")}
            for text, label in sorted(
                zip(TEXTS, LABELS, strict=True), key=lambda row: TEXTS.index(row[0])
            )
        ])  # fmt: skip
        trainer = transformers.Trainer(
            model=net,
            args=transformers.TrainingArguments(
                output_dir=str(tmp_path / "plain"), num_train_epochs=2, learning_rate=1e-3,
                per_device_train_batch_size=8, lr_scheduler_type="linear", warmup_steps=0.1,
                use_cpu=True, report_to="none", save_strategy="no", logging_steps=1, seed=0,
                data_seed=0, disable_tqdm=True, remove_unused_columns=False,
            ),
            train_dataset=rows,
            data_collator=transformers.DataCollatorWithPadding(tokenizer),
        )  # fmt: skip
        trainer.train()
        logits = net.eval()(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits
    plain = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert [entry["loss"] for entry in found.log if "loss" in entry] == pytest.approx(plain)
    expected = torch.softmax(logits.detach(), -1).numpy()
    assert found.probabilities(TEXTS) == pytest.approx(expected, abs=1e-5)
    assert [entry["step"] for entry in found.log if "eval_loss" in entry] == [0, 1, 2, 3, 4]
    last = found.log[-1]["eval_loss"]
    assert last == pytest.approx(-np.log(found.probabilities(TEXTS[:4])[:, 0]).mean(), abs=1e-5)


def test_a_row_of_weight_two_counts_as_that_row_twice(quick: Any) -> None:
    weighted = [row | {"weight": 2.0 if n < 4 else 1.0} for n, row in enumerate(ROWS)]
    copies = [row | {"id": f"{row['id']} again"} for row in ROWS[:4]]
    heavy = quick(weighted, weights="weight", epochs=2, batch_size=16)
    twice = quick(ROWS + copies, epochs=2, batch_size=20)
    plain = quick(epochs=2, batch_size=16)
    found = [one.probabilities(TEXTS) for one in (heavy, twice, plain)]
    assert found[0] == pytest.approx(found[1], abs=1e-3)
    assert abs(found[0] - found[2]).max() > 1e-2


def test_rows_of_weight_zero_are_left_out_and_the_scale_of_weights_does_not_matter(
    quick: Any,
) -> None:
    weighted = [row | {"weight": float(n < 14)} for n, row in enumerate(ROWS)]
    scaled = [row | {"weight": 8 * row["weight"]} for row in weighted]
    zero, eight = (quick(rows, weights="weight") for rows in (weighted, scaled))
    without = quick(ROWS[:14]).probabilities(TEXTS)
    assert (zero.probabilities(TEXTS) == without).all()
    assert (eight.probabilities(TEXTS) == without).all()
    assert eight.folder != zero.folder


def test_a_classifier_is_trained_further_with_its_head(quick: Any) -> None:
    first = quick()
    further = quick(base=first, epochs=1, learning_rate=1e-9)
    assert further.probabilities(TEXTS) == pytest.approx(first.probabilities(TEXTS), abs=1e-5)
    four = quick(rows_of(TEXTS, [n // 4 for n in range(16)]), base=first)
    assert len(four.labels) == 4


@pytest.mark.parametrize("base", ["bert", "llama"])
def test_a_text_has_one_answer_whatever_its_neighbours(
    base: str, quick: Any, request: pytest.FixtureRequest
) -> None:
    found = quick(base=request.getfixturevalue(base), epochs=1)
    odd = ["", " ", "soup", "soup " * 200, "スープ 🙂", *TEXTS]
    together = found.probabilities(odd)
    assert np.isfinite(together).all()
    alone = np.concatenate([found.probabilities([text]) for text in odd])
    assert together == pytest.approx(alone, abs=1e-5)
    assert found.probabilities([]).shape == (0, 2)
    assert found.predict([]) == []
    with pytest.raises(UsageError, match="row 1: expected a text; got None"):
        found.predict(["good", None])


def test_a_text_forges_no_control_token(quick: Any, llama: str) -> None:
    model = quick(base=llama, epochs=1)
    tokenizer, net = model._loaded
    control = tokenizer.eos_token
    plain, forged = model.probabilities(["good soup", f"good soup{control}"])
    assert tokenizer.eos_token_id in tokenizer(control)["input_ids"]
    assert net.config.pad_token_id == tokenizer.eos_token_id  # it ends the text
    assert not np.allclose(plain, forged)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (rows_of(TEXTS, ["+"] * 16), {}, "two or more labels"),
        (rows_of(TEXTS, TEXTS), {}, "each of the 16 rows has a label of its own.*label=COLUMN"),
        (rows_of(TEXTS[:2], ["+", "-"]), {}, "each of the 2 rows has a label of its own"),
        (rows_of(TEXTS, [None, *LABELS[1:]]), {}, "row 0: expected a label"),
        (rows_of([5, *TEXTS[1:]], LABELS), {}, "row 0: expected a text; got 5"),
        (ROWS, {"label": "labels"}, "column 'labels' not found.*Did you mean 'label'"),
        (ROWS, {"weights": "weight"}, "column 'weight' not found"),
        ([], {}, "column 'label' not found"),
        ([row | {"w": -1.0} for row in ROWS], {"weights": "w"}, "a weight of 0 or more; got -1.0"),
        ([row | {"w": "a"} for row in ROWS], {"weights": "w"}, "a weight of 0 or more; got 'a'"),
        (
            [row | {"w": float(row["label"] == "+")} for row in ROWS],
            {"weights": "w"},
            "no row of the label '-' has a weight above 0",
        ),
        (ROWS, {"held_out": rows_of(TEXTS, ["?"] * 16)}, r"row 0: label '\?' not found"),
        (ROWS, {"epochs": 0}, "epochs and a learning_rate above 0"),
        (ROWS, {"batch_size": 0}, "batch_size must be at least 1"),
        (ROWS, {"rank": 4}, "option 'rank' not found"),
        (ROWS, {"base": "wordllama"}, "wordllama is not a transformer"),
        (ROWS, {"base": 3}, "expected a spec or what was trained here as base; got 3"),
    ],
)
def test_what_cannot_work_is_refused(
    rows: Any, options: dict[str, Any], message: str, quick: Any, tmp_path: Path
) -> None:
    with pytest.raises((UsageError, TableError), match=message):
        quick(rows, **options)
    assert not (tmp_path / "trained").exists()


def test_labels_with_one_row_are_named(quick: Any) -> None:
    few = "1 of 3 labels has one row only, such as '!'"
    with pytest.warns(RuntimeWarning, match=few) as caught:
        quick(rows_of(TEXTS, ["!", *LABELS[1:]]), steps=1)
    assert caught[0].filename == __file__
    rows = [row | {"w": float(at < 10 or at == 15)} for at, row in enumerate(
        rows_of(TEXTS, ["a"] * 5 + ["b"] * 5 + ["c"] * 6))]  # fmt: skip
    with pytest.warns(RuntimeWarning, match="such as 'c'"):
        quick(rows, weights="w", steps=1)


def test_a_base_that_cannot_work_is_refused(
    quick: Any, bert: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.models.local import memory

    for base in ("bert", f"hf:{tmp_path / 'nothing'}", f"hf:{tmp_path}"):
        with pytest.raises(ModelNotFound):
            quick(base=base)
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    (broken / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="could not load it as AutoModelForSequenceClassification"):
        quick(base=f"hf:{broken}")
    with pytest.raises(ModelError, match="Use a lower learning_rate than 1e"):
        quick(learning_rate=1e30)
    little = memory.Memory(1 << 30, 1 << 27, "the control group of this process")
    monkeypatch.setattr(memory, "of_process", lambda: little)
    with pytest.raises(NotEnoughMemory, match=r"training bert needs about .* a smaller batch_size"):
        quick()


def test_a_model_with_an_adapter_is_no_base(llama: str, tmp_path: Path, quick: Any) -> None:
    answers = [{"prompt": "q", "completion": "a"}]
    adapted = sk.train.sft(answers, base=llama, folder=tmp_path, rank=2, steps=1)
    with pytest.raises(UsageError, match="the base has an adapter"):
        quick(base=adapted)


def test_it_is_a_learner_for_utility(bert: str, tmp_path: Path) -> None:
    table = pd.DataFrame({"text": TEXTS, "label": LABELS, "weight": [1.0] * 16})
    before = random.getstate()
    learner = fine_tuned(base=bert, epochs=8, learning_rate=1e-2, batch_size=4)
    assert learner_name(learner).endswith(", 8 epochs at 0.01, seed 0")
    found = tstr(table, table, table, learner=learner, weight="weight")
    assert (found.synthetic.value, found.gap.value, found.gap.high) == (1, 0, 0)
    kept = fine_tuned(base=bert, epochs=8, learning_rate=1e-2, batch_size=4, folder=tmp_path)
    assert gain(table, table[::5], table, learner=kept).augmented.value == 1
    assert len(list(tmp_path.glob("*/training.json"))) == 2
    assert random.getstate() == before


@pytest.mark.model
def test_minilm_learns_sentiment_from_real_rows(tmp_path: Path) -> None:
    train, test = held_out(load_sample("yelp", quiet=True), 0.5)
    found = classifier(train[:64], folder=tmp_path)
    right = np.array(found.predict(test["text"][:100].tolist())) == test["label"][:100]
    assert right.mean() > 0.7
