"""The prompt lab in the notebook: the kernel's half of what ``%synth lab`` shows.

The browser has one page of rows at a time; whatever it shows of them is cut to what a cell of the
matrix holds, and the whole of one cell is sent when it is opened.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import traitlets

from synthkit.core.errors import UsageError
from synthkit.core.static_output import StaticOutput
from synthkit.lab.cells import Column
from synthkit.lab.lab import SHOWS, Laboratory, Show
from synthkit.notebook.output.lab_summary import static
from synthkit.notebook.widgets.base import Widget
from synthkit.notebook.widgets.lab import state as matrix

PERIOD = 0.15
"""Seconds between two messages while a lab runs, at least."""
FIRST_BYTES = 10_000


class Lab(Widget):
    """A prompt lab to see and to work in: variants x inputs x models, diffs, checks and marks.

    Takes what :class:`synthkit.lab.lab.Laboratory` takes; ``laboratory`` is that one.

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
        laboratory: Laboratory | None = None,
        **options: Any,
    ) -> None:
        self.laboratory = laboratory or Laboratory(prompts, **options)
        self.changed: Callable[[], None] = lambda: None
        """Called after each change, from any thread."""
        self._show: Show = "all"
        self._start = 0
        self._blind = False
        self._stop = threading.Event()
        self._lock = threading.RLock()
        self._pushed = self._took = 0.0
        self._estimate: list[str] = []
        super().__init__(about={"name": self.laboratory.name})
        self._push()

    def __repr__(self) -> str:
        return f"Lab({self.laboratory.name!r})"

    def run(self) -> None:
        """Ask for every cell that has no answer; returns when that is done or stopped."""
        self._stop.clear()
        try:
            self.laboratory.run(stop=self._stop, changed=self._now_and_then)
        finally:
            self._push()

    def start(self) -> None:
        """Run behind the notebook."""
        if self.laboratory.running:
            raise UsageError("this lab is running already; stop it first, or wait.")

        def work() -> None:
            try:
                self.run()
            except Exception as error:
                self.fail(error)

        threading.Thread(target=work, name=f"synthkit-{self.laboratory.name}", daemon=True).start()

    def stop(self) -> None:
        """End the run with what is done."""
        self._stop.set()
        self._push()

    def close(self) -> None:
        """Let the view go, and end the run with what is done."""
        self._stop.set()
        super().close()

    @property
    def results(self) -> Any:
        """A DataFrame with one row for each cell."""
        return self.laboratory.results

    def ranking(self) -> Any:
        """A DataFrame with one row for each variant and model, the best first."""
        return self.laboratory.ranking()

    @property
    def winner(self) -> Column | None:
        """The variant and model that rank first; ``None`` while nothing is marked or checked."""
        return self.laboratory.winner

    @property
    def static(self) -> StaticOutput:
        """What stays in the notebook: the ranking, and the first rows of the matrix."""
        return static(self.laboratory)

    # what is sent

    def _now_and_then(self) -> None:
        """Push while a lab runs, but never for more than a tenth of the time."""
        with self._lock:
            if time.monotonic() - self._pushed >= max(PERIOD, 10 * self._took):
                self._push()

    def _push(self) -> None:
        with self._lock:
            began = time.monotonic()
            lab = self.laboratory
            page = matrix.page(lab, self._show, self._start, self._blind)
            self._start = page["start"]
            if not lab.running:
                self._estimate = matrix.told(lab.estimate())
            self.first = _fitting(page)
            self.state = {
                **matrix.state(lab, self._blind),
                "stopping": lab.running and self._stop.is_set(),
                "estimate": self._estimate,
            }
            self.send({"type": "page", **page})
            self._pushed = time.monotonic()
            self._took = self._pushed - began
        self.changed()

    # what is received

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        kind, view = content.get("type"), content.get("view")
        if kind == "page":
            self._turn(content)
        elif kind == "variant":
            return {"type": "variant", "view": view, "variant": self._full(str(content["key"]))}
        elif kind in ("edit", "add"):
            return {"view": view, **self._edited(content)}
        elif kind in ("cell", "mark", "comment", "use"):
            reply = self._about_cell(content)
            return None if reply is None else {"view": view, **reply}
        elif not self._done(content):
            raise UsageError(f"the lab got a message that it does not know: {content!r}.")
        return None

    def _turn(self, content: Mapping[str, Any]) -> None:
        show = content.get("show", self._show)
        self._show = show if show in SHOWS else "all"
        self._start = max(0, int(content.get("start", 0))) // matrix.PAGE * matrix.PAGE
        self.laboratory.marking.refresh()
        self._push()

    def _about_cell(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        row = int(content.get("row", 0))
        slots = matrix.slots(self.laboratory, row, self._blind)
        slot = int(content["slot"])
        if not (0 <= row < len(self.laboratory.rows) and 0 <= slot < len(slots)):
            raise UsageError("this cell is no longer there; look at the matrix anew.")
        column = slots[slot]
        match content:
            case {"type": "cell"}:
                whole = matrix.whole(self.laboratory, row, column, self._blind)
                return {"type": "cell", "row": row, "slot": slot, "cell": whole}
            case {"type": "mark", "label": str(label)}:
                self.laboratory.mark(row, column, label)
            case {"type": "comment", "text": str(text)}:
                self.laboratory.comment(row, column, text.strip())
            case {"type": "use"}:
                if self._blind:
                    raise UsageError("the lab is blind: see the names first, then use one.")
                return {"type": "offer", "text": self.laboratory.source(column)}
        self._push()
        return None

    def _edited(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """What came of an edit: applied, or refused with the reason; nothing is changed then."""
        lab, key = self.laboratory, str(content.get("key", ""))
        prompt = content.get("prompt")
        if prompt is None:
            made = lab.add(key)
            self._push()
            return {"type": "applied", "key": made.key, "edit": True}
        try:
            sampling = replace(
                lab.variant(key).sampling,
                temperature=_number("temperature", content.get("temperature", ""), float),
                max_tokens=_number("max tokens", content.get("max_tokens", ""), int),
            )
            name = " ".join(str(content.get("name", "")).split())
            if content["type"] == "add":
                made = lab.add(key, prompt=str(prompt), name=name, sampling=sampling)
            else:
                made = lab.edit(key, str(prompt), sampling=sampling, name=name)
        except UsageError as error:
            return {"type": "refused", "message": str(error)}
        self._push()
        return {"type": "applied", "key": made.key}

    def _full(self, key: str) -> dict[str, Any]:
        """A variant as its editor takes it: whole, with all its versions."""
        one = self.laboratory.variant(key)
        return {
            "key": one.key,
            "name": one.name,
            "at": one.at,
            "versions": [[v.prompt, *matrix.numbers(v.sampling)] for v in one.versions],
        }

    def _done(self, content: Mapping[str, Any]) -> bool:
        """Whether the message asked for something that is known, and was done."""
        lab = self.laboratory
        match content:
            case {"type": "run"}:
                self.start()
                return True
            case {"type": "stop"}:
                self.stop()
                return True
            case {"type": "undo"}:
                lab.undo()
            case {"type": "delete", "key": str(key)}:
                lab.delete(key)
            case {"type": "restore", "key": str(key)}:
                lab.restore(key)
            case {"type": "baseline", "key": str(key)}:
                lab.set_baseline(key)
            case {"type": "blind", "on": bool(on)}:
                self._blind = on
                if on and self._show == "different":
                    self._show = "all"
            case _:
                return False
        self._push()
        return True


def _number(what: str, text: Any, kind: type[int] | type[float]) -> Any:
    """The number in a field of the editor; ``None`` if it is empty."""
    if str(text).strip() == "":
        return None
    try:
        return kind(str(text))
    except ValueError:
        raise UsageError(f"{what} must be a number; got {text!r}.") from None


def _fitting(page: Mapping[str, Any]) -> dict[str, Any]:
    """As many of a page's rows as a trait may hold: it is saved with the notebook."""
    room, rows = FIRST_BYTES, []
    for row in page["rows"]:
        room -= len(json.dumps(row, ensure_ascii=False).encode())
        if room < 0:
            break
        rows.append(row)
    return {**page, "rows": rows}
