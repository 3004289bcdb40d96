"""Benchmarks are run by hand, so these tests only check that each module imports."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PATHS = sorted(ROOT.glob("tests/benchmarks/**/*.py"))
MODULES = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in PATHS]


def synthkit_names(path: Path) -> Iterator[tuple[str, str]]:
    """Module and dotted name of everything that a file uses of synthkit, in functions as well."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("synthkit"):
            yield from ((node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Attribute):
            name = ast.unparse(node)
            if re.fullmatch(r"sk(\.\w+)+", name):
                yield "synthkit", name.removeprefix("sk.")


@pytest.mark.parametrize("module", MODULES)
def test_a_benchmark_imports(module: str) -> None:
    importlib.import_module(module)


@pytest.mark.parametrize("path", PATHS, ids=MODULES)
def test_a_benchmark_uses_names_that_exist(path: Path) -> None:
    for module, name in synthkit_names(path):
        found = importlib.import_module(module)
        for part in name.split("."):
            try:
                found = getattr(found, part)
            except AttributeError:
                found = importlib.import_module(f"{found.__name__}.{part}")
