"""The accept rate: the share of marked rows that people accepted."""

from __future__ import annotations

from collections.abc import Iterator

from synthkit.core.types import Score
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.registry import metric
from synthkit.stats.intervals import wilson


@metric("accept rate", kind="people", of="inputs", needs=("marks",))
def accept_rate(inputs: EvalInputs) -> Iterator[tuple[Score, list[str]]]:
    """The share of marked rows that are not rejected, without skips; Wilson interval."""
    accepted = {
        id: float(label != "reject")
        for id, label in inputs.marks.items()
        if label not in ("", "skip")
    }
    ids = [id for id in inputs.rows.table_ids if id in accepted]
    parts = [accepted[id] for id in ids]
    n = len(parts)
    low, high = wilson(sum(parts), n, inputs.level)
    yield Score(
        name="accept rate", value=sum(parts) / n if n else 0.5, low=low, high=high, n=n,
        unit="0..1", better="higher", how="marks, the majority of people; Wilson",
        level=inputs.level, parts=parts,
    ), ids  # fmt: skip
