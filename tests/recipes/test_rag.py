from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.data import tables
from synthkit.recipes import rag
from tests.conftest import MAKERS
from tests.recipes.conftest import BREAD, expects

Make = Callable[..., sk.Run]


def embed(texts: Sequence[str]) -> Any:
    """By the share of hot things and of dark things."""
    found = np.array([[len(re.findall(w, t.lower())) for w in ("hot|oven", "rye")] for t in texts])
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.divide(found, lengths, out=np.zeros(found.shape), where=lengths > 0)


QUESTIONS = pd.DataFrame({"id": ["q1", "q2"], "question": ["Is rye dark?", "Who? Nobody!"]})


SHOW = "{{ passages }}\n\n{{ question }}"


def test_each_question_is_answered_with_its_passages(make: Make, session: sk.Session) -> None:
    fake = sk.Fake(lambda request: request.messages[-1].content.upper())
    recipe = rag(SHOW, rows=QUESTIONS, passages=BREAD, k=2)
    run = make(recipe, fake)
    expects(recipe, run)
    assert list(run.table) == ["id", "parent", "question", "passages", "answer"]
    assert run.table[["parent", "passages"]].values.tolist() == [["q1", ["p1", "p2"]]]
    expected = f"[1] {BREAD.text[0]}\n\n[2] {BREAD.text[1]}\n\nIs rye dark?"
    assert run.table.answer.tolist() == [expected.upper()]
    assert run.rejects[["parent", "reason"]].values.tolist() == [
        ["q2", "no passage was found for it"]
    ]
    assert len(fake.asked) == 1


@pytest.mark.parametrize(
    ("by", "first"), [("bm25", "p2"), ("embedding", "p3"), (None, "p3"), ("both", "p3")]
)
def test_passages_are_found_by_words_by_embedding_or_by_both(
    make: Make, by: Any, first: str
) -> None:
    rows = [{"question": "Sour dough, and hot?"}]
    recipe = rag(SHOW, rows=rows, passages=BREAD, k=1, by=by, embed=embed)
    assert recipe.source["passages"].tolist() == [[first]]


def test_every_kind_of_table_gives_its_own_back(make: Make, kind: str) -> None:
    of_kind = MAKERS[kind]
    passages = of_kind({str(name): BREAD[name].tolist() for name in BREAD})
    questions = of_kind({str(name): QUESTIONS[name].tolist() for name in QUESTIONS})
    run = make(rag(SHOW, rows=questions, passages=passages, k=1), name="r")
    assert tables.kind(run.table) == kind
    assert tables.column(run.table, "passages") == [["p1"]]


def test_retrieval_goes_on_after_a_kill(survives: Callable[..., sk.Run]) -> None:
    rows = [{"question": f"Is rye dark in {month}?"} for month in ("May", "June", "July", "May")]
    run = survives(lambda: rag(SHOW, rows=rows, passages=BREAD))
    assert len(run.table) == 4


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: rag("Why?", rows=QUESTIONS, passages=BREAD), PromptError, "use {{ passages }}"),
        (lambda: rag(SHOW, rows=QUESTIONS, passages=BREAD, k=0), UsageError, "k must be at least"),
        (lambda: rag(SHOW, rows=BREAD, passages=BREAD), TableError, "column 'question' not found"),
        (
            lambda: rag(SHOW, rows=QUESTIONS.assign(passages=1), passages=BREAD),
            UsageError,
            "a column 'passages', which the recipe makes",
        ),
        (
            lambda: rag(SHOW, rows=QUESTIONS, passages=BREAD, by="embedding"),
            UsageError,
            "needs embed=",
        ),
        (
            lambda: rag(SHOW, rows=QUESTIONS, passages=[{"id": 1, "text": "x"}] * 2),
            TableError,
            "1 occurs twice",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(
    build: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        build()


def test_no_passages_make_no_rows(make: Make) -> None:
    run = make(rag(SHOW, rows=QUESTIONS, passages=BREAD[:0]))
    assert (len(run.table), len(run.rejects)) == (0, 2)


@pytest.mark.model
def test_an_answer_of_a_real_model_is_kept(
    make: Make, session: sk.Session, smollm2: sk.core.models.Model
) -> None:
    short = sk.Sampling(max_tokens=12)
    run = make(rag(SHOW, rows=QUESTIONS[:1], passages=BREAD, sampling=short), smollm2)
    assert run.table.passages.tolist() == [["p1", "p2"]]
    assert session.trace(run.table.id[0])[0].completion.text.strip() == run.table.answer[0]
