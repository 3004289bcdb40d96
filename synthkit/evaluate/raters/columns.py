"""Names of the columns that judges write, and of verdicts."""

from __future__ import annotations

from collections.abc import Sequence

OUTCOME = "outcome"
"""The column of which of two texts is better: first, second or tie."""
VERDICTS = {"accept", "reject"}


def judge_columns(columns: Sequence[str]) -> list[str]:
    """The columns that have a judge's reasons in a second column, ``<column>_reason``.

    >>> judge_columns(["text", "kind", "kind_reason"])
    ['kind']
    """
    return [name for name in columns if f"{name}_reason" in columns]
