"""``%synth show``: a table to sort, filter, search and trace."""

from __future__ import annotations

from typing import Any

from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.extras import need
from synthkit.core.formatting import count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.data import tables
from synthkit.data.expressions import matching
from synthkit.data.results import MAX_COLUMNS
from synthkit.notebook.context import Context
from synthkit.notebook.names import words
from synthkit.notebook.verbs._base import TABLE_NAME, argument, verb


@verb(
    TABLE_NAME,
    argument("--columns", metavar="A,B", help="columns to show, in order; default: all"),
    argument(
        "--where", default="", metavar="EXPR", help='"stars > 3 and text ~ soup"; default: all rows'
    ),
)
def show(context: Context, options: Any) -> Any:
    """Show a table to sort, filter, search and trace; binds TABLE_view."""
    name = options.table.removeprefix("@")
    table = tables.native(context.names.table(name))
    columns = words(options.columns) or None
    static = first_rows(table, name, columns, options.where, context.settings.preview_rows)
    if not interactive():
        return static
    module = need("synthkit.notebook.widgets.grid.widget", extra="notebook", why="to show a table")
    view = module.TableView(
        table, name=name, session=context.session, columns=columns, where=options.where
    )
    context.bind({f"{name}_view": context.show(view)})
    display(static.for_widget)
    return None


def first_rows(
    table: Any, name: str, columns: list[str] | None = None, where: str = "", rows: int = 8
) -> StaticOutput:
    """The first rows of a table for which ``where`` holds, and their number.

    >>> first_rows([{"id": "a", "stars": 5}, {"id": "b", "stars": 2}], "reviews", where="stars > 3")
    stars
        5
    <BLANKLINE>
    reviews: 1 of 2 rows where stars > 3

    Raises
    ------
    UsageError
        If the expression cannot be read.
    TableError
        If a column is not there.
    """
    known = tables.columns(table)
    tables.check_columns(table, columns or ())
    names = columns or [column for column in known if column not in ("id", "parent")] or known
    size = tables.size(table)
    places = matching(table, where) if where else range(size)
    first = [
        {column: row[column] for column in names[:MAX_COLUMNS]}
        for row in tables.records(tables.take(table, places[:rows]))
    ]
    matches = f"{thousands(len(places))} of {count(size, 'row')} where {where}" if where else ""
    more = len(names) - MAX_COLUMNS
    hidden = f", {count(more, 'more column')}" if more > 0 else ""
    return static_table(first, note=f"{name}: {matches or count(size, 'row')}{hidden}")
