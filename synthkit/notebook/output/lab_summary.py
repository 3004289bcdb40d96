"""What a lab leaves in the notebook: its ranking and first rows, kept up to date."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from synthkit.core.formatting import count, money
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.evaluate.raters.variant_ranking import Entry, reading
from synthkit.lab.cells import Cell
from synthkit.lab.lab import Laboratory
from synthkit.lab.results import entries

ROWS = 8
SIGNS = {"accept": "✓ ", "reject": "✗ "}
UPDATE_SECONDS = 1.0


def static(lab: Laboratory) -> StaticOutput:
    """The ranking, one sentence on it, and the first rows; no times, so that it does not change.

    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     lab = Laboratory(["Say {{ x }}."], vary={"x": ["yes"]}, models=[sk.Fake("Yes.")],
    ...                      session=session)
    ...     static(lab)
    variant  accept  checks  words  distinct-2  tokens  cost
    A        –       –       –      –           –       –
    <BLANKLINE>
      Nothing marked or checked yet.
    x    A
    yes  not asked
    <BLANKLINE>
      lab: 1 row, 1 column, 1 cell not asked yet
    """
    found = entries(lab)
    ranking = static_table(
        [_line(entry) for _, entry in found], note=reading([entry for _, entry in found])
    )
    columns = lab.columns
    rows = []
    for n, fields in enumerate(lab.rows[:ROWS]):
        shown = {name: cell for name, cell in fields.items() if name != "id"}
        for column in columns:
            name = f"variant {column.name}" if column.name in shown else column.name
            shown[name] = _said(lab.cell(n, column))
        rows.append(shown)
    more = f"first {ROWS} of " if len(lab.rows) > ROWS else ""
    parts = [more + count(len(lab.rows), "row"), count(len(columns), "column")]
    left = len(lab.missing())
    parts += [f"{count(left, 'cell')} not asked yet"] if left else []
    matrix = static_table(rows, note=f"{lab.name}: {', '.join(parts)}")
    return StaticOutput(f"{ranking.plain}\n{matrix.plain}", f"{ranking.html}\n{matrix.html}")


class Kept:
    """An output that is brought up to date soon after it is told to be, at most once a second.

    Parameters
    ----------
    place : the handle of the output, with ``update``.
    make : what it is to show, as of now.
    """

    def __init__(self, place: Any, make: Callable[[], Any]) -> None:
        self._place, self._make = place, make
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def __call__(self) -> None:
        """Bring it up to date within a second; the last state is always written."""
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(UPDATE_SECONDS, self._update)
                self._timer.daemon = True
                self._timer.start()

    def _update(self) -> None:
        with self._lock:
            self._timer = None
        self._place.update(self._make())


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "variant": entry.name,
        "accept": str(entry.accept),
        "checks": str(entry.checks),
        "words": _digits(entry.words, 1),
        "distinct-2": _digits(entry.distinct, 2),
        "tokens": _digits(entry.tokens, 0),
        "cost": "–" if entry.cost is None else money(entry.cost),
    }


def _digits(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _said(cell: Cell) -> str:
    if cell.state in ("done", "reject"):
        why = f"not read: {cell.why}: " if cell.state == "reject" else ""
        return SIGNS.get(cell.label, "") + why + cell.text
    return cell.why or "not asked"
