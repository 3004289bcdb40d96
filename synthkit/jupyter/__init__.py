"""The notebook shell: magics, completion, displays and widgets over the public functions."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "Lab": "lab",
    "Explorer": "explorer",
    "Preview": "preview",
    "SessionBrowser": "sessions",
    "TableView": "view",
    "Marker": "marker",
    "Plotted": "figure",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synthkit.jupyter' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"synthkit.jupyter.{_HOMES[name]}"), name)
    globals()[name] = value
    return value
