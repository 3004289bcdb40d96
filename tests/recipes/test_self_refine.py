from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from synthkit.recipes import backtranslate, self_refine
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
TOPICS = {"topic": ["rain", "bread", "rain"]}


def writer(request: Request) -> str:
    turns = request.messages
    if request.to == "critic":
        return f"shorten {turns[-1].content.count('!')}"
    return "draft" + "!" * (len(turns) // 2)


def test_a_draft_is_criticised_and_rewritten(make: Make) -> None:
    fake = sk.Fake(writer)
    recipe = self_refine("Write about {{ topic }}.", rows={"topic": ["rain"]}, rounds=2)
    run = make(recipe, fake)
    (row,) = run.table.to_dict("records")
    assert list(row) == ["id", "topic", "draft", "critique", "text", "revisions"]
    assert row["draft"] == "draft"
    assert row["critique"] == "shorten 0\n\nshorten 1"
    assert (row["text"], row["revisions"]) == ("draft!!", 2)
    assert [r.to for r in fake.asked] == ["", "critic", "", "critic", ""]
    expects(recipe, run)


def test_a_rewriting_sees_all_drafts_and_critiques_so_far(make: Make) -> None:
    fake = sk.Fake(writer)
    make(self_refine("--- system\nBe brief.\n--- user\nWrite.", rounds=2), fake)
    last = fake.asked[-1].messages
    assert [turn.role for turn in last] == ["system", *["user", "assistant"] * 2, "user"]
    assert [turn.content for turn in last[2::2]] == ["draft!", "draft!!"]
    assert "shorten 2" in last[-1].content
    (critique,) = fake.asked[1].messages
    assert "Write." in critique.content


@pytest.mark.parametrize("good", ["GOOD", "Good.", " **good** "])
def test_a_critique_of_one_word_ends_it(make: Make, good: str) -> None:
    run = make(self_refine("Write.", rounds=3), sk.Fake(lambda r: good if r.to else "draft"))
    assert run.table[["text", "critique", "revisions"]].values.tolist() == [
        ["draft", good.strip(), 0]
    ]
    assert run.ledger.requests == 2


def test_praise_with_a_but_does_not(make: Make) -> None:
    run = make(self_refine("Write."), sk.Fake(lambda r: "Good, but long." if r.to else "draft"))
    assert run.table.revisions.tolist() == [1]


def test_another_model_may_be_the_critic(make: Make) -> None:
    critic = sk.Fake("GOOD", name="critic")
    make(self_refine("Write."), sk.Fake("A draft."), others={"critic": critic})
    assert len(critic.asked) == 1


@pytest.mark.parametrize(
    ("empty", "reason", "kept"),
    [(0, "draft", None), (1, "critique", ["said 0", ""]), (2, "revision 1", ["said 0", "said 1"])],
)
def test_a_step_without_an_answer_rejects_the_row_with_what_it_has(
    make: Make, empty: int, reason: str, kept: list[str] | None
) -> None:
    said = iter(["" if i == empty else f"said {i}" for i in range(3)])
    run = make(self_refine("Write."), sk.Fake(lambda _: next(said)))
    assert run.table.empty
    (row,) = run.rejects.to_dict("records")
    assert row["reason"] == f"{reason}: empty answer"
    if kept is None:
        assert "draft" not in row
    else:
        assert [row["draft"], row["critique"]] == kept


def test_a_killed_revision_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: self_refine("Write about {{ topic }}.", rows=TOPICS, rounds=2), writer)
    assert run.table.revisions.tolist() == [2, 2, 2]


def test_a_revision_that_cannot_work_is_refused() -> None:
    with pytest.raises(UsageError, match="rounds must be at least 1"):
        self_refine("Write.", rounds=0)
    with pytest.raises(UsageError, match="field 'topik' not found"):
        self_refine("Write {{ topik }}.", rows=TOPICS)


TEXTS = [{"id": "t1", "text": "8 {light} minutes."}, {"id": "t2", "text": "Add salt, é."}]
ASKED = "Which question does this answer?\n{{ text }}"


def curator(request: Request) -> str:
    asked = request.messages[-1].content
    if request.schema:
        return "5" if "salt" in asked.split("Another answer")[0] else "2"
    return f"Why {asked[-6:]}?" if asked.startswith("Which") else "Because."


def test_each_text_gets_the_instruction_that_it_answers(make: Make) -> None:
    recipe = backtranslate(ASKED, rows=TEXTS)
    run = make(recipe, sk.Fake(curator))
    assert list(run.table) == ["id", "parent", "text", "instruction"]
    assert run.table.instruction.tolist() == ["Why nutes.?", "Why lt, é.?"]
    assert run.table.parent.tolist() == ["t1", "t2"]
    expects(recipe, run)


def test_pairs_that_are_rated_too_low_are_rejected(make: Make) -> None:
    recipe = backtranslate(ASKED, rows=TEXTS, check=True)
    fake = sk.Fake(curator)
    run = make(recipe, fake)
    assert run.table[["parent", "answer", "score"]].values.tolist() == [["t2", "Because.", 5]]
    assert run.rejects.reason.tolist() == ["scored 2 of 5, below 4"]
    assert run.rejects.instruction.tolist() == ["Why nutes.?"]
    assert run.rejects.parent.tolist() == ["t1"]
    assert run.ledger.requests == 6
    rating = next(r.messages[0].content for r in fake.asked if r.schema)
    assert "Answer to be rated:\n8 {light} minutes." in rating
    expects(recipe, run)


@pytest.mark.parametrize("hostile", ["", "<b>fine</b>", "6", "4 or 5", '{"score"'])
def test_a_rating_that_cannot_be_read_is_asked_again_and_then_rejected(
    make: Make, hostile: str
) -> None:
    fake = sk.Fake(lambda r: hostile if r.schema else curator(r))
    run = make(backtranslate(ASKED, rows=TEXTS, check=True), fake)
    assert run.table.empty
    assert all(reason.startswith("score: ") for reason in run.rejects.reason)
    assert run.ledger.repairs == 2


def test_a_killed_back_translation_goes_on(survives: Callable[..., sk.Run]) -> None:
    rows = [*TEXTS, {"id": "t3", "text": "Add salt, é."}]
    run = survives(lambda: backtranslate(ASKED, rows=rows, check=True), curator)
    assert run.table.parent.tolist() == ["t2", "t3"]


@pytest.mark.parametrize(
    ("prompt", "options", "match"),
    [
        (ASKED, {"column": "txt"}, "column 'txt' not found"),
        ("What?", {}, "must use {{ text }}"),
        (ASKED, {"keep": 6}, "from 1 to 5; got 6"),
        (ASKED, {"rows": [{"text": None}]}, "row 0: a field is missing"),
        (ASKED, {"rows": [{"text": "x", "instruction": "y"}]}, "have one already"),
    ],
)
def test_a_back_translation_that_cannot_work_is_refused(
    prompt: str, options: dict[str, Any], match: str
) -> None:
    with pytest.raises(UsageError, match=match):
        backtranslate(prompt, **{"rows": TEXTS} | options)


@pytest.mark.model
def test_revision_on_a_real_model(
    make: Make, session: sk.Session, smollm2: sk.core.types.Model
) -> None:
    few = sk.Sampling(max_tokens=12)
    rows = {"topic": ["rain"]}
    run = make(self_refine("Write a line about {{ topic }}.", rows=rows, sampling=few), smollm2)
    assert len(run.table) + len(run.rejects) == 1
    for id, draft, text in run.table[["id", "draft", "text"]].itertuples(index=False):
        steps = session.trace(id)
        assert steps[0].completion.text.strip() == draft
        assert steps[-1].completion.text.strip() == text
    run = make(backtranslate(ASKED, rows=TEXTS[:1], check=True, sampling=few), smollm2)
    assert len(run.table) + len(run.rejects) == 1
    assert set(run.table.get("score", ())) <= {4, 5}
