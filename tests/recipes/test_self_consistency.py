from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, UsageError
from synthkit.core.types import Request
from synthkit.recipes import chain_of_thought, self_consistency
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


def samples(*texts: str) -> sk.Fake:
    """Says these, by the index of the sample."""
    return sk.Fake(lambda request: texts[request.index])


def test_the_answer_of_most_samples_wins(make: Make) -> None:
    recipe = self_consistency("6 x 3?", numeric=True)
    run = make(
        recipe,
        samples("6+6+6\nAnswer: 18", "Answer: 20", "answer : **18.0**", "So.\nANSWER:\n$18.", "18"),
    )
    (row,) = run.table.to_dict("records")
    assert (row["answer"], row["share"], row["unread"]) == (18, 0.6, 1)
    assert json.loads(row["votes"]) == {"18": 3, "20": 1}
    assert row["reasoning"] == "6+6+6\nAnswer: 18"
    assert run.ledger.requests == 5
    expects(recipe, run)


@pytest.mark.parametrize(
    ("options", "said", "answer"),
    [
        ({"labels": ["yes", "no"]}, "Answer: no, or rather\nAnswer: Yes!", "yes"),
        ({"regex": "(?P<answer>[A-D])"}, "I think.\nAnswer: (C) tea", "C"),
        ({"numeric": True}, "Answer: x = -1,234.50 m", -1234.5),
        ({"numeric": True}, "Answer: 7 and so 7", 7),
        ({"numeric": True}, "Answer: as follows.\nSo the answer is\n**12** eggs.", 12),
        ({"numeric": True}, "Answer: 一共42元", 42),
        ({"numeric": True}, "Answer: ４２", 42),
        ({"numeric": True}, "Answer: เหลือ12ใบ", 12),
        ({}, "**Answer:** Café Zürich.", "Café Zürich."),
    ],
)
def test_an_answer_is_read_behind_the_last_mark(
    make: Make, options: dict[str, Any], said: str, answer: Any
) -> None:
    run = make(self_consistency("?", k=1, **options), sk.Fake(said))
    assert run.table.answer.tolist() == [answer]


def test_texts_are_one_answer_that_differ_in_case_space_and_stop_alone(make: Make) -> None:
    run = make(
        self_consistency("?", k=3),
        samples("Answer: New  York.", "Answer: new york", "Answer: Bern"),
    )
    assert json.loads(run.table.votes[0]) == {"New  York.": 2, "Bern": 1}


def test_forms_of_the_same_letters_are_one_answer(make: Make) -> None:
    said = samples("Answer: café", "Answer: cafe\u0301", "Answer: ＣＡＦÉ", "Answer: thé")
    run = make(self_consistency("?", k=4), said)
    assert json.loads(run.table.votes[0]) == {"café": 3, "thé": 1}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("", "empty answer"),
        ("Half \ud83d a pair.\nAnswer: 1", "half of a surrogate pair"),
        ("<html>18</html>", "does not say"),
        ('{"answer": 18', "does not say"),
        ("Answer: 3 or 4", "names 2 numbers"),
        ("Answer: 5/6", "names no numbers"),
        ("Answer: " + "9" * 400, "names no numbers"),
        ("Answer:", "empty answer"),
    ],
)
def test_a_sample_that_cannot_be_read_has_no_vote(make: Make, said: str, reason: str) -> None:
    run = make(self_consistency("?", numeric=True, k=2), samples(said, "Answer: 1"))
    assert run.table[["answer", "share", "unread"]].values.tolist() == [[1, 0.5, 1]]
    run = make(self_consistency("Again?", numeric=True, k=2), sk.Fake(said))
    assert run.table.empty
    assert run.rejects.reason[0].startswith("none of 2 samples can be read: ")
    assert reason in run.rejects.reason[0]


def test_a_tie_is_a_reject(make: Make) -> None:
    fake = samples("Answer: a", "Answer: b", "Answer: b", "Answer: a")
    run = make(self_consistency("?", labels=["a", "b"], k=4), fake)
    assert run.table.empty
    assert run.rejects.reason.tolist() == ["tie between 'a' and 'b': 2 of 4 votes each"]
    assert run.rejects.raw[0].count("Answer:") == 4


@pytest.mark.parametrize(("threshold", "kept"), [(0.4, 1), (0.41, 0)])
def test_the_share_is_of_all_samples_and_has_to_reach_the_threshold(
    make: Make, threshold: float, kept: int
) -> None:
    fake = samples("Answer: a", "Answer: a", "?", "?", "Answer: b")
    run = make(self_consistency("?", labels=["a", "b"], threshold=threshold), fake)
    assert len(run.table) == kept
    if not kept:
        assert run.rejects.reason.tolist() == ["'a' has a share of 0.40, below 0.41"]


def test_a_sample_that_never_came_leaves_its_row_undecided(make: Make) -> None:
    run = make(self_consistency("?", k=64), sk.Fake("Answer: a", fail=0.1))
    assert run.rejects.reason.tolist() == ["a sample failed: fake was told to fail"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"k": 0}, "k must be at least 1"),
        ({"threshold": 1.2}, "from 0 to 1; got 1.2"),
        ({"labels": ["a", "b"], "numeric": True}, "in one way; got labels and numeric"),
        ({"labels": ["a"]}, "two or more distinct"),
        ({"regex": "(?P<x>.)"}, "the one group"),
        ({"sampling": sk.Sampling(temperature=0)}, "all samples are the same"),
    ],
)
def test_a_vote_that_cannot_work_is_refused(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        self_consistency("?", **options)
    with pytest.raises(PromptError, match="row 0: a field is missing"):
        self_consistency("{{ x }}", rows=[{"x": None}])


def test_a_killed_vote_goes_on(survives: Callable[..., sk.Run]) -> None:
    def answer(request: Request) -> str:
        return f"Answer: {request.row_seed % 3}"

    rows = {"q": ["one", "two", "one", "three"]}
    run = survives(lambda: self_consistency("{{ q }}?", rows=rows, numeric=True, k=3), answer)
    assert len(run.table) + len(run.rejects) == 4


@pytest.mark.model
def test_reasoning_on_a_real_model(
    make: Make, session: sk.Session, smollm2: sk.core.models.Model
) -> None:
    few = sk.Sampling(max_tokens=16)
    run = make(
        chain_of_thought("Write a {{ label }} line.", labels="glad,sad", n=2, sampling=few), smollm2
    )
    assert len(run.table) + len(run.rejects) == 2
    for id, text in zip(run.table.id, run.table.text, strict=True):
        assert session.trace(id)[-1].completion.text.strip() == text
    run = make(self_consistency("What is 1 + 1?", numeric=True, k=3, sampling=few), smollm2)
    assert len(run.table) + len(run.rejects) == 1
    assert run.ledger.requests == 3
