"""Work that is done a little later, once for several requests."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Deferred:
    """Calls ``work`` in the background, ``seconds`` after a request.

    Requests in the meantime share one call, and calls never overlap. The last request is always
    followed by a call.
    """

    def __init__(self, work: Callable[[], object], seconds: float) -> None:
        self._work, self._seconds = work, seconds
        self._timer: threading.Timer | None = None
        self._closed = False
        self._lock = threading.Lock()
        self._working = threading.Lock()

    def __call__(self) -> None:
        """Request a call."""
        with self._lock:
            if self._timer is None and not self._closed:
                self._timer = threading.Timer(self._seconds, self._run)
                self._timer.daemon = True
                self._timer.start()

    def close(self, *, flush: bool = False) -> None:
        """Make no further calls; with ``flush``, make a pending call now."""
        with self._lock:
            timer, self._timer, self._closed = self._timer, None, True
        if timer is not None:
            timer.cancel()
            if flush:
                self._work()

    def _run(self) -> None:
        with self._working:
            with self._lock:
                if self._closed:
                    return
                self._timer = None
            self._work()
