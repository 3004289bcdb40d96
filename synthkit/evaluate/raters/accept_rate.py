"""The accept rate: the share of marked rows that people accepted."""

from __future__ import annotations

from collections.abc import Iterator

from synthkit.core.types import Score
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import proportion


@metric("accept rate", kind="people", of="inputs", needs=("marks",))
def accept_rate(inputs: EvalInputs) -> Iterator[tuple[Score, list[str]]]:
    """The share of marked rows that are not rejected, without skips; Wilson interval.

    References
    ----------
    E. B. Wilson (1927), Probable inference, the law of succession, and statistical inference,
    Journal of the American Statistical Association 22, 209-212.
    """
    verdicts = inputs.verdicts
    ids = [id for id in inputs.rows.table_ids if id in verdicts]
    hits = [float(verdicts[id]) for id in ids]
    how = "marks, the majority of people; Wilson"
    yield proportion("accept rate", hits, how=how, level=inputs.level), ids
