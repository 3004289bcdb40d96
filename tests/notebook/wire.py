"""A connection whose browser only takes notes, and what it would say."""

from __future__ import annotations

import json
from typing import Any

from comm.base_comm import BaseComm


class Wire(BaseComm):
    """Keeps what a widget sends: its first state, then its messages in ``sent``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.opened: dict[str, Any] = {}
        self.sent: list[dict[str, Any]] = []
        super().__init__(*args, **kwargs)

    @property
    def everything(self) -> list[dict[str, Any]]:
        """The first state, without the module, and all messages."""
        state = {key: one for key, one in self.opened["state"].items() if key[:4] != "_esm"}
        return [state, *self.sent]

    def publish_msg(self, msg_type: str, data: Any = None, **_: Any) -> None:
        if msg_type in ("comm_open", "comm_msg"):
            # what is no JSON, or no UTF-8, would not arrive
            sent = json.loads(json.dumps(data, allow_nan=False, ensure_ascii=False).encode())
            if msg_type == "comm_open":
                self.opened = sent
            else:
                self.sent.append(sent)


def messages(widget: Any, kind: str) -> list[dict[str, Any]]:
    """The custom messages of one type that went to the browser."""
    contents = [data["content"] for data in widget.comm.sent if data["method"] == "custom"]
    return [content for content in contents if content["type"] == kind]


def ask(widget: Any, **content: Any) -> None:
    """Deliver a message as the browser sends it."""
    data = {"method": "custom", "content": content}
    widget.comm.handle_msg({"content": {"data": data}, "buffers": []})


def query(widget: Any, **changes: Any) -> list[int]:
    """Ask for what a query finds, as the browser does; the numbers of the rows then in view."""
    ask(
        widget,
        **{"type": "show", "where": "", "search": "", "which": "all", "by": "", "down": False}
        | changes,
    )
    return numbers(widget)


def numbers(widget: Any) -> list[int]:
    """The numbers of the rows in view, by its pages."""
    found: list[int] = []
    while len(found) < widget.view["size"]:
        ask(widget, type="page", query=widget.view["query"], start=len(found))
        found += [row["at"] for row in messages(widget, "rows")[-1]["rows"]]
    return found


def trail(widget: Any, index: int) -> dict[str, Any]:
    """What is told of a row, by the labels of the parts."""
    ask(widget, type="trail", query=widget.view["query"], index=index)
    return {label: text for _, label, text in messages(widget, "trail")[-1]["parts"]}
