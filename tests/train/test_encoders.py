"""Trainings of encoders that are killed or stopped go on from their last checkpoint."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import Interrupted
from synthkit.train.progress import Progress
from tests.train.conftest import LABELS, TEXTS, rows_of
from tests.train.test_embedder import PAIRS
from tests.train.test_training import KILLED, losses, weights

METHODS = {
    "classifier": (rows_of(TEXTS, LABELS), {}),
    "embedder": (PAIRS, {"hard_negatives": 1}),
    "fewshot": (rows_of(TEXTS, LABELS), {"pairs": 2}),
}
OPTIONS = {"steps": 3, "batch_size": 4, "learning_rate": 1e-3, "checkpoint_every": 1}


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_training_goes_on_from_its_checkpoint(
    method: str, bert: str, tmp_path: Path
) -> None:
    rows, own = METHODS[method]
    options = OPTIONS | own
    train = getattr(sk.train, method)
    arguments = [method, bert, str(tmp_path / "killed"), json.dumps(rows), json.dumps(options)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], capture_output=True, timeout=600
    )
    assert done.returncode == -9, done.stderr.decode()
    steps: list[int] = []
    resumed = train(
        rows, base=bert, folder=tmp_path / "killed", **options,
        listener=lambda progress: steps.append(progress.step),
    )  # fmt: skip
    whole = train(rows, base=bert, folder=tmp_path / "whole", **options)
    assert (min(filter(None, steps)), resumed.record["steps"], whole.record["steps"]) == (2, 3, 3)
    assert losses(resumed) == pytest.approx(losses(whole), abs=1e-6)
    one, other = weights(resumed), weights(whole)
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert value.numpy() == pytest.approx(other[name].numpy(), abs=1e-6), name
    assert resumed.fingerprint == whole.fingerprint
    assert not list((tmp_path / "killed").glob(".*.checkpoints"))


@pytest.mark.parametrize("method", METHODS)
def test_an_interrupt_keeps_the_last_checkpoint(method: str, bert: str, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    rows, own = METHODS[method]
    options: dict[str, Any] = {"base": bert, "folder": tmp_path, **OPTIONS, **own}
    with pytest.raises(Interrupted, match="the checkpoint of step 1 is kept") as caught:
        getattr(sk.train, method)(rows, listener=stop, **options)
    kept = caught.value.model
    assert (kept.record["steps"], len(losses(kept))) == (1, 1)
    use = kept.embed if method == "embedder" else kept.probabilities
    assert use(TEXTS).shape[0] == len(TEXTS)
    whole = getattr(sk.train, method)(rows, **options)
    assert whole.record["steps"] == 3
    assert whole.fingerprint != kept.fingerprint


@pytest.mark.parametrize("method", METHODS)
def test_two_processes_train_together(method: str, bert: str, tmp_path: Path) -> None:
    rows, own = METHODS[method]
    options: dict[str, Any] = {"base": bert, **OPTIONS, **own, "batch_size": 2}
    if method == "embedder":
        options["batch_size"] = 4
    one, two = (
        getattr(sk.train, method)(rows, folder=tmp_path / str(n), processes=n, **options)
        for n in (1, 2)
    )
    assert two.record["device"].startswith("CPU")
    assert (two.record["steps"], len(losses(two))) == (3, 3)
    # the ranking loss compares the rows of one process only
    assert ("processes" in two.record["settings"]) == (method != "classifier")
    if method == "classifier":
        assert losses(two) == pytest.approx(losses(one), abs=1e-5)
        assert two.probabilities(TEXTS) == pytest.approx(one.probabilities(TEXTS), abs=1e-5)
