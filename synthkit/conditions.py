"""Conditions: the fields of each request, from the rows of a table and from values to vary.

The sampler decides which values meet: all with all, or each field drawn by itself.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from synthkit import table
from synthkit.errors import TableError, UsageError, unknown
from synthkit.types import digest

Sampler = Literal["product", "independent"]


def conditions(
    rows: Any, n: int, vary: Mapping[str, Any], sampler: Sampler = "product", seed: int = 0
) -> Any:
    """A table with the fields of each request, in the order of the results.

    Parameters
    ----------
    rows : a table of any kind, or ``None``; the result is of its kind, pandas if ``None``.
    n : with ``rows``, requests for each row (and combination). Without, requests in all, where a
        product has each combination at least once.
    vary : field -> values.
    sampler : ``"product"``, all combinations in turn; ``"independent"``, each field drawn by
        itself, uniformly, by ``seed``. Raising ``n`` leaves earlier draws as they are.

    Raises
    ------
    UsageError
        If a field has no values, or the sampler is none.
    TableError
        If a field is in the rows and in ``vary``.

    Examples
    --------
    >>> conditions(None, 3, {"tone": ["dry", "warm"]})["tone"].tolist()
    ['dry', 'warm', 'dry']
    """
    if sampler not in ("product", "independent"):
        raise UsageError(unknown("sampler", sampler, ("product", "independent")))
    vary = _values(vary)
    if rows is None:
        varied = _drawn(vary, range(n), seed) if sampler == "independent" else _cycled(vary, n)
        return table.build({name: [row[name] for row in varied] for name in vary}, n=len(varied))
    both = [name for name in vary if name in table.columns(rows)]
    if both:
        raise TableError(f"the field {both[0]!r} is in the rows and in vary; rename one of them.")
    combinations = product(vary) if sampler == "product" else [{}]
    size = table.size(rows)
    each = [(i, c, copy) for i in range(size) for c in combinations for copy in range(n)]
    made = table.take(rows, [i for i, _, _ in each])
    varied = [combination for _, combination, _ in each]
    if sampler == "independent":
        varied = _drawn(vary, [(i, copy) for i, _, copy in each], seed)
    return table.assign(made, {name: [row[name] for row in varied] for name in vary})


def with_parent(fields: Any) -> Any:
    """The fields without ``id``: what was the rows' own id is ``parent`` in the results."""
    if "id" not in table.columns(fields):
        return fields
    return table.assign(fields, {"parent": table.column(fields, "id")})


def product(values: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """One dict for each combination of the values, the last field varying fastest.

    >>> product({"a": [1, 2], "b": ["x"]})
    [{'a': 1, 'b': 'x'}, {'a': 2, 'b': 'x'}]
    """
    names = list(values)
    return [dict(zip(names, cells, strict=True)) for cells in itertools.product(*values.values())]


def _values(vary: Mapping[str, Any]) -> dict[str, list[Any]]:
    made = {}
    for name, values in vary.items():
        texts = isinstance(values, str | bytes | Mapping)
        made[name] = list(values) if isinstance(values, Iterable) and not texts else []
        if not made[name]:
            raise UsageError(f"vary: {name!r} needs a list of one value or more; got {values!r}.")
    return made


def _cycled(vary: Mapping[str, Sequence[Any]], n: int) -> list[dict[str, Any]]:
    combinations = product(vary)
    return [combinations[i % len(combinations)] for i in range(max(n, len(combinations)))]


def _drawn(
    vary: Mapping[str, Sequence[Any]], places: Iterable[Any], seed: int
) -> list[dict[str, Any]]:
    """Independent uniform draws, one for each place; more places leave the draws as they are."""
    return [
        {
            name: values[int(digest([seed, name, place])[:12], 16) * len(values) >> 48]
            for name, values in vary.items()
        }
        for place in places
    ]
