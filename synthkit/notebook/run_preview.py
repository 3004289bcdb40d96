"""Runs while someone looks on: the preview is fed, and a run may go on behind the notebook."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import SynthkitError
from synthkit.core.extras import need
from synthkit.core.types import Ledger, Reject
from synthkit.data import tables
from synthkit.data.results import Run
from synthkit.generation.branches import Answer
from synthkit.generation.job import Job
from synthkit.generation.runner import RowEvent
from synthkit.notebook.output.provenance import Part, of_made
from synthkit.recipes._base import Bounds

if TYPE_CHECKING:
    from synthkit.notebook.widgets.grid.preview import Preview


class Interrupted(KeyboardInterrupt):
    """The kernel's interrupt, after what was done was bound: cells that wait do not run."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Feed:
    """A :class:`~synthkit.generation.runner.RunListener` that hands each row of a recipe to its preview."""

    preview: Preview

    def __init__(self, making: Job) -> None:
        self.making = making
        recipe = making.recipe
        self._fields = tables.records(recipe.source) if recipe.source is not None else []
        size = len(self._fields)
        self.one_each = recipe.source is not None and recipe.rows == Bounds(size, size)
        self._seen: dict[int, RowEvent] = {}

    def id_of(self, place: int) -> str:
        """The id of the row at a place of the preview."""
        return self._seen[place].id

    def trail(self, place: int) -> list[Part]:
        """Where the row at a place comes from."""
        return of_made(self.making, self._seen[place])

    def row_made(self, made: RowEvent) -> None:
        """Show one row or reject."""
        place = made.position if self.one_each else len(self._seen)
        self._seen[place] = made
        if isinstance(made.outcome, Reject):
            said = (made.outcome.raw, made.outcome.reason)
            self.preview.add(place, None, said, made.tokens, made.cached)
        else:
            fields = self._fields[made.position] if self._fields else {}
            self.preview.add(
                place, {**fields, **made.outcome.cells}, None, made.tokens, made.cached
            )

    def branch_ended(self, position: int, result: Any, answers: Sequence[Answer]) -> None:
        """A recipe's rows were shown as it made them."""

    def tick(self, ledger: Ledger) -> None:
        """Let the rate, the time left and the cost move."""
        self.preview.tick(ledger.cost)


def open_preview(making: Job, stop: threading.Event | None) -> Feed:
    """The live preview of a recipe, not shown yet. ``stop`` gives it a button that works."""
    module = need(
        "synthkit.notebook.widgets.grid.preview",
        extra="notebook",
        why="to show rows as they arrive",
    )
    recipe = making.recipe
    names = tables.columns(recipe.source) if recipe.source is not None else []
    columns = [name for name in names if name not in ("id", "parent")]
    feed = Feed(making)
    feed.preview = module.Preview(
        making.name,
        recipe.rows.least if recipe.rows.most is None else recipe.rows.most,
        [*columns, *(name for name in recipe.columns if name not in columns)],
        making.model.name,
        None if stop is None else stop.set,
        id_of=feed.id_of,
        trail=feed.trail,
        exact=feed.one_each,
    )
    return feed


def carry_out(making: Job, feed: Feed | None, stop: threading.Event | None = None) -> Run:
    """The run of a recipe, shown in a preview while it goes on.

    Raises
    ------
    SynthkitError
        If the model refuses; ``error.run`` has what was done.
    """
    if feed is None:
        return making.run(cancel=stop)
    preview = feed.preview
    try:
        run = making.run(cancel=stop, listener=feed)
    except SynthkitError as error:
        preview.finish("failed", str(error), ledger=error.run.ledger if error.run else None)
        raise
    except BaseException as error:
        preview.finish("failed", f"{type(error).__name__}: {error}")
        raise
    stopped = run.ledger.stopped
    if stopped == "interrupted":
        preview.finish("interrupted", ledger=run.ledger)
    else:
        preview.finish("stopped" if stopped else "done", stopped, ledger=run.ledger)
    return run


class Background:
    """A run that goes on while the notebook is free.

    ``stop()`` ends it with what is done, ``wait()`` gives its :class:`~synthkit.data.results.Run`, and
    ``done`` says whether it has ended.
    """

    def __init__(
        self,
        making: Job,
        feed: Feed,
        stop: threading.Event,
        ended: Callable[[Run | None, SynthkitError | None], None],
    ) -> None:
        self.name = making.name
        self._stop = stop
        self._run: Run | None = None
        self._error: SynthkitError | None = None

        def work() -> None:
            try:
                self._run = carry_out(making, feed, stop)
            except SynthkitError as error:
                self._run, self._error = error.run, error
            ended(self._run, self._error)

        self._thread = threading.Thread(target=work, name=f"synthkit-{making.name}", daemon=True)

    def __repr__(self) -> str:
        return f"Background({self.name!r}, {'done' if self.done else 'running'})"

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Begin; called once."""
        self._thread.start()

    def stop(self) -> None:
        """End the run with what is done."""
        self._stop.set()

    def wait(self, seconds: float | None = None) -> Run:
        """The run, once it has ended.

        Raises
        ------
        TimeoutError
            If it has not ended after ``seconds``.
        ModelError
            If the model refused.
        """
        self._thread.join(seconds)
        if not self.done:
            raise TimeoutError(f"{self.name} is still running after {seconds} s.")
        if self._error is not None:
            raise self._error
        assert self._run is not None
        return self._run
