"""``%synth plot``: a figure of a table, of scores or of marks, with its reading and its table."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from IPython.display import display

from synthkit import plots
from synthkit.core.environment import interactive
from synthkit.core.errors import UsageError, check_known
from synthkit.core.extras import need
from synthkit.core.formatting import cell
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.data.labels import class_names, in_one_form, meet
from synthkit.data.results import Curation
from synthkit.notebook.context import EMBEDDER, Context
from synthkit.notebook.names import plain, python_name
from synthkit.notebook.output.figures import FigureOutput
from synthkit.notebook.verbs._base import argument, verb
from synthkit.notebook.verbs.explore import LIVE, table_map
from synthkit.plots.registry import PLOTS

ARGUMENTS = (
    argument("kind", choices=PLOTS, metavar="KIND", help="%(choices)s"),
    argument("data", nargs="*", metavar="TABLE", help="a table or a variable; for scores several"),
    argument("--label", metavar="COLUMN", help="label column; map: column that colours points"),
    argument("--by", metavar="COLUMN", help="confusion: other labels; cartography: noisy rows"),
    argument(
        "--target", metavar="SHARES", help="balance: a=0.5,b=0.5, a table, or uniform (the default)"
    ),
    argument("--probability", metavar="COLUMN", help="reliability: predicted probability, 0 to 1"),
    argument("--outcome", metavar="COLUMN", help="reliability: observed outcome, true or false"),
    argument("--bins", type=int, help="reliability: number of bins; default: 10"),
    argument("--metric", help="tstr: accuracy or macro-F1; learning-curve: any; default: accuracy"),
    argument("--task", metavar="NAME", help="task of the marks; default: no task"),
    argument("--column", metavar="COLUMN", help="map: text column; default: the longest texts"),
    argument(
        "--embedder", metavar="EMBEDDER", help=f"map: a variable or a spec; default: {EMBEDDER}"
    ),
    argument("--seed", type=int, help="seed of random draws; default: 0"),
    argument("--live", action="store_true", help="draw a live plotly figure, which takes 5 MB"),
)
SHARED = {option.removeprefix("--") for a in ARGUMENTS for option in a.args}


def plot_arguments() -> list[Any]:
    """Arguments for further parameters of the plots that users and packages registered."""
    added: dict[str, Any] = {}
    for name, listed in PLOTS.listed().items():
        if not listed.module.startswith("synthkit."):
            for parameter in _parameters(name):
                option = parameter.name.replace("_", "-")
                if option not in SHARED and parameter.kind is not parameter.VAR_KEYWORD:
                    added.setdefault(option, argument(f"--{option}", help=_help(name, parameter)))
    return list(added.values())


def _parameters(name: str) -> list[inspect.Parameter]:
    """The parameters of a plot after its table; none if its package cannot be imported."""
    try:
        return list(inspect.signature(PLOTS[name]).parameters.values())[1:]
    except UsageError:  # of another package, which must not stop the others
        return []


def _help(name: str, parameter: inspect.Parameter) -> str:
    has_default = parameter.default is not parameter.empty
    default = f"; default: {parameter.default}" if has_default else ""
    return f"{name}{default}".replace("%", "%%")


@verb(*ARGUMENTS, registered=plot_arguments)
def plot(context: Context, options: Any) -> Any:
    """Draw a figure of a table, of scores or of marks.

    The figure is the result's ``figure``.
    """
    draw = ADAPTERS.get(options.kind, _of_table)
    shown = FigureOutput(draw(context, options))
    if not options.live or not interactive():
        return shown
    plotly = need("plotly.graph_objects", extra="notebook", why="to draw a live figure")
    print(LIVE)
    context.show(plotly.FigureWidget(shown.figure))
    display(shown.static.for_widget)
    return None


def _of_table(context: Context, options: Any) -> Any:
    """The registered plot of a table; its other parameters get the options of their names."""
    function = PLOTS[options.kind]
    values = {name: value for name, value in vars(options).items() if value not in (None, False)}
    for name in ("kind", "data", "live"):
        values.pop(name, None)
    parameters = _parameters(options.kind)
    for parameter in parameters:
        named = parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
        if named and parameter.default is parameter.empty and parameter.name not in values:
            _required(options, parameter.name)
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        values = {p.name: values[p.name] for p in parameters if p.name in values}
    values = {
        name: value if name in SHARED or not isinstance(value, str) else plain(value)
        for name, value in values.items()
    }
    return function(context.names.table(_name(options)), **values)


def _scores(context: Context, options: Any) -> Any:
    """Scores in variables, or those stored in the session."""
    from synthkit.sessions.evaluations import find, load_all

    variables, session = context.variables, context.session
    names = [name.removeprefix("@") for name in options.data]
    if len(names) > 1:
        return plots.scores(
            {
                name: variables[name]
                if _has_scores(variables.get(name))
                else find(session.store, name).report
                for name in names
            }
        )
    if names and _is_scored(variables.get(names[0])):
        return plots.scores(variables[names[0]])
    stored = load_all(session.store, names[0] if names else None)
    if not stored:
        of = f" of {names[0]!r}" if names else ""
        raise UsageError(f"no scores{of} are stored; %synth eval TABLE computes them.")
    times = Counter(evaluation.name for evaluation in stored)
    repeated = max(times.values()) > 1
    runs = {f"{e.name} {e.number}" if repeated else e.name: e.report for e in stored}
    return plots.scores(runs)


def _has_scores(value: Any) -> bool:
    return hasattr(value, "scores") or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Score)
    )


def _is_scored(value: Any) -> bool:
    """Whether a value holds scores: a report, a list, several by name, or a table of them."""
    if isinstance(value, Mapping):
        return bool(value) and all(map(_has_scores, value.values()))
    try:
        return _has_scores(value) or "metric" in tables.columns(value)
    except UsageError:
        return False


def _funnel(context: Context, options: Any) -> Any:
    name, variables = _name(options), context.variables
    curation = python_name(f"{name}_curation")
    for value in (variables.get(name), variables.get(curation)):
        if isinstance(value, Curation):
            return plots.funnel(value)
    raise UsageError(f"no curation in {name} or {curation}; %synth filter {name} makes one.")


def _tstr(context: Context, options: Any) -> Any:
    """Results of ``evaluate.tstr`` or ``gain``: one, or several by name."""
    name, metric = _name(options), options.metric or "accuracy"
    value = context.names.value(name)
    results = value if isinstance(value, Mapping) else {name: value}
    endings = {"accuracy": "", "macro-F1": "_f1"}
    check_known("metric", metric, endings)
    ending = endings[metric]
    sources: dict[str, Score] = {}
    real = majority = None
    for source, result in results.items():
        score = result
        for part in ("augmented", "synthetic"):
            score = getattr(result, f"{part}{ending}", score)
        if not isinstance(score, Score):
            raise UsageError(
                f"expected a result of evaluate.tstr or evaluate.gain, or a score; "
                f"got {type(score).__name__} for {source!r}."
            )
        sources[str(source)] = score
        real = real or getattr(result, f"real{ending}", None)
        majority = majority or (None if ending else getattr(result, "majority", None))
    return plots.tstr(sources, real=real, majority=majority, metric=metric)


def _reliability(context: Context, options: Any) -> Any:
    table = context.names.table(_name(options))
    if options.probability is None and options.outcome is None:
        return plots.reliability(table)
    probabilities = tables.column(table, _required(options, "probability"))
    outcomes = tables.column(table, _required(options, "outcome"))
    bins = plots.binned(probabilities, outcomes, bins=10 if options.bins is None else options.bins)
    return plots.reliability(bins, what=options.outcome)


def _balance(context: Context, options: Any) -> Any:
    column = _required(options, "label")
    table, text = context.names.table(_name(options)), options.target
    if text is None or text == "uniform" or "=" in text:
        target = _target(text)
    else:
        table, real = in_one_form(column, table, context.names.table(text))
        target = dict(_counts(real, column)[0])
    counts, missing = _counts(table, column)
    note = f"{missing} without {column} left out" if missing else ""
    return plots.balance(counts, target, what=column, caption=note)


def _target(text: str | None) -> dict[str, float] | None:
    """The shares in ``a=0.5,b=0.5``; ``None`` for equal shares."""
    if text is None or text == "uniform":
        return None
    target = {}
    for pair in text.split(","):
        name, _, share = pair.rpartition("=")
        try:
            target[name.strip()] = float(share)
        except ValueError:
            raise UsageError(
                f"--target {text}: expected LABEL=SHARE,LABEL=SHARE, a table or uniform."
            ) from None
    return target


def _counts(table: Any, column: str) -> tuple[Counter[str], int]:
    """Label -> rows, and the number of rows without a label."""
    cells = tables.column(table, column)
    labels = [cell(value) for value in cells if value is not None]
    return Counter(labels), len(cells) - len(labels)


def _agreement(context: Context, options: Any) -> Any:
    from synthkit.sessions.mark_statistics import agreements

    seed = options.seed or 0
    table = tables.identified(context.names.table(_name(options)))
    ids = [str(id) for id in tables.column(table, "id")]
    pairs = agreements(context.session.marks(task=options.task or "", rows=ids), seed=seed)
    note = f"bootstrap over rows, 1000 resamples, seed {seed}" if pairs else ""
    return plots.agreement(pairs, caption=note)


def _accept_rates(context: Context, options: Any) -> Any:
    from synthkit.sessions.mark_statistics import accept_rates

    name = _name(options)
    rates = accept_rates(context.session.store, name, task=options.task or "")
    if not rates:
        raise UsageError(f"no row of {name} is marked; %synth mark {name} does that.")
    return plots.accept_rates(rates, caption=f"table {name}")


def _map(context: Context, options: Any) -> Any:
    drawing = need("synthkit.notebook.output.map_image", extra="notebook", why="to draw a map")
    text_map = table_map(
        context,
        _name(options),
        column=options.column,
        embedder=context.embedder(options.embedder or EMBEDDER),
        colour=options.label,
        seed=options.seed or 0,
    )
    text_map.embed()
    return drawing.figure(text_map)


def _cartography(context: Context, options: Any) -> Any:
    table = context.names.table(_name(options))
    confidence, variability = (tables.column(table, name) for name in ("confidence", "variability"))
    noisy = tables.column(table, options.by) if options.by else None
    return plots.cartography(confidence, variability, noisy=noisy, seed=options.seed or 0)


def _losses(context: Context, options: Any) -> Any:
    """The losses that ``suspicion(method="small_loss")`` wrote, and their two components."""
    from synthkit.curate.label_noise.small_loss import small_loss

    cells = tables.column(context.names.table(_name(options)), "loss")
    seed = options.seed or 0
    mixture = small_loss([loss for loss in cells if loss is not None], seed=seed)
    return plots.losses(
        mixture.losses.tolist(),
        means=mixture.means.tolist(),
        deviations=mixture.deviations.tolist(),
        shares=mixture.shares.tolist(),
        caption=f"two components, seed {seed}",
    )


def _confusion(context: Context, options: Any) -> Any:
    from synthkit.evaluate.raters.agreement import confusion

    table = context.names.table(_name(options))
    columns = [_required(options, name) for name in ("label", "by")]
    labels, others = meet(
        *(tables.column(table, name) for name in columns),
        names=[class_names(table, name) for name in columns],
    )
    pairs = [(cell(a), cell(b)) for a, b in zip(labels, others, strict=True) if None not in (a, b)]
    names, joint = confusion(pairs)
    return plots.confusion(joint, names)


def _name(options: Any) -> str:
    """The one table or variable of a figure."""
    if len(options.data) != 1:
        raise UsageError(
            f"%synth plot {options.kind} takes one table or variable; got {len(options.data)}."
        )
    return str(options.data[0].removeprefix("@"))


def _required(options: Any, option: str) -> str:
    value = getattr(options, option, None)
    if value is None:
        raise UsageError(f"%synth plot {options.kind} needs --{option} COLUMN.")
    return str(value)


ADAPTERS: Mapping[str, Callable[[Context, Any], Any]] = {
    "scores": _scores,
    "funnel": _funnel,
    "tstr": _tstr,
    "reliability": _reliability,
    "balance": _balance,
    "agreement": _agreement,
    "accept-rates": _accept_rates,
    "map": _map,
    "cartography": _cartography,
    "confusion": _confusion,
    "losses": _losses,
}
"""Registered plots that do not take a table: their data, from the options of a line."""
