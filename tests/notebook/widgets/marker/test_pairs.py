"""Marking pairs without a browser; tests/browser tests the front end."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

import synthkit as sk
from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Mark
from synthkit.curate.marks.history import current_marks, is_edited
from synthkit.curate.marks.preferences import drawn_left, other, preferred, sides
from synthkit.data import tables
from synthkit.evaluate.raters.battles import Battle
from synthkit.evaluate.raters.preferences import battles, left_wins, standings, systems
from synthkit.notebook import Marker
from synthkit.notebook.widgets.marker.keys import bindings
from synthkit.notebook.widgets.marker.pairs import PairQueue, PairView
from tests.notebook.conftest import Shell
from tests.notebook.widgets.marker.test_widget import Browser, Clock

PAIR = ("first", "second")


def pairs(n: int = 6) -> pd.DataFrame:
    """Pairs whose systems take turns to be first; a text names its column."""
    names = [("ours", "rival"), ("rival", "ours")]
    return pd.DataFrame(
        {
            "id": [f"p{at}" for at in range(n)],
            "prompt": [f"Prompt {at}?" for at in range(n)],
            "first": [f"first text of {at}" for at in range(n)],
            "second": [f"second text of {at}" for at in range(n)],
            "first_system": [names[at % 2][0] for at in range(n)],
            "second_system": [names[at % 2][1] for at in range(n)],
        }
    )


Open = Callable[..., Browser]


@pytest.fixture
def mark(session: sk.Session) -> Open:
    def open_(table: Any = None, **options: Any) -> Browser:
        defaults = {
            "name": "pairs",
            "session": session,
            "by": "ana",
            "clock": Clock(),
            "pair": PAIR,
        }
        return Browser(Marker(pairs() if table is None else table, **defaults | options))

    return open_


def prefer(browser: Browser, column: str) -> None:
    """Press the key of the side on which a column's text stands."""
    at_left = browser.shown["row"]["text"].startswith(column)
    browser.label("left" if at_left else "right")


def test_a_mark_names_the_column_and_keeps_the_side(mark: Open, session: sk.Session) -> None:
    browser = mark(pairs(40))
    for at in range(40):
        shown = browser.shown["row"]
        left = drawn_left(f"p{at}", by="ana", seed=0)
        assert shown["text"] == f"{left} text of {at}"
        assert shown["right"] == f"{other(left)} text of {at}"
        assert shown["prompt"] == f"Prompt {at}?"
        browser.label(("left", "right", "tie", "skip")[at % 4])
    marks = session.marks()
    for at, one in enumerate(marks):
        left = drawn_left(one.id, by="ana", seed=0)
        assert one.label == (left, other(left), "tie", "skip")[at % 4]
        assert one.edit == {"shown_left": left}
        assert not is_edited(one)
    assert {one.edit["shown_left"] for one in marks} == {"first", "second"}
    frame = browser.marker.marks
    assert frame["shown_left"].tolist() == [one.edit["shown_left"] for one in marks]
    assert browser.shown["row"] is None


def test_systems_and_columns_are_not_sent_before_the_last_mark(mark: Open) -> None:
    table = pairs(4)
    table["first"], table["second"] = ["cold soup"] * 4, ["warm bread"] * 4
    table["winner"] = "rival, says the judge"
    browser = mark(table)
    for _ in range(3):
        browser.act("compare")
        browser.label("left")
    sent = browser.marker.comm.sent
    shown = json.dumps([sent, browser.marker.get_state(["about", "shown"])])
    shown += str(browser.marker.summary())
    for word in ("rival", "ours", "first", "second", "_system", "winner"):
        assert word not in shown
    assert browser.shown["result"] is None
    assert set(browser.shown["counts"]) == {"tie", "skip", "flagged"}
    assert browser.act("search", text="rival")["matching"] == [0, 0]
    browser.act("search", text="")
    browser.label("tie")
    assert [one["system"] for one in browser.shown["result"]["rows"]] != []
    browser.act("undo")
    assert browser.shown["result"] is None


def test_the_end_shows_win_rates_and_side_bias_with_intervals(mark: Open) -> None:
    browser = mark(pairs(8))
    while browser.shown["row"]:
        at = int(browser.row[1:])
        if at < 6:
            prefer(browser, "first" if at % 2 == 0 else "second")  # where "ours" stands
        else:
            browser.label("tie" if at == 6 else "skip")
    result = browser.shown["result"]
    assert result["rows"] == [
        {"system": "ours", "wins": 6, "ties": 1, "losses": 0, "win rate": "0.93 [0.56, 0.99]"},
        {"system": "rival", "wins": 0, "ties": 1, "losses": 6, "win rate": "0.07 [0.01, 0.44]"},
    ]
    lefts = [drawn_left(f"p{at}", by="ana", seed=0) for at in range(6)]
    won = sum(left == PAIR[at % 2] for at, left in enumerate(lefts))
    score = left_wins([PAIR[at % 2] for at in range(6)], lefts)
    assert (score.value, score.n) == (won / 6, 6)
    assert result["notes"][0].startswith(f"the left text (A) was better in {won / 6:.2f} [")
    shown = str(browser.marker.summary())
    assert "8 of 8 pairs judged; 1 tie, 1 skip; by ana 8" in shown
    assert "0.93 [0.56, 0.99]" in shown
    # an earlier look is asked for
    assert "0.93" in str(browser.marker.pairs.standings())


def test_a_rerun_continues_and_keeps_the_sides_of_judged_pairs(mark: Open) -> None:
    first = mark(pairs(30))
    for _ in range(20):
        first.label("left")
    first.marker.close()
    again = mark(pairs(30), seed=99)
    assert (again.row, again.shown["marked"]) == ("p20", 20)
    for at in range(20):
        shown = again.act("go", id=f"p{at}")["row"]
        assert shown["label"] == "left"
        assert shown["text"].startswith(drawn_left(f"p{at}", by="ana", seed=0))
    rest = [again.act("go", id=f"p{at}")["row"]["text"].split()[0] for at in range(20, 30)]
    assert rest == [drawn_left(f"p{at}", by="ana", seed=99) for at in range(20, 30)]
    again.act("undo")
    assert again.shown["row"]["text"].startswith(drawn_left("p19", by="ana", seed=99))


def test_filters_and_history_name_the_sides(mark: Open) -> None:
    browser = mark()
    for label in ("left", "right", "tie", "skip", "right"):
        browser.label(label)
    for name, first in {"=left": "p0", "=right": "p1", "=tie": "p2", "=skip": "p3"}.items():
        shown = browser.act("filter", filter=name)
        assert (shown["row"]["id"], shown["row"]["label"]) == (first, name[1:])
    assert browser.act("filter", filter="=right")["matching"] == [2, 2]
    browser.act("filter", filter="=first")
    assert "filter '=first' not found" in browser.marker.error
    browser.act("filter", filter="all")
    assert browser.act("search", text="second TEXT of 5")["row"]["id"] == "p5"
    labels = [one["label"] for one in browser.shown["recent"]]
    assert labels == ["right", "skip", "tie", "right", "left"]
    # of a verdict the better text stands in the history
    left = drawn_left("p0", by="ana", seed=0)
    assert browser.shown["recent"][-1]["text"] == f"{left} text of 0"


def test_changed_undone_and_flagged_marks_keep_reason_and_side(mark: Open) -> None:
    browser = mark()
    browser.label("left", "clearer")
    browser.act("go", id="p0")
    browser.label("right")
    browser.act("flag", id="p0")
    browser.act("undo")
    browser.act("undo")
    marks = browser.marker.marks
    left = drawn_left("p0", by="ana", seed=0)
    assert marks[["label", "reason", "flag"]].to_numpy().tolist() == [[left, "clearer", False]]
    browser.act("redo")
    assert browser.marker.marks["label"].tolist() == [other(left)]
    assert browser.act("undo")["row"]["label"] == "left"
    browser.act("undo")
    assert len(browser.marker.marks) == 0


def test_round_2_swaps_the_sides_of_each_pair(mark: Open) -> None:
    table = pairs(40)
    first = mark(table)
    while first.shown["row"]:
        first.label("left")  # one who always likes the left
    second = mark(table, again=40)
    assert "agreement" in second.shown
    while second.shown["row"]:
        id = second.row
        assert second.shown["row"]["text"].startswith(other(drawn_left(id, by="ana", seed=0)))
        second.label("left")
    assert second.shown["agreement"]["share"] == 0.0
    assert second.shown["result"] is None
    assert left_wins(*sides(second.marker.queue.session.marks())).value == 1.0


def test_annotators_have_their_own_sides_and_do_not_see_each_others_marks(mark: Open) -> None:
    ana, bo = mark(pairs(60)), mark(pairs(60), by="bo")
    seen: dict[str, list[str]] = {"ana": [], "bo": []}
    for browser, by in ((ana, "ana"), (bo, "bo")):
        assert browser.shown["marked"] == 0
        while browser.shown["row"]:
            seen[by].append(browser.shown["row"]["text"].split()[0])
            prefer(browser, "first" if by == "ana" else "second")
    assert 15 < sum(a == b for a, b in zip(seen["ana"], seen["bo"], strict=True)) < 45
    assert set(bo.marker.pairs.judged["outcome"]) == {"tie"}
    agreed = ana.marker.agreement()
    assert agreed[["first", "second", "n", "share"]].to_numpy().tolist() == [["ana", "bo", 60, 0.0]]
    contested = mark(pairs(60), by="cy", order="disagreement")
    assert contested.shown["row"]["label"] == ""


@pytest.mark.parametrize(
    ("labels", "outcome"),
    [
        (["first"], "first"),
        (["first", "second"], "tie"),
        (["second", "tie"], "second"),
        (["second", "second", "first"], "second"),
        (["skip"], None),
        (["skip", "first"], "first"),
        ([], None),
    ],
)
def test_the_text_with_more_votes_wins(labels: list[str], outcome: str | None) -> None:
    marks = [Mark(id="p0", label=one, by=str(n)) for n, one in enumerate(labels)]
    marks.append(Mark(id="p0", label="second", by="0", round=2))
    found = preferred(pairs(2), marks)
    assert [None if one != one else one for one in found["outcome"]] == [outcome, None]


def test_any_kind_of_table_gets_its_outcomes_and_battles(
    make: Callable[[dict[str, list[Any]]], Any], kind: str, session: sk.Session
) -> None:
    table = make({name: pairs(3)[name].tolist() for name in pairs().columns})
    queue = PairQueue(table, session=session, by="ana")
    queue.mark(["p0", "p1"], "first")
    assert tables.kind(queue.judged) == kind
    assert queue.battles == [Battle("ours", "rival", "first"), Battle("rival", "ours", "first")]


def test_columns_of_other_names_are_compared_and_need_no_systems(session: sk.Session) -> None:
    table = pd.DataFrame({"id": ["a"], "short": ["Cold."], "long": ["It was cold."]})
    queue = PairQueue(table, pair=("short", "long"), session=session, by="ana")
    queue.mark("a", "second")
    assert queue.battles == [Battle("short", "long", "second")]
    assert "prompt" not in PairView(queue).state()["row"]
    with pytest.raises(TableError, match="column 'rival_system' not found"):
        systems(table.assign(ours_system="x"), ("ours", "rival"))


def test_three_systems_are_rated_and_a_system_against_itself_is_skipped() -> None:
    met = [("a", "b"), ("b", "c"), ("a", "c"), ("c", "a"), ("a", "a")]
    rows = [
        {"first_system": one, "second_system": two, "outcome": outcome}
        for one, two in met
        for outcome in ("first", "first", "second", "tie", "")
    ]
    found = standings(rows)
    assert found[0].system == "a"
    assert all(one.rating is not None and one.rating.low < one.rating.high for one in found)
    assert all(one.wins + one.ties + one.losses == one.rate.n for one in found)
    assert sum(one.wins for one in found) == sum(one.losses for one in found) == 12
    assert [one.rating for one in standings(rows, rated=False)] == [None] * 3
    assert standings(rows[-1:]) == []
    with pytest.raises(UsageError, match="a battle is of two systems"):
        battles(rows)


def test_differences_are_marked_unless_the_texts_are_too_long(mark: Open) -> None:
    table = pairs(3)
    table.loc[2, "first"] = "x" * 6000
    table["second"] = table["second"].astype(object)
    table.loc[1, "second"] = None
    browser = mark(table)
    assert browser.shown["row"]["diff"] is None
    pieces = browser.act("compare")["row"]["diff"]
    ours = "".join(text for kind, text in pieces if kind != "in")
    theirs = "".join(text for kind, text in pieces if kind != "out")
    assert (ours, theirs) == (browser.shown["row"]["text"], browser.shown["row"]["right"])
    assert {kind for kind, _ in pieces} == {"same", "in", "out"}
    browser.label("left")
    assert browser.shown["row"]["diff"]
    browser.label("left")
    assert (browser.shown["compared"], browser.shown["row"]["diff"]) == (True, None)
    browser.send(type="whole", id="p2")
    sent = browser.marker.comm.sent[-1]["content"]
    assert {sent["text"], sent["right"]} == {"x" * 6000, "second text of 2"}


def test_many_ties_at_once_are_one_step_and_sides_are_refused(mark: Open) -> None:
    browser = mark()
    browser.act("bulk", label="left", n=6)
    assert "label 'left' not found" in browser.marker.error
    assert browser.act("bulk", label="tie", n=6)["marked"] == 6
    assert browser.act("undo")["marked"] == 0


@pytest.mark.parametrize(
    "content",
    [
        {"do": "label", "id": "p0", "label": "first"},
        {"do": "label", "id": "p0", "label": "reject"},
        {"do": "label", "id": "zz", "label": "left"},
        {"do": "edit", "id": "p0", "text": "Better."},
    ],
)
def test_an_invalid_message_changes_nothing(
    mark: Open, session: sk.Session, content: dict[str, Any]
) -> None:
    browser = mark()
    browser.act(**content)
    assert browser.marker.error
    assert session.store.marks.all() == []


@pytest.mark.parametrize(
    ("options", "error", "shown"),
    [
        ({"pair": "first"}, UsageError, "two columns"),
        ({"pair": ("first", "first")}, UsageError, "two columns"),
        ({"pair": ("first", "secnd")}, TableError, "column 'secnd' not found.*'second'"),
        ({"labels": ["a"]}, UsageError, "leave labels out"),
        ({"column": "prompt"}, UsageError, "leave column out"),
        ({"show": ["first_system"]}, UsageError, "would show which system wrote a text"),
        ({"show": ["nothing"]}, TableError, "column 'nothing' not found"),
        ({"order": "uncertain"}, UsageError, "no order is learned for pairs"),
        ({"keys": {"accept": "j"}}, UsageError, "action 'accept' not found"),
        ({"keys": {"left": "t"}}, UsageError, "would mean both"),
    ],
)
def test_invalid_options_are_refused(
    mark: Open, options: dict[str, Any], error: type[Exception], shown: str
) -> None:
    with pytest.raises(error, match=shown):
        mark(**options)


def test_second_keys_give_way_to_chosen_keys(mark: Open) -> None:
    assert bindings({"left": "h"}, pair=True)["left"] == "h"
    assert mark().marker.about["also"] == {"1": "left", "0": "tie", "2": "right"}
    assert mark(keys={"flag": "1"}).marker.about["also"] == {"0": "tie", "2": "right"}


def test_other_columns_are_shown_only_on_request(mark: Open) -> None:
    browser = mark(pairs().assign(topic="soup"), show=["topic", "prompt"])
    assert browser.shown["row"]["fields"] == [["topic", "soup"]]
    assert browser.shown["row"]["prompt"] == "Prompt 0?"
    assert mark(pairs().assign(topic="soup")).shown["row"]["fields"] == []
    assert "prompt" not in mark(pairs()[["id", "first", "second"]]).shown["row"]


def test_an_empty_table_of_pairs_has_nothing_to_judge(mark: Open) -> None:
    browser = mark(pairs(0))
    assert (browser.shown["row"], browser.shown["total"], browser.shown["result"]) == (
        None,
        0,
        None,
    )
    assert "0 of 0 pairs judged" in str(browser.marker.summary())


def test_only_a_marker_of_pairs_has_pairs(mark: Open) -> None:
    with pytest.raises(UsageError, match="this marker has no pairs"):
        _ = mark(pair=None).marker.pairs


@pytest.mark.parametrize(
    ("outcomes", "left"), [(["first"], []), (["first"], ["left"]), (["tie"], ["tie"])]
)
def test_invalid_sides_are_refused(outcomes: list[Any], left: list[str]) -> None:
    with pytest.raises(UsageError, match="'first' or 'second' for each"):
        left_wins(outcomes, left)


def test_without_decisions_the_side_bias_is_unknown() -> None:
    score = left_wins(["tie"], ["first"])
    assert (score.value, score.low, score.high, score.n) == (0.5, 0.0, 1.0, 0)
    assert "nothing was decided" in score.how


def test_the_verbs_mark_pairs_and_bind_outcomes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.ip.user_ns["pairs"] = pairs(4)
    assert "0 of 4 pairs judged" in shell.run("%synth mark --pair pairs --by ana")
    queue = shell["pairs_marker"]
    assert isinstance(queue, PairQueue)
    queue.act({"do": "label", "id": "p0", "label": "left"})
    queue.mark(["p1", "p2"], "tie")
    shown = shell.run("%synth marks pairs")
    assert "3 of 4 pairs judged; bound pairs_marks, pairs_judged" in shown
    left = drawn_left("p0", by="ana", seed=0)
    judged = shell["pairs_judged"]
    assert judged["outcome"].fillna("").tolist() == [left, "tie", "tie", ""]
    assert battles(judged)[0] == Battle("ours", "rival", left)
    assert "0.67" in shown
    assert "the left text (A) was better in 1.00" in shown
    assert [one.label for one in current_marks(queue.session.marks()).values()] == [
        left,
        "tie",
        "tie",
    ]
    monkeypatch.setenv("SYNTHKIT_LIVE", "1")
    shell.run("%synth mark pairs --pair --by ana --keys left=h")
    assert isinstance(shell["pairs_marker"], Marker)
    shell.ip.user_ns["others"] = pd.DataFrame({"id": ["a"], "text": ["b"]})
    with pytest.raises(TableError, match="column 'first' not found"):
        shell.run("%synth mark others --pair")
