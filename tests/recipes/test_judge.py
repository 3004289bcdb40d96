from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Completion, Reject, Request
from synthkit.curate import apply_filters, by_column
from synthkit.recipes import judge
from synthkit.recipes._judge import scores
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
TEXTS = [{"id": f"r{i}", "text": text} for i, text in enumerate(["A warm loaf.", "Cold.", "Fine."])]


def reply(score: Any, reason: str = "So it is.") -> str:
    return json.dumps({"reason": reason, "score": score})


def test_rows_get_the_score_and_the_reason_and_keep_what_they_had(make: Make) -> None:
    recipe = judge(rows=TEXTS)
    run = make(recipe, sk.Fake(lambda r: reply(5 if "warm" in r.messages[-1].content else 2)))
    assert list(run.table) == ["id", "parent", "text", "judge", "judge_reason"]
    assert run.table.judge.tolist() == [5, 2, 2]
    assert run.table.judge_reason.tolist() == ["So it is."] * 3
    assert run.table.parent.tolist() == ["r0", "r1", "r2"]
    assert apply_filters(run.table, by_column("judge", least=4.5)).kept.parent.tolist() == ["r0"]
    assert run.ledger.requests == 3
    expects(recipe, run)


def test_the_text_stands_in_a_fence_below_the_rubric_and_the_scale_behind_it(make: Make) -> None:
    model = sk.Fake(reply(7))
    rows = [{"ask": "Name a fruit.", "reply": "An apple."}]
    run = make(
        judge(rows=rows, rubrics="quality", column="reply", instruction="ask", low=0, high=10),
        model,
    )
    prompt = model.asked[0].messages[-1].content
    assert "<instruction>\nName a fruit.\n</instruction>\n\n<text>\nAn apple.\n</text>" in prompt
    assert "from 0 (worst) to 10 (best)" in prompt
    assert run.table.quality.tolist() == [7]


def test_each_rubric_is_asked_apart_and_has_columns_of_its_own(make: Make) -> None:
    def answer(request: Request) -> str:
        return reply(4 if "how complex" in request.messages[-1].content else 2)

    recipe = judge(rows=TEXTS, rubrics=["complexity", "quality"])
    run = make(recipe, sk.Fake(answer))
    assert run.table.complexity.tolist() == [4] * 3
    assert run.table.quality.tolist() == [2] * 3
    assert run.ledger.requests == 6
    expects(recipe, run)


def test_a_rubric_of_ones_own_may_use_the_columns_and_place_the_text(make: Make) -> None:
    model = sk.Fake(reply(3))
    rows = [{"text": "Cold.", "label": "bad"}]
    make(judge("Is it {{ label }}?", rows=rows), model)
    make(judge("Is '{{ text }}' kind?", rows=rows), model)
    make(judge(rows=rows, rubrics={"tone": "How kind?"}), model)
    first, second, third = (request.messages[-1].content for request in model.asked)
    assert first.startswith("Is it bad?\n\n<text>\nCold.\n</text>")
    assert second.startswith("Is 'Cold.' kind?\n\nGive your reason")
    assert third.startswith("How kind?\n\n<text>")


def test_k_samples_give_the_mean_the_spread_and_how_many_could_not_be_read(make: Make) -> None:
    recipe = judge(rows=TEXTS[:1], k=4)
    answers = [reply(5), reply(2), "Hm.", reply(2)]
    run = make(recipe, sk.Fake(lambda request: answers[request.index]))
    (row,) = run.table.to_dict("records")
    assert row["judge"] == 3
    assert row["judge_spread"] == pytest.approx(math.sqrt(2))
    assert row["judge_unread"] == 1
    assert run.ledger.repairs == 1
    expects(recipe, run)


def test_a_text_is_held_against_its_source(make: Make) -> None:
    model = sk.Fake(reply(2, "No fly is in the source."))
    rows = [{"text": "A fly.", "passage": "Cold soup."}]
    run = make(judge(rows=rows, rubrics="faithful", sources="passage"), model)
    prompt = model.asked[0].messages[-1].content
    assert prompt.startswith("Rate how faithful the text is to the source")
    assert "<source>\nCold soup.\n</source>\n\n<text>\nA fly.\n</text>" in prompt
    assert run.table.faithful.tolist() == [2]
    assert run.table.faithful_reason.tolist() == ["No fly is in the source."]
    own = make(judge(rows=rows, rubrics={"faithful": "Is it so?"}), sk.Fake(reply(3), name="own"))
    assert own.table.faithful.tolist() == [3]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (reply(4), 4),
        (reply(4.5), 4.5),
        ("```json\n" + reply(3) + "\n```", 3),
        (reply("4"), 4),
        (reply("4 out of 5"), 4),
        ("Clear and kind. I rate it 4 out of 5.", 4),
        ("Score: **4.5**/5", 4.5),
        ("It has 12 words. My rating is 2.", 2),
        ("3", 3),
        ("Score: 4分", 4),
        ("Score (1-5): 4", 4),
        ("Score (out of 5): 2", 2),
        ("Rating on a scale of 1–5: 4", 4),
        ("I would rate this, on a scale of 1 to 5, a 4.", 4),
        ("Score: 3-4", "names no score, where 1 to 5 was asked for"),
        ("Rating: 1 to 5", "names no score, where 1 to 5 was asked for"),
        ("我给 4/5分", 4),
        ("**3**.", 3),
        ("I rate it 8 out of 10.", "rates 8 out of 10, where 1 to 5 was asked for"),
        ("9/10", "rates 9 out of 10, where 1 to 5 was asked for"),
        (reply("8/10"), "rates 8 out of 10, where 1 to 5 was asked for"),
        (reply(8), "gives 8, where 1 to 5 was asked for"),
        (reply(-1), "gives -1, where 1 to 5 was asked for"),
        ("Score: 0", "gives 0, where 1 to 5 was asked for"),
        ("Score: 3. No, score: 4.", "names several scores, 3, 4, where 1 to 5 was asked for"),
        ("Score: 80%", "names no score, where 1 to 5 was asked for"),
        ("It has 3 words.", "names no score, where 1 to 5 was asked for"),
        ("Good.", "names no score, where 1 to 5 was asked for"),
        (reply(None), "its JSON has no number 'score'"),
        (reply(True), "its JSON has no number 'score'"),
        ('{"reason": "x"}', "its JSON has no number 'score'"),
        ("", "empty answer"),
    ],
)
def test_a_score_is_read_as_it_is_said_or_not_at_all(raw: str, expected: float | str) -> None:
    outcome = scores(1, 5)(Completion(raw))
    if isinstance(outcome, Reject):
        assert (outcome.reason, outcome.raw) == (expected, raw)
    else:
        assert outcome["score"] == expected


def test_an_answer_that_cannot_be_read_is_asked_for_again_once_and_then_a_reject(
    make: Make,
) -> None:
    model = sk.Fake("I rate it 8 out of 10.")
    run = make(judge(rows=TEXTS[:1]), model)
    assert run.table.empty
    assert run.rejects.raw.tolist() == ["I rate it 8 out of 10."]
    assert run.rejects.reason.tolist() == ["judge: rates 8 out of 10, where 1 to 5 was asked for"]
    assert "rates 8 out of 10" in model.asked[1].messages[-1].content
    assert len(model.asked) == 2


def test_one_rubric_that_fails_leaves_the_others_in_the_reject(make: Make) -> None:
    def answer(request: Request) -> str:
        return reply(4) if "how complex" in request.messages[0].content else "Well."

    run = make(judge(rows=TEXTS[:1], rubrics="complexity,quality"), sk.Fake(answer))
    assert run.rejects.complexity.tolist() == [4]
    assert run.rejects.reason.tolist() == ["quality: names no score, where 1 to 5 was asked for"]


def test_a_weighted_score_is_the_mean_by_probability(make: Make) -> None:
    def score(request: Request) -> float:
        return {"4": math.log(0.3), "5": math.log(0.1)}.get(str(request.answer), -50)

    recipe = judge(rows=TEXTS[:1], weighted=True)
    run = make(recipe, sk.Fake(score=score))
    assert list(run.table)[-2:] == ["judge", "judge_spread"]
    assert run.table.judge[0] == pytest.approx(4.25)
    assert run.table.judge_spread[0] == pytest.approx(math.sqrt(0.25 * 0.75))
    assert run.ledger.requests == 5
    expects(recipe, run)


def test_rows_without_a_text_are_rejects_and_cost_nothing(make: Make) -> None:
    rows = [
        {"text": None},
        {"text": " "},
        {"text": 7},
        {"text": "é 東京 🙂 مرحبا"},
        {"text": "a" * 10**6},
    ]
    model = sk.Fake(reply(3))
    recipe = judge(rows=rows)
    run = make(recipe, model)
    assert run.rejects.reason.tolist() == ["'text' is missing or blank"] * 2
    assert len(run.table) == len(model.asked) == 3
    expects(recipe, run)


def test_equal_rows_and_no_rows_are_judged_too(make: Make) -> None:
    run = make(judge(rows=[{"id": "a", "text": "x"}] * 3), sk.Fake(reply(3)))
    assert run.table.id.is_unique
    assert run.table.judge.tolist() == [3, 3, 3]
    empty = make(judge(rows={"text": []}), sk.Fake(reply(3)))
    assert len(empty.table) == 0
    assert "judge" in empty.table


@pytest.mark.parametrize(
    ("prompt", "options", "error", "match"),
    [
        ("", {"rubrics": "qualty"}, UsageError, "rubric 'qualty' not found.*Did you mean"),
        ("", {"rubrics": {}}, UsageError, "one or more rubrics"),
        ("", {"rubrics": {"a": "x", "a_reason": "y"}}, UsageError, "would make the same column"),
        ("", {"rubrics": "faithful"}, UsageError, "needs sources="),
        ("", {"sources": "passage"}, TableError, "column 'passage' not found"),
        ("", {"column": "body"}, TableError, "column 'body' not found"),
        ("", {"instruction": "ask"}, TableError, "column 'ask' not found"),
        ("Is it {{ labl }}?", {}, PromptError, "field 'labl' not found"),
        ("", {"low": 5, "high": 5}, UsageError, "from low up to high"),
        ("", {"k": 0}, UsageError, "k must be at least 1"),
        ("", {"k": 2, "weighted": True}, UsageError, "needs k=1"),
        ("", {"k": 2, "sampling": sk.Sampling(temperature=0)}, UsageError, "at temperature 0"),
        ("", {"rows": [{"text": "x", "judge": 1}]}, UsageError, "the rows have already"),
    ],
)
def test_a_judge_that_cannot_work_is_refused(
    prompt: str, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        judge(prompt, **{"rows": TEXTS} | options)


def test_a_killed_judge_goes_on(survives: Callable[..., sk.Run]) -> None:
    def answer(request: Request) -> str:
        return "Hm." if request.index == 1 and len(request.messages) == 1 else reply(4)

    run = survives(lambda: judge(rows=TEXTS, rubrics="quality,complexity", k=2), answer)
    assert len(run.table) == 3


@pytest.mark.model
def test_smollm2_judges(make: Make, smollm2: sk.core.models.Model) -> None:
    greedy = sk.Sampling(temperature=0, max_tokens=160)
    run = make(judge(rows=TEXTS[:1], sampling=greedy), smollm2)
    assert len(run.table) + len(run.rejects) == 1
    assert run.table.judge.isin([1, 2, 3, 4, 5]).all()
    (weighted,) = make(judge(rows=TEXTS[:1], weighted=True), smollm2).table.judge
    assert 1 < weighted < 5
