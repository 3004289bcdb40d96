from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Request
from synthkit.models.openai.model import endpoint
from synthkit.recipes import ifd, likelihood, perplexity
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


ROWS = [
    {"id": "a", "text": "A warm loaf.", "instruction": "Describe bread.", "label": "good"},
    {"id": "b", "text": "Cold soup again.", "instruction": "Be rude.", "label": "bad"},
]


@pytest.mark.parametrize("text", [None, "", " ", "word"])
def test_a_text_without_tokens_to_score_is_a_reject(make: Make, text: str | None) -> None:
    rows = [{"text": text, "instruction": "Say."}, {"text": "two words", "instruction": "Say."}]
    for recipe in (perplexity(rows=rows), ifd(rows=rows)):
        run = make(recipe)
        assert (len(run.table), len(run.rejects)) == (1, 1)
        why = "it is a single token" if text == "word" else "'text' is missing or blank"
        assert why in run.rejects.reason[0]
        expects(recipe, run)


def test_a_server_that_cannot_score_is_refused_with_what_to_use(make: Make) -> None:
    model = endpoint("gpt", base_url="http://127.0.0.1:9/v1")
    with pytest.raises(UsageError, match=r'cannot score given texts; .* such as "smollm2"'):
        make(perplexity(rows=ROWS), model)


def test_a_model_that_fails_or_gives_no_scores_makes_rejects(make: Make) -> None:
    run = make(perplexity(rows=ROWS), sk.Fake(fail=1))
    assert run.rejects.reason.tolist() == ["fake was told to fail"] * 2

    class Mute(sk.Fake):
        def _scored(self, request: Request, text: str, prompt_tokens: int) -> Any:
            return sk.core.types.Completion(text)

    run = make(likelihood(rows=ROWS, labels="good,bad"), Mute(name="mute"))
    assert "use one on this machine" in run.rejects.reason[0]


@pytest.mark.parametrize(
    ("build", "error", "match"),
    [
        (lambda: likelihood(rows=ROWS, labels="good"), UsageError, "labels must be two or more"),
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

    engine: Any = sk.load_model("smollm2", engine="transformers").load()
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
