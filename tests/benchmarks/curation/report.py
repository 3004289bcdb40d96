"""Counts of flagged rows, shares with intervals as cells, and the sections of the README."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthkit.stats.intervals import wilson

README = Path(__file__).parents[1] / "README.md"
HEADING = "## Curation: what the methods find"


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts of rows in one table, for one method.

    Parameters
    ----------
    rows : all rows of the table.
    faults : rows with the planted fault.
    flagged : rows that the method flags.
    hits : rows with the fault that the method flags.
    """

    rows: int
    faults: int
    flagged: int
    hits: int

    @classmethod
    def of(cls, fault: Iterable[bool], flagged: Iterable[bool]) -> Counts:
        pairs = [(bool(a), bool(b)) for a, b in zip(fault, flagged, strict=True)]
        counts = (
            sum(a for a, _ in pairs),
            sum(b for _, b in pairs),
            sum(a and b for a, b in pairs),
        )
        return cls(len(pairs), *counts)


@dataclass(frozen=True, slots=True)
class Section:
    """One subsection of the README: its title, its tables and a note."""

    title: str
    lines: Sequence[str]
    note: str


def share(part: int, whole: int, seeds: int) -> str:
    """``.83 [.79, .86]``: the share over all seeds, with the Wilson interval of one seed's rows.

    Seeds share rows, so their rows are not counted as independent. The interval is that of one
    table; for the mean over seeds it is too wide rather than too narrow.
    """
    if not whole:
        return "none"
    low, high = wilson(part / seeds, whole / seeds)
    return f"{short(part / whole)} [{short(low)}, {short(high)}]"


def precision(found: Sequence[Counts]) -> str:
    return share(
        sum(counts.hits for counts in found), sum(counts.flagged for counts in found), len(found)
    )


def recall(found: Sequence[Counts]) -> str:
    return share(
        sum(counts.hits for counts in found), sum(counts.faults for counts in found), len(found)
    )


def chance(found: Sequence[Counts]) -> str:
    """Expected precision / recall if as many rows are flagged at random."""
    rows = sum(counts.rows for counts in found)
    return (
        f"{short(sum(counts.faults for counts in found) / rows)} / "
        f"{short(sum(counts.flagged for counts in found) / rows)}"
    )


def short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1.0"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def write(sections: Sequence[Section], conditions: str) -> None:
    """Put sections under the heading; other sections and headings stay as they are."""
    page = README.read_text("utf-8") if README.exists() else "# Benchmarks\n"
    before, _, after = page.partition(f"{HEADING}\n")
    ours, other, rest = after.partition("\n## ")
    lead, *old = re.split(r"^### ", ours, flags=re.MULTILINE)
    known = {text.partition("\n")[0]: text.partition("\n")[2].strip() for text in old}
    for section in sections:
        known[section.title] = "\n".join([f"{conditions}\n", *section.lines, section.note.strip()])
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
