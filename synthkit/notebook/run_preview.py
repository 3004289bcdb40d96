"""Runs with a live preview, in the foreground or the background of a notebook."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import Interrupted, SynthkitError
from synthkit.core.extras import need
from synthkit.core.models import Activity, Ledger
from synthkit.core.types import Reject
from synthkit.data import tables
from synthkit.data.results import Run
from synthkit.generation.branches import Answer
from synthkit.generation.job import Job
from synthkit.generation.rows import RowEvent
from synthkit.notebook.output.provenance import ProvenancePart, of_event
from synthkit.recipes._base import Bounds

if TYPE_CHECKING:
    from synthkit.notebook.widgets.grid.preview import Preview


class Feed:
    """The :class:`~synthkit.generation.runner.RunListener` that sends rows to a preview."""

    preview: Preview

    def __init__(self, job: Job) -> None:
        self.job = job
        recipe = job.recipe
        self._fields = tables.records(recipe.source) if recipe.source is not None else []
        size = len(self._fields)
        self.one_row_each = recipe.source is not None and recipe.rows == Bounds(size, size)
        self._events: dict[int, RowEvent] = {}

    def id_of(self, place: int) -> str:
        """The id of the row at a place of the preview."""
        return self._events[place].id

    def provenance(self, place: int) -> list[ProvenancePart]:
        """The provenance of the row at a place of the preview."""
        return of_event(self.job, self._events[place])

    def row_made(self, event: RowEvent) -> None:
        """Show one row or reject."""
        place = event.position if self.one_row_each else len(self._events)
        self._events[place] = event
        cells = reject = None
        if isinstance(event.outcome, Reject):
            reject = (event.outcome.raw, event.outcome.reason)
        else:
            fields = self._fields[event.position] if self._fields else {}
            cells = {**fields, **event.outcome.cells}
        self.preview.add(place, cells, reject, event.tokens, event.cached)

    def branch_ended(self, position: int, result: Any, answers: Sequence[Answer]) -> None:
        """Do nothing: the rows of a branch are shown as it makes them."""

    def tick(self, ledger: Ledger, activity: Activity) -> None:
        """Update what the run is doing, the rate, the time left and the cost."""
        self.preview.tick(ledger, activity)


def open_preview(job: Job, stop: threading.Event | None) -> Feed:
    """The preview of a job, not displayed yet; ``stop`` adds a button that sets it."""
    module = need("synthkit.notebook.widgets.grid.preview", extra="notebook", why="to show rows")
    recipe = job.recipe
    names = tables.columns(recipe.source) if recipe.source is not None else []
    columns = [name for name in names if name not in ("id", "parent")]
    feed = Feed(job)
    feed.preview = module.Preview(
        job.name,
        recipe.rows.least if recipe.rows.most is None else recipe.rows.most,
        [*columns, *(name for name in recipe.columns if name not in columns)],
        job.model.name,
        None if stop is None else stop.set,
        id_of=feed.id_of,
        trail=feed.provenance,
        exact=feed.one_row_each,
    )
    return feed


def run_job(job: Job, feed: Feed | None, stop: threading.Event | None = None) -> Run:
    """Run a job and show its progress in the preview of ``feed``.

    Raises
    ------
    SynthkitError
        If the model refuses; ``error.run`` has the rows so far.
    """
    if feed is None:
        return _kept(job, stop, None)
    preview = feed.preview
    try:
        run = _kept(job, stop, feed)
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


def _kept(job: Job, stop: threading.Event | None, feed: Feed | None) -> Run:
    """The run of a job, also of one that was interrupted."""
    try:
        return job.run(cancel=stop, listener=feed)
    except Interrupted as interrupt:
        run: Run = interrupt.run
        return run


class Background:
    """A run in a thread of its own, while the notebook is free.

    ``stop()`` ends it with the rows so far, ``wait()`` returns its
    :class:`~synthkit.data.results.Run`, and ``done`` tells whether it has ended.

    Parameters
    ----------
    ended : called at the end, in that thread, with the run and the error; either may be ``None``.
    """

    def __init__(
        self,
        job: Job,
        feed: Feed,
        stop: threading.Event,
        ended: Callable[[Run | None, SynthkitError | None], None],
    ) -> None:
        self.name = job.name
        self._stop = stop
        self._run: Run | None = None
        self._error: SynthkitError | None = None

        def work() -> None:
            try:
                self._run = run_job(job, feed, stop)
            except SynthkitError as error:
                self._run, self._error = error.run, error
            ended(self._run, self._error)

        self._thread = threading.Thread(target=work, name=f"synthkit-{job.name}", daemon=True)

    def __repr__(self) -> str:
        return f"Background({self.name!r}, {'done' if self.done else 'running'})"

    @property
    def done(self) -> bool:
        """Whether the run has ended."""
        return not self._thread.is_alive()

    def start(self) -> None:
        """Start the thread; called once."""
        self._thread.start()

    def stop(self) -> None:
        """End the run with the rows so far."""
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
