"""``%synth class``: who marks what, what the students send back, agreement and final labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from IPython.display import display

from synthkit import plots
from synthkit.core.errors import UsageError
from synthkit.core.files import existing
from synthkit.core.formatting import count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.data import tables
from synthkit.models.openai.model import Endpoint
from synthkit.models.openai.providers import PROVIDERS
from synthkit.notebook.context import Context
from synthkit.notebook.names import python_name, words
from synthkit.notebook.output.figures import FigureOutput
from synthkit.notebook.verbs._base import TABLE_NAME, argument, parts, verb
from synthkit.notebook.verbs.marks import open_marker
from synthkit.plots.captions import with_interval
from synthkit.sessions.classroom import adjudication, assignment, collecting, room
from synthkit.sessions.classroom.agreement import class_agreement
from synthkit.sessions.classroom.class_marks import ClassMarks, class_marks
from synthkit.sessions.classroom.progress import progress

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
    students = class_list(context, options.students)
    table = context.names.table(name)
    with assignment.undone_on_error(session, name):
        assigned = assignment.assign(
            session,
            name,
            table,
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
            f"students run: %synth session --attach {path.name}, then %synth me NAME,",
            f"%synth mark {name} --assigned, and at the end %synth export NAME.zip",
        ],
    )


def class_list(context: Context, text: str) -> list[str]:
    """The names in ``a,b,c``, in ``@variable`` or on the lines of a file."""
    path = existing(text)
    if text.endswith(".txt") or (path and path.is_file()):
        names = assignment.read_names(path or Path(text))
    else:
        names = list(context.names.values(text))
    if wrong := next((name for name in names if not isinstance(name, str | int)), None):
        raise UsageError(f"--students {text}: expected names; got a {type(wrong).__name__}.")
    if not names:
        raise UsageError(f"--students {text!r} has no names; expected a,b,c, @variable or a file.")
    return [str(name) for name in names]


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


TEACHER = argument("--teacher", metavar="NAME", help="annotator; default: the name of %%synth me")
TASK = argument("--task", default="", metavar="NAME", help="task of the marks; default: no task")
ANONYMOUS = argument("--anonymous", action="store_true", help="show Student 1, Student 2, ...")


@verb(
    "class agreement",
    TABLE_NAME,
    TEACHER,
    TASK,
    ANONYMOUS,
    argument("--seed", type=int, default=0, help="of the bootstrap; default: %(default)s"),
)
def agreement(context: Context, options: Any) -> StaticOutput:
    """Measure how far students agree; binds TABLE_pairs and TABLE_contested."""
    name, table, marks = _marks(context, options)
    found = class_agreement(marks, seed=options.seed)
    bound = context.bind({f"{name}_pairs": found.pairs, f"{name}_contested": found.rows})
    both = sum(len(given) > 1 for given in marks.labels().values())
    alpha = f"{found.alpha.name}: {found.alpha}" if found.alpha else found.why
    texts = dict(zip(marks.ids, tables.column(table, tables.text_column(table)), strict=True))
    rows = [{**row, "text": texts[row["id"]]} for row in _shown(found.rows)]
    outputs = [
        static_table(
            rows,
            more=_more(found.rows, "row"),
            note=f"{alpha}; {len(found.rows)} of {count(both, 'row')} with two labels contested",
            notes=[
                f"{count(len(marks.students), 'student')}; {bound}; interval: bootstrap over rows",
                *_others(marks),
                f"decide: %synth class adjudicate {name}",
            ],
        ),
        _pairs(found.pairs, "pair", "students who differ most from each other"),
    ]
    if len(found.teacher):
        outputs.append(
            _pairs(found.teacher, "student", f"students who differ most from {marks.name}")
        )
    for output in outputs[:-1]:
        display(output)
    return outputs[-1]


def _pairs(frame: Any, noun: str, note: str) -> StaticOutput:
    """How far two people each agree."""
    rows = [
        {"first": row["first"], "second": row["second"], "n": row["n"],
         "equal labels": with_interval(row["share"], row["low"], row["high"]),
         "kappa": row["kappa"] and round(row["kappa"], 2)}
        for row in _shown(frame)
    ]  # fmt: skip
    return static_table(rows, more=_more(frame, noun), note=note)


@verb(
    "class adjudicate",
    TABLE_NAME,
    argument("--column", metavar="COLUMN", help="column to judge; default: the longest texts"),
    argument("--labels", metavar="A,B,C", help="further labels; default: those of the students"),
    TASK,
    ANONYMOUS,
)
def adjudicate(context: Context, options: Any) -> Any:
    """Decide the rows on which students differ; binds TABLE_adjudicated."""
    name, table, marks = _marks(context, options)
    given = {label for row in marks.labels().values() for label in row.values()}
    final, decided = adjudication.adjudicated(table, marks)
    bound = context.bind({f"{name}_adjudicated": final})
    rows = adjudication.contested_rows(table, marks, names=not options.anonymous)
    counts = ", ".join(f"{how} {decided[how]}" for how in adjudication.DECISIONS if decided[how])
    open_rows = decided["tie"] + decided["no label"]
    result = static_table(
        [],
        note=f"{name}: {count(tables.size(rows), 'row')} contested; {bound}: {counts}",
        notes=[
            *([f"{count(open_rows, 'row')} undecided"] if open_rows else []),
            *_others(marks),
            f"run it again when you have marked: {python_name(f'{name}_adjudicated')} has your "
            "labels then",
        ],
    )
    if not tables.size(rows):
        return result
    open_marker(
        context,
        rows,
        name=name,
        to=f"{name}_adjudication",
        column=options.column or tables.text_column(table),
        labels=words(options.labels) or sorted(given - {"accept", "reject"}),
        task=options.task,
    )
    return result


@verb("class dashboard", TABLE_NAME, TEACHER, TASK, ANONYMOUS)
def dashboard(context: Context, options: Any) -> StaticOutput:
    """Show how far students are, how fast, and agreeing; binds TABLE_progress."""
    name, _, marks = _marks(context, options)
    table = progress(marks)
    bound = context.bind({f"{name}_progress": table})
    done, due = int(table["marked"].sum()), int(table["assigned"].sum())
    figure = plots.progress(table, caption=f"marks of {name}")
    display(FigureOutput(figure).bundle, raw=True)
    names = {"pace": "seconds a mark", "agrees": "agrees with most"}
    shown = table.round(2).rename(columns=names)
    return static_table(
        _shown(shown, most=len(shown)),
        note=f"{name}: {thousands(done)} of {thousands(due)} marks; {bound}",
        notes=[
            plots.summary(figure),
            "seconds a mark: median without pauses; n: rows on which most others gave one label",
            *_others(marks),
        ],
    )


@verb(
    "class check",
    argument("--model", metavar="MODEL", help="the lesson's model; default: SynthMagics.model"),
)
def check(context: Context, options: Any) -> StaticOutput:
    """Check a machine for a lesson: versions, memory, CPUs, weights, port, endpoint."""
    model = (options.model or context.settings.model).removeprefix("@")
    scheme = model.partition(":")[0]
    remote = model in context.variables or scheme == "openai" or scheme in PROVIDERS
    loaded = context.model(model) if remote else None
    endpoint = loaded if isinstance(loaded, Endpoint) else None
    checks = room.room_check(model, context.session.folder, endpoint)
    wrong = sum(not each.ok for each in checks)
    return static_table(
        [
            {"what": each.what, "ok": "✓" if each.ok else "✗ no", "found": each.found,
             "to do": each.to_do}
            for each in checks
        ],
        note=f"{count(wrong, 'line')} not ok" if wrong else "this machine can run the lesson",
    )  # fmt: skip


def _marks(context: Context, options: Any) -> tuple[str, Any, ClassMarks]:
    """The name of the table, the table, and the marks of the class on it."""
    name = options.table.removeprefix("@")
    table = tables.identified(context.names.table(name))
    marks = class_marks(
        context.session,
        name,
        table,
        task=options.task,
        teacher=getattr(options, "teacher", None),
        anonymous=options.anonymous,
    )
    if not any(marks.students.values()):
        raise UsageError(f"no student marked {name} yet; %synth class collect *.zip gets marks.")
    return name, table, marks


def _shown(frame: Any, most: int = MOST) -> list[dict[str, Any]]:
    """The first rows of a table, without missing numbers."""
    return [
        {name: "" if value != value else value for name, value in row.items()}
        for row in frame.head(most).to_dict("records")
    ]


def _more(frame: Any, noun: str) -> list[str]:
    return [f"{count(len(frame) - MOST, f'more {noun}')}"] if len(frame) > MOST else []


def _others(marks: ClassMarks) -> list[str]:
    """A note on people who are not on the list of the class."""
    others = ", ".join(f"{who} {n}" for who, n in marks.others.items())
    return [f"not on the list of the class, and not counted: {others}"] if others else []


def _kinds(numbers: dict[str, int]) -> str:
    """Numbers of marks and completions in words."""
    return ", ".join(
        count(numbers[kind], noun) for kind, noun in KINDS.items() if numbers.get(kind)
    )


def _rest(entries: Sequence[Any]) -> list[str]:
    return [f"{len(entries) - MOST} more"] if len(entries) > MOST else []
