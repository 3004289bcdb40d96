"""Tables: any of the four kinds in, the same kind out.

pandas, Arrow, polars and Hugging Face tables are told apart by the module of their class, so that
none of these packages is imported before a table of its kind is at hand. A list of dicts, or a
dict of lists, is taken too, and gives pandas back.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from synthkit.core.errors import TableError, unknown
from synthkit.core.extras import need

Kind = Literal["pandas", "arrow", "polars", "datasets"]

_MODULES: dict[str, Kind] = {
    "pandas": "pandas",
    "pyarrow": "arrow",
    "polars": "polars",
    "datasets": "datasets",
}


def kind(table: Any) -> Kind:
    """The kind of a table: ``"pandas"``, ``"arrow"``, ``"polars"`` or ``"datasets"``.

    Raises
    ------
    TableError
        If it is none of these, nor a list of dicts, nor a dict of lists.
    """
    cls = type(table)
    for parent in cls.__mro__:
        found = _MODULES.get(parent.__module__.partition(".")[0])
        if found and parent.__name__ in {"DataFrame", "Table", "Dataset"}:
            return found
    if isinstance(table, list) and all(isinstance(row, Mapping) for row in table):
        return "pandas"
    if isinstance(table, dict) and all(isinstance(cells, list) for cells in table.values()):
        return "pandas"
    raise TableError(
        "expected a pandas DataFrame, an Arrow Table, a polars DataFrame, a Hugging Face Dataset, "
        f"a list of dicts or a dict of lists; got {cls.__module__}.{cls.__qualname__}."
        + (" Collect it first." if cls.__name__ == "LazyFrame" else "")
        + (" Choose a split of it." if cls.__name__ == "DatasetDict" else "")
    )


def native(table: Any) -> Any:
    """``table`` itself, or a DataFrame of it if it is a list of dicts or a dict of lists."""
    if kind(table) == "pandas" and isinstance(table, list | dict):
        pandas = need("pandas", extra="data", why="to hold a table")
        try:
            return pandas.DataFrame(table)
        except ValueError as error:
            raise TableError(f"the columns do not make a table: {error}.") from None
    return table


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
        if names.count(name) > 1:
            raise TableError(f"two columns are named {name!r}. Rename one of them first.")
    return names


def check_columns(table: Any, names: Iterable[str]) -> None:
    """Raise a :class:`TableError` for the first of some names that is not a column."""
    known = columns(table)
    for name in names:
        if name not in known:
            raise TableError(unknown("column", name, known))


def size(table: Any) -> int:
    """The number of rows of a table of any kind."""
    table = native(table)
    return int(table.num_rows) if kind(table) in {"arrow", "datasets"} else len(table)


def records(table: Any) -> list[dict[str, Any]]:
    """One dict of plain Python values for each row; NaN, NaT and null are ``None``."""
    table = native(table)
    names = columns(table)
    match kind(table):
        case "pandas":
            cells = [_plain(table[name]) for name in names]
            rows = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
            return rows if names else [{} for _ in range(len(table))]
        case "polars":
            rows = table.rows(named=True)
        case _:
            rows = to_arrow(table).to_pylist()
    return [{name: _gone(cell) for name, cell in row.items()} for row in rows]


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
    check_columns(table, [name])
    match kind(table):
        case "pandas":
            return _plain(table[name])
        case "polars":
            cells = table[name].to_list()
        case _:
            cells = to_arrow(table).column(name).to_pylist()
    return [_gone(cell) for cell in cells] if float in set(map(type, cells)) else cells


def take(table: Any, positions: Sequence[int]) -> Any:
    """The rows at ``positions``, in that order, as a new table of the same kind."""
    table = native(table)
    chosen = list(positions)
    match kind(table):
        case "pandas":
            return table.iloc[chosen].reset_index(drop=True)
        case "polars":
            return table[chosen]
        case "arrow":
            indices = need("pyarrow", extra="data", why="to take rows").array(chosen, type="int64")
            return table.take(indices)
        case _:
            indices = need("pyarrow", extra="data", why="to take rows").array(chosen, type="int64")
            return _dataset(to_arrow(table).take(indices), like=table)


def assign(table: Any, cells: Mapping[str, Sequence[Any]], *, first: Sequence[str] = ()) -> Any:
    """A new table of the same kind with the columns ``cells`` added or replaced.

    ``first`` names columns to move to the front.
    """
    table = native(table)
    names = list(dict.fromkeys([*first, *columns(table), *cells]))
    match kind(table):
        case "pandas":
            made = table.copy(deep=False)
            for name, series in _series(cells, table.index).items():
                made[name] = series
            return made[names]
        case "polars":
            return table.with_columns(_polars(cells)).select(names)
        case "arrow":
            return _assign_arrow(table, cells).select(names)
        case _:
            return _dataset(_assign_arrow(to_arrow(table), cells).select(names), like=table)


def build(
    cells: Mapping[str, Sequence[Any]], *, like: Kind = "pandas", n: int | None = None
) -> Any:
    """A table of kind ``like`` from columns of equal length."""
    match like:
        case "pandas":
            pandas = need("pandas", extra="data", why="to hold a table")
            length = n if n is not None else len(next(iter(cells.values()), ()))
            index = pandas.RangeIndex(length)
            return pandas.DataFrame(_series(cells, index), index=index)
        case "polars":
            return need("polars", extra="data", why="to hold a table").DataFrame(_polars(cells))
        case "arrow":
            return _assign_arrow(None, cells)
        case _:
            return _dataset(_assign_arrow(None, cells))


def text_column(table: Any, among: Sequence[str] | None = None) -> str:
    """The column with the longest texts among the first 200 rows, but for ids.

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
    first = native(tables[0])
    match kind(first):
        case "pandas":
            pandas = need("pandas", extra="data", why="to join tables")
            filled = [native(table) for table in tables if size(table)] or [first]
            return pandas.concat(filled, ignore_index=True)
        case "polars":
            polars = need("polars", extra="data", why="to join tables")
            return polars.concat(list(tables), how="diagonal_relaxed")
        case "arrow":
            pyarrow = need("pyarrow", extra="data", why="to join tables")
            return pyarrow.concat_tables(list(tables), promote_options="permissive")
        case _:
            datasets = need("datasets", extra="data", why="to join tables")
            return datasets.concatenate_datasets(list(tables))


def identified(table: Any) -> Any:
    """``table`` with an ``id`` for each row: its own, or else one made from what the row holds.

    Rows that hold the same are told apart by their order, so that an id stands for the same row
    whenever the same table is made again.

    Raises
    ------
    TableError
        If an id is missing, or is that of two rows.
    """
    table = native(table)
    if "id" in columns(table):
        ids = column(table, "id")
        if None in ids or len(set(ids)) < len(ids):
            n, id = next((n, id) for n, id in enumerate(ids) if id is None or id in ids[:n])
            problem = "is missing" if id is None else f"{id!r} occurs twice"
            raise TableError(f"each row needs an id of its own; in row {n} it {problem}.")
        return table
    times: Counter[str] = Counter()
    ids = []
    for row in records(table):
        text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)
        held = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        times[held] += 1
        repeated = f"{held}-{times[held]}" if times[held] > 1 else held
        ids.append(repeated)
    return assign(table, {"id": ids}, first=("id",))


def to_arrow(table: Any) -> Any:
    """The same rows as an Arrow table, for files."""
    table = native(table)
    pyarrow = need("pyarrow", extra="data", why="to write a table")
    match kind(table):
        case "pandas":
            try:
                return pyarrow.Table.from_pandas(table, preserve_index=False)
            except (pyarrow.ArrowException, OverflowError, UnicodeError):
                return _assign_arrow(None, {name: column(table, name) for name in columns(table)})
        case "polars":
            return table.to_arrow()
        case "arrow":
            return table
        case _:
            return table.with_format("arrow")[:]


def storable(table: Any) -> Any:
    """The same rows as an Arrow table that Parquet can hold: objects without fields as text."""
    arrow = to_arrow(table)
    empty = [field.name for field in arrow.schema if "struct<>" in str(field.type)]
    return _assign_arrow(arrow, {name: [_text(c) for c in column(arrow, name)] for name in empty})


def _plain(series: Any) -> list[Any]:
    """Cells of a pandas column as Python values, missing ones as ``None``."""
    cells = series.astype(object).tolist()
    if series.dtype == object:  # it may hold NumPy's numbers and arrays
        cells = [cell.tolist() if hasattr(cell, "tolist") else cell for cell in cells]
    missing = series.isna().tolist()
    return [None if gone else cell for cell, gone in zip(cells, missing, strict=True)]


def _gone(cell: Any) -> Any:
    """``None`` for a NaN."""
    return None if isinstance(cell, float) and cell != cell else cell


def _text(cell: Any) -> str | None:
    """A cell of a column whose cells are of no one type."""
    if isinstance(cell, dict | list):
        cell = json.dumps(cell, ensure_ascii=False, default=str)
    # half of a surrogate pair is no text, and shown as an escape
    return None if cell is None else str(cell).encode("utf-8", "backslashreplace").decode()


def _series(cells: Mapping[str, Sequence[Any]], index: Any) -> dict[str, Any]:
    """pandas columns; an empty one, or one of ``None`` alone, is of objects and not of floats."""
    pandas = need("pandas", extra="data", why="to hold a table")
    made = {}
    for name, values in cells.items():
        dtype = object if all(value is None for value in values) else None
        try:
            made[name] = pandas.Series(list(values), index=index, dtype=dtype)
        except UnicodeError:
            made[name] = pandas.Series(list(values), index=index, dtype=object)
    return made


def _polars(cells: Mapping[str, Sequence[Any]]) -> list[Any]:
    """polars columns; cells of types that do not go together become text."""
    polars = need("polars", extra="data", why="to hold a table")
    made = []
    for name, values in cells.items():
        try:
            series = polars.Series(name, list(values), strict=False)
        except UnicodeError:
            series = None
        # Arrow has none of these two
        if series is None or series.dtype in (polars.Object, polars.Int128):
            series = polars.Series(name, [_text(value) for value in values], polars.String)
        made.append(series)
    return made


def _assign_arrow(table: Any, cells: Mapping[str, Sequence[Any]]) -> Any:
    """An Arrow table with columns set; cells of mixed types become text rather than an error."""
    pyarrow = need("pyarrow", extra="data", why="to hold a table")
    if table is None:
        table = pyarrow.table({})
    for name, values in cells.items():
        try:
            array = pyarrow.array(list(values))
        except (pyarrow.ArrowException, OverflowError, UnicodeError):
            array = pyarrow.array([_text(value) for value in values], pyarrow.string())
        if name in table.column_names:
            table = table.set_column(table.column_names.index(name), name, array)
        elif table.num_columns:
            table = table.append_column(name, array)
        else:
            table = pyarrow.table({name: array})
    return table


def _dataset(arrow: Any, *, like: Any = None) -> Any:
    """A Hugging Face table of an Arrow one; columns that ``like`` has keep their features."""
    datasets = need("datasets", extra="data", why="to hold a Hugging Face table")
    features = datasets.Features.from_arrow_schema(arrow.schema.remove_metadata())
    if like is not None:
        kept = like.features.arrow_schema
        for name in set(features) & set(like.features):
            if kept.field(name).type == arrow.schema.field(name).type:
                features[name] = like.features[name]
    return datasets.Dataset(arrow.replace_schema_metadata(features.arrow_schema.metadata))
