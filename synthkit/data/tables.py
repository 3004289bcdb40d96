"""Tables of four kinds: pandas, Arrow, polars, Hugging Face. A result has the kind of its input.

A kind is recognised by the module of the table's class, so none of these packages is imported
before a table of its kind exists. A list of dicts, or a dict of lists, becomes a DataFrame.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from synthkit.core.errors import TableError, check_known
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
        + (" Collect it first." if cls.__name__ == "LazyFrame" else "")
        + (" Choose a split of it." if cls.__name__ == "DatasetDict" else "")
    )


def native(table: Any) -> Any:
    """The table itself; a DataFrame of it if it is a list of dicts or a dict of lists."""
    if kind(table) == "pandas" and isinstance(table, list | dict):
        try:
            return _package("pandas").DataFrame(table)
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
    check_known("column", names, columns(table), error=TableError)


def size(table: Any) -> int:
    """The number of rows."""
    table = native(table)
    return int(table.num_rows) if kind(table) in {"arrow", "datasets"} else len(table)


def records(table: Any) -> list[dict[str, Any]]:
    """The rows as dicts of plain Python values, with ``None`` for NaN, NaT and null."""
    table = native(table)
    if kind(table) == "pandas":
        names = columns(table)
        cells = [_python_cells(table[name]) for name in names]
        rows = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
        return rows if names else [{} for _ in range(len(table))]
    columns(table)  # fails for names that cannot be fields
    rows = table.rows(named=True) if kind(table) == "polars" else to_arrow(table).to_pylist()
    return [{name: _none_if_nan(cell) for name, cell in row.items()} for row in rows]


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
    if kind(table) == "pandas":
        return _python_cells(table[name])
    polars = kind(table) == "polars"
    cells = table[name].to_list() if polars else to_arrow(table).column(name).to_pylist()
    return [_none_if_nan(cell) for cell in cells] if float in set(map(type, cells)) else cells


def take(table: Any, positions: Sequence[int]) -> Any:
    """A new table of the same kind with the rows at ``positions``, in that order."""
    table = native(table)
    chosen = list(positions)
    if kind(table) == "pandas":
        return table.iloc[chosen].reset_index(drop=True)
    if kind(table) == "polars":
        return table[chosen]
    rows = to_arrow(table).take(_package("pyarrow").array(chosen, type="int64"))
    return rows if kind(table) == "arrow" else _dataset(rows, like=table)


def assign(table: Any, cells: Mapping[str, Sequence[Any]], *, first: Sequence[str] = ()) -> Any:
    """A new table of the same kind with the columns ``cells`` added or replaced.

    ``first`` names columns to move to the front.
    """
    table = native(table)
    names = list(dict.fromkeys([*first, *columns(table), *cells]))
    if kind(table) == "pandas":
        frame = table.copy(deep=False)
        for name, series in _pandas_columns(cells, table.index).items():
            frame[name] = series
        return frame[names]
    if kind(table) == "polars":
        return table.with_columns(_polars_columns(cells)).select(names)
    arrow = _assign_arrow(to_arrow(table), cells).select(names)
    return arrow if kind(table) == "arrow" else _dataset(arrow, like=table)


def build(
    cells: Mapping[str, Sequence[Any]], *, like: Kind = "pandas", n: int | None = None
) -> Any:
    """A table of kind ``like`` from columns of equal length; ``n`` rows if there are no columns."""
    if like == "pandas":
        length = n if n is not None else len(next(iter(cells.values()), ()))
        index = _package("pandas").RangeIndex(length)
        return _package("pandas").DataFrame(_pandas_columns(cells, index), index=index)
    if like == "polars":
        return _package("polars").DataFrame(_polars_columns(cells))
    arrow = _assign_arrow(_package("pyarrow").table({}), cells)
    return arrow if like == "arrow" else _dataset(arrow)


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
    first = native(tables[0])
    match kind(first):
        case "pandas":
            filled = [native(table) for table in tables if size(table)] or [first]
            return _package("pandas").concat(filled, ignore_index=True)
        case "polars":
            return _package("polars").concat(list(tables), how="diagonal_relaxed")
        case "arrow":
            return _package("pyarrow").concat_tables(list(tables), promote_options="permissive")
        case _:
            return _package("datasets").concatenate_datasets(list(tables))


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
        ids = column(table, "id")
        if None in ids or len(set(ids)) < len(ids):
            n, id = next((n, id) for n, id in enumerate(ids) if id is None or id in ids[:n])
            problem = "is missing" if id is None else f"{id!r} occurs twice"
            raise TableError(f"each row needs an id of its own; in row {n} it {problem}.")
        return table
    counts: Counter[str] = Counter()
    ids = []
    for row in records(table):
        text = json.dumps(row, sort_keys=True, ensure_ascii=False, default=str)
        hashed = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        counts[hashed] += 1
        ids.append(f"{hashed}-{counts[hashed]}" if counts[hashed] > 1 else hashed)
    return assign(table, {"id": ids}, first=("id",))


def to_arrow(table: Any) -> Any:
    """The same rows as an Arrow table."""
    table = native(table)
    match kind(table):
        case "pandas":
            pyarrow = _package("pyarrow")
            try:
                return pyarrow.Table.from_pandas(table, preserve_index=False)
            except (pyarrow.ArrowException, OverflowError, UnicodeError):
                cells = {name: column(table, name) for name in columns(table)}
                return _assign_arrow(pyarrow.table({}), cells)
        case "polars":
            return table.to_arrow()
        case "arrow":
            return table
        case _:
            return table.with_format("arrow")[:]


def storable(table: Any) -> Any:
    """The same rows as an Arrow table for Parquet, with objects without fields as text."""
    arrow = to_arrow(table)
    empty = [field.name for field in arrow.schema if "struct<>" in str(field.type)]
    texts = {name: [_text(cell) for cell in column(arrow, name)] for name in empty}
    return _assign_arrow(arrow, texts)


def _package(name: str) -> Any:
    """One of the four packages, imported when it is first needed."""
    return need(name, extra="data", why="for tables of this kind")


def _python_cells(series: Any) -> list[Any]:
    """The cells of a pandas column as Python values, with ``None`` for missing ones."""
    cells = series.astype(object).tolist()
    if series.dtype == object:  # it may contain NumPy numbers and arrays
        cells = [cell.tolist() if hasattr(cell, "tolist") else cell for cell in cells]
    missing = series.isna().tolist()
    return [None if is_missing else cell for cell, is_missing in zip(cells, missing, strict=True)]


def _none_if_nan(cell: Any) -> Any:
    return None if isinstance(cell, float) and cell != cell else cell


def _text(cell: Any) -> str | None:
    """A cell as text, for columns whose cells have no common type."""
    if isinstance(cell, dict | list):
        cell = json.dumps(cell, ensure_ascii=False, default=str)
    # half of a surrogate pair is not valid text and is written as an escape
    return None if cell is None else str(cell).encode("utf-8", "backslashreplace").decode()


def _pandas_columns(cells: Mapping[str, Sequence[Any]], index: Any) -> dict[str, Any]:
    """pandas columns; one without any value has dtype object instead of float."""
    pandas = _package("pandas")
    columns = {}
    for name, values in cells.items():
        dtype = object if all(value is None for value in values) else None
        try:
            columns[name] = pandas.Series(list(values), index=index, dtype=dtype)
        except UnicodeError:
            columns[name] = pandas.Series(list(values), index=index, dtype=object)
    return columns


def _polars_columns(cells: Mapping[str, Sequence[Any]]) -> list[Any]:
    """polars columns; cells without a common type become text."""
    polars = _package("polars")
    columns = []
    for name, values in cells.items():
        try:
            series = polars.Series(name, list(values), strict=False)
        except UnicodeError:
            series = None
        # Arrow has neither of these two types
        if series is None or series.dtype in (polars.Object, polars.Int128):
            series = polars.Series(name, [_text(value) for value in values], polars.String)
        columns.append(series)
    return columns


def _assign_arrow(table: Any, cells: Mapping[str, Sequence[Any]]) -> Any:
    """An Arrow table with columns set; cells without a common type become text."""
    pyarrow = _package("pyarrow")
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
    """A Hugging Face table; columns with the same type as in ``like`` keep their features."""
    datasets = _package("datasets")
    features = datasets.Features.from_arrow_schema(arrow.schema.remove_metadata())
    if like is not None:
        types = like.features.arrow_schema
        for name in set(features) & set(like.features):
            if types.field(name).type == arrow.schema.field(name).type:
                features[name] = like.features[name]
    return datasets.Dataset(arrow.replace_schema_metadata(features.arrow_schema.metadata))
