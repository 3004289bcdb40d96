"""The comparison of two runs or tables, as texts for the front end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from synthkit.core.formatting import count, money, rounded, thousands
from synthkit.evaluate.results import NO_DIFFERENCE
from synthkit.notebook.widgets.base import clipped
from synthkit.notebook.widgets.sessions.lists import short
from synthkit.sessions.run_comparison import Comparison, ComparisonSide
from synthkit.sessions.score_comparison import COLUMNS, tested
from synthkit.stats.multiple import CORRECTION

TEXT_LENGTH = 2_000
PROMPT_BYTES = 200_000
MOST_SCORES = 6


def comparison(both: Comparison) -> dict[str, Any]:
    """The facts of both sides, the fields that differ, and the prompts word by word."""
    a, b = sides = (both.a, both.b)
    facts: list[list[Any]] = [["", a.label, b.label]]
    facts.append(["table", *(short(side.name) or "–" for side in sides)])
    facts += [[name, *(read(side) for side in sides)] for name, read in _FACTS.items()]
    fields = [
        [name, *(clipped(value, TEXT_LENGTH) for value in values)] for name, *values in both.fields
    ]
    prompt, note = _prompt(both)
    lines = [_rows(both), *_scores(both)]
    if not fields:
        lines.append("No known difference in model, sampling or schema.")
    return {
        "type": "comparison",
        "facts": facts,
        "fields": fields,
        "lines": [*lines, note],
        "prompt": prompt,
    }


def _rows(both: Comparison) -> str:
    """How many rows are in both, and in one of them."""
    if both.a.ids is None or both.b.ids is None:
        return "The rows of one of them were not recorded, so they cannot be matched."
    only = (
        f"{thousands(len(ids))} only in {side.label}"
        for ids, side in ((both.only_a, both.a), (both.only_b, both.b))
    )
    return f"{count(len(both.common), 'row')} in common, {', '.join(only)}."


def _prompt(both: Comparison) -> tuple[list[list[str]], str]:
    """The pieces of the prompts, and a note about them."""
    pieces = [list(piece) for piece in both.prompt or ()]
    if both.prompt is None or len(json.dumps(pieces)) > PROMPT_BYTES:
        return [], "A prompt is unknown, or the prompts are too long to compare."
    if all(kind == "same" for kind, _ in pieces):
        return pieces, "The prompt is the same:"
    return pieces, f"The prompt, from {both.a.label} to {both.b.label}:"


def _scores(both: Comparison) -> list[str]:
    """The metrics with a significant difference, and how many have none."""
    if not both.scores:
        return []
    rows = [dict(zip(COLUMNS, score, strict=True)) for score in both.scores]
    significant = [row for row in rows if not row["verdict"].startswith(("not", "no "))]
    same = sum(row["verdict"].startswith(NO_DIFFERENCE) for row in rows)
    rest = len(rows) - len(significant) - same
    lines = [
        f"{row['metric']}: {rounded(row['a'])} against {rounded(row['b'])}, {row['verdict']}."
        for row in significant[:MOST_SCORES]
    ]
    more = len(significant) - len(lines)
    lines += [f"{count(more, 'further metric')} with a difference."] if more > 0 else []
    among = f"{count(tested(rows), 'comparison')} together, {CORRECTION}"
    lines.append(f"No significant difference in {same} of {count(len(rows), 'metric')} ({among}).")
    return [*lines, f"{rest} not compared."] if rest else lines


def _accepted(side: ComparisonSide) -> str:
    if side.rate is None:
        return "no marks"
    low, high = side.interval
    return f"{side.rate:.2f} [{low:.2f}, {high:.2f}] of {thousands(side.judged)}"


def _of_run(read: Callable[[Mapping[str, Any]], str]) -> Callable[[ComparisonSide], str]:
    return lambda side: read(side.run) if side.run else "–"


_FACTS: Mapping[str, Callable[[ComparisonSide], str]] = {
    "model": _of_run(lambda run: short(run["model"])),
    "rows": lambda side: "unknown" if side.ids is None else thousands(len(side.ids)),
    "rejects": _of_run(lambda run: thousands(run["rejects"])),
    "requests": _of_run(lambda run: thousands(run["requests"])),
    "cached": _of_run(lambda run: thousands(run["hits"])),
    "tokens": _of_run(lambda run: thousands(run["prompt_tokens"] + run["completion_tokens"])),
    "seconds": _of_run(lambda run: f"{run['seconds']:.1f} s"),
    "cost": _of_run(lambda run: "unknown" if run["cost"] is None else money(run["cost"])),
    "accepted": _accepted,
}
