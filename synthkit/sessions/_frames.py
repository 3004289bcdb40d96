"""DataFrames for the methods of a session."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from synthkit.core.extras import need


def frame(rows: Iterable[Any], columns: Sequence[str], *, what: str, time: str = "") -> Any:
    """A DataFrame of rows (tuples or dicts).

    Parameters
    ----------
    what : the rows are, for the error if pandas is missing.
    time : column of seconds since 1970, which become UTC timestamps.
    """
    pandas = need("pandas", extra="data", why=f"to show {what}")
    table = pandas.DataFrame(list(rows), columns=list(columns))
    if time:
        table[time] = pandas.to_datetime(table[time].astype(float), unit="s", utc=True)
    return table
