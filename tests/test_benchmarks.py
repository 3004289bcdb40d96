"""Benchmarks are run by hand, so these tests only check that each module imports."""

from __future__ import annotations

import ast
import importlib
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

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
    thirds = [prompts("32", 200, number, 3) for number in range(3)]
    assert sorted(prompt for part in thirds for prompt in part) == sorted(mixed)
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
    assert "| bf16 | default | 0 |  | 50 / 25 | 25 / 12 |  |  |  | 700 | 900 |" in shown
    assert "| bf16 | default | 0 | 2.00 | 1.00 | 0.25 | 3.00 | 4.00 | 500 |" in shown
    assert "nf4 in 32: failed: killed" in shown
    assert "| 0 | 32 | second | 40 | 50 | bf16, 0 threads, 8 | 80% |" in shares(records)


@pytest.fixture
def arena(tmp_path: Path) -> Any:
    """An arena whose floor and synthkit run in the environment of the tests."""
    from tests.benchmarks.arena.scenarios import Arena
    from tests.benchmarks.arena.systems import SYSTEMS
    from tests.server import free_port

    for name in ("aiohttp", "synthkit"):
        python = Path(SYSTEMS[name].python(tmp_path))
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
        python.chmod(0o755)
    return Arena(tmp_path, tmp_path / "work", free_port(), limit=120)


def test_the_arena_measures_the_floor(arena: Any) -> None:
    from tests.benchmarks.arena.scenarios import SCENARIOS
    from tests.benchmarks.arena.systems import SYSTEMS

    few = replace(SCENARIOS["cold, 64 in flight"], number=8, needed=6, concurrency=4)
    record = arena.measure(few, SYSTEMS["aiohttp"])
    counts = {"requests": 8, "wasted": 2, "rejected": 0, "unread": 0, "peak_in_flight": 4}
    assert record.items() >= {"outcome": "ended", "rows": 8, "right": 8, **counts}.items()
    assert 0.1 <= record["seconds"] < record["whole"]
    assert 0 < record["cpu"] < record["whole_cpu"]
    assert record["peak_mb"] > 10


@pytest.mark.slow
def test_the_arena_edits_and_kills_synthkit(arena: Any) -> None:
    from tests.benchmarks.arena.scenarios import SCENARIOS
    from tests.benchmarks.arena.systems import SYSTEMS

    ours = SYSTEMS["synthkit"]
    edited = replace(SCENARIOS["edited"], number=8, after=8, edited=3)
    record = arena.measure(edited, ours)
    assert record.items() >= {"requests": 1, "wasted": 0, "right": 8}.items()
    down = replace(SCENARIOS["cached"], number=8, after=8)
    record = arena.measure(down, ours)
    assert record.items() >= {"requests": 0, "right": 8, "needs_server": False}.items()
    record = arena.measure(replace(down, number=9), ours)
    assert record.items() >= {"requests": 1, "right": 9, "needs_server": True}.items()
    killed = replace(SCENARIOS["killed"], number=40, needed=40, concurrency=4)
    record = arena.measure(killed, ours)
    assert record["right"] == 40
    assert record["sent_before_kill"] >= 20
    assert record["wasted"] <= 4


def test_the_arena_tells_a_process_that_hangs_or_fails(tmp_path: Path) -> None:
    from tests.benchmarks.arena.process import measure
    from tests.benchmarks.arena.scenarios import said

    def run(code: str, **more: Any) -> Any:
        command = [sys.executable, "-c", code]
        return measure(command, tmp_path, variables={}, **({"limit": 60} | more))

    assert run("pass").outcome == "ended"
    assert said(run("raise SystemExit('no table')")) == "failed: no table"
    assert said(run("import time; time.sleep(60)", limit=0.2)) == "hangs (over 0 s)"
    assert run("import time; time.sleep(60)", kill_if=lambda: True).outcome == "killed"


def test_the_arena_reports_medians_troubles_and_targets() -> None:
    from tests.benchmarks.arena.report import report

    def record(scenario: str, system: str, seconds: float, **more: Any) -> dict[str, Any]:
        figures = {"seconds": seconds, "cpu": seconds, "right": 500, "rows": 500, "rejected": 0}
        names = {"scenario": scenario, "system": system, "outcome": "ended"}
        return names | {"date": "2026-11-30", "machine": "a CPU", "version": "1"} | figures | more

    cold, limited = "cold, 64 in flight", "rate-limited"
    records = [record(cold, "aiohttp", 0.5), record(cold, "Curator", 4.0)]
    records += [record(cold, "synthkit", seconds) for seconds in (0.9, 0.55, 0.1)]
    records += [record(limited, "synthkit", 1.0, rejected=9)]
    records += [record(limited, "Curator", 9.0, rejected=8)]
    records += [record("edited", "Curator", 1.0, right=499, requests=0)]
    records += [record("killed", "Curator", 25.0, outcome="hangs (over 25 s)", wasted=0)]
    page = report(records)
    assert "2026-11-30, a CPU. aiohttp 1, synthkit 1, Curator 1, Data Designer not meas" in page
    assert "| cold, 64 in flight | synthkit |  | 0.55 |  | 0.55 |" in page
    assert "cold, 64 in flight, times the floor: 1.10, at most 1.2: met" in page
    assert "cold, 64 in flight, run, share of Curator's: 0.14, at most 0.25: met" in page
    assert "429s, beside Curator's: 9.00, at most 8: missed" in page
    assert "Curator, edited: 500 rows, 499 right (in 1 of 1)" in page
    assert "| Curator |  | 4.00 | 4.00 |  |  | 0, wrong rows |  | hangs | 8 |" in page


def test_an_exponent_is_that_of_a_power_with_an_interval_of_its_points() -> None:
    import numpy as np
    import statsmodels.api as sm

    from tests.benchmarks.growth import exponent, fits

    sizes = [100, 300, 1000, 3000, 10_000]
    assert exponent([(n, 3e-6 * n**1.5) for n in sizes]) == pytest.approx((1.5, 1.5, 1.5))
    bent = [(n, 1e-4 + 1e-6 * n) for n in sizes]
    x, y = np.log(np.array(bent)).T
    reference = sm.OLS(y, sm.add_constant(x)).fit()
    assert exponent(bent) == pytest.approx(
        (reference.params[1], *reference.conf_int()[1]), rel=1e-3
    )
    assert exponent([(100, 1.0), (1000, 10.0)]) == pytest.approx((math.nan,) * 3, nan_ok=True)
    (row,) = fits({"exact": [(n, n / 1e6, n / 1e3) for n in sizes]})
    assert row["exponent"] == row["of memory"] == "1.00 [1.00, 1.00]"
    assert row["rows"] == "100 to 10,000"


def test_a_growth_run_measures_only_what_its_file_lacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.benchmarks import growth

    asked = []
    monkeypatch.setattr(growth, "measure", lambda *each: asked.append(each) or (1.0, 2.0))
    file = tmp_path / "growth.jsonl"
    growth.run(1, [("exact", 100)], file)
    found = growth.run(2, [("exact", 100), ("exact", 300)], file)
    assert asked == [("exact", 100), ("exact", 300), ("exact", 100), ("exact", 300)]
    assert growth.medians(found) == {"exact": [(100, 1.0, 2.0), (300, 1.0, 2.0)]}
    assert growth.measurements(file) == found
