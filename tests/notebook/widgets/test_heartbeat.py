"""Pings, and the beats that stand for answers while the kernel is busy."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from synthkit.notebook.widgets import base
from synthkit.notebook.widgets.base import Widget
from synthkit.notebook.widgets.heartbeat import NAME, Heartbeat
from tests.notebook.wire import ask, messages


class Slow(Widget):
    """A widget whose reply waits until it has sent a beat."""

    _esm = "export default {};"

    def _reply(self, content: Mapping[str, Any]) -> None:
        if content["type"] == "fail":
            raise ValueError("no")
        wait_for_beat(self)


@pytest.fixture
def heartbeat(monkeypatch: pytest.MonkeyPatch) -> Heartbeat:
    beating = Heartbeat(0.005)
    monkeypatch.setattr(base, "HEARTBEAT", beating)
    return beating


def wait_for_beat(widget: Widget) -> None:
    pause = threading.Event()
    assert any(messages(widget, "beat") or pause.wait(0.005) for _ in range(2000))


def test_a_ping_is_answered_and_leaves_an_error_on_the_screen(heartbeat: Heartbeat) -> None:
    widget = Slow({})
    ask(widget, type="fail")
    ask(widget, type="ping")
    assert messages(widget, "pong") == [{"type": "pong"}]
    assert widget.error == "ValueError: no"


def test_beats_are_sent_while_a_reply_is_computed_and_then_end(heartbeat: Heartbeat) -> None:
    widget = Slow({})
    ask(widget, type="slow")
    for thread in threading.enumerate():
        if thread.name == NAME:
            thread.join(60)
            assert not thread.is_alive()


def test_beats_are_sent_while_a_cell_runs_until_no_widget_is_open(
    heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell = InteractiveShell()
    monkeypatch.setattr("synthkit.notebook.widgets.heartbeat.get_ipython", lambda: shell)
    before = {name: list(calls) for name, calls in shell.events.callbacks.items()}
    widget = Slow({})
    shell.events.trigger("post_execute")
    assert messages(widget, "beat") == []
    shell.events.trigger("pre_execute")
    wait_for_beat(widget)
    widget.close()
    shell.events.trigger("post_execute")
    assert shell.events.callbacks == before
