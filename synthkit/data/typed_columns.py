"""Columns of the four kinds of table: from Python values that stay what they are, and back.

pandas gets a column of objects where its own types would change a value: 1 beside 2.5 stays a whole
number. A column of the other kinds has one type; where none holds all of its cells as they are,
they become text, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.extras import need
from synthkit.data.cells import as_text, is_missing, plain_column, same

_EXACT = ({str}, {int}, {float}, {bool}, {bytes})
"""Types that every kind keeps as they are, beside missing cells."""


def package(name: str) -> Any:
    """A package for tables, imported when it is first needed."""
    extra = "polars" if name == "polars" else "data"
    return need(name, extra=extra, why="for tables of this kind")


def pandas_cells(series: Any) -> list[Any]:
    """The cells of a pandas column as Python values, with ``None`` for missing ones."""
    arrow_type = getattr(series.dtype, "pyarrow_dtype", None)
    if getattr(arrow_type, "num_fields", 0):  # pandas makes floats of whole numbers in lists
        nested: list[Any] = package("pyarrow").array(series).to_pylist()
        return nested
    cells = series.astype(object).tolist()
    missing = series.isna().tolist()
    if series.dtype.kind in "Om":  # it may contain NumPy numbers and arrays
        cells = plain_column(cells)
    return [None if absent else cell for cell, absent in zip(cells, missing, strict=True)]


def polars_cells(series: Any) -> list[Any]:
    """The cells of a polars column as Python values."""
    exact = series.to_arrow().to_pylist() if has_nanoseconds(series.dtype) else series.to_list()
    cells: list[Any] = exact
    return cells


def has_nanoseconds(dtype: Any) -> bool:
    """Whether cells of a polars type can be more exact than Python's dates and durations."""
    return "time_unit='ns'" in repr(dtype)


def pandas_columns(cells: Mapping[str, Sequence[Any]], index: Any) -> dict[str, Any]:
    """pandas columns of the cells by name, over an index."""
    return {name: pandas_column(values, index) for name, values in cells.items()}


def pandas_column(values: Sequence[Any], index: Any = None) -> Any:
    """A pandas column: whole numbers beside missing cells as ``Int64``, mixed types as objects."""
    pandas = package("pandas")
    cells = plain_column(values)
    kinds = set(map(type, cells)) - {type(None)}
    if int in kinds and kinds <= {int, float} and (kinds == {int, float} or None in cells):
        if all(type(cell) is int or is_missing(cell) for cell in cells):
            return _whole_numbers(cells, index)
        kinds.add(object)  # whole numbers beside others
    if len({kind for kind in kinds if kind.__name__ not in ("NAType", "NaTType")}) != 1:
        return pandas.Series(cells, index=index, dtype=object)
    try:
        return pandas.Series(cells, index=index)
    except (UnicodeError, ValueError, OverflowError):
        return pandas.Series(cells, index=index, dtype=object)


def _whole_numbers(cells: Sequence[Any], index: Any) -> Any:
    """Whole numbers and missing cells; as objects if they do not fit into 64 bits."""
    pandas = package("pandas")
    numbers = [None if is_missing(cell) else cell for cell in cells]
    least = min(number for number in numbers if number is not None)
    most = max(number for number in numbers if number is not None)
    if least >= -(2**63) and most < 2**63:
        return pandas.Series(pandas.array(numbers, dtype="Int64"), index=index)
    return pandas.Series(numbers, index=index, dtype=object)


def polars_columns(cells: Mapping[str, Sequence[Any]]) -> list[Any]:
    """polars columns of the cells by name."""
    return [polars_column(name, values) for name, values in cells.items()]


def polars_column(name: str, values: Sequence[Any]) -> Any:
    """A polars column; cells without a common type become text."""
    polars = package("polars")
    cells = _without_na(values)
    try:
        series = polars.Series(name, cells, strict=False)
    except (UnicodeError, TypeError, ValueError, OverflowError, polars.exceptions.PolarsError):
        series = None
    # Arrow has neither of these two types
    typed = series is not None and series.dtype not in (polars.Object, polars.Int128)
    if typed and (not _mixed(cells) or all_same(cells, series.to_list())):
        return series
    return polars.Series(name, _as_texts(name, cells, "polars"), polars.String)


def arrow_column(name: str, values: Sequence[Any]) -> Any:
    """An Arrow array; cells without a common type become text."""
    pyarrow = package("pyarrow")
    cells = _without_na(values)
    array = arrow_array(cells)
    if isinstance(getattr(array, "type", None), pyarrow.BaseExtensionType):
        array = None  # datasets has no such types
    if array is not None and (not _mixed(cells) or all_same(cells, read_back(array))):
        return array
    return pyarrow.array(_as_texts(name, cells, "Arrow"), pyarrow.string())


def arrow_array(cells: Sequence[Any]) -> Any:
    """The array that Arrow makes of Python values; ``None`` if it has no type for them."""
    pyarrow = package("pyarrow")
    if set(map(type, cells)) <= {int, type(None)} and any(cell is not None for cell in cells):
        numbers = [cell for cell in cells if cell is not None]
        if max(numbers) >= 2**63 and min(numbers) >= 0 and max(numbers) < 2**64:
            return pyarrow.array(cells, pyarrow.uint64())
    try:
        return pyarrow.array(cells)
    except (pyarrow.ArrowException, OverflowError, UnicodeError, TypeError, ValueError):
        return None


def read_back(array: Any) -> list[Any]:
    """The cells of an Arrow array; none if they cannot be read, such as a date before year 1."""
    try:
        cells: list[Any] = array.to_pylist()
    except (OverflowError, ValueError):
        return []
    return cells


def _without_na(values: Sequence[Any]) -> list[Any]:
    """Plain cells with ``None`` for NaT, and for NaN beside cells that are not floats."""
    cells = plain_column(values)
    kinds = set(map(type, cells)) - {type(None)}
    if kinds <= {float} or not any(map(is_missing, cells)):
        return cells
    return [None if is_missing(cell) else cell for cell in cells]


def _mixed(cells: Sequence[Any]) -> bool:
    """Whether a common type might change some of the cells."""
    return set(map(type, cells)) - {type(None)} not in (set(), *_EXACT)


def all_same(cells: Sequence[Any], others: Sequence[Any], *, exact: bool = False) -> bool:
    """Whether two columns have the same cells; see :func:`synthkit.data.cells.same`."""
    pairs = zip(cells, others, strict=False)
    return len(cells) == len(others) and all(same(a, b, exact=exact) for a, b in pairs)


def _as_texts(name: str, cells: Sequence[Any], kind: str) -> list[str | None]:
    types = sorted({type(cell).__name__ for cell in cells if cell is not None})
    if types != ["str"]:
        warn(
            f"the cells of the column {name!r} ({', '.join(types)}) have no common type of "
            f"{kind}, so they are kept as text; a pandas table keeps them as they are.",
            RuntimeWarning,
            stacklevel=2,
        )
    # half of a surrogate pair is not valid text and is written as an escape
    texts = (as_text(cell).encode("utf-8", "backslashreplace").decode() for cell in cells)
    return [None if is_missing(cell) else text for cell, text in zip(cells, texts, strict=True)]
