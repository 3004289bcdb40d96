"""The marker without a browser; tests/browser tests its front end."""

from __future__ import annotations

import json
import random
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, TableError, UsageError
from synthkit.curate.marks.orders import shuffled
from synthkit.data import tables
from synthkit.notebook import Marker
from synthkit.notebook.widgets.marker.keys import bindings
from synthkit.notebook.widgets.marker.queue import AnnotationQueue
from synthkit.notebook.widgets.marker.view import QueueView
from synthkit.store import database
from tests.notebook.conftest import Shell


class Clock:
    """Seconds that go on by four at each look."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        self.now += 4
        return self.now


class Browser:
    """Presses keys as marker.js does: one act at a time, each with its number."""

    def __init__(self, marker: Marker, client: str = "page") -> None:
        self.marker, self.client, self.seq = marker, client, 0

    def act(self, do: str, **content: Any) -> dict[str, Any]:
        self.seq += 1
        return self.send(type="act", client=self.client, seq=self.seq, do=do, **content)

    def send(self, **content: Any) -> dict[str, Any]:
        data = {"method": "custom", "content": content}
        self.marker.comm.handle_msg({"content": {"data": data}, "buffers": []})
        return self.shown

    @property
    def shown(self) -> dict[str, Any]:
        shown: dict[str, Any] = self.marker.shown
        return shown

    @property
    def row(self) -> str:
        return str(self.shown["row"]["id"])

    def label(self, label: str, reason: str = "") -> dict[str, Any]:
        return self.act("label", id=self.row, label=label, reason=reason)


def rows(n: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": [f"r{i}" for i in range(n)],
            "stars": [i % 5 for i in range(n)],
            "topic": [("bread", "soup")[i % 2] for i in range(n)],
            "text": [f"A sentence about row {i}." for i in range(n)],
        }
    )


Open = Callable[..., Browser]


@pytest.fixture
def mark(session: sk.Session) -> Open:
    def open_(table: Any = None, **options: Any) -> Browser:
        defaults = {"name": "reviews", "session": session, "by": "ana", "clock": Clock()} | options
        return Browser(Marker(rows(6) if table is None else table, **defaults))

    return open_


def test_a_mark_is_on_disk_before_the_next_row_is_shown(
    mark: Open, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = mark()
    seen: list[tuple[int, str]] = []
    browser.marker.observe(
        lambda change: seen.append((len(session.store.marks.all()), change["new"]["row"]["id"])),
        names="shown",
    )
    for _ in range(3):
        browser.label("accept")
    assert seen == [(1, "r1"), (2, "r2"), (3, "r3")]


def test_actions_are_in_the_tables_of_marks(mark: Open) -> None:
    browser = mark()
    browser.label("accept")
    browser.label("reject", "too short")
    browser.label("skip")
    browser.act("edit", id="r3", text="Better.")
    browser.act("flag", id="r3")
    browser.act("reason", id="r3", reason="typo")
    browser.label("accept")
    marks = browser.marker.marks
    fields = ["id", "label", "reason", "flag", "by", "round"]
    assert marks[fields].to_numpy().tolist() == [
        ["r0", "accept", "", False, "ana", 1],
        ["r1", "reject", "too short", False, "ana", 1],
        ["r2", "skip", "", False, "ana", 1],
        ["r3", "accept", "typo", True, "ana", 1],
    ]
    assert str(marks["at"].dt.tz) == "UTC"
    assert marks["edited_text"].fillna("").tolist() == ["", "", "", "Better."]
    assert browser.marker.kept["text"].tolist() == ["A sentence about row 0.", "Better."]
    assert browser.marker.dropped[["id", "why"]].to_numpy().tolist() == [["r1", "too short"]]


@pytest.mark.parametrize("seed", range(3))
def test_a_repeated_message_marks_once(mark: Open, seed: int) -> None:
    browser, rng = mark(rows(300)), random.Random(seed)
    while browser.shown["row"]:
        row, seq = browser.row, browser.seq + 1
        browser.label("accept")
        for _ in range(rng.choice([0, 0, 1, 3])):
            again = browser.send(
                type="act", client="page", seq=seq, do="label", id=row, label="accept"
            )
            assert again["answered"] == ["page", seq, True]
    log = browser.marker.queue.session.store.marks.all()
    assert [one.id for one in log] == [f"r{i}" for i in range(300)]


def test_each_page_numbers_its_own_actions(mark: Open) -> None:
    one = mark()
    other = Browser(one.marker, "other")
    one.label("accept")
    other.label("reject")
    assert one.shown["marked"] == 2
    assert one.marker.marks["label"].tolist() == ["accept", "reject"]


def test_two_views_of_a_person_do_not_erase_each_others_marks(mark: Open) -> None:
    one, two = mark(), mark()
    one.label("accept")
    two.act("label", id="r0", label="reject", reason="dull")
    one.act("flag", id="r0")
    assert one.shown["counts"] == two.act("next")["counts"]
    one.act("undo")
    two.act("label", id="r1", label="reject")
    one.act("undo")
    marks = one.marker.marks
    assert marks[["id", "label", "reason", "flag"]].to_numpy().tolist() == [
        ["r0", "reject", "dull", False],
        ["r1", "reject", "", False],
    ]


def test_undo_and_redo_cover_all_steps_across_restarts(mark: Open) -> None:
    browser = mark()
    for label in ("accept", "reject", "skip", "accept"):
        browser.label(label)
    browser.act("flag", id="r0")
    browser.marker.close()
    again = mark()
    assert (again.shown["undo"], again.row, again.shown["marked"]) == (5, "r4", 4)
    for left in (4, 4, 3, 2, 1, 0)[1:]:
        again.act("undo")
        assert again.shown["marked"] == left
    assert (again.row, again.shown["undo"], again.shown["redo"]) == ("r0", 0, 5)
    assert again.act("undo")["undo"] == 0
    third = mark()
    for _ in range(5):
        third.act("redo")
    assert third.marker.marks["label"].tolist() == ["accept", "reject", "skip", "accept"]
    assert third.marker.marks["flag"].tolist() == [True, False, False, False]
    third.act("undo")
    assert third.shown["redo"] == 1
    third.label("reject")
    assert third.shown["redo"] == 0


def test_matching_rows_are_marked_in_one_step(mark: Open) -> None:
    browser = mark(rows(100))
    browser.label("reject")
    shown = browser.act("search", text="SOUP")
    assert shown["matching"] == [50, 0]
    browser.act("bulk", label="accept", n=49)
    assert "50 rows match now, not 49" in browser.marker.error
    assert (browser.shown["answered"][2], browser.shown["marked"]) == (False, 1)
    shown = browser.act("bulk", label="accept", n=50)
    assert (shown["marked"], shown["counts"]["accept"], shown["row"]) == (51, 50, None)
    assert browser.marker.error == ""
    browser.act("undo")
    assert browser.shown["marked"] == 1


def test_filters_show_rows_by_label_and_flag(mark: Open) -> None:
    browser = mark()
    for label in ("accept", "reject", "accept", "skip"):
        browser.label(label)
    browser.act("flag", id="r4")
    firsts = {"all": "r4", "unmarked": "r4", "=accept": "r0", "=reject": "r1", "flagged": "r4"}
    for name, first in firsts.items():
        assert browser.act("filter", filter=name)["row"]["id"] == first
    # a row marked anew leaves the filter, and the next one there follows
    browser.act("filter", filter="=accept")
    assert browser.label("reject")["row"]["id"] == "r2"
    assert browser.shown["matching"] == [1, 1]
    browser.act("filter", filter="accepted")
    assert "filter 'accepted' not found" in browser.marker.error


def test_arrows_skip_rows_and_back_and_history_return_to_them(mark: Open) -> None:
    browser = mark()
    browser.label("accept")
    browser.label("accept")
    assert browser.act("next")["row"]["id"] == "r3"
    assert browser.act("previous")["row"]["id"] == "r2"
    assert browser.act("back")["row"]["id"] == "r1"
    assert browser.act("back")["row"]["id"] == "r0"
    assert browser.label("reject")["row"]["id"] == "r2"
    assert browser.act("go", id="r1")["row"]["label"] == "accept"
    assert browser.label("skip")["row"]["id"] == "r2"
    assert [one["id"] for one in browser.shown["recent"]] == ["r1", "r0"]


def test_a_reason_goes_when_the_label_changes(mark: Open) -> None:
    browser = mark()
    browser.label("reject", "too short")
    browser.act("go", id="r0")
    browser.label("accept")
    assert browser.marker.marks["reason"].tolist() == [""]


def test_labels_take_the_place_of_accept(mark: Open) -> None:
    browser = mark(labels=["praise", "complaint"])
    assert browser.marker.about["keys"]["=complaint"] == "2"
    assert "accept" not in browser.marker.about["keys"]
    browser.label("complaint")
    browser.label("reject")
    browser.label("accept")
    assert "label 'accept' not found; have 'praise', 'complaint'" in browser.marker.error
    assert browser.marker.kept["id"].tolist() == ["r0"]
    assert browser.shown["counts"] == {
        "praise": 0, "complaint": 1, "reject": 1, "skip": 0, "flagged": 0,
    }  # fmt: skip


def test_a_failed_write_shows_an_error_and_the_row_stays(
    mark: Open, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = mark()
    monkeypatch.setattr(session.store._database, "_connection", sqlite3.connect(":memory:"))
    shown = browser.label("accept")
    assert (shown["row"]["id"], shown["marked"], shown["undo"]) == ("r0", 0, 0)
    assert shown["answered"] == ["page", 1, False]
    assert "no such table" in browser.marker.error
    monkeypatch.undo()
    assert browser.label("accept")["row"]["id"] == "r1"
    assert browser.marker.error == ""


def test_a_locked_store_shows_an_error_after_a_wait(
    mark: Open, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = mark()
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.05)
    other = sqlite3.connect(session.store.path)
    other.execute("BEGIN IMMEDIATE")
    browser.label("accept")
    assert "locked by another process" in browser.marker.error
    other.rollback()
    other.close()
    assert browser.label("accept")["marked"] == 1


def test_the_order_is_the_same_after_a_restart(mark: Open) -> None:
    first = mark(order="random", seed=3).marker.queue.order.ids
    assert first == mark(order="random", seed=3).marker.queue.order.ids
    assert sorted(first) == sorted(rows(6)["id"]) != first
    scored = rows(3).assign(p=[0.9, 0.1, 0.52])
    assert mark(scored, order="uncertain", score="p").marker.queue.order.ids == ["r2", "r0", "r1"]


def test_other_annotators_marks_set_the_order_and_are_not_sent(
    mark: Open, session: sk.Session
) -> None:
    for by, label in (("bo", "accept"), ("cy", "reject")):
        session.mark(["r0", "r4"], label, by=by, reason="secret")
        session.mark(["r1"], "accept", by=by)
    browser = mark(order="disagreement")
    assert browser.marker.queue.order.ids[:2] == ["r0", "r4"]
    assert "secret" not in json.dumps(browser.marker.comm.everything)
    assert browser.shown["marked"] == 0
    assert "secret" not in json.dumps(browser.marker._origin("r0"))
    columns = rows(3).assign(a=["x", "x", "x"], b=["x", "y", "x"])
    assert mark(columns, order="disagreement", disagree=["a", "b"]).row == "r1"


def test_a_score_function_is_called_again_every_ten_marks(mark: Open) -> None:
    calls: list[int] = []

    def score(table: Any, marks: list[Any]) -> list[float]:
        calls.append(len(marks))
        # the last row is the least certain once ten are marked
        return [0.9] * 39 + [0.5 if len(marks) >= 10 else 1.0]

    browser = mark(rows(40), order="uncertain", score=score)
    for _ in range(10):
        browser.label("accept")
    assert (calls, browser.row) == ([0, 10], "r39")


def test_a_score_function_that_fails_loses_no_mark(mark: Open, session: sk.Session) -> None:
    def score(table: Any, marks: list[Any]) -> list[float]:
        if marks:
            raise ValueError("no model today")
        return [0.5] * 40

    browser = mark(rows(40), order="uncertain", score=score)
    for _ in range(12):
        browser.label("accept")
    assert len(session.store.marks.all()) == 12
    assert browser.shown["marked"] == 12
    assert browser.row == "r12"


def test_round_2_is_blind_and_ends_with_the_agreement(mark: Open, session: sk.Session) -> None:
    session.mark([f"r{i}" for i in range(10)], "accept", by="ana", reason="first look")
    session.mark([f"r{i}" for i in range(10, 20)], "reject", by="ana")
    browser = mark(rows(40), again=20)
    assert "first look" not in json.dumps(browser.marker.comm.everything)
    assert browser.shown["total"] == 20
    second = {f"r{i}": "accept" if i < 15 else "reject" for i in range(20)}
    while browser.shown["row"]:
        assert browser.shown["agreement"] is None
        assert browser.shown["row"]["label"] == ""
        browser.label(second[browser.row])
    found = browser.shown["agreement"]
    assert (found["n"], found["share"], found["kappa"]) == (20, 0.75, pytest.approx(0.5))
    assert (found["low"], found["high"]) == pytest.approx((0.5313, 0.8881), abs=1e-4)
    table = browser.marker.agreement()
    assert table[["first", "second", "n"]].to_numpy().tolist() == [["ana", "ana, round 2", 20]]
    # the second look changes nothing of the first
    assert len(browser.marker.kept) == 10


def test_round_2_continues_with_its_sample(mark: Open, session: sk.Session) -> None:
    session.mark([f"r{i}" for i in range(30)], "accept", by="ana")
    first = mark(rows(40), again=5)
    sample = set(first.marker.queue.scope)
    first.label("accept")
    session.mark([f"r{i}" for i in range(30, 40)], "accept", by="ana")
    again = mark(rows(40), again=5)
    assert again.shown["marked"] == 1
    assert len(set(again.marker.queue.scope) & sample) >= 4
    with pytest.raises(UsageError, match="bo has not marked a row of reviews yet"):
        mark(again=5, by="bo")


def test_an_undone_mark_of_round_2_can_be_redone_in_another_sample(
    mark: Open, session: sk.Session
) -> None:
    session.mark([f"r{i}" for i in range(30)], "accept", by="ana")
    first = mark(rows(40), again=1)
    first.label("reject")
    first.act("undo")
    other = mark(rows(40), again=1, seed=5)
    assert other.marker.queue.scope != first.marker.queue.scope
    other.act("redo")
    assert (other.marker.error, other.shown["marked"]) == ("", 0)
    with pytest.raises(TableError, match="in the sample of reviews"):
        other.marker.mark("r35", "accept")


def test_tasks_and_annotators_do_not_mix(mark: Open) -> None:
    mark().label("accept")
    assert mark(by="bo").row == "r0"
    assert mark(task="tone").row == "r0"
    assert mark().row == "r1"


def test_rows_are_marked_and_narrowed_from_python(mark: Open) -> None:
    browser = mark()
    assert browser.marker.mark(["r1", "r2"], "reject", reason="off topic") == 2
    assert browser.shown["marked"] == 2
    browser.marker.narrow(["r5", "r1"])
    assert (browser.row, browser.shown["matching"]) == ("r5", [2, 1])
    assert browser.label("accept")["row"] is None
    browser.act("widen")
    assert (browser.row, browser.shown["narrowed"]) == ("r0", None)
    with pytest.raises(TableError, match="no row 'zz' in reviews"):
        browser.marker.narrow(["zz"])
    with pytest.raises(UsageError, match="label 'fine' not found"):
        browser.marker.mark("r0", "fine")


def test_marks_from_many_threads_are_all_there(mark: Open, session: sk.Session) -> None:
    browser = mark(rows(200))

    def work(k: int) -> None:
        for i in range(k, 200, 8):
            browser.marker.mark(f"r{i}", "accept")

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert browser.shown["marked"] == len(session.store.marks.all()) == 200
    assert len(Browser(browser.marker).marker.marks) == 200


def test_any_kind_of_table_with_or_without_ids(
    make: Callable[[dict[str, list[Any]]], Any], kind: str, mark: Open
) -> None:
    table = make({"text": ["one", "two", "three"], "n": [1, 2, 3]})
    browser = mark(table)
    browser.label("reject")
    browser.label("accept")
    assert tables.kind(browser.marker.kept) == kind
    assert tables.column(browser.marker.kept, "text") == ["two"]
    assert mark(make({"text": ["one", "two", "three"], "n": [1, 2, 3]})).shown["marked"] == 2


def test_the_longest_text_column_is_judged(mark: Open) -> None:
    browser = mark(rows(3))
    assert browser.marker.queue.table.column == "text"
    assert [name for name, _ in browser.shown["row"]["fields"]] == ["stars", "topic"]
    chosen = mark(rows(3), column="topic", show=["text"])
    assert (chosen.shown["row"]["text"], chosen.shown["row"]["fields"][0][0]) == ("bread", "text")
    above = mark(rows(3), show=["topic"])
    assert above.marker.queue.table.column == "text"
    assert [name for name, _ in above.shown["row"]["fields"]] == ["topic"]
    assert mark(pd.DataFrame({"id": ["a"], "n": [3]})).shown["row"]["text"] == 3


HOSTILE = [
    "<img src=x onerror=alert(1)></script>",
    "\x1b[31mred\x1b[0m \u202egnp.exe zero\u200bwidth",
    "\ud800 half",
    "x" * 1_000_000,
    "",
    None,
]


def test_hostile_texts_are_clipped_and_kept_whole(mark: Open) -> None:
    browser = mark(pd.DataFrame({"text": HOSTILE, "other": HOSTILE}, dtype=object))
    sizes = []
    for _ in HOSTILE:
        sizes.append(len(json.dumps(browser.shown, ensure_ascii=False).encode()))
        browser.label("accept")
    assert max(sizes) < 40_000
    assert browser.marker.error == ""
    assert browser.marker.kept["text"].tolist() == HOSTILE
    id = browser.marker.queue.table.ids[3]
    browser.send(type="whole", id=id)
    sent = browser.marker.comm.sent[-1]["content"]
    assert sent["text"] == ["x" * 100_000, 1_000_000]


def test_a_widget_with_10_000_long_rows_saves_little(mark: Open) -> None:
    table = pd.DataFrame({"id": range(10_000), "text": ["ä" * 2000] * 10_000})
    browser = mark(table)
    for _ in range(300):
        browser.label("accept")
    saved = len(json.dumps(browser.marker.get_state(), ensure_ascii=False).encode())
    assert saved < 100_000
    # each answer brings the row that is next and a few lines, not the history
    answers = [len(json.dumps(data)) for data in browser.marker.comm.sent[-10:]]
    assert max(answers) < 30_000


def test_only_text_can_be_edited_and_the_original_stays(mark: Open) -> None:
    browser = mark()
    browser.act("edit", id="r0", text="New.")
    assert browser.shown["row"]["original"] == "A sentence about row 0."
    browser.act("edit", id="r0", text="A sentence about row 0.")
    assert browser.shown["row"]["original"] is None
    assert len(browser.marker.marks) == 0
    numbers = mark(pd.DataFrame({"id": ["a"], "n": [3]}))
    numbers.act("edit", id="a", text="4")
    assert "only text can be edited" in numbers.marker.error


@pytest.mark.parametrize(
    "content",
    [
        {"type": "nonsense"},
        {"type": "act", "client": "page", "seq": 1, "do": "label", "id": "zz", "label": "accept"},
        {"type": "act", "client": "page", "seq": 1, "do": "label", "id": "r0", "label": "<b>"},
        {"type": "act", "client": "page", "seq": 1, "do": "go", "id": 7},
        {"type": "act", "client": "page", "seq": "1", "do": "undo"},
        {"type": "whole", "id": "zz"},
    ],
)
def test_an_invalid_message_changes_nothing(
    mark: Open, session: sk.Session, content: dict[str, Any]
) -> None:
    browser = mark()
    browser.send(**content)
    assert browser.marker.error
    assert session.store.marks.all() == []
    assert browser.row == "r0"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"column": "txt"}, "column 'txt' not found.*Did you mean 'text'"),
        ({"labels": ["reject"]}, "none of 'accept', 'reject', 'skip'"),
        ({"labels": list("abcdefghij")}, "at most nine labels"),
        ({"order": "sideways"}, "order 'sideways' not found"),
        ({"order": "uncertain", "score": "topic"}, "expected numbers as scores"),
        ({"order": "uncertain", "score": lambda t, m: [1]}, "expected 6 scores"),
        ({"keys": {"accept": "x"}}, "'x' would mean both 'accept' and 'reject'"),
        ({"keys": {"acept": "j"}}, "action 'acept' not found.*Did you mean 'accept'"),
        ({"keys": {"accept": "Enter"}}, "'Enter' cannot be the key"),
        ({"keys": {"flag": "1"}, "labels": ["a"]}, "'1' would mean both"),
        ({"reasons": [""]}, "nine reasons"),
        ({"again": -1}, "again must be"),
    ],
)
def test_invalid_options_are_refused(mark: Open, options: dict[str, Any], message: str) -> None:
    with pytest.raises((UsageError, TableError), match=message):
        mark(**options)


def test_keys_can_be_swapped() -> None:
    bound = bindings({"accept": "j", "reject": "space", "skip": "x"})
    assert (bound["accept"], bound["reject"], bound["skip"]) == ("j", " ", "x")


def test_an_empty_table_has_nothing_to_mark(mark: Open) -> None:
    browser = mark(rows(0))
    assert (browser.shown["row"], browser.shown["total"]) == (None, 0)


def test_the_static_output_is_updated_and_ends_with_the_last_state(mark: Open) -> None:
    class Place:
        def __init__(self) -> None:
            self.texts: list[str] = []

        def update(self, static: Any) -> None:
            self.texts.append(str(static))

    browser, place = mark(rows(30)), Place()
    browser.marker.keep(place)
    for _ in range(30):
        browser.label("accept")
    browser.marker.close()
    assert len(place.texts) <= 3
    assert place.texts[-1].endswith(
        "reviews: 30 of 30 rows marked; 30 accept, 0 reject, 0 skip; by ana 30"
    )
    assert place.texts[-1].count("✓ accept") == 5


def test_two_runs_leave_the_same_static_output(mark: Open, session: sk.Session) -> None:
    browser = mark()
    browser.label("reject", "<b>no</b>")
    first = browser.marker.summary()
    assert str(first) == str(
        AnnotationQueue(rows(6), name="reviews", session=session, by="ana").summary()
    )
    assert "&lt;b&gt;no" in first.html


def test_the_verbs_mark_and_bind(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    shell.ip.user_ns["reviews"] = rows(4)
    assert "0 of 4 rows marked" in shell.run("%synth mark reviews --by ana --reasons a,b")
    assert isinstance(shell["reviews_marker"], AnnotationQueue)
    shell["reviews_marker"].mark("r0", "accept")
    shell["reviews_marker"].mark("r1", "reject", reason="off topic")
    message = shell.run("%synth marks reviews")
    assert "4 rows: 1 kept, 1 dropped, 2 undecided" in message
    assert shell["reviews_marks"]["label"].tolist() == ["accept", "reject"]
    assert shell["reviews_kept"]["id"].tolist() == ["r0"]
    assert shell["reviews_dropped"]["why"].tolist() == ["off topic"]
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    shell.run("%synth mark reviews --by ana --keys reject=j --labels good,bad")
    assert isinstance(shell["reviews_marker"], Marker)
    for line, problem in [
        ("--keys accept", "expected ACTION=KEY"),
        ("--score @rows", "variable 'rows' not found"),
        ("--order up", "--order 'up' not found; have"),
    ]:
        with pytest.raises(UsageError, match=problem):
            shell.run(f"%synth mark reviews {line}")


def test_marking_in_a_closed_session_raises_a_store_error(mark: Open, session: sk.Session) -> None:
    browser = mark()
    session.close()
    with pytest.raises(StoreError):
        browser.marker.mark("r0", "accept")


def test_a_session_marks_rows_from_python(session: sk.Session, tmp_path: Path) -> None:
    session.mark(["a", "b"], "accept", by="ana", task="tone")
    session.mark("a", "reject", by="bo")
    assert [(one.id, one.by) for one in session.marks(task="tone")] == [("a", "ana"), ("b", "ana")]
    assert [one.by for one in session.marks(rows=["a"])] == ["ana", "bo"]
    assert session.mark([], "accept", by="ana") == []


WORDS = "soup bread table waiter garden window street morning".split()


def lively(n: int = 120) -> pd.DataFrame:
    """Rows of which every other is good, and says so in its words."""
    draw = random.Random(0)
    texts = [
        f"{'lovely warm' if at % 2 else 'cold late'} {' '.join(draw.choices(WORDS, k=6))} {at}"
        for at in range(n)
    ]
    return pd.DataFrame({"id": [f"r{at}" for at in range(n)], "text": texts})


def counted(texts: Any) -> Any:
    """An embedder that counts words."""
    known = ["lovely", "warm", "cold", "late", *WORDS]
    return [[float(text.split().count(word)) for word in known] for text in texts]


def judge(queue: AnnotationQueue, n: int) -> None:
    for _ in range(n):
        assert queue.current is not None
        at = int(queue.current[1:])
        queue.act({"do": "label", "id": queue.current, "label": "accept" if at % 2 else "reject"})


def test_without_a_score_the_order_is_learned_from_the_marks(session: sk.Session) -> None:
    queue = AnnotationQueue(lively(), session=session, by="ana", order="uncertain", embed=counted)
    assert queue.order.ids == shuffled([f"r{at}" for at in range(120)], 0)
    assert "mark 20 more rows, with 2 accepted" in QueueView(queue).state()["learned"]
    judge(queue, 30)
    assert queue.learned is not None
    report = queue.learned.report
    assert (report.marks, report.needs) == (30, "")
    assert report.precision.value == pytest.approx(0.975, abs=0.003)
    assert report.recall.value == pytest.approx(0.973, abs=0.003)
    assert "keeps 50% of 120 rows" in QueueView(queue).state()["learned"]
    assert "precision 0.98 [0." in str(queue.summary())
    assert sorted(queue.order.ids) == sorted(queue.table.ids)
    assert set(queue.order.ids[:30]) == {mark.id for mark in session.marks()}


def test_a_restart_learns_the_same_from_the_marks_on_disk(session: sk.Session) -> None:
    options: Any = {"session": session, "by": "ana", "order": "uncertain", "embed": counted}
    queue = AnnotationQueue(lively(), **options)
    judge(queue, 24)
    again = AnnotationQueue(lively(), **options)
    assert again.order.ids == queue.order.ids
    assert again.current == queue.current
    assert QueueView(again).state()["learned"] == QueueView(queue).state()["learned"]


def test_the_learned_score_of_a_row_is_explained(session: sk.Session) -> None:
    queue = AnnotationQueue(lively(), session=session, by="ana", order="uncertain", embed=counted)
    assert queue.why("r1") == [("fact", "learned", "nothing yet")]
    judge(queue, 24)
    message = {label: value for _, label, value in queue.why("r1")}
    assert float(message["P(accept)"]) > 0.8
    assert "lovely +" in message["log-odds"] or "warm +" in message["log-odds"]
    assert any(label == "✓ accepted" for label in message)


def test_reasons_that_the_learned_filter_cannot_see_are_said(session: sk.Session) -> None:
    table = lively(40).assign(label="positive")
    queue = AnnotationQueue(table, session=session, by="ana", order="uncertain", embed=counted)
    for n, reason in enumerate(["wrong label", "too long", "The labels differ."]):
        assert QueueView(queue).state()["warning"] == "", n
        queue.act({"do": "label", "id": queue.current, "label": "reject", "reason": reason})
    said = "The filter reads only text: it cannot learn 2 reasons that name label."
    assert QueueView(queue).state()["warning"] == f"{said} Add --reads label."
    assert said in str(queue.summary())
    learns: Any = {"session": session, "by": "ana", "order": "uncertain", "embed": counted}
    again = AnnotationQueue(table, reads=["label"], **learns)
    assert QueueView(again).state()["warning"] == ""
    assert again.learned is not None
    assert again.learned.reads == ("label",)
    with pytest.raises(UsageError, match="--reads is for an order that is learned"):
        AnnotationQueue(table, session=session, reads=["label"])


def test_skipped_rows_are_not_learned_from_and_do_not_return(session: sk.Session) -> None:
    queue = AnnotationQueue(lively(40), session=session, by="ana", order="uncertain", embed=counted)
    first = queue.current
    assert first is not None
    queue.act({"do": "label", "id": first, "label": "skip"})
    judge(queue, 39)
    assert queue.current is None
    assert queue.learned is not None
    assert queue.learned.report.marks == 39


def test_the_widget_learns_in_the_background(mark: Open) -> None:
    browser = mark(lively(), order="uncertain", embed=counted)
    marker = browser.marker
    assert marker.about["learns"]
    assert marker.about["keys"]["why"] == "w"
    for _ in range(24):
        id = browser.shown["row"]["id"]
        browser.act("label", id=id, label="accept" if int(id[1:]) % 2 else "reject")
    shown = browser.shown["row"]["id"]
    wait = threading.Event()
    for _ in range(200):
        if "precision" in browser.shown["learned"]:
            break
        wait.wait(0.05)
    assert "24 of" not in browser.shown["learned"]
    assert "precision 0.97" in browser.shown["learned"]
    assert browser.shown["row"]["id"] == shown, "the row under judgement stays"
    marker.comm.sent.clear()
    browser.send(type="why", id=shown)
    parts = [one["content"] for one in marker.comm.sent if one.get("method") == "custom"]
    assert parts[-1]["type"] == "why"
    assert parts[-1]["parts"][1][:2] == ["fact", "P(accept)"]


def test_a_given_score_needs_no_learning(mark: Open) -> None:
    browser = mark(lively(6).assign(p=0.5), order="uncertain", score="p")
    assert not browser.marker.about["learns"]
    assert "why" not in browser.marker.about["keys"]
    assert browser.shown["learned"] == ""


def test_learning_keeps_the_current_row(session: sk.Session) -> None:
    queue = AnnotationQueue(lively(), session=session, by="ana", order="uncertain", embed=counted)
    queue.order.background = True
    judge(queue, 24)
    before = QueueView(queue).state()["row"]
    queue.learn()
    assert QueueView(queue).state()["row"] == before
    assert (queue.order.ids[24], before["at"]) == (queue.current, 25)
    judge(queue, 1)
    assert queue.current == queue.order.ids[25]


def test_failed_learning_shows_a_warning_and_marking_continues(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    queue = AnnotationQueue(lively(), session=session, by="ana", order="uncertain", embed=counted)
    queue.order.background = True
    judge(queue, 24)
    assert queue.order.learner is not None
    with monkeypatch.context() as broken:
        broken.setattr(queue.order.learner, "_vectors", None)
        broken.setattr(queue.order.learner, "embed", WORDS.index)
        queue.learn()
    assert QueueView(queue).state()["warning"].startswith("Nothing new was learned: ")
    judge(queue, 1)
    queue.learn()
    assert QueueView(queue).state()["warning"] == ""
    assert queue.learned is not None
    assert queue.learned.report.marks == 25


def test_background_learning_answers_no_action_again(mark: Open) -> None:
    browser = mark(lively(), order="uncertain", embed=counted)
    for _ in range(24):
        browser.act("label", id=browser.shown["row"]["id"], label="accept")
    answered = browser.shown["answered"]
    wait = threading.Event()
    for _ in range(200):
        if "mark more rows" in browser.shown["learned"]:
            break
        wait.wait(0.05)
    assert browser.shown["learned"] == ("too few marks: mark more rows, with 2 rejected among them")
    assert browser.shown["answered"] == answered
    before = -1
    while before != browser.shown["turn"]:  # it may still learn from marks before the last
        before = browser.shown["turn"]
        wait.wait(0.6)
    browser.act("next")
    wait.wait(0.6)
    assert browser.shown["turn"] == before + 1, "a move teaches nothing"
