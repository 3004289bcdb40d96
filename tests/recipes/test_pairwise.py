from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Completion, Reject, Request
from synthkit.recipes import pairwise
from synthkit.recipes._pairwise import verdicts
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
PAIRS = [
    {
        "id": "p0",
        "first": "warm loaf",
        "second": "cold",
        "first_system": "s0",
        "second_system": "t",
    },
    {"id": "p1", "first": "cold", "second": "warm tea", "first_system": "t", "second_system": "s0"},
    {"id": "p2", "first": "cold", "second": "stale", "first_system": "t", "second_system": "s0"},
]


def reply(verdict: Any, reason: str = "So it is.") -> str:
    return json.dumps({"reason": reason, "verdict": verdict})


def warmer(request: Request) -> str:
    """A judge of warmth, who says A where neither text is warm."""
    shown = request.messages[0].content
    return reply("B" if "warm" in shown[shown.index("<B>") :] else "A")


def test_a_text_wins_only_in_both_orders_and_what_each_said_is_kept(make: Make) -> None:
    recipe = pairwise(rows=PAIRS)
    run = make(recipe, sk.Fake(warmer))
    columns = "criterion outcome consistent forward backward forward_reason backward_reason"
    assert list(run.table) == ["id", "parent", *list(PAIRS[0])[1:], *columns.split()]
    assert run.table.parent.tolist() == ["p0", "p1", "p2"]
    assert run.table.outcome.tolist() == ["first", "second", "tie"]
    assert run.table.consistent.tolist() == [True, True, False]
    assert run.table.forward.tolist() == ["first", "second", "first"]
    assert run.table.backward.tolist() == ["first", "second", "second"]
    assert run.ledger.requests == 6
    expects(recipe, run)


@pytest.mark.parametrize("place", ["A", "B", "tie"])
def test_a_judge_who_looks_at_the_place_alone_finds_no_winner(make: Make, place: str) -> None:
    run = make(pairwise(rows=PAIRS), sk.Fake(reply(place)))
    assert run.table.outcome.tolist() == ["tie"] * 3
    assert run.table.consistent.tolist() == [place == "tie"] * 3


def test_turning_all_pairs_round_turns_all_outcomes_round(make: Make) -> None:
    turned = [{"first": one["second"], "second": one["first"]} for one in PAIRS]
    there = make(pairwise(rows=PAIRS), sk.Fake(warmer)).table.outcome
    back = make(pairwise(rows=turned), sk.Fake(warmer)).table.outcome
    assert back.tolist() == [{"first": "second", "second": "first"}.get(one, one) for one in there]


def test_the_judge_reads_both_orders_and_no_system(make: Make) -> None:
    model = sk.Fake(reply("A"))
    make(pairwise(rows=PAIRS[:1]), model)
    forward, backward = (request.messages[-1].content for request in model.asked)
    assert "<A>\nwarm loaf\n</A>\n\n<B>\ncold\n</B>" in forward
    assert "<A>\ncold\n</A>\n\n<B>\nwarm loaf\n</B>" in backward
    assert "Give your reason" in forward.split("</B>")[1]
    for shown in (forward, backward):
        assert "s0" not in shown
        assert "first" not in shown.split("Give your reason")[0]


def test_what_both_answer_is_shown_and_found_by_its_name(make: Make) -> None:
    model = sk.Fake(reply("tie"))
    rows = [PAIRS[0] | {"prompt": "Bread?"}]
    make(pairwise(rows=rows), model)
    shown = model.asked[0].messages[-1].content
    assert "helpful as an answer to the instruction?" in shown
    assert "<instruction>\nBread?\n</instruction>\n\n<A>" in shown
    make(pairwise(rows=[PAIRS[0] | {"ask": "Tea?"}], instruction="ask"), model)
    assert "<instruction>\nTea?\n</instruction>" in model.asked[-1].messages[-1].content


def test_each_criterion_has_a_row_of_its_own(make: Make) -> None:
    def answer(request: Request) -> str:
        return reply("tie") if "coherent" in request.messages[0].content else warmer(request)

    recipe = pairwise(rows=PAIRS, criteria="pairwise, coherence")
    run = make(recipe, sk.Fake(answer))
    assert run.table.criterion.tolist() == ["pairwise", "coherence"] * 3
    assert run.table.parent.tolist() == ["p0", "p0", "p1", "p1", "p2", "p2"]
    assert run.table.outcome.tolist() == ["first", "tie", "second", "tie", "tie", "tie"]
    assert run.table.id.is_unique
    expects(recipe, run)


def test_a_criterion_of_ones_own_may_use_columns_and_place_the_texts(make: Make) -> None:
    model = sk.Fake(reply("B"))
    rows = [PAIRS[0] | {"tone": "kind"}]
    make(pairwise("Which is more {{ tone }}?", rows=rows), model)
    make(pairwise("{{ tone }}: {{ A }} or {{ B }}?", rows=rows, criteria="fluency"), model)
    make(pairwise(rows=rows, criteria={"heat": "Which is warmer?"}), model)
    shown = [request.messages[-1].content for request in model.asked]
    assert shown[0].startswith("Which is more kind?\n\n<A>\nwarm loaf")
    assert shown[2].startswith("kind: warm loaf or cold?\n\nDo not let")
    assert shown[3].startswith("kind: cold or warm loaf?\n\nDo not let")
    assert "grammar" in shown[4]
    assert shown[6].startswith("Which is warmer?\n\n<A>")


def test_an_order_says_what_most_of_its_samples_say(make: Make) -> None:
    forward, backward = ["A", "A", "tie", "?"], ["A", "B", "tie", "B"]

    def answer(request: Request) -> str:
        shown = request.messages[0].content
        there = shown.index("warm loaf") < shown.index("cold")
        return reply((forward if there else backward)[request.index], f"Sample {request.index}.")

    recipe = pairwise(rows=PAIRS[:1], k=4)
    run = make(recipe, sk.Fake(answer))
    (row,) = run.table.to_dict("records")
    assert (row["forward"], row["backward"], row["outcome"]) == ("first", "first", "first")
    assert (row["forward_reason"], row["backward_reason"]) == ("Sample 0.", "Sample 1.")
    assert row["first_share"] == pytest.approx((2.5 / 3 + 2.5 / 4) / 2)
    assert row["unread"] == 1
    assert run.ledger.repairs == 1
    expects(recipe, run)
    unsure = sk.Fake(lambda request: reply("AB"[request.index]), name="unsure")
    even = make(pairwise(rows=PAIRS[:1], k=2), unsure)
    assert even.table.forward.tolist() == even.table.outcome.tolist() == ["tie"]
    assert even.table.consistent.tolist() == [True]


def test_one_order_alone_is_asked_only_if_that_is_wanted(make: Make) -> None:
    recipe = pairwise(rows=PAIRS, one_order=True, reasons=False)
    run = make(recipe, sk.Fake("A"))
    assert list(run.table)[-3:] == ["criterion", "outcome", "forward"]
    assert run.table.outcome.tolist() == ["first"] * 3
    assert run.ledger.requests == 3
    expects(recipe, run)


def test_without_reasons_the_model_is_held_to_the_three_verdicts(make: Make) -> None:
    model = sk.Fake()
    run = make(pairwise(rows=PAIRS, reasons=False), model)
    assert {json.dumps(request.schema) for request in model.asked} == {
        '{"enum": ["A", "B", "tie"]}'
    }
    assert "forward_reason" not in run.table
    assert run.rejects.empty


def test_weighed_verdicts_cancel_what_a_judge_likes_about_a_place(make: Make) -> None:
    def score(request: Request) -> float:
        """A is likelier wherever it stands, and what is warm is likelier than what is not."""
        shown = request.messages[0].content.split(f"<{request.answer}>")[1].split("</")[0]
        return 3.0 * (request.answer == "A") + ("warm" in shown)

    recipe = pairwise(rows=PAIRS, weighted=True)
    run = make(recipe, sk.Fake(score=score))
    made = "criterion outcome consistent forward backward first_share"
    assert list(run.table)[-6:] == made.split()
    assert run.table.outcome.tolist() == ["first", "second", "tie"]
    assert run.table.forward.tolist() == ["first"] * 3
    assert run.table.backward.tolist() == ["second"] * 3
    liked, other = 1 / (1 + math.exp(-4)), 1 / (1 + math.exp(-2))
    assert run.table.first_share[0] == pytest.approx((liked + 1 - other) / 2)
    assert run.table.first_share[2] == pytest.approx(0.5)
    assert run.ledger.requests == 12
    expects(recipe, run)
    one = make(pairwise(rows=PAIRS, weighted=True, one_order=True), sk.Fake(score=score))
    assert one.table.outcome.tolist() == ["first"] * 3


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (reply("A"), "A"),
        (reply("tie"), "tie"),
        (reply("Text B"), "B"),
        ("```json\n" + reply("B") + "\n```", "B"),
        ("A", "A"),
        ("**B**.", "B"),
        ("Tie", "tie"),
        ("Both are short. Verdict: tie.", "tie"),
        ("A answer is given by both.\nVerdict: **B**", "B"),
        ("The winner is A, by far.", "A"),
        ("My verdict is Text B is better.", "B"),
        ("Clear and kind: [[A]]", "A"),
        ("[[C]]", "tie"),
        ("Verdict: A. No, verdict: B.", {"A", "B"}),
        ("[[A]] or [[B]]", {"A", "B"}),
        (reply("A or B"), None),
        (reply("both"), None),
        (reply(None), None),
        ("The answer is a good one.", None),
        ("Verdict: A better text would say more.", None),
        ("A better reply would say more.", None),
        ("Good.", None),
        ('{"reason": "A is fine"}', None),
    ],
)
def test_a_verdict_is_read_as_it_is_said_or_not_at_all(raw: str, expected: Any) -> None:
    outcome = verdicts()(Completion(raw))
    if isinstance(outcome, Reject):
        several = f"names several verdicts, {', '.join(sorted(expected))}" if expected else ""
        assert outcome.reason == (several or "names no verdict: A, B or tie")
        assert outcome.raw == raw
    else:
        assert outcome["verdict"] == expected


def test_an_answer_that_cannot_be_read_is_asked_for_again_once_and_then_a_reject(
    make: Make,
) -> None:
    def answer(request: Request) -> str:
        shown = request.messages[0].content
        return reply("A") if shown.index("warm loaf") < shown.index("cold") else "Both are fine."

    model = sk.Fake(answer)
    run = make(pairwise(rows=PAIRS[:1]), model)
    assert run.table.empty
    assert run.rejects.raw.tolist() == ["Both are fine."]
    assert run.rejects.reason.tolist() == ["pairwise, backward: names no verdict: A, B or tie"]
    assert run.rejects.forward.tolist() == ["first"]
    assert len(model.asked) == 3
    assert "names no verdict" in model.asked[-1].messages[-1].content


def test_one_criterion_that_fails_leaves_the_others(make: Make) -> None:
    def answer(request: Request) -> str:
        return "Hm." if "coherent" in request.messages[0].content else reply("B")

    run = make(pairwise(rows=PAIRS[:1], criteria=["coherence", "fluency"]), sk.Fake(answer))
    assert run.table.criterion.tolist() == ["fluency"]
    assert run.rejects.criterion.tolist() == ["coherence"]


def test_pairs_without_a_text_are_rejects_and_cost_nothing(make: Make) -> None:
    rows = [
        {"first": "a", "second": None},
        {"first": " ", "second": "b"},
        {"first": 7, "second": "é 東京 🙂 مرحبا"},
        {"first": "a" * 10**6, "second": "b"},
    ]
    model = sk.Fake(reply("tie"))
    recipe = pairwise(rows=rows)
    run = make(recipe, model)
    missing = [f"{column!r} is missing or blank" for column in ("second", "first")]
    assert run.rejects.reason.tolist() == missing
    assert len(run.table) == 2
    assert len(model.asked) == 4
    expects(recipe, run)


def test_equal_texts_and_equal_pairs_and_no_pairs_are_judged_too(make: Make) -> None:
    same = make(pairwise(rows=[{"first": "x", "second": "x"}]), sk.Fake(reply("A")))
    assert same.table.outcome.tolist() == ["tie"]
    run = make(pairwise(rows=PAIRS[:1] * 3), sk.Fake(warmer))
    assert run.table.id.is_unique
    assert run.table.outcome.tolist() == ["first"] * 3
    empty = make(pairwise(rows={"first": [], "second": []}), sk.Fake())
    assert len(empty.table) == 0
    assert "outcome" in empty.table


@pytest.mark.parametrize(
    ("prompt", "options", "error", "match"),
    [
        ("", {"criteria": "pairwize"}, UsageError, "rubric 'pairwize' not found.*Did you mean"),
        ("", {"criteria": {}}, UsageError, "one or more rubrics"),
        ("", {"rows": [{"first": "x"}]}, TableError, "column 'second' not found"),
        ("", {"instruction": "ask"}, TableError, "column 'ask' not found"),
        ("Is it {{ labl }}?", {}, PromptError, "field 'labl' not found"),
        ("Is {{ first_system }} better?", {}, PromptError, "reveals whose text the judge reads"),
        ("Is {{ first }} better?", {}, PromptError, "or the order of the texts"),
        ("Is {{ A }} good?", {}, PromptError, "shows one text"),
        ("", {"k": 0}, UsageError, "k must be at least 1"),
        ("", {"k": 2, "sampling": sk.Sampling(temperature=0)}, UsageError, "at temperature 0"),
        ("", {"k": 2, "weighted": True}, UsageError, "needs k=1"),
        ("", {"rows": [PAIRS[0] | {"outcome": "tie"}]}, UsageError, "the rows have already"),
    ],
)
def test_a_judge_of_pairs_that_cannot_work_is_refused(
    prompt: str, options: dict[str, Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        pairwise(prompt, **{"rows": PAIRS} | options)


def test_a_killed_judge_of_pairs_goes_on(survives: Callable[..., sk.Run]) -> None:
    def answer(request: Request) -> str:
        return "Hm." if request.index == 1 and len(request.messages) == 1 else warmer(request)

    run = survives(lambda: pairwise(rows=PAIRS, criteria="pairwise,fluency", k=2), answer)
    assert len(run.table) == 6


@pytest.mark.model
def test_smollm2_judges_a_pair(make: Make, smollm2: sk.core.models.Model) -> None:
    greedy = sk.Sampling(temperature=0, max_tokens=160)
    run = make(pairwise(rows=PAIRS[:1], sampling=greedy), smollm2)
    assert len(run.table) + len(run.rejects) == 1
    bare = make(pairwise(rows=PAIRS[:1], reasons=False, sampling=greedy), smollm2)
    assert bare.table.forward.isin(["first", "second", "tie"]).all()
    (share,) = make(pairwise(rows=PAIRS[:1], weighted=True), smollm2).table.first_share
    assert 0 < share < 1
