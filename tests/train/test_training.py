"""Trainings of a tiny random Llama: what is learned, cached, resumed, refused and recorded."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthkit as sk
from synthkit.core.errors import (
    ChatTemplateMissing,
    Interrupted,
    ModelError,
    ModelNotFound,
    NotEnoughMemory,
    TableError,
    UsageError,
)
from synthkit.core.types import Message, Request
from synthkit.train import TrainedModel, dpo, kto, load_trained, setup, sft
from synthkit.train.progress import Progress
from synthkit.train.setup import undisturbed
from synthkit.train.training import Training
from tests.models.conftest import save_tiny

ROWS = [{"id": f"r{n}", "prompt": f"q {n}", "completion": f"a {n % 3}"} for n in range(6)]
PAIRS = [{"prompt": f"q {n}", "chosen": f"yes {n % 3}", "rejected": "no"} for n in range(6)]
JUDGED = [row | {"label": n % 2 == 0} for n, row in enumerate(ROWS)]
SMALL: dict[str, Any] = {"batch_size": 2, "rank": 4, "learning_rate": 1e-2, "steps": 2}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("tiny") / "tiny")


@pytest.fixture(scope="module")
def llama(tiny: Path) -> str:
    return f"hf:{tiny}"


def weights(model: TrainedModel) -> dict[str, Any]:
    from safetensors.torch import load_file

    (file,) = model.folder.glob("*.safetensors")
    return load_file(file)


def losses(model: TrainedModel) -> list[float]:
    return [entry["loss"] for entry in model.log if "loss" in entry]


def same(first: TrainedModel, second: TrainedModel) -> bool:
    import torch

    one, other = weights(first), weights(second)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch, llama: str, tmp_path: Path) -> Iterator[Any]:
    """A function that gives the trainer of a call of ``sft`` or ``dpo``, before it runs."""
    caught: list[Training] = []
    monkeypatch.setattr(Training, "run", lambda self, listener: caught.append(self))
    found = ExitStack()

    def build(method: Any, rows: Any, **options: Any) -> Any:
        from synthkit.models.hub import resolve

        method(rows, base=llama, folder=tmp_path, **SMALL | options)
        found.enter_context(undisturbed())
        training = caught.pop()
        made, _ = training._trainer(resolve.find(llama), tmp_path / "w", lambda _: None, None)
        return made

    yield build
    found.close()


def test_the_loss_counts_completions_alone(trainer: Any) -> None:
    made = trainer(sft, ROWS[:1])
    (row,) = made.train_dataset
    text = made.processing_class.decode
    learned = [token for token in row["labels"] if token != -100]
    assert text(learned) == "a 0"
    hidden = [at for at, token in enumerate(row["labels"]) if token == -100]
    assert text([row["input_ids"][at] for at in hidden]) == "<|user|>q 0<|assistant|>"


def test_each_answer_of_a_conversation_is_a_completion_of_the_turns_before(trainer: Any) -> None:
    turns = [("system", "s"), ("user", "q"), ("assistant", "a"), ("user", "r"), ("assistant", "b")]
    messages = [{"role": role, "content": content} for role, content in turns]
    made = trainer(sft, [{"messages": messages}])
    text = made.processing_class.decode
    learned = [text([t for t in row["labels"] if t != -100]) for row in made.train_dataset]
    assert learned == ["a", "b"]
    assert text(made.train_dataset[1]["input_ids"]).startswith("<|system|>s<|user|>q<|assistant|>a")


def test_without_a_template_texts_are_learned_to_their_end(trainer: Any) -> None:
    made = trainer(sft, ROWS[:1], raw=True)
    (row,) = made.train_dataset
    learned = [token for token in row["labels"] if token != -100]
    assert made.processing_class.decode(learned) == "a 0<end>"


@pytest.mark.parametrize(("method", "rate"), [(sft, 2e-4), (dpo, 1e-4), (kto, 1e-4)])
def test_a_learning_rate_is_that_of_the_docstring(trainer: Any, method: Any, rate: float) -> None:
    said = f"{rate:.0e}", f"{rate / 10:.0e}"
    text = " ".join(method.__doc__.split()).replace("e-", "e-0")
    assert "learning rate is {} by default, and {} if all weights".format(*said) in text
    rows = {sft: ROWS, dpo: PAIRS, kto: JUDGED}[method]
    for rank, expected in ((4, rate), (None, rate / 10)):
        made = trainer(method, rows, learning_rate=None, rank=rank)
        assert made.args.learning_rate == pytest.approx(expected)


FORGED = "x<end>y<|assistant|>z"
ROWS_OF = {
    sft: lambda text: {"prompt": text, "completion": text},
    dpo: lambda text: {"prompt": text, "chosen": text, "rejected": f"no {text}"},
    kto: lambda text: {"prompt": text, "completion": text},
}


def columns(made: Any, at: int) -> dict[str, list[int]]:
    """The tokens of a row, without those of other rows that kto pairs it with."""
    row = made.train_dataset[at]
    return {
        name: [token for token in row[name] if token != -100]
        for name in row
        if name == "labels" or (name.endswith("_ids") and "KL" not in name)
    }


@pytest.mark.parametrize("raw", [False, True])
@pytest.mark.parametrize("method", list(ROWS_OF))
def test_only_a_row_that_spells_control_tokens_is_tokenized_otherwise(
    method: Any, raw: bool, trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import trl

    texts = ["q 1", " Ünïcode 😀\n\n  ", "<|im_start|> of others, a < b", FORGED]
    rows = [
        ROWS_OF[method](text) | {"id": f"{at}", "label": at < 2} for at, text in enumerate(texts)
    ]
    # four rows in one pass, since kto pairs prompts with the completions of others in it
    with ExitStack() as stack:
        if raw:
            stack.enter_context(pytest.warns(UserWarning, match="is read as text"))
        made = trainer(method, rows, raw=raw, batch_size=4)
    with monkeypatch.context() as patch:
        patch.setattr("synthkit.train.trl_method.reading_as_text", lambda tokenizer, raw: tokenizer)
        by_trl = trainer(method, rows, raw=raw, batch_size=4)
    assert type(made).__name__ == f"{method.__name__.upper()}Trainer"
    assert isinstance(made, getattr(trl, type(made).__name__))
    for at in range(3):
        assert columns(made, at) == columns(by_trl, at)
    for name, ids in columns(made, 3).items():
        assert FORGED in made.processing_class.decode(ids)
        assert ids.count(0) == (raw and name != "prompt_ids")  # a text ends with <end>
        prompt = name in ("prompt_ids", "input_ids")
        assert ids.count(2) == (prompt and not raw)  # and a prompt with <|assistant|>


def test_the_reference_of_dpo_is_the_frozen_base(trainer: Any, tiny: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    made = trainer(dpo, PAIRS)
    assert made.ref_model is None  # then trl switches the adapter off
    base = AutoModelForCausalLM.from_pretrained(tiny)
    before = {name: value.clone() for name, value in base.state_dict().items()}
    made.train()
    after = made.model.state_dict()
    for name, value in before.items():
        found = [key for key in after if key.replace(".base_layer", "").endswith(f"model.{name}")]
        assert torch.equal(after[found[0]], value), name
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad(), made.model.disable_adapter():
        assert torch.allclose(made.model(ids).logits, base(ids).logits, atol=1e-5)
    with torch.no_grad():
        assert not torch.allclose(made.model(ids).logits, base(ids).logits, atol=1e-3)


def test_a_whole_dpo_has_a_frozen_copy_of_the_base_as_reference(trainer: Any) -> None:
    import torch

    made = trainer(dpo, PAIRS, rank=None)
    reference, trained = made.ref_model.state_dict(), made.model.state_dict()
    before = {name: value.clone() for name, value in reference.items()}
    made.train()
    assert all(torch.equal(value, before[name]) for name, value in reference.items())
    assert not all(torch.equal(value, before[name]) for name, value in trained.items())


@pytest.mark.parametrize("rank", [4, None])
def test_a_trained_model_can_be_trained_further(
    rank: int | None, llama: str, tmp_path: Path
) -> None:
    options = SMALL | {"rank": rank, "folder": tmp_path, "steps": 3}
    first = sft(ROWS, base=llama, **options)
    second = dpo(PAIRS, base=first, **options)
    # before the first step the model is its own reference
    assert losses(second)[0] == pytest.approx(np.log(2), abs=1e-6)
    assert losses(second)[-1] != losses(second)[0]
    other = dpo(PAIRS, base=llama, **options)
    assert len({first.fingerprint, second.fingerprint, other.fingerprint}) == 3
    logps = [model.log[0]["logps/chosen"] for model in (second, other)]
    assert abs(logps[0] - logps[1]) > 0.1  # it starts from what was learned before
    assert not list(second.folder.glob("ref"))
    request = Request((Message("user", "q 1"),), sampling=sk.Sampling(max_tokens=3))
    assert [event for event in second.complete([request]) if event is not None]


def test_a_trained_model_answers_and_has_its_record(llama: str, tmp_path: Path) -> None:
    seen: list[Progress] = []
    model = sft(ROWS, base=llama, folder=tmp_path, held_out=ROWS[:2], listener=seen.append, **SMALL)
    request = Request((Message("user", "q 1"),), sampling=sk.Sampling(max_tokens=3))
    (answer,) = [event for event in model.complete([request]) if event is not None]
    assert answer[1].finish in {"stop", "length"}
    record = model.record
    assert set(record["rows"]) == {row["id"] for row in ROWS}
    assert (record["steps"], record["settings"]["seed"], record["settings"]["rank"]) == (2, 0, 4)
    assert {"trl", "peft", "torch"} <= set(record["versions"])
    assert record["seconds"] > 0
    assert len(losses(model)) == 2
    assert [entry["step"] for entry in model.log if "eval_loss" in entry] == [0, 1, 2]
    assert seen[0].text == "preparing"
    assert (seen[-1].step, seen[-1].steps, seen[-1].seconds_left) == (2, 2, 0)
    assert seen[-1].text.startswith("step 2 of 2, loss ")
    assert str(tmp_path) not in (model.folder / "adapter_config.json").read_text()
    again = load_trained(model.folder)
    assert (again.fingerprint, again.record) == (model.fingerprint, record)
    with pytest.raises(ModelNotFound, match=r"no training\.json"):
        load_trained(tmp_path)


def test_the_second_time_nothing_is_trained(
    llama: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    first = sft(ROWS, base=llama, folder=tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == [first.folder.name]
    with monkeypatch.context() as patch:
        patch.setattr(Training, "_train", None)
        again = sft(ROWS[::-1], base=llama, folder=tmp_path, checkpoint_every=1, **SMALL)
    assert (again.folder, again.fingerprint) == (first.folder, first.fingerprint)
    assert capsys.readouterr().err == ""
    changed = [*ROWS[:4], ROWS[4] | {"completion": "new"}]
    other = sft(changed, base=llama, folder=tmp_path, **SMALL | {"seed": 1})
    assert other.fingerprint != first.fingerprint
    message = capsys.readouterr().err
    key = first.folder.name[:8]
    expected = f"differs from {key} in seed 1 (was 0); rows: 1 removed, 1 changed."
    assert expected in message
    sft([{"prompt": "p", "completion": "c", "id": "new"}], base=llama, folder=tmp_path, **SMALL)
    assert capsys.readouterr().err == ""  # rows of something else


def test_the_same_seed_gives_the_same_model_and_random_numbers_outside_stay(
    llama: str, tmp_path: Path
) -> None:
    import torch

    before = torch.random.get_rng_state(), np.random.get_state()[1], random.getstate()
    models = [
        sft(ROWS, base=llama, folder=tmp_path / name, seed=seed, **SMALL)
        for name, seed in (("a", 3), ("b", 3), ("c", 4))
    ]
    assert same(models[0], models[1])
    assert not same(models[0], models[2])
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()
    assert random.getstate() == before[2]


KILLED = """
import os, sys, json
from synthkit import train
method, base, folder, rows, options = sys.argv[1:]

def listener(progress):
    if progress.step == 2:  # the checkpoint of step 1 is complete
        os.kill(os.getpid(), 9)

getattr(train, method)(
    json.loads(rows), base=base, folder=folder, listener=listener, **json.loads(options)
)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("method", "rows", "rank"),
    [("sft", ROWS, 4), ("dpo", PAIRS, None), ("kto", JUDGED, 4), ("reward", PAIRS, 4)],
)
def test_a_killed_training_goes_on_from_its_checkpoint(
    method: str, rows: Any, rank: int | None, llama: str, tmp_path: Path
) -> None:
    options = SMALL | {"steps": 4, "checkpoint_every": 1, "rank": rank}
    arguments = [method, llama, str(tmp_path / "killed"), json.dumps(rows), json.dumps(options)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    (work,) = (tmp_path / "killed").glob(".*.checkpoints")
    assert (work / "checkpoint-1").is_dir()
    (work / "checkpoint-2").mkdir(exist_ok=True)  # as if the kill had come while it was written
    steps: list[int] = []
    resumed = getattr(sk.train, method)(
        rows, base=llama, folder=tmp_path / "killed", **options,
        listener=lambda progress: steps.append(progress.step),
    )  # fmt: skip
    whole = getattr(sk.train, method)(rows, base=llama, folder=tmp_path / "whole", **options)
    assert (steps[1], resumed.record["steps"], whole.record["steps"]) == (2, 4, 4)
    assert losses(resumed) == pytest.approx(losses(whole), abs=1e-5)
    one, other = weights(resumed), weights(whole)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.numpy() == pytest.approx(other[name].numpy(), abs=1e-5), name
    assert not list((tmp_path / "killed").glob(".*.checkpoints"))


def test_an_interrupt_keeps_the_last_checkpoint(llama: str, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    options = {"base": llama, "folder": tmp_path, "checkpoint_every": 1, **SMALL, "steps": 3}
    with pytest.raises(Interrupted, match="the checkpoint of step 1 is kept") as caught:
        sft(ROWS, listener=stop, **options)
    model = caught.value.model
    assert (model.record["steps"], len(losses(model))) == (1, 1)
    request = Request((Message("user", "q"),), sampling=sk.Sampling(max_tokens=2))
    assert [event for event in model.complete([request]) if event is not None]
    whole = sft(ROWS, **options)
    assert (whole.record["steps"], len(losses(whole))) == (3, 3)
    assert whole.fingerprint != model.fingerprint


def test_kto_learns_from_labels_and_reads_a_step_in_one_pass(trainer: Any) -> None:
    made = trainer(kto, JUDGED, batch_size=6)
    assert (made.args.per_device_train_batch_size, made.args.gradient_accumulation_steps) == (6, 1)
    assert made.ref_model is None
    assert made.train_dataset["label"] == [True, False] * 3
    made = trainer(kto, [row | {"label": "reject"} for row in JUDGED[:2]] + JUDGED[2:3])
    assert made.train_dataset["label"] == [False, False, True]


def test_labels_that_cannot_work_are_refused(llama: str, tmp_path: Path) -> None:
    for rows, message in (
        (ROWS, "column 'label' not found"),
        ([row | {"label": "maybe"} for row in ROWS], "row 0: expected True or False, 'accept'"),
        ([row | {"label": True} for row in ROWS], "all labels are the same"),
    ):
        with pytest.raises(TableError, match=message):
            kto(rows, base=llama, folder=tmp_path)
    with pytest.raises(UsageError, match="batch_size must be at least 2"):
        kto(JUDGED, base=llama, folder=tmp_path, batch_size=1)
    with pytest.raises(UsageError, match="beta and weights must be above 0"):
        kto(JUDGED, base=llama, folder=tmp_path, weights=(1, 0))


def test_further_training_that_was_stopped_keeps_its_reference(llama: str, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    first = sft(ROWS, base=llama, folder=tmp_path, **SMALL)
    options = {"base": first, "checkpoint_every": 1, **SMALL, "steps": 3}
    with pytest.raises(Interrupted):
        dpo(PAIRS, folder=tmp_path / "stopped", listener=stop, **options)
    resumed = dpo(PAIRS, folder=tmp_path / "stopped", **options)
    whole = dpo(PAIRS, folder=tmp_path / "whole", **options)
    assert losses(resumed) == pytest.approx(losses(whole), abs=1e-5)
    for name, value in weights(whole).items():
        assert weights(resumed)[name].numpy() == pytest.approx(value.numpy(), abs=1e-5), name


@pytest.mark.parametrize("method", ["sft", "dpo"])
def test_all_weights_can_be_trained(method: str, llama: str, tmp_path: Path) -> None:
    rows = ROWS if method == "sft" else PAIRS
    model = getattr(sk.train, method)(rows, base=llama, folder=tmp_path, **SMALL | {"rank": None})
    assert (model.folder / "model.safetensors").is_file()
    request = Request((Message("user", "q"),), sampling=sk.Sampling(max_tokens=2))
    assert [event for event in model.complete([request]) if event is not None]


def test_a_base_of_4_bits_gets_an_adapter(llama: str, tmp_path: Path) -> None:
    model = sft(ROWS, base=llama, folder=tmp_path, quantize="nf4", **SMALL)
    assert model.settings.quantize == "nf4"
    assert (model.folder / "adapter_model.safetensors").is_file()
    # on some CPUs, an evaluation before the first step could change how weights are held
    held_out = sft(ROWS, base=llama, folder=tmp_path, quantize="nf4", held_out=ROWS, **SMALL)
    assert same(model, held_out)


def test_a_row_without_room_for_its_answer_is_left_out_and_counted(
    llama: str, tmp_path: Path
) -> None:
    rows = [*ROWS, {"id": "long", "prompt": "q" * 60, "completion": "a"}]
    with pytest.warns(RuntimeWarning, match="1 example of 7 left out: the prompt alone has"):
        model = sft(rows, base=llama, folder=tmp_path, max_tokens=20, **SMALL)
    assert model.record["left_out"] == 1


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"text": "a"}], {}, "expected the columns 'prompt' and 'completion', or 'messages'"),
        ([{"prompt": "a", "completion": None}], {}, "row 0: expected a text or a list of turns"),
        ([{"prompt": " ", "completion": "a"}], {}, "row 0: the text of the user is empty"),
        ([{"messages": [{"role": "bot", "content": ""}]}], {}, "role 'bot' not found"),
        ([{"messages": [{"role": "user", "content": "a"}]}], {}, "no row to learn from"),
        (ROWS, {"ranks": 3}, "option 'ranks' not found.*Did you mean 'rank'"),
        (ROWS, {"rank": 0}, "rank must be at least 1"),
        (ROWS, {"epochs": 0}, "epochs and a learning_rate above 0"),
        (ROWS, {"quantize": "int8"}, "quantize 'int8' not found"),
        (ROWS, {"quantize": "nf4", "rank": None}, "quantize='nf4' needs an adapter"),
    ],
)
def test_what_cannot_work_is_refused(
    rows: Any, options: dict[str, Any], message: str, llama: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=message):
        sft(rows, base=llama, folder=tmp_path, **options)
    assert not list(tmp_path.iterdir())


def test_pairs_that_cannot_work_are_refused(llama: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="column 'rejected' not found"):
        dpo([{"prompt": "a", "chosen": "b"}], base=llama, folder=tmp_path)
    with pytest.raises(TableError, match="row 0: 'chosen' and 'rejected' are the same"):
        dpo([{"prompt": "a", "chosen": "b", "rejected": "b"}], base=llama, folder=tmp_path)
    with pytest.raises(UsageError, match="beta must be above 0"):
        dpo(PAIRS, base=llama, folder=tmp_path, beta=0)


def test_a_base_that_cannot_work_is_refused_before_it_is_loaded(
    llama: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.models.local import memory
    from synthkit.train import trl_method

    monkeypatch.setattr(trl_method, "loaded", None)
    with pytest.raises(ChatTemplateMissing, match="raw=True"):
        sft(ROWS, base=f"hf:{save_tiny(tmp_path / 'base', template=None)}", folder=tmp_path)
    with pytest.raises(ModelNotFound):
        sft(ROWS, base="hf:nobody/nothing", folder=tmp_path)
    little = memory.Memory(1 << 30, 1 << 27, "the control group of this process")
    monkeypatch.setattr(memory, "of_process", lambda: little)
    with pytest.raises(NotEnoughMemory, match=r"training tiny needs about .* Use quantize='nf4'"):
        sft(ROWS, base=llama, folder=tmp_path)


def test_libraries_that_are_imported_are_not_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for package in ("trl", "torch", "pandas"):
        monkeypatch.delitem(sys.modules, package, raising=False)
    assert setup.libraries() == setup.LIBRARIES
    monkeypatch.setitem(sys.modules, "torch", None)
    assert setup.libraries() == setup.LIBRARIES - setup.IMPORTED["torch"]
    monkeypatch.setitem(sys.modules, "trl", None)
    assert setup.libraries() == setup.LIBRARIES - setup.IMPORTED["trl"]
    assert setup.libraries(processes=2) == setup.LIBRARIES


def test_a_loss_that_is_not_finite_is_an_error(llama: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Use a lower learning_rate than 1e"):
        sft(ROWS, base=llama, folder=tmp_path, **SMALL | {"learning_rate": 1e30, "steps": 4})
    assert not [path for path in tmp_path.iterdir() if path.is_dir() and path.name[0] != "."]
