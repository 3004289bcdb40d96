"""GRPO: advantages and losses by hand, rewards of every kind, and what a reward may do."""

from __future__ import annotations

import functools
import json
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.curate import length, row_filter
from synthkit.evaluate import checks
from synthkit.train import TrainedModel, grpo, reward
from synthkit.train.progress import measured
from synthkit.train.rewards import Reward, number, reward_of, rewards_of
from synthkit.train.setup import undisturbed
from synthkit.train.training import Training
from tests.models.conftest import save_tiny

ROWS = [{"id": f"r{n}", "prompt": f"q {n}", "word": "aeiou"[n % 5]} for n in range(6)]
SMALL: dict[str, Any] = {
    "batch_size": 2, "rank": 4, "learning_rate": 1e-2, "steps": 2, "generations": 4,
    "completion_tokens": 8,
}  # fmt: skip


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{save_tiny(tmp_path_factory.mktemp('tiny') / 'tiny')}"


def short(row: Any) -> float:
    """A reward that varies within a group: fewer letters are better."""
    return -len(row["completion"].encode())


@contextmanager
def noted() -> Iterator[list[str]]:
    """The notes to the user within the block, without what packages say about themselves."""
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield notes
    notes += [str(each.message) for each in caught if each.category is RuntimeWarning]


def weights(model: TrainedModel) -> dict[str, Any]:
    from safetensors.torch import load_file

    (file,) = model.folder.glob("*.safetensors")
    return load_file(file)


def mean_rewards(model: TrainedModel) -> list[float]:
    return [entry["reward"] for entry in model.log if "reward" in entry]


def test_the_advantage_is_that_within_the_completions_of_a_prompt(
    llama: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    caught: list[Training] = []
    monkeypatch.setattr(Training, "run", lambda self, listener: caught.append(self))
    given = {"q 0": [0.0, 1.0, 2.0, 5.0], "q 1": [3.0, 3.0, None, 1.0]}
    seen: list[Any] = []

    def first(row: Any) -> Any:
        seen.append(row)
        return given[row["prompt"]][sum(other["prompt"] == row["prompt"] for other in seen) - 1]

    def second(row: Any) -> float:
        return 1.0 if row["prompt"] == "q 0" else float("nan")

    rows = [row | {"word": object()} for row in ROWS[:2]]  # cells of any type reach the reward
    grpo(rows, rewards=[first, second], weights=[2, 10], base=llama, folder=tmp_path, **SMALL)
    from synthkit.models.hub import resolve

    with undisturbed():
        (training,) = caught
        made, _ = training._trainer(resolve.find(llama), tmp_path / "w", lambda _: None, None)
        made.model.train()
        inputs = [row for row in made.train_dataset for _ in range(4)]
        scored = made._generate_and_score_completions(inputs)
    by_hand = []
    for prompt in ("q 0", "q 1"):
        sums = [
            None if value is None else 2 * value + (10 if prompt == "q 0" else 0)
            for value in given[prompt]
        ]
        group = torch.tensor([value for value in sums if value is not None])
        scale = group.std() + 1e-4
        by_hand += [0.0 if v is None else float((v - group.mean()) / scale) for v in sums]
    assert scored["advantages"].tolist() == pytest.approx(by_hand, abs=1e-4)
    assert seen[0]["word"] is rows[0]["word"]
    assert set(seen[0]) == {"id", "prompt", "word", "completion", "output"}
    # before the first change the ratio to the old policy is 1, so that the loss of a token is -A
    mask = scored["completion_mask"]
    per_token = -(scored["advantages"][:, None] * mask).sum() / mask.sum()
    with undisturbed():
        made.current_gradient_accumulation_steps = 1
        loss = made.compute_loss(made.model, scored)
    assert loss.item() == pytest.approx(float(per_token), abs=1e-5)


def test_a_training_raises_its_reward_and_is_trained_once(
    llama: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = SMALL | {"steps": 8, "folder": tmp_path, "base": llama, "learning_rate": 3e-2}
    model = grpo(ROWS, rewards=short, held_out=ROWS[:2], **options)
    found = mean_rewards(model)
    assert sum(found[-3:]) / 3 > sum(found[:3]) / 3
    assert [entry["step"] for entry in model.log if "eval_reward" in entry] == [0, 2, 4, 6, 8]
    assert model.log[1]["rewards/short/missing"] == 0
    request = sk.core.types.Request((sk.core.types.Message("user", "q"),))
    assert [event for event in model.complete([request]) if event is not None]
    with monkeypatch.context() as patch:
        patch.setattr(Training, "_train", None)
        again = grpo(ROWS[::-1], rewards=[short], weights=[1], held_out=ROWS[:2], **options)
    assert again.folder == model.folder


def test_rewards_are_in_the_key_by_what_they_compute(llama: str, tmp_path: Path) -> None:
    keys: list[str] = []

    class Planned(Exception):
        pass

    def plan(self: Training, source: Any) -> Any:
        keys.append(json.dumps(self.method.own["rewards"]))
        raise Planned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "_plan", plan)
        for spec in (
            "length completion 2-5 words",
            "length completion 2-6 words",
            checks.length("completion", 2, 6),
            short,
            lambda row: 1,
            lambda row: 2,
            length(least=2, most=5, column="completion"),
        ):
            with pytest.raises(Planned):
                grpo(ROWS, rewards=spec, base=llama, folder=tmp_path, **SMALL)
    assert keys[1] == keys[2]
    assert len(set(keys)) == len(keys) - 1


KILLED = """
import os, sys, json
from synthkit import train
base, folder, rows, options = sys.argv[1:]

def listener(progress):
    if progress.step == 5:  # the checkpoint of step 4, in the second epoch, is complete
        os.kill(os.getpid(), 9)

train.grpo(json.loads(rows), rewards="regex completion [a-m]", base=base, folder=folder,
           listener=listener, **json.loads(options))
"""


@pytest.mark.slow
def test_a_killed_training_goes_on_from_its_checkpoint(llama: str, tmp_path: Path) -> None:
    import subprocess
    import sys

    options = SMALL | {"steps": 7, "checkpoint_every": 2}
    arguments = [llama, str(tmp_path / "killed"), json.dumps(ROWS), json.dumps(options)]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    steps: list[int] = []
    rewards = "regex completion [a-m]"
    resumed = grpo(ROWS, rewards=rewards, base=llama, folder=tmp_path / "killed",
                   listener=lambda progress: steps.append(progress.step), **options)  # fmt: skip
    whole = grpo(ROWS, rewards=rewards, base=llama, folder=tmp_path / "whole", **options)
    assert (steps[1], resumed.record["steps"], whole.record["steps"]) == (5, 7, 7)
    assert mean_rewards(resumed) == pytest.approx(mean_rewards(whole))
    for name, value in weights(whole).items():
        assert weights(resumed)[name].numpy() == pytest.approx(value.numpy(), abs=1e-5), name


def test_a_reward_without_a_number_is_counted_and_stops_nothing(
    llama: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(row: Any) -> float:
        return 1 / 0

    def odd(row: Any) -> Any:
        return row["prompt"] in ("q 0", "q 1", "q 2") or None

    with noted() as notes:
        model = grpo(ROWS, rewards=[broken, odd], base=llama, folder=tmp_path, **SMALL)
    (message,) = notes
    assert message.startswith("the reward 'broken' gave no number for 16 completions, most often")
    assert "most often: ZeroDivisionError: division by zero; the reward 'odd' gave" in message
    assert message.endswith("most often: it gave None.")
    assert not caplog.records
    entries = [entry for entry in model.log if "reward" in entry]
    assert [entry["rewards/broken/missing"] for entry in entries] == [1, 1]
    assert [entry["rewards/broken/mean"] for entry in entries] == [None, None]
    shares = [entry["rewards/odd/missing"] for entry in entries]
    assert set(shares) <= {0, 0.5, 1}
    assert json.loads((model.folder / "training.json").read_text())["log"] == model.log


def test_a_reward_may_have_any_name_in_the_log() -> None:
    kept = {"step": 1, "loss": 0.0, "rewards/words_per_line/mean": 2.0}
    assert measured([kept | {"eval_samples_per_second": 3.0, "step_time": 1.0}]) == [kept]


def test_all_weights_and_a_reference_can_be_used(llama: str, tmp_path: Path) -> None:
    options = SMALL | {"base": llama, "folder": tmp_path, "beta": 0.1}
    for rank in (4, None):
        model = grpo(ROWS, rewards=short, **options | {"rank": rank})
        assert model.log[0]["kl"] == pytest.approx(0, abs=1e-4)
    further = grpo(ROWS, rewards=short, **options | {"base": model, "seed": 1})
    assert len(mean_rewards(further)) == 2


def test_prompts_too_long_for_a_completion_are_left_out(llama: str, tmp_path: Path) -> None:
    rows = [*ROWS, {"id": "long", "prompt": "q" * 200, "word": "a"}]
    with noted() as notes:
        model = grpo(rows, rewards=short, base=llama, folder=tmp_path, max_tokens=64, **SMALL)
    assert notes[0].startswith("1 example of 7 left out: the prompt and completion_tokens")
    assert model.record["left_out"] == 1
    with pytest.raises(UsageError, match="no prompt leaves room for completion_tokens=8"):
        grpo(rows[-1:], rewards=short, base=llama, folder=tmp_path, max_tokens=64, **SMALL)
    with pytest.raises(UsageError, match="a step takes batch_size=2 prompts; there are 1"):
        grpo(ROWS[:1], rewards=short, base=llama, folder=tmp_path, **SMALL)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (ROWS, {"rewards": []}, "grpo needs a reward"),
        (ROWS, {"rewards": 3}, "a reward is a check .*; got int"),
        (ROWS, {"rewards": "lengthy"}, "check 'lengthy' not found"),
        (ROWS, {"rewards": "@mine"}, "give the object itself"),
        (ROWS, {"rewards": "judge Is it polite?"}, "needs judge="),
        (ROWS, {"rewards": [short, short]}, "two rewards are named 'short'"),
        (ROWS, {"weights": [1, 2]}, "2 weights of 1 rewards"),
        (ROWS, {"generations": 1}, "generations of 2 or more"),
        (ROWS, {"completion_tokens": 0}, "completion_tokens must be at least 1"),
        ([{"text": "a"}], {}, "column 'prompt' not found"),
        ([{"prompt": " "}], {}, "row 0: the text of the user is empty"),
    ],
)
def test_what_cannot_work_is_refused(
    rows: Any, options: dict[str, Any], message: str, llama: str, tmp_path: Path
) -> None:
    with pytest.raises((UsageError, TableError), match=message):
        grpo(rows, **{"rewards": short} | options, base=llama, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def numbers(spec: Any, *texts: str, judge: Any = None) -> list[Any]:
    rows = [{"prompt": "q", "completion": text, "output": text} for text in texts]
    return reward_of(spec, judge).numbers(rows)


def test_each_kind_of_check_is_a_number() -> None:
    assert numbers("regex completion ^[A-Z]", "Cold", "cold") == [1, 0]
    assert numbers(checks.length("completion", 2), "Cold soup", "cold") == [1, 0]
    assert numbers(length(least=2, most=3, column="completion"), "Cold soup", "cold") == [1, 0]
    assert numbers(row_filter(lambda row: "soup" in row["completion"]), "soup", "tea") == [1, 0]
    assert numbers(lambda row: len(row["completion"]), "abc", "") == [3, 0]
    assert numbers("length text 2-3 words", "Cold") == [None]
    code = sk.train.passes_test(test="prompt")
    row = {"prompt": "assert x == 1", "completion": "x = 1"}
    assert reward_of(code).numbers([row, row | {"completion": "x = 2"}]) == [1, 0]


@pytest.mark.parametrize(
    ("result", "value", "reason"),
    [
        (True, 1.0, ""), (False, 0.0, ""), (2, 2.0, ""), ("too short", 0.0, "too short"),
        ((False, "no"), 0.0, "no"), ((None, "why"), None, "why"), (None, None, "it gave None"),
        (float("inf"), None, "it gave inf"), ([1], None, "it gave list, not a number"),
        (checks.Verdict(True), 1.0, ""), (checks.Verdict(None, "odd"), None, "odd"),
    ],
)  # fmt: skip
def test_what_a_reward_returns_is_a_number_or_a_reason(
    result: Any, value: float | None, reason: str
) -> None:
    assert number(result) == (value, reason)


def test_judges_and_recipes_are_asked_about_all_completions_at_once() -> None:
    judge = sk.Fake(lambda request: "Yes." if "soup" in request.messages[-1].content else "Hm.")
    asked = reward_of("judge Is it food?", judge)
    rows = [{"output": text} for text in ("soup", "tea", "soup")]
    assert asked.numbers(rows) == [1, None, 1]
    assert len(judge.asked) == 2  # equal requests are sent once
    assert "neither yes nor no" in asked.complaint

    def answer(request: Any) -> str:
        return json.dumps({"reason": "r", "score": 4 if "soup" in str(request) else 9})

    scores = sk.Fake(answer)
    recipe = functools.partial(
        sk.recipes.judge, rubrics="quality", column="completion", instruction="prompt"
    )
    assert numbers(recipe, "soup", "tea", judge=scores) == [4, None]
    names = [each.name for each in rewards_of([recipe, "regex completion a"], scores)]
    assert names == ["judge", "regex completion a"]


def test_a_reward_model_and_a_batch_that_fails() -> None:
    def scores(rows: Any) -> Any:
        raise OSError("gone")

    failing = Reward("failing", scores, "")
    assert failing.numbers([{}, {}]) == [None, None]
    assert failing.complaint.endswith("2 completions, most often: OSError: gone")
    wrong = Reward("wrong", lambda rows: [1], "")
    assert wrong.numbers([{}, {}]) == [None, None]
    assert "it gave 1 values for 2 completions" in wrong.complaint


def test_a_reward_model_is_a_reward(llama: str, tmp_path: Path) -> None:
    pairs = [{"prompt": row["prompt"], "chosen": "yes", "rejected": "no"} for row in ROWS]
    small = {name: SMALL[name] for name in ("batch_size", "rank", "learning_rate", "steps")}
    scorer = reward(pairs, base=llama, folder=tmp_path, **small)
    model = grpo(ROWS, rewards=[scorer, short], base=llama, folder=tmp_path, **SMALL)
    assert set(model.record["settings"]["rewards"]) == {scorer.name, "short"}
    assert model.log[0][f"rewards/{scorer.name}/missing"] == 0
    assert os.path.isdir(model.folder)
