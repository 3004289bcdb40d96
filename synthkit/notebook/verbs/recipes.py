"""``%synth recipes`` and ``%synth make``: what recipes there are, and a cell without a prompt."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument

from synthkit.core.static_output import static_table
from synthkit.notebook import arguments as opts
from synthkit.notebook.verbs.verb import Verb

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics


def recipes(magics: SynthMagics, options: Any) -> Any:
    """[RECIPE]: the generation methods with their papers, or what one of them takes."""
    from synthkit.notebook.recipe_arguments import entries, entry

    if options.recipe is None:
        found = entries(magics.names)
        return static_table(
            [{"recipe": one.name, "what": one.what, "paper": one.paper} for one in found.values()]
        )
    one = entry(options.recipe, magics.names)
    print(opts.parser(f"%synth NAME --recipe {one.name}", "", one.arguments).format_help())
    print(inspect.getdoc(one.function) or "")
    return None


def make(magics: SynthMagics, words: list[str]) -> Any:
    """NAME --recipe RECIPE ...: a %%synth cell for recipes that need no prompt."""
    return magics.run_cell(opts.join(words), "")


RECIPES = Verb(
    "recipes",
    recipes,
    (argument("recipe", nargs="?", metavar="RECIPE", help="explain this one"),),
)
MAKE = Verb("make", make, arguments=None)
