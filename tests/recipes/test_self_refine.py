from __future__ import annotations

from collections.abc import Callable

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


@pytest.mark.model
def test_revision_on_a_real_model(
    make: Make, session: sk.Session, smollm2: sk.core.models.Model
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
