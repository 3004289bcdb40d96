"""Imports run strictly downward, no module imports another in a circle, and pure ones stay pure."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import synthkit

ROOT = Path(synthkit.__file__).parent

LAYERS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("store", "stats"),
    ("data",),
    ("prompts",),
    ("recipes", "curate", "evaluate", "plots"),
    ("models",),
    ("train", "share", "parquet"),
    ("sessions",),
    ("generation",),
    ("lab", "benchmark", "verify"),
    ("notebook",),
    ("__main__",),
)
"""The packages, each above those it may import. Packages of one layer do not import each other."""
PURE = {"stats", "prompts", "recipes", "curate", "evaluate", "plots"}
OUTSIDE = set(
    "os io time datetime socket ssl pathlib tempfile shutil subprocess threading multiprocessing "
    "sqlite3 urllib http requests httpx aiohttp asyncio secrets uuid glob logging".split()
)


def layer(module: str) -> int:
    """The layer of a module's package; a package without one is not planned for."""
    package = module.partition(".")[0]
    return next(at for at, packages in enumerate(LAYERS) if package in packages)


def sources() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(ROOT.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if module:
            yield module, ast.parse(path.read_text())


def imported(tree: ast.AST) -> Iterator[str]:
    """Full names of what is imported anywhere in a module, for annotations as well."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                inner = ROOT.joinpath(*whole.split(".")[1:])
                is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                yield whole if whole.startswith("synthkit") and is_module else str(node.module)


MODULES = dict(sources())


def wrong_imports(module: str, tree: ast.AST) -> list[str]:
    """What a module imports that it may not: of its own package all, else of lower layers."""
    package = module.partition(".")[0]
    wrong = []
    for name in imported(tree):
        other = name.partition(".")[2]
        if name == "synthkit" or (
            name.startswith("synthkit.")
            and other.partition(".")[0] != package
            and layer(other) >= layer(module)
        ):
            wrong.append(name)
    return wrong


def circles(imports: dict[str, set[str]]) -> set[str]:
    """The modules that are left when all that import no other one were taken away in turn."""
    left = dict(imports)
    while free := [module for module, others in left.items() if not others & set(left)]:
        for module in free:
            del left[module]
    return set(left)


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


@pytest.mark.parametrize("module", [name for name in MODULES if name.partition(".")[0] in PURE])
def test_pure_modules_touch_nothing_outside(module: str) -> None:
    assert impurities(MODULES[module]) == []


def test_no_modules_import_each_other_in_a_circle() -> None:
    imports = {
        module: {name.partition(".")[2] for name in imported(tree)} & set(MODULES) - {module}
        for module, tree in MODULES.items()
    }
    assert circles(imports) == set()


def test_the_guard_sees_a_circle() -> None:
    assert circles({"a": {"b"}, "b": {"a"}, "c": {"a"}, "d": set()}) == {"a", "b", "c"}


@pytest.mark.parametrize(
    ("module", "source", "wrong"),
    [
        ("core.types", "from synthkit.data import tables", ["synthkit.data.tables"]),
        ("core.types", "from synthkit.data.tables import kind", ["synthkit.data.tables"]),
        ("data.tables", "def f():\n    import synthkit.prompts", ["synthkit.prompts"]),
        ("recipes._ask", "from synthkit.prompts.parsing import parse", []),
        ("recipes._ask", "from synthkit.evaluate import checks", ["synthkit.evaluate.checks"]),
        ("prompts.parsing", "from synthkit.recipes._ask import ask", ["synthkit.recipes._ask"]),
        ("recipes._judge", "from synthkit.recipes._ask import ask", []),
        ("store.runs", "import synthkit", ["synthkit"]),
        ("store.runs", "from synthkit import __version__", ["synthkit"]),
        ("generation.runner", "from synthkit.lab import lab", ["synthkit.lab.lab"]),
        (
            "core.errors",
            "if TYPE_CHECKING:\n    from synthkit.store import Store",
            ["synthkit.store"],
        ),
        ("models.fake", "from synthkit.store import Store", []),
        ("share.export", "from synthkit.train import settings", ["synthkit.train.settings"]),
    ],
)
def test_the_guard_sees_a_wrong_import(module: str, source: str, wrong: list[str]) -> None:
    assert wrong_imports(module, ast.parse(source)) == wrong


@pytest.mark.parametrize(
    ("source", "expected"),
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
def test_the_guard_sees_what_is_not_pure(source: str, expected: list[str]) -> None:
    assert impurities(ast.parse(source)) == expected


def test_a_package_without_a_place_in_the_plan_is_seen() -> None:
    with pytest.raises(StopIteration):
        layer("helpers")
