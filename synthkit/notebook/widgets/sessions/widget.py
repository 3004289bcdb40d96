"""The session browser: runs, tables and their lineage, marks, sizes, and actions on them.

Everything is read from the session at each refresh. Rows go to the front end in pages.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from synthkit.core.errors import SynthkitError, TableError, UsageError
from synthkit.core.formatting import count
from synthkit.data.tables import size, to_arrow
from synthkit.notebook.widgets.base import Widget, clipped, fitting
from synthkit.notebook.widgets.grid.rows import Query, RowLog, ViewRow, read_query
from synthkit.notebook.widgets.grid.window import RowWindow
from synthkit.notebook.widgets.sessions import lists
from synthkit.notebook.widgets.sessions.comparison import TEXT_LENGTH, comparison
from synthkit.notebook.widgets.sessions.overview import graph, overview
from synthkit.sessions import lineage, named_tables
from synthkit.sessions.deletion import Deletion
from synthkit.sessions.session import Session

PAGE = 20
FIRST_BYTES = 5_000
"""Most bytes of rows in a trait."""
_ROWS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "runs": lists.run_row,
    "tables": lists.table_row,
}


class SessionBrowser(Widget):
    """A widget that shows what a session holds, and compares, reopens, deletes and moves it.

    Parameters
    ----------
    session : the session.
    namespace : where reopened tables are bound: the notebook's variables.
    label : the session's name; its folder's name if not given.

    Attributes
    ----------
    changed : called after each refresh that found a change.
    """

    _esm = Path(__file__).with_name("widget.js")
    _css = Path(__file__).with_name("widget.css")

    overview = traitlets.Dict().tag(sync=True)
    first = traitlets.Dict().tag(sync=True)
    graph = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        session: Session,
        namespace: MutableMapping[str, Any] | None = None,
        *,
        label: str = "",
    ) -> None:
        self.session = session
        self.changed: Callable[[], None] = lambda: None
        self._namespace = {} if namespace is None else namespace
        self._lock = threading.RLock()
        self._lists: dict[str, RowWindow] = {}
        self._stamp: Any = None
        self._announced: tuple[Any, Deletion] | None = None
        about = {"name": label or session.folder.name, "page": PAGE}
        columns = {"runs": lists.RUN_COLUMNS, "tables": lists.TABLE_COLUMNS}
        heads = {name: list(map(list, titles.items())) for name, titles in columns.items()}
        super().__init__(about=about | heads, **self._read())

    def __repr__(self) -> str:
        return f"SessionBrowser({self.session!r})"

    def refresh(self) -> None:
        """Read the session again, if anything in it has changed."""
        with self._lock:
            if self._read_stamp() == self._stamp:
                return
            with self.hold_trait_notifications():
                for name, state in self._read().items():
                    setattr(self, name, state)
        self.changed()

    def _read(self) -> dict[str, dict[str, Any]]:
        """The states of the traits."""
        self._stamp = self._read_stamp()
        store = self.session.store
        tables = named_tables.read_all(store, self.session.table_folder)
        edges, runs = lineage.edges(tables), store.runs.all()
        self._set_list("runs", lists.RUN_COLUMNS, lists.run_records(runs, tables))
        self._set_list("tables", lists.TABLE_COLUMNS, lists.table_records(store, tables, edges))
        return {
            "overview": overview(self.session, runs, tables),
            "graph": graph(tables, edges),
            "first": self._first(),
        }

    def _read_stamp(self) -> Any:
        """A value that differs after any change in the session."""
        store = self.session.store
        files = [
            (path.name, path.stat().st_mtime_ns, path.stat().st_size)
            for path in sorted(self.session.table_folder.glob("*.parquet"))
        ]
        counts = (store.completions.count(), len(store.runs.all()))
        return files, store.sizes(), store.labs.names(), counts

    def show(self, name: str, query: Query) -> None:
        """Show the rows of the list ``"runs"`` or ``"tables"`` that a query finds, in its order.

        Raises
        ------
        UsageError
            If the query is invalid; the list is unchanged then.
        """
        with self._lock:
            self._lists[name].find(query)
            self.first = self._first()

    def _set_list(
        self, name: str, columns: Mapping[str, str], records: Sequence[Mapping[str, Any]]
    ) -> None:
        query = self._lists[name].query if name in self._lists else None
        rows = (ViewRow(n, record) for n, record in enumerate(records))
        self._lists[name] = RowWindow(RowLog(list(columns), rows=rows), query)

    def _first(self) -> dict[str, dict[str, Any]]:
        """The first page of each list, as many rows as fit into a trait."""
        return {
            name: {"total": len(window), "rows": fitting(self._page(name, 0), FIRST_BYTES)}
            for name, window in self._lists.items()
        }

    def _page(self, name: str, start: int) -> list[dict[str, Any]]:
        rows = self._lists[name].page(max(0, start), PAGE)
        return [_ROWS[name](row.cells or {}) for row in rows]

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        with self._lock:
            match content:
                case {"type": "page", "of": "runs" | "tables" as name, "start": int(start)}:
                    rows = self._page(name, start)
                    return {"type": "page", "of": name, "start": start, "rows": rows}
                case {"type": "show", "of": "runs" | "tables" as name, "query": dict(query)}:
                    self.show(name, read_query(query))
                    return None
                case {"type": "refresh"}:
                    self.refresh()
                    return None
                case {"type": "compare", "a": int() | str() as a, "b": int() | str() as b}:
                    return comparison(self.session.compare(a, b))
                case {"type": "would", "what": dict(what)}:
                    deletion = self.session.would_delete(**_deletion_options(what))
                    return self._announce(what, deletion, new=True)
                case {"type": "delete", "what": dict(what)}:
                    return self._delete(what)
                case {"type": "reopen", "name": str(name), "over": bool(over)}:
                    return self._reopen(name, over)
                case {"type": "cell", "run": int(run)}:
                    return {"type": "cell", "text": self.session.cell(run)}
                case {"type": "export", "path": str(path), "tables": str(names)}:
                    return self._export(path, names)
                case {"type": "import", "path": str(path)}:
                    imported = self.session.import_bundle(_path(path))
                    self.refresh()
                    return {"type": "done", "told": f"Imported: {imported}."}
        return super()._reply(content)

    def _announce(
        self, what: Mapping[str, Any], deletion: Deletion, *, new: bool
    ) -> dict[str, Any]:
        """Say what a deletion would take; only what was announced is deleted."""
        self._announced = (what, deletion)
        goes = f"This deletes {deletion} ({lists.file_size(deletion.bytes)}). It cannot be undone."
        goes = goes if new else f"The session has changed. {goes}"
        stays = [clipped(text, TEXT_LENGTH) for text in deletion.stays]
        return {"type": "removal", "what": what, "goes": goes, "stays": stays}

    def _delete(self, what: Mapping[str, Any]) -> dict[str, Any]:
        """Delete what was announced, if it would still be the same; otherwise announce it again."""
        announced, self._announced = self._announced, None
        if announced is None or announced[0] != what:
            raise UsageError("nothing was deleted: ask first what a deletion would take.")
        deletion = self.session.would_delete(**_deletion_options(what))
        if deletion != announced[1]:
            return self._announce(what, deletion, new=False)
        done = self.session.delete(**_deletion_options(what))
        self.refresh()
        return {"type": "done", "told": f"Deleted: {done}. {lists.file_size(done.bytes)} are free."}

    def _reopen(self, name: str, over: bool) -> dict[str, Any]:
        table = self.session.load(name)
        variable = name if name.isidentifier() else re.sub(r"\W", "_", name)
        if not variable.isidentifier():
            variable = f"table_{variable}"
        value = self._namespace.get(variable)
        if value is not None and not over and not _same_rows(value, table):
            message = f"{variable} is {_described(value)} now."
            return {"type": "occupied", "name": name, "told": message}
        self._namespace[variable] = table
        message = f"{variable} is now the kept table {name}, with {count(len(table), 'row')}."
        return {"type": "cell", "text": f"%synth show {variable}", "told": message}

    def _export(self, path: str, tables: str) -> dict[str, Any]:
        names = [name for name in re.split(r"[,\s]+", tables) if name] or None
        written = self.session.export(_path(path), names)
        bytes_ = lists.file_size(written.stat().st_size)
        return {"type": "done", "told": f"Written: {written.absolute()}, {bytes_}."}


def _deletion_options(what: Mapping[str, Any]) -> dict[str, Any]:
    match what:
        case {"run": int(run), "completions": bool(completions)}:
            return {"runs": [run], "completions": completions}
        case {"table": str(name), "completions": bool(completions)}:
            return {"tables": [name], "completions": completions}
    raise UsageError(f"expected a run or a table to delete; got {what!r}.")


def _path(path: str) -> Path:
    if not path.strip():
        raise UsageError("expected the path of a file, such as session.zip.")
    return Path(path.strip())


def _same_rows(value: Any, table: Any) -> bool:
    """Whether a variable holds the same rows as a table."""
    try:
        return bool(to_arrow(value).equals(to_arrow(table)))
    except SynthkitError:
        return False


def _described(value: Any) -> str:
    try:
        return f"a table of {count(size(value), 'row')}, with other content,"
    except TableError:
        return f"a {type(value).__name__}"
