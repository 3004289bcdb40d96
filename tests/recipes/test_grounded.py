from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import PromptError, TableError, UsageError
from synthkit.core.types import Request
from synthkit.data import tables
from synthkit.data.chunking import chunks
from synthkit.recipes import grounded
from synthkit.recipes._grounded import NOT_THERE, span
from tests.conftest import MAKERS
from tests.recipes.conftest import BREAD, expects

Make = Callable[..., sk.Run]


ASK = "Ask about this passage.\n{{ passage }}"


def written(*pairs: Sequence[str]) -> str:
    names = ("question", "answer", "quote")
    return json.dumps({"pairs": [dict(zip(names, pair, strict=True)) for pair in pairs]})


def passage(request: Request) -> str:
    return request.messages[-1].content.split("\n")[1]


def honest(request: Request) -> str:
    """A pair on the first words of the passage, and one on words that are not in it."""
    text = passage(request)
    return written(
        (f"What of {text[:4]}?", "So it is.", text[:12]), ("Why?", "Who knows.", "words of mine")
    )


def test_each_row_has_the_words_it_rests_on_and_others_are_rejects(
    make: Make, session: sk.Session
) -> None:
    recipe = grounded(ASK, rows=BREAD, pairs=2)
    run = make(recipe, sk.Fake(honest))
    expects(recipe, run)
    assert list(run.table) == [
        *("id", "parent", "source", "text"),
        *("question", "answer", "quote", "quote_start", "quote_end"),
    ]
    assert run.table.parent.tolist() == BREAD.id.tolist()
    assert run.table.source.tolist() == BREAD.source.tolist()
    for row in tables.records(run.table):
        assert row["quote"] == row["text"][row["quote_start"] : row["quote_end"]]
        assert len(session.trace(row["id"])) == 1
    assert run.rejects.parent.tolist() == BREAD.id.tolist()
    assert set(run.rejects.reason) == {NOT_THERE}
    assert set(run.rejects.quote) == {"words of mine"}
    assert json.loads(run.rejects.raw[0])["question"] == "Why?"
    assert {*run.table.id}.isdisjoint(run.rejects.id)


def test_a_chunk_s_quote_is_found_in_its_document(make: Make) -> None:
    documents = BREAD.assign(text=BREAD.text + "\n\n" + BREAD.text.str.upper())
    pieces = chunks(documents, words=8, overlap=2)
    run = make(grounded(ASK, rows=pieces, pairs=2), sk.Fake(honest))
    assert len(run.table) == len(pieces)
    whole = dict(zip(documents.id, documents.text, strict=True))
    document_of = dict(zip(pieces.id, pieces.parent, strict=True))
    for row in tables.records(run.table):
        begin = row["start"] + row["quote_start"]
        document = whole[document_of[row["parent"]]]
        assert document[begin : begin + len(row["quote"])] == row["quote"]


@pytest.mark.parametrize(
    ("quote", "expected"),
    [
        ("Crêpes", "Crêpes"),
        ("  aren’t bread\n", "aren’t bread"),
        ("AREN'T   BREAD", "aren’t bread"),
        ('"Crêpes" aren\'t', "Crêpes” aren’t"),
        ("bread - 東京 agrees", "bread — 東京 agrees"),
        ("“bread”", "bread"),
        ("東京", "東京"),
        (".*", None),
        ("bread agrees", None),
        ("crepes", None),
        ("", None),
        (' " ', None),
        ("aren’t bread — 東京 agrees. And more", None),
    ],
)
def test_a_quote_is_found_by_its_words_alone(quote: str, expected: str | None) -> None:
    text = BREAD.text[3]
    place = span(quote, text)
    assert (place and text[slice(*place)]) == expected


def test_a_quote_over_a_line_s_end_is_found() -> None:
    text = "Rye bread\n   is dark."
    assert span("bread is dark.", text) == (4, len(text))


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty answer"),
        ("no JSON at all", "is not JSON"),
        ("<html><body>502</body></html>", "is not JSON"),
        ('{"pairs": []}', "does not follow the schema at pairs"),
        ('{"pairs": [{"question": "q", "answer": "a"}]}', "'quote' is a required property"),
        (written(("q", "a", "\\s+")), NOT_THERE),
        (written(("q", " ", "Rye")), "the answer is empty"),
        (written(("\n", "a", "Rye")), "the question is empty"),
    ],
)
def test_an_answer_that_is_no_pair_is_a_reject(make: Make, answer: str, reason: str) -> None:
    run = make(grounded(ASK, rows=BREAD[:1], pairs=2), sk.Fake(lambda request: answer))
    assert run.table.empty
    assert reason in run.rejects.reason[0]
    assert run.rejects.parent.tolist() == ["p1"]


def test_an_answer_that_cannot_be_read_is_asked_for_again_once(make: Make) -> None:
    def late(request: Request) -> str:
        return written(("q", "a", "Rye")) if len(request.messages) > 1 else "Well,"

    run = make(grounded(ASK, rows=BREAD[:1]), sk.Fake(late))
    assert (len(run.table), run.ledger.repairs) == (1, 1)


def test_the_nearest_other_passages_are_shown_and_their_ids_kept(make: Make) -> None:
    fake = sk.Fake(honest)
    prompt = ASK + "\nOthers:\n{{ passages }}"
    run = make(grounded(prompt, rows=BREAD, pairs=2, retrieve=1), fake)
    assert dict(zip(run.table.parent, run.table.passages, strict=True)) == {
        "p1": ["p2"],
        "p2": ["p1"],
        "p3": [],
        "p4": ["p1"],
    }
    assert run.rejects.passages.tolist() == run.table.passages.tolist()
    assert f"Others:\n[1] {BREAD.text[1]}" in fake.asked[0].messages[-1].content


def test_it_goes_on_after_a_kill(survives: Callable[..., sk.Run]) -> None:
    run = survives(lambda: grounded(ASK, rows=BREAD, pairs=2), honest)
    assert (len(run.table), len(run.rejects)) == (4, 4)


def test_every_kind_of_table_gives_its_own_back(make: Make, kind: str) -> None:
    passages = MAKERS[kind]({str(name): BREAD[name].tolist() for name in BREAD})
    prompt = ASK + "\n{{ passages }}"
    run = make(grounded(prompt, rows=passages, pairs=2, retrieve=1), sk.Fake(honest))
    assert tables.kind(run.table) == kind
    assert tables.column(run.table, "passages") == [["p2"], ["p1"], [], ["p1"]]


@pytest.mark.parametrize(
    ("build", "error", "message"),
    [
        (lambda: grounded("Ask.", rows=BREAD), PromptError, "must use {{ passage }}"),
        (lambda: grounded(ASK + "{{ page }}", rows=BREAD), PromptError, "field 'page' not found"),
        (lambda: grounded(ASK + "{{ passages }}", rows=BREAD), PromptError, "field 'passages'"),
        (lambda: grounded(ASK, rows=BREAD, retrieve=1), PromptError, "does not use {{ passages }}"),
        (lambda: grounded(ASK, rows=BREAD, pairs=0), UsageError, "pairs must be at least 1"),
        (lambda: grounded(ASK, rows=BREAD, retrieve=-1), UsageError, "retrieve must be at least 1"),
        (lambda: grounded(ASK, rows=BREAD, column="body"), TableError, "column 'body' not found"),
        (
            lambda: grounded(ASK, rows=[{"text": None}]),
            TableError,
            "row 0: expected a text in 'text'; got None",
        ),
        (
            lambda: grounded(ASK, rows=[{"text": " "}]),
            TableError,
            "row 0: expected a text in 'text'; got ' '",
        ),
        (lambda: grounded(ASK, rows=[{"text": "x", "quote": 1}]), UsageError, "a column 'quote'"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_asked(
    build: Callable[[], Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=re.escape(message)):
        build()


def test_no_passages_make_no_rows(make: Make) -> None:
    run = make(grounded(ASK, rows=BREAD[:0]))
    assert (len(run.table), run.ledger.requests) == (0, 0)


def test_more_pairs_than_were_asked_for_lose_no_good_one(make: Make) -> None:
    model = sk.Fake(
        lambda request: written(
            (" ", "So it is.", passage(request)[:12]),
            ("What?", "So it is.", passage(request)[:12]),
            ("What?", "So it is.", passage(request)[:12]),
            ("Why?", "Who knows.", passage(request)[:4]),
        )
    )
    run = make(grounded(ASK, rows=BREAD[:1], pairs=2), model)
    assert run.table.question.tolist() == ["What?", "What?"]
    assert run.rejects.reason.tolist() == [
        "the question is empty",
        "beyond the 2 that were asked for",
    ]
    assert run.ledger.requests == 1
    assert model.asked[0].schema["properties"]["pairs"]["maxItems"] == 2


@pytest.mark.model
def test_pairs_of_a_real_model_quote_their_passage(
    make: Make, session: sk.Session, smollm2: sk.core.models.Model
) -> None:
    few = sk.Sampling(max_tokens=40, temperature=0.3)
    run = make(grounded(ASK, rows=BREAD[:1], pairs=1, sampling=few), smollm2)
    assert len(run.table) + len(run.rejects) == 1
    for row in tables.records(run.table):
        assert row["quote"] == BREAD.text[0][row["quote_start"] : row["quote_end"]]
    id = [*run.table.id, *run.rejects.id][0]
    assert BREAD.text[0] in session.trace(id)[0].request["messages"][0][1]
