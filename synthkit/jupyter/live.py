"""Runs while someone looks on: the preview is fed, and a run may go on behind the notebook."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from synthkit.driver import Answer
from synthkit.errors import SynthkitError
from synthkit.extras import need
from synthkit.store import ID_DIGITS
from synthkit.synthesis import Plan
from synthkit.types import Ledger, Reject, Run

if TYPE_CHECKING:
    from synthkit.jupyter.preview import Preview


class Interrupted(KeyboardInterrupt):
    """The kernel's interrupt, after what was done was bound: cells that wait do not run."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Feed:
    """A :class:`~synthkit.driver.Watch` that hands each outcome of a plan to its preview."""

    def __init__(self, plan: Plan, preview: Preview) -> None:
        self.plan, self.preview = plan, preview

    def done(self, position: int, outcome: Any, answers: Sequence[Answer]) -> None:
        """Show one row or reject."""
        tokens = sum(answer.completion.completion_tokens for answer in answers)
        hit = all(answer.hit for answer in answers)
        if isinstance(outcome, Reject):
            self.preview.add(position, None, (outcome.raw, outcome.reason), tokens, hit)
        else:
            row = {**self.plan.requests[position].attrs, **outcome}
            self.preview.add(position, row, None, tokens, hit)

    def tick(self, ledger: Ledger) -> None:
        """Let the rate, the time left and the cost move."""
        self.preview.tick(ledger.cost)


def open_preview(plan: Plan, stop: threading.Event | None) -> Preview:
    """The live preview of a plan, not shown yet. ``stop`` gives it a button that works."""
    from synthkit import table
    from synthkit.jupyter.provenance import of_request

    module = need("synthkit.jupyter.preview", extra="notebook", why="to show rows as they arrive")
    shown = [name for name in table.columns(plan.source) if name not in ("id", "parent")]
    columns = [*shown, *plan.decoder.columns]
    press = None if stop is None else stop.set
    preview: Preview = module.Preview(
        plan.name,
        len(plan.requests),
        columns,
        plan.model.name,
        press,
        id_of=lambda position: plan.keys[position][:ID_DIGITS],
        trail=lambda position: of_request(plan, position),
    )
    return preview


def carry_out(plan: Plan, preview: Preview | None, stop: threading.Event | None = None) -> Run:
    """The plan's run, shown in ``preview`` while it goes on.

    Raises
    ------
    SynthkitError
        If the model refuses; ``error.run`` has what was done.
    """
    if preview is None:
        return plan.run(stop=stop)
    try:
        run = plan.run(stop=stop, watch=Feed(plan, preview))
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

    ``stop()`` ends it with what is done, ``wait()`` gives its :class:`~synthkit.types.Run`, and
    ``done`` says whether it has ended.
    """

    def __init__(
        self,
        plan: Plan,
        preview: Preview | None,
        stop: threading.Event,
        ended: Callable[[Run | None, SynthkitError | None], None],
    ) -> None:
        self.name = plan.name
        self._stop = stop
        self._run: Run | None = None
        self._error: SynthkitError | None = None

        def work() -> None:
            try:
                self._run = carry_out(plan, preview, stop)
            except SynthkitError as error:
                self._run, self._error = error.run, error
            ended(self._run, self._error)

        self._thread = threading.Thread(target=work, name=f"synthkit-{plan.name}", daemon=True)

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
