"""A table on the screen: sorted, filtered, searched, each row with where it comes from.

The rows stay here. The browser gets the first of those in view in a trait, so that a view opened
while the kernel is busy has something to show, and the pages it asks for. Whatever is about a place
in the view carries the number of the query that made it, so that what is late is ignored.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import traitlets

from synthkit.core.errors import SynthkitError, UsageError
from synthkit.data import tables
from synthkit.data.expressions import text as plain
from synthkit.notebook.output.provenance import Part, of_id
from synthkit.notebook.output.tables import count, thousands
from synthkit.notebook.widgets.base import Widget, clipped
from synthkit.notebook.widgets.grid.rows import Held, Query, Row, Source, kinds, ordered, places
from synthkit.sessions.session import Session
from synthkit.share import export

CELL_LENGTH = 300
FULL_LENGTH = 100_000
PAGE = 200
FIRST_ROWS = 20
FIRST_BYTES = 12_000
COPY_ROWS, COPY_LENGTH = 1000, 1_000_000
KIND_CELLS = 2_000_000
"""Most cells that are looked at to say what kinds the columns are."""


class RowsView(Widget):
    """What the preview of a run and the view of a table have in common.

    All methods may be called from any thread.

    Parameters
    ----------
    name : the table's.
    rows : where they come from.
    trail : gives the way of a row, by its position and its cells.
    about : what else never changes.
    """

    _esm = Path(__file__).with_name("widget.js")
    _css = Path(__file__).with_name("widget.css")

    view = traitlets.Dict().tag(sync=True)
    first = traitlets.List().tag(sync=True)
    kinds = traitlets.List().tag(sync=True)

    def __init__(
        self,
        name: str,
        rows: Source,
        trail: Callable[[Row], Sequence[Part]],
        *,
        about: Mapping[str, Any],
        query: Query | None = None,
        **states: Any,
    ) -> None:
        self.name = name
        self._rows, self._trail = rows, trail
        self._lock = threading.RLock()
        self._asked = self._number = 0
        self._query = query or Query()
        self._ids: Collection[str] | None = None
        self._seen = self._fresh = 0
        self._places: Sequence[int] = range(0)
        self._grow()
        shown = {"name": name, "columns": list(rows.columns), "file": f"{name}.csv"}
        super().__init__(about={**shown, **about}, view=self._view(), first=self._first(), **states)

    @property
    def shown(self) -> Any:
        """The rows in view, in their order, as a table with ids."""
        with self._lock:
            found = self._places
        return self._rows.table(found)

    def show(self, query: Query) -> None:
        """Show what a query finds, in its order.

        Raises
        ------
        UsageError
            If it cannot be read; what is shown stays as it is.
        """
        query.check(self._rows)
        self._set(query, self._ids)

    def narrow(self, ids: Iterable[Any] | None) -> None:
        """Show the rows with these ids only, of those that the query finds; ``None`` for all."""
        self._set(self._query, None if ids is None else frozenset(map(str, ids)))

    def save(self, path: Path | str, *, overwrite: bool = False) -> Path:
        """Write the rows in view to a file; see :func:`synthkit.share.export.save`."""
        return export.save(self.shown, path, overwrite=overwrite)

    def copied(self, form: str, index: int | None = None) -> tuple[str, str]:
        """Rows in view, or one of them, as text; and what it is, in words.

        At most 1,000 rows and about 1 MB, since it goes through the clipboard.

        Raises
        ------
        UsageError
            If there are none, or the form is not one of :data:`synthkit.share.export.FORMS`.
        """
        with self._lock:
            size, found = len(self._places), self._places
        if not size:
            raise UsageError("there are no rows to copy.")
        found = found[:COPY_ROWS] if index is None else [found[index]]
        held = self._records(found)
        columns = [*self._rows.columns, *(name for name in ("raw", "reason") if name in held[0])]
        room, rows = COPY_LENGTH, list[dict[str, Any]]()
        for row in held:
            room -= sum(len(plain(row.get(name))) for name in columns)
            if rows and room < 0:
                break
            rows.append(row)
        told = f"Copied {count(len(rows), 'row')}"
        if index is None and len(rows) < size:
            told += f" of {thousands(size)}: the clipboard takes no more. Save takes all"
        return export.text(rows, columns, form), f"{told}.{_warning(form, rows, columns)}"

    def _records(self, found: Sequence[int]) -> list[dict[str, Any]]:
        rows = self._rows.rows(found)
        if not any(one.reject for one in rows):
            return [dict(one.row or {}) for one in rows]
        none = (None, None)
        return [
            {**(one.row or {}), **dict(zip(("raw", "reason"), one.reject or none, strict=True))}
            for one in rows
        ]

    def _set(self, query: Query, ids: Collection[str] | None) -> None:
        """Find what a query asks for without stopping those who add rows, then show it."""
        with self._lock:
            self._asked += 1
            asked = self._asked
        size = len(self._rows)
        found = ordered(self._rows, query, places(self._rows, query, 0, size, ids))
        with self._lock:
            if asked != self._asked:
                return
            self._number, self._query, self._ids = asked, query, ids
            self._places, self._seen, self._fresh = found, size, 0
            self._grow()
            with self.hold_sync():
                self.first, self.view = self._first(), self._view()

    def _grow(self) -> None:
        """Take what came since: at the end, or to be sorted in when that is asked for."""
        size = len(self._rows)
        if size == self._seen:
            return
        found = places(self._rows, self._query, self._seen, size, self._ids)
        if self._query.by and self._seen:
            self._fresh += len(found)
        else:
            whole = range(size) if isinstance(found, range) else [*self._places, *found]
            self._places = ordered(self._rows, self._query, whole)
        self._seen = size

    def _view(self) -> dict[str, Any]:
        narrowed = None if self._ids is None else len(self._ids)
        state = {"query": self._number, "size": len(self._places), "of": self._seen}
        return state | {"fresh": self._fresh, "narrowed": narrowed, **asdict(self._query)}

    def _first(self) -> list[dict[str, Any]]:
        """The first rows, as many as a trait may hold: it is saved with the notebook."""
        rows, room = self._page(0, FIRST_ROWS), FIRST_BYTES
        for n, row in enumerate(rows):
            room -= len(json.dumps(row, ensure_ascii=False).encode())
            if room < 0:
                return rows[:n]
        return rows

    def _page(self, start: int, rows: int) -> list[dict[str, Any]]:
        found = self._rows.rows(self._places[start : start + rows])
        return [self._wire(row, CELL_LENGTH) for row in found]

    def _wire(self, row: Row, length: int) -> dict[str, Any]:
        """A row as the browser takes it: cells as text, number, or clipped text and length."""
        wire: dict[str, Any] = {"at": row.position + 1, "tokens": row.tokens}
        if row.reject:
            raw, reason = row.reject
            return {**wire, "reason": clipped(reason, length), "raw": clipped(raw, length)}
        cells = row.row or {}
        return {**wire, "cells": [clipped(cells.get(name), length) for name in self._rows.columns]}

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        match content:
            case {"query": int(number)} if number != self._number:
                return None  # about a view that has gone
            case {"type": "page", "start": int(start)} if start >= 0:
                with self._lock:
                    rows, number = self._page(start, PAGE), self._number
                return {"type": "rows", "query": number, "start": start, "rows": rows}
            case {"type": "row" | "trail" as kind, "index": int(index)} if (
                0 <= index < len(self._places)
            ):
                return self._one(kind, index)
            case {"type": "show", "where": str(), "search": str(), "by": str(), "which": str()}:
                return self._show(content)
            case {"type": "widen"}:
                self.narrow(None)
                return None
            case {"type": "kinds"}:
                size = min(self._seen, KIND_CELLS // max(1, len(self._rows.columns)))
                self.kinds = [kind | {"rows": size} for kind in kinds(self._rows, size)]
                return None
            case {"type": "copy", "form": str(form)}:
                return self._copy(form, content.get("index"))
            case {"type": "save", "path": str(path), "overwrite": bool(overwrite)}:
                return self._save(path, overwrite)
        raise UsageError(f"the preview got a message that it does not know: {content!r}.")

    def _one(self, kind: str, index: int) -> dict[str, Any]:
        with self._lock:
            (row,), number = self._rows.rows([self._places[index]]), self._number
        reply = {"type": kind, "query": number, "index": index}
        if kind == "row":
            return {**reply, "row": self._wire(row, FULL_LENGTH)}
        parts = [Part("fact", "rejected", row.reject[1])] if row.reject else []
        parts += self._trail(row)
        told = [[part.kind, part.label, clipped(part.value, FULL_LENGTH)] for part in parts]
        return {**reply, "parts": told}

    def _show(self, content: Mapping[str, Any]) -> dict[str, Any]:
        names = ("where", "search", "which", "by", "down")
        refused = ""
        try:
            self.show(Query(**{name: content[name] for name in names}))
        except UsageError as error:
            refused = str(error)
        return {"type": "shown", "turn": content.get("turn"), "refused": refused}

    def _copy(self, form: str, index: Any) -> dict[str, Any]:
        try:
            text, told = self.copied(form, index if isinstance(index, int) else None)
        except UsageError as error:
            return {"type": "told", "text": str(error), "failed": True}
        # halves of surrogate pairs cannot be sent as UTF-8
        sound = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return {"type": "copied", "text": sound, "told": told}

    def _save(self, path: str, overwrite: bool) -> dict[str, Any]:
        try:
            exists = Path(path).expanduser().exists()
            if exists and not overwrite:
                told = f"{path} is there already: press Save again to write over it."
                return {"type": "told", "text": told, "failed": True, "again": path}
            shown = self.shown
            saved = export.save(shown, path, overwrite=overwrite)
        except (SynthkitError, OSError, ValueError) as error:
            return {"type": "told", "text": str(error), "failed": True}
        told = f"Saved {count(len(shown), 'row')} with ids to {saved}."
        if saved.suffix == ".csv":
            told += _warning("csv", tables.records(shown), tables.columns(shown))
        return {"type": "told", "text": told, "failed": False}


class TableView(RowsView):
    """A table of any kind on the screen: what ``%synth show`` shows.

    Parameters
    ----------
    held : the table; later changes of it are not seen.
    name : its name.
    session : where the way of a row is looked up.
    columns : those to show; all but ids if not given.
    where : an expression of :mod:`synthkit.data.expressions` to begin with.

    Raises
    ------
    UsageError
        If the expression cannot be read.
    TableError
        If it is no table, or has no such column.
    """

    def __init__(
        self,
        held: Any,
        *,
        name: str,
        session: Session,
        columns: Sequence[str] | None = None,
        where: str = "",
    ) -> None:
        rows = Held(held, columns)
        query = Query(where=where)
        query.check(rows)

        def trail(row: Row) -> Sequence[Part]:
            (id,) = rows.ids(row.position, row.position + 1)
            return of_id(session, str(id), row.row or {})

        about = {"total": None, "stop": False, "tokens": False}
        super().__init__(name, rows, trail, about=about, query=query)

    def __repr__(self) -> str:
        return f"TableView({self.name!r}, rows={len(self._rows)})"


def _warning(form: str, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
    """What to know before a spreadsheet opens it."""
    found = export.formulas(rows, columns) if form in ("csv", "tsv") else 0
    if not found:
        return ""
    said = f"{count(found, 'cell')} begin{'s' if found == 1 else ''} with =, +, - or @"
    return f" {said}: a spreadsheet may take {'it' if found == 1 else 'them'} for formulas."
