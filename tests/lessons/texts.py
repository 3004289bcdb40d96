"""The texts that lessons show."""

from __future__ import annotations

import re
from typing import Any

import nbformat

from tests.lessons.build import NOTEBOOKS


def read(lesson: str) -> Any:
    """A lesson as it is stored."""
    return nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4)


def texts(notebook: Any) -> list[str]:
    """The text of each code cell's outputs."""
    return [
        "\n".join(
            output.get("text")
            or output.get("evalue")
            or output.get("data", {}).get("text/plain", "")
            for output in cell.outputs
        )
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def stored(lesson: str) -> list[str]:
    """The text of each code cell's outputs, as the lesson has stored it."""
    return texts(read(lesson))


def said(text: str) -> str:
    """A text without the number of its cell, however its lines are broken."""
    return " ".join(re.sub(r"Out\[\d+\]:", "", text).split())
