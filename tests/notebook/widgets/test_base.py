"""The base of all widgets."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.notebook.widgets.base import Widget, clipped

WIDGETS = {
    "grid.preview.Preview": "sk-preview",
    "grid.widget.TableView": "sk-preview",
    "marker.widget.Marker": "sk-marker",
    "lab.widget.Lab": "sk-lab",
    "explorer.widget.Explorer": "sk-explorer",
    "sessions.widget.SessionBrowser": "sk-session",
}
"""The widgets, and the class of their root elements."""
GROUP = re.compile(r"@(?:media|container|supports)[^{]*\{")
PARENTHESES = re.compile(r"\((?:[^()]|\([^()]*\))*\)")
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")


class Echo(Widget):
    _esm = "export default {};"

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        match content.get("type"):
            case "ours":
                raise UsageError("expected a; got b.")
            case "other":
                raise ZeroDivisionError("division by zero")
        return None


def ask(widget: Widget, **content: Any) -> None:
    widget._handle_custom_msg(content, [])


def built(name: str) -> tuple[str, str]:
    """The module and the stylesheet of a widget, as they are saved in a notebook."""
    module, _, cls = name.rpartition(".")
    widget = getattr(importlib.import_module(f"synthkit.notebook.widgets.{module}"), cls)
    return str(widget._esm), str(widget._css)


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_is_small_and_asks_no_network(name: str) -> None:
    script, style = built(name)
    assert len((script + style).encode()) < 50_000
    for forbidden in ("http:", "https:", "import ", "import(", "innerHTML", "eval(", "url("):
        # the namespace of SVG is a name, and nothing is fetched from it
        assert forbidden not in (script + style).replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize(("name", "root"), WIDGETS.items())
def test_each_rule_of_a_stylesheet_is_within_the_widgets_root(name: str, root: str) -> None:
    _, style = built(name)
    rules = RULE.findall(GROUP.sub("", style))
    assert len(rules) > 60
    selectors = [one for names, _ in rules for one in PARENTHESES.sub("()", names).split(",")]
    scope = re.compile(rf"(?:^|\s)\.synthkit\.{root}(?![\w-])")
    assert [one for one in selectors if not scope.search(one)] == []
    assert "@import" not in style
    assert "@keyframes" not in style


def test_an_error_in_a_callback_is_shown_until_one_succeeds() -> None:
    widget = Echo({})
    ask(widget, type="ours")
    assert widget.error == "expected a; got b."
    ask(widget, type="other")
    assert widget.error == "ZeroDivisionError: division by zero"
    ask(widget, type="fine")
    assert widget.error == ""


def test_a_widget_shows_nothing_where_no_view_can_be_made() -> None:
    data, _ = Echo({})._repr_mimebundle_()
    assert data["text/html"] == ""
    assert "application/vnd.jupyter.widget-view+json" in data


@pytest.mark.parametrize(
    ("value", "sent"),
    [
        ("short", "short"),
        ("x" * 31, ["x" * 30, 31]),
        (2**60, str(2**60)),
        (1.5, 1.5),
        (True, "true"),
        (None, None),
        ("\ud800", "\ufffd"),
    ],
)
def test_a_long_cell_is_sent_as_its_start_and_its_length(value: Any, sent: Any) -> None:
    assert clipped(value, 30) == sent
