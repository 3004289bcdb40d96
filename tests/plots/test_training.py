from __future__ import annotations

import math

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.plots import rows, summary, training

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
        "The loss of the training rows fell from 3.000 to 2.500. "
        "The loss of the held-out rows rose from 4.000 to 4.500."
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
    assert summary(figure).startswith("The reward of the training prompts rose from 0.500 to 0.750")
    assert figure.layout.yaxis.title.text == "reward"


def test_a_log_that_cannot_be_drawn_is_refused() -> None:
    assert summary(training([])) == "No losses yet."
    with pytest.raises(TableError, match="column 'step' not found"):
        training([{"loss": 1.0}])
    with pytest.raises(UsageError, match="'loss' of step 1"):
        training([{"step": 1, "loss": math.inf}])
