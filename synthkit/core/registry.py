"""Registries: recipes, metrics, filters, model schemes, embedders, plots and verbs by their names.

A decorator registers one, in synthkit, in an installed package or in a notebook. What synthkit
registers is found by reading its source for that decorator, so that help and completion list it
without importing it. An installed package names what it registers as entry points of the group
``synthkit.<decorator>``, such as ``haiku = "my_package.haiku"`` under ``synthkit.recipe``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

from synthkit.core.errors import UsageError, unknown

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listed:
    """A registered name, whether or not its module was imported.

    Parameters
    ----------
    module : where it is; empty for one that a notebook registered.
    summary : the first line of its docstring.
    attribute : the name of the function or class in ``module``; empty where it is not known.
    """

    name: str
    module: str
    summary: str
    attribute: str = ""


class Registry(Mapping[str, T], Generic[T]):
    """Named things of one kind. Looking one up imports its module; listing them does not.

    Parameters
    ----------
    kind : what one of them is called in messages, such as ``"recipe"``.
    decorator : the name of the decorator that registers one.
    package : the package of synthkit whose modules are read for that decorator.
    """

    def __init__(self, kind: str, *, decorator: str, package: str) -> None:
        self.kind, self.decorator, self.package = kind, decorator, package
        self._values: dict[str, T] = {}
        self._own: dict[str, Listed] = {}

    def add(self, name: str, value: T, function: Any) -> None:
        """Register ``value``, which ``function`` defines, under a name.

        Running a notebook's cell again replaces what it registered before.

        Raises
        ------
        UsageError
            If synthkit or an installed package has the name already.
        """
        module = str(getattr(function, "__module__", ""))
        listed = self._installed.get(name)
        if listed is not None and module != listed.module:
            raise UsageError(
                f"the name {name!r} is taken by the {self.kind} in {listed.module}; choose another."
            )
        if listed is None:
            summary = (inspect.getdoc(function) or "").partition("\n")[0]
            attribute = str(getattr(function, "__name__", ""))
            self._own[name] = Listed(name, "", summary, attribute)
        self._values[name] = value

    def listed(self) -> dict[str, Listed]:
        """What is registered, by name, without importing any of it: synthkit's own first."""
        return {**self._installed, **self._own}

    def __getitem__(self, name: str) -> T:
        if name not in self._values:
            listed = self.listed().get(name)
            if listed is None:
                raise UsageError(unknown(self.kind, name, self.listed()))
            importlib.import_module(listed.module)
            if name not in self._values:
                raise UsageError(
                    f"{listed.module} does not register the {self.kind} {name!r} that its package "
                    f"declares as an entry point; it needs @{self.decorator}."
                )
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        return name in self._own or name in self._installed

    def __iter__(self) -> Iterator[str]:
        return iter(self.listed())

    def __len__(self) -> int:
        return len(self.listed())

    def remove(self, name: str) -> None:
        """Take away what a notebook registered."""
        del self._own[name], self._values[name]

    @cached_property
    def _installed(self) -> dict[str, Listed]:
        """What synthkit's sources and the entry points of other packages register."""
        from importlib.metadata import entry_points  # it takes longer to import than all of core

        found = {one.name: one for one in _decorated(self.package, self.decorator)}
        for point in entry_points(group=f"synthkit.{self.decorator}"):
            origin = point.dist.name if point.dist is not None else point.value
            found.setdefault(point.name, Listed(point.name, point.module, f"from {origin}"))
        return found


def _decorated(package: str, decorator: str) -> Iterator[Listed]:
    """What the modules of a package register by a decorator, read from their sources."""
    folder = Path(str(importlib.import_module(package).__file__)).parent
    for path in sorted(folder.rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        if f"@{decorator}" not in source:
            continue
        parts = path.relative_to(folder).with_suffix("").parts
        module = ".".join((package, *(part for part in parts if part != "__init__")))
        for node in ast.parse(source).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                for name in _names(node, decorator):
                    summary = (ast.get_docstring(node) or "").partition("\n")[0]
                    yield Listed(name, module, summary, node.name)


def _names(node: ast.FunctionDef | ast.ClassDef, decorator: str) -> Iterator[str]:
    """The names under which a definition is registered: the decorator's text, or its own name."""
    for one in node.decorator_list:
        call = one.func if isinstance(one, ast.Call) else one
        if isinstance(call, ast.Name) and call.id == decorator:
            first = one.args[0] if isinstance(one, ast.Call) and one.args else None
            yield str(first.value) if isinstance(first, ast.Constant) else node.name
