"""Conditions: the fields of each request, from the rows of a table and from values to vary.

The sampler decides which values meet: all with all, each field drawn by itself, or as they meet in
the rows of a real table. A field's values may depend on another field's, and combinations may be
ruled out.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.types import digest
from synthkit.data import tables

Sampler = Literal["product", "independent", "joint"]
SAMPLERS = ("product", "independent", "joint")
Combination = Mapping[str, Any]
Where = Callable[[Combination], bool] | Combination | Sequence[Combination]
"""Says which combinations are wanted; or is those that are ruled out."""

TRIES = 1000
"""Most draws for one request before its constraint is said to leave too little."""


@dataclass(frozen=True, slots=True)
class Band:
    """A length from ``low`` to ``high``, both included; its text is what a prompt shows.

    >>> band = Band(50, 100)
    >>> f"Use {band} words.", 75 in band, Band.of("50 to 100") == band
    ('Use 50 to 100 words.', True, True)
    """

    low: int
    high: int

    @classmethod
    def of(cls, cell: Any) -> Band:
        """The band that a cell of a table is, or that its text states.

        Raises
        ------
        UsageError
            If it is none.
        """
        if isinstance(cell, cls):
            return cell
        low, to, high = str(cell).partition(" to ")
        if not (to and low.isdecimal() and high.isdecimal()):
            raise UsageError(f"expected a band such as '50 to 100'; got {cell!r}.")
        return cls(int(low), int(high))

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high:
            raise UsageError(f"a band goes from 0 or more upward; got {self}.")

    def __contains__(self, n: int) -> bool:
        return self.low <= n <= self.high

    def __str__(self) -> str:
        return f"{self.low} to {self.high}"


def bands(*lows: int, width: int = 50) -> list[Band]:
    """A band of that width from each of ``lows``, as AttrPrompt asks for words (2306.15895).

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

    Class-dependent values and uniform independent draws are those of AttrPrompt
    (2306.15895); real rows to draw from, and constraints, are not: independent draws make
    combinations that do not exist.

    Parameters
    ----------
    rows : a table of any kind, or ``None``; the result is of its kind, pandas if ``None``.
    n : with ``rows``, requests for each row (and combination). Without, requests in all, where a
        product has each combination at least once.
    vary : field -> values. Values that depend on another field are a mapping from each of its
        values to a list, such as ``{"sports": ["golf"], "science": ["physics", "botany"]}``; it
        is that of the rows, of ``like`` or of ``vary`` whose values are all keys of it. Where that
        is not one alone, name it: ``{"by": "label", "values": {...}}``.
    sampler : ``"product"``, all combinations in turn; ``"independent"``, each field drawn by
        itself, uniformly, by ``seed``; ``"joint"``, whole rows of ``like`` drawn uniformly, and
        each field of ``vary`` by itself beside them. Raising ``n`` leaves earlier draws as they
        are.
    like : for ``"joint"``, a table whose columns, but for ``id``, are fields.
    where : which combinations are wanted: a function of a combination, with the fields of the rows,
        that says whether; or one or several ``{field: value}``, which are ruled out. A product
        leaves the others out; a draw is drawn again.

    Raises
    ------
    UsageError
        If a field has no values, or the sampler is none; if values depend on a field that is not
        found, or lack a list for one of its values; if the constraint leaves nothing, or so little
        that 1,000 draws do not find it.
    TableError
        If a field is in two of the rows, ``like`` and ``vary``; if ``like`` has no rows, or misses
        a cell.

    Examples
    --------
    >>> conditions(None, 3, {"tone": ["dry", "warm"]})["tone"].tolist()
    ['dry', 'warm', 'dry']
    >>> topics = {"warm": ["soup", "bread"], "dry": ["tax"]}
    >>> made = conditions(None, 3, {"tone": ["dry", "warm"], "topic": topics})
    >>> made.values.tolist()
    [['dry', 'tax'], ['warm', 'soup'], ['warm', 'bread']]
    """
    if sampler not in SAMPLERS:
        raise UsageError(unknown("sampler", sampler, SAMPLERS))
    real = _real(like, sampler)
    given = [] if rows is None else tables.columns(rows)
    drawn = [*real[0], *vary]
    for name in drawn:
        if name in given or drawn.count(name) > 1:
            left = "the rows" if name in given else "like"
            right = "vary" if name in vary else "like"
            raise TableError(f"the field {name!r} is in {left} and in {right}; rename one of them.")
    each = [{}] if rows is None else tables.records(rows)
    known = {name: [row[name] for row in each] for name in given}
    known |= {name: [row[name] for row in real] for name in real[0]}
    fields = [_read(name, values) for name, values in vary.items()]
    space = _Space(
        fields=_linked(fields, known) if each else [],
        real=real,
        wanted=_wanted(where, [*known, *vary]),
        seed=seed,
    )
    if sampler != "product":
        picked = [
            [space.draw(row, copy if rows is None else (i, copy)) for copy in range(n)]
            for i, row in enumerate(each)
        ]
    elif rows is None:
        whole = space.combinations({})
        picked = [[whole[i % len(whole)] for i in range(max(n, len(whole)))]]
    else:
        picked = [[c for c in space.combinations(row) for _ in range(n)] for row in each]
    cells = {name: [made[name] for beside in picked for made in beside] for name in drawn}
    if rows is None:
        return tables.build(cells, n=len(picked[0]))
    chosen = [i for i, beside in enumerate(picked) for _ in beside]
    return tables.assign(tables.take(rows, chosen), cells)


def with_parent(fields: Any) -> Any:
    """The fields without ``id``: what was the rows' own id is ``parent`` in the results."""
    if "id" not in tables.columns(fields):
        return fields
    return tables.assign(fields, {"parent": tables.column(fields, "id")})


@dataclass(frozen=True, slots=True)
class _Field:
    """A field's values: a list for each value of the field ``by``; one alone where it has none."""

    name: str
    lists: Mapping[Any, Sequence[Any]]
    by: str | None = None

    def beside(self, row: Combination) -> Sequence[Any]:
        """Its values where the other fields are as in ``row``."""
        return self.lists[None if self.by is None else row[self.by]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Space:
    """The combinations that may stand beside a row; no field comes before the one it goes by."""

    fields: Sequence[_Field]
    real: Sequence[Combination]
    wanted: Callable[[Combination], bool]
    seed: int

    def combinations(self, row: Combination) -> list[dict[str, Any]]:
        """All of them, the last field varying fastest."""
        made: list[dict[str, Any]] = [{}]
        for field in self.fields:
            made = [c | {field.name: value} for c in made for value in field.beside({**row, **c})]
        left = [combination for combination in made if self.wanted({**row, **combination})]
        if not left:
            raise UsageError(f"where: none of {len(made)} combinations is left{_of(row)}.")
        return left

    def draw(self, row: Combination, place: Any) -> dict[str, Any]:
        """One by chance; the same for the same place, whatever is drawn for others."""
        for again in range(TRIES):
            at = [place, again] if again else [place]
            made = dict(self.real[self._chance(len(self.real), "", at)])
            for field in self.fields:
                values = field.beside({**row, **made})
                made[field.name] = values[self._chance(len(values), field.name, at)]
            if self.wanted({**row, **made}):
                return made
        raise UsageError(
            f"where: leaves too little: none of {TRIES:,} draws was wanted{_of(row)}. "
            "Loosen it, or take the sampler 'product'."
        )

    def _chance(self, size: int, name: str, at: Sequence[Any]) -> int:
        return int(digest([self.seed, name, *at])[:12], 16) * size >> 48


def _of(row: Combination) -> str:
    return f" beside {dict(row)}" if row else ""


def _real(like: Any, sampler: Sampler) -> list[dict[str, Any]]:
    """The combinations to draw from, from a real table; one without fields where there is none."""
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


def _read(name: str, values: Any) -> _Field:
    """A field as it is given; what it goes by is empty where it is to be found."""
    if not isinstance(values, Mapping):
        return _Field(name, {None: _list(name, values)})
    named = set(values) == {"by", "values"} and isinstance(values["by"], str)
    by, lists = (values["by"], values["values"]) if named else ("", values)
    if not (isinstance(lists, Mapping) and lists):
        raise UsageError(f"vary: {name!r} needs a list for each value of a field; got {lists!r}.")
    return _Field(name, {key: _list(name, cells) for key, cells in lists.items()}, by)


def _list(name: str, values: Any) -> list[Any]:
    whole = isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable)
    made = [] if whole else list(values)
    if not made:
        raise UsageError(f"vary: {name!r} needs a list of one value or more; got {values!r}.")
    return made


def _linked(fields: Sequence[_Field], known: Mapping[str, Sequence[Any]]) -> list[_Field]:
    """The fields, each after the one it goes by, which is found where it is not named."""
    values = {**known}
    values |= {one.name: [v for cells in one.lists.values() for v in cells] for one in fields}
    left = {}
    for field in fields:
        if field.by is not None:
            others = {name: cells for name, cells in values.items() if name != field.name}
            field = replace(field, by=_by(field, others))
        left[field.name] = field
    made = []
    while left:
        ready = next((field for field in left.values() if field.by not in left), None)
        if ready is None:
            raise UsageError(f"vary: {', '.join(map(repr, left))} go by each other in a circle.")
        made.append(left.pop(ready.name))
    return made


def _by(field: _Field, others: Mapping[str, Sequence[Any]]) -> str:
    """The field whose values are all keys of this one's lists."""

    def listed(cell: Any) -> bool:
        return isinstance(cell, Hashable) and cell in field.lists

    if field.by and field.by not in others:
        raise UsageError(f"vary: {field.name!r}: {unknown('field', field.by, others)}")
    fit = [name for name, cells in others.items() if all(map(listed, cells))]
    near = fit or [name for name, cells in others.items() if any(map(listed, cells))]
    by = field.by or (near[0] if len(near) == 1 else None)
    if by is None:
        keys = ", ".join(map(repr, field.lists))
        found = " and ".join(map(repr, near)) if near else "no field"
        raise UsageError(
            f"vary: {field.name!r} has lists for {keys}, which are values of {found}. Name the "
            f"one it goes by: {{'by': FIELD, 'values': ...}}, with a list for each of its values."
        )
    for cell in others[by]:
        if not listed(cell):
            raise UsageError(f"vary: {field.name!r} has no list for the {by} {cell!r}; add one.")
    return by


def _wanted(where: Where | None, fields: Collection[str]) -> Callable[[Combination], bool]:
    if where is None:
        return lambda row: True
    if callable(where):
        return where
    ruled_out = list(where) if isinstance(where, Sequence) else [where]
    for one in ruled_out:
        if not isinstance(one, Mapping) or not one:
            raise UsageError(
                "where: expected a function of a combination, or one or several {field: value} "
                f"to rule out; got {where!r}."
            )
        for name in one:
            if name not in fields:
                raise UsageError(f"where: {unknown('field', name, fields)}")
    return lambda row: (
        not any(all(row[name] == cell for name, cell in one.items()) for one in ruled_out)
    )
