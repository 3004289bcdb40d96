from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable
from typing import Any

import pytest

from synthkit.core.errors import TableError, UsageError
from synthkit.data import tables
from synthkit.data.chunking import chunks, spans

PARTS = [
    *"word Ünïcödé 日本語の文章です。 🙂👍🏽 a.b end. What? (y) — ... 0.5 é".split(),
    *("x" * 90, "\n", "\n\n", "\t", "  ", "\u00a0", "\u2028", "\r\n", ""),
]


def count(text: str) -> int:
    """The most words that a text can be taken for: a run counts for each 20 characters begun."""
    return sum(-(-len(run) // 20) for run in text.split())


@pytest.mark.parametrize("seed", range(200))
def test_chunks_keep_their_bounds_and_lose_nothing(seed: int) -> None:
    draw = random.Random(seed)
    text = "".join(draw.choice(PARTS) + draw.choice(" \n ") * draw.randint(0, 2) for _ in range(60))
    words = draw.randint(1, 12)
    overlap = draw.randint(0, words - 1)
    found = list(spans(text, words, overlap))
    assert found == sorted(set(found))
    covered = bytearray(len(text))
    for start, end in found:
        assert count(text[start:end]) <= words
        assert text[start:end] == text[start:end].strip()
        covered[start:end] = b"\1" * (end - start)
    assert all(seen or letter.isspace() for seen, letter in zip(covered, text, strict=True))
    for (_, end), (start, _) in itertools.pairwise(found):
        assert count(text[start:end]) <= overlap


def test_a_chunk_ends_at_a_paragraph_before_a_sentence_before_a_word() -> None:
    text = "One two. Three four.\n\nFive six. Seven eight nine ten eleven twelve thirteen"
    assert [text[slice(*span)] for span in spans(text, 7, 0)] == [
        "One two. Three four.",
        "Five six. Seven eight nine ten eleven",
        "twelve thirteen",
    ]


def test_a_sentence_in_the_overlap_is_where_the_next_chunk_begins() -> None:
    text = "A one two three. B one two three. C one two three. D one two three."
    assert [text[slice(*span)] for span in spans(text, 8, 5)] == [
        "A one two three. B one two three.",
        "B one two three. C one two three.",
        "C one two three. D one two three.",
    ]


def test_a_full_stop_without_a_space_ends_a_sentence_where_scripts_have_none() -> None:
    text = "吾輩は猫である。名前はまだ無い。どこで生れたか頓と見当がつかぬ。"
    assert [text[slice(*span)] for span in spans(text, 2, 0)] == [
        "吾輩は猫である。名前はまだ無い。",
        "どこで生れたか頓と見当がつかぬ。",
    ]


def test_one_huge_word_is_cut() -> None:
    found = list(spans("x" * 1_000_000, 200, 0))
    assert len(found) == 250
    assert {end - start for start, end in found} == {4000}


@pytest.mark.parametrize("text", ["", " \n\t\u2003 ", None])
def test_a_blank_text_has_no_chunk(text: str | None) -> None:
    made = chunks([{"text": text}, {"text": "one"}])
    assert tables.column(made, "text") == ["one"]


def test_a_table_gives_one_of_its_kind_with_the_place_of_each_chunk(
    make: Callable[[dict[str, list[Any]]], Any], kind: str
) -> None:
    texts = ["One is here. Two is there.", "", "Ünter."]
    given = make({"id": ["a", "b", "c"], "source": ["x.md", "y.md", "z.md"], "text": texts})
    made = chunks(given, words=4, overlap=0)
    assert tables.kind(made) == kind
    assert tables.columns(made) == ["id", "parent", "source", "text", "start", "end"]
    assert [list(row.values())[1:] for row in tables.records(made)] == [
        ["a", "x.md", "One is here.", 0, 12],
        ["a", "x.md", "Two is there.", 13, 26],
        ["c", "z.md", "Ünter.", 0, 6],
    ]
    texts_of = dict(zip("abc", texts, strict=True))
    for row in tables.records(made):
        assert texts_of[row["parent"]][row["start"] : row["end"]] == row["text"]
        assert re.fullmatch("[0-9a-f]{16}", row["id"])
    assert len(set(tables.column(made, "id"))) == 3
    again = chunks(given, words=4, overlap=0)
    assert tables.column(again, "id") == tables.column(made, "id")


def test_documents_without_an_id_get_one() -> None:
    made = chunks([{"text": "one"}, {"text": "one"}])
    assert made["parent"].is_unique
    assert made["id"].is_unique


def test_no_documents_give_no_chunks() -> None:
    made = chunks({"id": [], "text": []})
    assert tables.columns(made) == ["id", "parent", "text", "start", "end"]
    assert tables.size(made) == 0


@pytest.mark.parametrize(("words", "overlap"), [(0, 0), (5, 5), (5, -1), (1, 1)])
def test_bounds_that_cannot_be_kept_are_refused(words: int, overlap: int) -> None:
    with pytest.raises(UsageError, match="overlap from 0 to below words"):
        chunks([{"text": "one"}], words=words, overlap=overlap)


def test_a_column_that_is_not_there_or_holds_no_text_is_refused() -> None:
    with pytest.raises(TableError, match="column 'text' not found; have 'id', 'body'"):
        chunks([{"body": "one"}])
    with pytest.raises(TableError, match="column 'text' must hold text; in row 1 it is 3"):
        chunks([{"text": "one"}, {"text": 3}])


def test_own_columns_of_the_rows_are_kept() -> None:
    rows = [{"id": "d", "parent": "mine", "start": 7, "text": "One. Two."}]
    (piece,) = tables.records(chunks(rows))
    assert (piece["parent"], piece["parent_2"], piece["start"], piece["start_2"]) == (
        "d",
        "mine",
        0,
        7,
    )
