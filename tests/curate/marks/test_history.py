"""The log of marks, and what is read from it."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from synthkit.core.errors import TableError
from synthkit.core.types import Mark
from synthkit.curate.marks.history import (
    History,
    contested,
    pairs,
    sample,
    says,
    shuffled,
    split,
    standing,
    uncertain,
)
from synthkit.data import tables as tables

IDS = ["a", "b", "c", "d"]


class Snapshots:
    """What undo and redo mean, in the plainest way: whole states in a list."""

    def __init__(self) -> None:
        self.states: list[dict[str, Mark]] = [{}]
        self.at = 0

    @property
    def now(self) -> dict[str, Mark]:
        return self.states[self.at]

    def mark(self, marks: list[Mark]) -> None:
        state = self.now | {mark.id: mark for mark in marks}
        self.states[self.at + 1 :] = [{id: mark for id, mark in state.items() if says(mark)}]
        self.at += 1

    def undo(self) -> None:
        self.at = max(0, self.at - 1)

    def redo(self) -> None:
        self.at = min(len(self.states) - 1, self.at + 1)


def plain(marks: dict[str, Mark]) -> dict[str, Mark]:
    """Marks without what wrote them."""
    return {id: replace(mark, act="mark", step=0) for id, mark in marks.items()}


@pytest.mark.parametrize("seed", range(40))
def test_the_log_alone_gives_undo_and_redo_as_snapshots_would(seed: int) -> None:
    rng = random.Random(seed)
    log: list[Mark] = []
    history, model = History(by="me"), Snapshots()

    def write(marks: list[Mark]) -> None:
        step = len(log) + 1
        written = [replace(mark, step=mark.step or step) for mark in marks]
        log.extend(written)
        # marks of others stand between ours in the log, and change nothing
        log.append(Mark(id="a", label="reject", by="other", step=step + len(written)))
        history.add(written)

    for n in range(200):
        match rng.choices(["mark", "bulk", "undo", "redo", "reload"], [4, 1, 4, 3, 1])[0]:
            case "undo":
                write(history.undo())
                model.undo()
            case "redo":
                write(history.redo())
                model.redo()
            case "reload":
                history = History(log, by="me")
            case kind:
                ids = rng.sample(IDS, 1 if kind == "mark" else 3)
                said = {"label": rng.choice(["accept", "reject", ""]), "flag": rng.random() < 0.3}
                made = [Mark(id=id, by="me", at=float(n), **said) for id in ids]
                write(made)
                model.mark(made)
        assert plain(history.current) == plain(model.now)
        assert history.depth == (model.at, len(model.states) - 1 - model.at)
        assert plain(History(log, by="me").current) == plain(model.now)
        ours = {key[3]: mark for key, mark in standing(log).items() if key[2] == "me"}
        assert plain(ours) == plain(model.now)


def test_a_new_mark_clears_redo_and_a_bulk_mark_is_one_step() -> None:
    history = History([Mark(id=id, label="accept", step=1) for id in IDS])
    assert history.depth == (1, 0)
    undone = history.undo()
    assert [(mark.id, mark.label, mark.act, mark.step) for mark in undone] == [
        (id, "", "undo", 1) for id in IDS
    ]
    history.add(undone)
    assert (history.current, history.depth, history.undo()) == ({}, (0, 1), [])
    history.add([Mark(id="a", label="reject", step=9)])
    assert (history.depth, history.redo()) == ((1, 0), [])


def test_a_mark_that_was_undone_keeps_the_time_of_its_judgement() -> None:
    history = History(
        [Mark(id="a", label="accept", at=5, step=1), Mark(id="a", label="reject", at=9, step=2)]
    )
    (undone,) = history.undo()
    assert (undone.label, undone.at) == ("accept", 5)


def test_recent_rows_come_newest_first_and_once() -> None:
    steps = [("a", "accept"), ("b", "reject"), ("a", "skip"), ("c", "accept")]
    history = History(Mark(id=i, label=said, step=n) for n, (i, said) in enumerate(steps, 1))
    assert [(mark.id, mark.label) for mark in history.recent(2)] == [("c", "accept"), ("a", "skip")]
    history.add(history.undo())
    assert [mark.id for mark in history.recent(9)] == ["a", "b"]


def test_the_pace_leaves_out_pauses_flags_and_reasons() -> None:
    times = [0.0, 4.0, 10.0, 3610.0, 3618.0]
    history = History(
        Mark(id=str(n), label="accept", at=at, step=n) for n, at in enumerate(times, 1)
    )
    assert history.pace() == 6.0
    history.add([Mark(id="5", label="accept", flag=True, at=3618.5, step=6)])
    assert history.pace() == 6.0
    assert History().pace() is None


def test_split_keeps_the_kind_applies_edits_and_says_why(
    make: Callable[[dict[str, list[Any]]], Any], kind: str
) -> None:
    table = make({"id": IDS, "text": ["A", "B", "C", "D"], "n": [1, 2, 3, 4]})
    marks = [
        Mark(id="a", label="accept", edit={"text": "A!"}),
        Mark(id="b", label="reject", reason="too short"),
        Mark(id="c", label="skip"),
        Mark(id="gone", label="accept"),
    ]
    curation = split(table, marks)
    assert tables.kind(curation.kept) == tables.kind(curation.dropped) == kind
    assert tables.records(curation.kept) == [{"id": "a", "text": "A!", "n": 1}]
    assert tables.records(curation.dropped) == [
        {"id": "b", "text": "B", "n": 2, "why": "too short"}
    ]
    assert tables.column(table, "text") == ["A", "B", "C", "D"]


def test_split_without_marks_is_empty_and_has_its_columns(
    make: Callable[[dict[str, list[Any]]], Any],
) -> None:
    curation = split(make({"id": IDS, "text": IDS}), [])
    assert tables.columns(curation.kept) == ["id", "text"]
    assert tables.columns(curation.dropped) == ["id", "text", "why"]
    assert tables.size(curation.kept) == tables.size(curation.dropped) == 0


def test_the_majority_decides_and_the_second_round_does_not() -> None:
    rows = [{"id": id} for id in IDS]
    said = {"a": "aar", "b": "ar", "c": "r", "d": "a"}
    labels = {"a": "accept", "r": "reject"}
    marks = [
        Mark(id=id, label=labels[one], by=f"person {n}")
        for id, votes in said.items()
        for n, one in enumerate(votes)
    ]
    curation = split(rows, [*marks, Mark(id="d", label="reject", by="person 0", round=2)])
    assert curation.kept["id"].tolist() == ["a", "d"]
    assert curation.dropped[["id", "why"]].to_numpy().tolist() == [["c", "rejected"]]


def test_a_label_of_the_task_keeps_the_row() -> None:
    curation = split([{"id": "a"}, {"id": "b"}], [Mark(id="a", label="praise")])
    assert curation.kept["id"].tolist() == ["a"]


def test_rows_without_ids_are_found_again_by_what_they_hold() -> None:
    rows = [{"text": "same"}, {"text": "same"}, {"text": "other"}]
    ids = tables.column(tables.identified(rows), "id")
    curation = split(rows, [Mark(id=ids[1], label="accept")])
    assert curation.kept["id"].tolist() == [ids[1]]


def test_two_rows_with_one_id_are_refused() -> None:
    with pytest.raises(TableError, match="'a' occurs twice"):
        split([{"id": "a"}, {"id": "a"}], [])


def test_orders() -> None:
    assert sorted(shuffled(IDS, 1)) == IDS
    assert shuffled(IDS, 1) == shuffled(IDS, 1) != shuffled(IDS, 2)
    assert uncertain(IDS, [0.1, 0.6, float("nan"), 0.45]) == ["d", "b", "a", "c"]
    judged = {"b": ["accept", "reject"], "c": ["accept", "reject", "skip"], "d": ["accept"] * 2}
    assert contested(IDS, judged) == ["c", "b", "a", "d"]


def test_a_sample_loses_one_row_at_most_when_another_comes() -> None:
    ids = [str(n) for n in range(100)]
    before, after = sample(ids, 20, 0), sample([*ids, "new"], 20, 0)
    assert len(before) == 20
    assert len(set(before) - set(after)) <= 1
    assert sample(ids, 20, 1) != before


def test_pairs_leave_out_skips_and_rows_seen_once() -> None:
    first = {id: Mark(id=id, label="accept") for id in "abc"}
    second = {
        id: Mark(id=id, label=said)
        for id, said in zip("bcd", ["reject", "skip", "accept"], strict=True)
    }
    assert pairs(first, second) == [("accept", "reject")]
