"""The explorer: a map of a table's texts, on which rows are found, selected and handed on.

The table, the vectors and the selection stay here. The browser gets at most 2,000 points, and of a
selection its first rows and the counts of its groups, each when it asks; nothing of them is saved.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import traitlets

from synthkit.core.errors import UsageError
from synthkit.data import tables as tables
from synthkit.notebook.output import map_image
from synthkit.notebook.output.tables import Static, cell, count
from synthkit.notebook.widgets.base import Widget, clipped
from synthkit.notebook.widgets.explorer.map import Atlas, How

State = Literal["waiting", "embedding", "ready", "interrupted", "failed"]

PERIOD = 0.2
ROWS = 50
NEAREST = 10
LABEL_LENGTH = 60
TEXT_LENGTH = 160
FULL_LENGTH = 100_000
MOST_COLUMNS = 100
MOST_CORNERS = 1000


class Explorer(Widget):
    """A map of the texts of a table, with a selection. Methods may be called from any thread.

    It is embedded and laid out when it is first looked at, or by :meth:`embed`.

    Parameters
    ----------
    table : a table of any kind, or an :class:`~synthkit.notebook.widgets.explorer.map.Atlas`.
    embedder : ``"wordllama"``, ``"minilm"``, or anything with ``embed(texts)``.
    hand : called with this explorer and ``"mark"`` or ``"show"`` to hand the selection on; gives
        the text of a cell to be offered, or ``""`` if it is done. Without it there are no buttons.
    options : what else :class:`~synthkit.notebook.widgets.explorer.map.Atlas` takes.
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
        self.atlas = table if isinstance(table, Atlas) else _atlas(table, embedder, options)
        self.name = self.atlas.name
        self._hand = hand
        self._lock = threading.RLock()
        self._told = self._version = 0.0
        self._state: State = "waiting"
        super().__init__(
            about={
                "name": self.name,
                "text": self.atlas.text or "id",
                "columns": self.atlas.colours[:MOST_COLUMNS],
                "hands": hand is not None,
            },
            stage=self._stage("waiting"),
            chart=self._chart(),
        )

    def __repr__(self) -> str:
        return f"Explorer({self.name!r}, {count(self.atlas.size, 'row')})"

    @property
    def selected(self) -> Any:
        """The selected rows, as a table of the kind that was given."""
        with self._lock:
            return self.atlas.selected

    @property
    def selected_ids(self) -> list[Any]:
        """The ids of the selected rows, in the order of the table."""
        with self._lock:
            return self.atlas.selected_ids

    @property
    def static(self) -> Static:
        """The map as it stays in a notebook, without a widget."""
        with self._lock:
            return map_image.static(self.atlas)

    def select(self, ids: Collection[Any], how: How = "replace") -> None:
        """Select the rows with these ids, here and in the browser.

        Raises
        ------
        TableError
            If the table has no such row.
        """
        with self._lock:
            self._choose(self.atlas.positions(ids), how, "")

    def narrow(self, ids: Collection[Any] | None) -> None:
        """Draw the rows with these ids alone; ``None`` draws all again."""
        with self._lock:
            self.atlas.narrow(None if ids is None else self.atlas.positions(ids))
            self._redraw()

    def neighbours(self, id: Any, k: int = NEAREST) -> list[tuple[Any, float]]:
        """The ids of the ``k`` rows nearest to a row by cosine, with the cosine."""
        (position,) = self.atlas.positions([id])
        found = self.atlas.neighbours(position, k)
        return [(self.atlas.ids[at], likeness) for at, likeness in found]

    def embed(self) -> None:
        """Embed what is not embedded yet, and draw the map.

        Interrupted, it draws what is done, and goes on when it is called again.
        """
        self._state = "embedding"
        self.stage = self._stage("embedding")
        try:
            self.atlas.embed(self._tick)
        except KeyboardInterrupt:
            self._end("interrupted")
            raise
        except BaseException as error:
            self._end("failed", f"{type(error).__name__}: {error}")
            raise
        self._end("ready")

    def live(self) -> Any:
        """A plotly FigureWidget of the points drawn; what is selected in it is selected here.

        It adds about 5 MB to a notebook that is saved with it.
        """
        from synthkit.core.extras import need

        plotly = need("plotly.graph_objects", extra="notebook", why="to draw a live figure")
        drawn = self.atlas.drawn
        figure = plotly.FigureWidget(map_image.figure(self.atlas, hover=TEXT_LENGTH))
        parts: dict[str, list[int]] = {}

        def chosen(trace: Any, points: Any, _: Any = None) -> None:
            parts[trace.uid] = [int(drawn[trace.customdata[at]]) for at in points.point_inds]
            with self._lock:
                self._choose([at for part in parts.values() for at in part], "replace", "")

        for trace in figure.data:
            trace.on_selection(chosen)
            trace.on_deselect(chosen)
        return figure

    def _end(self, state: State, message: str = "") -> None:
        with self._lock:
            if state != "ready":
                self.atlas.lay_out()
            self._state = state
            self.stage = self._stage(state, message)
            self._redraw()

    def _tick(self) -> None:
        now = time.monotonic()
        if now - self._told >= PERIOD:
            self._told = now
            self.stage = self._stage("embedding")

    def _stage(self, state: State, message: str = "") -> dict[str, Any]:
        return {
            "state": state,
            "message": message,
            "done": self.atlas.done,
            "total": self.atlas.size,
        }

    def _chart(self) -> dict[str, Any]:
        atlas = self.atlas
        labels = atlas.groups.labels
        return {
            "version": self._version,
            "shown": len(atlas.drawn),
            "scope": len(atlas.scope),
            "of": atlas.size,
            "narrowed": len(atlas.scope) < int(np.isfinite(atlas.map.points).all(axis=1).sum()),
            "colour": atlas.colour,
            "hidden": [code for code, label in enumerate(labels) if label in atlas.hidden],
            "selected": int(atlas.chosen.sum()),
            "caption": map_image.caption(atlas),
        }

    def _redraw(self) -> None:
        """Send the points anew, and what else changed with them."""
        self._version += 1
        self.chart = self._chart()
        self.send(self._points())

    def _points(self) -> dict[str, Any]:
        atlas = self.atlas
        at = np.searchsorted(atlas.scope, atlas.drawn)
        spots = atlas.frame[at].astype(float).round(4)
        groups = atlas.groups
        return {
            "type": "points",
            "version": self._version,
            "at": atlas.drawn.tolist(),
            "x": spots[:, 0].tolist(),
            "y": spots[:, 1].tolist(),
            "codes": groups.codes[atlas.drawn].tolist(),
            "texts": [clipped(atlas.texts[at], TEXT_LENGTH) for at in atlas.drawn],
            "groups": _wire(groups),
            "contrasts": [_wire(one) for one in atlas.contrasts],
            "selection": self._selection(""),
        }

    def _selection(self, said: str) -> dict[str, Any]:
        atlas = self.atlas
        places = atlas.places
        return {
            "type": "selection",
            "count": len(places),
            "drawn": np.flatnonzero(atlas.chosen[atlas.drawn]).tolist(),
            "rows": [self._line(at) for at in places[:ROWS].tolist()],
            "counts": [one.counts(atlas.chosen) for one in atlas.contrasts],
            "said": said,
        }

    def _line(self, at: int) -> dict[str, Any]:
        return {"at": at, "text": clipped(self.atlas.texts[at], TEXT_LENGTH)}

    def _choose(self, positions: Collection[int], how: How, said: str) -> None:
        self.atlas.select(positions, how)
        self.chart = self._chart()
        self.send(self._selection(said))

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        match content:
            case {"type": "points"} if self._state != "waiting":
                with self._lock:
                    return self._points()
            case {"type": "points" | "resume"}:
                self._resume()
                return None
            case {"type": "hand", "to": "mark" | "show" as verb} if self._hand is not None:
                cell = self._hand(self, verb)
                return {"type": "handed", "to": verb, "cell": cell}
            case {"type": "row", "at": int(at)} if 0 <= at < self.atlas.size:
                return self._row(at)
            case {"type": "near", "at": int(at)} if 0 <= at < self.atlas.size:
                near = self.atlas.neighbours(at, NEAREST)
                rows = [{**self._line(row), "likeness": likeness} for row, likeness in near]
                return {"type": "near", "at": at, "rows": rows}
        with self._lock:
            self._change(content)
        return None

    def _resume(self) -> None:
        try:
            self.embed()
        except KeyboardInterrupt:
            return  # the widget says so

    def _change(self, content: Mapping[str, Any]) -> None:
        atlas = self.atlas
        match content:
            case {"type": "colour", "column": str(column)}:
                atlas.paint(column)
                self._redraw()
            case {"type": "hide", "group": int(code)} if 0 <= code < len(atlas.groups.labels):
                atlas.hidden ^= {atlas.groups.labels[code]}
                self.chart = self._chart()
            case {"type": "narrow", "on": bool(on)}:
                atlas.narrow(atlas.places.tolist() if on else None)
                self._redraw()
            case {"type": "select", "how": "replace" | "add" | "toggle" as how, **what}:
                self._choose(*self._wanted(what, how))
            case _:
                raise UsageError(f"the explorer got a message that it does not know: {content!r}.")

    def _wanted(self, what: Mapping[str, Any], how: How) -> tuple[Collection[int], How, str]:
        """Which rows a message asks for, how, and what is said of it."""
        atlas = self.atlas
        match what:
            case {"line": [_, _, _, *_] as line} if len(line) <= MOST_CORNERS:
                return atlas.around(_corners(line)), how, ""
            case {"rows": list(rows)} if all(_is_place(at, atlas.size) for at in rows):
                return rows, how, ""
            case {"group": int(code)}:
                return np.flatnonzero(atlas.groups.codes == code).tolist(), how, ""
            case {"where": str(text)} if text.strip():
                found = atlas.matching(text)
                return found, how, f"{count(len(found), 'row')} of {self.name} found"
        raise UsageError(f"the explorer cannot select {what!r}.")

    def _row(self, at: int) -> dict[str, Any]:
        (row,) = tables.records(tables.take(self.atlas.table, [at]))
        cells = [
            [name, clipped(row[name], TEXT_LENGTH * 4)]
            for name in ["id", *self.atlas.colours]
            if name != self.atlas.text
        ]
        text = clipped(self.atlas.texts[at], FULL_LENGTH)
        return {"type": "row", "at": at, "text": text, "cells": cells[:MOST_COLUMNS]}


def _atlas(table: Any, embedder: Any, options: Mapping[str, Any]) -> Atlas:
    if isinstance(embedder, str) and "vectors" not in options:
        from synthkit.models.embedders import load_embedder

        embedder = load_embedder(embedder)
    return Atlas(table, embedder=None if isinstance(embedder, str) else embedder, **options)


def _wire(groups: Any) -> dict[str, Any]:
    labels = [clipped(label, LABEL_LENGTH) for label in groups.labels]
    return {
        "name": groups.name,
        "labels": labels,
        "counts": groups.counts(),
        "numeric": groups.numeric,
        "bounds": groups.bounds,
    }


def _is_place(at: Any, size: int) -> bool:
    return isinstance(at, int) and 0 <= at < size


def _corners(line: Sequence[Any]) -> list[list[float]]:
    try:
        return [[float(x), float(y)] for x, y in line]
    except (TypeError, ValueError):
        raise UsageError(f"expected corners [x, y] of a line; got {cell(line)[:80]}.") from None
