"""The base of all widgets: front-end files, messages, errors, and what is sent of long cells."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import anywidget
import traitlets

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.core.formatting import cell, is_number

T = TypeVar("T")

HERE = Path(__file__).parent
SAFE_INTEGER = 2**53
_UNREAD = re.compile(r"^ *(?:/\*\*(?:(?!\*/).)*\*/\n|//[^\n]*\n)?", re.MULTILINE | re.DOTALL)

_SECTION = re.compile(r"/\* == (\w+)[^*]*\*/")


def source(*names: str) -> str:
    """The ES module made of files in ``static/``, with what they all share in front.

    Lines of comment and indentation are left out, since each widget is saved with its module in
    the notebook; so no template literal may go over several lines.
    """
    files = ((HERE / name).read_text(encoding="utf-8") for name in ("shared/base.js", *names))
    return _UNREAD.sub("", "".join(files))


def style(widget: str) -> str:
    """The stylesheet's common part and a widget's own, without comments and indentation."""
    common, *parts = _SECTION.split((HERE / "shared" / "synthkit.css").read_text(encoding="utf-8"))
    own = dict(zip(parts[::2], parts[1::2], strict=True))[widget]
    return re.sub(r"\s+", " ", re.sub(r"/\*.*?\*/", "", common + own, flags=re.DOTALL))


class Widget(anywidget.AnyWidget):
    """A widget whose data stays in the kernel, which answers the messages of the front end.

    ``about`` holds what never changes, and the widget's id, by which the front end asks its manager
    whether the kernel is still there. The ``error`` of a message is shown in the widget, because
    ipywidgets would log it where nobody looks; the next message that succeeds clears it.
    """

    about = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)

    def __init__(self, about: Mapping[str, Any], **states: Any) -> None:
        model_id = uuid.uuid4().hex
        super().__init__(model_id=model_id, about={"id": model_id, **about}, **states)
        self.on_msg(self._receive)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The view; empty where there can be none, since the static output is shown beside it."""
        bundle = super()._repr_mimebundle_(**options)
        if bundle:
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            data["text/html"] = ""
        return bundle

    def _receive(self, _: Any, content: Mapping[str, Any], __: Any) -> None:
        try:
            reply = self._reply(content)
        except Exception as error:
            self.fail(error)
            return
        if self.error:
            self.error = ""
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
