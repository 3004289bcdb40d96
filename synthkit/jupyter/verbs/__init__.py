"""The verbs of ``%synth``: each a few lines over a public function."""

from __future__ import annotations

from collections.abc import Mapping

from synthkit.jupyter.display import Static, grid
from synthkit.jupyter.verbs.models import MODEL, MODELS
from synthkit.jupyter.verbs.sessions import SESSION, TRACE
from synthkit.jupyter.verbs.verb import Verb

VERBS: Mapping[str, Verb] = {verb.name: verb for verb in (MODEL, MODELS, SESSION, TRACE)}


def listing(verbs: Mapping[str, Verb]) -> Static:
    """The verbs with a line each."""
    return grid([{"verb": f"%synth {name}", "what": verb.what} for name, verb in verbs.items()])
