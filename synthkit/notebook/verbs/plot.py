"""``%synth plot``: a figure of a table, of scores or of marks, and what it says."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument
from IPython.display import display

from synthkit import plots
from synthkit.core.environment import interactive
from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need
from synthkit.core.formatting import cell
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.data.results import Curation
from synthkit.notebook.output.figures import Plotted
from synthkit.notebook.verbs.explore import LIVE
from synthkit.notebook.verbs.verb import Verb
from synthkit.plots.registry import PLOTS

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics


def plot(magics: SynthMagics, options: Any) -> Any:
    """Draw scores, a funnel, a learning curve, a balance, agreement, accept rates, a map and more.

    The figure is the result's ``figure``.
    """
    draw = ADAPTERS.get(options.kind, _of_table)
    made = Plotted(draw(magics, options))
    if not options.live or not interactive():
        return made
    plotly = need("plotly.graph_objects", extra="notebook", why="to draw a live figure")
    print(LIVE)
    magics.show(plotly.FigureWidget(made.figure))
    display(made.static.for_widget)
    return None


def _of_table(magics: SynthMagics, options: Any) -> Any:
    """The registered plot of a table; its other parameters get the options of their names."""
    function = PLOTS[options.kind]
    _, *others = inspect.signature(function).parameters.values()
    given = {
        one.name: getattr(options, one.name)
        for one in others
        if getattr(options, one.name, None) is not None
    }
    for one in others:
        named = one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)
        if named and one.default is one.empty and one.name not in given:
            _given(options, one.name)
    return function(magics.names.table(_name(options)), **given)


def _scores(magics: SynthMagics, options: Any) -> Any:
    """Of variables, else the ones that the session keeps."""
    from synthkit.sessions.evaluations import find

    held, session = magics.shell.user_ns, magics.session
    names = [name.removeprefix("@") for name in options.data]
    if len(names) > 1:
        return plots.scores(
            {name: held[name] if _has_scores(held.get(name)) else find(session.store, name).report
             for name in names}
        )  # fmt: skip
    if names and _is_scored(held.get(names[0])):
        return plots.scores(held[names[0]])
    kept = session.scores(names[0] if names else None)
    if not len(kept):
        what = f" of {names[0]!r}" if names else ""
        raise UsageError(f"no scores{what} are kept; %synth eval TABLE makes them.")
    return plots.scores(kept)


def _has_scores(value: Any) -> bool:
    return hasattr(value, "scores") or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Score)
    )


def _is_scored(value: Any) -> bool:
    """Whether scores can be drawn of it: a report, a list, several by name, or a table of them."""
    if isinstance(value, Mapping):
        return bool(value) and all(map(_has_scores, value.values()))
    try:
        return _has_scores(value) or "metric" in tables.columns(value)
    except UsageError:
        return False


def _funnel(magics: SynthMagics, options: Any) -> Any:
    name, held = _name(options), magics.shell.user_ns
    for value in (held.get(name), held.get(f"{name}_curation")):
        if isinstance(value, Curation):
            return plots.funnel(value)
    raise UsageError(f"no curation in {name} or {name}_curation; %synth filter {name} makes one.")


def _tstr(magics: SynthMagics, options: Any) -> Any:
    """Of what ``evaluate.tstr`` or ``gain`` gave, or several by name."""
    name = _name(options)
    value = magics.names.value(name)
    given = value if isinstance(value, Mapping) else {name: value}
    ending = {"accuracy": "", "macro-F1": "_f1"}.get(options.metric)
    if ending is None:
        raise UsageError(unknown("metric", options.metric, ["accuracy", "macro-F1"]))
    sources: dict[str, Score] = {}
    real = majority = None
    for source, one in given.items():
        found = next(
            (getattr(one, f"{part}{ending}") for part in ("synthetic", "augmented")
             if hasattr(one, part)), one,
        )  # fmt: skip
        if not isinstance(found, Score):
            raise UsageError(
                f"expected what evaluate.tstr or evaluate.gain gives, or a score; "
                f"got {type(found).__name__} for {source!r}."
            )
        sources[str(source)] = found
        real = real or getattr(one, f"real{ending}", None)
        majority = majority or (None if ending else getattr(one, "majority", None))
    return plots.tstr(sources, real=real, majority=majority, metric=options.metric)


def _reliability(magics: SynthMagics, options: Any) -> Any:
    held = magics.names.table(_name(options))
    if options.probability is None and options.outcome is None:
        return plots.reliability(held)
    said = tables.column(held, _given(options, "probability"))
    came = tables.column(held, _given(options, "outcome"))
    bins = plots.binned(said, came, bins=options.bins)
    return plots.reliability(bins, what=options.outcome)


def _balance(magics: SynthMagics, options: Any) -> Any:
    column = _given(options, "label")
    counts, missing = _counts(magics.names.table(_name(options)), column)
    target = _target(magics, options.target, column)
    note = f"{missing} without {column} left out" if missing else ""
    return plots.balance(counts, target, what=column, caption=note)


def _target(magics: SynthMagics, said: str | None, column: str) -> dict[str, float] | None:
    """The shares in ``a=0.5,b=0.5``, or those of a table; ``None`` for the same for all."""
    if said is None or said == "uniform":
        return None
    if "=" not in said:
        return dict(_counts(magics.names.table(said), column)[0])
    target = {}
    for pair in said.split(","):
        name, _, share = pair.rpartition("=")
        try:
            target[name.strip()] = float(share)
        except ValueError:
            raise UsageError(
                f"--target {said}: expected LABEL=SHARE,LABEL=SHARE, a table or uniform."
            ) from None
    return target


def _counts(table: Any, column: str) -> tuple[Counter[str], int]:
    """Label -> rows, and how many have none."""
    cells = tables.column(table, column)
    labels = [cell(one) for one in cells if one is not None]
    return Counter(labels), len(cells) - len(labels)


def _agreement(magics: SynthMagics, options: Any) -> Any:
    from synthkit.sessions.mark_statistics import agreements

    held = tables.identified(magics.names.table(_name(options)))
    ids = [str(id) for id in tables.column(held, "id")]
    found = agreements(magics.session.marks(task=options.task, rows=ids), seed=options.seed)
    note = f"bootstrap over rows, 1000 resamples, seed {options.seed}" if found else ""
    return plots.agreement(found, caption=note)


def _accept_rates(magics: SynthMagics, options: Any) -> Any:
    from synthkit.sessions.mark_statistics import accept_rates

    name = _name(options)
    rates = accept_rates(magics.session.store, name, task=options.task)
    if not rates:
        raise UsageError(f"no row of {name} is marked; %synth mark {name} does that.")
    return plots.accept_rates(rates, caption=f"table {name}")


def _map(magics: SynthMagics, options: Any) -> Any:
    module = need("synthkit.notebook.widgets.explorer.map", extra="notebook", why="to draw a map")
    drawing = need("synthkit.notebook.output.map_image", extra="notebook", why="to draw a map")
    name = _name(options)
    own = magics.shell.user_ns.get(options.embedder)
    text_map = module.TextMap(
        magics.names.table(name),
        name=name,
        column=options.text,
        embedder=own if hasattr(own, "embed") else magics.embedder(options.embedder),
        colour=options.label,
        seed=options.seed,
    )
    text_map.embed()
    return drawing.figure(text_map)


def _cartography(magics: SynthMagics, options: Any) -> Any:
    held = magics.names.table(_name(options))
    said, varied = (tables.column(held, name) for name in ("confidence", "variability"))
    noisy = tables.column(held, options.by) if options.by else None
    return plots.cartography(said, varied, noisy=noisy, seed=options.seed)


def _confusion(magics: SynthMagics, options: Any) -> Any:
    from synthkit.evaluate.raters.agreement import confusion

    held = magics.names.table(_name(options))
    given, looks = (tables.column(held, _given(options, one)) for one in ("label", "by"))
    both = [(cell(a), cell(b)) for a, b in zip(given, looks, strict=True) if None not in (a, b)]
    labels, joint = confusion(both)
    return plots.confusion(joint, labels)


def _name(options: Any) -> str:
    """The one table or variable that a figure is of."""
    if len(options.data) != 1:
        raise UsageError(
            f"%synth plot {options.kind} takes one table or variable; got {len(options.data)}."
        )
    return str(options.data[0].removeprefix("@"))


def _given(options: Any, option: str) -> str:
    value = getattr(options, option, None)
    if value is None:
        raise UsageError(f"%synth plot {options.kind} needs --{option} COLUMN.")
    return str(value)


ADAPTERS: Mapping[str, Callable[[SynthMagics, Any], Any]] = {
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
}
"""The plots that are not of one whole table: kind -> what draws it from the line's options."""
PLOT = Verb(
    "plot",
    plot,
    (
        argument("kind", choices=PLOTS, metavar="KIND", help="%(choices)s"),
        argument(
            "data", nargs="*", metavar="TABLE", help="a table, or a variable; scores: several"
        ),
        argument("--label", metavar="COLUMN", help="of labels; of map: what colours the points"),
        argument("--by", metavar="COLUMN", help="confusion: other labels; cartography: noisy rows"),
        argument("--target", metavar="SHARES", help="balance: a=0.5,b=0.5, or a table, or uniform"),
        argument("--probability", metavar="COLUMN", help="reliability: of the outcome, 0 to 1"),
        argument("--outcome", metavar="COLUMN", help="reliability: whether it came true"),
        argument("--bins", type=int, default=10, help="reliability: how many"),
        argument("--metric", default="accuracy", help="tstr: or macro-F1; learning-curve: any"),
        argument("--task", default="", metavar="NAME", help="the question that was marked"),
        argument("--text", metavar="COLUMN", help="map: what to embed; the longest text else"),
        argument("--embedder", default="wordllama", help="map: wordllama, minilm, or a variable"),
        argument("--seed", type=int, default=0, help="of what is drawn at random"),
        argument("--live", action="store_true", help="a plotly figure, which takes 5 MB"),
    ),
)
