"""The widget of ``%synth lab``: a prompt lab to run, compare, edit and mark.

The front end has one page of rows at a time, with long texts cut. A whole cell is sent when it is
opened.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import traitlets

from synthkit.core.errors import UsageError
from synthkit.core.static_output import StaticOutput
from synthkit.lab.cells import LabColumn
from synthkit.lab.lab import SHOWS, PromptLab
from synthkit.notebook.output.lab_summary import static
from synthkit.notebook.widgets.base import Widget, fitting
from synthkit.notebook.widgets.lab import state
from synthkit.notebook.widgets.lab.state import PAGE, LabView

PERIOD = 0.15
"""Least seconds between two messages while a lab runs."""
FIRST_BYTES = 10_000


class Lab(Widget):
    """A widget with a prompt lab: variants x inputs x models, diffs, checks and marks.

    Parameters
    ----------
    prompts, options : those of :class:`~synthkit.lab.lab.PromptLab`.
    lab : a prompt lab to show, in place of them.

    Attributes
    ----------
    changed : called after each change, from any thread.

    Examples
    --------
    >>> import tempfile, synthkit as sk
    >>> with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
    ...     lab = Lab(["Say {{ x }}."], inputs=[{"x": "yes"}], models=[sk.Fake("Yes.")],
    ...               session=session)
    ...     lab.run()
    ...     lab.results["text"].tolist()
    ['Yes.']
    """

    _esm = Path(__file__).with_name("widget.js")
    _css = Path(__file__).with_name("widget.css")

    state = traitlets.Dict().tag(sync=True)
    first = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        prompts: Sequence[str] | Mapping[str, str] | str = (),
        *,
        lab: PromptLab | None = None,
        **options: Any,
    ) -> None:
        self.lab = lab or PromptLab(prompts, **options)
        self.changed: Callable[[], None] = lambda: None
        self._view = LabView()
        self._stop = threading.Event()
        self._lock = threading.RLock()
        self._began = self._pushed = self._took = 0.0
        self._estimate: list[str] = []
        super().__init__(about={"name": self.lab.name}, **self._states(self._page()))

    def __repr__(self) -> str:
        return f"Lab({self.lab.name!r})"

    def run(self) -> None:
        """Run every cell without a completion; returns when that is done or stopped."""
        self._stop.clear()
        self._began = time.monotonic()
        try:
            self.lab.run(stop=self._stop, changed=self._push_now_and_then)
        finally:
            self._push()

    def start(self) -> None:
        """Run in the background."""
        if self.lab.running:
            raise UsageError("this lab is running already; stop it first, or wait.")

        def work() -> None:
            try:
                self.run()
            except Exception as error:
                self.fail(error)

        threading.Thread(target=work, name=f"synthkit-{self.lab.name}", daemon=True).start()

    def stop(self) -> None:
        """Stop the run, and keep what is done."""
        self._stop.set()
        self._push()

    def close(self) -> None:
        """Close the view, and stop the run."""
        self._stop.set()
        super().close()

    @property
    def results(self) -> Any:
        """A DataFrame with one row for each cell."""
        return self.lab.results

    def ranking(self) -> Any:
        """A DataFrame with one row for each variant and model, the best first."""
        return self.lab.ranking()

    @property
    def winner(self) -> LabColumn | None:
        """The variant and model that rank first; ``None`` without marks and verdicts."""
        return self.lab.winner

    @property
    def static(self) -> StaticOutput:
        """The static output: the ranking, and the first rows of the matrix."""
        return static(self.lab)

    def _push_now_and_then(self) -> None:
        """Send the state while a lab runs, for at most a tenth of the time."""
        with self._lock:
            if time.monotonic() - self._pushed >= max(PERIOD, 10 * self._took):
                self._push()

    def _push(self) -> None:
        with self._lock:
            start = time.monotonic()
            rows = self._page()
            for name, value in self._states(rows).items():
                setattr(self, name, value)
            self.send({"type": "page", **rows})
            self._pushed = time.monotonic()
            self._took = self._pushed - start
        self.changed()

    def _page(self) -> dict[str, Any]:
        rows = state.page(self.lab, self._view)
        self._view = replace(self._view, start=rows["start"])
        return rows

    def _states(self, rows: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
        """The states of the traits, with the first rows of a page."""
        if not self.lab.running:
            self._estimate = state.estimate_parts(self.lab.estimate())
        shown = state.lab_state(self.lab, self._view.blind)
        shown["stopping"] = self.lab.running and self._stop.is_set()
        shown["estimate"] = self._estimate
        # whole seconds, so that the state is sent no more often than it changes
        shown["seconds"] = int(time.monotonic() - self._began)
        return {"first": {**rows, "rows": fitting(rows["rows"], FIRST_BYTES)}, "state": shown}

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        kind, view = content.get("type"), content.get("view")
        if kind == "page":
            self._turn(content)
        elif kind == "variant":
            return {"type": "variant", "view": view, "variant": self._whole(str(content["key"]))}
        elif kind in ("edit", "add"):
            return {"view": view, **self._edit(content)}
        elif kind in ("cell", "mark", "comment", "use"):
            reply = self._act_on_cell(content)
            return None if reply is None else {"view": view, **reply}
        else:
            return self._act(content)
        return None

    def _turn(self, content: Mapping[str, Any]) -> None:
        show = content.get("show", self._view.show)
        # the front end may turn again before it knows where the page is that it asked for
        turned = self._view.start + PAGE * int(content.get("by", 0))
        start = max(0, int(content.get("start", turned))) // PAGE * PAGE
        self._view = replace(self._view, show=show if show in SHOWS else "all", start=start)
        self.lab.annotator.refresh()
        self._push()

    def _act_on_cell(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        lab, blind = self.lab, self._view.blind
        row, slot = int(content.get("row", 0)), int(content["slot"])
        columns = state.slots(lab, row, blind)
        if not (0 <= row < len(lab.rows) and 0 <= slot < len(columns)):
            raise UsageError("this cell no longer exists; the matrix has changed.")
        column = columns[slot]
        match content:
            case {"type": "cell"}:
                cell = state.whole_cell(lab, row, column, blind)
                return {"type": "cell", "row": row, "slot": slot, "cell": cell}
            case {"type": "mark", "label": str(label)}:
                lab.mark(row, column, label)
            case {"type": "comment", "text": str(text)}:
                lab.comment(row, column, text.strip())
            case {"type": "use"}:
                if blind:
                    raise UsageError("the lab is blind: show the names first, then use a variant.")
                return {"type": "offer", "text": lab.source(column)}
        self._push()
        return None

    def _edit(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """Apply an edit, or refuse it with the reason; nothing is changed then."""
        lab, key = self.lab, str(content.get("key", ""))
        prompt = content.get("prompt")
        if prompt is None:
            variant = lab.add(key)
            self._push()
            return {"type": "applied", "key": variant.key, "edit": True}
        try:
            sampling = replace(
                lab.variant(key).sampling,
                temperature=_number("temperature", content.get("temperature", ""), float),
                max_tokens=_number("max tokens", content.get("max_tokens", ""), int),
            )
            name = " ".join(str(content.get("name", "")).split())
            if content["type"] == "add":
                variant = lab.add(key, prompt=str(prompt), name=name, sampling=sampling)
            else:
                variant = lab.edit(key, str(prompt), sampling=sampling, name=name)
        except UsageError as error:
            return {"type": "refused", "message": str(error)}
        self._push()
        return {"type": "applied", "key": variant.key}

    def _whole(self, key: str) -> dict[str, Any]:
        """A variant for its editor, with all its versions."""
        variant = self.lab.variant(key)
        versions = [
            [version.prompt, version.sampling.temperature, version.sampling.max_tokens]
            for version in variant.versions
        ]
        return {"key": key, "name": variant.name, "at": variant.at, "versions": versions}

    def _act(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        lab = self.lab
        match content:
            case {"type": "run"}:
                self.start()
                return None
            case {"type": "stop"}:
                self.stop()
                return None
            case {"type": "undo"}:
                lab.annotator.refresh()
                lab.undo()
            case {"type": "delete", "key": str(key)}:
                lab.delete(key)
            case {"type": "restore", "key": str(key)}:
                lab.restore(key)
            case {"type": "baseline", "key": str(key)}:
                lab.set_baseline(key)
            case {"type": "blind", "on": bool(on)}:
                # differences from the baseline would show which variant made an output
                hidden = on and self._view.show == "different"
                show = "all" if hidden else self._view.show
                self._view = replace(self._view, blind=on, show=show)
            case _:
                return super()._reply(content)
        self._push()
        return None


def _number(what: str, text: Any, kind: type[int] | type[float]) -> Any:
    """The number in a field of the editor; ``None`` if the field is empty."""
    if str(text).strip() == "":
        return None
    try:
        return kind(str(text))
    except ValueError:
        raise UsageError(f"{what} must be a number; got {text!r}.") from None
