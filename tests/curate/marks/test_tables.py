from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from synthkit.core.errors import TableError
from synthkit.core.types import Mark
from synthkit.curate import split_by_marks
from synthkit.curate.marks.tables import MarkLog
from synthkit.data import tables

IDS = ["a", "b", "c", "d"]


def test_split_keeps_the_kind_applies_edits_and_gives_reasons(
    make: Callable[[dict[str, list[Any]]], Any], kind: str
) -> None:
    table = make({"id": IDS, "text": ["A", "B", "C", "D"], "n": [1, 2, 3, 4]})
    marks = [
        Mark(id="a", label="accept", edit={"text": "A!"}),
        Mark(id="b", label="reject", reason="too short"),
        Mark(id="c", label="skip"),
        Mark(id="absent", label="accept"),
    ]
    curation = split_by_marks(table, marks)
    assert tables.kind(curation.kept) == tables.kind(curation.dropped) == kind
    assert tables.records(curation.kept) == [{"id": "a", "text": "A!", "n": 1}]
    assert tables.records(curation.dropped) == [
        {"id": "b", "text": "B", "n": 2, "why": "too short"}
    ]
    assert tables.column(table, "text") == ["A", "B", "C", "D"]


def test_split_without_marks_is_empty_and_has_its_columns(
    make: Callable[[dict[str, list[Any]]], Any],
) -> None:
    curation = split_by_marks(make({"id": IDS, "text": IDS}), [])
    assert tables.columns(curation.kept) == ["id", "text"]
    assert tables.columns(curation.dropped) == ["id", "text", "why"]
    assert tables.size(curation.kept) == tables.size(curation.dropped) == 0


def test_the_majority_of_the_first_round_decides() -> None:
    rows = [{"id": id} for id in IDS]
    votes = {"a": "aar", "b": "ar", "c": "r", "d": "a"}
    labels = {"a": "accept", "r": "reject"}
    marks = [
        Mark(id=id, label=labels[letter], by=f"person {n}")
        for id, letters in votes.items()
        for n, letter in enumerate(letters)
    ]
    curation = split_by_marks(rows, [*marks, Mark(id="d", label="reject", by="person 0", round=2)])
    assert curation.kept["id"].tolist() == ["a", "d"]
    assert curation.dropped[["id", "why"]].to_numpy().tolist() == [["c", "rejected"]]


def test_any_other_label_accepts_the_row() -> None:
    curation = split_by_marks([{"id": "a"}, {"id": "b"}], [Mark(id="a", label="praise")])
    assert curation.kept["id"].tolist() == ["a"]


def test_rows_without_ids_are_identified_by_their_contents() -> None:
    rows = [{"text": "same"}, {"text": "same"}, {"text": "other"}]
    ids = tables.column(tables.identified(rows), "id")
    curation = split_by_marks(rows, [Mark(id=ids[1], label="accept")])
    assert curation.kept["id"].tolist() == [ids[1]]


def test_duplicate_ids_are_refused() -> None:
    with pytest.raises(TableError, match="'a' occurs twice"):
        split_by_marks([{"id": "a"}, {"id": "a"}], [])


def test_a_log_of_marks_is_a_list_that_shows_its_newest_as_a_table() -> None:
    log = MarkLog(Mark(id=f"r{n}", label="accept", reason="<b>") for n in range(25))
    assert (log[0].id, len(log), log == list(log)) == ("r0", 25, True)
    assert log.frame["id"].tolist() == [f"r{n}" for n in range(25)]
    assert "\nr24  accept" in repr(log)
    assert "\nr4 " not in repr(log)
    assert "5 older marks not shown: .frame has all" in repr(log)
    assert "&lt;b&gt;" in log._repr_html_()
