from __future__ import annotations

import itertools
import math

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.plots import rows, summary, training
from synthkit.plots import size as plots_size

LOG = [
    {"step": 0, "eval_loss": 4.0},
    {"step": 1, "loss": 3.0},
    {"step": 2, "loss": 2.5},
    {"step": 2, "eval_loss": 4.5},
]


def test_losses_of_training_and_held_out_rows_have_a_line_each() -> None:
    figure = training(LOG, caption="seed 1")
    assert [(line.name, line.x, line.y) for line in figure.data] == [
        ("training rows", (1, 2), (3.0, 2.5)),
        ("held-out rows", (0, 2), (4.0, 4.5)),
    ]
    assert summary(figure) == (
        "The loss of the held-out rows rose from 4.000 (step 0) to 4.500 (step 2). "
        "The loss of the training rows fell from 3.000 (step 1) to 2.500 (step 2)."
    )
    assert figure.layout.title.text == "n = 2 steps; seed 1"
    assert training(LOG[:2]).layout.title.text == "n = 1 step"
    assert rows(figure) == [
        {"step": 0, "training rows": "", "held-out rows": 4.0},
        {"step": 1, "training rows": 3.0, "held-out rows": ""},
        {"step": 2, "training rows": 2.5, "held-out rows": 4.5},
    ]
    assert figure.layout.xaxis.dtick == 1
    assert training([{"step": 9, "loss": 1.0}]).layout.xaxis.dtick is None


def test_rewards_are_drawn_in_place_of_losses() -> None:
    log = [
        {"step": 0, "eval_loss": 0.0, "eval_reward": 0.25},
        {"step": 1, "loss": 0.0, "reward": 0.5},
        {"step": 2, "loss": 0.0, "reward": None},
        {"step": 3, "loss": 0.0, "reward": 0.75},
    ]
    figure = training(log)
    assert [(line.name, line.x, line.y) for line in figure.data] == [
        ("training prompts", (1, 3), (0.5, 0.75)),
        ("held-out prompts", (0,), (0.25,)),
    ]
    assert summary(figure) == (
        "The reward of the held-out prompts is 0.250 (step 0). "
        "The reward of the training prompts rose from 0.500 (step 1) to 0.750 (step 3)."
    )
    assert figure.layout.yaxis.title.text == "reward"


def test_a_log_that_cannot_be_drawn_is_refused() -> None:
    assert summary(training([])) == "No losses yet."
    with pytest.raises(TableError, match="column 'step' not found"):
        training([{"loss": 1.0}])
    with pytest.raises(UsageError, match="'loss' of step 1"):
        training([{"step": 1, "loss": math.inf}])


def test_the_means_of_the_first_and_the_last_steps_are_compared() -> None:
    """Not two batches: here the first is the easiest of all, and the last the hardest."""
    losses = [1.0, *[3.0] * 19, *[2.0] * 19, 5.0]
    figure = training([{"step": at, "loss": loss} for at, loss in enumerate(losses, 1)])
    assert summary(figure) == (
        "The loss of the training rows fell from 2.800 (mean of steps 1 to 10) to 2.300 (mean of "
        "steps 31 to 40)."
    )
    figure = training([{"step": at, "loss": loss} for at, loss in zip((5, 10, 15), (3, 9, 2),
                                                                      strict=True)])  # fmt: skip
    assert "fell from 3.000 (step 5) to 2.000 (step 15)" in summary(figure)


@pytest.mark.parametrize("most", [20, 100])
def test_the_shown_rows_have_the_held_out_losses(most: int) -> None:
    log = [
        {"step": step, "loss": 2.0} | ({"eval_loss": 3.0} if step % 50 == 0 else {})
        for step in range(1, 301)
    ]
    shown = rows(training(log), most)
    assert len(shown) == most
    assert [row["step"] for row in shown if row["held-out rows"]] == [50, 100, 150, 200, 250, 300]
    steps = [row["step"] for row in shown]
    assert steps == sorted(set(steps))
    assert (steps[0], steps[-1]) == (1, 300)
    assert max(b - a for a, b in itertools.pairwise(steps)) <= 300 / (most - 7) + 2
    every = training([{"step": step, "loss": 2.0, "eval_loss": 3.0} for step in range(1, 301)])
    steps = [row["step"] for row in rows(every, most)]
    assert (len(steps), steps[0], steps[-1]) == (most, 1, 300)
    assert plots_size(every) == 300
