"""Registries: recipes, metrics, filters, model schemes, embedders, plots and verbs by name.

A decorator registers a function, in synthkit, in an installed package or in a notebook. Functions
of synthkit are found by reading its source files for that decorator, so help and completion can
list them without importing them. An installed package declares its functions as entry points in
the group ``synthkit.<decorator>``, such as ``haiku = "my_package.haiku"`` in ``synthkit.recipe``.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Generic, TypeVar

import lazy_loader

from synthkit.core.errors import UsageError, did_you_mean, unknown

T = TypeVar("T")
PAPER = re.compile(r"\b\d{4}\.\d{5}\b")
"""The arXiv number of a paper."""
_REFERENCES = re.compile(r"^References\n-+\n(.*?)(?=\n\n|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A registered name, whether or not its module has been imported.

    Parameters
    ----------
    module : the module that registers it; empty for a function registered in a notebook.
    doc : its docstring; the name of its package if that has not been imported.
    attribute : the name of the function or class in ``module``; empty where it is not known.
    """

    name: str
    module: str
    doc: str
    attribute: str = ""

    @property
    def summary(self) -> str:
        """The first line of its docstring."""
        return self.doc.partition("\n")[0]

    @property
    def references(self) -> str:
        """The section ``References`` of its docstring, or the arXiv numbers in it; may be empty.

        >>> Listed("zerogen", "", "Texts for labels (arXiv 2202.07922).").references
        'arXiv 2202.07922'
        """
        section = _REFERENCES.search(self.doc)
        if section:
            return " ".join(section[1].split())
        return ", ".join(dict.fromkeys(f"arXiv {paper}" for paper in PAPER.findall(self.doc)))


class Registry(Mapping[str, T], Generic[T]):
    """A mapping from names to values of one kind. Lookup imports a module, listing does not.

    Parameters
    ----------
    kind : the noun used in messages, such as ``"recipe"``.
    decorator : the name of the decorator that registers a function.
    package : the package of synthkit whose source files are searched for that decorator.
    """

    def __init__(self, kind: str, *, decorator: str, package: str) -> None:
        self.kind, self.decorator, self.package = kind, decorator, package
        self._values: dict[str, T] = {}
        self._added: dict[str, Listed] = {}

    def add(self, name: str, value: T, function: Any) -> None:
        """Register ``value``, which ``function`` defines, under a name.

        A notebook may register a name again, so that a cell can be rerun.

        Raises
        ------
        UsageError
            If synthkit or an installed package already uses the name.
        """
        module = str(getattr(function, "__module__", ""))
        built_in = module.startswith(f"{self.package}.")
        listed = None if built_in else self._own.get(name) or self._installed.get(name)
        if listed is None:
            doc, attribute = inspect.getdoc(function) or "", getattr(function, "__name__", "")
            self._added[name] = Listed(name, module if built_in else "", doc, str(attribute))
        elif module != listed.module:
            raise UsageError(
                f"the name {name!r} is taken by the {self.kind} in {listed.module}; choose another."
            )
        self._values[name] = value

    def listed(self) -> dict[str, Listed]:
        """All registered names, those of synthkit first; no module is imported."""
        return {**self._own, **self._installed, **self._added}

    def described(self) -> dict[str, Listed]:
        """All registered names with their docstrings; other packages are imported for theirs.

        One that cannot be imported has the error in its place, and does not stop the others.
        """
        listed = self.listed()
        for name, entry in listed.items():
            if entry.module and not entry.attribute:
                try:
                    doc = inspect.getdoc(self[name]) or entry.doc
                except UsageError as error:
                    doc = str(error)
                listed[name] = replace(entry, doc=doc)
        return listed

    def __getitem__(self, name: str) -> T:
        """The value of a name.

        Raises
        ------
        UsageError
            If the name is unknown, or if an installed package declares it and fails to register it.
        """
        if name not in self._values:
            listed = self._own.get(name) or self._installed.get(name)
            if listed is None:
                raise UsageError(unknown(self.kind, name, self.listed()))
            try:
                importlib.import_module(listed.module)
            except (Exception, SystemExit) as error:
                if listed.module.startswith("synthkit."):
                    raise
                raise UsageError(
                    f"the {self.kind} {name!r} cannot be used: importing {listed.module} failed "
                    f"with {type(error).__name__}: {error}"
                ) from error
            if name not in self._values:
                raise UsageError(
                    f"{listed.module} does not register the {self.kind} {name!r} that its package "
                    f"declares as an entry point; it needs @{self.decorator}."
                )
        return self._values[name]

    def __contains__(self, name: object) -> bool:
        # the entry points of all installed packages are read last, since that is slow
        return name in self._values or name in self._own or name in self._installed

    def __iter__(self) -> Iterator[str]:
        return iter(self.listed())

    def __len__(self) -> int:
        return len(self.listed())

    def remove(self, name: str) -> None:
        """Remove a name that a notebook registered."""
        del self._added[name], self._values[name]

    @property
    def _own(self) -> Mapping[str, Listed]:
        """The names that synthkit's source files register."""
        return decorated(self.package, self.decorator)

    @cached_property
    def _installed(self) -> Mapping[str, Listed]:
        """The names that the entry points of other packages register."""
        from importlib.metadata import entry_points  # slower to import than all of core

        listed: dict[str, Listed] = {}
        for point in entry_points(group=f"synthkit.{self.decorator}"):
            if point.name not in self._own:
                origin = point.dist.name if point.dist is not None else point.value
                listed[point.name] = Listed(point.name, point.module, f"from {origin}")
        return listed


@cache
def decorated(package: str, decorator: str) -> Mapping[str, Listed]:
    """The functions and classes in a package's source files that a decorator registers, by name."""
    folder = Path(str(importlib.import_module(package).__file__)).parent
    listed: dict[str, Listed] = {}
    for path in sorted(folder.rglob("*.py")):
        source = b"\n" + path.read_bytes()
        first = source.find(f"\n@{decorator}".encode())
        if first < 0:
            continue
        parts = path.relative_to(folder).with_suffix("").parts
        module = ".".join((package, *(part for part in parts if part != "__init__")))
        for node in ast.parse(source[first:]).body:  # all of the file takes longer
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                doc = ast.get_docstring(node) or ""
                for name in _registered_names(node, decorator):
                    listed[name] = Listed(name, module, doc, node.name)
    return listed


def _registered_names(node: ast.FunctionDef | ast.ClassDef, decorator: str) -> Iterator[str]:
    """The decorator's first argument where it is a text, otherwise the function's own name."""
    for expression in node.decorator_list:
        call = expression.func if isinstance(expression, ast.Call) else expression
        if isinstance(call, ast.Name) and call.id == decorator:
            arguments = expression.args if isinstance(expression, ast.Call) else []
            first = arguments[0] if arguments else None
            yield str(first.value) if isinstance(first, ast.Constant) else node.name


def public_names(
    package: str, file: str, *, decorator: str = ""
) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """``__getattr__``, ``__dir__`` and ``__all__`` of a package whose names are imported on use.

    The names are those in the ``__init__.pyi`` stub beside ``file``, then the functions in the
    package that ``decorator`` registers. So a new recipe in a file of its own is public without a
    second edit; a line in the stub lets type checkers see it too.

    Examples
    --------
    >>> from synthkit import recipes
    >>> get, names, _ = public_names("synthkit.recipes", recipes.__file__, decorator="recipe")
    >>> get("judge").__name__, "judge" in names()
    ('judge', True)
    """
    from_stub, _, stub_names = lazy_loader.attach_stub(package, file)
    folder = Path(file).parent

    def registered() -> dict[str, str]:
        listed = decorated(package, decorator).values() if decorator else ()
        public = [entry for entry in listed if not entry.attribute.startswith("_")]
        return {entry.attribute: entry.module for entry in public}

    def getattribute(name: str) -> Any:
        if name in stub_names:
            return from_stub(name)
        message = f"module {package!r} has no attribute {name!r}"
        # Python asks for these before it imports a submodule: the source files need not be read
        if name.startswith("_") or (folder / name).is_dir() or (folder / f"{name}.py").exists():
            raise AttributeError(message)
        if name not in registered():
            raise AttributeError(f"{message}.{did_you_mean(name, names())}")
        value = getattr(importlib.import_module(registered()[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*stub_names, *registered()})

    return getattribute, names, stub_names
