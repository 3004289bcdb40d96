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


def test_prompts_for_local_engines_are_the_same_each_time_and_of_the_lengths_said() -> None:
    from tests.benchmarks.engine_run import prompts

    mixed = prompts("32", 200)
    assert mixed == prompts("32", 200)
    assert prompts("1", 200) == mixed[:25]
    assert all(20 <= len(text.split()) <= 400 and 10 <= most <= 200 for text, most in mixed)
    shared, apart = ([text.split() for text, _ in prompts(c, 0)] for c in ("shared", "apart"))
    assert len({tuple(words[:300]) for words in shared}) == 1
    assert [most for _, most in prompts("shared", 0)] == [most for _, most in prompts("apart", 0)]
    assert len({tuple(words[:300]) for words in apart}) == len(apart) == 64


def test_tables_of_local_engines_have_medians_and_the_share_of_the_default() -> None:
    from tests.benchmarks.local_engines import shares, tables

    def record(engine: str, case: str, seconds: float) -> dict[str, object]:
        figures = {"written": 100, "seconds": seconds, "cpu_seconds": 2 * seconds}
        load = {"load": 3.0, "import": 2.0, "load_cpu": 4.0, "first": 0.25, "loaded_mb": 500.0}
        memory = {"peak_mb": 700.0, "estimate_mb": 900.0, "how": "", "versions": "v 1"}
        job = {"engine": engine, "threads": 0, "busy": 0, "case": case, "commit": "abc"}
        return {**figures, **load, **memory, **job, "date": "2026-11-29", "machine": "a CPU"}

    records = [record("bf16", "8", seconds) for seconds in (1.0, 2.0, 9.0)]
    records += [record("bf16", "32", 4.0), record("default", "32", 2.5)]
    records += [{**record("nf4", "32", 1.0), "error": "killed"}]
    shown = tables(records)
    assert "| bf16 | default | 0 |  | 50 / 25 | 25 / 12 |  |  | 700 | 900 |" in shown
    assert "| bf16 | default | 0 | 2.00 | 1.00 | 0.25 | 3.00 | 4.00 | 500 |" in shown
    assert "nf4 in 32: failed: killed" in shown
    assert "| 0 | 32 | second | 40 | 50 | bf16, 0 threads, 8 | 80% |" in shares(records)
