from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.types import Request
from synthkit.data import tables
from synthkit.data.chunking import chunks
from synthkit.recipes import grounded
from synthkit.recipes._grounded import NOT_THERE, span
from tests.recipes.conftest import expects

Make = Callable[..., sk.Run]


ASK = "Ask about this passage.\n{{ passage }}"


BREAD = pd.DataFrame(
    {
        "id": ["p1", "p2", "p3", "p4"],
        "source": ["rye.md", "rye.md", "oven.md", "naïve.md"],
        "text": [
            "Rye bread is dark. It keeps for a week.",
            "Rye needs a sour dough, and time.",
            "The oven should be hot: 250 °C at first.",
            "“Crêpes” aren’t bread — 東京 agrees.",
        ],
    }
)


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
    ("quote", "found"),
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
def test_a_quote_is_found_by_its_words_alone(quote: str, found: str | None) -> None:
    text = BREAD.text[3]
    place = span(quote, text)
    assert (place and text[slice(*place)]) == found


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
        (written(*[("q", "a", "Rye")] * 3), "does not follow the schema at pairs"),
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
