from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Request
from synthkit.recipes import balance
from synthkit.stats.rouge import rouge_l
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]

LABELS = ["positive", "negative"]
TOPICS = ["soup", "bread", "waiters"]
PROMPT = "Write a {{ label }} review about {{ topic }}."


def new(request: Request) -> str:
    """Words that no other request is answered with."""
    return f"{request.row_seed:x} " + " ".join(
        f"{request.row_seed * prime % 999983}x{prime}" for prime in (3, 5, 7, 11)
    )


def often_bad(request: Request) -> str:
    """A third new, a third like another one, a third unreadable."""
    said = ["", "The same warm soup as every other day of this year.", new(request)]
    return said[request.row_seed % 3]


def test_rows_have_exactly_the_balance_that_was_asked(make: Make, session: sk.Session) -> None:
    recipe = balance(PROMPT, n=14, labels=LABELS, vary={"topic": TOPICS}, rounds=20, stall=9)
    run = make(recipe, sk.Fake(often_bad))
    expects(recipe, run)
    assert list(run.table) == ["id", "label", "topic", "text"]
    assert Counter(run.table.label) == {"positive": 7, "negative": 7}
    assert sorted(Counter(run.table.topic).values()) == [4, 5, 5]
    assert all(rouge_l(a, b) <= 0.7 for a, b in combinations(run.table.text, 2))
    asked = run.ledger.requests
    assert len(run.table) + len(run.rejects) == asked > 14
    assert set(run.rejects.reason.str[:14]) <= {"empty answer", "the same words"}
    for row in run.table.itertuples():
        ((question,),) = [one.request["messages"] for one in session.trace(row.id)]
        assert question[1] == f"Write a {row.label} review about {row.topic}."


def test_each_round_asks_exactly_for_what_is_lacking(make: Make) -> None:
    """Texts for "negative" fail in the first two rounds; then three, three and two are asked."""
    fake = sk.Fake(lambda r: "" if "negative" in str(r.messages) and r.index < 6 else new(r))
    run = make(balance("Write a {{ label }} text.", n=6, labels=LABELS, stall=3), fake)
    asked = ["negative" if "negative" in str(one.messages) else "positive" for one in fake.asked]
    assert asked == ["positive", "negative"] * 3 + ["negative"] * 6
    assert Counter(run.table.label) == {"positive": 3, "negative": 3}


def test_no_condition_ever_passes_its_quota(session: sk.Session) -> None:
    class Counts:
        def __init__(self) -> None:
            self.rows: Counter[Any] = Counter()

        def row_made(self, event: Any) -> None:
            if type(event.outcome) is sk.core.types.Row:
                self.rows[event.outcome.cells["label"]] += 1
                assert max(self.rows.values()) <= 5

        def branch_ended(self, position: int, outcome: Any, answers: Any) -> None: ...

        def tick(self, ledger: Any, activity: Any) -> None: ...

    counts = Counts()
    recipe = balance("{{ label }}", n=10, labels=LABELS, rounds=9, stall=9)
    sk.plan(recipe, model=sk.Fake(often_bad), session=session).run(listener=counts)
    assert counts.rows == {"positive": 5, "negative": 5}


def test_it_stops_without_a_gain_and_says_what_is_short(make: Make) -> None:
    recipe = balance("{{ label }}", n=6, labels=LABELS, rounds=10, stall=2)
    run = make(recipe, sk.Fake("Always the same."))
    expects(recipe, run)
    assert len(run.table) == 1
    assert run.ledger.requests == 6 + 5 + 5
    short = run.rejects[run.rejects.reason.str.startswith("stopped")]
    assert short[["label", "reason"]].values.tolist() == [
        ["positive", "stopped: 1 of 3 rows after 3 rounds"],
        ["negative", "stopped: 0 of 3 rows after 3 rounds"],
    ]
    same = "the same words as 'Always the same.'"
    assert Counter(run.rejects.reason)[same] == 15


def test_it_stops_after_its_rounds(make: Make) -> None:
    recipe = balance("{{ label }}", n=4, labels=LABELS, rounds=3, stall=9)
    run = make(recipe, sk.Fake(""))
    assert run.ledger.requests == recipe.requests.most == 12
    assert run.rejects.reason[12] == "stopped: 0 of 2 rows after 3 rounds"


def test_a_budget_ends_it_with_its_rows_kept_and_nearly_balanced(make: Make) -> None:
    build = lambda: balance("{{ label }}", n=12, labels=LABELS, rounds=30, stall=30)  # noqa: E731
    part = make(build(), sk.Fake(often_bad), max_requests=20)
    assert "budget" in part.ledger.stopped
    whole = make(build(), sk.Fake(often_bad))
    assert 0 < len(part.table) < len(whole.table) == 12
    assert whole.table[: len(part.table)].equals(part.table)


def test_a_budget_within_a_long_round_keeps_what_was_decided(make: Make) -> None:
    run = make(balance("{{ label }}", n=150, labels=LABELS), sk.Fake(new), max_requests=120)
    assert Counter(run.table.label) == {"positive": 50, "negative": 50}


def test_a_text_too_like_an_accepted_one_is_rejected_with_its_score(make: Make) -> None:
    texts = iter(["warm soup and bread", "warm soup and cold bread", "nobody ever came back"])
    replies: dict[int, str] = {}
    fake = sk.Fake(lambda request: replies.setdefault(request.index, next(texts)))
    run = make(balance("Write on {{ x }}.", n=2, vary={"x": ["it"]}), fake)
    assert run.table.text.tolist() == ["warm soup and bread", "nobody ever came back"]
    assert run.rejects.reason.tolist() == ["ROUGE-L 0.89 with 'warm soup and bread'"]
    loose = make(balance("Write on {{ x }}.", n=2, vary={"x": ["it"]}, likeness=0.9), fake)
    assert loose.table.text.tolist() == ["warm soup and bread", "warm soup and cold bread"]


def test_only_texts_that_the_judge_labels_alike_are_taken(make: Make) -> None:
    def verdict(request: Request) -> str:
        text = request.messages[-1].content
        return "<p>?</p>" if "e" in text[-6:] else LABELS[len(text) % 2]

    recipe = balance("{{ label }}", n=6, labels=LABELS, judge=True, rounds=20, stall=9)
    run = make(recipe, sk.Fake(new), others={"judge": sk.Fake(verdict, name="judge")})
    expects(recipe, run)
    assert Counter(run.table.label) == {"positive": 3, "negative": 3}
    assert run.rejects.reason.str.match(r"the judge (says '|gives no label: )").all()
    assert len(run.rejects) > 0


def test_shares_may_be_unequal(make: Make) -> None:
    targets = {"label": {"positive": 7, "negative": 3}}
    run = make(balance("{{ label }}", n=10, labels=LABELS, targets=targets), sk.Fake(new))
    assert Counter(run.table.label) == {"positive": 7, "negative": 3}


def test_values_may_depend_on_the_label(make: Make) -> None:
    vary = {"topic": {"positive": ["soup"], "negative": ["bread", "wine", "tea"]}}
    run = make(balance(PROMPT, n=12, labels=LABELS, vary=vary), sk.Fake(new))
    assert Counter(zip(run.table.label, run.table.topic, strict=True)) == {
        ("positive", "soup"): 6,
        ("negative", "bread"): 2,
        ("negative", "wine"): 2,
        ("negative", "tea"): 2,
    }


def test_labels_may_be_described(make: Make) -> None:
    labels = {"positive": "full of praise", "negative": "full of blame"}
    run = make(balance("Write a text {{ description }}.", n=4, labels=labels), sk.Fake(new))
    assert Counter(run.table.description) == {"full of praise": 2, "full of blame": 2}


def test_a_killed_run_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(
        lambda: balance("{{ label }}", n=10, labels=LABELS, judge=True, rounds=30, stall=30),
        lambda r: r.schema["enum"][r.row_seed % 2] if r.schema else often_bad(r),
    )
    assert Counter(run.table.label) == {"positive": 5, "negative": 5}
    assert len(run.rejects) > 10


@pytest.mark.parametrize(
    "hostile", ["", "   ", "\ud83d", "<html></html>", '{"text": "x"}', "ja ja"]
)
def test_hostile_answers_are_data(make: Make, hostile: str) -> None:
    recipe = balance("{{ label }}", n=3, labels=LABELS, judge=True, rounds=2)
    run = make(recipe, sk.Fake(lambda request: hostile))
    expects(recipe, run)
    assert len(run.table) == 0
    assert run.rejects.reason.str.startswith("stopped").sum() == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n must be at least 1"),
        ({"rounds": 0}, "rounds must be at least 1"),
        ({"stall": 0}, "stall must be at least 1"),
        ({"likeness": 0}, "likeness must be above 0"),
        ({"labels": None}, "nothing to balance"),
        ({"labels": ["a", "a"]}, "distinct"),
        ({"labels": ["one"], "judge": True}, "two or more"),
        ({"labels": None, "vary": {"label": ["a"]}, "judge": True}, "judge checks the labels"),
        ({"vary": {"topic": TOPICS}}, r"must use {{ topic }}"),
        ({"vary": {"label": ["a"]}}, "'label' is made by the recipe"),
        ({"prompt": "Write."}, r"must use {{ label }}"),
        ({"prompt": "{{ label }} {{ topci }}", "vary": {"topic": TOPICS}}, "Did you mean 'topic'"),
        ({"targets": {"lable": {}}}, "Did you mean 'label'"),
        ({"targets": {"label": 3}}, "needs a share for each value"),
        ({"targets": {"label": {"positive": 1}}}, "share of 0 or more for 'negative'; got None"),
        ({"targets": {"label": {"positive": 1, "negative": -1}}}, "0 or more for 'negative'"),
        ({"targets": {"label": {"positive": 0, "negative": 0}}}, "above 0 among"),
        ({"targets": {"label": {"positiv": 1}}}, "Did you mean 'positive'"),
    ],
)
def test_what_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"prompt": "{{ label }}", "labels": LABELS, "n": 4} | options
    with pytest.raises(UsageError, match=message):
        balance(arguments.pop("prompt"), **arguments)


@pytest.mark.model
def test_a_small_model_fills_its_quotas_or_says_so(
    make: Make, session: sk.Session, smollm2: Any
) -> None:
    sampling = sk.Sampling(max_tokens=8)
    recipe = balance(
        "Write a {{ label }} review.", n=4, labels=LABELS, judge=True, rounds=2, sampling=sampling
    )
    run = make(recipe, smollm2)
    expects(recipe, run)
    counts = Counter(run.table.label)
    short = run.rejects[run.rejects.reason.str.startswith("stopped")]
    assert all(counts[label] == 2 or label in short.label.tolist() for label in LABELS)
    for row in run.table.itertuples():
        write, judge = session.trace(row.id)
        assert write.completion.text.strip() == row.text
        assert judge.completion.text == row.label
