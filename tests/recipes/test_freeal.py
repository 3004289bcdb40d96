from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from synthkit.recipes import freeal
from synthkit.recipes._freeal import ADDED, representatives, small_losses
from synthkit.stats.classifier import fit
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]

LABELS = ["sports", "science", "food"]
PROMPT = "What is this about?\n{{ text }}"
WORDS = {
    "sports": ["match", "goal", "coach", "league", "race"],
    "science": ["atom", "cell", "theory", "planet", "enzyme"],
    "food": ["soup", "bread", "oven", "spice", "salad"],
}
ALL = [word for words in WORDS.values() for word in words]
NOISE = 0.2


def embed(texts: Sequence[str]) -> Any:
    counts = np.array([[text.count(word) for word in ALL] for text in texts], float)
    return counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-9)


classifier = partial(fit, embed=embed)


def news(n: int = 90) -> pd.DataFrame:
    draw = random.Random(0)
    rows = []
    for i in range(n):
        topic = LABELS[i % 3]
        words = draw.sample(WORDS[topic], 3) + draw.sample(ALL, 1)
        rows.append({"id": f"n{i}", "text": f"{' '.join(words)} {i}", "topic": topic})
    return pd.DataFrame(rows)


NEWS = news()


def label(request: Request, *, helped: float = 1.0, noise: float = NOISE) -> str:
    """Some labels are wrong; with demonstrations fewer, or none."""
    text = request.messages[-1].content
    truth = LABELS[int(text.split()[-1]) % 3]
    draw = random.Random(request.row_seed)
    shown = len(request.messages) > 1
    wrong = draw.random() < noise * (1 - helped if shown else 1)
    return draw.choice([one for one in LABELS if one != truth]) if wrong else truth


def build(**options: Any) -> sk.recipes.Recipe:
    arguments: dict[str, Any] = {
        "rows": NEWS,
        "labels": LABELS,
        "classifier": classifier,
        "embed": embed,
    }
    return freeal(options.pop("prompt", PROMPT), **(arguments | options))


def test_demonstrations_of_clean_rows_reduce_the_noise(make: Make, session: sk.Session) -> None:
    recipe = build()
    run = make(recipe, sk.Fake(label))
    expects(recipe, run)
    rows = run.table.set_index("parent").loc[NEWS.id]
    assert list(run.table) == ["id", "parent", "text", "topic", *ADDED]
    before = (rows.first_label != rows.topic).mean()
    after = (rows.label != rows.topic).mean()
    assert before > 0.15
    assert after < before / 5
    assert (rows["round"] > 0).sum() < len(rows) / 2
    assert rows.confidence.between(0, 1).all()
    again = run.table[run.table["round"] > 0].iloc[0]
    assert len(session.trace(again.id)) == 1 + again["round"]


def test_two_wrong_labels_in_five_are_found_and_few_right_ones_doubted(make: Make) -> None:
    """A classifier that is not fitted again on the clean rows doubts one in thirteen right ones."""
    run = make(build(rows=news(180), rounds=1), sk.Fake(partial(label, noise=0.4)))
    doubted = run.table["round"] == 1
    right = run.table.first_label == run.table.topic
    assert 0.3 < (~right).mean() < 0.5
    assert doubted[~right].mean() > 0.9
    assert doubted[right].mean() < 0.04


def test_only_doubtful_rows_are_asked_again_with_clean_ones_as_demonstrations(make: Make) -> None:
    fake = sk.Fake(label)
    run = make(build(rounds=1, demos=2), fake)
    clean_at_first = run.table[run.table["round"] == 0]
    again = [one for one in fake.asked if len(one.messages) > 1]
    assert len(again) == len(NEWS) - len(clean_at_first)
    for request in again:
        *shown, asked = request.messages
        assert len(shown) == 2 * 2 * len(LABELS)
        label_of = {
            turn.content.partition("\n")[2]: answer.content
            for turn, answer in zip(shown[::2], shown[1::2], strict=True)
        }
        assert asked.content.partition("\n")[2] not in label_of
        known = clean_at_first.set_index("text").label
        assert all(known[text] == answer for text, answer in label_of.items())
        assert [*label_of.values()] == LABELS * 2


def test_every_demonstration_is_clean(make: Make) -> None:
    fake = sk.Fake(label)
    run = make(build(rounds=1, demos=len(NEWS)), fake)
    clean = run.table[run.table["round"] == 0].text
    shown = {
        turn.content.partition("\n")[2]
        for request in fake.asked
        for turn in request.messages[:-1]
        if turn.role == "user"
    }
    assert len(shown) > len(NEWS) / 3
    assert shown <= set(clean)


def test_rounds_end_when_nothing_is_doubtful(make: Make) -> None:
    rows = pd.DataFrame({"text": ["soup 2", "soup 2", "match 0", "match 0"]})
    fake = sk.Fake(lambda request: LABELS[int(request.messages[-1].content[-1])])
    recipe = build(rows=rows, rounds=5)
    run = make(recipe, fake)
    expects(recipe, run)
    assert run.ledger.requests == 4
    assert run.table.clean.tolist() == [True] * 4
    assert run.table.id.is_unique


def test_an_answer_that_names_no_label_is_a_reject_and_is_asked_again(make: Make) -> None:
    def shy(request: Request) -> str:
        hidden = request.messages[-1].content.endswith(" 4") or "cannot be used" in str(request)
        return "<b>?</b>" if hidden and len(request.messages) < 4 else label(request)

    recipe = build()
    run = make(recipe, sk.Fake(shy))
    expects(recipe, run)
    assert len(run.table) == len(NEWS)
    assert run.ledger.repairs == 1
    assert run.rejects[["parent", "topic"]].values.tolist() == [["n4", "science"]]
    assert run.rejects.reason[0].startswith("round 0: names none of the labels")
    row = run.table.set_index("parent").loc["n4"]
    assert row["round"] > 0
    assert row.first_label == row.label == "science"


@pytest.mark.parametrize("hostile", ["", "<html></html>", '{"label": 1}', "sports or food"])
def test_hostile_answers_are_data(make: Make, hostile: str) -> None:
    recipe = build(rows=NEWS[:3])
    run = make(recipe, sk.Fake(lambda request: hostile))
    expects(recipe, run)
    assert len(run.table) == 0
    assert len(run.rejects) == 4
    assert run.rejects.reason[3] == "stopped: a classifier needs two labels among the answers"


def test_one_label_for_all_cannot_be_doubted(make: Make) -> None:
    run = make(build(rows=NEWS[:3]), sk.Fake("food"))
    assert run.table.label.tolist() == ["food"] * 3
    assert run.table.clean.tolist() == [False] * 3
    assert run.table.confidence.isna().all()
    assert run.ledger.requests == 3


def test_a_killed_run_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: build(rows=NEWS[:30]), partial(label, helped=0.5))
    assert len(run.table) == 30
    assert run.table["round"].max() > 0


def test_small_losses_are_told_from_large_ones() -> None:
    draw = np.random.default_rng(0)
    small, large = draw.normal(0.2, 0.05, 80), draw.normal(2, 0.3, 20)
    found = small_losses([*small, *large])
    assert found == [True] * 80 + [False] * 20


def test_no_loss_is_small_if_a_smaller_one_is_large() -> None:
    losses = [0.0, 0.01, *np.linspace(0.97, 1.03, 56), *np.linspace(1.2, 4, 25)]
    found = small_losses(losses)  # the narrow component ends above the two smallest losses
    assert found == sorted(found, reverse=True)
    assert found[0]
    assert not found[-1]


@pytest.mark.parametrize("losses", [[], [1.0], [0.5, 0.5, 0.5]])
def test_losses_that_are_alike_are_small(losses: list[float]) -> None:
    assert small_losses(losses) == [True] * len(losses)


def test_there_are_no_more_representatives_than_different_vectors() -> None:
    assert representatives([[1, 0], [1, 0], [0, 1]], 3) == [0, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"demos": 0}, "demos must be at least 1"),
        ({"threshold": 1}, "threshold must be from 0 to below 1"),
        ({"labels": ["food"]}, "two or more"),
        ({"rows": NEWS[:0]}, "expected one row or more"),
        ({"rows": NEWS.assign(label="x")}, "makes a column 'label'"),
        ({"rows": [{"text": "a"}, {"text": None}]}, "row 1: expected a text"),
        ({"column": "txt"}, "Did you mean 'text'"),
        ({"prompt": "{{ topic }}"}, r"must use {{ text }}"),
        ({"prompt": "{{ text }} {{ topics }}"}, "Did you mean 'topic'"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        build(**options)


@pytest.mark.model
def test_a_small_model_labels(make: Make, session: sk.Session, smollm2: Any) -> None:
    sampling = sk.Sampling(max_tokens=8)
    recipe = build(rows=NEWS[:6], rounds=1, demos=1, sampling=sampling)
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) == 6
    assert set(run.table.label) <= set(LABELS)
    for row in run.table.itertuples():
        asked = session.trace(row.id)[-1]
        assert row.text in asked.request["messages"][-1][1]
        assert asked.completion.text == row.label
