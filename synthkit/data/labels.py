"""Labels of several tables in one form: ``1`` and ``"1"``, ``Pos`` and ``pos``, number and name."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import partial
from numbers import Real
from typing import Any

from synthkit.data import tables
from synthkit.stats.words import fold

Names = tuple[str, ...]

_NUMBER = re.compile(r"[-+]?(?:0|[1-9]\d{0,14})(?:\.\d+)?")
_TRUTH = {"true": "1", "false": "0"}


def meet(*columns: Iterable[Any], names: Sequence[Names | None] = ()) -> list[list[Any]]:
    """Columns of labels in which equal labels are equal values, whatever their types.

    A number meets the text of that number, a ClassLabel number its name, and texts meet that differ
    only in case, in blanks around them or in the form of their letters. No two labels of one column
    that are of one type become one: ``US`` beside ``us`` stay apart. Of labels that meet, the first
    is used; the order of the columns decides. Missing labels stay.

    Parameters
    ----------
    columns : labels.
    names : for each column the names of its numbers, or ``None``.

    Examples
    --------
    >>> meet([1, 0, None], ["0", "1"])
    [[1, 0, None], [0, 1]]
    >>> meet(["pos", "neg"], [1, 0, 1], names=[None, ("neg", "pos")])
    [['pos', 'neg'], ['pos', 'neg', 'pos']]
    >>> meet(["US", "us"], ["us"])
    [['US', 'us'], ['us']]
    """
    listed = _named([list(column) for column in columns], list(names) or [None] * len(columns))
    distinct = [list(dict.fromkeys(filter(_is_label, column))) for column in listed]
    if not any(set(distinct[0]) ^ set(other) for other in distinct[1:]):
        return listed
    truth = any(isinstance(label, bool) for labels in distinct for label in labels)
    numeric = truth or any(isinstance(label, Real) for labels in distinct for label in labels)
    keys: dict[Any, Any] = {label: label for labels in distinct for label in labels}
    steps: list[Callable[[Any], Any]] = [_text]
    if numeric:
        steps.insert(0, partial(_number, truth=truth))
    for step in steps:
        further = {label: step(key) for label, key in keys.items()}
        if all(_stay_apart(labels, keys, further) for labels in distinct):
            keys = further
    first: dict[Any, Any] = {}
    for label, key in keys.items():
        first.setdefault(key, label)
    return [
        [first[keys[label]] if _is_label(label) else label for label in column] for column in listed
    ]


def in_one_form(column: str, *given: Any) -> list[Any]:
    """Tables whose labels meet (:func:`meet`); a table without the column, or ``None``, is kept.

    A table is replaced by one of its kind only if a label changes.
    """
    at = [
        place
        for place, table in enumerate(given)
        if table is not None and column in tables.columns(table)
    ]
    cells = [tables.column(given[place], column) for place in at]
    met = meet(*cells, names=[class_names(given[place], column) for place in at]) if at else []
    if any(len({isinstance(label, str) for label in filter(_is_label, new)}) > 1 for new in met):
        met = [[str(label) if _is_label(label) else label for label in new] for new in met]
    result = list(given)
    for place, old, new in zip(at, cells, met, strict=True):
        if list(map(_typed, old)) != list(map(_typed, new)):
            result[place] = tables.assign(given[place], {column: new})
    return result


def class_names(table: Any, column: str) -> Names | None:
    """The names of a ClassLabel column of a Hugging Face table, or of Arrow data written by one."""
    features = getattr(table, "features", None)
    if features is not None and hasattr(features, "get"):
        names = getattr(features.get(column), "names", None)
        return tuple(names) if names else None
    metadata = getattr(getattr(table, "schema", None), "metadata", None)
    if not isinstance(metadata, Mapping) or b"huggingface" not in metadata:
        return None
    try:
        feature = json.loads(metadata[b"huggingface"])["info"]["features"][column]
        return tuple(feature["names"]) if feature["_type"] == "ClassLabel" else None
    except (ValueError, LookupError, TypeError):
        return None


def apart(first: Iterable[Any], second: Iterable[Any]) -> str:
    """Why two columns of labels cannot be compared; empty if they share a label.

    >>> apart(["pos"], [1, 0])
    "no label is in both tables: 'pos' on one side; 1, 0 on the other"
    """
    sides = [list(dict.fromkeys(filter(_is_label, labels))) for labels in (first, second)]
    if not all(sides) or set(sides[0]) & set(sides[1]):
        return ""
    shown = [", ".join(map(repr, s[:4])) + (", ..." if len(s) > 4 else "") for s in sides]
    return f"no label is in both tables: {shown[0]} on one side; {shown[1]} on the other"


def _named(columns: list[list[Any]], names: list[Names | None]) -> list[list[Any]]:
    """Numbers of ClassLabels as names, if another column has names or another order of them."""
    known = list(dict.fromkeys(filter(None, names)))
    if not known:
        return columns
    plain = [column for column, own in zip(columns, names, strict=True) if not own]
    texts = any(isinstance(label, str) and not _NUMBER.fullmatch(label.strip())
                for column in plain for label in column)  # fmt: skip
    if not texts and len(known) < 2:
        return columns
    of = [own or (known[0] if len(known) == 1 else None) for own in names]
    return [
        [_name(label, own) for label in column] if own else column
        for column, own in zip(columns, of, strict=True)
    ]


def _name(label: Any, names: Names) -> Any:
    if isinstance(label, bool) or not isinstance(label, Real) or label != label:
        return label
    at = math.floor(float(label))
    return names[at] if at == label and 0 <= at < len(names) else label


def _is_label(label: Any) -> bool:
    return label is not None and isinstance(label, Hashable) and label == label


def _typed(label: Any) -> Any:
    return type(label).__name__, label if _is_label(label) else None


def _number(key: Any, truth: bool) -> Any:
    """The text of a number, of a truth value, and of a text that is one."""
    if isinstance(key, int):
        return str(int(key))
    if isinstance(key, Real) and math.isfinite(key):
        value = float(key)
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(key, str):
        text = key.strip()
        if _NUMBER.fullmatch(text):
            return _number(float(text), truth)
        return _TRUTH.get(text.casefold(), key) if truth else key
    return key


def _text(key: Any) -> Any:
    return " ".join(fold(key).split()) or key if isinstance(key, str) else key


def _stay_apart(labels: Sequence[Any], before: Mapping[Any, Any], after: Mapping[Any, Any]) -> bool:
    """Whether no two labels of one column and type, which were different, have become one."""
    of: dict[Any, Any] = {}
    for label in labels:
        key = type(label), after[label]
        if of.setdefault(key, before[label]) != before[label]:
            return False
    return True
