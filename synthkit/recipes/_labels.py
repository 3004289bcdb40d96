"""Labels that texts are written for: their template fields, and tables with equal shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.data import tables
from synthkit.prompts.conditions import conditions
from synthkit.recipes._arguments import check_positive, distinct_names

Labels = Sequence[str] | Mapping[str, str]
"""Labels; or label -> its description. A text is split at its commas."""


def label_fields(labels: Labels) -> dict[str, Any]:
    """Labels as values for ``vary``, with the field ``description`` if the labels have one.

    >>> label_fields({"sports": "games and athletes"})["description"]
    {'by': 'label', 'values': {'sports': ['games and athletes']}}

    Raises
    ------
    UsageError
        If there are none, or if they are not distinct texts.
    """
    names = distinct_names("labels", labels)
    if not isinstance(labels, Mapping):
        return {"label": names}
    descriptions = {name: [description] for name, description in labels.items()}
    return {"label": names, "description": {"by": "label", "values": descriptions}}


def balanced_labels(labels: Labels, n: int) -> Any:
    """A table of ``n`` rows that repeats the labels in order.

    >>> balanced_labels("yes, no", 3)["label"].tolist()
    ['yes', 'no', 'yes']
    """
    check_positive(n=n)
    return tables.take(conditions(None, n, label_fields(labels)), range(n))
