"""Work that is done later, once for several requests."""

from __future__ import annotations

import threading
from functools import partial

from synthkit.notebook.deferred import Deferred

LONG = 60.0


def test_several_requests_share_one_call() -> None:
    calls: list[int] = []
    done = threading.Event()
    deferred = Deferred(lambda: (calls.append(1), done.set()), 0.05)
    for _ in range(5):
        deferred()
    assert done.wait(10)
    deferred.close(flush=True)
    assert calls == [1]


def test_a_request_during_a_call_is_followed_by_another_call() -> None:
    calls: list[int] = []
    started, go_on, twice = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        calls.append(1)
        started.set()
        assert go_on.wait(10)
        if len(calls) == 2:
            twice.set()

    deferred = Deferred(work, 0.0)
    deferred()
    assert started.wait(10)
    deferred()
    deferred()
    go_on.set()
    assert twice.wait(10)
    deferred.close()
    assert calls == [1, 1]


def test_closing_makes_a_pending_call_only_if_asked_to_flush() -> None:
    calls: list[str] = []
    for name, requested, flush in [("a", True, False), ("b", True, True), ("c", False, True)]:
        deferred = Deferred(partial(calls.append, name), LONG)
        if requested:
            deferred()
        deferred.close(flush=flush)
        deferred()
    assert calls == ["b"]
