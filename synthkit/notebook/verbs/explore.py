"""``%synth explore``: a map of a table's texts, on which rows are found and selected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.errors import Interrupted
from synthkit.core.extras import need
from synthkit.notebook.context import Context
from synthkit.notebook.verbs._base import EMBEDDER_SPEC, TABLE_NAME, TEXT_COLUMN, argument, verb

if TYPE_CHECKING:
    from synthkit.notebook.widgets.explorer.map import TextMap
    from synthkit.notebook.widgets.explorer.widget import Explorer

SHOWN_BY = {"mark": {"Marker"}, "show": {"Preview", "TableView"}}
"""Verb -> the widgets that show a table for it."""
LIVE = (
    "The live figure adds about 5 MB to the notebook when it is saved; without --live it is small."
)


@verb(
    TABLE_NAME,
    TEXT_COLUMN,
    EMBEDDER_SPEC,
    argument("--vectors", metavar="COLUMN", help="column that holds vectors, instead of texts"),
    argument("--colour", metavar="COLUMN", help="column that colours the points"),
    argument("--seed", type=int, help="seed of the points drawn; default: SynthMagics.seed"),
    argument("--live", action="store_true", help="draw a plotly figure, which takes 5 MB"),
)
def explore(context: Context, options: Any) -> None:
    """Map a table's texts; rows selected on it are in TABLE_explorer.selected."""
    text_map = table_map(
        context,
        options.table,
        column=options.column,
        embedder=context.embedder(options.embedder) if options.vectors is None else None,
        vectors=options.vectors,
        colour=options.colour,
        seed=(context.settings.seed or 0) if options.seed is None else options.seed,
    )
    drawing = need("synthkit.notebook.output.map_image", extra="notebook", why="to draw a map")
    if not interactive():
        text_map.embed()
        display(drawing.static(text_map))
        return
    module = need(
        "synthkit.notebook.widgets.explorer.widget", extra="notebook", why="to explore a table"
    )
    explorer: Explorer = module.Explorer(
        text_map, hand=lambda widget, verb: _hand_over(context, widget, verb)
    )
    context.bind({f"{text_map.name}_explorer": explorer})
    if not options.live:
        context.show(explorer)
    try:
        explorer.embed()
    except KeyboardInterrupt:
        display(explorer.static.for_widget)
        raise Interrupted(
            f"Interrupted: {explorer.map.vectors.done} of {text_map.size} texts are embedded and "
            f"drawn; {text_map.name}_explorer.embed() or Continue in the widget goes on."
        ) from None
    if options.live:
        print(LIVE)
        context.show(explorer.live())
    display(explorer.static.for_widget)


def table_map(context: Context, table: str, **options: Any) -> TextMap:
    """The map of a table's texts; the options are those of :class:`.TextMap`."""
    module = need("synthkit.notebook.widgets.explorer.map", extra="notebook", why="to draw a map")
    text_map: TextMap = module.TextMap(
        context.names.table(table), name=table.removeprefix("@"), **options
    )
    return text_map


def _hand_over(context: Context, explorer: Explorer, verb: str) -> str:
    """Narrow the open widget of a table to the selection; else bind it and return a cell to run."""
    for widget in reversed(context.widgets):
        same = getattr(widget, "name", None) == explorer.name and hasattr(widget, "narrow")
        if same and type(widget).__name__ in SHOWN_BY[verb]:
            widget.narrow(explorer.selected_ids)
            return ""
    name = f"{explorer.name}_selected"
    bound = context.bindings.bind({name: explorer.selected}, "%synth explore")
    return f"%synth {verb} {bound[name]}"
