"""What all widgets share."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import pytest

from synthkit.core.errors import UsageError
from synthkit.notebook.widgets.base import HERE, Widget, clipped

MODULES = sorted(str(path.relative_to(HERE)) for path in HERE.rglob("*.js"))
WIDGETS = (
    *("grid.preview.Preview", "grid.widget.TableView", "marker.widget.Marker"),
    *("lab.widget.Lab", "explorer.widget.Explorer", "sessions.widget.SessionBrowser"),
)


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


@pytest.mark.parametrize("name", WIDGETS)
def test_a_widget_is_small_and_asks_no_network(name: str) -> None:
    module, _, cls = name.rpartition(".")
    widget = getattr(importlib.import_module(f"synthkit.notebook.widgets.{module}"), cls)
    script, style = widget._esm, widget._css
    assert len(script.encode()) < 50_000
    assert len((script + style).encode()) < 70_000
    for forbidden in ("http:", "https:", "import ", "import(", "innerHTML", "eval(", "url("):
        # the namespace of SVG is a name, and nothing is fetched from it
        assert forbidden not in (script + style).replace("http://www.w3.org/2000/svg", "")


@pytest.mark.parametrize("name", MODULES)
def test_no_template_literal_goes_over_lines_whose_indentation_is_left_out(name: str) -> None:
    lines = (HERE / name).read_text().splitlines()
    assert [line for line in lines if line.count("`") % 2] == []


def test_an_error_in_a_callback_is_shown_until_one_succeeds() -> None:
    widget = Echo({})
    ask(widget, type="ours")
    assert widget.error == "expected a; got b."
    ask(widget, type="other")
    assert widget.error == "ZeroDivisionError: division by zero"
    ask(widget, type="fine")
    assert widget.error == ""


def test_where_no_view_can_be_made_a_widget_shows_nothing() -> None:
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
def test_a_cell_is_cut_for_the_browser(value: Any, sent: Any) -> None:
    assert clipped(value, 30) == sent
