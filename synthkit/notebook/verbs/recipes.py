"""``%synth recipes`` lists the recipes; ``%synth generate`` runs one that needs no prompt."""

from __future__ import annotations

import inspect
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.registry import PAPER
from synthkit.core.static_output import static_table
from synthkit.notebook.arguments import ARGUMENTS, HELP, join, option_values, parser
from synthkit.notebook.cell import run_cell
from synthkit.notebook.context import Context
from synthkit.notebook.names import Names
from synthkit.notebook.recipe_arguments import find_recipe, recipe_names
from synthkit.notebook.verbs._base import argument, verb
from synthkit.recipes._base import RECIPES


@verb(argument("recipe", nargs="?", metavar="RECIPE", help="explain this one; default: list all"))
def recipes(context: Context, options: Any) -> Any:
    """List the generation methods with their papers, or explain one."""
    if options.recipe is None:
        return static_table([_listed(name, doc) for name, doc in _docs(context.names).items()])
    recipe = find_recipe(options.recipe, context.names)
    prompt = recipe.parameters.get("prompt")
    needs_prompt = prompt is not None and prompt.default is prompt.empty
    magic = "%%synth" if needs_prompt else "%synth generate"
    line = f"{magic} NAME --recipe {recipe.name}"
    print(parser(line, "", recipe.arguments).format_help())
    print(inspect.getdoc(recipe.function) or "")
    return None


def _docs(names: Names) -> dict[str, str]:
    """The docstring of each recipe; synthkit's own are not imported."""
    described = RECIPES.described()
    return {
        name: described[name].doc if name in described else inspect.getdoc(names.public[name]) or ""
        for name in recipe_names(names)
    }


def _listed(name: str, doc: str) -> dict[str, str]:
    """A recipe, the first line of its docstring, and the first arXiv number in it."""
    paper = PAPER.search(doc)
    return {
        "recipe": name,
        "summary": doc.partition("\n")[0],
        "paper": f"arXiv {paper[0]}" if paper else "",
    }


@verb(*ARGUMENTS, words=True)
def generate(context: Context, words: list[str]) -> Any:
    """Run a recipe that needs no prompt, with the options of a %%synth cell."""
    if not HELP & set(words) and not option_values(words, "--recipe"):
        raise UsageError(
            "%synth generate needs --recipe NAME, which %synth recipes lists; a prompt is the text "
            "of a %%synth cell."
        )
    return run_cell(context, join(words), "")
