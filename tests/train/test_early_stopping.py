"""Early stopping: it ends where held-out rows get no better, and keeps the best checkpoint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.train import TrainedModel, sft
from tests.models.conftest import save_tiny
from tests.train.conftest import TEXTS

ROWS = [{"id": f"r{n}", "prompt": f"q {n}", "completion": f"a {n % 3}"} for n in range(6)]
OTHERS = [{"id": "h", "prompt": "q 7", "completion": "something else"}]
SMALL: dict[str, Any] = {
    "batch_size": 2, "rank": 4, "learning_rate": 3e-2, "steps": 12, "checkpoint_every": 1,
    "patience": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{save_tiny(tmp_path_factory.mktemp('tiny') / 'tiny')}"


def weights(model: TrainedModel) -> dict[str, Any]:
    from safetensors.torch import load_file

    (file,) = model.folder.glob("*.safetensors")
    return load_file(file)


def evaluated(model: TrainedModel, name: str = "eval_loss") -> dict[int, float]:
    """Step -> measure, at the checkpoints."""
    return {entry["step"]: entry[name] for entry in model.log if name in entry if entry["step"]}


def test_it_stops_and_keeps_the_best_checkpoint(llama: str, tmp_path: Path) -> None:
    model = sft(ROWS, base=llama, folder=tmp_path, held_out=OTHERS, **SMALL)
    losses = evaluated(model)
    best = min(losses, key=lambda step: losses[step])
    assert model.record["best_step"] == best
    assert model.record["steps"] == best + 2 < 12
    # what is kept has the loss of that checkpoint
    still = SMALL | {"steps": 1, "learning_rate": 1e-30, "patience": None}
    again = sft(ROWS, base=model, folder=tmp_path, held_out=OTHERS, **still)
    assert evaluated(again)[1] == pytest.approx(losses[best], abs=1e-5)
    assert "best_step" not in again.record


KILLED = """
import os, sys, json
from synthkit import train
base, folder, rows, others, options, step = sys.argv[1:]

def listener(progress):
    if progress.step == int(step):
        os.kill(os.getpid(), 9)

train.sft(json.loads(rows), base=base, folder=folder, listener=listener,
          held_out=json.loads(others), **json.loads(options))
"""


@pytest.mark.slow
def test_a_killed_training_still_knows_how_long_there_was_no_improvement(
    llama: str, tmp_path: Path
) -> None:
    whole = sft(ROWS, base=llama, folder=tmp_path / "whole", held_out=OTHERS, **SMALL)
    step = whole.record["steps"]  # it dies when the checkpoint before the last one is there
    texts = [json.dumps(value) for value in (ROWS, OTHERS, SMALL, step)]
    arguments = [llama, str(tmp_path / "killed"), *texts]
    done = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True)
    assert done.returncode == -9, done.stderr.decode()
    resumed = sft(ROWS, base=llama, folder=tmp_path / "killed", held_out=OTHERS, **SMALL)
    for name in ("steps", "best_step"):
        assert resumed.record[name] == whole.record[name]
    for name, value in weights(whole).items():
        assert weights(resumed)[name].numpy() == pytest.approx(value.numpy(), abs=1e-5), name


METHODS: dict[str, dict[str, Any]] = {
    "dpo": {"rows": [{"prompt": "q", "chosen": "yes", "rejected": "no"}] * 2},
    "kto": {"rows": [{"prompt": "q", "completion": "a", "label": n == 0} for n in range(2)]},
    "reward": {"rows": [{"prompt": "q", "chosen": "yes", "rejected": "no"}] * 2},
    "grpo": {
        "rows": [{"prompt": "q"}] * 2, "rewards": "regex completion [a-m]",
        "generations": 2, "completion_tokens": 4,
    },
}  # fmt: skip


@pytest.mark.parametrize("method", list(METHODS))
@pytest.mark.parametrize("rank", [4, None])
def test_every_method_can_stop_early(
    method: str, rank: int | None, llama: str, tmp_path: Path
) -> None:
    options = SMALL | METHODS[method] | {"rank": rank, "steps": 6, "patience": 1}
    rows = options.pop("rows")
    model = getattr(sk.train, method)(rows, base=llama, folder=tmp_path, held_out=rows, **options)
    metric = "eval_reward" if method == "grpo" else "eval_loss"
    values = evaluated(model, metric)
    choose: Any = max if method == "grpo" else min
    assert values[model.record["best_step"]] == choose(values.values())
    assert (model.folder / "training.json").is_file()


@pytest.mark.parametrize("method", ["classifier", "embedder", "fewshot"])
def test_encoders_can_stop_early(method: str, bert: str, tmp_path: Path) -> None:
    rows = [{"text": text, "label": text[0], "anchor": text, "positive": text.split()[1]}
            for text in TEXTS]  # fmt: skip
    options = SMALL | {"learning_rate": 1e-2, "steps": 4, "patience": 1}
    del options["rank"]
    model = getattr(sk.train, method)(rows, base=bert, folder=tmp_path, held_out=rows, **options)
    values = evaluated(model)
    assert values[model.record["best_step"]] == min(values.values())


def test_further_training_stops_early_beside_its_reference(llama: str, tmp_path: Path) -> None:
    pairs = METHODS["dpo"]["rows"]
    options = SMALL | {"folder": tmp_path, "steps": 3}
    first = sft(ROWS, base=llama, held_out=OTHERS, **options)
    model = sk.train.dpo(pairs, base=first, held_out=pairs, **options)
    assert model.record["best_step"] in evaluated(model)


def test_patience_needs_held_out_rows_and_is_in_the_key(llama: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="patience needs held_out="):
        sft(ROWS, base=llama, folder=tmp_path, patience=1)
    with pytest.raises(UsageError, match="patience must be at least 1"):
        sft(ROWS, base=llama, folder=tmp_path, patience=0, held_out=ROWS)
    settings = sk.train.TrainSettings
    assert "patience" not in settings(checkpoint_every=3).record
    assert settings(patience=2, checkpoint_every=3).record["checkpoint_every"] == 3
