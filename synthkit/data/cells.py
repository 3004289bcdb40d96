"""Cells of tables: as plain Python values, as text, as exact JSON, and whether two are equal."""

from __future__ import annotations

import base64
import datetime
import json
import re
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from synthkit.core.extras import need

SIMPLE = frozenset({str, int, float, bool, bytes, type(None)})
"""Types of cells that need no conversion and that every kind of table has a type for."""
_TAG = "$synthkit"
"""The key of a JSON object that stands for a value that JSON lacks."""
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def plain(cell: Any) -> Any:
    """A cell with Python values for those of NumPy and pandas, at any depth.

    A duration of pandas is one of Python if that is exact, since they have different texts.

    >>> import numpy as np
    >>> plain({"a": np.array([1, 2]), "b": np.float64(0.5)})
    {'a': [1, 2], 'b': 0.5}
    """
    kind = type(cell)
    if kind in SIMPLE:
        return cell
    if kind is dict:
        return {plain(name): plain(value) for name, value in cell.items()}
    if kind is list:
        return [plain(value) for value in cell]
    if kind is tuple:
        return tuple(plain(value) for value in cell)
    if kind.__name__ == "NAType":
        return None
    if kind.__name__ == "Timedelta":
        return cell if cell.nanoseconds else cell.to_pytimedelta()
    if kind.__name__ in ("datetime64", "timedelta64"):
        return _moment(cell)
    if not hasattr(cell, "tolist"):
        return cell
    value = cell.tolist()
    if isinstance(value, list):
        if getattr(getattr(cell, "dtype", None), "kind", "") in "Mm":
            return [_moment(moment) for moment in cell]
        return [plain(item) for item in value]
    return value


def plain_column(values: Iterable[Any]) -> list[Any]:
    """:func:`plain` of each cell of a column."""
    values = list(values)
    return values if set(map(type, values)) <= SIMPLE else [plain(value) for value in values]


def _moment(cell: Any) -> Any:
    """The Python value of a date or duration of NumPy; pandas' where Python's is less exact."""
    value = cell.tolist()
    if not isinstance(value, int):
        return value
    pandas: Any = need("pandas", extra="data", why="for dates and durations of NumPy")
    return (pandas.Timestamp if type(cell).__name__ == "datetime64" else pandas.Timedelta)(cell)


def is_missing(cell: Any) -> bool:
    """Whether a cell is ``None``, NaN, NaT or pandas' NA."""
    if cell is None or type(cell).__name__ in ("NAType", "NaTType"):
        return True
    return isinstance(cell, float) and cell != cell


def present(cell: Any) -> Any:
    """A cell of a table as a Python value, with ``None`` for a missing one.

    >>> present(1.5), present(float("nan"))
    (1.5, None)
    """
    return None if is_missing(cell) else plain(cell)


def same(cell: Any, other: Any, *, exact: bool = False) -> bool:
    """Whether two cells are equal, at any depth.

    A whole number equals the float of its value, a tuple the list of its items, and an absent key a
    missing value; with ``exact``, types and keys must be the same as well.

    >>> same(1, 1.0), same(1, True), same({"a": 1}, {"a": 1, "b": None}), same("1", 1)
    (True, False, True, False)
    """
    if exact and type(cell) is not type(other):
        return False
    if exact and isinstance(cell, Decimal) and str(cell) != str(other):
        return False  # 3 and 3.00
    if isinstance(cell, Mapping):
        if not isinstance(other, Mapping) or (exact and list(cell) != list(other)):
            return False
        names = {**cell, **other}
        return all(same(cell.get(name), other.get(name), exact=exact) for name in names)
    if isinstance(cell, list | tuple):
        if not isinstance(other, list | tuple) or len(cell) != len(other):
            return False
        return all(same(a, b, exact=exact) for a, b in zip(cell, other, strict=True))
    if is_missing(cell) or is_missing(other):
        return is_missing(cell) and is_missing(other)
    if isinstance(cell, bool) is not isinstance(other, bool):
        return False
    if isinstance(cell, datetime.datetime | datetime.time) and str(cell) != str(other):
        return False  # the same moment, but in another zone
    return bool(cell == other)


def as_text(cell: Any) -> str:
    """The text of a cell: lists and dicts as JSON, and a missing one as ``""``.

    >>> as_text("soup"), as_text({"a": 1}), as_text(Decimal("1.50")), as_text(True), as_text(None)
    ('soup', '{"a": 1}', '1.50', 'true', '')
    """
    value = _jsonable(cell)
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def key_text(cell: Any) -> str:
    """The text of a cell as an id or a value that is named: ``1.0`` is ``1``.

    pandas makes whole numbers floats where one of their column is missing.

    >>> key_text(1.0), key_text(1), key_text("1.0"), key_text(2.5)
    ('1', '1', '1.0', '2.5')
    """
    whole = isinstance(cell, float) and cell.is_integer()
    return as_text(int(cell) if whole else cell)


def json_text(value: Any) -> str:
    """A value as strict JSON.

    What JSON lacks is written as its text, a missing value as ``null``, and a dict whose keys would
    become one as a list of pairs.

    >>> print(json_text([Decimal("1.50"), float("inf"), None, {(1, 2): b"x"}, {1: 0, "1": 5}]))
    ["1.50", "inf", null, {"[1, 2]": "b'x'"}, [[1, 0], ["1", 5]]]
    """
    return json.dumps(_jsonable(value), ensure_ascii=False, allow_nan=False)


def _jsonable(value: Any) -> Any:
    if isinstance(value, str | bool | int):
        return value
    if is_missing(value):
        return None
    if isinstance(value, float):
        return value if value - value == 0 else str(value)
    if isinstance(value, Mapping):
        cells = {
            "null" if is_missing(name) else as_text(name): _jsonable(cell)
            for name, cell in value.items()
        }
        if len(cells) == len(value):
            return cells
        return [[_jsonable(name), _jsonable(cell)] for name, cell in value.items()]
    if isinstance(value, list | tuple):
        return [_jsonable(cell) for cell in value]
    without_numpy = plain(value)
    same_type = type(without_numpy) is type(value)
    return stable_text(value) if same_type else _jsonable(without_numpy)


def stable_text(value: Any) -> str:
    """The text of a value, the same in every process: sorted sets, and no memory addresses.

    >>> stable_text({"b", "a"}), stable_text(Decimal("1.10"))
    ("{'a', 'b'}", '1.10')
    """
    if isinstance(value, set | frozenset) and not all(isinstance(item, int) for item in value):
        return f"{{{', '.join(sorted(map(repr, value)))}}}"
    return _ADDRESS.sub("", str(value))


def has_address(text: str) -> bool:
    """Whether the text of a value holds a memory address, as the default repr of objects does."""
    return bool(_ADDRESS.search(text))


def canonical_row(row: Mapping[str, Any]) -> str:
    """The cells of a row as JSON with sorted keys, for a hash."""
    try:
        return json.dumps(row, sort_keys=True, ensure_ascii=False, default=stable_text)
    except TypeError:  # keys that are not text
        return json.dumps(_jsonable(row), sort_keys=True, ensure_ascii=False)


def json_value(value: Any) -> Any:
    """The JSON value of a date, a time, a decimal or an id, as ``default`` of ``json.dumps``.

    >>> json.dumps([Decimal("1.5"), datetime.date(2024, 1, 1)], default=json_value)
    '[1.5, "2024-01-01"]'

    Raises
    ------
    TypeError
        If a value of this type is not written in one way.
    """
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, Decimal) and value.is_finite():
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, uuid.UUID):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is no JSON value")


def day(cell: Any) -> Any:
    """The day of a moment at midnight, as tables write dates; any other cell is unchanged."""
    moment = isinstance(cell, datetime.datetime)
    return cell.date() if moment and cell.time() == datetime.time() else cell


def encode(cell: Any) -> str:
    """A cell as JSON from which :func:`decode` makes an equal cell of the same type.

    Raises
    ------
    TypeError
        If the cell has a value of a type that cannot be restored.
    """
    return json.dumps(_tagged(cell))


def decode(text: str | None) -> Any:
    """The cell that :func:`encode` wrote.

    >>> decode(encode({1: (Decimal("1.10"), b"x")}))
    {1: (Decimal('1.10'), b'x')}
    """
    return None if text is None else _untagged(json.loads(text))


_WRITE: Sequence[tuple[type, str, Callable[[Any], Any]]] = (
    (Decimal, "decimal", str),
    (uuid.UUID, "uuid", str),
    (bytes, "bytes", lambda value: base64.b64encode(value).decode()),
    (datetime.datetime, "datetime", lambda value: [value.isoformat(), _zone(value)]),
    (datetime.date, "date", lambda value: value.isoformat()),
    (datetime.time, "time", lambda value: value.isoformat()),
    (
        datetime.timedelta,
        "timedelta",
        lambda value: [value.days, value.seconds, value.microseconds],
    ),
    (tuple, "tuple", lambda value: [_tagged(item) for item in value]),
    (set, "set", lambda value: [_tagged(item) for item in sorted(value, key=repr)]),
    (frozenset, "frozenset", lambda value: [_tagged(item) for item in sorted(value, key=repr)]),
    (complex, "complex", lambda value: [value.real, value.imag]),
)
_READ: Mapping[str, Callable[[Any], Any]] = {
    "decimal": Decimal,
    "uuid": uuid.UUID,
    "bytes": base64.b64decode,
    "datetime": lambda value: _datetime(*value),
    "date": datetime.date.fromisoformat,
    "time": datetime.time.fromisoformat,
    "timedelta": lambda value: datetime.timedelta(*value),
    "tuple": lambda value: tuple(map(_untagged, value)),
    "set": lambda value: set(map(_untagged, value)),
    "frozenset": lambda value: frozenset(map(_untagged, value)),
    "complex": lambda value: complex(*value),
    "float": float,
    "dict": lambda pairs: {_untagged(name): _untagged(cell) for name, cell in pairs},
    "nanoseconds": lambda value: _nanoseconds(*value),
}


def _tagged(value: Any) -> Any:
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else {_TAG: "float", "value": str(value)}
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    if isinstance(value, Mapping):
        if all(isinstance(name, str) and name != _TAG for name in value):
            return {name: _tagged(cell) for name, cell in value.items()}
        pairs = [[_tagged(name), _tagged(cell)] for name, cell in value.items()]
        return {_TAG: "dict", "value": pairs}
    if type(value).__name__ in ("Timestamp", "Timedelta"):
        moment = str(value) if type(value).__name__ == "Timestamp" else int(value.value)
        tag = [type(value).__name__, moment, getattr(value, "unit", "ns"), _zone(value)]
        return {_TAG: "nanoseconds", "value": tag}
    for kind, name, write in _WRITE:
        if type(value) is kind:
            return {_TAG: name, "value": write(value)}
    raise TypeError(f"a {type(value).__name__} cannot be kept as it is")


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    if _TAG in value:
        return _READ[value[_TAG]](value["value"])
    return {name: _untagged(cell) for name, cell in value.items()}


def _zone(moment: Any) -> str | None:
    """The name of a moment's time zone, if it has one with a name."""
    key = getattr(getattr(moment, "tzinfo", None), "key", None)
    return key if isinstance(key, str) else None


def _datetime(text: str, zone: str | None) -> datetime.datetime:
    moment = datetime.datetime.fromisoformat(text)
    return moment if zone is None else moment.astimezone(ZoneInfo(zone))


def _nanoseconds(kind: str, moment: str | int, unit: str, zone: str | None) -> Any:
    pandas: Any = need("pandas", extra="data", why="to read its dates and durations")
    if kind == "Timedelta":
        return pandas.Timedelta(moment, unit="ns").as_unit(unit)
    stamp = pandas.Timestamp(moment).as_unit(unit)
    return stamp if zone is None else stamp.tz_convert(zone)
