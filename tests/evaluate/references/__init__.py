"""What each metric is held against: its value beside that of another library or definition.

``python -m tests.evaluate.references --write`` writes the tables of ``METRICS.md`` anew, and
``test_references`` holds every row of them.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version

from synthkit.core.types import Score
from tests.evaluate.inputs import Kind

Pairs = Iterable[tuple[Score | float, float]]
"""Ours, and what it is held against."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A metric, the function that gives it, and what it is held against."""

    metric: str
    function: str
    definition: str
    against: str
    pairs: Callable[[Kind], Pairs]

    def apart(self, kind: Kind) -> tuple[float, int]:
        """The largest absolute difference, and of how many values."""
        found = [
            abs((ours.value if isinstance(ours, Score) else float(ours)) - float(theirs))
            for ours, theirs in self.pairs(kind)
        ]
        return float(max(found)), len(found)

    @property
    def score(self) -> Score | None:
        """One of its scores, which has its unit; none of an interval."""
        ours, _ = next(iter(self.pairs("random")))
        return ours if isinstance(ours, Score) else None


REFERENCES: dict[str, Reference] = {}
"""Metric -> what it is held against; the modules beside this one fill it."""


def against(
    metric: str, function: str, definition: str, library: str
) -> Callable[[Callable[[Kind], Pairs]], Callable[[Kind], Pairs]]:
    """Puts a metric into the table; ``{name}`` in the library stands for its name and version."""
    named = re.sub(r"\{(\S+?)\}", lambda found: f"{found[1]} {version(found[1])}", library)

    def put(pairs: Callable[[Kind], Pairs]) -> Callable[[Kind], Pairs]:
        REFERENCES[metric] = Reference(metric, function, definition, named, pairs)
        return pairs

    return put


for _name in ("words", "vectors", "rows", "people"):
    importlib.import_module(f"tests.evaluate.references.{_name}")
