"""Signs of life for the browser while the kernel is too busy to answer.

A widget's front end sends pings, and takes the kernel for gone when nothing comes back. The kernel
reads messages only between cells, so while it runs a cell, or computes the reply to a message, a
thread sends beats to the widgets that are open.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from IPython.core.getipython import get_ipython

NAME = "synthkit-heartbeat"
SECONDS = 2.0
"""Seconds between two beats. The front end waits four times as long."""


class Heartbeat:
    """Sends beats to widgets while the kernel is busy: ``{"type": "beat"}``."""

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._widgets: weakref.WeakSet[Any] = weakref.WeakSet()
        self._shell: Any = None
        self._ended: threading.Event | None = None

    def follow(self, widget: Any) -> None:
        """Send beats to an ipywidgets widget while it is open."""
        with self._lock:
            self._widgets.add(widget)
        shell = get_ipython()
        if shell is not None and shell is not self._shell:
            self._hook(shell)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Send beats while the body runs."""
        outermost = self._ended is None
        self._begin()
        try:
            yield
        finally:
            if outermost:
                self._end()

    def _hook(self, shell: Any) -> None:
        """Send beats while cells run, until no widget is open any more."""
        self._shell = shell
        shell.events.register("pre_execute", self._begin)
        shell.events.register("post_execute", self._end)
        self._begin()  # the cell that makes the first widget

    def _begin(self) -> None:
        if self._ended is None:
            self._ended = threading.Event()
            thread = threading.Thread(target=self._beat, args=(self._ended,), name=NAME)
            thread.daemon = True
            thread.start()

    def _end(self) -> None:
        if self._ended is not None:
            self._ended.set()
            self._ended = None
        if self._shell is not None and not self._open():
            self._shell.events.unregister("pre_execute", self._begin)
            self._shell.events.unregister("post_execute", self._end)
            self._shell = None

    def _open(self) -> list[Any]:
        with self._lock:
            return [widget for widget in self._widgets if widget.comm is not None]

    def _beat(self, ended: threading.Event) -> None:
        while not ended.wait(self._seconds):
            for widget in self._open():
                with suppress(Exception):  # the widget may be closed at this moment
                    widget.send({"type": "beat"})


HEARTBEAT = Heartbeat()
"""The heartbeat of all widgets of this process."""
