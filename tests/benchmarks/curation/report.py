"""Precision and recall as table cells with intervals, and the tables of the README."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synthkit.stats.intervals import wilson

README = Path(__file__).parents[1] / "README.md"
HEADING = "## Curation: what the methods find"


@dataclass(frozen=True, slots=True)
class Detection:
    """The rows that a method detected in one table, as counts.

    Parameters
    ----------
    rows : rows of the table.
    faults : rows with the fault.
    detected : rows that the method detected.
    both : rows with the fault that the method detected.
    """

    rows: int
    faults: int
    detected: int
    both: int

    @classmethod
    def of(cls, fault: Iterable[bool], detected: Iterable[bool]) -> Detection:
        pairs = [(bool(a), bool(b)) for a, b in zip(fault, detected, strict=True)]
        counts = (
            sum(a for a, _ in pairs),
            sum(b for _, b in pairs),
            sum(a and b for a, b in pairs),
        )
        return cls(len(pairs), *counts)


@dataclass(frozen=True, slots=True)
class Section:
    """One subsection of the README."""

    title: str
    lines: Sequence[str]
    note: str


def share(part: int, whole: int, seeds: int) -> str:
    """``.83 [.79, .86]``: the share over all seeds, with the Wilson interval of one seed's rows.

    Seeds share rows, so their rows are not counted as independent. The interval is that of one
    table, and too wide for the mean.
    """
    if not whole:
        return "none"
    low, high = wilson(part / seeds, whole / seeds)
    return f"{short(part / whole)} [{short(low)}, {short(high)}]"


def precision(detections: Sequence[Detection]) -> str:
    return share(
        sum(one.both for one in detections),
        sum(one.detected for one in detections),
        len(detections),
    )


def recall(detections: Sequence[Detection]) -> str:
    return share(
        sum(one.both for one in detections), sum(one.faults for one in detections), len(detections)
    )


def chance(detections: Sequence[Detection]) -> str:
    """The expected precision / recall of as many random rows."""
    rows = sum(one.rows for one in detections)
    return (
        f"{short(sum(one.faults for one in detections) / rows)} / "
        f"{short(sum(one.detected for one in detections) / rows)}"
    )


def short(value: float) -> str:
    return f"{value:.2f}".removeprefix("0") if value < 0.995 else "1.0"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return [f"| {' | '.join(line)} |" for line in lines] + [""]


def write(sections: Sequence[Section], header: str) -> None:
    """Write sections under the heading; other sections and headings are not changed."""
    page = README.read_text("utf-8") if README.exists() else "# Benchmarks\n"
    before, _, after = page.partition(f"{HEADING}\n")
    ours, other, rest = after.partition("\n## ")
    lead, *texts = re.split(r"^### ", ours, flags=re.MULTILINE)
    by_title = {text.partition("\n")[0]: text.partition("\n")[2].strip() for text in texts}
    for section in sections:
        text = "\n".join([f"{header}\n", *section.lines, section.note.strip()])
        by_title[section.title] = text
    lead = lead.strip() or LEAD.strip()
    body = "\n\n".join(f"### {title}\n\n{text}" for title, text in by_title.items())
    page = f"{before.rstrip()}\n\n{HEADING}\n\n{lead}\n\n{body}\n{other}{rest}"
    README.write_text(page, "utf-8")


LEAD = """
Faults are planted in real rows, and each method has to find them:
`python -m tests.benchmarks.curation --write` (run by hand; `--only noise` and so on for one part).
Precision is the share of the detected rows that have the planted fault, recall the share of the
faulty rows that are detected, over all seeds. In brackets: the 95 % Wilson interval for the rows of
one seed, because seeds share rows. Real rows have faults of their own, which count as errors here,
so the true precision is higher. "Random" is the expected precision / recall of as many random rows.
"""
