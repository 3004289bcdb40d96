"""Imports run strictly downward, and pure modules touch nothing outside."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import synthkit

ROOT = Path(synthkit.__file__).parent

RANKS: tuple[tuple[str, ...], ...] = (
    ("errors", "extras"),
    ("types",),
    ("table", "rouge", "intervals", "resampling", "student", "quotas"),
    ("prompt", "decode", "conditions", "differences", "chunks", "retrieval"),
    ("recipes", "curate", "evaluate", "plots", "share.card"),
    ("store", "models", "train", "share", "frontend", "documents", "samples"),
    ("driver",),
    ("workspace",),
    ("making", "benchmarking"),
    ("synthesis",),
    ("laboratory",),
    ("jupyter",),
    ("__main__",),
)
SIBLINGS = (3, 4)
PURE = 4
OUTSIDE = set(
    "os io time datetime socket ssl pathlib tempfile shutil subprocess threading multiprocessing "
    "sqlite3 urllib http requests httpx aiohttp asyncio secrets uuid glob logging".split()
)


def unit(module: str) -> str:
    """The part of the house a module belongs to: ``recipes.ask`` is of ``recipes``."""
    return max(
        (name for rank in RANKS for name in rank if f"{module}.".startswith(f"{name}.")),
        key=len,
        default=f"unplanned {module}",
    )


def rank(module: str) -> int:
    return next(i for i, names in enumerate(RANKS) if unit(module) in names)


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if module:
            yield module, ast.parse(path.read_text())


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of what is imported anywhere in a module, but for annotations alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                inner = ROOT.joinpath(*whole.split(".")[1:])
                is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                yield whole if whole.startswith("synthkit") and is_module else str(node.module)
        elif not (isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)):
            yield from imported(node)


MODULES = dict(sources())


def wrong_imports(module: str, tree: ast.AST) -> list[str]:
    """What a module imports that it may not."""
    wrong = []
    for name in imported(tree):
        if name == "synthkit":
            wrong.append(name)
        if not name.startswith("synthkit."):
            continue
        other = name.partition(".")[2]
        sibling = rank(other) == rank(module) in SIBLINGS and unit(other) != unit(module)
        if sibling or rank(other) > rank(module):
            wrong.append(name)
    return wrong


def impurities(tree: ast.AST) -> list[str]:
    """Files, clocks, networks and global randomness that a module uses."""
    found = [name for name in imported(tree) if name.partition(".")[0] in OUTSIDE]
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"open", "print", "input"}:
            found.append(ast.unparse(node.func))
        if isinstance(node, ast.Attribute):
            of, name = ast.unparse(node.value), node.attr
            if of == "random" and name not in {"Random", "RandomState", "Generator"}:
                found.append(f"{of}.{name}")
            if of in {"np.random", "numpy.random"} and name not in {"default_rng", "Generator"}:
                found.append(f"{of}.{name}")
        if isinstance(node, ast.Global):
            found.append(f"global {', '.join(node.names)}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_imports_run_strictly_downward(module: str) -> None:
    assert wrong_imports(module, MODULES[module]) == []


@pytest.mark.parametrize("module", [name for name in MODULES if rank(name) <= PURE])
def test_pure_modules_touch_nothing_outside(module: str) -> None:
    assert impurities(MODULES[module]) == []


def test_no_two_modules_import_each_other() -> None:
    below = {
        module: {name.partition(".")[2] for name in imported(tree)} & set(MODULES) - {module}
        for module, tree in MODULES.items()
    }
    while free := [module for module, others in below.items() if not others & set(below)]:
        for module in free:
            del below[module]
    assert below == {}


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("types", "from synthkit import table", ["synthkit.table"]),
        ("types", "from synthkit.table import kind", ["synthkit.table"]),
        ("prompt", "def f():\n    import synthkit.decode", ["synthkit.decode"]),
        ("recipes.ask", "from synthkit.prompt import parse", []),
        ("recipes.ask", "from synthkit.evaluate import checks", ["synthkit.evaluate.checks"]),
        ("prompt", "from synthkit.recipes.ask import ask", ["synthkit.recipes.ask"]),
        ("recipes.vote", "from synthkit.recipes.ask import ask", []),
        ("store", "import synthkit", ["synthkit"]),
        ("store", "from synthkit import __version__", ["synthkit"]),
        ("driver", "from synthkit.workspace import Session", ["synthkit.workspace"]),
        ("errors", "if TYPE_CHECKING:\n    from synthkit.types import Run", []),
        ("models.fake", "from synthkit.store import Store", []),
        ("share.card", "from synthkit.store import Store", ["synthkit.store"]),
        ("share.hub", "from synthkit.store import Store", []),
    ],
)
def test_the_guard_sees_a_wrong_import(module: str, source: str, wrong: list[str]) -> None:
    assert wrong_imports(module, ast.parse(source)) == wrong


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os.path", ["os.path"]),
        ("def f():\n    from time import time", ["time"]),
        ("open('x')", ["open"]),
        ("random.shuffle(x)", ["random.shuffle"]),
        ("random.Random(0).shuffle(x)", []),
        ("np.random.rand()", ["np.random.rand"]),
        ("np.random.default_rng(0)", []),
    ],
)
def test_the_guard_sees_what_is_not_pure(source: str, found: list[str]) -> None:
    assert impurities(ast.parse(source)) == found


def test_a_module_without_a_place_in_the_plan_is_seen() -> None:
    with pytest.raises(StopIteration):
        rank("helpers")
