"""Quotas: the number of rows for each label and attribute, by shares and largest remainders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError, check_known

Condition = Mapping[str, Any]
"""Field -> value."""


def quotas(
    conditions: Sequence[Condition], n: int, targets: Mapping[str, Any] | None = None
) -> list[int]:
    """How many of ``n`` rows each condition gets.

    The target of a condition is n times its share: the product of the shares of its values, each
    among the values that occur together with those of the fields before it. Targets are rounded
    down, and the remaining rows go one by one to argmax(target - quota) over the first field's
    values, then over conditions, then over the other fields' values. So the first field has its
    largest-remainder quotas, and no condition differs from its target by 1 or more unless the first
    field requires it.

    >>> pairs = [{"label": x, "topic": y} for x in "ab" for y in "123"]
    >>> quotas(pairs, 4)
    [1, 0, 1, 1, 1, 0]
    >>> quotas(pairs, 10, {"label": {"a": 7, "b": 3}})
    [3, 2, 2, 1, 1, 1]

    Raises
    ------
    UsageError
        If the targets name an unknown field or value, lack a value, or are not shares.
    """
    cells = [tuple(map(str, condition.values())) for condition in conditions]
    exact = [n * share for share in shares(conditions, targets)]
    counts = [int(target + 1e-9) for target in exact]
    gaps = [target - count for target, count in zip(exact, counts, strict=True)]
    margins: defaultdict[tuple[int, str], float] = defaultdict(float)
    for row, gap in zip(cells, gaps, strict=True):
        for field in enumerate(row):
            margins[field] += gap
    for _ in range(n - sum(counts)):
        at = max(range(len(cells)), key=lambda i: _priority(cells[i], gaps[i], margins))
        counts[at] += 1
        gaps[at] -= 1
        for field in enumerate(cells[at]):
            margins[field] -= 1
    return counts


def shares(
    conditions: Sequence[Condition], targets: Mapping[str, Any] | None = None
) -> list[float]:
    """The share of each condition; they add up to 1.

    >>> shares([{"label": "a"}, {"label": "b"}], {"label": {"a": 3, "b": 1}})
    [0.75, 0.25]

    Raises
    ------
    UsageError
        If the targets name an unknown field or value, lack a value, or are not shares.
    """
    cells = [tuple(map(str, condition.values())) for condition in conditions]
    shares = [1.0] * len(cells)
    for at, weights in enumerate(_weights(list(conditions[0]), cells, targets or {})):
        by_prefix: defaultdict[tuple[str, ...], dict[str, float]] = defaultdict(dict)
        for row in cells:
            by_prefix[row[:at]][row[at]] = weights[row[at]]
        for i, row in enumerate(cells):
            values = by_prefix[row[:at]]
            if not sum(values.values()):
                raise UsageError(f"targets: expected a share above 0 among {', '.join(values)}.")
            shares[i] *= values[row[at]] / sum(values.values())
    return shares


def _priority(
    row: tuple[str, ...], gap: float, margins: Mapping[tuple[int, str], float]
) -> tuple[float, ...]:
    """The sort key of a condition that may get a row; rounded, so that equal gaps are equal."""
    first, *others = (margins[field] for field in enumerate(row))
    return round(first, 9), round(gap, 9), round(sum(others), 9)


def _weights(
    names: Sequence[str], cells: Sequence[tuple[str, ...]], targets: Mapping[str, Any]
) -> list[Mapping[str, float]]:
    """The weights of each field's values, which are equal for a field without a target."""
    check_known("field", targets, names, place="targets: ")
    weights_by_field: list[Mapping[str, float]] = []
    for at, name in enumerate(names):
        values = dict.fromkeys((row[at] for row in cells), 1.0)
        target = targets.get(name, values)
        if not isinstance(target, Mapping):
            raise UsageError(f"targets: {name!r} needs a share for each value; got {target!r}.")
        weights = {str(value): share for value, share in target.items()}
        check_known("value", weights, values, place=f"targets: {name!r}: ")
        for value in values:
            share = weights.get(value)
            if isinstance(share, bool) or not isinstance(share, int | float) or not share >= 0:
                raise UsageError(
                    f"targets: {name!r} needs a share of 0 or more for {value!r}; got {share!r}."
                )
        weights_by_field.append(weights)
    return weights_by_field
