"""``%synth explore``: a map of a table's texts, on which rows are found, selected and handed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument
from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.extras import need
from synthkit.notebook.run_preview import Interrupted
from synthkit.notebook.verbs.verb import Verb

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics
    from synthkit.notebook.widgets.explorer.map import TextMap
    from synthkit.notebook.widgets.explorer.widget import Explorer

SHOWN_BY = {"mark": {"Marker"}, "show": {"Preview", "TableView"}}
LIVE = (
    "The live figure adds about 5 MB to the notebook when it is saved; without --live it is small."
)


def explore(magics: SynthMagics, options: Any) -> None:
    """A map of a table's texts; what is selected on it is TABLE_explorer.selected."""
    text_map = _text_map(magics, options)
    drawing = need("synthkit.notebook.output.map_image", extra="notebook", why="to draw a map")
    if not interactive():
        text_map.embed()
        display(drawing.static(text_map))
        return
    module = need(
        "synthkit.notebook.widgets.explorer.widget", extra="notebook", why="to explore a table"
    )
    explorer: Explorer = module.Explorer(text_map, hand=lambda one, verb: _hand(magics, one, verb))
    magics.shell.user_ns[f"{text_map.name}_explorer"] = explorer
    if not options.live:
        magics.show(explorer)
    try:
        explorer.embed()
    except KeyboardInterrupt:
        display(explorer.static.for_widget)
        raise Interrupted(
            f"Interrupted: {explorer.map.vectors.done} of {text_map.size} texts are embedded and "
            f"drawn; {text_map.name}_explorer.embed() or Go on in the widget continues."
        ) from None
    if options.live:
        print(LIVE)
        magics.show(explorer.live())
    display(explorer.static.for_widget)


def _text_map(magics: SynthMagics, options: Any) -> TextMap:
    module = need(
        "synthkit.notebook.widgets.explorer.map", extra="notebook", why="to explore a table"
    )
    embedder = None
    if options.vectors is None:
        embedder = magics.shell.user_ns.get(options.embedder)
        if not hasattr(embedder, "embed"):
            from synthkit.models.embedders import load_embedder

            embedder = load_embedder(options.embedder)
    text_map: TextMap = module.TextMap(
        magics.names.table(options.table),
        name=options.table.removeprefix("@"),
        column=options.text,
        embedder=embedder,
        vectors=options.vectors,
        colour=options.colour,
        seed=magics.seed if options.seed is None else options.seed,
    )
    return text_map


def _hand(magics: SynthMagics, explorer: Explorer, verb: str) -> str:
    """Narrow the open widget on the table to the selection, or bind it for the cell given."""
    for widget in reversed(magics.widgets):
        shown = getattr(widget, "name", None) == explorer.name and hasattr(widget, "narrow")
        if shown and type(widget).__name__ in SHOWN_BY[verb]:
            widget.narrow(explorer.selected_ids)
            return ""
    name = f"{explorer.name}_selected"
    magics.shell.user_ns[name] = explorer.selected
    return f"%synth {verb} {name}"


EXPLORE = Verb(
    "explore",
    explore,
    (
        argument("table", metavar="TABLE", help="a variable, or a table kept in the session"),
        argument("--text", metavar="COLUMN", help="what to embed; the longest text if not given"),
        argument("--embedder", default="wordllama", help="wordllama, minilm, or a variable"),
        argument("--vectors", metavar="COLUMN", help="a column that holds vectors already"),
        argument("--colour", metavar="COLUMN", help="what colours the points"),
        argument("--seed", type=int, help="of the points that are drawn"),
        argument("--live", action="store_true", help="a plotly figure, which takes 5 MB"),
    ),
)
