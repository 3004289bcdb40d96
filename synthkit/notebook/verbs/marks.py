"""``%synth mark`` judges rows one by one; ``%synth marks`` shows the marks and splits the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.core.types import Mark
from synthkit.curate.marks.history import current_marks
from synthkit.curate.marks.preferences import PAIR, PREFERENCES, preferred
from synthkit.curate.marks.tables import marks_frame, split_by_marks
from synthkit.data import tables
from synthkit.notebook.context import Context
from synthkit.notebook.names import words
from synthkit.notebook.verbs._base import READ_COLUMNS, TABLE_NAME, argument, verb
from synthkit.sessions.classroom.assignment import own_rows
from synthkit.sessions.people import HINT, ME


@verb(
    TABLE_NAME,
    argument("--column", metavar="COLUMN", help="column to judge; default: the longest texts"),
    argument("--show", metavar="A,B", help="columns above it; default: all others"),
    argument("--pair", action="store_true", help="compare the texts first and second, blind"),
    argument("--labels", metavar="A,B,C", help="labels for keys 1 to 9; default: accept"),
    argument("--reasons", metavar="A,B,C", help="quick choices of reasons for a reject"),
    argument(
        "--keys",
        metavar="ACTION=KEY,...",
        help="other keys: accept=j,reject=k; default: accept=a,reject=x",
    ),
    argument(
        "--order",
        choices=["sequence", "random", "uncertain", "disagreement"],
        help="order of the rows; default: sequence, or uncertain with --score",
    ),
    argument(
        "--score",
        metavar="COLUMN",
        help="for uncertain: column of P(accept), or @function; default: learned from the marks",
    ),
    argument(
        "--embedder",
        metavar="EMBEDDER",
        help="to learn from: a variable or a spec; default: wordllama",
    ),
    READ_COLUMNS,
    argument("--disagree", metavar="A,B", help="for disagreement: columns of judgements"),
    argument("--seed", type=int, default=0, help="seed of the order; default: %(default)s"),
    argument(
        "--again",
        type=int,
        default=0,
        metavar="N",
        help="mark N rows a second time, blind; default: %(default)s",
    ),
    argument("--by", metavar="NAME", help="annotator; default: the name of %%synth me"),
    argument("--task", default="", metavar="NAME", help="another question about the same rows"),
    argument("--assigned", action="store_true", help="only your rows: %%synth class assign"),
)
def mark(context: Context, options: Any) -> Any:
    """Judge rows or pairs one by one, by keyboard or mouse; binds TABLE_marker."""
    name = options.table.removeprefix("@")
    table = context.names.table(name)
    if options.assigned:
        table = own_rows(context.session, name, table, by=options.by)
    settings = {
        "name": name,
        "column": options.column,
        "show": words(options.show) or None,
        "labels": words(options.labels),
        "order": options.order or ("uncertain" if options.score else "sequence"),
        "score": _score(context, options.score),
        "embed": context.embedder(options.embedder).embed if options.embedder else None,
        "reads": words(options.reads),
        "disagree": words(options.disagree),
        "seed": options.seed,
        "again": options.again,
        "by": options.by,
        "task": options.task,
        "pair": PAIR if options.pair else None,
    }
    return open_marker(
        context, table, reasons=words(options.reasons), keys=_keys(options.keys), **settings
    )


def open_marker(
    context: Context,
    table: Any,
    *,
    name: str,
    to: str = "",
    by: str | None = None,
    reasons: Sequence[str] = (),
    keys: Mapping[str, str] | None = None,
    pair: Sequence[str] | None = None,
    **settings: Any,
) -> StaticOutput | None:
    """Open a marker of a table; without a person, return its static output.

    Parameters
    ----------
    to : the variable to bind it to, by default ``NAME_marker``.
    """
    to = to or f"{name}_marker"
    module = need("synthkit.notebook.widgets.marker.widget", extra="notebook", why="to mark rows")
    settings |= {"name": name, "by": by, "session": context.session, "pair": pair}
    if not interactive():
        queue = module.open_queue(table, **settings)
        module.bindings(keys or {}, queue.labels, pair=pair is not None)
        context.bind({to: queue})
        summary: StaticOutput = queue.summary()
        return summary
    if not by and context.session.person == ME:
        context.hint(f"marks are by {ME!r}; {HINT}")
    marker = module.Marker(table, reasons=reasons, keys=keys, **settings)
    context.bind({to: context.show(marker)})
    marker.keep(display(marker.summary().for_widget, display_id=True))
    return None


@verb(
    TABLE_NAME,
    argument("--task", default="", metavar="NAME", help="task of the marks; default: no task"),
)
def marks(context: Context, options: Any) -> StaticOutput:
    """Show the marks of a table, and split it into TABLE_kept and TABLE_dropped.

    Also binds TABLE_marks. Marked pairs are bound to TABLE_judged, and are not split.
    """
    name = options.table.removeprefix("@")
    table = tables.identified(context.names.table(name))
    ids = [str(id) for id in tables.column(table, "id")]
    history = context.session.marks(task=options.task, rows=ids)
    current = current_marks(history).values()
    labelled = [mark for mark in current if mark.label]
    bound = context.bind({f"{name}_marks": marks_frame(current)})
    labels = dict.fromkeys(mark.label for mark in labelled)
    if set(PAIR) <= set(tables.columns(table)) and set(PREFERENCES) & set(labels):
        return _preferences(context, name, preferred(table, history), history, bound)
    curation = split_by_marks(table, history)
    split = context.bind({f"{name}_kept": curation.kept, f"{name}_dropped": curation.dropped})
    people = list(dict.fromkeys((mark.person, mark.round) for mark in labelled))
    rows = [
        {"by": by + (", second look" if round == 2 else "")}
        | {
            label: sum((m.person, m.round, m.label) == (by, round, label) for m in labelled)
            for label in labels
        }
        for by, round in people
    ]
    kept, dropped = tables.size(curation.kept), tables.size(curation.dropped)
    rest = len(ids) - kept - dropped
    counts = f"{count(len(ids), 'row')}: {kept} kept, {dropped} dropped, {rest} undecided"
    note = f"{name}: {counts}; {bound}, {split.removeprefix('bound ')}"
    return static_table(rows, note=note)


def _preferences(
    context: Context, name: str, judged: Any, history: Sequence[Mark], bound: str
) -> StaticOutput:
    """The systems of a table of pairs, the best first, and whether a side was preferred."""
    from synthkit.evaluate.raters.preferences import standings
    from synthkit.notebook.widgets.marker.pairs import side_notes, standing_rows

    bound += ", " + context.bind({f"{name}_judged": judged}).removeprefix("bound ")
    outcomes = [outcome for outcome in tables.column(judged, "outcome") if outcome in PREFERENCES]
    counts = f"{len(outcomes)} of {count(tables.size(judged), 'pair')} judged"
    note = f"{name}: {counts}; {bound}"
    return static_table(standing_rows(standings(judged)), note=note, notes=side_notes(history))


def _keys(text: str | None) -> dict[str, str]:
    """Action -> key, from ``action=key,action=key``."""
    keys = {}
    for pair in words(text):
        action, equals, key = pair.partition("=")
        if not equals:
            raise UsageError(f"--keys {pair}: expected ACTION=KEY, such as accept=j.")
        keys[action.strip()] = key.strip()
    return keys


def _score(context: Context, text: str | None) -> Any:
    """A column's name, or the function in ``@variable``."""
    if text is None or not text.startswith("@"):
        return text
    function = context.names.value(text)
    if not callable(function):
        raise UsageError(f"--score {text}: expected a function; got {type(function).__name__}.")
    return function
