"""Trainings in two processes: the same model as of one, resumed, stopped and refused alike."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from synthkit.core.errors import Interrupted, ModelError, UsageError
from synthkit.train import dpo, kto, sft
from synthkit.train.processes import launch
from synthkit.train.progress import Listener, Progress, last_checkpoint
from synthkit.train.settings import TrainSettings
from synthkit.train.training import Training
from tests.models.conftest import save_tiny
from tests.train.test_training import JUDGED, KILLED, PAIRS, ROWS, losses, weights

OPTIONS: dict[str, Any] = {"batch_size": 2, "rank": 4, "learning_rate": 1e-2, "steps": 20}
TWO = OPTIONS | {"processes": 2, "checkpoint_every": 1}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{save_tiny(tmp_path_factory.mktemp('tiny') / 'tiny')}"


def running(work: Path) -> list[str]:
    """The processes that train in a folder."""
    listed = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(work) in line and "-m" in line]


def test_two_processes_killed_and_interrupted_give_the_model_of_one(
    llama: str, tmp_path: Path
) -> None:
    folder = tmp_path / "two"
    arguments = ["dpo", llama, str(folder), json.dumps(PAIRS), json.dumps(TWO)]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, *arguments], capture_output=True, timeout=600
    )
    assert done.returncode == -9, done.stderr.decode()
    (work,) = folder.glob(".*.checkpoints")
    reached = last_checkpoint(work)  # the processes may be steps ahead of what was told
    assert reached is not None
    until = time.monotonic() + 60
    while running(work):  # the processes notice that their parent has ended
        assert time.monotonic() < until
        time.sleep(0.1)

    def stop(progress: Progress) -> None:
        if progress.step > int(reached.name.partition("-")[2]) + 1:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match=r"the checkpoint of step \d+ is kept") as caught:
        dpo(PAIRS, base=llama, folder=folder, listener=stop, **TWO)
    assert last_checkpoint(work) == caught.value.model.folder != reached
    assert running(work) == []
    seen: list[Progress] = []
    two = dpo(PAIRS, base=llama, folder=folder, listener=seen.append, **TWO)
    assert seen[1].step == caught.value.model.record["steps"] + 1
    assert [(each.step, each.steps, len(each.log)) for each in seen][-1] == (20, 20, 20)
    assert two.record["device"].endswith("1 thread, 2 processes")
    assert not work.exists()
    one = dpo(PAIRS, base=llama, folder=tmp_path / "one", **OPTIONS)
    assert two.folder.name == one.folder.name
    assert losses(two) == pytest.approx(losses(one), abs=1e-5)
    for name, value in weights(one).items():
        assert weights(two)[name].numpy() == pytest.approx(value.numpy(), abs=1e-4), name
    assert dpo(PAIRS, base=llama, folder=folder, **OPTIONS).folder == two.folder


def test_a_failure_of_the_processes_is_an_error(llama: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="Use a lower learning_rate than 1e"):
        sft(ROWS, base=llama, folder=tmp_path, **TWO | {"learning_rate": 1e30})


@dataclass
class Dying:
    """A training whose first process ends in the middle of it."""

    end: str
    settings: TrainSettings

    def fit(self, work: Path, listener: Listener, say: Any) -> None:
        if os.environ["RANK"] == "1":
            time.sleep(60)
        if self.end == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        print("Traceback:\nMemoryError: no room for 8 GB", file=sys.stderr, flush=True)
        os._exit(3)


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("killed", "a process of the training ended by SIGKILL"),
        ("exit", "a process of the training ended with code 3: MemoryError: no room for 8 GB"),
    ],
)
def test_a_process_that_dies_leaves_its_reason(end: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError) as caught:
        launch(Dying(end, TrainSettings(processes=2)), tmp_path, print)
    assert str(caught.value) == message


def test_the_number_of_processes_is_in_the_key_if_the_result_depends_on_it(
    llama: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def key(method: Any, rows: Any, **options: Any) -> str:
        found: list[str] = []

        def run(self: Training, listener: Any) -> None:
            found.append(self._plan(self.method.find(self))["key"])

        with monkeypatch.context() as patch:
            patch.setattr(Training, "run", run)
            method(rows, base=llama, folder=tmp_path, **OPTIONS | options)
        return found[0]

    for method, rows, options, same in (
        (sft, ROWS, {}, True),
        (dpo, PAIRS, {}, True),
        (
            kto,
            JUDGED[:4],
            {"batch_size": 4},
            False,
        ),  # estimates a distance from the rows of each process
        (sft, ROWS[:5], {}, False),  # the last step is filled up
        (sft, ROWS, {"dropout": 0.1}, False),
    ):
        one, two = (key(method, rows, processes=n, **options) for n in (1, 2))
        assert (one == two) == same, (method, options)


def test_processes_that_cannot_share_the_rows_are_refused(llama: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a batch_size that is a multiple of 2; got 3"):
        sft(ROWS, base=llama, folder=tmp_path, **TWO | {"batch_size": 3})
    with pytest.raises(UsageError, match="processes must be at least 1"):
        sft(ROWS, base=llama, folder=tmp_path, processes=0)
