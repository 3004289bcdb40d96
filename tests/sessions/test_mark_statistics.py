from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Mark
from synthkit.sessions.mark_statistics import accept_rates, agreements, majority_labels, rater_pairs
from synthkit.sessions.session import Session


def marks(by: str, labels: str, round: int = 1) -> list[Mark]:
    return [Mark(id=str(at), label=one, by=by, round=round) for at, one in enumerate(labels)]


def test_rater_pairs_are_any_two_annotators_and_one_annotators_two_rounds() -> None:
    said = [*marks("ana", "xy"), *marks("bob", "xx"), *marks("ana", "y", 2), Mark(id="9", by="c")]
    assert rater_pairs(said) == {
        ("ana", "ana"): [("x", "y")],
        ("ana", "bob"): [("x", "x"), ("y", "x")],
    }


def test_the_majority_of_annotators_decides_and_a_tie_does_not() -> None:
    votes = [*marks("ana", "xxs"), *marks("bob", "xyx"), *marks("cy", "yss"), *marks("ana", "y", 2)]
    named = {"s": "skip"}
    votes = [replace(mark, label=named.get(mark.label, mark.label)) for mark in votes]
    assert majority_labels(votes) == {"0": "x", "2": "x"}


def test_agreement_is_kappa_and_none_where_it_is_not_defined() -> None:
    score = agreements([*marks("ana", "xxxy"), *marks("bob", "xxyx")])["ana", "bob"]
    assert score is not None
    # each gave x 3 times and y once: 8 of 16 agreed, and by chance 3 x 3 + 1 x 1
    assert score.value == pytest.approx((8 - 10) / (16 - 10))
    assert score.n == 4
    assert agreements([*marks("ana", "xx"), *marks("bob", "xx")]) == {("ana", "bob"): None}
    assert agreements([]) == {}


def test_a_row_counts_for_the_prompt_version_that_returned_it_first(tmp_path: Path) -> None:
    numbers = pd.DataFrame({"i": range(4)})
    model = sk.Fake(lambda request: request.messages[-1].content)
    with Session(tmp_path) as session:

        def run(prompt: str) -> list[str]:
            made = sk.generate(prompt, model=model, rows=numbers, name="reviews", session=session)
            return [str(id) for id in made.table["id"]]

        first = run("Say {{ i }}.")
        again = run("Say {{ i }}.")
        second = run("Do say {{ i }}.")
        third = run("Say {{ i }}, please.")
        assert first == again
        session.mark(first[:3], "reject", by="ana")
        session.mark(second[:2], "accept", by="ana")
        session.mark(second[2], "reject", by="ana")
        session.mark(second[3], "skip", by="ana")
        session.mark(third, "accept", by="ana", task="tone")
        found = accept_rates(session.store, "reviews")
        assert [(one["version"], one["accepted"], one["n"]) for one in found] == [
            ("v1", 0, 3),
            ("v2", 2, 3),
        ]
        assert found[1]["prompt"].strip() == "Do say {{ i }}."
        (toned,) = accept_rates(session.store, "reviews", task="tone")
        assert (toned["version"], toned["accepted"], toned["n"]) == ("v3", 4, 4)
        with pytest.raises(UsageError, match="'reviws' not found; have 'reviews'"):
            accept_rates(session.store, "reviws")
