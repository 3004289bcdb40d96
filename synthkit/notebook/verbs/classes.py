"""``%synth class``: who marks what, what the students send back, agreement and final labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.notebook.context import Context
from synthkit.notebook.verbs._base import TABLE_NAME, argument, parts, verb
from synthkit.sessions.classroom import assignment, collecting

MOST = 10
"""Rows, pairs and conflicts that an output lists."""
KINDS = {"marks": "mark", "completions": "answer"}
"""What bundles of students bring -> its noun."""


def _part() -> list[Any]:
    """The second word of the verb, explained for each."""
    summaries = {name.split()[1]: summary for name, summary in parts("class").items()}
    help = "; ".join(f"{name}: {summary.rstrip('.')}" for name, summary in summaries.items())
    return [argument("part", nargs="?", choices=summaries, metavar="PART", help=help)]


@verb("class", registered=_part, group=True)
def class_(context: Context, options: Any) -> StaticOutput:
    """Teach a class: assign rows, collect marks, agreement, final labels, progress."""
    rows = [
        {"verb": f"%synth {name}", "summary": summary} for name, summary in parts("class").items()
    ]
    return static_table(rows, note="%synth class PART? explains one of them")


@verb(
    "class assign",
    TABLE_NAME,
    argument(
        "--students",
        required=True,
        metavar="NAMES",
        help="a,b,c, @variable, or a text file with a name on each line; no default",
    ),
    argument("--rows", type=int, metavar="N", help="so many rows at random; default: all"),
    argument(
        "--overlap",
        type=int,
        default=3,
        metavar="N",
        help="students who mark each row; default: %(default)s",
    ),
    argument("--seed", type=int, default=0, help="seed of the choice; default: %(default)s"),
    argument(
        "--to",
        default="lesson.zip",
        metavar="FILE",
        help="the bundle for the students; default: %(default)s",
    ),
    argument("--over", action="store_true", help="replace an existing file"),
)
def assign(context: Context, options: Any) -> StaticOutput:
    """Decide who marks which rows, and write the lesson; binds TABLE_assigned."""
    name, session = options.table.removeprefix("@"), context.session
    students = _students(context, options.students)
    assigned = assignment.assign(
        session,
        name,
        context.names.table(name),
        students,
        rows=options.rows,
        overlap=options.overlap,
        seed=options.seed,
    )
    path = assignment.write_lesson(session, name, options.to, over=options.over)
    bound = context.bind({f"{name}_assigned": assigned})
    loads = assigned["student"].value_counts().reindex(students, fill_value=0)
    rows, least, most = assigned["id"].nunique(), loads.min(), loads.max()
    each = f"{least} to {most}" if least < most else f"{most}"
    return static_table(
        [{"student": student, "rows": int(n)} for student, n in loads.items()],
        note=f"{count(rows, 'row')} to {options.overlap} students each, {each} rows a student; "
        f"{bound}; written: {path}",
        notes=[
            f"a student runs: %synth session --attach {path.name}, %synth me NAME, "
            f"%synth mark {name} --assigned, %synth export NAME.zip"
        ],
    )


def _students(context: Context, text: str) -> list[str]:
    """The names in ``a,b,c``, in ``@variable`` or on the lines of a file."""
    path = Path(text).expanduser()
    if path.suffix != ".txt" and not path.is_file():
        return [str(name) for name in context.names.values(text)]
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--students {text}: the file cannot be read: {error}.") from None
    return [line.strip() for line in lines if line.strip()]


@verb(
    "class collect",
    argument(
        "sources",
        nargs="+",
        metavar="FILE",
        help="bundles of students, folders of them, patterns such as *.zip, or @variable",
    ),
)
def collect(context: Context, options: Any) -> StaticOutput:
    """Import the bundles of students; says what came, and which are damaged."""
    sources: list[Any] = []
    for word in options.sources:
        sources += context.names.values(word) if word.startswith("@") else [word]
    collected = collecting.collect(context.session, collecting.bundles(sources))
    damaged = [each for each in collected if each.problem]
    new = {kind: sum(each.new.get(kind, 0) for each in collected) for kind in KINDS}
    conflicts = [
        conflict for each in collected if each.imported for conflict in each.imported.conflicts
    ]
    notes = [f"{each.path.name}: {each.problem}" for each in damaged]
    if conflicts:
        rows = count(len(conflicts), "row")
        notes.append(f"both marks stay where one name marked {rows} differently:")
        notes += [str(conflict) for conflict in conflicts[:MOST]] + _rest(conflicts)
    return static_table(
        [
            {
                "file": each.path.name,
                "by": each.who,
                "new": "damaged" if each.problem else _kinds(each.new),
                "here already": _kinds(each.known),
            }
            for each in collected
        ],
        note=f"{count(len(collected), 'bundle')}: {_kinds(new) or 'nothing'} new"
        + (f", {len(damaged)} damaged" if damaged else ""),
        notes=notes,
    )


def _kinds(numbers: dict[str, int]) -> str:
    """Numbers of marks and completions in words."""
    return ", ".join(
        count(numbers[kind], noun) for kind, noun in KINDS.items() if numbers.get(kind)
    )


def _rest(entries: Sequence[Any]) -> list[str]:
    return [f"{len(entries) - MOST} more"] if len(entries) > MOST else []
