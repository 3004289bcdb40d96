"""A table on the screen: sorted, filtered and searched, each row with its provenance.

The rows stay in the kernel. The front end gets the first rows in view in a trait, so that a view
opened while the kernel is busy has something to show, and asks for further pages. A message about a
place in the view has the number of its query, so that late messages are ignored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.core.formatting import count, thousands
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.notebook.output.provenance import ProvenancePart, of_id
from synthkit.notebook.widgets.base import Widget, clipped, fitting, sendable
from synthkit.notebook.widgets.grid.rows import (
    Query,
    RowSource,
    TableRows,
    ViewRow,
    column_kinds,
    read_query,
)
from synthkit.notebook.widgets.grid.window import RowWindow
from synthkit.sessions.session import Session
from synthkit.share import export

CELL_LENGTH = 300
FULL_LENGTH = 100_000
PAGE = 200
FIRST_ROWS = 20
FIRST_BYTES = 12_000
COPY_ROWS, COPY_LENGTH = 1000, 1_000_000
KIND_CELLS = 2_000_000
"""Most cells that are read to tell what the columns hold."""


class RowsView(Widget):
    """The common part of a run's preview and a table's view.

    All methods may be called from any thread.

    Parameters
    ----------
    name : the table's name.
    rows : where the rows come from.
    trail : returns the provenance of a row.
    about : what else never changes.
    query : the first query.
    """

    _esm = Path(__file__).with_name("widget.js")
    _css = Path(__file__).with_name("widget.css")

    view = traitlets.Dict().tag(sync=True)
    first = traitlets.List().tag(sync=True)
    kinds = traitlets.List().tag(sync=True)

    def __init__(
        self,
        name: str,
        rows: RowSource,
        trail: Callable[[ViewRow], Sequence[ProvenancePart]],
        *,
        about: Mapping[str, Any],
        query: Query | None = None,
        **states: Any,
    ) -> None:
        self.name, self._trail = name, trail
        self.window = RowWindow(rows, query)
        shown = {"name": name, "columns": list(rows.columns), "file": f"{name}.csv"}
        view = self.window.state()
        super().__init__(about={**shown, **about}, view=view, first=self._first(), **states)

    @property
    def shown(self) -> Any:
        """The rows in view, in order, as a table with ids."""
        return self.window.source.table(self.window.places)

    def show(self, query: Query) -> None:
        """Show the rows that a query finds, in its order.

        Raises
        ------
        UsageError
            If the query is invalid; the view is unchanged then.
        """
        if self.window.find(query):
            self._send_view()

    def narrow(self, ids: Iterable[Any] | None) -> None:
        """Show only rows with these ids, as far as the query finds them; ``None`` for all."""
        if self.window.narrow(None if ids is None else list(ids)):
            self._send_view()

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the rows in view to a file; see :func:`synthkit.share.export.save`."""
        return export.save(self.shown, path, overwrite=overwrite)

    def copied(self, form: str, index: int | None = None) -> tuple[str, str]:
        """Rows in view, or the row at ``index``, as text for the clipboard; and a message.

        At most 1,000 rows and about 1 MB.

        Raises
        ------
        UsageError
            If there are no rows, or ``form`` is not one of :data:`synthkit.share.export.FORMATS`.
        """
        places = self.window.places
        size = len(places)
        if not size:
            raise UsageError("there are no rows to copy.")
        places = places[:COPY_ROWS] if index is None else [places[index]]
        records = _records(self.window.source.rows(places))
        columns = [*self.window.source.columns]
        columns += [name for name in ("raw", "reason") if name in records[0]]
        room, rows = COPY_LENGTH, list[dict[str, Any]]()
        for record in records:
            room -= sum(len(as_text(record.get(name))) for name in columns)
            if rows and room < 0:
                break
            rows.append(record)
        message = f"Copied {count(len(rows), 'row')}"
        if index is None and len(rows) < size:
            message += f" of {thousands(size)}, the most that is copied at once. Save writes all"
        return export.to_text(
            rows, columns, form
        ), f"{message}.{_formula_note(form, rows, columns)}"

    def _send_view(self) -> None:
        with self.window.lock, self.hold_sync():
            self.first, self.view = self._first(), self.window.state()

    def _first(self) -> list[dict[str, Any]]:
        """The first rows, as many as fit into a trait."""
        rows = self.window.page(0, FIRST_ROWS)
        return fitting((self._wire(row, CELL_LENGTH) for row in rows), FIRST_BYTES)

    def _rows(self, start: int, size: int) -> dict[str, Any]:
        """The message with a page of rows."""
        with self.window.lock:
            rows = [self._wire(row, CELL_LENGTH) for row in self.window.page(start, size)]
            return {"type": "rows", "query": self.window.number, "start": start, "rows": rows}

    def _wire(self, row: ViewRow, length: int) -> dict[str, Any]:
        """A row for the front end: its cells, or the reject's reason and raw text, clipped."""
        wire: dict[str, Any] = {"at": row.position + 1, "tokens": row.tokens}
        if row.reject:
            raw, reason = row.reject
            return {**wire, "reason": clipped(reason, length), "raw": clipped(raw, length)}
        cells = row.cells or {}
        names = self.window.source.columns
        return {**wire, "cells": [clipped(cells.get(name), length) for name in names]}

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        window = self.window
        match content:
            case {"query": int(number)} if number != window.number:
                return None  # about an older query
            case {"type": "page", "start": int(start)} if start >= 0:
                return self._rows(start, PAGE)
            case {"type": "row" | "trail" as kind, "index": int(index)} if 0 <= index < len(window):
                return self._one(kind, index)
            case {"type": "show", "where": str(), "search": str(), "by": str(), "which": str()}:
                return self._show(content)
            case {"type": "widen"}:
                self.narrow(None)
                return None
            case {"type": "kinds"}:
                size = min(window.read, KIND_CELLS // max(1, len(window.source.columns)))
                self.kinds = [kind | {"rows": size} for kind in column_kinds(window.source, size)]
                return None
            case {"type": "copy", "form": str(form)}:
                return self._copy(form, content.get("index"))
            case {"type": "save", "path": str(path), "overwrite": bool(overwrite)}:
                return self._save(path, overwrite)
        return super()._reply(content)

    def _one(self, kind: str, index: int) -> dict[str, Any]:
        with self.window.lock:
            (row,) = self.window.page(index, 1)
            reply = {"type": kind, "query": self.window.number, "index": index}
        if kind == "row":
            return {**reply, "row": self._wire(row, FULL_LENGTH)}
        parts = [ProvenancePart("fact", "rejected", row.reject[1])] if row.reject else []
        parts += self._trail(row)
        wired = [[part.kind, part.label, clipped(part.value, FULL_LENGTH)] for part in parts]
        return {**reply, "parts": wired}

    def _show(self, content: Mapping[str, Any]) -> dict[str, Any]:
        refused = ""
        try:
            self.show(read_query(content))
        except UsageError as error:
            refused = str(error)
        return {"type": "shown", "turn": content.get("turn"), "refused": refused}

    def _copy(self, form: str, index: Any) -> dict[str, Any]:
        try:
            text, message = self.copied(form, index if isinstance(index, int) else None)
        except UsageError as error:
            return {"type": "told", "text": str(error), "failed": True}
        return {"type": "copied", "text": sendable(text), "told": message}

    def _save(self, path: str, overwrite: bool) -> dict[str, Any]:
        try:
            exists = Path(path).expanduser().exists()
            if exists and not overwrite:
                message = f"{path} exists already; press Save again to overwrite it."
                return {"type": "told", "text": message, "failed": True, "again": path}
            shown = self.shown
            saved = export.save(shown, path, overwrite=overwrite)
        except (SynthkitError, OSError, ValueError) as error:
            return {"type": "told", "text": str(error), "failed": True}
        message = f"Saved {count(len(shown), 'row')} with ids to {saved}."
        if saved.suffix == ".csv":
            message += _formula_note("csv", tables.records(shown), tables.columns(shown))
        return {"type": "told", "text": message, "failed": False}


class TableView(RowsView):
    """The widget of ``%synth show``: a table of any kind.

    Parameters
    ----------
    table : the table; later changes of it are not shown.
    name : its name.
    session : where the provenance of its rows is looked up.
    columns : the columns to show; all except ids if not given.
    where : an expression of :mod:`synthkit.data.expressions` to start with.

    Raises
    ------
    UsageError
        If the expression cannot be read.
    TableError
        If ``table`` is not a table, or lacks a column.
    """

    def __init__(
        self,
        table: Any,
        *,
        name: str,
        session: Session,
        columns: Sequence[str] | None = None,
        where: str = "",
    ) -> None:
        rows = TableRows(table, columns)
        query = Query(where=where)
        query.check(rows)

        def trail(row: ViewRow) -> Sequence[ProvenancePart]:
            (id,) = rows.ids(row.position, row.position + 1)
            return of_id(session, str(id), row.cells or {})

        about = {"total": None, "stop": False, "tokens": False}
        super().__init__(name, rows, trail, about=about, query=query)

    def __repr__(self) -> str:
        return f"TableView({self.name!r}, rows={len(self.window.source)})"


def _records(rows: Sequence[ViewRow]) -> list[dict[str, Any]]:
    """The cells of rows; if there are rejects, with ``raw`` and ``reason``."""
    if not any(row.reject for row in rows):
        return [dict(row.cells or {}) for row in rows]
    return [
        {**(row.cells or {}), "raw": raw, "reason": reason}
        for row in rows
        for raw, reason in [row.reject or (None, None)]
    ]


def _formula_note(form: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """A warning about cells that a spreadsheet would read as formulas."""
    formulas = export.count_formulas(rows, columns) if form in ("csv", "tsv") else 0
    if not formulas:
        return ""
    cells = f"{count(formulas, 'cell')} start{'s' if formulas == 1 else ''} with =, +, - or @"
    return f" {cells}: a spreadsheet may read {'it' if formulas == 1 else 'them'} as formulas."
