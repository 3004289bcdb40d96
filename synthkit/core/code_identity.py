"""What a function computes, as plain values: its code, and the values that the code uses."""

from __future__ import annotations

import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import partial
from typing import Any

from synthkit.core.hashing import digest

PLAIN = (str, int, float, bool, type(None))


def code_digest(value: Any) -> str:
    """A hash of what a function computes, or of another object that a function may use.

    A function is named by its bytecode, which two lambdas on one line do not share and which is
    what runs even if a file has changed since; by its defaults, the values that it captured, and
    the functions and constants of its own module that it uses. An object is named by its
    ``fingerprint`` if it has one, a dataclass by its fields, anything else by its type alone.

    >>> def over(limit):
    ...     return lambda row: row["n"] > limit
    >>> code_digest(over(1)) == code_digest(over(1)), code_digest(over(1)) == code_digest(over(2))
    (True, False)
    """
    return digest(_parts(value, ()))


def _parts(value: Any, seen: tuple[int, ...]) -> Any:
    """A value as plain JSON; ``seen`` are the objects that it is part of."""
    if isinstance(value, float) and value != value:
        return "nan"
    if isinstance(value, PLAIN):
        return repr(value) if isinstance(value, float) else value
    if id(value) in seen:
        return "itself"
    seen = (*seen, id(value))
    if isinstance(value, Mapping):
        return {str(key): _parts(item, seen) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_parts(item, seen) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(repr, value))
    if isinstance(value, partial):
        return _parts([value.func, value.args, value.keywords], seen)
    if isinstance(value, types.MethodType):
        return _parts([value.__func__, value.__self__], seen)
    if isinstance(value, types.FunctionType):
        return _parts(dict(_function(value)), seen)
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    if isinstance(fingerprint := getattr(value, "fingerprint", None), str):
        return [name, fingerprint]
    if hasattr(value, "pattern"):  # a regular expression
        return [name, str(value.pattern), int(getattr(value, "flags", 0))]
    if isinstance(value, type):
        own = {key: item for key, item in vars(value).items() if not key.startswith("__")}
        return [value.__qualname__, _parts(own, seen)]
    if is_dataclass(value):
        return [name, *(_parts(getattr(value, field.name), seen) for field in fields(value))]
    call = type(value).__dict__.get("__call__")
    if isinstance(call, types.FunctionType):
        return [name, _parts(call, seen)]
    return [name, getattr(value, "__qualname__", "")]


def _function(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    yield "code", _bytecode(function.__code__)
    yield "defaults", [function.__defaults__, function.__kwdefaults__]
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:  # it has no value yet
            continue
    for name in sorted(set(_names(function.__code__)) & function.__globals__.keys()):
        value = function.__globals__[name]
        own = isinstance(value, types.FunctionType) and value.__module__ == function.__module__
        if own or isinstance(value, PLAIN):
            yield f"global {name}", value


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def _bytecode(code: types.CodeType) -> list[Any]:
    constants = [
        _bytecode(constant)
        if isinstance(constant, types.CodeType)
        else sorted(map(repr, constant))
        if isinstance(constant, frozenset)
        else repr(constant)
        for constant in code.co_consts
    ]
    return [code.co_code.hex(), constants, [*code.co_names, *code.co_varnames]]
