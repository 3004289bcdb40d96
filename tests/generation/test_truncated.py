"""Answers that were cut at ``max_tokens``: counted, marked, dropped, and never read as a label."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Request
from synthkit.lab.lab import PromptLab

ROWS = [{"i": 0}, {"i": 1}]


class Cut(sk.Fake):
    """A model whose answer to the request about 1 is cut, after it has reasoned about it."""

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        for done in super().complete(requests):
            assert done is not None
            at, completion = done
            about_1 = "1" in requests[at].messages[-1].content
            finish = "length" if about_1 else "stop"
            yield at, Completion(f"<think>{at}?</think>{completion.text}", finish)


def run(session: sk.Session, answer: str = "The soup was", **options: Any) -> sk.Run:
    return sk.generate("{{ i }}", rows=ROWS, model=Cut(answer), session=session, **options)


def test_cut_answers_are_counted_in_the_ledger_the_summary_and_the_repr(
    session: sk.Session,
) -> None:
    first, again = run(session), run(session)
    assert first.ledger.truncated == again.ledger.truncated == 1
    assert again.ledger.hits == 2
    assert "1 cut at max_tokens" in repr(first)
    assert "1 cut at max_tokens" in first._repr_html_()
    assert session.runs()["truncated"].tolist() == [1, 1]


def test_cut_rows_are_marked_on_request(session: sk.Session) -> None:
    marked = run(session, mark_truncated=True, reasoning=True)
    assert marked.table["truncated"].tolist() == [False, True]
    assert marked.table["reasoning"].tolist() == ["0?", "1?"]
    assert list(run(session).table.columns) == ["id", "i", "text"]


def test_cut_rows_are_dropped_on_request(session: sk.Session) -> None:
    whole = run(session, no_truncated=True)
    assert whole.table["i"].tolist() == [0]
    (reject,) = whole.rejects.to_dict("records")
    assert (reject["raw"], reject["reason"]) == ("The soup was", "the answer was cut at max_tokens")
    assert reject["id"] == run(session).table["id"][1]


@pytest.mark.parametrize(
    ("answer", "options"),
    [
        ('{"text": "a"}', {"schema": {"type": "object", "properties": {"text": {}}}, "repairs": 0}),
        ("yes", {"labels": ["yes", "no"]}),
        ("A: b", {"regex": "A: (?P<a>.+)"}),
    ],
)
def test_a_cut_answer_is_rejected_where_a_form_was_asked(
    session: sk.Session, answer: str, options: dict[str, Any]
) -> None:
    result = run(session, answer, **options)
    assert result.table["i"].tolist() == [0]
    assert result.rejects["reason"].tolist() == ["the answer was cut at max_tokens"]


def test_every_recipe_has_these_options(session: sk.Session) -> None:
    recipe = sk.recipes.self_refine("Write about {{ i }}.", rows=ROWS)
    result = sk.generate(
        recipe, model=Cut("Soup."), session=session, no_truncated=True, reasoning=True
    )
    assert result.table["i"].tolist() == [0]
    assert result.rejects["reason"].tolist() == ["the answer was cut at max_tokens"]


def test_a_column_that_is_there_already_is_refused(session: sk.Session) -> None:
    rows = [{"i": 0, "truncated": True}]
    with pytest.raises(UsageError, match="adds a column 'truncated'"):
        sk.generate("{{ i }}", rows=rows, model=sk.Fake(), session=session, mark_truncated=True)


def test_a_lab_says_which_answers_were_cut(session: sk.Session) -> None:
    lab = PromptLab(["{{ i }}"], session=session, inputs=ROWS, models=Cut("Soup."), by="me")
    lab.run()
    (column,) = lab.columns
    whole, cut = lab.cell(0, column), lab.cell(1, column)
    assert (whole.text, whole.why, cut.text) == ("Soup.", "", "Soup.")
    assert cut.why == "the answer was cut at max_tokens"
