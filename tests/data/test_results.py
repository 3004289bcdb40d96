"""Runs and curations as static tables."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from synthkit.core.formatting import reveal
from synthkit.core.models import Ledger
from synthkit.data.results import Curation, Run, Stage, run_summary

ROWS = [
    {"id": f"{n:032x}", "topic": topic, "stars": n, "text": f"About the {topic}."}
    for n, topic in enumerate(["bread", "service", "wine"] * 4)
]
REJECTS = [
    {"id": "r1", "raw": "As an AI", "reason": "refusal"},
    {"id": "r2", "raw": "{", "reason": "not JSON"},
    {"id": "r3", "raw": "[", "reason": "not JSON"},
]
PENDING = [{"id": "p1", "topic": "bread", "reason": "interrupted"}]


def pandas(rows: list[dict[str, Any]]) -> Any:
    return pd.DataFrame(rows, columns=list(rows[0]) if rows else ["id", "reason"])


def arrow(rows: list[dict[str, Any]]) -> Any:
    return pa.Table.from_pylist(rows, None if rows else pa.schema({"id": "string"}))


def polars(rows: list[dict[str, Any]]) -> Any:
    return pl.DataFrame(rows, None if rows else ["id", "reason"])


def hugging_face(rows: list[dict[str, Any]]) -> Any:
    return datasets.Dataset.from_list(rows)


def run(
    rows: list[dict[str, Any]],
    rejects: list[dict[str, Any]] | None = None,
    pending: list[dict[str, Any]] | None = None,
    ledger: Ledger | None = None,
    make: Callable[[list[dict[str, Any]]], Any] = pandas,
) -> Run:
    return Run(make(rows), make(rejects or []), make(pending or []), ledger or Ledger())


def summary_of(text: Any) -> Any:
    """The two forms of the summary of a single row with one text."""
    return run_summary(run([{"id": "1", "text": text}]), name="t", model="m")


class Shape(HTMLParser):
    """The tags of an HTML text, checked to be closed in order, and its visible words."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words += data


@pytest.mark.parametrize("make", [pandas, arrow, polars, hugging_face])
def test_every_kind_of_table_gives_the_same_summary(make: Callable[[Any], Any]) -> None:
    ledger = Ledger(requests=9, hits=6, completion_tokens=600, prompt_tokens=12, cost=0.0)
    ledger_of_stop = Ledger(requests=9, hits=6, stopped="max_requests reached")
    assert run_summary(run(ROWS, ledger=ledger, make=make), name="reviews", model="fake").plain == (
        "topic    stars  text\n"
        "bread        0  About the bread.\n"
        "service      1  About the service.\n"
        "wine         2  About the wine.\n"
        "bread        3  About the bread.\n"
        "service      4  About the service.\n"
        "wine         5  About the wine.\n"
        "bread        6  About the bread.\n"
        "service      7  About the service.\n"
        "4 more rows in reviews\n"
        "\n"
        "reviews: 12 rows, 6 cached, 6 generated   fake   612 tokens   $0"
    )
    full = run_summary(
        run(ROWS, REJECTS, PENDING, ledger_of_stop, make), name="reviews", model="fake"
    )
    assert full.plain.splitlines()[-4:] == [
        "reviews: 12 rows, 3 rejects, 1 pending, 6 cached, 9 generated   fake   0 tokens",
        "  2 rejected: not JSON",
        "  1 rejected: refusal",
        "  1 pending: max_requests reached",
    ]


def test_rows_of_a_cached_answer_are_not_counted_as_generated() -> None:
    summary = run_summary(run(ROWS, ledger=Ledger(hits=4)), name="facts", model="fake")
    assert summary.plain.endswith("facts: 12 rows, 4 cached, 0 generated   fake   0 tokens")


def test_html_says_what_the_plain_text_says() -> None:
    ledger = Ledger(hits=6, stopped="interrupted")
    static = run_summary(
        run(ROWS[:2], REJECTS, PENDING, ledger), name="reviews", model="fake", rows=1
    )
    shape = Shape(static.html)
    assert shape.words.split("\n")[2:] == [
        "topicstarstext",
        "",
        "bread0About the bread.",
        "",
        "",
        "1 more row in reviews",
        "reviews: 2 rows, 3 rejects, 1 pending, 6 cached, 0 generated · fake · 0 tokens",
        "2 rejected: not JSON1 rejected: refusal1 pending: interrupted",
        "",
    ]
    assert shape.tags.count("th") == 3
    assert static.html.count('<th scope="col"') == 3


def test_bundle_has_both_forms_and_repr_is_the_plain_one() -> None:
    static = summary_of("hello")
    assert static._repr_mimebundle_() == {"text/plain": static.plain, "text/html": static.html}
    assert repr(static) == static.plain


def test_no_rows_leave_a_line_and_no_table() -> None:
    static = run_summary(run([]), name="reviews", model="fake")
    assert static.plain == "reviews: 0 rows, 0 cached, 0 generated   fake   0 tokens"
    assert "<table>" not in static.html


def test_a_table_of_ids_alone_is_shown() -> None:
    static = run_summary(run([{"id": "8f3a"}]), name="t", model="m")
    assert static.plain.splitlines()[:2] == ["id", "8f3a"]


def test_markup_in_a_cell_a_name_a_reason_or_a_model_is_text() -> None:
    evil = "<img src=x onerror=alert(1)></script>"
    table = [{"id": "1", evil: evil}]
    rejects = [{"id": "2", "reason": evil}]
    static = run_summary(run(table, rejects, ledger=Ledger(stopped=evil)), name=evil, model=evil)
    shape = Shape(static.html)
    assert not {"img", "script"} & set(shape.tags)
    assert shape.words.count(evil) == 6


def test_unseen_characters_are_written_as_code_points() -> None:
    static = summary_of("a\u200bb\x1b[31m\u202egnp\U000e0041")
    assert "a<U+200B>b<U+001B>[31m<U+202E>gnp<U+E0041>" in static.plain
    assert "a<code>U+200B</code>b<code>U+001B</code>[31m<code>U+202E</code>gnp" in static.html
    assert reveal("half \ud800") == "half <U+D800>"


def test_model_text_is_isolated_and_keeps_its_lines() -> None:
    static = summary_of("שלום\r\n  two")
    assert "<bdi>שלום<br>  two</bdi>" in static.html
    assert "white-space:pre-wrap" in static.html
    assert "שלום↵  two" in static.plain


def test_long_text_is_folded_with_its_length() -> None:
    static = summary_of("x" * 10_000_000)
    assert static.plain.splitlines()[1] == f"{'x' * 96}… [10\u202f000\u202f000 characters]"
    assert f"{'x' * 240}</bdi>… <em>[10\u202f000\u202f000 characters]</em>" in static.html
    assert len(static.html) < 2000


def test_columns_beyond_the_twelfth_are_counted() -> None:
    static = run_summary(run([{f"c{n}": n for n in range(40)}]), name="t", model="m")
    assert "28 more columns" in static.plain
    assert static.html.count("<td") == 12


def test_reasons_beyond_the_eighth_are_summed_up() -> None:
    rejects = [{"id": str(n), "reason": f"reason {n:02}"} for n in range(20)]
    lines = run_summary(run(ROWS, rejects), name="t", model="m").plain.splitlines()
    assert lines[-2:] == ["  1 rejected: reason 07", "  12 rejected: 12 other reasons"]


def test_wide_characters_keep_the_columns_aligned() -> None:
    rows = [{"a": "日本", "b": "x"}, {"a": "abcd", "b": "y"}, {"a": "e\u0301", "b": "z"}]
    lines = run_summary(run(rows), name="t", model="m").plain.splitlines()
    assert lines[:4] == ["a     b", "日本  x", "abcd  y", "e\u0301     z"]


def test_two_runs_of_the_same_rows_differ_in_nothing() -> None:
    slow = Ledger(requests=12, completion_tokens=9, seconds=31.4)
    fast = Ledger(requests=12, completion_tokens=9, seconds=0.2)
    first, second = (
        run_summary(run(ROWS, ledger=ledger), name="t", model="m") for ledger in (slow, fast)
    )
    assert first == second
    assert not re.search(r"0x[0-9a-f]+|\d+ s\b", first.plain + first.html)


@pytest.mark.parametrize("make", [pandas, arrow, polars, hugging_face])
def test_a_run_and_a_curation_show_themselves_as_html(make: Callable[[Any], Any]) -> None:
    html = run(ROWS, REJECTS, ledger=Ledger(requests=15), make=make)._repr_html_()
    assert "<table>" in html
    assert "12 rows, 3 rejects, 0 cached, 15 generated" in html
    stages = (Stage("length", 12, 3, {"<too long>": 9}),)
    html = Curation(make(ROWS[:3]), make(ROWS[3:]), stages)._repr_html_()
    assert "9 × &lt;too long&gt;" in html
    assert "12 rows: 3 kept, 9 dropped" in html
