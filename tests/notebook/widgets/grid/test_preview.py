"""The live preview without a browser; tests/browser tests its front end."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.core.models import Activity, Ledger
from synthkit.notebook.widgets.grid.preview import Preview
from tests.notebook.wire import ask, messages


class Clock:
    """Seconds that go on when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def preview(total: int = 10, clock: Clock | None = None, **options: Any) -> Preview:
    return Preview("reviews", total, ["text", "stars"], "fake", clock=clock or Clock(), **options)


def feed(widget: Preview, n: int, start: int = 0, tokens: int = 10, hit: bool = False) -> None:
    for i in range(start, start + n):
        widget.add(i, {"text": f"row {i}", "stars": i}, None, tokens, hit)


def tick(
    widget: Preview, *, tokens: int = 0, text: str = "", under_way: tuple[int, int] = (0, 0)
) -> None:
    """A tick of a run that has generated some tokens."""
    widget.tick(Ledger(completion_tokens=tokens), Activity(text, *under_way))


def test_rows_are_sent_in_batches() -> None:
    clock = Clock()
    widget = preview(clock=clock)
    feed(widget, 5)
    assert [(m["start"], len(m["rows"])) for m in messages(widget, "rows")] == [(0, 1)]
    clock.now += 0.125
    tick(widget)
    assert [(m["start"], len(m["rows"])) for m in messages(widget, "rows")] == [(0, 1), (1, 4)]
    assert messages(widget, "rows")[1]["rows"][3] == {"at": 5, "tokens": 10, "cells": ["row 4", 4]}


def test_nothing_is_sent_before_the_period_ends() -> None:
    clock = Clock()
    widget = preview(clock=clock)
    feed(widget, 1)
    tick(widget)
    sent = len(widget.comm.sent)
    for _ in range(1000):
        tick(widget)
    assert len(widget.comm.sent) == sent


def test_a_burst_of_100_000_rows_sends_less_than_100_kb() -> None:
    widget = preview(total=100_000)
    feed(widget, 100_000, hit=True)
    widget.finish("done")
    assert widget.progress["seen"] == 100_000
    assert sum(len(json.dumps(data)) for data in widget.comm.sent) < 100_000
    assert messages(widget, "rows")[-1]["rows"][-1]["at"] == 100_000


def test_the_browser_gets_the_page_it_asks_for() -> None:
    widget = preview(total=1000)
    feed(widget, 1000)
    widget.finish("done")
    ask(widget, type="page", query=0, start=400)
    page = messages(widget, "rows")[-1]
    assert (page["start"], len(page["rows"])) == (400, 200)
    assert [row["at"] for row in page["rows"][:2]] == [401, 402]
    ask(widget, type="page", query=0, start=5000)
    assert messages(widget, "rows")[-1] == {
        "type": "rows",
        "query": 0,
        "start": 5000,
        "rows": [],
    }


def test_a_view_that_opens_later_has_the_first_rows_in_the_state() -> None:
    clock = Clock()
    widget = preview(total=100, clock=clock)
    for n in range(30):
        clock.now += 0.2
        feed(widget, 1, start=n)
    assert [row["at"] for row in widget.first] == list(range(1, 21))


def test_the_saved_state_does_not_grow_with_the_rows() -> None:
    sizes = []
    for n in (100, 100_000):
        widget = preview(total=100_000)
        feed(widget, n)
        widget.finish("done")
        sizes.append(len(json.dumps(widget.get_state())))
    assert sizes[1] - sizes[0] < 100
    assert sizes[1] < 100_000


def test_first_rows_too_long_for_the_state_are_left_out() -> None:
    widget = Preview("wide", 20, [f"c{n}" for n in range(30)], "fake", clock=Clock())
    for i in range(20):
        widget.add(i, {f"c{n}": "é" * 1000 for n in range(30)}, None, 1, False)
    widget.finish("done")
    assert len(json.dumps(widget.first, ensure_ascii=False).encode()) < 13_000


def test_a_reject_brings_its_raw_text_and_reason() -> None:
    widget = preview()
    widget.add(3, None, ("As an AI", "refusal"), 7, False)
    assert widget.first == [{"at": 4, "tokens": 7, "reason": "refusal", "raw": "As an AI"}]
    assert (widget.progress["rows"], widget.progress["rejects"]) == (0, 1)


def test_long_cells_are_clipped_with_their_length_and_sent_whole_when_asked() -> None:
    widget = preview()
    widget.add(0, {"text": "x" * 1_000_000, "stars": None}, None, 1, False)
    assert widget.first[0]["cells"] == [["x" * 300, 1_000_000], None]
    ask(widget, type="row", query=0, index=0)
    (whole,) = messages(widget, "row")
    assert whole["row"]["cells"] == [["x" * 100_000, 1_000_000], None]


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (3, 3),
        (2**60, "1152921504606846976"),
        (float("nan"), "NaN"),
        (True, "true"),
        (None, None),
        ({"a": [1]}, '{"a": [1]}'),
        ("\ud83d\ude00 \ud800", "😀 \ufffd"),
    ],
)
def test_any_cell_arrives(value: Any, cell: Any) -> None:
    widget = preview()
    widget.add(0, {"text": value}, None, 1, False)
    assert messages(widget, "rows")[0]["rows"][0]["cells"] == [cell, None]


def test_what_the_run_does_is_sent_at_once() -> None:
    widget = preview()
    assert widget.progress["doing"] == "starting"
    for text in ("loading smollm2 bf16, 269 MB", "reading prompts", ""):
        tick(widget, text=text)
        assert widget.progress["doing"] == text
    tick(widget, text="reading prompts")
    widget.finish("done")
    assert (widget.progress["doing"], widget.progress["under_way"]) == ("", 0)


def test_the_rate_counts_tokens_under_way_and_no_time_of_loading() -> None:
    clock = Clock()
    widget = preview(clock=clock)
    clock.now += 30
    tick(widget, text="loading")
    clock.now += 2
    tick(widget, under_way=(4, 60))
    assert (widget.progress["seconds"], widget.progress["rate"]) == (32.0, 30.0)
    assert (widget.progress["under_way"], widget.progress["left"]) == (4, None)
    clock.now += 1
    tick(widget, tokens=30, under_way=(3, 90))
    assert widget.progress["rate"] == 40.0
    clock.now += 60
    tick(widget, tokens=30, text="waiting: the server answers 503")
    assert widget.progress["rate"] is None
    clock.now += 1
    tick(widget, tokens=80, under_way=(3, 80))
    assert widget.progress["rate"] == 40.0


def test_the_rate_covers_a_completion_slower_than_its_window() -> None:
    clock = Clock()
    widget = preview(clock=clock)
    for _ in range(60):
        clock.now += 1
        tick(widget, tokens=60)
    assert widget.progress["rate"] == 1.0


def test_time_left_waits_for_five_seconds_and_three_rows_of_this_run() -> None:
    clock = Clock()
    widget = preview(total=20, clock=clock)
    tick(widget)
    feed(widget, 8, hit=True)
    left = []
    for n in range(8, 16):
        clock.now += 2
        feed(widget, 1, start=n)
        tick(widget)
        left.append(widget.progress["left"])
    assert left == [None, None, 18.0, 16.0, 14.0, 12.0, 10.0, 8.0]


def test_time_left_waits_until_as_many_rows_have_ended_as_are_under_way() -> None:
    clock = Clock()
    widget = preview(total=96, clock=clock)
    tick(widget)
    clock.now += 19
    feed(widget, 8)
    clock.now += 1
    tick(widget, under_way=(32, 900))
    assert widget.progress["left"] is None  # 20 s for 8 of 96 rows would say 4 minutes
    clock.now += 19
    feed(widget, 24, start=8)
    clock.now += 1
    tick(widget, under_way=(32, 400))
    assert widget.progress["left"] == 40.0  # 48 of 64 rows, since 32 are half done


def test_time_left_follows_the_present_rate() -> None:
    clock = Clock()
    widget = preview(total=100, clock=clock)
    tick(widget)
    for tokens in range(1, 61):
        clock.now += 1
        tick(widget, tokens=tokens)
    feed(widget, 46)
    for tokens in range(70, 470, 10):
        clock.now += 1
        tick(widget, tokens=tokens)
    assert widget.progress["rate"] == 10.0
    assert widget.progress["left"] == pytest.approx(54.0)  # rows, of 10 tokens each


def test_counts_and_totals_add_up_at_the_end() -> None:
    widget = preview(total=5)
    feed(widget, 2, hit=True)
    feed(widget, 1, start=2, tokens=12)
    widget.add(3, None, ("raw", "why"), 5, False)
    assert widget.progress["state"] == "running"
    widget.finish("interrupted", "by hand")
    progress = dict(widget.progress)
    assert progress.pop("totals") == [
        "3 rows, 1 reject, 1 pending, 2 cached, 2 generated",
        "fake",
        "17 tokens",
    ]
    assert progress == {
        "state": "interrupted",
        "message": "by hand",
        "doing": "",
        "under_way": 0,
        "seconds": 0.0,
        "total": 5,
        "seen": 4,
        "rows": 3,
        "rejects": 1,
        "pending": 1,
        "rate": None,
        "left": None,
        "cost": "",
    }


def test_a_ledger_gives_the_last_line() -> None:
    widget = preview(total=1)
    feed(widget, 1)
    widget.finish(
        "done", ledger=Ledger(requests=1, prompt_tokens=90, completion_tokens=10, cost=0.5)
    )
    assert widget.progress["totals"][2:] == ["100 tokens", "$0.50"]


def test_stop_is_called_once_and_the_state_says_so() -> None:
    calls: list[int] = []
    widget = preview(stop=lambda: calls.append(1))
    assert widget.about["stop"] is True
    ask(widget, type="stop")
    ask(widget, type="stop")
    assert calls == [1]
    assert widget.progress["state"] == "stopping"
    feed(widget, 1)
    assert widget.progress["state"] == "stopping"
    widget.finish("stopped")
    ask(widget, type="stop")
    assert (calls, widget.progress["state"]) == ([1], "stopped")


def test_without_a_stop_there_is_no_button() -> None:
    widget = preview()
    assert widget.about["stop"] is False
    ask(widget, type="stop")
    assert widget.progress["state"] == "running"


def test_an_error_of_stop_is_shown_and_the_button_comes_back() -> None:
    def stop() -> None:
        raise ValueError("cannot stop")

    widget = preview(stop=stop)
    ask(widget, type="stop")
    assert widget.error == "ValueError: cannot stop"
    assert widget.progress["state"] == "running"


@pytest.mark.parametrize(
    "content", [{"type": "page", "start": -1}, {"type": "row", "index": 9}, {}]
)
def test_an_invalid_message_shows_an_error(content: dict[str, Any]) -> None:
    widget = preview()
    ask(widget, **content)
    assert widget.error.startswith("unknown message to Preview")
    assert messages(widget, "rows") == []


def test_an_outcome_is_a_row_or_a_reject() -> None:
    widget = preview()
    for row, reject in [(None, None), ({"text": "x"}, ("raw", "why"))]:
        with pytest.raises(UsageError, match="a row or a reject"):
            widget.add(0, row, reject, 1, False)
    assert widget.progress["seen"] == 0


def test_rows_from_eight_threads_are_all_there() -> None:
    widget = Preview("reviews", 4000, ["text"], "fake")
    threads = [
        threading.Thread(target=feed, args=(widget, 500, start)) for start in range(0, 4000, 500)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    widget.finish("done")
    seen = set()
    for start in range(0, 4000, 200):
        ask(widget, type="page", query=0, start=start)
        seen |= {row["at"] for row in messages(widget, "rows")[-1]["rows"]}
    assert seen == set(range(1, 4001))
    assert (widget.progress["rows"], widget.progress["pending"]) == (4000, 0)


def test_a_run_without_requests_has_a_state() -> None:
    widget = preview(total=0)
    widget.finish("done")
    assert (widget.progress["seen"], widget.progress["pending"]) == (0, 0)
    assert widget.first == []


def test_a_known_cost_is_shown_during_the_run() -> None:
    clock = Clock()
    widget = preview(clock=clock)
    feed(widget, 1)
    assert widget.progress["cost"] == ""
    clock.now += 1
    widget.tick(Ledger(cost=0.1234), Activity())
    assert (widget.progress["cost"], widget.progress["totals"][-1]) == ("$0.12", "$0.12")
    clock.now += 1
    feed(widget, 1, start=1)
    assert widget.progress["cost"] == "$0.12"


def test_repr_has_no_address_and_does_not_change() -> None:
    widget = preview()
    assert repr(widget) == "Preview('reviews', total=10)"
    feed(widget, 3)
    assert widget._repr_mimebundle_()[0]["text/plain"] == "Preview('reviews', total=10)"


def test_no_trait_shadows_what_ipywidgets_needs() -> None:
    assert not {"keys", "comm", "model_id"} & (set(Preview.class_traits()) - set(base_traits()))
    assert {"about", "progress", "first", "view", "kinds", "error", "_esm", "_css"} <= set(
        preview().get_state()
    )


def base_traits() -> set[str]:
    from anywidget import AnyWidget

    return set(AnyWidget.class_traits())
