"""``%synth show`` and the view of a table; tests/browser holds the browser's half."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import comm
import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from synthkit import Fake, generate
from synthkit.core.errors import TableError, UsageError
from synthkit.notebook.widgets.grid.widget import TableView
from synthkit.sessions.session import Session
from tests.notebook.conftest import Shell
from tests.notebook.wire import Wire, ask, messages, numbers, query, trail

CELLS: dict[str, list[Any]] = {
    "id": ["a", "b", "c", "d"],
    "text": ["Cold soup.", "bread", None, "x" * 1_000_000],
    "stars": [5, 2, None, 4],
}


@pytest.fixture
def session(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Session]:
    monkeypatch.setattr(comm, "create_comm", Wire)
    with Session(tmp_path / "session") as session:
        yield session
    TableView.close_all()


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame, pa.table, datasets.Dataset.from_dict])
def test_any_kind_of_table_is_sorted_filtered_searched_and_given_back(
    make: Any, session: Session
) -> None:
    table = make(CELLS)
    view = TableView(table, name="reviews", session=session)
    assert view.about["columns"] == ["text", "stars"]
    assert [row["cells"] for row in view.first] == [
        ["Cold soup.", 5],
        ["bread", 2],
        [None, None],
        [["x" * 300, 1_000_000], 4],
    ]
    assert query(view, by=":stars", down=True) == [1, 4, 2, 3]
    assert query(view, by=":text") == [2, 1, 4, 3]
    assert query(view, where="stars > 3 and chars(text) < 99") == [1]
    assert query(view, where="id in (b, c)") == [2, 3]
    assert query(view, search="SOUP") == [1]
    view.narrow(["d", "b"])
    assert query(view, by=":stars") == [2, 4]
    shown = view.shown
    assert type(shown) is type(table)
    assert pd.DataFrame({"id": list(map(str, shown["id"])), "n": [2, 4]})["id"].tolist() == [
        "b",
        "d",
    ]
    ask(view, type="kinds")
    assert [(kind["kind"], kind["empty"]) for kind in view.kinds] == [("text", 1), ("number", 1)]


def test_a_table_without_ids_is_shown_narrowed_and_saved_with_those_it_gets(
    session: Session, tmp_path: Path
) -> None:
    table = pd.DataFrame({"text": ["a", "b", "a"]})
    view = TableView(table, name="plain", session=session)
    view.narrow(None)
    ids = view.shown["id"].tolist()
    assert len(set(ids)) == 3
    view.narrow(ids[1:])
    assert numbers(view) == [2, 3]
    assert pd.read_csv(view.save(tmp_path / "p.csv"))["id"].tolist() == ids[1:]
    assert list(table.columns) == ["text"]


def test_ids_that_are_numbers_narrow_too(session: Session) -> None:
    view = TableView({"id": [7, 8, 9], "text": ["a", "b", "c"]}, name="t", session=session)
    view.narrow([9, "7"])
    assert numbers(view) == [1, 3]


def test_a_later_change_of_the_table_is_not_seen(session: Session) -> None:
    table = pd.DataFrame({"text": ["a", "b"]})
    view = TableView(table, name="t", session=session)
    table["text"] = "changed"
    assert [row["cells"] for row in view.first] == [["a"], ["b"]]
    assert query(view, search="changed") == []


def test_columns_are_chosen_and_ordered(session: Session) -> None:
    view = TableView(CELLS, name="t", session=session, columns=["stars", "id"])
    assert view.first[0]["cells"] == [5, "a"]
    assert query(view, where="text is empty") == [3]
    with pytest.raises(TableError, match="column 'star' not found"):
        TableView(CELLS, name="t", session=session, columns=["star"])
    with pytest.raises(UsageError, match="expected a value"):
        TableView(CELLS, name="t", session=session, where="stars >")


def test_a_row_that_the_session_made_tells_where_it_comes_from(session: Session) -> None:
    run = generate(
        "On {{ topic }}.", vary={"topic": ["bread", "soup"]}, model=Fake("Warm."), session=session
    )
    dropped = run.table.assign(why="near-duplicate of 8f3a")
    told = trail(TableView(dropped, name="dropped", session=session), 1)
    assert (told["user"], told["raw output"]) == ("On soup.", "Warm.")
    assert (told["id"], told["model"]) == (run.table["id"][1], "fake")
    assert told["dropped"] == "near-duplicate of 8f3a"


def test_a_row_from_elsewhere_says_that_nothing_is_known(session: Session) -> None:
    generate("Hi.", model=Fake(), session=session, rows=[{"n": i} for i in range(3)])
    table = [{"id": "0", "parent": "p1"}, {"id": "f" * 16, "parent": None}]
    view = TableView(table, name="t", session=session)
    told = trail(view, 0)
    assert told["prompt"] == "no request of this session has this id"
    assert (told["parent"], told["marks"]) == ("p1", "none yet")
    assert "parent" not in trail(view, 1)


def test_the_way_of_a_row_is_text_whatever_it_holds(session: Session) -> None:
    nasty = "<img src=x onerror=alert(1)>\x1b[31m\u202e\u200b" + "x" * 1_000_000
    run = generate("Hi.", model=Fake(lambda _: nasty), session=session)
    told = trail(TableView(run.table, name="t", session=session), 0)
    start, length = told["raw output"]
    assert (len(start), length) == (100_000, len(nasty))
    assert start.startswith("<img src=x onerror=alert(1)>\x1b[31m\u202e\u200bxxx")


@pytest.mark.parametrize("rows", [1000, 100_000])
def test_the_state_of_a_large_table_is_small(rows: int, session: Session) -> None:
    table = pd.DataFrame({"id": range(rows), "text": "x" * 500})
    view = TableView(table, name="t", session=session)
    assert len(str({**view.get_state(), "_esm": "", "_css": ""})) < 16_000
    assert (view.view["size"], len(view.first)) == (rows, 20)


def test_an_empty_table_has_a_view(session: Session) -> None:
    view = TableView(pd.DataFrame({"text": []}), name="t", session=session)
    assert (view.view["size"], view.first) == (0, [])
    assert query(view, where="text ~ a", by=":text") == []
    ask(view, type="kinds")
    assert view.kinds == [{"kind": "", "empty": 0, "values": 0, "rows": 0}]
    assert not any(answer["refused"] for answer in messages(view, "shown"))


def test_the_verb_leaves_the_first_rows_where_no_one_watches(shell: Shell) -> None:
    shell.ip.user_ns["reviews"] = pd.DataFrame(CELLS).iloc[:3]
    shown = shell.run("%synth show reviews").splitlines()
    assert [line.split() for line in shown[1:]] == [
        ["text", "stars"],
        ["Cold", "soup.", "5.0"],
        ["bread", "2.0"],
        ["null", "null"],
        [],
        ["reviews:", "3", "rows"],
    ]
    shown = shell.run(
        "%synth show reviews --columns stars --where 'stars > 3 and text ~ soup'"
    ).splitlines()
    assert shown[1:3] == ["stars", "  5.0"]
    assert shown[-1] == "reviews: 1 of 3 rows where stars > 3 and text ~ soup"


def test_the_verb_finds_the_tables_of_the_session(shell: Shell) -> None:
    shell.run("%%synth facts --model fake --n 3\nTell.")
    del shell.ip.user_ns["facts"]
    assert "facts: 3 rows" in shell.run("%synth show facts")


@pytest.mark.parametrize(
    ("line", "error", "words"),
    [
        ("nothing", TableError, "table 'nothing' not found"),
        ("t --columns no", TableError, "column 'no' not found; have 'n'"),
        ("t --where 'n >'", UsageError, "expected a value; got the end"),
        ("", UsageError, "%synth show --help explains the options"),
        ("t --wher n", UsageError, "Did you mean '--where'"),
    ],
)
def test_a_mistake_on_the_line_is_told(
    shell: Shell, line: str, error: type[Exception], words: str
) -> None:
    shell.ip.user_ns["t"] = pd.DataFrame({"n": [1]})
    with pytest.raises(error, match=words):
        shell.run(f"%synth show {line}")


def test_where_someone_watches_the_widget_comes_first_and_its_twin_after(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    shell.ip.user_ns["t"] = pd.DataFrame({"n": [1]})
    shell.run("%synth show t")
    widget, static = (output.data for output in shell.shown)
    assert widget["text/plain"] == "TableView('t', rows=1)"
    assert static["text/plain"].endswith("t: 1 row")
    assert shell["t_view"].shown["n"].tolist() == [1]
    TableView.close_all()
