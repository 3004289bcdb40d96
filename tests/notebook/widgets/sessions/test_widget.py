"""The session browser without a browser; tests/browser tests its front end."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, UsageError
from synthkit.core.models import Ledger
from synthkit.core.types import Mark
from synthkit.notebook.widgets.sessions import overview, widget
from synthkit.notebook.widgets.sessions.widget import SessionBrowser
from synthkit.sessions import bundle_import
from synthkit.store import store as store_module
from tests.notebook.conftest import Shell
from tests.sessions.contents import fill


@pytest.fixture
def full(session: sk.Session) -> sk.Session:
    fill(session)
    return session


def ask(browser: SessionBrowser, **content: Any) -> dict[str, Any]:
    """What a message from the page is answered with; empty if with nothing."""
    before = len(browser.comm.sent)
    data = {"method": "custom", "content": content}
    browser.comm.handle_msg({"content": {"data": data}, "buffers": []})
    for sent in browser.comm.sent[before:]:
        if sent["method"] == "custom":
            reply: dict[str, Any] = sent["content"]
            return reply
    return {}


def cells(browser: SessionBrowser, of: str) -> list[list[Any]]:
    return [row["cells"] for row in browser.first[of]["rows"]]


def test_runs_and_tables_come_newest_first(full: sk.Session) -> None:
    browser = SessionBrowser(full, label="work")
    runs = cells(browser, "runs")
    assert [(row[0], row[2], row[3], row[4]) for row in runs] == [
        ("2", "replies", "fake", "3"),
        ("1", "said", "fake", "3"),
    ]
    tables = {row[0]: row[4:] for row in cells(browser, "tables")}
    assert tables == {
        "good": ["run 1, 2 part of said", "2 accept"],
        "replies": ["run 2, 3 generated from said", "–"],
        "said": ["run 1", "3 accept"],
    }
    counts = ["2 runs", "3 tables", "6 completions", "3 marks"]
    assert browser.overview["counts"][:4] == counts
    assert browser.overview["marks"] == [["–", "ana", "accept", "round 1", "3"]]
    assert browser.overview["labs"] == ["tone"]


def test_a_run_without_a_name_has_its_prompt(full: sk.Session) -> None:
    full.store.runs.add("", "fake", "Say {{ x }}\nto the cook.", 0, sk.core.models.Ledger())
    row = SessionBrowser(full).first["runs"]["rows"][0]
    assert (row["cells"][2], row["label"]) == (
        "Say {{ x }} to the cook.",
        "run 3 (Say {{ x }} to the cook.)",
    )


def test_the_graph_has_places_and_edges(full: sk.Session) -> None:
    graph = SessionBrowser(full).graph
    places = {box["name"]: (box["x"], box["y"]) for box in graph["boxes"]}
    assert places == {"said": (0, 0), "replies": (1, 0), "good": (1, 1)}
    assert graph["edges"] == [
        ["said", "replies", "generated from", 3],
        ["said", "good", "part of", 2],
    ]


def test_ten_thousand_runs_go_in_pages(session: sk.Session) -> None:
    with closing(sqlite3.connect(session.store.path)) as db, db:
        row = ("a name", "m", "p" * 1000, 1.0, 5, json.dumps({"requests": 5, "hits": 0,
               "rejects": 0, "prompt_tokens": 1, "completion_tokens": 1, "seconds": 1.0,
               "cost": 0.25, "stopped": ""}))  # fmt: skip
        insert = "INSERT INTO runs (name, model, prompt, at, rows, ledger) VALUES (?,?,?,?,?,?)"
        db.executemany(insert, [row] * 10_000)
    browser = SessionBrowser(session)
    assert browser.first["runs"]["total"] == 10_000
    page = ask(browser, type="page", of="runs", start=9_980)["rows"]
    assert [page[0]["which"], page[-1]["which"]] == [20, 1]
    assert ask(browser, type="page", of="runs", start=20_000)["rows"] == []
    assert browser.overview["chart"]["unit"] == "US dollars"
    points = browser.overview["chart"]["points"]
    assert len(points) <= overview.CHART_POINTS + 1
    assert points[-1] == [1.0, 2500.0, 10_000]


def test_lists_are_sorted_and_filtered_as_tables_are(full: sk.Session) -> None:
    browser = SessionBrowser(full)
    query = {"where": "", "search": "", "which": "all", "by": ":name", "down": True}
    ask(browser, type="show", of="tables", query=query)
    assert [row[0] for row in cells(browser, "tables")] == ["said", "replies", "good"]
    ask(browser, type="show", of="tables", query=query | {"where": "rows > 2", "search": "RUN 2"})
    assert [row[0] for row in cells(browser, "tables")] == ["replies"]
    assert browser.first["tables"]["total"] == 1
    full.save("more", full.load("said"))
    browser.refresh()
    assert [row[0] for row in cells(browser, "tables")] == ["replies"]
    ask(browser, type="show", of="tables", query=query | {"where": "nothing > 2"})
    assert "column 'nothing' not found" in browser.error
    assert browser.first["runs"]["total"] == 2


def test_a_saved_browser_is_small_whatever_the_session_holds(session: sk.Session) -> None:
    long = "x" * 100
    ids = [f"{n:016x}" for n in range(50)]
    for n in range(60):
        session.save(f"{long[:97]}{n:03}", pd.DataFrame({"id": ids[: 50 - n // 2]}))
        session.store.runs.add(f"{n}" + "ä" * 500, "m" * 5000, "p" * 50_000, 1, Ledger())
        session.store.labs.put(f"{n} " + "l" * 500, {})
        session.store.marks.add([Mark(id="a", label=f"{n}" + "y" * 500, by="b" * 500)])
    browser = SessionBrowser(session)
    state = {name: browser.get_state()[name] for name in ("overview", "first", "graph", "about")}
    assert len(json.dumps(state)) < 30_000
    assert len(ask(browser, type="page", of="tables", start=0)["rows"]) == widget.PAGE
    assert browser.graph["hidden"] > 20
    assert len(json.dumps(browser.graph)) <= overview.GRAPH_BYTES


def test_an_empty_session_has_empty_lists(session: sk.Session) -> None:
    browser = SessionBrowser(session)
    assert browser.first == {
        "runs": {"total": 0, "rows": []},
        "tables": {"total": 0, "rows": []},
    }
    assert browser.graph == {"boxes": [], "edges": [], "hidden": 0}
    assert browser.overview["chart"]["points"] == []


def test_a_refresh_shows_changes_of_other_kernels(full: sk.Session) -> None:
    browser = SessionBrowser(full)
    changes: list[int] = []
    browser.changed = lambda: changes.append(1)
    ask(browser, type="refresh")
    assert changes == []
    with sk.Session(full.folder) as other:
        sk.generate("More.", model=sk.Fake(), session=other, name="more")
    ask(browser, type="refresh")
    assert browser.first["runs"]["total"] == 3
    assert changes == [1]
    full.store.marks.add([Mark(id="z", label="reject", by="bo")])
    ask(browser, type="refresh")
    assert browser.overview["counts"][3] == "4 marks"


def test_a_reopened_table_replaces_another_only_if_confirmed(full: sk.Session) -> None:
    names: dict[str, Any] = {}
    browser = SessionBrowser(full, names)
    reply = ask(browser, type="reopen", name="good", over=False)
    assert (reply["type"], reply["text"]) == ("cell", "%synth show good")
    assert names["good"].equals(full.load("good"))
    assert ask(browser, type="reopen", name="good", over=False)["type"] == "cell"
    names["good"] = mine = names["good"].assign(text="mine")
    reply = ask(browser, type="reopen", name="good", over=False)
    assert reply == {
        "type": "occupied",
        "name": "good",
        "told": "good is a table of 2 rows, with other content, now.",
    }
    assert names["good"] is mine
    names["said"] = 7
    assert "said is a int now" in ask(browser, type="reopen", name="said", over=False)["told"]
    assert ask(browser, type="reopen", name="good", over=True)["type"] == "cell"
    assert names["good"].equals(full.load("good"))


def test_a_table_name_becomes_a_valid_variable(session: sk.Session) -> None:
    session.save("2.b-c", [{"id": "a"}])
    names: dict[str, Any] = {}
    reply = ask(SessionBrowser(session, names), type="reopen", name="2.b-c", over=False)
    assert reply["text"] == "%synth show table_2_b_c"
    assert list(names) == ["table_2_b_c"]


def test_only_an_announced_deletion_is_made(full: sk.Session) -> None:
    browser = SessionBrowser(full)
    what = {"run": 2, "completions": True}
    ask(browser, type="delete", what=what)
    assert "ask first what a deletion would take" in browser.error
    said = ask(browser, type="would", what=what)
    assert said["goes"].startswith("This deletes run 2, table replies with 3 rows, 3 completions (")
    assert said["goes"].endswith("It cannot be undone.")
    ask(browser, type="delete", what={"run": 1, "completions": True})
    assert "ask first what a deletion would take" in browser.error
    assert len(full.runs()) == 2
    ask(browser, type="would", what=what)
    done = ask(browser, type="delete", what=what)
    assert done["told"].startswith("Deleted: run 2, table replies with 3 rows, 3 completions.")
    assert browser.first["runs"]["total"] == 1
    assert full.names() == ["good", "said"]


def test_a_deletion_that_changed_is_announced_again(full: sk.Session) -> None:
    browser = SessionBrowser(full)
    what = {"run": 2, "completions": True}
    ask(browser, type="would", what=what)
    full.store.marks.add([Mark(id=full.load("replies")["id"][0], label="accept", by="bo")])
    again = ask(browser, type="delete", what=what)
    assert again["goes"].startswith("The session has changed. This deletes run 2")
    assert "2 completions" in again["goes"]
    assert len(full.runs()) == 2
    assert ask(browser, type="delete", what=what)["type"] == "done"
    assert len(full.runs()) == 1


def test_two_runs_are_compared(full: sk.Session) -> None:
    full.store.marks.add([Mark(id=full.load("replies")["id"][0], label="reject", by="ana")])
    found = ask(SessionBrowser(full), type="compare", a=1, b="replies")
    facts = {row[0]: row[1:] for row in found["facts"]}
    assert facts[""] == ["run 1", "run 2"]
    assert facts["table"] == ["said", "replies"]
    assert facts["accepted"] == ["1.00 [0.44, 1.00] of 3", "0.00 [0.00, 0.79] of 1"]
    assert found["lines"][0] == "0 rows in common, 3 only in run 1, 3 only in run 2."
    assert any(kind == "in" and "Answer" in text for kind, text in found["prompt"])


def test_a_comparison_lists_significant_differences_of_scores(full: sk.Session) -> None:
    for name, text in (("warm", "warm bread {} {}"), ("cold", "cold soup {} again again")):
        fake = sk.Fake(lambda r, text=text: text.format(r.row_seed, r.row_seed % 7), name="fake")
        rows = sk.generate(f"Say {name}.", n=12, model=fake, session=full, name=name).table
        full.evaluate(rows, name=name, column="text", metrics=["distinct-1", "MTLD"])
    lines = ask(SessionBrowser(full), type="compare", a=3, b="cold")["lines"]
    assert lines[1] == "distinct-1: 0.417 against 0.25, better."
    assert lines[3] == "No significant difference in 0 of 2 metrics (2 comparisons together, Holm)."
    same = ask(SessionBrowser(full), type="compare", a=3, b=3)["lines"]
    assert same[1].startswith("No significant difference in 2 of 2 metrics (")


def test_the_cell_of_a_run_is_returned_unchanged(shell: Shell) -> None:
    shell.run("%%synth facts --model fake --vary t=a,b  --seed 3\nSay {{ t }}.\n")
    here = sk.session(".synthkit")
    reply = ask(SessionBrowser(here), type="cell", run=1)
    assert reply["text"] == "%%synth facts --model fake --vary t=a,b  --seed 3\nSay {{ t }}."
    shown = shell.run(reply["text"])
    assert "2 rows, 2 cached, 0 generated" in shown


def test_a_session_is_exported_and_imported(full: sk.Session, tmp_path: Path) -> None:
    browser = SessionBrowser(full)
    path = tmp_path / "out.zip"
    told = ask(browser, type="export", path=f" {path} ", tables="said, good")["told"]
    assert told.startswith(f"Written: {path}, ")
    ask(browser, type="export", path=str(path), tables="")
    assert "exists already" in browser.error
    with sk.Session(tmp_path / "empty") as other:
        taker = SessionBrowser(other)
        assert "3 completions, 1 run" in ask(taker, type="import", path=str(path))["told"]
        assert taker.first["tables"]["total"] == 2
        ask(taker, type="import", path="")
        assert "expected the path of a file" in taker.error


def test_the_same_error_is_shown_twice(full: sk.Session) -> None:
    browser = SessionBrowser(full)
    seen: list[str] = []
    browser.observe(lambda change: seen.append(change["new"]), names="error")
    for _ in range(2):
        ask(browser, type="cell", run=99)
    assert [bool(error) for error in seen] == [True, False, True]


@pytest.mark.parametrize(
    "content",
    [
        {"type": "page", "of": "secrets", "start": 0},
        {"type": "page", "of": "runs", "start": "0"},
        {"type": "would", "what": {"run": "1", "completions": False}},
        {"type": "would", "what": {}},
        {"type": "show", "of": "runs", "query": {"by": "run"}},
        {"type": "reopen", "name": "../../etc/passwd", "over": True},
        {"type": "eat"},
        {},
    ],
)
def test_an_invalid_message_shows_an_error(full: sk.Session, content: dict[str, Any]) -> None:
    browser = SessionBrowser(full)
    assert ask(browser, **content) == {}
    assert browser.error


def test_a_locked_store_shows_an_error_and_is_unchanged(
    full: sk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "PATIENCE", 0.05)
    browser = SessionBrowser(full)
    what = {"run": 2, "completions": False}
    ask(browser, type="would", what=what)
    with closing(sqlite3.connect(full.store.path, isolation_level=None)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        ask(browser, type="delete", what=what)
        assert "store.sqlite has been locked by another process" in browser.error
        busy.execute("ROLLBACK")
    assert full.names() == ["good", "replies", "said"]


def test_a_read_only_folder_shows_an_error(
    full: sk.Session, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = full.export(tmp_path / "x.zip")

    def refuse(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(bundle_import, "scratch_folder", refuse)
    browser = SessionBrowser(full)
    ask(browser, type="import", path=str(path))
    assert "the session cannot be written" in browser.error


def test_hostile_names_stay_text(session: sk.Session) -> None:
    evil = "<img src=x onerror=alert(1)>\u202e\u200b\x1b[31m\ud800"
    session.store.marks.add([Mark(id="a", label="<b>", by=evil.replace("\ud800", ""))])
    (session.folder / "tables" / "<script>.parquet").write_bytes(b"no")
    browser = SessionBrowser(session)
    assert browser.overview["marks"][0][1] == evil.replace("\ud800", "")
    (row,) = browser.first["tables"]["rows"]
    assert (row["which"], row["table"]) == ("<script>", "")
    assert row["cells"][4][0].startswith("✗ Parquet")


def test_messages_from_several_threads_are_all_answered(full: sk.Session) -> None:
    browser = SessionBrowser(full)

    def press() -> None:
        for _ in range(20):
            browser._handle_custom_msg({"type": "page", "of": "runs", "start": 0}, [])
            browser._handle_custom_msg({"type": "refresh"}, [])

    threads = [threading.Thread(target=press) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pages = [one for one in browser.comm.sent if one["method"] == "custom"]
    assert len(pages) == 80
    assert browser.error == ""


def test_the_static_output_has_runs_tables_and_lineage(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.run("%%synth seeds --model fake --n 2\nA word.")
    shell.run("%%synth said --model fake --from seeds --output reply\nOn {{ text }}.")
    shown = shell.run("%synth session")
    assert "4 completions; tables: said, seeds" in shown
    assert shown.index("\nsaid") < shown.index("\nseeds")  # the newest first, as in the widget
    assert "2 rows of said are generated from seeds" in shown
    assert shell.run("%synth session") == shown
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    live = shell.run("%synth session")
    assert len(shell.shown) == 2
    assert "2 rows of said are generated from seeds" in live


def test_export_and_import_verbs_move_a_session(shell: Shell) -> None:
    shell.run("%%synth facts --model fake --n 3\nA fact.")
    assert shell.run("%synth export out facts") == "written: out.zip\n"
    with pytest.raises(UsageError, match="exists already"):
        shell.run("%synth export out")
    shell.run("%synth export out --over")
    shell.run("%synth session elsewhere")
    told = shell.run("%synth import out.zip").splitlines()
    assert told[0] == "imported: 3 completions, 1 run, 1 table"
    line = "import synthkit; facts_2 = synthkit.session('elsewhere').load('facts')"
    assert told[1:] == [line]  # another session's facts are bound
    assert "nothing new" in shell.run("%synth import out.zip")
    with pytest.raises(StoreError, match="no bundle at"):
        shell.run("%synth import gone.zip")
