"""How far a run is, and what its models do, on one line for a person who waits for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from synthkit.core.environment import bar_stream, watched
from synthkit.core.models import Activity, Ledger
from synthkit.generation.branches import Answer
from synthkit.generation.rows import RowEvent

DELAY_SECONDS = 1.0
"""A run that takes less time shows nothing."""
PERIOD_SECONDS = 0.2


class ProgressLine:
    """The :class:`~synthkit.generation.runner.RunListener` of a tqdm bar."""

    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def row_made(self, event: RowEvent) -> None:
        """Count a row or a reject."""
        self._bar.update()

    def branch_ended(self, position: int, result: Any, answers: Sequence[Answer]) -> None:
        """Do nothing: rows are counted."""

    def tick(self, ledger: Ledger, activity: Activity) -> None:
        """Show what the models do."""
        under_way = f"{activity.rows} under way" if activity.rows else "generating"
        nodes = "; ".join(activity.nodes)
        self._bar.set_postfix_str(activity.text or nodes or under_way, refresh=False)
        self._bar.update(0)


@contextmanager
def progress_line(rows: int | None) -> Iterator[ProgressLine | None]:
    """A listener that shows a run on one line, which goes at its end; ``None`` if nobody sees it.

    Parameters
    ----------
    rows : how many rows are expected; ``None`` if that is not known.
    """
    if not watched():
        yield None
        return
    from tqdm import tqdm

    of = "" if rows is None else "/{total_fmt}"
    with tqdm(
        total=rows,
        bar_format="{n_fmt}" + of + " rows{postfix}   {elapsed}",
        postfix="starting",
        delay=DELAY_SECONDS,
        mininterval=PERIOD_SECONDS,
        miniters=0,
        leave=False,
        file=bar_stream(),
    ) as bar:
        yield ProgressLine(bar)
