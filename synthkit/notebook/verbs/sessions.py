"""``%synth session``, ``me``, ``export``, ``import``, ``trace``: stored runs, tables and rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import TableError
from synthkit.core.extras import need
from synthkit.core.files import existing
from synthkit.core.formatting import count, money
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.curate.marks.history import current_marks
from synthkit.notebook.arguments import repeated
from synthkit.notebook.context import Context
from synthkit.notebook.names import python_name
from synthkit.notebook.output.provenance import (
    completion_texts,
    finish,
    message_texts,
    sampling_text,
    tokens_in,
    tokens_out,
)
from synthkit.notebook.verbs._base import argument, verb
from synthkit.sessions import inventory, lineage, named_tables, people
from synthkit.sessions.current import FOLDER
from synthkit.sessions.current import session as open_session
from synthkit.sessions.session import Session
from synthkit.share import imports
from synthkit.store.address import URL
from synthkit.store.completions import StoredCompletion
from synthkit.store.store import Store

MOST = 20
"""Runs, tables and other entries that the static output of a session lists of each kind."""


@verb(
    argument(
        "folder", nargs="?", metavar="FOLDER", help="open the session here; default: the current"
    ),
    repeated("--attach", "SOURCE", "find here what another session's folder, bundle or URL holds"),
    argument("--share", action="store_true", help="add what is asked here to attached folders"),
    argument(
        "--store",
        metavar="URL",
        help="keep the store of a new folder in a PostgreSQL database: postgresql://me@host/db#name",
    ),
)
def session(context: Context, options: Any) -> Any:
    """Browse the session's runs and tables; with a folder, open the session there."""
    if options.folder or options.store:
        folder = options.folder or context.settings.folder
        open_session(folder, store=options.store)  # raises before the notebook's folder changes
        context.settings.folder = folder
    session, label = context.session, context.settings.folder
    if session.store.path.name == URL:
        label = f"{label} ({session.store.place})"
    for source in options.attach:
        session.attach(source, read_only=not options.share)
    if options.attach:
        print("\n".join(map(str, session.attached)))
        return None
    if not interactive():
        return outline(session, label)
    module = need(
        "synthkit.notebook.widgets.sessions.widget", extra="notebook", why="to browse a session"
    )
    browser = context.show(module.SessionBrowser(session, context.variables, label=label))
    place = display(outline(session, label).for_widget, display_id=True)
    browser.changed = lambda: place.update(outline(session, label).for_widget)
    return None


@verb(argument("name", nargs="*", metavar="NAME", help="such as Maya; default: show it"))
def me(context: Context, options: Any) -> None:
    """Name yourself: your marks are by that name; alone, show the name."""
    session, former = context.session, context.session.person
    if options.name:
        session.person = " ".join(options.name)
    name = session.person
    print(f"marks are by {name!r}" + ("" if name != people.ME else f"; {people.HINT}"))
    for other in dict.fromkeys([former, people.ME] if options.name else ()):
        n = len(people.marks_by(session.store, other))
        if n and other != name:
            print(f"{count(n, 'mark')} by {other!r} stay{'s' if n == 1 else ''} by {other!r}")


def outline(session: Session, label: str) -> StaticOutput:
    """The newest runs first, as in the widget; tables, lineage and marks as notes."""
    runs = session.store.runs.all()
    rows = [
        {
            "run": inventory.run_title(run) or "–",
            "model": run["model"],
            "rows": run["rows"],
            "rejects": run["rejects"],
            "requests": run["requests"],
            "hits": run["hits"],
            "cost": "–" if run["cost"] is None else money(run["cost"]),
            "stopped": run["stopped"],
        }
        for run in reversed(runs[-MOST:])
    ]
    tables = named_tables.read_all(session.store, session.table_folder)
    tables.sort(key=lambda table: table.name)
    notes = [f"{count(len(runs) - MOST, 'older run')} not shown"] if len(runs) > MOST else []
    notes += [
        f"{table.name}: {f'✗ {table.problem}' if table.problem else count(table.rows, 'row')}"
        for table in tables[:MOST]
    ]
    notes += sorted(map(str, [*lineage.edges(tables), *lineage.origins(tables)]))[:MOST]
    notes += [
        f"{count(row['marks'], 'mark')} by {row['by'] or 'no one'}: {row['label']}"
        for row in inventory.mark_counts(session.store)[:MOST]
    ]
    names = _first([table.name for table in tables]) or "none yet"
    completions = count(session.store.completions.count(), "completion")
    return static_table(rows, note=f"session {label}: {completions}; tables: {names}", notes=notes)


def _first(names: Sequence[str], most: int = 10) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


@verb(
    argument("file", metavar="FILE", help="file to write; .zip is added if it has no ending"),
    argument("tables", nargs="*", metavar="TABLE", help="only these tables; default: everything"),
    repeated("--notebook", "NOTEBOOK", "add the hash of a saved notebook, and its figures"),
    argument("--allow-secrets", action="store_true", help="export what looks like a key, too"),
    argument("--over", action="store_true", help="replace an existing file"),
)
def export(context: Context, options: Any) -> None:
    """Write the session, or some tables with their provenance, to one .zip file."""
    path = context.session.export(
        options.file,
        options.tables or None,
        over=options.over,
        notebooks=options.notebook,
        allow_secrets=options.allow_secrets,
    )
    print(f"written: {path}")


@verb(
    "import",
    argument(
        "file",
        metavar="FILE",
        help="a file that %%synth export wrote, or an output of DataDreamer, distilabel, an OpenAI "
        "batch or ShareGPT",
    ),
    argument("--to", metavar="NAME", help="variable of a table of another program"),
    argument("--bind", action="store_true", help="bind each table of a bundle to its name"),
)
def import_(context: Context, options: Any) -> None:
    """Add an exported session to this one, or bind tables that another program made."""
    path = Path(options.file).expanduser()
    if not (existing(path) and path.is_dir()) and path.suffix not in (".json", ".jsonl"):
        _import_bundle(context, path, options.bind)
        return
    if options.to:
        context.check_variable(options.to)
    read = imports.read(path)
    wanted = {_wanted(options.to, name, len(read)): table for name, table in read.items()}
    free = context.bindings.free(wanted, context.verb, context.session.names())
    for name in wanted:
        context.check_variable(free[name])
    for name, table in wanted.items():
        context.session.save(free[name], table)
    rows = count(sum(map(len, read.values())), "row")
    bound = context.bind({free[name]: wanted[name] for name in wanted}, chosen=free.values())
    print(f"imported: {rows}; {bound}")


def _import_bundle(context: Context, path: Path, bind: bool) -> None:
    """Add a bundle to the session; say how to get each of its tables, or bind them."""
    imported = context.session.import_bundle(path)
    print(f"imported: {imported}")
    # names that a variable can have come first, so that they stay
    tables = sorted(imported.loads.values(), key=lambda name: python_name(name) != name)
    if bind:
        values = {name: context.session.load(name) for name in tables}
        print(context.bind(values) if values else "the bundle has no tables")
        return
    folder = context.settings.folder
    session = f"synthkit.session({'' if folder == FOLDER else repr(folder)})"
    others = set(context.session.names()) - set(tables)  # a variable would hide them
    for name, variable in context.bindings.free(tables, context.verb, others).items():
        print(f"import synthkit; {variable} = {session}.load({name!r})")


def _wanted(to: str | None, name: str, n: int) -> str:
    """The name of one of ``n`` tables."""
    return name if to is None else to if n == 1 else f"{to}_{name}"


@verb(
    argument("id", metavar="ID", help="the id of a row, or an expression: {reviews.id[3]}"),
)
def trace(context: Context, options: Any) -> StaticOutput:
    """Trace a row to its prompt, model, sampling, raw output, verdicts and marks."""
    decisions = _decisions(context.session, options.id)
    try:
        behind = context.session.trace(options.id)
    except TableError:
        if not decisions:
            raise
        behind = []
    parts = (part for stored in behind for part in _parts(stored, context.session.store))
    return static_table([*parts, *decisions])


def _parts(stored: StoredCompletion, store: Store) -> list[dict[str, Any]]:
    """What a completion rests on."""
    request, completion = stored.request, stored.completion
    names = store.models.names()
    rows = [{"part": name, "value": text} for name, text in message_texts(request)]
    rows += [
        *({"part": name, "value": text} for name, text in completion_texts(completion)),
        {"part": "model", "value": names.get(request["model"], request["model"])},
        {"part": "sampling", "value": sampling_text(request)},
        {"part": "seed", "value": request["sampling"]["seed"]},
        {"part": "sample index", "value": request["index"]},
        {"part": "finish", "value": finish(completion)},
        {"part": "tokens in", "value": tokens_in(completion)},
        {"part": "tokens out", "value": tokens_out(completion)},
    ]
    if request["schema"]:
        rows.append({"part": "schema", "value": request["schema"]})
    if completion.how:
        rows.append({"part": "how", "value": completion.how})
    if stored.source:
        rows.append({"part": "asked by", "value": people.asked_by(store, stored.source)})
    return rows


def _decisions(session: Session, id: str) -> list[dict[str, Any]]:
    """The verdicts of filters on a row, then its current marks."""
    decided: list[tuple[str, Sequence[str]]] = [
        (
            verdict["verdict"],
            [
                verdict["why"],
                verdict["filter"] and f"by {verdict['filter']}",
                verdict["name"] and f"of {verdict['name']}",
            ],
        )
        for verdict in session.store.curations.verdicts([id])
    ]
    decided += [
        ("mark", [mark.label, mark.reason, mark.by and f"by {mark.person}", mark.task])
        for mark in current_marks(session.store.marks.for_rows([id])).values()
    ]
    return [{"part": part, "value": ", ".join(filter(None, words))} for part, words in decided]
