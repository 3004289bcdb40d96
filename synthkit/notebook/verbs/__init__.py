"""The verbs of ``%synth``: each a few lines over a public function."""

from __future__ import annotations

from collections.abc import Mapping

from synthkit.core.static_output import StaticOutput, static_table
from synthkit.notebook.verbs.evaluate import EVAL, SCORES
from synthkit.notebook.verbs.explore import EXPLORE
from synthkit.notebook.verbs.filter import FILTER
from synthkit.notebook.verbs.lab import LAB
from synthkit.notebook.verbs.learn import LEARN
from synthkit.notebook.verbs.marks import MARK, MARKS
from synthkit.notebook.verbs.models import MODEL, MODELS
from synthkit.notebook.verbs.plot import PLOT
from synthkit.notebook.verbs.recipes import MAKE, RECIPES
from synthkit.notebook.verbs.sessions import EXPORT, IMPORT, SESSION, TRACE
from synthkit.notebook.verbs.show import SHOW
from synthkit.notebook.verbs.verb import Verb

VERBS: Mapping[str, Verb] = {
    verb.name: verb
    for verb in (
        *(MODEL, MODELS, RECIPES, MAKE, SHOW, MARK, MARKS, LEARN, FILTER, LAB, EXPLORE),
        *(EVAL, SCORES, PLOT, SESSION, EXPORT, IMPORT, TRACE),
    )
}


def listing(verbs: Mapping[str, Verb]) -> StaticOutput:
    """The verbs with a line each."""
    return static_table(
        [{"verb": f"%synth {name}", "what": verb.what} for name, verb in verbs.items()]
    )
