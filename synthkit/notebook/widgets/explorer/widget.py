"""The explorer: a map of a table's texts, on which rows are found, selected and passed on.

The table, the vectors and the selection stay in the kernel. The front end gets at most 2,000
points, and of a selection the first rows and the counts of its groups. None of them is saved.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
import traitlets

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.formatting import cell, count
from synthkit.core.static_output import StaticOutput
from synthkit.data import tables
from synthkit.evaluate.views.group_contrast import Grouping
from synthkit.notebook.output import map_image
from synthkit.notebook.widgets.base import Widget, clipped
from synthkit.notebook.widgets.explorer.map import How, TextMap

State = Literal["waiting", "embedding", "ready", "interrupted", "failed"]

PERIOD = 0.2
"""Least seconds between two messages about progress."""
ROWS = 50
NEAREST = 10
LABEL_LENGTH = 60
TEXT_LENGTH = 160
FULL_LENGTH = 100_000
MOST_COLUMNS = 100
MOST_CORNERS = 1000


class Explorer(Widget):
    """A widget with a map of a table's texts, and a selection of its rows.

    The texts are embedded and laid out when the widget is first shown, or by :meth:`embed`. All
    methods may be called from any thread.

    Parameters
    ----------
    table : a table of any kind, or a :class:`~synthkit.notebook.widgets.explorer.map.TextMap`.
    embedder : the name of an embedder, or anything with ``embed(texts)``.
    hand : called with this explorer and ``"mark"`` or ``"show"`` to pass the selection on; returns
        the text of a cell to offer, or ``""`` if nothing is left to do. Without it there are no
        buttons for it.
    options : the other options of ``TextMap``.
    """

    _esm = Path(__file__).with_name("widget.js")
    _css = Path(__file__).with_name("widget.css")

    stage = traitlets.Dict().tag(sync=True)
    chart = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        table: Any,
        *,
        embedder: Any = "wordllama",
        hand: Callable[[Explorer, str], str] | None = None,
        **options: Any,
    ) -> None:
        self.map = table if isinstance(table, TextMap) else _text_map(table, embedder, options)
        self.name, self._hand = self.map.name, hand
        self._lock = threading.RLock()
        self._reported, self._version = 0.0, 0
        super().__init__(
            about={
                "name": self.name,
                "text": self.map.column or "id",
                "columns": self.map.colours[:MOST_COLUMNS],
                "hands": hand is not None,
            },
            stage=self._stage("waiting"),
            chart=self._chart(),
        )

    def __repr__(self) -> str:
        return f"Explorer({self.name!r}, {count(self.map.size, 'row')})"

    @property
    def selected(self) -> Any:
        """The selected rows, as a table of the same kind."""
        with self._lock:
            return self.map.selected

    @property
    def selected_ids(self) -> list[Any]:
        """The ids of the selected rows, in the order of the table."""
        with self._lock:
            return self.map.selected_ids

    @property
    def static(self) -> StaticOutput:
        """The static output: the map without a widget."""
        with self._lock:
            return map_image.static(self.map)

    def select(self, ids: Collection[Any], how: How = "replace") -> None:
        """Select the rows with these ids, here and in the front end.

        Raises
        ------
        TableError
            If the table has no such row.
        """
        with self._lock:
            self._select(self.map.positions(ids), how, "")

    def narrow(self, ids: Collection[Any] | None) -> None:
        """Draw only the rows with these ids; ``None`` draws all again."""
        with self._lock:
            self.map.narrow(None if ids is None else self.map.positions(ids))
            self._redraw()

    def neighbours(self, id: Any, k: int = NEAREST) -> list[tuple[Any, float]]:
        """The ids of the ``k`` nearest rows by cosine, and the cosines."""
        (position,) = self.map.positions([id])
        nearest = self.map.vectors.neighbours(position, k)
        return [(self.map.ids[at], likeness) for at, likeness in nearest]

    def embed(self) -> None:
        """Embed the rest of the texts, and draw the map.

        After an interrupt, it draws what is done; the next call continues.
        """
        self.stage = self._stage("embedding")
        try:
            self.map.embed(self._tick)
        except KeyboardInterrupt:
            self._end("interrupted")
            raise
        except BaseException as error:
            self._end("failed", f"{type(error).__name__}: {error}")
            raise
        self._end("ready")

    def live(self) -> Any:
        """A plotly FigureWidget of the drawn points; a selection in it is a selection here.

        It adds about 5 MB to the notebook.
        """
        plotly = need("plotly.graph_objects", extra="notebook", why="to draw a live figure")
        drawn = self.map.drawn
        figure = plotly.FigureWidget(map_image.figure(self.map, hover=TEXT_LENGTH))
        by_trace: dict[str, list[int]] = {}

        def select(trace: Any, points: Any, _: Any = None) -> None:
            by_trace[trace.uid] = [int(drawn[trace.customdata[n]]) for n in points.point_inds]
            with self._lock:
                self._select([n for part in by_trace.values() for n in part], "replace", "")

        for trace in figure.data:
            trace.on_selection(select)
            trace.on_deselect(select)
        return figure

    def _end(self, state: State, message: str = "") -> None:
        with self._lock:
            if state != "ready":
                self.map.lay_out()
            self.stage = self._stage(state, message)
            self._redraw()

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._reported >= PERIOD:
            self._reported = now
            self.stage = self._stage("embedding")

    def _stage(self, state: State, message: str = "") -> dict[str, Any]:
        done, total = self.map.vectors.done, self.map.size
        return {"state": state, "message": message, "done": done, "total": total}

    def _chart(self) -> dict[str, Any]:
        text_map = self.map
        labels = text_map.groups.labels
        return {
            "version": self._version,
            "shown": len(text_map.drawn),
            "scope": len(text_map.scope),
            "of": text_map.size,
            "narrowed": len(text_map.scope) < text_map.placed,
            "colour": text_map.colour,
            "hidden": [code for code, label in enumerate(labels) if label in text_map.hidden],
            "selected": int(text_map.chosen.sum()),
            "caption": map_image.caption(text_map),
        }

    def _redraw(self) -> None:
        """Send the points again, and the state that changes with them."""
        self._version += 1
        self.chart = self._chart()
        self.send(self._points())

    def _points(self) -> dict[str, Any]:
        text_map = self.map
        at = np.searchsorted(text_map.scope, text_map.drawn)
        points = text_map.frame[at].astype(float).round(4)
        groups = text_map.groups
        return {
            "type": "points",
            "version": self._version,
            "at": text_map.drawn.tolist(),
            "x": points[:, 0].tolist(),
            "y": points[:, 1].tolist(),
            "codes": groups.codes[text_map.drawn].tolist(),
            "texts": [clipped(text_map.texts[at], TEXT_LENGTH) for at in text_map.drawn],
            "groups": _wire(groups),
            "contrasts": [_wire(grouping) for grouping in text_map.contrasts],
            "selection": self._selection(""),
        }

    def _selection(self, note: str) -> dict[str, Any]:
        text_map = self.map
        places = text_map.places
        return {
            "type": "selection",
            "count": len(places),
            "drawn": np.flatnonzero(text_map.chosen[text_map.drawn]).tolist(),
            "rows": [self._line(at) for at in places[:ROWS].tolist()],
            "counts": [grouping.counts(text_map.chosen) for grouping in text_map.contrasts],
            "said": note,
        }

    def _line(self, at: int) -> dict[str, Any]:
        return {"at": at, "text": clipped(self.map.texts[at], TEXT_LENGTH)}

    def _select(self, positions: Collection[int], how: How, note: str) -> None:
        self.map.select(positions, how)
        self.chart = self._chart()
        self.send(self._selection(note))

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        match content:
            case {"type": "points"} if self.stage["state"] != "waiting":
                with self._lock:
                    return self._points()
            case {"type": "points" | "resume"}:
                with suppress(KeyboardInterrupt):  # the widget shows it
                    self.embed()
                return None
            case {"type": "hand", "to": "mark" | "show" as verb} if self._hand is not None:
                if not self.map.chosen.any():
                    return None
                return {"type": "handed", "to": verb, "cell": self._hand(self, verb)}
            case {"type": "row", "at": int(at)} if 0 <= at < self.map.size:
                return self._row(at)
            case {"type": "near", "at": int(at)} if 0 <= at < self.map.size:
                near = self.map.vectors.neighbours(at, NEAREST)
                rows = [{**self._line(row), "likeness": likeness} for row, likeness in near]
                return {"type": "near", "at": at, "rows": rows}
        with self._lock:
            self._change(content)
        return None

    def _change(self, content: Mapping[str, Any]) -> None:
        text_map = self.map
        match content:
            case {"type": "colour", "column": str(column)}:
                text_map.paint(column)
                self._redraw()
            case {"type": "hide", "group": int(code)} if 0 <= code < len(text_map.groups.labels):
                text_map.hidden ^= {text_map.groups.labels[code]}
                self.chart = self._chart()
            case {"type": "narrow", "on": bool(on)}:
                if not on or text_map.chosen.any():
                    text_map.narrow(text_map.places.tolist() if on else None)
                    self._redraw()
            case {"type": "select", "how": "replace" | "add" | "toggle" as how, **what}:
                rows, note = self._wanted(what)
                self._select(rows, how, note)
            case _:
                super()._reply(content)

    def _wanted(self, what: Mapping[str, Any]) -> tuple[Collection[int], str]:
        """The rows that a message selects, and a note about them."""
        text_map = self.map
        match what:
            case {"line": [_, _, _, *_] as line} if len(line) <= MOST_CORNERS:
                return text_map.around(_corners(line)), ""
            case {"rows": list(rows)} if all(at in range(text_map.size) for at in rows):
                return rows, ""
            case {"group": int(code)}:
                return np.flatnonzero(text_map.groups.codes == code).tolist(), ""
            case {"where": str(text)} if text.strip():
                matches = text_map.matching(text)
                return matches, f"{count(len(matches), 'row')} of {self.name} found"
        raise UsageError(f"the explorer cannot select {what!r}.")

    def _row(self, at: int) -> dict[str, Any]:
        (row,) = tables.records(tables.take(self.map.table, [at]))
        cells = [
            [name, clipped(row[name], TEXT_LENGTH * 4)]
            for name in ["id", *self.map.colours]
            if name != self.map.column
        ]
        text = clipped(self.map.texts[at], FULL_LENGTH)
        return {"type": "row", "at": at, "text": text, "cells": cells[:MOST_COLUMNS]}


def _text_map(table: Any, embedder: Any, options: Mapping[str, Any]) -> TextMap:
    if "vectors" in options:
        return TextMap(table, **options)
    if isinstance(embedder, str):
        from synthkit.models.embedders import load_embedder

        embedder = load_embedder(embedder)
    return TextMap(table, embedder=embedder, **options)


def _wire(groups: Grouping) -> dict[str, Any]:
    labels = [clipped(label, LABEL_LENGTH) for label in groups.labels]
    return {
        "name": groups.name,
        "labels": labels,
        "counts": groups.counts(),
        "numeric": groups.numeric,
        "bounds": groups.bounds,
    }


def _corners(line: Sequence[Any]) -> list[list[float]]:
    try:
        return [[float(x), float(y)] for x, y in line]
    except (TypeError, ValueError):
        raise UsageError(f"expected corners [x, y] of a line; got {cell(line)[:80]}.") from None
