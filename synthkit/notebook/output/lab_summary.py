"""The static output of a lab: its ranking and first rows."""

from __future__ import annotations

from typing import Any

from synthkit.core.formatting import count, money
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.evaluate.raters.variant_ranking import VariantResult, summary_line
from synthkit.lab.cells import LabCell
from synthkit.lab.lab import PromptLab

ROWS = 8
"""Rows of the matrix that are shown."""
SIGNS = {"accept": "✓ ", "reject": "✗ "}
REPEATABLE = ("accept", "checks", "words", "distinct-2", "tokens", "cost")
"""The measures that do not change from run to run."""


def static(lab: PromptLab) -> StaticOutput:
    """The ranking, one sentence about it, and the first rows; without times, to be repeatable.

    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     lab = PromptLab(["Say {{ x }}."], vary={"x": ["yes"]}, models=[sk.Fake("Yes.")],
    ...                     session=session)
    ...     static(lab)
    variant  accept  checks  words  distinct-2  tokens  cost
    A        –       –       –      –           –       –
    <BLANKLINE>
      Nothing marked or checked yet.
    x    A
    yes  not run
    <BLANKLINE>
      lab: 1 row, 1 column, 1 cell not run yet
    """
    entries = [entry for _, entry in lab.ranked]
    ranking = static_table([_line(entry) for entry in entries], note=summary_line(entries))
    columns = lab.columns
    rows = []
    for n, fields in enumerate(lab.rows[:ROWS]):
        shown = {name: cell for name, cell in fields.items() if name != "id"}
        for column in columns:
            name = f"variant {column.name}" if column.name in shown else column.name
            shown[name] = _cell_text(lab.cell(n, column))
        rows.append(shown)
    more = f"first {ROWS} of " if len(lab.rows) > ROWS else ""
    parts = [more + count(len(lab.rows), "row"), count(len(columns), "column")]
    missing = len(lab.missing())
    parts += [f"{count(missing, 'cell')} not run yet"] if missing else []
    note = f"{lab.name}: {', '.join(parts)}"
    matrix = static_table(rows, note=note, notes=lab.config.notes)
    return StaticOutput(f"{ranking.plain}\n{matrix.plain}", f"{ranking.html}\n{matrix.html}")


def measures(entry: VariantResult) -> dict[str, tuple[str, float | None]]:
    """The measures of a column: the text to show, and the number to sort by."""
    return {
        "accept": (str(entry.accept), entry.accept.value),
        "marked": (f"{entry.accept.n}/{entry.cells}", entry.accept.n),
        "checks": (str(entry.checks), entry.checks.value),
        "words": (_number(entry.words, 1), entry.words),
        "distinct-2": (_number(entry.distinct, 2), entry.distinct),
        "seconds": (_number(entry.seconds, 1), entry.seconds),
        "tokens": (_number(entry.tokens, 0), entry.tokens),
        "cost": ("–" if entry.cost is None else money(entry.cost), entry.cost),
    }


def _line(entry: VariantResult) -> dict[str, Any]:
    texts = {name: text for name, (text, _) in measures(entry).items()}
    return {"variant": entry.name} | {name: texts[name] for name in REPEATABLE}


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _cell_text(cell: LabCell) -> str:
    if cell.state in ("done", "reject"):
        why = "not parsed: " if cell.state == "reject" else ""
        why += f"{cell.why}: " if cell.why else ""
        return SIGNS.get(cell.label, "") + why + cell.text
    return cell.why or "not run"
