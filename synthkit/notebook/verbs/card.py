"""``%synth card``: the card of a table or a trained model."""

from __future__ import annotations

from typing import Any

from IPython.display import Markdown, display

from synthkit.notebook.context import Context
from synthkit.notebook.verbs._base import argument, verb
from synthkit.sessions.model_facts import is_trained


@verb(
    argument("table", metavar="TABLE", help="a table, or the variable of a trained model"),
    argument("file", nargs="?", metavar="FILE", help="write it there too, such as README.md"),
    argument("--over", "--overwrite", action="store_true", help="replace an existing file"),
)
def card(context: Context, options: Any) -> None:
    """Show how a table or a trained model was made: what went in, what was left out."""
    name = options.table.removeprefix("@")
    value = context.variables.get(name)
    made = context.session.card(
        value if is_trained(value) else context.names.table(name), name=name
    )
    if options.file:
        path = made.save(options.file, overwrite=options.over)
        print(f"The card of {name} is in {path}.")
    display(Markdown(made._repr_markdown_()))
