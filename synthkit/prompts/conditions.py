"""Conditions: the fields of each request, from the rows of a table and from values to vary.

The sampler decides how values are combined: all combinations, independent draws, or rows of a real
table. The values of a field may depend on another field, and combinations may be excluded.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from typing import Any, Literal

from synthkit.core.errors import TableError, UsageError, check_known
from synthkit.core.formatting import is_number
from synthkit.core.hashing import digest
from synthkit.data import tables
from synthkit.data.cells import plain

Sampler = Literal["product", "independent", "joint"]
_SCALARS = (bool, int, float, str)
SAMPLERS = ("product", "independent", "joint")
Combination = Mapping[str, Any]
Where = Callable[[Combination], bool] | Combination | Sequence[Combination]
"""A function that accepts combinations; or the combinations to exclude."""

MOST_REQUESTS = 10_000_000
"""Most requests of one job, which are all in memory: 14 GB with short prompts."""
TRIES = 1000
"""Most draws for one request before the constraint is reported as too strict."""


@dataclass(frozen=True, slots=True)
class Band:
    """A length from ``low`` to ``high``, both included; a prompt shows it as text.

    >>> band = Band(50, 100)
    >>> f"Use {band} words.", 75 in band, Band.of("50 to 100") == band
    ('Use 50 to 100 words.', True, True)
    """

    low: int
    high: int

    @classmethod
    def of(cls, cell: Any) -> Band:
        """The band in a cell of a table: a band, or text such as ``50 to 100``.

        Raises
        ------
        UsageError
            If the cell is not a band.
        """
        if isinstance(cell, cls):
            return cell
        low, to, high = str(cell).partition(" to ")
        if not (to and low.isdecimal() and high.isdecimal()):
            raise UsageError(f"expected a band such as '50 to 100'; got {cell!r}.")
        return cls(int(low), int(high))

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise UsageError(f"a band goes from 0 or more up; got {self}.")

    def __contains__(self, n: int) -> bool:
        return self.low <= n <= self.high

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


def bands(*lows: int, width: int = 50) -> list[Band]:
    """Bands of one width that start at each of ``lows``, as in AttrPrompt (arXiv 2306.15895).

    >>> [str(band) for band in bands(50, 100, width=20)]
    ['50 to 70', '100 to 120']
    """
    return [Band(low, low + width) for low in lows]


def conditions(
    rows: Any,
    n: int,
    vary: Mapping[str, Any],
    sampler: Sampler = "product",
    seed: int = 0,
    *,
    like: Any = None,
    where: Where | None = None,
) -> Any:
    """A table with the fields of each request, in the order of the results.

    Class-dependent values and uniform independent draws follow AttrPrompt (arXiv 2306.15895). Draws
    from real rows, and constraints, are additions: independent draws make combinations that do not
    exist.

    Parameters
    ----------
    rows : a table of any kind, or ``None``; the result has its kind, pandas for ``None``.
    n : with ``rows``, requests for each row (and combination). Without, the number of requests; in
        a product, at least one for each combination.
    vary : field -> values. Values that depend on another field are a mapping from each of that
        field's values to a list, such as ``{"sports": ["golf"], "science": ["chess", "botany"]}``.
        The other field, of the rows, ``like`` or ``vary``, is the one whose values are all keys of
        the mapping. If there are several, name it: ``{"by": "label", "values": {...}}``. In place
        of any list, a mapping from its values to numbers, such as ``{"soup": 3, "bread": 1}``, has
        the weights that draws follow.
    sampler : ``"product"``, all combinations in turn; ``"independent"``, each field drawn
        independently, uniformly or by its weights, by ``seed``; ``"joint"``, whole rows of ``like``
        drawn uniformly, with the fields of ``vary`` drawn independently. A larger ``n`` does not
        change earlier draws.
    like : for ``"joint"``, a table whose columns, except ``id``, are fields.
    where : a function that says whether to use a combination, given with the fields of the row; or
        one or several ``{field: value}`` to exclude. A product leaves out the others; a draw is
        repeated.

    Raises
    ------
    UsageError
        If there are more than :data:`MOST_REQUESTS`; if a field has no values, or weights in a
        product; if the sampler is unknown; if values depend on an unknown field, or lack a list for
        one of its values; if the constraint excludes everything, or so much that 1,000 draws find
        nothing.
    TableError
        If a field is in two of the rows, ``like`` and ``vary``; if ``like`` has no rows, or a
        missing cell.

    Examples
    --------
    >>> conditions(None, 3, {"tone": ["dry", "warm"]})["tone"].tolist()
    ['dry', 'warm', 'dry']
    >>> topics = {"warm": ["soup", "bread"], "dry": ["tax"]}
    >>> conditions(None, 3, {"tone": ["dry", "warm"], "topic": topics}).values.tolist()
    [['dry', 'tax'], ['warm', 'soup'], ['warm', 'bread']]
    >>> conditions(None, 6, {"tone": {"dry": 2, "warm": 1}}, "independent")["tone"].tolist()
    ['warm', 'dry', 'dry', 'dry', 'dry', 'dry']
    """
    return conditions_and_records(rows, n, vary, sampler, seed, like=like, where=where)[0]


def conditions_and_records(
    rows: Any,
    n: int,
    vary: Mapping[str, Any],
    sampler: Sampler = "product",
    seed: int = 0,
    *,
    like: Any = None,
    where: Where | None = None,
) -> tuple[Any, list[dict[str, Any]]]:
    """The table of :func:`conditions`, and its rows as dicts for prompts.

    A column of Arrow, polars or datasets has one type, which makes 1 beside 2.5 a float. The dicts
    have the numbers and texts as they were given.
    """
    check_known("sampler", sampler, SAMPLERS)
    real = _real_rows(like, sampler)
    columns = [] if rows is None else tables.columns(rows)
    added = [*real[0], *vary]
    for name in added:
        if name in columns or added.count(name) > 1:
            left = "the rows" if name in columns else "like"
            right = "vary" if name in vary else "like"
            raise TableError(f"the field {name!r} is in {left} and in {right}; rename one of them.")
    records = [{}] if rows is None else tables.records(rows)
    if n * len(records) > MOST_REQUESTS:
        raise UsageError(
            f"{n * len(records):,} requests do not fit in memory; a job has at most "
            f"{MOST_REQUESTS:,}. Ask for fewer in each of several cells, with seeds of their own."
        )
    known = {name: [row[name] for row in records] for name in columns}
    known |= {name: [row[name] for row in real] for name in real[0]}
    fields = [_field(name, values) for name, values in vary.items()]
    if sampler == "product":
        _check_no_weights(fields)
    space = _Space(
        fields=_ordered(fields, known) if records else [],
        real=real,
        accepts=_constraint(where, [*known, *vary]),
        seed=seed,
    )
    if sampler != "product":
        by_row = [
            [space.draw(row, copy if rows is None else (i, copy)) for copy in range(n)]
            for i, row in enumerate(records)
        ]
    elif rows is None:
        product = space.combinations({})
        by_row = [[product[i % len(product)] for i in range(max(n, len(product)))]]
    else:
        by_row = [[c for c in space.combinations(row) for _ in range(n)] for row in records]
    drawn = [{n: plain(c[n]) for n in added} for combinations in by_row for c in combinations]
    cells = {name: [combination[name] for combination in drawn] for name in added}
    if rows is None:
        fields = tables.build(cells, n=len(by_row[0]))
        return fields, tables.records(fields)
    if tables.kind(rows) != "pandas":  # the others have no type for bands
        cells = {
            name: [str(cell) if isinstance(cell, Band) else cell for cell in values]
            for name, values in cells.items()
        }
    positions = [i for i, combinations in enumerate(by_row) for _ in combinations]
    fields = tables.assign(tables.take(rows, positions), cells)
    fixed = [
        {name: cell for name, cell in row.items() if type(cell) in _SCALARS and cell == cell}
        for row in drawn
    ]
    return fields, [row | cells for row, cells in zip(tables.records(fields), fixed, strict=True)]


class _Weighted(list[Any]):
    """Values whose draws follow weights; ``sums`` are those of the weights up to each value."""

    def __init__(self, values: Iterable[Any], weights: Iterable[float]) -> None:
        super().__init__(values)
        self.sums = list(accumulate(weights))


@dataclass(frozen=True, slots=True)
class _VariedField:
    """A field with a list of values for each value of the field ``by``, or a single list."""

    name: str
    lists: Mapping[Any, Sequence[Any]]
    by: str | None = None

    def values(self, row: Combination) -> Sequence[Any]:
        """Its possible values for the other fields in ``row``."""
        return self.lists[None if self.by is None else row[self.by]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Space:
    """The combinations of fields; each field comes after the field that it depends on."""

    fields: Sequence[_VariedField]
    real: Sequence[Combination]
    accepts: Callable[[Combination], bool]
    seed: int

    def combinations(self, row: Combination) -> list[dict[str, Any]]:
        """All accepted combinations for a row; the last field varies fastest."""
        product: list[dict[str, Any]] = [{}]
        for field in self.fields:
            product = [
                c | {field.name: value} for c in product for value in field.values({**row, **c})
            ]
        accepted = [combination for combination in product if self.accepts({**row, **combination})]
        if not accepted:
            raise UsageError(f"where: excludes all combinations{_for(row)}; got {len(product)}.")
        return accepted

    def draw(self, row: Combination, place: Any) -> dict[str, Any]:
        """A random accepted combination, which depends only on ``place`` and the seed."""
        for attempt in range(TRIES):
            parts = [place, attempt] if attempt else [place]
            combination = dict(self._drawn(self.real, "", parts))
            for field in self.fields:
                values = field.values({**row, **combination})
                combination[field.name] = self._drawn(values, field.name, parts)
            if self.accepts({**row, **combination}):
                return combination
        raise UsageError(
            f"where: too strict: none of {TRIES:,} draws was accepted{_for(row)}. "
            "Loosen it, or use the sampler 'product'."
        )

    def _drawn(self, values: Sequence[Any], name: str, parts: Sequence[Any]) -> Any:
        number = int(digest([self.seed, name, *parts])[:12], 16)
        if isinstance(values, _Weighted):
            return values[bisect_right(values.sums, number / 2**48 * values.sums[-1])]
        return values[number * len(values) >> 48]


def _check_no_weights(fields: Iterable[_VariedField]) -> None:
    for field in fields:
        if any(isinstance(values, _Weighted) for values in field.lists.values()):
            raise UsageError(
                f"vary: {field.name!r} has weights, which draws follow and no product; give "
                "sampler='independent' (--sampler independent) as well."
            )


def _for(row: Combination) -> str:
    return f" for {dict(row)}" if row else ""


def _real_rows(like: Any, sampler: Sampler) -> list[dict[str, Any]]:
    """The rows to draw from, without ``id``; a single row without fields if there is no table."""
    if (like is None) == (sampler == "joint"):
        raise UsageError("the sampler 'joint' draws rows of like=TABLE; give both or neither.")
    if like is None:
        return [{}]
    rows = [{name: row[name] for name in row if name != "id"} for row in tables.records(like)]
    if not rows:
        raise TableError("like: the table has no rows to draw from.")
    for n, row in enumerate(rows):
        missing = [name for name, cell in row.items() if cell is None]
        if missing:
            raise TableError(f"like: {missing[0]!r} is missing in row {n}; leave such rows out.")
    return rows


def _field(name: str, values: Any) -> _VariedField:
    """A field of ``vary``; ``by`` is empty if it depends on a field that is not named."""
    if not isinstance(values, Mapping) or _are_weights(values):
        return _VariedField(name, {None: _list(name, values)})
    named = set(values) == {"by", "values"} and isinstance(values["by"], str)
    by, lists = (values["by"], values["values"]) if named else ("", values)
    if not (isinstance(lists, Mapping) and lists):
        raise UsageError(f"vary: {name!r} needs a list for each value of a field; got {lists!r}.")
    return _VariedField(name, {key: _list(name, cells) for key, cells in lists.items()}, by)


def _are_weights(values: Any) -> bool:
    return isinstance(values, Mapping) and bool(values) and all(map(is_number, values.values()))


def _list(name: str, values: Any) -> list[Any]:
    if _are_weights(values):
        weights = list(values.values())
        if not all(0 <= weight < math.inf for weight in weights) or not any(weights):
            raise UsageError(
                f"vary: the weights of {name!r} must be finite, at least 0, and not all 0; got "
                f"{weights}."
            )
        return _Weighted(values, weights)
    scalar = isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable)
    items = [] if scalar else list(values)
    if not items:
        raise UsageError(f"vary: {name!r} needs a list of one value or more; got {values!r}.")
    return items


def _ordered(
    fields: Sequence[_VariedField], known: Mapping[str, Sequence[Any]]
) -> list[_VariedField]:
    """The fields, each after the field that it depends on, which is searched if not named."""
    values = {**known}
    values |= {field.name: [v for cells in field.lists.values() for v in cells] for field in fields}
    remaining = {}
    for field in fields:
        if field.by is not None:
            others = {name: cells for name, cells in values.items() if name != field.name}
            field = replace(field, by=_dependency(field, others))
        remaining[field.name] = field
    ordered = []
    while remaining:
        ready = next((field for field in remaining.values() if field.by not in remaining), None)
        if ready is None:
            names = ", ".join(map(repr, remaining))
            raise UsageError(f"vary: {names} depend on each other in a circle.")
        ordered.append(remaining.pop(ready.name))
    return ordered


def _dependency(field: _VariedField, others: Mapping[str, Sequence[Any]]) -> str:
    """The name of the field whose values are all keys of this field's lists."""

    def listed(cell: Any) -> bool:
        return isinstance(cell, Hashable) and cell in field.lists

    if field.by:
        check_known("field", field.by, others, place=f"vary: {field.name!r}: ")
    complete = [name for name, cells in others.items() if all(map(listed, cells))]
    candidates = complete or [name for name, cells in others.items() if any(map(listed, cells))]
    by = field.by or (candidates[0] if len(candidates) == 1 else None)
    if by is None:
        keys = ", ".join(map(repr, field.lists))
        names = " and ".join(map(repr, candidates)) if candidates else "no field"
        raise UsageError(
            f"vary: {field.name!r} has lists for {keys}, which are values of {names}. Name the "
            "field that it depends on: {'by': FIELD, 'values': ...}, with a list for each value."
        )
    for cell in others[by]:
        if not listed(cell):
            raise UsageError(f"vary: {field.name!r} has no list for the {by} {cell!r}; add one.")
    return by


def _constraint(where: Where | None, fields: Collection[str]) -> Callable[[Combination], bool]:
    """The function that accepts or excludes a combination."""
    if where is None:
        return lambda row: True
    if callable(where):
        return where
    excluded = list(where) if isinstance(where, Sequence) else [where]
    for combination in excluded:
        if not isinstance(combination, Mapping) or not combination:
            raise UsageError(
                "where: expected a function of a combination, or one or several {field: value} "
                f"to exclude; got {where!r}."
            )
        check_known("field", combination, fields, place="where: ")
    return lambda row: (
        not any(all(row[name] == cell for name, cell in each.items()) for each in excluded)
    )
