"""Counts of what a method found, as cells with intervals, and the tables of the README."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthkit.stats.intervals import wilson

README = Path(__file__).parents[1] / "README.md"
HEADING = "## Curation: what the methods find"


@dataclass(frozen=True, slots=True)
class Found:
    """What one method found in one table.

    Parameters
    ----------
    rows : of the table.
    faults : rows with the fault.
    taken : rows that the method took to have it.
    both : rows with the fault that the method took.
    """

    rows: int
    faults: int
    taken: int
    both: int

    @classmethod
    def of(cls, fault: Iterable[bool], taken: Iterable[bool]) -> Found:
        pairs = [(bool(a), bool(b)) for a, b in zip(fault, taken, strict=True)]
        counts = (
            sum(a for a, _ in pairs),
            sum(b for _, b in pairs),
            sum(a and b for a, b in pairs),
        )
        return cls(len(pairs), *counts)


@dataclass(frozen=True, slots=True)
class Part:
    """One subsection of the README."""

    title: str
    lines: Sequence[str]
    note: str


def share(part: int, whole: int, seeds: int) -> str:
    """``.83 [.79, .86]``: the share over all seeds, with Wilson's interval of one seed's rows.

    Seeds share rows, so that they are not counted as new ones: the interval says how far off one
    table's figure may be, and is too wide for the mean rather than too narrow.
    """
    if not whole:
        return "none"
    low, high = wilson(part / seeds, whole / seeds)
    return f"{short(part / whole)} [{short(low)}, {short(high)}]"


def precision(found: Sequence[Found]) -> str:
    return share(sum(one.both for one in found), sum(one.taken for one in found), len(found))


def recall(found: Sequence[Found]) -> str:
    return share(sum(one.both for one in found), sum(one.faults for one in found), len(found))


def chance(found: Sequence[Found]) -> str:
    """Precision / recall to be expected of as many rows taken at random."""
    rows = sum(one.rows for one in found)
    return (
        f"{short(sum(one.faults for one in found) / rows)} / "
        f"{short(sum(one.taken for one in found) / rows)}"
    )


def short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1.0"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def write(parts: Sequence[Part], made: str) -> None:
    """Put parts under the heading; other parts and other headings stay as they are."""
    page = README.read_text("utf-8") if README.exists() else "# Benchmarks\n"
    before, _, after = page.partition(f"{HEADING}\n")
    ours, other, rest = after.partition("\n## ")
    lead, *held = re.split(r"^### ", ours, flags=re.MULTILINE)
    known = {text.partition("\n")[0]: text.partition("\n")[2].strip() for text in held}
    for part in parts:
        known[part.title] = "\n".join([f"{made}\n", *part.lines, part.note.strip()])
    lead = lead.strip() or LEAD.strip()
    body = "\n\n".join(f"### {title}\n\n{text}" for title, text in known.items())
    page = f"{before.rstrip()}\n\n{HEADING}\n\n{lead}\n\n{body}\n{other}{rest}"
    README.write_text(page, "utf-8")


LEAD = """
Faults are planted in real rows, and each method has to find them:
`python -m tests.benchmarks.curation --write` (by hand; `--only noise` and so on for a part).
Precision is the share of the flagged rows that have the planted fault. Recall is the share of the
rows with the fault that are flagged. Both are pooled over the seeds. Brackets give the 95 % Wilson
interval for the rows of one seed, because seeds share rows. Real rows have faults of their own,
which count against a method here, so the true precision is higher. "Random" is the expected
precision / recall if as many rows are flagged at random.
"""
