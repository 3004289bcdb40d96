"""Quotas: how many rows of each label and attribute, by shares and largest remainders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError, unknown

Condition = Mapping[str, Any]
"""Field -> value."""


def quotas(
    asked: Sequence[Condition], n: int, targets: Mapping[str, Any] | None = None
) -> list[int]:
    """How many of ``n`` rows each condition is to have.

    A condition's target is n times its share: the product of the shares of its values, each among
    the values that occur with those of the fields before it. All targets are rounded down, and what
    is left goes one by one to argmax(target - quota) of the first field's values, then of
    conditions, then of the other fields' values. So the first field has its largest-remainder
    quotas, and no condition differs from its target by 1 or more, unless the first field needs it.

    >>> pairs = [{"label": x, "topic": y} for x in "ab" for y in "123"]
    >>> quotas(pairs, 4)
    [1, 0, 1, 1, 1, 0]
    >>> quotas(pairs, 10, {"label": {"a": 7, "b": 3}})
    [3, 2, 2, 1, 1, 1]

    Raises
    ------
    UsageError
        If the targets name a field or value that there is not, lack one, or are no shares.
    """
    cells = [tuple(map(str, one.values())) for one in asked]
    wanted = [n * share for share in shares(asked, targets)]
    made = [int(target + 1e-9) for target in wanted]
    gaps = [target - have for target, have in zip(wanted, made, strict=True)]
    margins: defaultdict[tuple[int, str], float] = defaultdict(float)
    for row, gap in zip(cells, gaps, strict=True):
        for field in enumerate(row):
            margins[field] += gap
    for _ in range(n - sum(made)):
        at = max(range(len(cells)), key=lambda i: _urgency(cells[i], gaps[i], margins))
        made[at] += 1
        gaps[at] -= 1
        for field in enumerate(cells[at]):
            margins[field] -= 1
    return made


def shares(asked: Sequence[Condition], targets: Mapping[str, Any] | None = None) -> list[float]:
    """The share of each condition; they add up to 1.

    >>> shares([{"label": "a"}, {"label": "b"}], {"label": {"a": 3, "b": 1}})
    [0.75, 0.25]

    Raises
    ------
    UsageError
        If the targets name a field or value that there is not, lack one, or are no shares.
    """
    cells = [tuple(map(str, one.values())) for one in asked]
    return _shares(cells, _weights(list(asked[0]), cells, targets or {}))


def _urgency(
    row: tuple[str, ...], gap: float, margins: Mapping[tuple[int, str], float]
) -> tuple[float, ...]:
    """How much a condition lacks a row; rounded, so that equal gaps are equal."""
    first, *others = (margins[field] for field in enumerate(row))
    return round(first, 9), round(gap, 9), round(sum(others), 9)


def _weights(
    names: Sequence[str], cells: Sequence[tuple[str, ...]], targets: Mapping[str, Any]
) -> list[Mapping[str, float] | None]:
    """The weights of each field's values; ``None`` where they are alike."""
    for name in targets:
        if name not in names:
            raise UsageError(f"targets: {unknown('field', name, names)}")
    found: list[Mapping[str, float] | None] = []
    for at, name in enumerate(names):
        if name not in targets:
            found.append(None)
            continue
        given = targets[name]
        values = dict.fromkeys(row[at] for row in cells)
        if not isinstance(given, Mapping):
            raise UsageError(f"targets: {name!r} needs a share for each value; got {given!r}.")
        weights = {str(value): share for value, share in given.items()}
        for value in weights:
            if value not in values:
                raise UsageError(f"targets: {name!r}: {unknown('value', value, values)}")
        for value in values:
            share = weights.get(value)
            if isinstance(share, bool) or not isinstance(share, int | float) or not share >= 0:
                raise UsageError(
                    f"targets: {name!r} needs a share of 0 or more for {value!r}; got {share!r}."
                )
        found.append(weights)
    return found


def _shares(
    cells: Sequence[tuple[str, ...]], weights: Sequence[Mapping[str, float] | None]
) -> list[float]:
    made = [1.0] * len(cells)
    for at, weight in enumerate(weights):
        beside: dict[tuple[str, ...], dict[str, float]] = {}
        for row in cells:
            share = 1.0 if weight is None else weight[row[at]]
            beside.setdefault(row[:at], {})[row[at]] = share
        for i, row in enumerate(cells):
            found = beside[row[:at]]
            if not sum(found.values()):
                raise UsageError(f"targets: expected a share above 0 among {', '.join(found)}.")
            made[i] *= found[row[at]] / sum(found.values())
    return made
