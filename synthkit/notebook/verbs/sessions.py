"""``%synth session``, ``export``, ``import`` and ``trace``: what is kept, and moved."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument
from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import TableError
from synthkit.core.extras import need
from synthkit.core.formatting import count, money
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.curate.marks.history import current_marks
from synthkit.notebook.verbs.verb import Verb
from synthkit.sessions import inventory, lineage, named_tables
from synthkit.sessions.session import Session
from synthkit.store.completions import StoredCompletion

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics

MOST = 20


def session(magics: SynthMagics, options: Any) -> Any:
    """The session's runs and tables, to look at, compare, reopen; with a folder, go there."""
    if options.folder:
        magics.folder = options.folder
    here, label = magics.session, magics.folder
    if not interactive():
        return outline(here, label)
    sessions = need(
        "synthkit.notebook.widgets.sessions.widget", extra="notebook", why="to browse a session"
    )
    browser = magics.show(sessions.SessionBrowser(here, magics.shell.user_ns, label=label))
    place = display(outline(here, label).for_widget, display_id=True)
    browser.changed = lambda: place.update(outline(here, label).for_widget)
    return None


def outline(here: Session, label: str) -> StaticOutput:
    """The newest runs as a table, and the kept tables with what they come from, in words."""
    runs = here.store.runs.all()
    rows = [
        {
            "run": run["name"] or "-",
            "model": run["model"],
            "rows": run["rows"],
            "rejects": run["rejects"],
            "requests": run["requests"],
            "hits": run["hits"],
            "cost": "-" if run["cost"] is None else money(run["cost"]),
            "stopped": run["stopped"],
        }
        for run in runs[-MOST:]
    ]
    tables = named_tables.read_all(here.store, here.table_folder)
    tables.sort(key=lambda one: one.name)
    told = [f"{count(len(runs) - MOST, 'older run')} not shown"] if len(runs) > MOST else []
    told += [f"{one.name}: {count(one.rows, 'row')}" for one in tables[:MOST]]
    told += sorted(map(str, lineage.edges(tables)))[:MOST]
    told += [
        f"{count(row['marks'], 'mark')} by {row['by'] or 'no one'}: {row['label']}"
        for row in inventory.mark_counts(here.store)[:MOST]
    ]
    names = _first([one.name for one in tables]) or "none yet"
    return static_table(
        rows,
        note=f"session {label}: {here.store.completions.count()} answers; tables: {names}",
        notes=told,
    )


def _first(names: Sequence[str], most: int = 10) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def export(magics: SynthMagics, options: Any) -> Any:
    """The session in one .zip file to share; or some of its tables, with what they rest on."""
    written = magics.session.export(options.file, options.tables or None, over=options.over)
    print(f"written: {written}")


def import_(magics: SynthMagics, options: Any) -> Any:
    """Add what another session exported; what is here stays."""
    print(f"imported: {magics.session.import_bundle(options.file)}")


def trace(magics: SynthMagics, options: Any) -> Any:
    """A row back to its prompt, model, sampling and raw answer; then what was decided of it."""
    decided = _decided(magics.session, options.id)
    try:
        behind = magics.session.trace(options.id)
    except TableError:
        if not decided:
            raise
        behind = []
    return static_table([*(part for stored in behind for part in _told(stored)), *decided])


def _told(stored: StoredCompletion) -> list[dict[str, Any]]:
    request, completion = stored.request, stored.completion
    rows = [{"part": role, "value": content} for role, content in request["messages"]]
    rows += [
        {"part": "answer", "value": completion.text},
        {"part": "model", "value": request["model"]},
        {"part": "sampling", "value": request["sampling"]},
        {"part": "sample index", "value": request["index"]},
        {"part": "finish", "value": completion.finish},
        {"part": "tokens in", "value": completion.prompt_tokens},
        {"part": "tokens out", "value": completion.completion_tokens},
    ]
    if request["schema"]:
        rows.append({"part": "schema", "value": request["schema"]})
    return rows


def _decided(here: Session, id: str) -> list[dict[str, Any]]:
    """What filters decided of a row, then the marks on it that stand."""
    said: list[tuple[str, tuple[str, ...]]] = []
    for one in here.store.curations.verdicts([id]):
        by, of = one["filter"], one["name"]
        said.append((one["verdict"], (one["why"], by and f"by {by}", of and f"of {of}")))
    for mark in current_marks(here.store.marks.for_rows([id])).values():
        told = (mark.label, mark.reason, mark.by and f"by {mark.by}", mark.task)
        said.append(("mark", told))
    return [{"part": part, "value": ", ".join(filter(None, told))} for part, told in said]


SESSION = Verb(
    "session",
    session,
    (argument("folder", nargs="?", metavar="FOLDER", help="go to the session in this folder"),),
)
EXPORT = Verb(
    "export",
    export,
    (
        argument("file", metavar="FILE", help="the file to write; .zip if it has no ending"),
        argument("tables", nargs="*", metavar="TABLE", help="only these tables"),
        argument("--over", action="store_true", help="write in the place of a file that is there"),
    ),
)
IMPORT = Verb("import", import_, (argument("file", metavar="FILE", help="a file of an export"),))
TRACE = Verb("trace", trace, (argument("id", metavar="ID", help="the id of one row"),))
