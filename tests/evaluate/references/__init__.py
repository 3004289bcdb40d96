"""References of metrics: the value of each beside that of another library or definition.

``python -m tests.evaluate.references --write`` writes the table of ``METRICS.md``, and
``test_references`` checks each row of it.
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
"""Our value and the reference value."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A metric, its function, and the reference it is compared with."""

    metric: str
    function: str
    definition: str
    against: str
    pairs: Callable[[Kind], Pairs]

    def apart(self, kind: Kind) -> tuple[float, int]:
        """The largest absolute difference, and the number of values."""
        found = [
            abs((ours.value if isinstance(ours, Score) else float(ours)) - float(theirs))
            for ours, theirs in self.pairs(kind)
        ]
        return float(max(found)), len(found)

    @property
    def score(self) -> Score | None:
        """One of its scores, which has its unit; ``None`` for an interval."""
        ours, _ = next(iter(self.pairs("random")))
        return ours if isinstance(ours, Score) else None


REFERENCES: dict[str, Reference] = {}
"""Metric -> reference; the modules of this package fill it."""


def against(
    metric: str, function: str, definition: str, library: str
) -> Callable[[Callable[[Kind], Pairs]], Callable[[Kind], Pairs]]:
    """Add a metric to the table; ``{name}`` in the library becomes its name and version."""
    named = re.sub(r"\{(\S+?)\}", lambda found: f"{found[1]} {version(found[1])}", library)

    def put(pairs: Callable[[Kind], Pairs]) -> Callable[[Kind], Pairs]:
        REFERENCES[metric] = Reference(metric, function, definition, named, pairs)
        return pairs

    return put


for _name in ("words", "vectors", "rows", "people"):
    importlib.import_module(f"tests.evaluate.references.{_name}")
