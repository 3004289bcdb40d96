"""``%synth recipes`` lists the recipes; ``%synth make`` runs one that needs no prompt."""

from __future__ import annotations

import inspect
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.static_output import static_table
from synthkit.notebook.arguments import ARGUMENTS, join, parser
from synthkit.notebook.cell import run_cell
from synthkit.notebook.context import Context
from synthkit.notebook.recipe_arguments import find_recipe, recipe_names
from synthkit.notebook.verbs._base import argument, verb


@verb(argument("recipe", nargs="?", metavar="RECIPE", help="explain this one; default: list all"))
def recipes(context: Context, options: Any) -> Any:
    """List the generation methods with their papers, or explain one."""
    names = context.names
    if options.recipe is None:
        return static_table([_listed(name, context) for name in recipe_names(names)])
    recipe = find_recipe(options.recipe, names)
    prompt = recipe.parameters.get("prompt")
    needs_prompt = prompt is not None and prompt.default is prompt.empty
    magic = "%%synth" if needs_prompt else "%synth make"
    line = f"{magic} NAME --recipe {recipe.name}"
    print(parser(line, "", recipe.arguments).format_help())
    print(inspect.getdoc(recipe.function) or "")
    return None


def _listed(name: str, context: Context) -> dict[str, str]:
    try:
        recipe = find_recipe(name, context.names)
    except UsageError as error:  # of another package, which must not stop the others
        return {"recipe": name, "summary": str(error), "paper": ""}
    return {"recipe": name, "summary": recipe.summary, "paper": recipe.paper}


@verb(*ARGUMENTS, words=True)
def make(context: Context, words: list[str]) -> Any:
    """Run a recipe that needs no prompt, with the options of a %%synth cell."""
    return run_cell(context, join(words), "")
