from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Request
from synthkit.data import tables
from synthkit.recipes import personas
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


REVIEWERS = "People who review restaurants."


def drawn_up(request: Request) -> str:
    """As many personas as are asked for; half of them differ from list to list."""
    (n,) = re.findall(r"list of (\d+)|with (?:one),", request.messages[-1].content)
    names = [
        f"a cook {i}" if i % 2 else f"a nurse {i}{request.row_seed}" for i in range(int(n or 1))
    ]
    return "\n".join(f"- {name}" for name in names)


def test_personas_are_distinct_and_as_many_as_are_wanted(make: Make) -> None:
    recipe = personas(REVIEWERS, n=12, k=6)
    model = sk.Fake(drawn_up)
    run = make(recipe, model)
    expects(recipe, run)
    assert len(run.table) == run.table.persona.nunique() == 12
    assert run.table["round"].is_monotonic_increasing
    assert all("the same words as 'a cook" in reason for reason in run.rejects.reason)
    assert len(run.rejects) > 0


def test_personas_of_texts_name_the_text_they_come_from(make: Make, session: Any) -> None:
    rows = [{"id": f"t{i}", "text": text} for i, text in enumerate(["cold soup", "東京", "naïve"])]
    recipe = personas("Who writes this? {{ text }}", n=6, rows=rows)
    run = make(recipe, sk.Fake(drawn_up))
    expects(recipe, run)
    assert len(run.table) == 6
    for row in tables.records(run.table):
        text = rows[int(row["parent"][1:])]["text"]
        (step,) = session.trace(row["id"])
        assert step.request["messages"][0][1].startswith(f"Who writes this? {text}\n")
        assert row["persona"] in step.completion.text
    assert run.ledger.requests == 3 + 2  # two were missing after the first round
    first = run.table[run.table["round"] == 1]
    assert Counter(first.parent) == {"t0": 2, "t1": 1, "t2": 1}


def test_no_progress_ends_and_says_what_is_missing(make: Make) -> None:
    recipe = personas(REVIEWERS, n=6, k=2)
    run = make(recipe, sk.Fake("- a cook\n- A cook!"))
    expects(recipe, run)
    assert run.table.persona.tolist() == ["a cook"]
    assert run.ledger.requests == recipe.requests.most == 9
    assert run.rejects.reason.tolist()[-1] == "stopped: 1 of 6 personas after 9 rounds"
    assert len(run.rejects) == 18


@pytest.mark.parametrize("text", ["", "No.", "<p>None</p>", '{"a": 1}'])
def test_hostile_answers_give_no_personas(make: Make, text: str) -> None:
    recipe = personas(REVIEWERS, n=4, k=2, rounds=2)
    run = make(recipe, sk.Fake(text))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.raw.tolist() == [text, text, ""]


@pytest.mark.parametrize("rows", [None, [{"text": "a"}, {"text": "a"}, {"text": "b"}]])
def test_personas_survive_a_kill(survives: Callable[..., sk.Run], rows: Any) -> None:
    prompt = REVIEWERS if rows is None else "Who writes {{ text }}?"
    run = survives(lambda: personas(prompt, n=14, k=4, rows=rows), drawn_up)
    assert len(run.table) == 14


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n": 0}, UsageError, "n must be at least 1"),
        ({"k": 0}, UsageError, "k must be at least 1"),
        ({"rounds": 0}, UsageError, "rounds must be at least 1"),
        ({"prompt": "{{ text }}"}, PromptError, "field 'text' not found"),
        ({"rows": {"text": []}}, TableError, "has no rows"),
        ({"prompt": "{{ x }}", "rows": [{"x": None}]}, PromptError, "row 0: .*'x' has no value"),
    ],
)
def test_personas_that_cannot_be_asked_for_are_refused(
    options: Any, error: type[Exception], message: str
) -> None:
    arguments = {"prompt": REVIEWERS, "n": 3} | options
    with pytest.raises(error, match=message):
        personas(arguments.pop("prompt"), **arguments)


def test_each_round_asks_for_what_is_missing_and_shows_what_is_there(make: Make) -> None:
    model = sk.Fake(drawn_up)
    run = make(personas(REVIEWERS, n=8, k=6), model)
    first, second, third = (one.messages[-1].content for one in model.asked)
    assert "list of 6," in first
    assert "again" not in first
    assert "list of 2," in second
    there = run.table.persona[run.table["round"] == 1]
    assert second.endswith("None of these again:\n" + "\n".join(f"- {one}" for one in there))
    assert "with one," in third
    assert run.table["round"].tolist() == [1] * 6 + [2, 3]


@pytest.mark.model
def test_smollm2_lists_personas(make: Make, smollm2: Any, session: Any) -> None:
    sampling = sk.Sampling(max_tokens=32)
    recipe = personas(REVIEWERS, n=3, k=3, rounds=2, sampling=sampling)
    run = make(recipe, smollm2)
    expects(recipe, run)
    assert len(run.table) + len(run.rejects) >= 3
    for row in tables.records(run.table):
        assert row["persona"] in " ".join(session.trace(row["id"])[-1].completion.text.split())
