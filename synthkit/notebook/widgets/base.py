"""The base of all widgets: messages, errors, heartbeat, and what is sent of long cells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import anywidget
import traitlets

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.core.formatting import cell, is_number
from synthkit.notebook.widgets.heartbeat import HEARTBEAT

T = TypeVar("T")

SAFE_INTEGER = 2**53


class Widget(anywidget.AnyWidget):
    """A widget whose data stays in the kernel, which answers the messages of the front end.

    A subclass names its built front end, ``widget.js`` and ``widget.css``, as ``_esm`` and
    ``_css``. ``about`` holds what never changes. The ``error`` of a message is shown in the widget,
    because ipywidgets would log it where nobody looks; the next message clears it.
    """

    about = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)

    def __init__(self, about: Mapping[str, Any], **states: Any) -> None:
        super().__init__(about=dict(about), **states)
        self.on_msg(self._receive)
        HEARTBEAT.follow(self)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The view; empty where there can be none, since the static output is shown beside it."""
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
        """The answer to a message of the front end, if there is one; errors are shown there.

        Subclasses handle their own messages, and call this for any other.
        """
        raise UsageError(f"unknown message to {type(self).__name__}: {content!r}.")

    def fail(self, error: BaseException) -> None:
        """Show an error in the widget, with its type unless it is a synthkit error."""
        name = "" if isinstance(error, SynthkitError) else f"{type(error).__name__}: "
        self.error = f"{name}{error}"


def clipped(value: Any, length: int) -> Any:
    """A cell to send: a number, text, ``None``, or ``[start of the text, its length]``."""
    if value is None or (is_number(value) and abs(value) < SAFE_INTEGER):
        return value
    text = cell(value)
    start = sendable(text[:length])
    return start if len(text) <= length else [start, len(text)]


def sendable(text: str) -> str:
    """Text that can be sent as UTF-8: half surrogate pairs become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fitting(rows: Iterable[T], size: int) -> list[T]:
    """The first rows whose JSON fits into ``size`` bytes, for a trait: a notebook saves it."""
    kept = []
    for row in rows:
        size -= len(json.dumps(row, ensure_ascii=False).encode())
        if size < 0:
            break
        kept.append(row)
    return kept
