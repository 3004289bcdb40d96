"""What all widgets share: one stylesheet, one way to ask, and errors where people see them."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from synthkit.core.errors import SynthkitError
from synthkit.notebook.output.tables import cell, is_number

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
    """A widget that keeps its data here and answers the browser's messages.

    ``about`` holds what never changes, and the widget's id, by which the browser asks its manager
    whether the kernel is still there. The ``error`` of a message is shown in the widget, since
    ipywidgets would log it where nobody looks; the next message that succeeds clears it.
    """

    about = traitlets.Dict().tag(sync=True)
    error = traitlets.Unicode().tag(sync=True)

    def __init__(self, about: Mapping[str, Any], **states: Any) -> None:
        model_id = uuid.uuid4().hex
        super().__init__(model_id=model_id, about={"id": model_id, **about}, **states)
        self.on_msg(self._receive)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """The view; where none can be made, its static twin stands beside it, and this is empty."""
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
        """What a message from the browser is answered with; ``None`` for nothing.

        Whatever it raises is shown in the widget.
        """
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        """Show an error in the widget: in its own words if it is ours, else with its type."""
        told = (
            str(error) if isinstance(error, SynthkitError) else f"{type(error).__name__}: {error}"
        )
        self.error = told


def clipped(value: Any, length: int) -> Any:
    """A cell for the browser: number, text, ``None``, or ``[start of the text, whole length]``."""
    if value is None or (is_number(value) and abs(value) < SAFE_INTEGER):
        return value
    # halves of surrogate pairs cannot be sent as UTF-8
    text = cell(value)
    start = text[:length].encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return start if len(text) <= length else [start, len(text)]
