"""``%synth eval`` and ``%synth scores``: what a table is worth, and what of that has changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument

from synthkit.core.errors import UsageError
from synthkit.data import tables as tables
from synthkit.evaluate.registry import METRICS
from synthkit.notebook.output.scores import Bar, apart, evaluations, scores
from synthkit.notebook.verbs.verb import Verb

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics


def evaluate(magics: SynthMagics, options: Any) -> Any:
    """Every number that the table allows, with intervals; kept, and bound to TABLE_scores."""
    from synthkit.evaluate.checks import Judge, parse

    names, name = magics.names, options.table.removeprefix("@")
    held = names.table(name)
    checks = [parse(line, names.value) for line in options.check or ()]
    asked = next((check for check in checks if isinstance(check, Judge)), None)
    if asked is not None:
        raise UsageError(
            f"--check {asked.name!r} asks a model; let the recipe judge answer it, "
            "and check its column."
        )
    embedder = None if options.embedder == "none" else options.embedder
    bar = Bar()
    report = magics.session.evaluate(
        held,
        name=name,
        task=options.task,
        column=options.column or tables.text_column(held),
        against=names.table(options.against) if options.against else None,
        test=names.table(options.test) if options.test else None,
        label=options.label,
        source=options.source,
        judge=options.judge or (),
        weight=options.weight,
        embed=magics.embedder(embedder).embed if embedder else None,
        embedder=embedder or "",
        learner=names.value(options.learner.removeprefix("@")) if options.learner else None,
        checks=checks,
        metrics=options.metric,
        without=options.without or (),
        sample=options.sample,
        seed=options.seed,
        progress=bar,
    )
    magics.shell.user_ns[f"{name}_scores"] = report.frame()
    return bar.end(scores(report, name=name, notes=[f"bound {name}_scores; kept in the session"]))


def show_scores(magics: SynthMagics, options: Any) -> Any:
    """The scores that were kept; of two tables or evaluations, whether they differ."""
    asked = [int(one) if one.isdigit() else one.removeprefix("@") for one in options.which]
    if len(asked) > 2:
        raise UsageError("expected one or two tables or evaluations; %synth scores A B.")
    if len(asked) == 2:
        a, b = asked
        found = magics.session.compare_scores(a, b)
        return apart(found, a=str(a), b=str(b) if a != b else f"{b} too")
    table = magics.session.scores(asked[0] if asked and isinstance(asked[0], str) else None)
    if asked and isinstance(asked[0], int):
        table = table[table["evaluation"] == asked[0]]
    if not len(table):
        raise UsageError("no scores are kept of that; %synth eval TABLE makes them.")
    return evaluations(table, note="evaluations by number; %synth scores 2 1 compares two")


EVAL = Verb(
    "eval",
    evaluate,
    (
        argument("table", metavar="TABLE", help="a variable, or a table kept in the session"),
        argument("--against", metavar="TABLE", help="real rows to hold it against"),
        argument("--label", default="", metavar="COLUMN", help="of labels, in both"),
        argument("--test", metavar="TABLE", help="a test set that nothing should be copied from"),
        argument("--source", default="", metavar="COLUMN", help="what a text must be found in"),
        argument("--check", action="append", metavar="CHECK", help='as "length text 5-30 words"'),
        argument("--judge", action="append", metavar="COLUMN", help="a judge's, held to marks"),
        argument("--column", metavar="COLUMN", help="of the texts; the longest if not given"),
        argument("--weight", default="", metavar="COLUMN", help="how much a row counts in TSTR"),
        argument("--learner", metavar="VARIABLE", help="what learns in TSTR; a light student else"),
        argument("--task", default="", metavar="NAME", help="the question that was marked"),
        argument(
            "--metric",
            action="append",
            choices=METRICS,
            metavar="METRIC",
            help="compute only these: %(choices)s",
        ),
        argument(
            "--without", action="append", choices=METRICS, metavar="METRIC", help="leave these out"
        ),
        argument("--sample", type=int, default=10_000, help="most rows that are embedded"),
        argument("--seed", type=int, default=0, help="of what is drawn"),
        argument("--embedder", default="wordllama", metavar="NAME", help="or minilm, or none"),
    ),
)
SCORES = Verb(
    "scores",
    show_scores,
    (argument("which", nargs="*", metavar="TABLE", help="tables, or numbers of evaluations"),),
)
