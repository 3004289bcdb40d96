"""``%synth eval`` measures a table; ``%synth scores`` shows and compares stored scores."""

from __future__ import annotations

from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.formatting import count, rounded
from synthkit.core.static_output import static_table
from synthkit.evaluate.checks import Judge, parse
from synthkit.evaluate.registry import METRICS
from synthkit.evaluate.results import report_summary
from synthkit.notebook.arguments import repeated
from synthkit.notebook.context import EMBEDDER, Context
from synthkit.notebook.names import variable_of
from synthkit.notebook.output.scores import ProgressBar, differences, evaluations
from synthkit.notebook.verbs._base import CLUSTER, TABLE_OR_FILES, TEXT_COLUMN, argument, verb
from synthkit.parquet.table import text_column
from synthkit.sessions import claims, inputs


@verb(
    "eval",
    TABLE_OR_FILES,
    argument("--against", metavar="TABLE", help="real rows to compare with"),
    argument("--label", default="", metavar="COLUMN", help="label column (in both tables)"),
    argument("--test", metavar="TABLE", help="a test set, to find rows copied from it"),
    argument("--source", default="", metavar="COLUMN", help="column with each text's source"),
    repeated("--check", "CHECK", 'a check of each row, such as "length text 5-30 words"'),
    repeated("--judge", "COLUMN", "judge column to calibrate against marks"),
    TEXT_COLUMN,
    argument("--weight", default="", metavar="COLUMN", help="weight of each row in TSTR"),
    argument(
        "--learner", metavar="VARIABLE", help="model trained in TSTR; default: a light classifier"
    ),
    argument("--task", default="", metavar="NAME", help="task of the marks to use"),
    repeated(
        "--metric", "METRIC", "compute only these: %(choices)s; default: all", choices=METRICS
    ),
    repeated("--without", "METRIC", "a metric to leave out", choices=METRICS),
    argument(
        "--sample",
        type=int,
        default=10_000,
        help="maximum rows to embed, or to take of Parquet files; default: %(default)s",
    ),
    argument("--seed", type=int, default=0, help="seed of random draws; default: %(default)s"),
    argument(
        "--embedder",
        default=EMBEDDER,
        metavar="EMBEDDER",
        help="a variable, a spec, or none; default: %(default)s",
    ),
    CLUSTER,
)
def evaluate(context: Context, options: Any) -> Any:
    """Compute the scores of a table, with intervals; binds TABLE_scores."""
    names, name = context.names, options.table.removeprefix("@")
    table = names.parquet(name)
    large = {}
    if table is None:
        table = names.table(name)
    else:
        large = {"scratch": context.session.folder, "cluster": options.cluster}
        name = variable_of(name)
    checks = [parse(line, names.value) for line in options.check]
    judge = next((check for check in checks if isinstance(check, Judge)), None)
    if judge is not None:
        raise UsageError(
            f"--check {judge.name!r} asks a model; run the recipe judge first, "
            "and check its column."
        )
    embedder = "" if options.embedder == "none" else options.embedder
    with ProgressBar() as bar:
        report = context.session.evaluate(
            table,
            name=name,
            task=options.task,
            column=options.column or text_column(table),
            against=names.table(options.against) if options.against else None,
            test=names.table(options.test) if options.test else None,
            label=options.label,
            source=options.source,
            judge=options.judge,
            weight=options.weight,
            embed=context.embedder(embedder).embed if embedder else None,
            embedder=embedder,
            learner=names.value(options.learner) if options.learner else None,
            checks=checks,
            metrics=options.metric or None,
            without=options.without,
            sample=options.sample,
            seed=options.seed,
            progress=bar,
            **large,
        )
    inputs.remember(context.session.store, names.used)
    bound = context.bind({f"{name}_scores": report.frame()})
    return bar.end(report_summary(report, name=name, notes=[f"{bound}; saved in the session"]))


@verb(argument("claim", nargs="*", metavar="CLAIM", help='"upper(accept_rate(a)) < 0.9"'))
def claim(context: Context, options: Any) -> Any:
    """Note a claim over stored scores, and say whether it holds; alone, list all."""
    session, text = context.session, " ".join(options.claim)
    stored = [session.claim(text)] if text else claims.load_all_claims(session.store)
    rows = [
        {
            "claim": each.text,
            "holds": "yes" if each.holds else "no",
            "numbers": "; ".join(f"{side} = {rounded(n)}" for side, n in each.numbers.items()),
        }
        for each in stored
    ]
    if not rows:
        return static_table([], note='no claims yet; note one: %synth claim "distinct_2(a) > 0.5"')
    return static_table(rows, note=f"{count(len(rows), 'claim')}, kept with the ids of the scores")


@verb(argument("which", nargs="*", metavar="TABLE", help="tables, or numbers of evaluations"))
def scores(context: Context, options: Any) -> Any:
    """Show stored scores; for two tables or evaluations, test whether they differ."""
    which = [int(name) if name.isdigit() else name.removeprefix("@") for name in options.which]
    if len(which) > 2:
        raise UsageError("expected one or two tables or evaluations; %synth scores A B.")
    if len(which) == 2:
        a, b = which
        compared = context.session.compare_scores(a, b)
        return differences(compared, a=str(a), b=str(b) if a != b else f"{b} too")
    table = context.session.scores(which[0] if which and isinstance(which[0], str) else None)
    if which and isinstance(which[0], int):
        table = table[table["evaluation"] == which[0]]
    if not len(table):
        raise UsageError("no scores are stored for that; %synth eval TABLE computes them.")
    return evaluations(table, note="evaluations by number; %synth scores 2 1 compares two")
