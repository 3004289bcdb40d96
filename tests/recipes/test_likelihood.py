from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Message, Request
from synthkit.curate import apply_filters, by_column
from synthkit.models.openai.model import endpoint
from synthkit.recipes import ifd, likelihood, perplexity
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]
ROWS = [
    {"id": "a", "text": "A warm loaf.", "instruction": "Describe bread.", "label": "good"},
    {"id": "b", "text": "Cold soup again.", "instruction": "Be rude.", "label": "bad"},
]


def test_probabilities_of_labels_are_normalised_over_the_labels(make: Make) -> None:
    chances = {"good": 0.3, "bad": 0.1}

    def score(request: Request) -> float:
        return math.log(chances[str(request.answer)])

    recipe = likelihood(rows=ROWS, labels="good, bad", label="label")
    run = make(recipe, sk.Fake(score=score))
    assert run.table.likeliest.tolist() == ["good", "good"]
    assert run.table.confidence.tolist() == pytest.approx([0.75, 0.75])
    assert run.table.likelihood.tolist() == pytest.approx([0.75, 0.25])
    assert json.loads(run.table.likelihoods[0]) == pytest.approx({"good": 0.75, "bad": 0.25})
    assert (run.ledger.requests, run.ledger.completion_tokens) == (4, 0)
    expects(recipe, run)


def test_the_words_of_a_label_count_by_their_mean_unless_they_are_to_be_summed(make: Make) -> None:
    labels = {"long": "three words long", "one": "word"}

    def score(request: Request) -> float:
        return -1.0 if request.answer == "word" else -0.9

    mean = make(likelihood(rows=ROWS[:1], labels=labels), sk.Fake(score=score))
    total = make(likelihood(rows=ROWS[:1], labels=labels, per_token=False), sk.Fake(score=score))
    assert (mean.table.likeliest[0], total.table.likeliest[0]) == ("long", "one")
    assert mean.table.confidence[0] == pytest.approx(1 / (1 + math.exp(-0.1)))
    assert total.table.confidence[0] == pytest.approx(1 / (1 + math.exp(-1.7)))


def test_a_tie_and_a_label_of_none_of_them_are_rejects(make: Make) -> None:
    tied = make(likelihood(rows=ROWS[:1], labels="good,bad"), sk.Fake(score=lambda _: -1))
    assert tied.rejects.reason.tolist() == ["several labels are equally likely"]
    rows = [{"text": "x", "label": "odd"}]
    odd = make(likelihood(rows=rows, labels="good,bad", label="label"))
    assert odd.rejects.reason.tolist() == ["the label 'odd' is none of good, bad"]


def test_ifd_is_the_ratio_of_the_mean_surprises_over_the_same_tokens(make: Make) -> None:
    def score(request: Request) -> float:
        rude = request.messages and "rude" in request.messages[0].content
        return -3.0 if rude else -0.5 if request.messages else -2.0

    recipe = ifd(rows=ROWS)
    model = sk.Fake(score=score)
    run = make(recipe, model)
    assert run.table.ifd.tolist() == [0.25, 1.5]
    assert [request.answer for request in model.asked[:2]] == ["A warm loaf."] * 2
    assert model.asked[0].messages == (Message("user", "Describe bread."),)
    kept = apply_filters(run.table, by_column("ifd", most=1))
    assert kept.kept.parent.tolist() == ["a"]
    assert kept.dropped.why.tolist() == ["ifd too high: 1.5"]
    expects(recipe, run)


def test_perplexity_is_e_to_the_mean_surprise(make: Make) -> None:
    recipe = perplexity(rows=ROWS)
    run = make(recipe, sk.Fake(score=lambda _: -math.log(50)))
    assert run.table.perplexity.tolist() == pytest.approx([50, 50])
    assert run.ledger.requests == 2
    expects(recipe, run)
    model = sk.Fake()
    make(perplexity("{{ instruction }}", rows=ROWS), model)
    assert [one.messages[0].content for one in model.asked] == ["Describe bread.", "Be rude."]
    assert [one.answer for one in model.asked] == ["A warm loaf.", "Cold soup again."]


@pytest.mark.parametrize("text", [None, "", " ", "word"])
def test_a_text_without_tokens_to_score_is_a_reject(make: Make, text: str | None) -> None:
    rows = [{"text": text, "instruction": "Say."}, {"text": "two words", "instruction": "Say."}]
    for recipe in (perplexity(rows=rows), ifd(rows=rows)):
        run = make(recipe)
        assert (len(run.table), len(run.rejects)) == (1, 1)
        why = "it is a single token" if text == "word" else "'text' is missing or blank"
        assert why in run.rejects.reason[0]
        expects(recipe, run)


def test_numbers_long_texts_and_every_script_are_scored(make: Make) -> None:
    texts = ["3 4", "é 東 京 🙂 مرحبا", "a b " * 250_000, "same text", "same text"]
    run = make(perplexity(rows={"text": texts}))
    assert run.table.text.tolist() == texts
    assert run.table.id.is_unique
    assert len(make(perplexity(rows={"text": []})).table) == 0
    assert make(perplexity(rows={"text": [12.5, 3.25]})).rejects.shape[0] == 2  # single words


def test_a_server_that_cannot_score_is_refused_with_what_to_use(make: Make) -> None:
    model = endpoint("gpt", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(UsageError, match=r'does not score given ones; .* such as "smollm2"'):
        make(perplexity(rows=ROWS), model)


def test_a_model_that_fails_or_gives_no_scores_makes_rejects(make: Make) -> None:
    run = make(perplexity(rows=ROWS), sk.Fake(fail=1))
    assert run.rejects.reason.tolist() == ["fake was told to fail"] * 2

    class Mute(sk.Fake):
        def _scored(self, request: Request, text: str) -> Any:
            return sk.core.types.Completion(text)

    run = make(likelihood(rows=ROWS, labels="good,bad"), Mute(name="mute"))
    assert "use one on this machine" in run.rejects.reason[0]


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: likelihood(rows=ROWS, labels="good"), UsageError, "two or more labels"),
        (lambda: likelihood(rows=ROWS, labels="a,b", label="lable"), TableError, "Did you mean"),
        (lambda: likelihood("{{ x }}", rows=ROWS, labels="a,b"), PromptError, "field 'x'"),
        (lambda: ifd(rows=ROWS, instruction="q"), TableError, "column 'q' not found"),
        (lambda: ifd(rows=ROWS, column="q"), TableError, "column 'q' not found"),
        (lambda: perplexity(rows=ROWS, column="q"), TableError, "column 'q' not found"),
    ],
)
def test_what_cannot_be_scored_is_refused(
    build: Callable[[], Any], error: type[Exception], match: str
) -> None:
    with pytest.raises(error, match=match):
        build()


@pytest.mark.parametrize(
    "build",
    [
        lambda: likelihood(rows=ROWS, labels="good,bad"),
        lambda: ifd(rows=ROWS),
        lambda: perplexity(rows=ROWS),
    ],
)
def test_killed_scores_go_on(survives: Callable[..., sk.Run], build: Callable[[], Any]) -> None:
    assert len(survives(build).table) == 2


@pytest.mark.model
def test_smollm2_scores_as_its_forward_pass_does(make: Make, smollm2: Any) -> None:
    import torch

    engine = smollm2.load()
    text = "The soup was cold and the bread was stale."
    rows = [
        {"text": text, "instruction": "Describe a bad meal.", "label": "bad"},
        {"text": "xq zv kk wj qp", "instruction": "Describe a bad meal.", "label": "bad"},
    ]
    run = make(perplexity(rows=rows), smollm2)
    ids = engine.tokenizer(text, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        loss = float(engine.net(ids, labels=ids).loss)
    assert math.log(run.table.perplexity[0]) == pytest.approx(loss, abs=0.03)  # bfloat16
    assert run.table.perplexity[1] > 10 * run.table.perplexity[0]
    assert make(ifd(rows=rows[:1]), smollm2).table.ifd[0] < 1
    (found,) = make(likelihood(rows=rows[:1], labels="good,bad"), smollm2).table.confidence
    assert 0.5 <= found <= 1
