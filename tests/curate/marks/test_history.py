from __future__ import annotations

import random
from dataclasses import replace

import pytest

from synthkit.core.types import Mark
from synthkit.curate.marks.history import History, current_marks, has_content

IDS = ["a", "b", "c", "d"]


class Snapshots:
    """A simple model of undo and redo: a list of all states."""

    def __init__(self) -> None:
        self.states: list[dict[str, Mark]] = [{}]
        self.at = 0

    @property
    def now(self) -> dict[str, Mark]:
        return self.states[self.at]

    def mark(self, marks: list[Mark]) -> None:
        state = self.now | {mark.id: mark for mark in marks}
        self.states[self.at + 1 :] = [{id: mark for id, mark in state.items() if has_content(mark)}]
        self.at += 1

    def undo(self) -> None:
        self.at = max(0, self.at - 1)

    def redo(self) -> None:
        self.at = min(len(self.states) - 1, self.at + 1)


def plain(marks: dict[str, Mark]) -> dict[str, Mark]:
    """Marks without their act and step."""
    return {id: replace(mark, act="mark", step=0) for id, mark in marks.items()}


@pytest.mark.parametrize("seed", range(40))
def test_undo_and_redo_from_the_log_agree_with_snapshots(seed: int) -> None:
    rng = random.Random(seed)
    log: list[Mark] = []
    history, model = History(by="me"), Snapshots()

    def write(marks: list[Mark]) -> None:
        step = len(log) + 1
        written = [replace(mark, step=mark.step or step) for mark in marks]
        log.extend(written)
        # marks of another annotator in between change nothing
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
                content = {
                    "label": rng.choice(["accept", "reject", ""]),
                    "flag": rng.random() < 0.3,
                }
                marks = [Mark(id=id, by="me", at=float(n), **content) for id in ids]
                write(marks)
                model.mark(marks)
        assert plain(history.current) == plain(model.now)
        assert history.depth == (model.at, len(model.states) - 1 - model.at)
        assert plain(History(log, by="me").current) == plain(model.now)
        ours = {key[3]: mark for key, mark in current_marks(log).items() if key[2] == "me"}
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


def test_a_restored_mark_keeps_its_time() -> None:
    history = History(
        [Mark(id="a", label="accept", at=5, step=1), Mark(id="a", label="reject", at=9, step=2)]
    )
    (undone,) = history.undo()
    assert (undone.label, undone.at) == ("accept", 5)


def test_recent_rows_are_listed_once_newest_first() -> None:
    steps = [("a", "accept"), ("b", "reject"), ("a", "skip"), ("c", "accept")]
    history = History(Mark(id=i, label=label, step=n) for n, (i, label) in enumerate(steps, 1))
    assert [(mark.id, mark.label) for mark in history.recent(2)] == [("c", "accept"), ("a", "skip")]
    history.add(history.undo())
    assert [mark.id for mark in history.recent(9)] == ["a", "b"]


def test_the_pace_ignores_pauses_flags_and_reasons() -> None:
    times = [0.0, 4.0, 10.0, 3610.0, 3618.0]
    history = History(
        Mark(id=str(n), label="accept", at=at, step=n) for n, at in enumerate(times, 1)
    )
    assert history.pace() == 6.0
    history.add([Mark(id="5", label="accept", flag=True, at=3618.5, step=6)])
    assert history.pace() == 6.0
    assert History().pace() is None
