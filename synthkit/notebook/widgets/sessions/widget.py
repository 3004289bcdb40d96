"""The session browser: runs, tables and where they come from, marks, sizes, and what to do.

All of it is read from the session anew with each refresh; rows go to the browser in pages.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from pathlib import Path
from typing import Any

import traitlets

from synthkit.core.errors import SynthkitError, TableError, UsageError
from synthkit.core.formatting import count, money, thousands
from synthkit.core.types import figure
from synthkit.data import tables as table
from synthkit.notebook.widgets.base import Widget, clipped
from synthkit.sessions import inventory, lineage, named_tables, score_comparison
from synthkit.sessions.deletion import Deletion
from synthkit.sessions.named_tables import NamedTable
from synthkit.sessions.run_comparison import Comparison, ComparisonSide
from synthkit.sessions.session import Session

PAGE = 20
GRAPH_TABLES = 40
GRAPH_BYTES = 5_000
FIRST_BYTES = 5_000
"""Most bytes of rows in a trait: it is saved with the notebook, and the page is asked for."""
CHART_POINTS = 40
SHOWN = 20
"""Most counts of marks, and most labs, in a trait."""
NAME_LENGTH = 60
TEXT_LENGTH = 2_000
PROMPT_BYTES = 200_000
MOST_SCORES = 6
RUN_HEADS = [
    ["run", "sk-number"],
    ["when", "sk-session-wide sk-session-when"],
    ["name", "sk-session-named"],
    ["model", "sk-session-wide sk-session-some"],
    ["rows", "sk-number"],
    ["rejects", "sk-number sk-session-wide"],
    ["tokens", "sk-number sk-session-wide"],
    ["cost", "sk-number"],
]
"""Titles of columns, and the classes of their cells."""
TABLE_HEADS = [
    ["name", "sk-session-named"],
    ["rows", "sk-number"],
    ["size", "sk-number sk-session-wide"],
    ["when", "sk-session-wide sk-session-when"],
    ["comes from", "sk-session-wide sk-session-from"],
    ["marks", "sk-session-wide sk-session-some"],
]
_PARTS = {"completions": "answers", "runs": "book of runs", "free": "free room in the store"}


class SessionBrowser(Widget):
    """A widget that shows what a session holds, and compares, reopens, deletes and moves it.

    Parameters
    ----------
    session : the session.
    namespace : where reopened tables are bound: the notebook's variables.
    label : what the session is called; its folder's name if not given.
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
        self._runs: list[dict[str, Any]] = []
        self._tables: list[dict[str, Any]] = []
        self._stamp: Any = None
        self._said: tuple[Any, Deletion] | None = None
        about = {"name": label or session.folder.name, "page": PAGE}
        super().__init__(about={**about, "runs": RUN_HEADS, "tables": TABLE_HEADS})
        self.refresh()

    def __repr__(self) -> str:
        return f"SessionBrowser({self.session!r})"

    def refresh(self) -> None:
        """Read the session anew, if anything in it has changed."""
        with self._lock:
            stamp = self._now()
            if stamp == self._stamp:
                return
            tables = named_tables.read_all(self.session.store, self.session.table_folder)
            edges = lineage.edges(tables)
            runs = self.session.store.runs.all()
            self._runs = [_run(run, tables) for run in reversed(runs)]
            self._tables = self._shelf(tables, edges)
            with self.hold_trait_notifications():
                self.overview = self._overview(runs)
                self.first = {
                    "runs": {"total": len(self._runs), "rows": _fitting(self._runs)},
                    "tables": {"total": len(self._tables), "rows": _fitting(self._tables)},
                }
                self.graph = _graph(tables, edges)
            known, self._stamp = self._stamp is not None, stamp
        if known:
            self.changed()

    def _now(self) -> Any:
        """What is different when anything in the session is."""
        store = self.session.store
        files = [
            (path.name, path.stat().st_mtime_ns, path.stat().st_size)
            for path in sorted(self.session.table_folder.glob("*.parquet"))
        ]
        return (
            files,
            store.sizes(),
            store.completions.count(),
            store.labs.names(),
            len(store.runs.all()),
        )

    def _overview(self, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        store = self.session.store
        sizes = self.session.sizes()
        marks = inventory.mark_counts(store)
        labs = store.labs.names()[::-1]
        counts = [
            count(len(runs), "run"),
            count(len(self._tables), "table"),
            count(store.completions.count(), "answer"),
            count(sum(row["marks"] for row in marks), "mark"),
            _size(sum(sizes.values())),
        ]
        return {
            "counts": counts,
            "sizes": [[_PARTS.get(what, what), _size(size)] for what, size in sizes.items()],
            "marks": [_marked(row) for row in marks[:SHOWN]],
            "labs": [clipped(name, NAME_LENGTH) for name in labs[:SHOWN]],
            "more": max(0, len(marks) - SHOWN) + max(0, len(labs) - SHOWN),
            "chart": _chart(inventory.costs(runs)),
        }

    def _shelf(
        self, tables: Sequence[NamedTable], edges: Sequence[lineage.Edge]
    ) -> list[dict[str, Any]]:
        made = inventory.run_counts(self.session.store, tables)
        marks = inventory.label_counts(self.session.store, tables)
        rows = []
        for one in tables:
            words = [f"run {run}" for run in sorted(made[one.name])]
            words += [
                f"{edge.rows} {edge.kind} {edge.source}"
                for edge in edges
                if edge.target == one.name
            ]
            origin = clipped(
                _list(words) or "–" if not one.problem else f"✗ {one.problem}", NAME_LENGTH
            )
            labels = _list([f"{n} {label}" for label, n in marks[one.name].items()])
            cells = [one.name, thousands(one.rows), _size(one.bytes), one.when, origin]
            rows.append(
                {
                    "which": one.name,
                    "label": one.name,
                    "run": one.run or max(made[one.name], default=None),
                    "table": "" if one.problem else one.name,
                    "at": one.when,
                    "cells": [*cells, clipped(labels or "–", NAME_LENGTH)],
                    "sub": _list(
                        [_size(one.bytes), *words, *([f"marks: {labels}"] if labels else [])], 4
                    ),
                }
            )
        return rows

    def _reply(self, content: Mapping[str, Any]) -> dict[str, Any] | None:
        self.error = ""  # an error that comes once more is a change then, and seen
        with self._lock:
            match content:
                case {"type": "page", "of": "runs" | "tables" as of, "start": int(start)}:
                    rows = self._runs if of == "runs" else self._tables
                    page = rows[max(0, start) :][:PAGE]
                    return {"type": "page", "of": of, "start": start, "rows": page}
                case {"type": "refresh"}:
                    self.refresh()
                    return None
                case {"type": "compare", "a": int() | str() as a, "b": int() | str() as b}:
                    return _comparison(self.session.compare(a, b))
                case {"type": "would", "what": dict(what)}:
                    return self._would(what)
                case {"type": "delete", "what": dict(what)}:
                    return self._delete(what)
                case {"type": "reopen", "name": str(name), "over": bool(over)}:
                    return self._reopen(name, over)
                case {"type": "cell", "run": int(run)}:
                    return {"type": "cell", "text": self.session.cell(run)}
                case {"type": "export", "path": str(path), "tables": str(tables)}:
                    return self._export(path, tables)
                case {"type": "import", "path": str(path)}:
                    return self._import(path)
        raise UsageError(f"the browser got a message that it does not know: {content!r}.")

    def _would(self, what: Mapping[str, Any]) -> dict[str, Any]:
        removal = self.session.would_delete(**_asked(what))
        self._said = (what, removal)
        return {"type": "removal", "what": what, **_told(removal)}

    def _delete(self, what: Mapping[str, Any]) -> dict[str, Any]:
        """Delete what was said, and only if that is still what would go."""
        said, self._said = self._said, None
        if said is None or said[0] != what:
            raise UsageError("nothing was deleted: it was not said before what would go.")
        now = self.session.would_delete(**_asked(what))
        if now != said[1]:
            self._said = (what, now)
            told = _told(now)
            told["goes"] = f"This has changed meanwhile. {told['goes']}"
            return {"type": "removal", "what": what, **told}
        done = self.session.delete(**_asked(what))
        self.refresh()
        return {"type": "done", "told": f"Deleted: {done}. {_size(done.bytes)} are free."}

    def _reopen(self, name: str, over: bool) -> dict[str, Any]:
        loaded = self.session.load(name)
        variable = name if name.isidentifier() else re.sub(r"\W", "_", name)
        if not variable.isidentifier():
            variable = f"table_{variable}"
        held = self._namespace.get(variable)
        if held is not None and not over and not _same(held, loaded):
            return {"type": "occupied", "name": name, "told": f"{variable} is {_what(held)} now."}
        self._namespace[variable] = loaded
        told = f"{variable} has the {count(len(loaded), 'row')} that are kept under {name}."
        return {"type": "cell", "text": f"%synth show {variable}", "told": told}

    def _export(self, path: str, tables: str) -> dict[str, Any]:
        names = [name for name in re.split(r"[,\s]+", tables) if name] or None
        written = self.session.export(_path(path), names)
        size = _size(written.stat().st_size)
        return {"type": "done", "told": f"Written: {written.absolute()}, {size}."}

    def _import(self, path: str) -> dict[str, Any]:
        done = self.session.import_bundle(_path(path))
        self.refresh()
        return {"type": "done", "told": f"Imported: {done}."}


def _fitting(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As many of the first page's rows as a trait may hold."""
    room = FIRST_BYTES
    for n, row in enumerate(rows[:PAGE]):
        room -= len(json.dumps(row, ensure_ascii=False).encode())
        if room < 0:
            return list(rows[:n])
    return list(rows[:PAGE])


def _path(path: str) -> Path:
    if not path.strip():
        raise UsageError("expected the path of a file, such as session.zip.")
    return Path(path.strip())


def _run(run: Mapping[str, Any], tables: Sequence[NamedTable]) -> dict[str, Any]:
    """A run as the browser takes it; ``table`` is the kept table that it made, if there is one."""
    name, model = (_start(run[key]) for key in ("name", "model"))
    tokens = thousands(run["prompt_tokens"] + run["completion_tokens"])
    cost = "–" if run["cost"] is None else money(run["cost"])
    rejects = thousands(run["rejects"])
    cells = [str(run["run"]), run["at"], name or "–", model, thousands(run["rows"])]
    return {
        "which": run["run"],
        "label": f"run {run['run']} ({name})" if name else f"run {run['run']}",
        "run": run["run"],
        "table": next((one.name for one in tables if one.run == run["run"]), ""),
        "at": run["at"],
        "cells": [*cells, rejects, tokens, cost],
        "sub": f"{model}, {count(run['rejects'], 'reject')}, {tokens} tokens",
    }


def _marked(row: Mapping[str, Any]) -> list[Any]:
    texts = [clipped(row[key], NAME_LENGTH) for key in ("task", "by", "label")]
    look = "first look" if row["round"] == 1 else "second look"
    return [texts[0] or "–", *texts[1:], look, thousands(row["marks"])]


def _graph(tables: Sequence[NamedTable], edges: Sequence[lineage.Edge]) -> dict[str, Any]:
    """The newest tables and their edges, as many as a trait may hold."""
    for most in range(min(GRAPH_TABLES, len(tables)), -1, -1):
        drawn = sorted(tables[:most], key=lambda one: (one.born, one.name))
        names = {one.name for one in drawn}
        among = [edge for edge in edges if edge.source in names and edge.target in names]
        places = lineage.places([one.name for one in drawn], among)
        graph = {
            "boxes": [
                {"name": one.name, "rows": one.rows, "x": x, "y": y}
                for one in drawn
                for x, y in [places[one.name]]
            ],
            "edges": [[edge.source, edge.target, edge.kind, edge.rows] for edge in among],
            "hidden": len(tables) - most,
        }
        if len(json.dumps(graph)) <= GRAPH_BYTES:
            break
    return graph


def _chart(costs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Points (time, sum up to it) of the dollars, or of the tokens where nothing was paid."""
    unit = "total_cost" if costs and costs[-1]["total_cost"] else "total_tokens"
    step = max(1, -(-len(costs) // CHART_POINTS))
    chosen = [*costs[: len(costs) - 1 : step], *costs[-1:]]
    return {
        "unit": "US dollars" if unit == "total_cost" else "tokens",
        "points": [[one["at"], one[unit], one["run"]] for one in chosen],
        "unpriced": sum(one["cost"] is None for one in costs),
    }


def _asked(what: Mapping[str, Any]) -> dict[str, Any]:
    match what:
        case {"run": int(run), "completions": bool(completions)}:
            return {"runs": [run], "completions": completions}
        case {"table": str(name), "completions": bool(completions)}:
            return {"tables": [name], "completions": completions}
    raise UsageError(f"expected a run or a table to delete; got {what!r}.")


def _told(removal: Deletion) -> dict[str, Any]:
    return {
        "goes": f"Would go: {removal}: {_size(removal.bytes)}. This cannot be undone.",
        "stays": [clipped(text, TEXT_LENGTH) for text in removal.stays],
    }


def _comparison(found: Comparison) -> dict[str, Any]:
    """A comparison as texts: facts of both sides, fields that differ, the prompts word by word."""
    a, b = sides = (found.a, found.b)
    facts: list[list[Any]] = [["", a.label, b.label]]
    facts.append(["table", *(_start(side.name) or "–" for side in sides)])
    facts += [[name, *(read(side) for side in sides)] for name, read in _FACTS.items()]
    fields = [
        [name, *(clipped(value, TEXT_LENGTH) for value in pair)] for name, *pair in found.fields
    ]
    if a.ids is None or b.ids is None:
        lines = ["The rows of one of them were not written down, so they cannot be matched."]
    else:
        only = (
            f"{thousands(len(ids))} only in {side.label}"
            for ids, side in ((found.only_a, a), (found.only_b, b))
        )
        lines = [f"{count(len(found.common), 'row')} in common, {', '.join(only)}."]
    lines += _scores_apart(found)
    if not fields:
        lines.append("Nothing that is known differs in model, sampling or schema.")
    prompt = [list(piece) for piece in found.prompt or ()]
    if found.prompt is None or len(json.dumps(prompt)) > PROMPT_BYTES:
        prompt = []
        lines.append("The prompts are not both known, or too long to be compared.")
    elif all(kind == "same" for kind, _ in prompt):
        lines.append("The prompt is the same:")
    else:
        lines.append(f"The prompt, from {a.label} to {b.label}:")
    return {
        "type": "comparison",
        "facts": facts,
        "fields": fields,
        "lines": lines,
        "prompt": prompt,
    }


def _scores_apart(found: Comparison) -> list[str]:
    """The metrics in which two sides differ, and how many they do not."""
    if not found.scores:
        return []
    rows = [dict(zip(score_comparison.COLUMNS, one, strict=True)) for one in found.scores]
    known = [row for row in rows if not row["verdict"].startswith(("not", "no "))]
    told = [
        f"{row['metric']}: {figure(row['a'])} against {figure(row['b'])}, {row['verdict']}."
        for row in known[:MOST_SCORES]
    ]
    more = len(known) - len(told)
    told += [f"{count(more, 'further metric')} differ."] if more > 0 else []
    return [*told, f"Not told apart in {len(rows) - len(known)} of {count(len(rows), 'metric')}."]


def _accepted(side: ComparisonSide) -> str:
    if side.rate is None:
        return "no marks"
    low, high = side.interval
    return f"{side.rate:.2f} [{low:.2f}, {high:.2f}] of {thousands(side.judged)}"


def _tokens(run: Mapping[str, Any]) -> str:
    return thousands(run["prompt_tokens"] + run["completion_tokens"])


def _of_run(read: Callable[[Mapping[str, Any]], str]) -> Callable[[ComparisonSide], str]:
    return lambda side: read(side.run) if side.run else "–"


_FACTS: Mapping[str, Callable[[ComparisonSide], str]] = {
    "model": _of_run(lambda run: _start(run["model"])),
    "rows": lambda side: thousands(len(side.ids)) if side.ids is not None else "not known",
    "rejects": _of_run(lambda run: thousands(run["rejects"])),
    "requests": _of_run(lambda run: thousands(run["requests"])),
    "from the session": _of_run(lambda run: thousands(run["hits"])),
    "tokens": _of_run(_tokens),
    "seconds": _of_run(lambda run: f"{run['seconds']:.1f} s"),
    "cost": _of_run(lambda run: "not known" if run["cost"] is None else money(run["cost"])),
    "accepted": _accepted,
}


def _same(held: Any, loaded: Any) -> bool:
    """Whether a variable holds the very rows that are kept."""
    try:
        return bool(table.to_arrow(held).equals(table.to_arrow(loaded)))
    except SynthkitError:
        return False


def _what(held: Any) -> str:
    try:
        return f"a table of {count(table.size(held), 'row')}, with other content,"
    except TableError:
        return f"a {type(held).__name__}"


def _start(text: str) -> str:
    """The beginning of a text that should be short."""
    start = clipped(text, NAME_LENGTH)
    return f"{start[0]}…" if isinstance(start, list) else str(start)


def _size(size: int) -> str:
    """Bytes as people say them.

    >>> _size(999), _size(1_250_000)
    ('999 B', '1.2 MB')
    """
    amount, unit = float(size), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"


def _list(words: Sequence[str], most: int = 6) -> str:
    rest = len(words) - most
    return ", ".join([*words[:most], *([f"{rest} more"] if rest > 0 else [])])
