"""The verbs of ``%synth``: each a few lines over a public function."""

from __future__ import annotations

from collections.abc import Mapping

from synthkit.jupyter.display import Static, grid
from synthkit.jupyter.verbs.evaluate import EVAL, SCORES
from synthkit.jupyter.verbs.explore import EXPLORE
from synthkit.jupyter.verbs.filter import FILTER
from synthkit.jupyter.verbs.lab import LAB
from synthkit.jupyter.verbs.learn import LEARN
from synthkit.jupyter.verbs.marks import MARK, MARKS
from synthkit.jupyter.verbs.models import MODEL, MODELS
from synthkit.jupyter.verbs.plot import PLOT
from synthkit.jupyter.verbs.recipes import MAKE, RECIPES
from synthkit.jupyter.verbs.sessions import EXPORT, IMPORT, SESSION, TRACE
from synthkit.jupyter.verbs.show import SHOW
from synthkit.jupyter.verbs.verb import Verb

VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        *(MODEL, MODELS, RECIPES, MAKE, SHOW, MARK, MARKS, LEARN, FILTER, LAB, EXPLORE),
        *(EVAL, SCORES, PLOT, SESSION, EXPORT, IMPORT, TRACE),
    )
}


def listing(verbs: Mapping[str, Verb]) -> Static:
    """The verbs with a line each."""
    return grid([{"verb": f"%synth {name}", "what": verb.what} for name, verb in verbs.items()])
