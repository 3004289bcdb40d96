"""``%synth card``: the dataset card of a table."""

from __future__ import annotations

from typing import Any

from IPython.display import Markdown, display

from synthkit.notebook.context import Context
from synthkit.notebook.verbs._base import TABLE_NAME, argument, verb


@verb(
    TABLE_NAME,
    argument("file", nargs="?", metavar="FILE", help="write it there too, such as README.md"),
    argument("--overwrite", action="store_true", help="replace the file if it exists"),
)
def card(context: Context, options: Any) -> None:
    """Show how a table was made, what was left out, and its scores."""
    name = options.table.removeprefix("@")
    made = context.session.card(context.names.table(name), name=name)
    if options.file:
        path = made.save(options.file, overwrite=options.overwrite)
        print(f"The card of {name} is in {path}.")
    display(Markdown(made._repr_markdown_()))
