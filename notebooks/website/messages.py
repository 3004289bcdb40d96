"""The messages of synthkit's errors, read off its source."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import synthkit
from synthkit.core import errors


def classes() -> list[type[BaseException]]:
    """The error classes, each after the class that it is a kind of."""
    own = [each for _, each in inspect.getmembers(errors, inspect.isclass)]
    own = [each for each in own if issubclass(each, BaseException)]
    return sorted(own, key=lambda each: inspect.getsourcelines(each)[1])


def messages(name: str) -> list[str]:
    """The messages with which an error is raised, with ``…`` where a value is put in.

    >>> "… has no chat template, so it cannot read messages; use raw=True." in messages(
    ...     "ChatTemplateMissing")
    True
    """
    return sorted(set(_all().get(name, ())), key=lambda text: text.lstrip("… '").lower())


@cache
def _all() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for path in Path(str(synthkit.__file__)).parent.rglob("*.py"):
        for name, text in _raised(ast.parse(path.read_text(encoding="utf-8"))):
            found.setdefault(name, []).append(text)
    return found


def _raised(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """(class, message) of each ``raise``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call) and node.exc.args:
            text = _text(node.exc.args[0])
            if isinstance(node.exc.func, ast.Name) and text.strip("… .:") != "":
                yield node.exc.func.id, text


def _text(node: ast.expr) -> str:
    """A message as it is written, with ``…`` for values."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(map(_text, values))
        case ast.BinOp(left=left, right=right):
            return _text(left) + _text(right)
    return "…"
