"""Queries, provenance and saving in the preview of a run; test_show tests them for tables."""

from __future__ import annotations

import threading
from pathlib import Path

from synthkit.core.types import Mark, Sampling
from synthkit.generation.job import plan
from synthkit.models.fake import Fake
from synthkit.notebook.run_preview import open_preview, run_job
from synthkit.notebook.widgets.grid.preview import Preview
from synthkit.sessions.session import Session
from tests.notebook.widgets.grid.test_preview import Clock, feed, preview
from tests.notebook.wire import ask, messages, numbers, query, trail


def mixed(n: int = 6) -> Preview:
    """Rows 1, 2, 4, 5 and so on; every third is a reject."""
    widget = preview(total=100)
    more(widget, 0, n)
    return widget


def more(widget: Preview, start: int, n: int) -> None:
    for i in range(start, start + n):
        if i % 3 == 2:
            widget.add(i, None, (f"raw {i}", "not JSON"), 1, False)
        else:
            widget.add(i, {"text": f"Row {i}", "stars": i % 4 or None}, None, 50 - i, False)
    widget.flush()


def test_missing_cells_are_sorted_last_in_both_directions() -> None:
    widget = mixed()
    assert query(widget, by=":stars") == [2, 4, 1, 3, 5, 6]  # stars 1, 3, then none
    assert query(widget, by=":stars", down=True) == [4, 2, 1, 3, 5, 6]
    assert query(widget, by="#", down=True) == [6, 5, 4, 3, 2, 1]
    assert query(widget, by="tok") == [3, 6, 5, 4, 2, 1]
    assert query(widget) == [1, 2, 3, 4, 5, 6]


def test_filter_search_and_choice_of_rejects_are_combined() -> None:
    widget = mixed(12)
    assert query(widget, where="stars > 1") == [4, 7, 8, 11]
    assert query(widget, search="ROW 1") == [2, 11]
    assert query(widget, where="stars > 1", search="row 1") == [11]
    assert query(widget, which="rejects") == [3, 6, 9, 12]
    assert query(widget, which="rejects", search="raw 11") == [12]
    assert query(widget, search="not json") == [3, 6, 9, 12]
    assert query(widget, which="rows", where="not stars > 1") == [1, 2, 5, 10]
    assert query(widget, where="not stars > 1") == [1, 2, 5, 10]


def test_an_invalid_query_is_refused_and_changes_nothing() -> None:
    widget = mixed()
    query(widget, where="stars > 1")
    before = dict(widget.view)
    for wrong, message in [
        ({"where": "stars >"}, "expected a value; got the end.\n  stars >\n         ^"),
        ({"by": ":nothing"}, "the rows cannot be sorted by ':nothing': no such column."),
        ({"which": "some"}, "expected one of all, rows, rejects; got 'some'."),
    ]:
        query(widget, **wrong)
        assert messages(widget, "shown")[-1]["refused"] == message
        assert widget.view == before


def test_matching_rows_that_arrive_later_come_at_the_end() -> None:
    widget = mixed()
    query(widget, where="stars > 1")
    assert widget.view["size"] == 1
    more(widget, 6, 6)
    assert (widget.view["size"], widget.view["of"]) == (4, 12)
    pushed = messages(widget, "rows")[-1]
    assert (pushed["query"], pushed["start"]) == (widget.view["query"], 1)
    assert [row["at"] for row in pushed["rows"]] == [7, 8, 11]
    assert numbers(widget) == [4, 7, 8, 11]


def test_a_sorted_view_says_how_many_are_new_and_does_not_move() -> None:
    widget = mixed()
    assert query(widget, by="#", down=True, which="rows") == [5, 4, 2, 1]
    more(widget, 6, 3)
    assert (widget.view["fresh"], widget.view["size"]) == (2, 4)
    assert numbers(widget) == [5, 4, 2, 1]
    assert query(widget, by="#", down=True, which="rows") == [8, 7, 5, 4, 2, 1]
    assert widget.view["fresh"] == 0


def test_messages_about_an_older_query_are_not_answered() -> None:
    widget = mixed()
    query(widget, where="stars > 1")
    sent = len(widget.comm.sent)
    for stale in (
        {"type": "page", "start": 0},
        {"type": "row", "index": 0},
        {"type": "trail", "index": 5},
    ):
        ask(widget, query=0, **stale)
    assert len(widget.comm.sent) == sent
    assert widget.error == ""


def test_a_view_opened_later_has_the_first_rows_of_the_query() -> None:
    widget = mixed(12)
    query(widget, where="stars > 1", by="#", down=True)
    assert [row["at"] for row in widget.first] == [11, 8, 7, 4]
    state = widget.get_state()["view"]
    assert (state["where"], state["by"], state["down"]) == ("stars > 1", "#", True)


def test_a_view_is_narrowed_to_some_ids_and_widened_again() -> None:
    widget = Preview("reviews", 9, ["text"], "fake", id_of=lambda n: f"id{n}", clock=Clock())
    feed(widget, 9)
    widget.finish("done")
    widget.narrow(["id7", "id2", "elsewhere"])
    assert (numbers(widget), widget.view["narrowed"]) == ([3, 8], 3)
    assert query(widget, search="row 7") == [8]
    assert widget.shown["id"].tolist() == ["id7"]
    ask(widget, type="widen")
    assert (numbers(widget), widget.view["narrowed"]) == ([8], None)
    assert widget.name == "reviews"


def test_queries_while_rows_arrive_lose_none() -> None:
    widget = Preview("reviews", 20_000, ["text", "stars"], "fake")
    thread = threading.Thread(target=feed, args=(widget, 20_000))
    thread.start()
    while thread.is_alive():
        query_all = {"where": "stars >= 10", "which": "rows"}
        ask(widget, type="show", search="", by="", down=False, **query_all)
    thread.join()
    widget.finish("done")
    assert numbers(widget) == list(range(11, 20_001))


def test_the_kind_of_each_column_is_detected() -> None:
    columns = ["text", "stars", "mood", "tags", "none", "flag"]
    widget = Preview("reviews", 40, columns, "fake", clock=Clock())
    for i in range(40):
        row = {
            "text": f"t{i}",
            "stars": i / 2 if i else None,
            "mood": "ab"[i % 2],
            "tags": [i],
            "flag": True,
        }
        widget.add(i, row, None, 1, False)
    widget.add(40, None, ("raw", "why"), 1, False)
    widget.finish("done")
    ask(widget, type="kinds")
    kinds = [(kind["kind"], kind["empty"], kind["values"]) for kind in widget.kinds]
    assert kinds == [
        ("text", 0, 0),
        ("number", 1, 0),
        ("label", 0, 2),
        ("list", 0, 0),
        ("", 40, 0),
        ("label", 0, 1),
    ]


def test_rows_are_copied_up_to_a_limit_which_is_shown() -> None:
    widget = preview(total=2500)
    feed(widget, 2500)
    widget.finish("done")
    query(widget, where="stars >= 100", by="#", down=True)
    ask(widget, type="copy", form="tsv", query=widget.view["query"], index=None)
    copied = messages(widget, "copied")[-1]
    lines = copied["text"].splitlines()
    assert (lines[0], lines[1], len(lines)) == ("text\tstars", "row 2499\t2499", 1001)
    assert copied["told"] == (
        "Copied 1\u202f000 rows of 2\u202f400, the most that is copied at once. Save writes all."
    )
    ask(widget, type="copy", form="jsonl", query=widget.view["query"], index=2)
    assert messages(widget, "copied")[-1] == {
        "type": "copied",
        "text": '{"text": "row 2497", "stars": 2497}\n',
        "told": "Copied 1 row.",
    }


def test_a_copy_is_at_most_about_a_megabyte() -> None:
    widget = preview(total=9)
    for i in range(9):
        widget.add(i, {"text": "=" + "x" * 400_000, "stars": 1}, None, 1, False)
    widget.finish("done")
    text, message = widget.copied("csv")
    assert len(text) < 1_000_000
    assert message == (
        "Copied 2 rows of 9, the most that is copied at once. Save writes all. "
        "2 cells start with =, +, - or @: a spreadsheet may read them as formulas."
    )


def test_an_empty_view_cannot_be_copied() -> None:
    widget = mixed()
    query(widget, search="nowhere")
    ask(widget, type="copy", form="csv", query=widget.view["query"], index=None)
    assert messages(widget, "told")[-1]["text"] == "there are no rows to copy."


def test_rows_are_saved_with_ids_and_no_file_is_overwritten_unasked(
    tmp_path: Path,
) -> None:
    widget = mixed()
    query(widget, where="stars is empty", which="rows")
    path = tmp_path / "reviews.csv"
    ask(widget, type="save", path=str(path), overwrite=False)
    assert messages(widget, "told")[-1] == {
        "type": "told",
        "text": f"Saved 2 rows with ids to {path}.",
        "failed": False,
    }
    assert path.read_text() == "id,text,stars\n0,Row 0,\n4,Row 4,\n"
    query(widget)
    ask(widget, type="save", path=str(path), overwrite=False)
    refused = messages(widget, "told")[-1]
    assert refused["failed"]
    assert refused["again"] == str(path)
    assert path.read_text().count("\n") == 3
    ask(widget, type="save", path=str(path), overwrite=True)
    assert path.read_text().splitlines()[3] == "2,,,raw 2,not JSON"
    ask(widget, type="save", path=str(tmp_path / "x.xlsx"), overwrite=False)
    assert "expected a file that ends in" in messages(widget, "told")[-1]["text"]
    assert widget.error == ""


def test_a_row_of_a_run_has_its_provenance(tmp_path: Path) -> None:
    with Session(tmp_path) as session:
        planned = plan(
            "--- system\nBe brief.\n--- user\nOn {{ topic }}.",
            vary={"topic": ["bread", "soup"]},
            labels=["good", "bad"],
            model=Fake(lambda r: "good" if "bread" in r.messages[-1].content else "<b>?</b>"),
            session=session,
            sampling=Sampling(temperature=0, seed=3),
            name="moods",
        )
        feed = open_preview(planned, None)
        run, widget = run_job(planned, feed), feed.preview
        (id,) = run.table["id"]
        session.store.marks.add(
            [
                Mark(id=id, label="reject", by="ana", at=0),
                Mark(id=id, label="accept", reason="warm", by="ana", at=60),
            ]
        )
        parts = trail(widget, 0)
        assert parts["id"] == id
        assert (parts["system"], parts["user"]) == ("Be brief.", "On bread.")
        assert (parts["raw output"], parts["model"], parts["finish"]) == (
            "good",
            "fake",
            "stop",
        )
        assert parts["sampling"] == "temperature 0.0, max_tokens 256"
        assert parts["seed"] == f"{planned.requests[0].row_seed}, made from 3"
        assert (parts["sample index"], parts["time"]) == ("0", "0.00 s")
        assert (parts["tokens in"], parts["tokens out"]) == ("4", "1")
        assert parts["accept"] == "warm, by ana, 1970-01-01 00:01 UTC"
        assert "reject" not in parts
        rejected = trail(widget, 1)
        assert rejected["rejected"].startswith("names none of the labels")
        assert (rejected["raw output"], rejected["marks"]) == ("<b>?</b>", "none yet")


def test_each_query_is_answered_by_its_turn() -> None:
    widget = mixed()
    query(widget, turn=7, where="stars > 1")
    query(widget, turn=8, where="stars >")
    first, second = messages(widget, "shown")
    assert (first["turn"], first["refused"]) == (7, "")
    assert second["turn"] == 8
    assert "expected a value" in second["refused"]
