"""The cells of a lab: one row of the inputs, with one variant and one model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from synthkit.core.types import Completion, Mark
from synthkit.evaluate.checks import Verdict
from synthkit.lab.variants import Variant


@dataclass(frozen=True, slots=True)
class LabColumn:
    """One column of the matrix: a variant with a model."""

    variant: Variant
    model: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabCell:
    """One cell: an output row, or why there is none.

    Parameters
    ----------
    id : the id of the row that ``%%synth`` makes of the same request; empty if the variant cannot
        be rendered.
    state : ``"new"``, ``"asking"`` (running), ``"done"``, ``"reject"`` (the completion could not be
        parsed) or ``"error"`` (no completion; it can be run again).
    output : the output columns.
    text : the output as one text, JSON if it has several columns; for a reject the raw output.
    why : what is wrong, in words.
    cost : in US dollars; ``None`` if the price is unknown.
    """

    id: str = ""
    state: Literal["new", "asking", "done", "reject", "error"] = "new"
    output: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""
    why: str = ""
    completion: Completion | None = None
    cost: float | None = None
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)
    mark: Mark | None = None

    @property
    def label(self) -> str:
        """``"accept"``, ``"reject"`` or empty."""
        label = self.mark.label if self.mark else ""
        return label if label in ("accept", "reject") else ""

    @property
    def comment(self) -> str:
        """The comment of the mark."""
        return self.mark.reason if self.mark else ""

    @property
    def failing(self) -> bool:
        """Whether it is marked as bad, fails a check, or has no output row."""
        failed = any(verdict.passed is False for verdict in self.verdicts.values())
        return failed or self.label == "reject" or self.state in ("reject", "error")

    @property
    def unmarked(self) -> bool:
        """Whether it has an output and no label."""
        return self.state == "done" and not self.label


def as_text(output: Mapping[str, Any]) -> str:
    """An output as one text: its only cell, or all cells as JSON.

    >>> as_text({"text": "Cold soup."}), as_text({"a": 1, "b": "x"})
    ('Cold soup.', '{"a": 1, "b": "x"}')
    """
    cells = list(output.values())
    if len(cells) == 1 and isinstance(cells[0], str):
        return cells[0]
    value = cells[0] if len(cells) == 1 else dict(output)
    return json.dumps(value, ensure_ascii=False, default=str)
