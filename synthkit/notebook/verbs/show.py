"""``%synth show``: a table to sort, filter, search and trace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument
from IPython.display import display

from synthkit.core.environment import interactive
from synthkit.core.extras import need
from synthkit.core.formatting import count, thousands
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.data import tables
from synthkit.data.expressions import matching
from synthkit.data.results import MAX_COLUMNS
from synthkit.notebook.verbs.verb import Verb

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics


def show(magics: SynthMagics, options: Any) -> Any:
    """A table to sort, filter and search, each row with the way back; bound to TABLE_view."""
    name = options.table.removeprefix("@")
    held = tables.native(magics.names.table(name))
    chosen = options.columns.split(",") if options.columns else None
    columns = [column.strip() for column in chosen] if chosen else None
    static = first_rows(held, name, columns, options.where, magics.preview_rows)
    if not interactive():
        return static
    module = need("synthkit.notebook.widgets.grid.widget", extra="notebook", why="to show a table")
    view = module.TableView(
        held, name=name, session=magics.session, columns=columns, where=options.where
    )
    magics.shell.user_ns[f"{name}_view"] = magics.show(view)
    display(static.for_widget)
    return None


def first_rows(
    held: Any, name: str, columns: list[str] | None = None, where: str = "", rows: int = 8
) -> StaticOutput:
    """The first rows of a table for which ``where`` holds, and how many there are.

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
    known = tables.columns(held)
    tables.check_columns(held, columns or ())
    names = columns or [column for column in known if column not in ("id", "parent")] or known
    size = tables.size(held)
    places = matching(held, where) if where else range(size)
    first = [
        {column: row[column] for column in names[:MAX_COLUMNS]}
        for row in tables.records(tables.take(held, places[:rows]))
    ]
    told = f"{thousands(len(places))} of {count(size, 'row')} where {where}" if where else ""
    more = len(names) - MAX_COLUMNS
    hidden = f", {count(more, 'more column')}" if more > 0 else ""
    return static_table(first, note=f"{name}: {told or count(size, 'row')}{hidden}")


SHOW = Verb(
    "show",
    show,
    (
        argument("table", metavar="TABLE", help="a variable, or a table kept in the session"),
        argument("--columns", metavar="A,B", help="which to show, and in what order"),
        argument("--where", default="", metavar="EXPR", help='"stars > 3 and text ~ soup"'),
    ),
)
