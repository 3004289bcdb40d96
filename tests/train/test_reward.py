"""Reward models: the loss, the scores, and where they are used."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest

from synthkit.core.errors import Interrupted, TableError, UsageError
from synthkit.curate import apply_filters, by_column, row_filter
from synthkit.evaluate import checks
from synthkit.train import RewardModel, dpo, load_trained, reward, sft
from synthkit.train.progress import Progress
from synthkit.train.training import Training
from tests.models.conftest import save_tiny

PAIRS = [
    {"id": f"p{n}", "prompt": f"q {n}", "chosen": f"yes {n % 3}", "rejected": f"no {n % 2}"}
    for n in range(6)
]
SMALL: dict[str, Any] = {"batch_size": 2, "rank": 4, "learning_rate": 1e-2, "steps": 2}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"hf:{save_tiny(tmp_path_factory.mktemp('tiny') / 'tiny')}"


@pytest.fixture(scope="module")
def scorer(llama: str, tmp_path_factory: pytest.TempPathFactory) -> RewardModel:
    folder = tmp_path_factory.mktemp("scorer")
    return reward(PAIRS, base=llama, folder=folder, held_out=PAIRS, **SMALL | {"steps": 12})


def sides(scorer: RewardModel, pairs: Any = PAIRS) -> list[tuple[float, float]]:
    """The scores of the chosen and the rejected completion of each pair."""
    both = [scorer.scores(pairs, completion=name) for name in ("chosen", "rejected")]
    return list(zip(*both, strict=True))  # type: ignore[arg-type]


def test_the_loss_is_that_of_bradley_and_terry_and_the_accuracy_that_of_the_scores(
    scorer: RewardModel,
) -> None:
    margins = [chosen - rejected for chosen, rejected in sides(scorer)]
    by_hand = [-math.log(1 / (1 + math.exp(-margin))) for margin in margins]
    last = scorer.log[-1]
    assert last["eval_loss"] == pytest.approx(sum(by_hand) / len(by_hand), abs=1e-5)
    assert last["eval_margin"] == pytest.approx(sum(margins) / len(margins), abs=1e-5)
    assert last["eval_accuracy"] == sum(margin > 0 for margin in margins) / len(margins)
    assert last["eval_accuracy"] == 1
    assert scorer.log[0]["eval_loss"] > last["eval_loss"]


def test_the_mean_reward_is_drawn_to_0_by_its_square(llama: str, tmp_path: Path) -> None:
    still = SMALL | {"steps": 1, "learning_rate": 1e-30}
    with_it = reward(PAIRS, base=llama, folder=tmp_path, held_out=PAIRS, center=0.5, **still)
    without = reward(PAIRS, base=llama, folder=tmp_path, held_out=PAIRS, **still)
    squares = [(chosen + rejected) ** 2 for chosen, rejected in sides(without)]
    losses = [model.log[-1]["eval_loss"] for model in (with_it, without)]
    assert losses[0] - losses[1] == pytest.approx(0.5 * sum(squares) / len(squares), abs=1e-5)


@pytest.mark.parametrize("pairs", [3, 5])
def test_the_accuracy_of_any_number_of_pairs_is_exact(
    pairs: int, llama: str, tmp_path: Path
) -> None:
    held_out = PAIRS[:pairs]
    model = reward(PAIRS, base=llama, folder=tmp_path, held_out=held_out, **SMALL)
    right = sum(chosen > rejected for chosen, rejected in sides(model, held_out))
    assert model.log[-1]["eval_accuracy"] == pytest.approx(right / pairs)


def test_scores_do_not_depend_on_the_other_rows_and_missing_texts_have_none(
    scorer: RewardModel,
) -> None:
    rows = [
        {"prompt": "q 1", "completion": "yes 1"},
        {"prompt": "q 1", "completion": None},
        {"prompt": "q 1", "completion": ""},
        {"prompt": "q 1", "completion": "x" * 300},
        {"prompt": [{"role": "user", "content": "q 1"}], "completion": "yes 1"},
        {"prompt": "", "completion": "yes 1"},
        {"prompt": "q 1", "completion": "yes 1, and more"},
    ]
    found = scorer.scores(rows)
    assert [score is None for score in found] == [False, True, False, True, False, True, False]
    alone = [scorer(row) for row in rows]
    assert found == pytest.approx(alone, abs=1e-5, nan_ok=True)
    assert found[0] == pytest.approx(found[4], abs=1e-5)


def test_a_table_gets_a_column_of_scores(scorer: RewardModel) -> None:
    rows = [{"id": "a", "q": "q 1", "a": "yes 1"}, {"id": "b", "q": "q 1", "a": "no 1"}]
    for make in (pd.DataFrame, pl.DataFrame):
        rated = scorer.rate(make(rows), prompt="q", completion="a")
        assert type(rated) is make
        assert list(rated.columns) == ["id", "q", "a", "reward"]
        high, low = list(rated["reward"])
        assert high > low
        again = scorer.rate(rated, prompt="q", completion="a")
        assert list(again.columns) == list(rated.columns)
        kept = apply_filters(rated, by_column("reward", least=(high + low) / 2)).kept
        assert list(kept["id"]) == ["a"]
    with pytest.raises(TableError, match="column 'prompt' not found"):
        scorer.rate(rows)


def test_a_threshold_makes_a_check_and_a_filter(scorer: RewardModel) -> None:
    rows = [{"id": "a", "prompt": "q 1", "completion": "yes 1"},
            {"id": "b", "prompt": "q 1", "completion": "no 1"},
            {"id": "c", "prompt": "q 1", "completion": None}]  # fmt: skip
    high, low, _ = scorer.scores(rows)
    assert high is not None
    assert low is not None
    good = scorer.at_least((high + low) / 2)
    check = checks.function(good)
    assert check.name == f"reward >= {(high + low) / 2:g}"
    assert [check(row).passed for row in rows] == [True, False, None]
    dropped = apply_filters(rows, row_filter(good)).dropped
    assert [why.partition(":")[0] for why in dropped["why"]] == ["reward too low", "no reward"]


def test_a_reward_model_is_opened_by_its_folder(scorer: RewardModel, llama: str) -> None:
    again = load_trained(scorer.folder)
    assert isinstance(again, RewardModel)
    assert (again.fingerprint, again.record) == (scorer.fingerprint, scorer.record)
    assert sides(again) == sides(scorer)
    assert repr(again) == f"RewardModel('tiny reward {scorer.record['key'][:8]}')"


def test_the_second_time_nothing_is_trained(
    scorer: RewardModel, llama: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Training, "_train", None)
    options = SMALL | {"steps": 12, "folder": scorer.folder.parent}
    again = reward(PAIRS[::-1], base=llama, held_out=PAIRS, **options)
    assert again.folder == scorer.folder


def test_an_adapter_that_answers_is_trained_further_and_its_scores_start_from_it(
    llama: str, tmp_path: Path
) -> None:
    rows = [{"prompt": "q", "completion": "a"}]
    student = sft(rows, base=llama, folder=tmp_path, **SMALL)
    still = SMALL | {"steps": 1, "learning_rate": 1e-30, "folder": tmp_path}
    of_base, of_student = (reward(PAIRS, base=base, **still) for base in (llama, student))
    first, second = sides(of_base)[0], sides(of_student)[0]
    assert abs(first[0] - second[0]) > 1e-3  # the same new head on other weights
    further = reward(PAIRS, base=of_student, **SMALL, folder=tmp_path)
    assert sides(further) != sides(of_student)
    once_more = reward(PAIRS, base=further, **still)
    assert sides(once_more)[0] == pytest.approx(sides(further)[0], abs=1e-5)


def test_an_interrupt_keeps_the_last_checkpoint(llama: str, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == 2:
            raise KeyboardInterrupt

    for rank in (4, None):
        options = SMALL | {"rank": rank, "checkpoint_every": 1, "folder": tmp_path}
        with pytest.raises(Interrupted, match="the checkpoint of step 1 is kept") as caught:
            reward(PAIRS, base=llama, listener=stop, **options)
        assert isinstance(caught.value.model, RewardModel)
        assert len(sides(caught.value.model)) == 6


def test_all_weights_and_those_of_4_bits_can_be_trained(llama: str, tmp_path: Path) -> None:
    whole = reward(PAIRS, base=llama, folder=tmp_path, held_out=PAIRS, **SMALL | {"rank": None})
    assert (whole.folder / "model.safetensors").is_file()
    margins = [chosen - rejected for chosen, rejected in sides(whole)]
    assert whole.log[-1]["eval_margin"] == pytest.approx(sum(margins) / 6, abs=1e-4)
    small = reward(PAIRS, base=llama, folder=tmp_path, held_out=PAIRS, quantize="nf4", **SMALL)
    margins = [chosen - rejected for chosen, rejected in sides(small)]
    assert small.log[-1]["eval_margin"] == pytest.approx(sum(margins) / 6, abs=1e-2)


def test_without_a_template_texts_are_scored_to_their_end(tmp_path: Path) -> None:
    base = f"hf:{save_tiny(tmp_path / 'base', template=None)}"
    model = reward(PAIRS, base=base, folder=tmp_path, held_out=PAIRS, raw=True, **SMALL)
    margins = [chosen - rejected for chosen, rejected in sides(model)]
    assert model.log[-1]["eval_margin"] == pytest.approx(sum(margins) / 6, abs=1e-5)


def test_what_cannot_work_is_refused(scorer: RewardModel, llama: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match="column 'rejected' not found"):
        reward([{"prompt": "a", "chosen": "b"}], base=llama, folder=tmp_path)
    with pytest.raises(TableError, match="row 0: 'chosen' and 'rejected' are the same"):
        reward([PAIRS[0] | {"rejected": "yes 0"}], base=llama, folder=tmp_path)
    with pytest.raises(UsageError, match="center must be 0 or more"):
        reward(PAIRS, base=llama, folder=tmp_path, center=-1)
    with pytest.raises(UsageError, match="is a reward model, which writes no text, so dpo"):
        dpo(PAIRS, base=scorer, folder=tmp_path)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
