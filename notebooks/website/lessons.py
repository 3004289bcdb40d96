"""The notebooks: their titles, and which of them use a name."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parents[1]


@dataclass(frozen=True)
class Lesson:
    """A notebook of the course.

    Parameters
    ----------
    path : its file.
    """

    path: Path

    @cached_property
    def cells(self) -> list[dict[str, Any]]:
        """Its cells."""
        return list(json.loads(self.path.read_text(encoding="utf-8"))["cells"])

    @cached_property
    def code(self) -> str:
        """The text of all code cells."""
        return "\n\n".join("".join(c["source"]) for c in self.cells if c["cell_type"] == "code")

    @cached_property
    def shown(self) -> str:
        """The plain text of all outputs."""
        outputs = [each for cell in self.cells for each in cell.get("outputs", ())]
        texts = [each.get("data", {}).get("text/plain", each.get("text", ())) for each in outputs]
        return "\n\n".join("".join(text) for text in texts)

    @property
    def in_binder(self) -> bool:
        """Whether it runs in Binder: it trains no model, or replays the training from its bundle."""
        replays = self.path.with_name("bundles").joinpath(f"{self.path.stem}.zip").exists()
        return replays or not re.search(r"%synth train\b|\bsk\.train\.", self.code)

    @property
    def label(self) -> str:
        """The name of its file, in words."""
        return self.path.stem.replace("_", " ")


@cache
def lessons() -> list[Lesson]:
    """All notebooks, in the order of the course."""
    return [Lesson(path) for path in sorted(SOURCE.glob("*.ipynb"))]


def using(patterns: Iterable[str], shown: Iterable[str] = ()) -> list[Lesson]:
    """The lessons whose code matches a pattern, or whose outputs match one of ``shown``."""
    code, outputs = [re.compile(each) for each in patterns], [re.compile(each) for each in shown]
    return [
        lesson
        for lesson in lessons()
        if any(each.search(lesson.code) for each in code)
        or any(each.search(lesson.shown) for each in outputs)
    ]


def links(found: Iterable[Lesson], page: Path) -> str:
    """Links to lessons from a page, in Markdown."""
    paths = [(each.label, os.path.relpath(each.path, page.parent)) for each in found]
    return ", ".join(f"[{label}]({path})" for label, path in paths)


def menu() -> str:
    """The notebooks of each folder as a part of the site's menu."""
    found: dict[str, list[str]] = {}
    for each in lessons():
        path = each.path.relative_to(SOURCE)
        found.setdefault(path.parent.name or "lessons", []).append(str(path.with_suffix("")))
    trees = [
        "\n".join(
            ["```{toctree}", f":caption: {folder.capitalize()}", ":hidden:", "", *paths, "```"]
        )
        for folder, paths in found.items()
    ]
    return "\n\n".join(trees)
