"""``%synth mark`` and ``%synth marks``: judge rows one by one, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument
from IPython.display import display

from synthkit import table as tables
from synthkit.curate.marks import frame, split, standing
from synthkit.errors import UsageError
from synthkit.extras import need
from synthkit.frontend import interactive
from synthkit.jupyter.display import count, grid
from synthkit.jupyter.verbs.verb import Verb

if TYPE_CHECKING:
    from synthkit.jupyter.magics import SynthMagics


def mark(magics: SynthMagics, options: Any) -> Any:
    """Judge a table's rows one by one, by key or by mouse; bound to TABLE_marker."""
    name = options.table.removeprefix("@")
    given = {
        "name": name,
        "session": magics.session,
        "text": options.text,
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
    }
    held = magics.names.table(name)
    reasons, keys = _words(options.reasons), _keys(options.keys)
    module = need("synthkit.jupyter.marker", extra="notebook", why="to mark rows")
    if not interactive():
        made = module.Desk(held, **given)
        module.bindings(keys, made.labels)
        magics.shell.user_ns[f"{name}_marker"] = made
        return made.summary()
    marker = module.Marker(held, reasons=reasons, keys=keys, **given)
    magics.shell.user_ns[f"{name}_marker"] = magics.show(marker)
    marker.keep(display(marker.summary().twin, display_id=True))
    return None


def marks(magics: SynthMagics, options: Any) -> Any:
    """The marks of a table; binds TABLE_marks, TABLE_kept and TABLE_dropped."""
    name = options.table.removeprefix("@")
    held = tables.identified(magics.names.table(name))
    ids = [str(id) for id in tables.column(held, "id")]
    said = magics.session.marks(task=options.task, rows=ids)
    made = split(held, said)
    stands = [one for one in standing(said).values() if one.label]
    magics.shell.user_ns |= {
        f"{name}_marks": frame(standing(said).values()),
        f"{name}_kept": made.kept,
        f"{name}_dropped": made.dropped,
    }
    people = list(dict.fromkeys((one.by, one.round) for one in stands))
    labels = dict.fromkeys(one.label for one in stands)
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
    return grid(rows, note=f"{name}: {told}; bound {name}_marks, {name}_kept, {name}_dropped")


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
