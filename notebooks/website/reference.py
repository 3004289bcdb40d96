"""The API reference: the public names of each package, from their docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import synthkit

ROOT = Path(synthkit.__file__).parent
_PARAMETER = re.compile(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*) : (.+)$")
_SECTIONS = {"Parameters", "Attributes", "Other Parameters"}


def packages() -> list[str]:
    """The packages with public names: those with a stub that lists them."""
    stubs = sorted(ROOT.rglob("__init__.pyi"))
    return [".".join(("synthkit", *stub.parent.relative_to(ROOT).parts)) for stub in stubs]


def names(package: str) -> list[str]:
    """The public functions, classes and constants of a package or module.

    >>> "generate" in names("synthkit"), "recipes" in names("synthkit")
    (True, False)
    """
    module = importlib.import_module(package)
    listed = getattr(module, "__all__", None)
    if listed is None:
        listed = [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and (inspect.isfunction(value) or inspect.isclass(value))
            and value.__module__ == package
        ]
    return [name for name in listed if not inspect.ismodule(getattr(module, name))]


def _defined(value: Any, path: str) -> str:
    """Where a value is defined; ``path`` if it does not say so, as constants do not."""
    return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else path


@cache
def public() -> dict[str, str]:
    """Where something is defined -> its public name."""
    found: dict[str, str] = {}
    for package in packages():
        module = importlib.import_module(package)
        for name in names(package):
            path = f"{package}.{name}"
            found.setdefault(_defined(getattr(module, name), path), path)
    return found


def listing(package: str) -> str:
    """Its public names in reStructuredText: a table with a line on each, then each in full.

    A name that another package documents already is only in the table.
    """
    module = importlib.import_module(package)
    full, table = [], [".. autosummary::", "   :nosignatures:", ""]
    for name in names(package):
        value, path = getattr(module, name), f"{package}.{name}"
        home = public().get(_defined(value, path), path)
        table.append(f"   ~{home}")
        if home == path:
            kind = "class" if inspect.isclass(value) else "function" if callable(value) else "data"
            full += [f".. auto{kind}:: {path}", "   :members:" if kind == "class" else "", ""]
    return "\n".join([*table, "", *full])


def _parameters(app: Any, what: str, name: str, value: Any, options: Any, lines: list[str]) -> None:
    """Put the text after the name of a parameter below it: numpy's style has its type there."""
    section, found = "", []
    for place, line in enumerate(lines):
        after = lines[place + 1] if place + 1 < len(lines) else ""
        if after and set(after) == {"-"}:
            section = line
        match = _PARAMETER.match(line) if section in _SECTIONS else None
        found += [match[1], f"    {match[2]}"] if match else [line]
    lines[:] = found


def _public_reference(app: Any, env: Any, node: Any, contnode: Any) -> Any:
    """Link the name under which something is defined to its public name."""
    target = public().get(node.get("reftarget", ""))
    if node.get("refdomain") != "py" or not target:
        return None
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def setup(app: Any) -> None:
    """Read the house's docstrings, and find what they name."""
    app.connect("autodoc-process-docstring", _parameters, priority=400)  # before napoleon
    app.connect("missing-reference", _public_reference)
