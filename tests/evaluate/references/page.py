"""The table of references in ``METRICS.md``, written and read."""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

from tests.evaluate.inputs import Kind
from tests.evaluate.references import Reference

PAGE = Path(__file__).parents[3] / "synthkit" / "evaluate" / "METRICS.md"
KINDS: tuple[Kind, ...] = ("random", "degenerate")
START, END = "<!-- references -->\n", "<!-- end of references -->\n"
HEAD = """| metric | function | definition | unit | better | compared with | random | degenerate |
|---|---|---|---|---|---|---|---|
"""


def bound(apart: float) -> float:
    """A round number above a difference, at least 1e-15, since machines round differently."""
    if apart < 1e-6:
        return max(1e-15, 10.0 ** math.ceil(math.log10(4 * apart or 1e-16)))
    power = 10.0 ** math.floor(math.log10(apart))
    return next(step * power for step in (2, 5, 10, 20) if step * power >= 1.2 * apart)


def table(references: Iterable[Reference]) -> str:
    """A line for each reference; the last two cells are a bound and the number of values."""
    lines = []
    for one in references:
        score = one.score
        unit, better = (score.unit, score.better) if score else ("", "")
        held = [one.apart(kind) for kind in KINDS]
        cells = [f"{bound(apart):.0e} of {count}" for apart, count in held]
        row = (one.metric, f"`{one.function}`", one.definition, unit, better, one.against, *cells)
        lines.append(f"| {' | '.join(row)} |\n")
    return HEAD + "".join(lines)


def replaced(page: str, made: str) -> str:
    """The page with a new table."""
    before, rest = page.split(START)
    return before + START + made + END + rest.split(END)[1]


def bounds(page: str) -> dict[str, dict[Kind, tuple[float, int]]]:
    """Metric -> kind of input -> the bound and the number of values on the page."""
    lines = page.split(START)[1].split(END)[0].removeprefix(HEAD).splitlines()
    found: dict[str, dict[Kind, tuple[float, int]]] = {}
    for line in lines:
        metric, *_, random, degenerate = line.strip("| ").split(" | ")
        said = [cell.split(" of ") for cell in (random, degenerate)]
        found[metric] = {
            kind: (float(most), int(count)) for kind, (most, count) in zip(KINDS, said, strict=True)
        }
    return found
