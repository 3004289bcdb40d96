"""The base class of all widgets: their module and stylesheet, messages, errors, and heartbeat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anywidget
import traitlets

from synthkit.core.errors import SynthkitError
from synthkit.notebook.output.tables import cell, is_number
from synthkit.notebook.widgets.heartbeat import HEARTBEAT

SAFE_INTEGER = 2**53


class Widget(anywidget.AnyWidget):
    """A widget that keeps its data here and answers the browser's messages.

    A subclass names its built module and stylesheet, ``widget.js`` and ``widget.css``, as ``_esm``
    and ``_css``. ``about`` holds what never changes. The ``error`` of a message is shown in the
    widget, since ipywidgets would only log it; the next message clears it.
    """

    about = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)

    def __init__(self, about: Mapping[str, Any], **states: Any) -> None:
        super().__init__(about=dict(about), **states)
        self.on_msg(self._receive)
        HEARTBEAT.follow(self)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The view, and nothing where no view can be made: the static output stands beside it."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle:
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            data["text/html"] = ""
        return bundle

    def _receive(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        if content.get("type") == "ping":
            self.send({"type": "pong"})
            return
        if self.error:
            self.error = ""  # the same error once more is a change then, and is shown
        try:
            with HEARTBEAT.busy():
                reply = self._reply(content)
        except Exception as error:
            self.fail(error)
            return
        if reply:
            self.send(reply)

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        """The reply to a message from the browser; ``None`` if there is none.

        An exception is shown in the widget.
        """
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Show an error in the widget: synthkit's own by its message, others with their type."""
        own = isinstance(error, SynthkitError)
        self.error = str(error) if own else f"{type(error).__name__}: {error}"


def clipped(value: Any, length: int) -> Any:
    """A cell for the browser: number, text, ``None``, or ``[start of the text, whole length]``."""
    if value is None or (is_number(value) and abs(value) < SAFE_INTEGER):
        return value
    # halves of surrogate pairs cannot be sent as UTF-8
    text = cell(value)
    start = text[:length].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return start if len(text) <= length else [start, len(text)]
