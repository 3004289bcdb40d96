"""Tables of four kinds: pandas, Arrow, polars, Hugging Face. A result has the kind of its input.

A kind is recognised by the module of the table's class, so none of these packages is imported
before a table of its kind exists. A list of dicts, or a dict of lists, becomes a DataFrame. Cells
stay what they are: see :mod:`synthkit.data.typed_columns`.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from synthkit.core.errors import TableError, check_known
from synthkit.data.arrow_tables import arrow_rows, arrow_table, column_cells, dataset, taken
from synthkit.data.cells import SIMPLE, canonical_row, present, same
from synthkit.data.typed_columns import (
    has_nanoseconds,
    package,
    pandas_cells,
    pandas_columns,
    polars_cells,
    polars_columns,
)

Kind = Literal["pandas", "arrow", "polars", "datasets"]
BATCH_ROWS = 10_000
"""Rows of a large table that become Python values at once."""

_MODULES: dict[str, Kind] = {
    "pandas": "pandas",
    "pyarrow": "arrow",
    "polars": "polars",
    "datasets": "datasets",
}


def is_table(value: Any) -> bool:
    """Whether a value is a table of any kind."""
    try:
        kind(value)
    except TableError:
        return False
    return True


def kind(table: Any) -> Kind:
    """The kind of a table: ``"pandas"``, ``"arrow"``, ``"polars"`` or ``"datasets"``.

    Raises
    ------
    TableError
        If it is not a table of these kinds, a list of dicts or a dict of lists.
    """
    cls = type(table)
    for parent in cls.__mro__:
        by_module = _MODULES.get(parent.__module__.partition(".")[0])
        if by_module and parent.__name__ in {"DataFrame", "Table", "Dataset"}:
            return by_module
    if isinstance(table, list) and all(isinstance(row, Mapping) for row in table):
        return "pandas"
    if isinstance(table, dict) and all(isinstance(cells, list) for cells in table.values()):
        return "pandas"
    raise TableError(
        "expected a pandas DataFrame, an Arrow Table, a polars DataFrame, a Hugging Face Dataset, "
        f"a list of dicts or a dict of lists; got {cls.__module__}.{cls.__qualname__}."
        + (" Collect it first." if cls.__name__ in ("LazyFrame", "IterableDataset") else "")
        + (" Collect it first: list(rows)." if isinstance(table, Iterator) else "")
        + (" Choose a split of it." if cls.__name__ == "DatasetDict" else "")
        + (" Load it first: rows.load()." if cls.__name__ == "ParquetTable" else "")
    )


def native(table: Any) -> Any:
    """The table itself; a DataFrame of it if it is a list of dicts or a dict of lists.

    The named levels of a pandas index become columns, as ``reset_index`` makes them.
    """
    if kind(table) != "pandas":
        return table
    if not isinstance(table, list | dict):
        levels = [
            name
            for name in table.index.names
            if isinstance(name, str) and name not in table.columns
        ]
        return table.reset_index(level=levels) if levels else table
    if isinstance(table, list):
        names = dict.fromkeys(name for row in table for name in row)
        return build({name: [row.get(name) for row in table] for name in names}, n=len(table))
    lengths = sorted(set(map(len, table.values())))
    if len(lengths) > 1:
        raise TableError(
            f"the columns of a table must have the same length; got {lengths[0]} and "
            f"{lengths[-1]} cells."
        )
    return build(table)


def columns(table: Any) -> list[str]:
    """The names of a table's columns, in order.

    Raises
    ------
    TableError
        If a name is not text, or occurs twice.
    """
    table = native(table)
    names = list(table.columns if kind(table) in {"pandas", "polars"} else table.column_names)
    for name in names:
        if not isinstance(name, str):
            raise TableError(f"column names must be text; got {name!r}. Rename it first.")
    if len(set(names)) < len(names):
        name = Counter(names).most_common(1)[0][0]
        raise TableError(f"two columns are named {name!r}. Rename one of them first.")
    return names


def check_columns(table: Any, names: Iterable[str]) -> None:
    """Raise a :class:`TableError` for the first of some names that is not a column."""
    check_known("column", names, dict.fromkeys(columns(table)), error=TableError)


def size(table: Any) -> int:
    """The number of rows."""
    return len(table if isinstance(table, list) else native(table))


def records(table: Any) -> list[dict[str, Any]]:
    """The rows as dicts of plain Python values, with ``None`` for NaN, NaT and null."""
    table = native(table)
    if kind(table) == "pandas":
        names = columns(table)
        cells = [pandas_cells(table[name]) for name in names]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
        return rows if names else [{} for _ in range(len(table))]
    columns(table)  # fails for names that cannot be fields
    exact = kind(table) == "polars" and not any(map(has_nanoseconds, table.dtypes))
    rows = table.rows(named=True) if exact else arrow_rows(to_arrow(table))
    return [{name: present(cell) for name, cell in row.items()} for row in rows]


def record_batches(table: Any) -> Iterator[list[dict[str, Any]]]:
    """:func:`records`, at most :data:`BATCH_ROWS` of them at a time."""
    table = native(table)
    for start in range(0, len(table), BATCH_ROWS):
        yield records(take(table, range(start, min(start + BATCH_ROWS, len(table)))))


def head(table: Any, n: int) -> list[dict[str, Any]]:
    """The first ``n`` rows as dicts."""
    return records(take(table, range(min(n, size(table)))))


def column(table: Any, name: str) -> list[Any]:
    """The cells of one column as plain Python values.

    Raises
    ------
    TableError
        If the table has no such column.
    """
    table = native(table)
    if not _has_column(table, name):
        check_columns(table, [name])
    match kind(table):
        case "pandas":
            return pandas_cells(table[name])
        case "polars":
            cells = polars_cells(table.get_column(name))
        case _:
            cells = column_cells(to_arrow(table), name)
    return cells if set(map(type, cells)) <= SIMPLE - {float} else list(map(present, cells))


def _has_column(table: Any, name: str) -> bool:
    """Whether a table has one column of that name; takes as long for many columns as for few."""
    match kind(table):
        case "pandas":
            return name in table.columns and bool(table.columns.is_unique)
        case "polars":
            return bool(table.get_column(name, default=None) is not None)
        case other:
            schema = table.schema if other == "arrow" else table.data.schema
            return bool(schema.get_field_index(name) >= 0)


def take(table: Any, positions: Sequence[int]) -> Any:
    """A new table of the same kind with the rows at ``positions``, in that order."""
    table, chosen = native(table), list(positions)
    if kind(table) == "pandas":
        return table.iloc[chosen].reset_index(drop=True)
    if kind(table) == "polars":
        return table[chosen]
    rows = taken(to_arrow(table), chosen)
    return rows if kind(table) == "arrow" else dataset(rows, like=table)


def assign(table: Any, cells: Mapping[str, Sequence[Any]], *, first: Sequence[str] = ()) -> Any:
    """A new table of the same kind with the columns ``cells`` added or replaced.

    ``first`` names columns to move to the front.
    """
    table = native(table)
    names = list(dict.fromkeys([*first, *columns(table), *cells]))
    if kind(table) == "pandas":
        pandas = package("pandas")
        kept = table[[name for name in table.columns if name not in cells]]
        added = pandas.DataFrame(pandas_columns(cells, table.index), index=table.index)
        return pandas.concat([kept, added], axis=1)[names] if len(added.columns) else kept[names]
    if kind(table) == "polars":
        return table.with_columns(polars_columns(cells)).select(names)
    arrow = arrow_table(cells, names, of=to_arrow(table))
    return arrow if kind(table) == "arrow" else dataset(arrow, like=table)


def attach(table: Any, cells: Mapping[str, Sequence[Any]], *, first: Sequence[str] = ()) -> Any:
    """:func:`assign`, but a column of the table that has one of these names is kept.

    It gets a number: a column ``why`` of the table becomes ``why_2`` beside the new one.

    >>> attach([{"why": "mine"}], {"why": ["too short"]}).to_dict("records")
    [{'why_2': 'mine', 'why': 'too short'}]
    """
    table = rename(table, free_names(columns(table), cells))
    return assign(table, cells, first=first)


def annotate(table: Any, cells: Mapping[str, Sequence[Any]]) -> Any:
    """:func:`assign` of the columns of one function, which replace those of an earlier call of it.

    If the table has only some of these columns, they are the user's, and kept as by :func:`attach`.
    """
    all_there = set(cells) <= set(columns(table))
    return assign(table, cells) if all_there else attach(table, cells)


def free_names(names: Iterable[str], taken: Iterable[str]) -> dict[str, str]:
    """Name -> a free name with a number, for the names that are taken.

    >>> free_names(["why", "why_2", "text"], ["why"])
    {'why': 'why_3'}
    """
    used = {*names, *taken}
    free: dict[str, str] = {}
    for name in used.intersection(names).intersection(taken):
        number = next(n for n in range(2, len(used) + 3) if f"{name}_{n}" not in used)
        free[name] = f"{name}_{number}"
        used.add(free[name])
    return free


def rename(table: Any, names: Mapping[str, str]) -> Any:
    """The table with other names for some of its columns."""
    table = native(table)
    if not names:
        return table
    match kind(table):
        case "pandas":
            return table.rename(columns=dict(names))
        case "polars":
            return table.rename(dict(names))
        case _:
            return table.rename_columns(dict(names))


def build(
    cells: Mapping[str, Sequence[Any]], *, like: Kind = "pandas", n: int | None = None
) -> Any:
    """A table of kind ``like`` from columns of equal length; ``n`` rows if there are no columns."""
    if like == "pandas":
        length = n if n is not None else len(next(iter(cells.values()), ()))
        index = package("pandas").RangeIndex(length)
        return package("pandas").DataFrame(pandas_columns(cells, index), index=index)
    if like == "polars":
        return package("polars").DataFrame(polars_columns(cells))
    arrow = arrow_table(cells, list(cells))
    return arrow if like == "arrow" else dataset(arrow)


def text_column(table: Any, among: Sequence[str] | None = None) -> str:
    """The column with the longest texts in the first 200 rows, other than ``id`` and ``parent``.

    Raises
    ------
    TableError
        If the table has no column.
    """
    rows = head(table, 200)
    names = list(columns(table) if among is None else among)
    if not names:
        raise TableError("the table has no column, and so no text.")

    def length(name: str) -> tuple[bool, int]:
        texts = [row[name] for row in rows if isinstance(row[name], str)]
        return name not in {"id", "parent"}, sum(map(len, texts))

    return max(reversed(names), key=length)


def concat(tables: Sequence[Any]) -> Any:
    """The rows of several tables of one kind, one after another; absent cells are missing."""
    parts = [native(table) for table in tables]
    match kind(parts[0]):
        case "pandas":
            parts = [part for part in parts if len(part)] or parts[:1]
            whole = package("pandas").concat(parts, ignore_index=True)
        case "polars":
            whole = package("polars").concat(parts, how="diagonal_relaxed")
        case "arrow":
            whole = package("pyarrow").concat_tables(parts, promote_options="permissive")
        case _:
            return package("datasets").concatenate_datasets(parts)
    # a common type of two columns may change their cells
    changed = {}
    for name in _of_several_types(parts):
        cells: list[Any] = []
        for part in parts:
            cells += column(part, name) if name in columns(part) else [None] * size(part)
        if not all(map(same, cells, column(whole, name))) or kind(whole) == "pandas":
            changed[name] = cells
    return assign(whole, changed) if changed else whole


def _of_several_types(parts: Sequence[Any]) -> list[str]:
    """The columns that do not have the same type in all tables."""
    if kind(parts[0]) == "arrow":
        types = [dict(zip(part.schema.names, part.schema.types, strict=True)) for part in parts]
    else:
        types = [dict(zip(columns(part), part.dtypes, strict=True)) for part in parts]
    names = dict.fromkeys(name for part in types for name in part)
    return [name for name in names if any(part.get(name) != types[0].get(name) for part in types)]


def identified(table: Any) -> Any:
    """The table with an ``id`` for each row: its own, or a hash of the row's cells.

    Equal rows are numbered, so the same table always gets the same ids.

    Raises
    ------
    TableError
        If an id is missing or occurs twice.
    """
    table = native(table)
    if "id" in columns(table):
        seen: set[str] = set()
        for n, id in enumerate(column(table, "id")):
            if id is None or str(id) in seen:
                raise TableError(no_own_id(n, id))
            seen.add(str(id))
        return table
    counts: Counter[str] = Counter()
    ids = []
    for row in records(table):
        hashed = row_hash(row)
        counts[hashed] += 1
        ids.append(numbered_id(hashed, counts[hashed]))
    return assign(table, {"id": ids}, first=("id",))


def no_own_id(row: int, id: Any) -> str:
    """The message for a row whose id is missing, or is that of an earlier row."""
    problem = (
        f"there is none in row {row}" if id is None else f"{id!r} occurs twice, again in row {row}"
    )
    return (
        f"each row needs an id of its own; {problem}. Rename the column 'id' to keep "
        "its values: a table without ids gets new ones."
    )


def row_hash(row: Mapping[str, Any]) -> str:
    """A hash of 64 bits of the cells of a row, as 16 hexadecimal digits."""
    text = canonical_row(row)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def numbered_id(hashed: str, number: int) -> str:
    """The id of a row by its hash, and its number among the rows with that hash, from 1."""
    return f"{hashed}-{number}" if number > 1 else hashed


def with_ids(table: Any) -> Any:
    """:func:`identified`, also if the table's own ids are missing or not unique.

    Then the column ``id`` is kept as ``id_2``, and the new one has hashes.
    """
    try:
        return identified(table)
    except TableError:
        return identified(rename(table, free_names(columns(table), ["id"])))


def to_arrow(table: Any) -> Any:
    """The same rows as an Arrow table."""
    table = native(table)
    match kind(table):
        case "pandas":
            known = {name: (dtype, _known(dtype)) for name, dtype in table.dtypes.items()}
            frame = table.astype(
                {name: new for name, (old, new) in known.items() if new is not old}
            )
            objects = [name for name, dtype in frame.dtypes.items() if str(dtype) == "object"]
            rest = frame.drop(columns=objects)
            arrow = package("pyarrow").Table.from_pandas(rest, preserve_index=False)
            cells = {name: column(frame, name) for name in objects}
            return arrow_table(cells, columns(table), of=arrow) if objects else arrow
        case "polars":
            return table.to_arrow()
        case "arrow":
            return table
        case _ if getattr(table, "_indices", None) is None:
            return table.data.table
        case _:
            return table.with_format("arrow")[:]


def _known(dtype: Any) -> Any:
    """The dtype of a pandas column, or another for its cells if Arrow has no type for it."""
    categories = getattr(getattr(dtype, "categories", None), "dtype", None)
    if str(categories).startswith(("object", "period", "interval")):
        return categories
    is_unknown = getattr(dtype, "kind", "") == "c" or type(dtype).__name__ == "SparseDtype"
    return object if is_unknown else dtype
