"""``%synth mark`` and ``%synth marks``: judge rows one by one, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument
from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.static_output import static_table
from synthkit.curate.marks.history import current_marks
from synthkit.curate.marks.preferences import PAIR, PREFERENCES, preferred
from synthkit.curate.marks.tables import marks_frame, split_by_marks
from synthkit.data import tables as tables
from synthkit.notebook.verbs.verb import Verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from synthkit.core.types import Mark
    from synthkit.notebook.magics import SynthMagics


def mark(magics: SynthMagics, options: Any) -> Any:
    """Judge a table's rows, or its pairs, one by one, by key or by mouse; bound to TABLE_marker."""
    name = options.table.removeprefix("@")
    given = {
        "name": name,
        "session": magics.session,
        "column": options.text,
        "show": _words(options.show) or None,
        "labels": _words(options.labels),
        "order": options.order or ("uncertain" if options.score else "sequence"),
        "score": _score(magics, options.score),
        "embed": magics.embedder(options.embedder).embed if options.embedder else None,
        "disagree": _words(options.disagree),
        "seed": options.seed,
        "again": options.again,
        "by": options.by,
        "task": options.task,
        "pair": PAIR if options.pair else None,
    }
    held = magics.names.table(name)
    reasons, keys = _words(options.reasons), _keys(options.keys)
    module = need("synthkit.notebook.widgets.marker.widget", extra="notebook", why="to mark rows")
    if not interactive():
        made = module.open_queue(held, **given)
        module.bindings(keys, made.labels, pair=options.pair)
        magics.shell.user_ns[f"{name}_marker"] = made
        return made.summary()
    marker = module.Marker(held, reasons=reasons, keys=keys, **given)
    magics.shell.user_ns[f"{name}_marker"] = magics.show(marker)
    marker.keep(display(marker.summary().for_widget, display_id=True))
    return None


def marks(magics: SynthMagics, options: Any) -> Any:
    """The marks of a table; binds TABLE_marks, and TABLE_kept and _dropped, or of pairs _judged."""
    name = options.table.removeprefix("@")
    held = tables.identified(magics.names.table(name))
    ids = [str(id) for id in tables.column(held, "id")]
    said = magics.session.marks(task=options.task, rows=ids)
    stands = [one for one in current_marks(said).values() if one.label]
    magics.shell.user_ns[f"{name}_marks"] = marks_frame(current_marks(said).values())
    labels = dict.fromkeys(one.label for one in stands)
    if set(PAIR) <= set(tables.columns(held)) and set(PREFERENCES) & set(labels):
        return _preferences(magics, name, preferred(held, said), said)
    made = split_by_marks(held, said)
    magics.shell.user_ns |= {f"{name}_kept": made.kept, f"{name}_dropped": made.dropped}
    people = list(dict.fromkeys((one.by, one.round) for one in stands))
    rows = [
        {"by": by + (", second look" if round == 2 else "")}
        | {
            label: sum((o.by, o.round, o.label) == (by, round, label) for o in stands)
            for label in labels
        }
        for by, round in people
    ]
    kept, dropped = tables.size(made.kept), tables.size(made.dropped)
    rest = len(ids) - kept - dropped
    told = f"{count(len(ids), 'row')}: {kept} kept, {dropped} dropped, {rest} undecided"
    return static_table(
        rows, note=f"{name}: {told}; bound {name}_marks, {name}_kept, {name}_dropped"
    )


def _preferences(magics: SynthMagics, name: str, judged: Any, said: Sequence[Mark]) -> Any:
    """The systems of a table of pairs, the best first, and whether people liked a side."""
    from synthkit.evaluate.raters.preferences import standings
    from synthkit.notebook.widgets.marker.pairs import side_notes, standing_rows

    magics.shell.user_ns[f"{name}_judged"] = judged
    outcomes = [outcome for outcome in tables.column(judged, "outcome") if outcome in PREFERENCES]
    told = f"{len(outcomes)} of {count(tables.size(judged), 'pair')} judged"
    note = f"{name}: {told}; bound {name}_marks, {name}_judged"
    return static_table(standing_rows(standings(judged)), note=note, notes=side_notes(said))


def _words(text: str | None) -> list[str]:
    return [part.strip() for part in (text or "").split(",") if part.strip()]


def _keys(text: str | None) -> dict[str, str]:
    found = {}
    for pair in _words(text):
        action, equals, key = pair.partition("=")
        if not equals:
            raise UsageError(f"--keys {pair}: expected ACTION=KEY, such as accept=j.")
        found[action.strip()] = key.strip()
    return found


def _score(magics: SynthMagics, text: str | None) -> Any:
    """A column's name, or the function in ``@variable``."""
    if text is None or not text.startswith("@"):
        return text
    found = magics.names.value(text[1:])
    if not callable(found):
        raise UsageError(f"--score {text}: expected a function; got {type(found).__name__}.")
    return found


_TABLE = argument("table", metavar="TABLE", help="a variable, or a table kept in the session")
_TASK = argument("--task", default="", metavar="NAME", help="another question on the same rows")
MARK = Verb(
    "mark",
    mark,
    (
        _TABLE,
        argument("--text", metavar="COLUMN", help="what is judged; the longest if not given"),
        argument("--show", metavar="A,B", help="columns above it; all others if not given"),
        argument("--pair", action="store_true", help="first or second: which is better, blind"),
        argument("--labels", metavar="A,B,C", help="keys 1 to 9, in place of accept"),
        argument("--reasons", metavar="A,B,C", help="quick choices for why a row is rejected"),
        argument("--keys", metavar="ACTION=KEY,...", help="other keys: accept=j,reject=k"),
        argument(
            "--order",
            choices=["sequence", "random", "uncertain", "disagreement"],
            help="which row comes next",
        ),
        argument(
            "--score",
            metavar="COLUMN",
            help="for uncertain: P(accept), or @function; learned if not given",
        ),
        argument("--embedder", metavar="NAME", help="to learn by: wordllama or minilm"),
        argument("--disagree", metavar="A,B", help="for disagreement: columns of judgements"),
        argument("--seed", type=int, default=0, help="of the random order and the sample"),
        argument("--again", type=int, default=0, metavar="N", help="mark N rows once more, blind"),
        argument("--by", metavar="NAME", help="who marks; the account's name if not given"),
        _TASK,
    ),
)
MARKS = Verb("marks", marks, (_TABLE, _TASK))
