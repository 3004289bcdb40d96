from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Completion, Request
from synthkit.data import tables
from synthkit.models import load_model
from synthkit.recipes import diverse
from synthkit.recipes._diverse import suppression
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
DISHES = [
    {"id": "a", "dish": "soup"},
    {"id": "b", "dish": "crêpe 東京"},
    {"id": "c", "dish": "tea"},
]
REVIEW = "A review of {{ dish }}."


def bias(request: Request) -> Any:
    return request.sampling.extra["token_bias"]


def test_each_text_has_the_temperature_that_is_its_turn(make: Make) -> None:
    model = sk.Fake()
    recipe = diverse("Write.", n=10, temperatures=[0.3, 0.7, 1.3])
    run = make(recipe, model)
    expects(recipe, run)
    assert list(run.table) == ["id", "text", "round", "temperature"]
    assert run.table.temperature.tolist() == ([0.3, 0.7, 1.3] * 4)[:10]
    assert [one.sampling.temperature for one in model.asked] == run.table.temperature.tolist()
    assert run.table["round"].tolist() == [1, 1, 2, 2, 2, 3, 3, 4, 4, 4]
    assert [one.index for one in model.asked] == list(range(10))


def test_each_row_and_each_round_has_every_temperature_equally_often(make: Make) -> None:
    recipe = diverse(REVIEW, n=8, rows=DISHES, temperatures=[0.3, 0.7, 0.9, 1.3])
    run = make(recipe, sk.Fake(lambda request: request.messages[-1].content))
    expects(recipe, run)
    assert list(run.table) == ["id", "parent", "dish", "text", "round", "temperature"]
    assert run.table.text.tolist() == [f"A review of {dish}." for dish in run.table.dish]
    for part, most in (("parent", 0), ("round", 1)):
        counts = run.table.groupby([part, "temperature"]).size().unstack(fill_value=0)
        assert counts.shape == ({"parent": 3, "round": 4}[part], 4)
        assert counts.to_numpy().max() - counts.to_numpy().min() <= most
    assert run.table.groupby("round").size().tolist() == [6] * 4
    assert run.table.groupby(["parent", "round"]).size().tolist() == [2] * 12


def test_the_bias_of_each_round_is_that_of_all_tokens_before_it(make: Make) -> None:
    texts = {0: "the soup the tea", 1: "the end", 2: "a b c d e f g h the the"}
    model = sk.Fake(lambda request: texts[request.index // 2])
    make(diverse("Write.", n=6, rounds=3, strength=0.3, top=3), model)
    assert all(request.sampling.logprobs for request in model.asked)
    assert [bias(one) for one in model.asked[:2]] == [{}, {}]
    # 8 tokens: the 4, soup 2, tea 2, all above 1 percent
    assert [bias(one) for one in model.asked[2:4]] == [{"the": -0.3, "soup": -0.3, "tea": -0.3}] * 2
    # 12 tokens: the 6, end 2, soup 2, tea 2; of equal ones the first by text
    assert [bias(one) for one in model.asked[4:]] == [{"the": -0.3, "end": -0.3, "soup": -0.3}] * 2


def test_a_token_below_one_percent_is_suppressed_by_its_share() -> None:
    seen = {"the": 50, "soup": 9, "tea": 4, "rare": 1, "�": 600, "x": 336}
    found = suppression(seen, 7.5, 5)
    # of 1,000 tokens: 5, 0.9, 0.4 and 0.1 percent
    assert found == pytest.approx({"x": -7.5, "the": -7.5, "soup": -6.75, "tea": -3, "rare": -0.75})
    assert list(suppression(seen, 7.5, 2)) == ["x", "the"]
    assert suppression({}, 7.5, 100) == {}


def test_suppression_adds_to_what_the_sampling_has(make: Make) -> None:
    model = sk.Fake("so so")
    make(diverse("Write.", n=2, rounds=2, sampling=sk.Sampling(extra={"top_k": 5})), model)
    assert [one.sampling.extra for one in model.asked] == [
        {"top_k": 5, "token_bias": {}},
        {"top_k": 5, "token_bias": {"so": -7.5}},
    ]


def test_without_suppression_any_model_will_do(make: Make) -> None:
    class Mute(sk.Fake):
        def _complete(self, request: Request) -> Completion:
            return replace(super()._complete(request), logprobs=None)

    model = Mute()
    recipe = diverse("Write.", n=4, strength=0)
    expects(recipe, make(recipe, model))
    assert {(one.sampling.logprobs, str(one.sampling.extra)) for one in model.asked} == {
        (False, "{}")
    }
    with pytest.raises(UsageError, match=r"does not return its tokens .* use strength=0"):
        make(diverse("Write.", n=4), Mute(name="m"))


def test_a_server_refuses_before_anything_is_asked(make: Make) -> None:
    endpoint = load_model("openai:x", base_url="http://127.0.0.1:9/v1", api_key="none")
    with pytest.raises(UsageError, match="token_bias needs a model on this machine") as failure:
        make(diverse("Write.", n=4), endpoint)
    run = failure.value.run
    assert run is not None
    assert run.ledger.requests == 0


def test_a_killed_run_goes_on(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: diverse(REVIEW, n=5, rows=DISHES))
    assert len(run.table) == 15


def test_no_answer_counts_as_no_tokens(make: Make) -> None:
    recipe = diverse("Write.", n=4, rounds=2)
    model = sk.Fake("")
    run = make(recipe, model)
    expects(recipe, run)
    assert run.rejects.reason.tolist() == ["empty answer"] * 4
    assert run.rejects["round"].tolist() == [1, 1, 2, 2]
    assert run.rejects.temperature.tolist() == [0.3, 0.7, 0.9, 1.3]
    assert [bias(one) for one in model.asked] == [{}] * 4
    failing = make(recipe, sk.Fake(fail=1))
    assert failing.rejects.reason.tolist() == ["fake was told to fail"] * 4


@pytest.mark.parametrize("text", ["<p>Hot</p>", '{"text": 1}', "\\x00", "ü" * 5000])
def test_whatever_a_model_writes_is_the_text(make: Make, text: str) -> None:
    assert make(diverse("Write.", n=2), sk.Fake(text)).table.text.tolist() == [text] * 2


def test_more_rounds_than_texts_are_one_text_each(make: Make) -> None:
    assert make(diverse("Write.", n=2, rounds=9)).table["round"].tolist() == [1, 2]
    empty = diverse("{{ x }}", n=2, rows={"x": []})
    assert str(empty.requests) == "0"
    assert list(make(empty).table) == ["id", "x", "text", "round", "temperature"]


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({"n": 0}, UsageError, "n must be at least 1"),
        ({"rounds": 0}, UsageError, "rounds must be at least 1"),
        ({"top": 0}, UsageError, "top must be at least 1"),
        ({"temperatures": []}, UsageError, "temperatures: expected one or more"),
        ({"temperatures": [0.3, 3]}, UsageError, "temperature must be from 0 to 2; got 3"),
        ({"temperatures": ["hot"]}, UsageError, "temperature must be a number; got 'hot'"),
        ({"strength": -1}, UsageError, "strength must be 0 or more; got -1"),
        ({"strength": float("nan")}, UsageError, "strength must be 0 or more; got nan"),
        (
            {"sampling": sk.Sampling(extra={"token_bias": {"a": 1}})},
            UsageError,
            "diverse sets token_bias itself",
        ),
        ({"prompt": "{{ dsh }}"}, PromptError, "Did you mean 'dish'"),
        ({"rows": [{"text": "a"}], "prompt": "{{ text }}"}, TableError, "'text', which the rows"),
        ({"rows": [{"dish": "a"}, {"dish": None}]}, PromptError, "row 1: .*'dish' has no value"),
    ],
)
def test_what_cannot_be_asked_is_refused(options: Any, error: type[Exception], match: str) -> None:
    arguments = {"prompt": REVIEW, "n": 2, "rows": DISHES} | options
    with pytest.raises(error, match=match):
        diverse(arguments.pop("prompt"), **arguments)


@pytest.mark.model
def test_tokens_of_the_first_round_fade_in_the_second_of_smollm2(
    make: Make, smollm2: Any, session: sk.Session
) -> None:
    short = sk.Sampling(max_tokens=16)

    def token_counts(strength: float) -> list[Counter[str]]:
        """The tokens of either round."""
        recipe = diverse("A review of soup.", n=8, rounds=2, strength=strength, sampling=short)
        run = make(recipe, smollm2)
        expects(recipe, run)
        counts = [Counter[str](), Counter[str]()]
        for row in tables.records(run.table):
            (step,) = session.trace(row["id"])
            assert step.completion.text.strip() == row["text"]
            counts[row["round"] - 1].update(token for token, _ in step.completion.logprobs or ())
        return counts

    before, plain = token_counts(1e-9)  # as good as nothing, but the tokens are told
    again, suppressed = token_counts(7.5)
    assert again == before
    shares = [
        sum(counts[token] for token in before) / counts.total() for counts in (plain, suppressed)
    ]
    assert shares[0] > 0.1
    assert shares[1] < shares[0] / 4
