"""How far a training is: its losses, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from synthkit.core.environment import bar_stream, watched
from synthkit.core.files import read_json, replacing
from synthkit.core.formatting import duration

DONE = "checkpoint.json"
"""The file that is written into a checkpoint when all others are there."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a training is.

    Parameters
    ----------
    step, steps : done, and in all; ``steps`` is 0 while that is not known yet.
    log : what was measured so far: dicts with ``step`` and ``loss`` or ``eval_loss``.
    seconds_left : an estimate; ``None`` before the first step.
    """

    step: int
    steps: int
    log: Sequence[dict[str, Any]]
    seconds_left: float | None

    @property
    def text(self) -> str:
        """Step, the latest loss (of grpo the mean reward) and the time left, in words."""
        if not self.steps:
            return "preparing"
        last: dict[str, Any] = next((entry for entry in reversed(self.log) if "loss" in entry), {})
        name = "loss" if last.get("reward") is None else "reward"
        measure = f", {name} {last[name]:.3f}" if last else ""
        left = "" if self.seconds_left is None else f", about {duration(self.seconds_left)} left"
        return f"step {self.step} of {self.steps}{measure}{left}"


Listener: TypeAlias = Callable[[Progress], None]


def last_checkpoint(folder: Path) -> Path | None:
    """The last checkpoint in a folder that is complete."""
    complete = [path.parent for path in folder.glob(f"checkpoint-*/{DONE}")]
    return max(complete, key=lambda path: int(path.name.partition("-")[2]), default=None)


def measured(history: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries of transformers' log with a loss, without the values that only count."""
    counted = (
        "epoch", "num_tokens", "grad_norm", "learning_rate", "runtime", "step_time", "_per_second",
    )  # fmt: skip
    return [
        {key: value for key, value in entry.items() if not key.endswith(counted)}
        for entry in history
        if "loss" in entry or "eval_loss" in entry
    ]


def callback(transformers: Any, listener: Listener, checkpoint: Path | None) -> Any:
    """A callback of transformers' trainer that tells the listener, and completes checkpoints."""
    before = float((read_json(checkpoint / DONE) or {}).get("seconds", 0)) if checkpoint else 0.0
    started = time.monotonic()
    first: list[tuple[int, float]] = []  # the step that this process began with, and when

    class Tell(transformers.TrainerCallback):  # type: ignore[misc]
        """Tells the listener of each log."""

        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if not first:
                first.append((state.global_step, time.monotonic()))

        def on_log(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            left = None
            if first and state.global_step > first[0][0]:
                pace = (time.monotonic() - first[0][1]) / (state.global_step - first[0][0])
                left = pace * (state.max_steps - state.global_step)
            log = measured(state.log_history)
            listener(Progress(state.global_step, state.max_steps, log, left))

        def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
            args.distributed_state.wait_for_everyone()  # each process writes a part of it
            if not state.is_world_process_zero:
                return
            with replacing(folder / DONE) as file:
                file.write_text(f'{{"seconds": {self.seconds}}}')

        @property
        def seconds(self) -> float:
            return round(before + time.monotonic() - started, 1)

    return Tell()


@contextmanager
def line() -> Iterator[Listener]:
    """A listener that shows a training on one line, which goes at its end, if a person sees it."""
    if not watched():
        yield lambda progress: None
        return
    from tqdm import tqdm

    with tqdm(bar_format="{desc}   {elapsed}", leave=False, file=bar_stream()) as bar:
        yield lambda progress: bar.set_description_str(progress.text)
