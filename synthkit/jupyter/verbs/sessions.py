"""``%synth session`` and ``%synth trace``: what is kept, and the way back from a row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from IPython.core.magic_arguments import argument

from synthkit.jupyter.display import grid, money
from synthkit.jupyter.verbs.verb import Verb

if TYPE_CHECKING:
    from synthkit.jupyter.magics import SynthMagics


def session(magics: SynthMagics, options: Any) -> Any:
    """The session's runs and tables; with a folder, go to that session."""
    if options.folder:
        magics.folder = options.folder
    here = magics.session
    rows = [
        {
            "run": run["name"] or "-",
            "model": run["model"],
            "rows": run["rows"],
            "rejects": run["rejects"],
            "requests": run["requests"],
            "hits": run["hits"],
            "cost": "-" if run["cost"] is None else money(run["cost"]),
            "stopped": run["stopped"],
        }
        for run in here.store.runs()
    ]
    tables = ", ".join(here.names()) or "none yet"
    return grid(
        rows, note=f"session {magics.folder}: {here.store.count()} answers; tables: {tables}"
    )


def trace(magics: SynthMagics, options: Any) -> Any:
    """A row back to its prompt, model, sampling and raw answer."""
    rows = []
    for stored in magics.session.trace(options.id):
        request, completion = stored.request, stored.completion
        rows += [{"part": role, "value": content} for role, content in request["messages"]]
        rows += [
            {"part": "answer", "value": completion.text},
            {"part": "model", "value": request["model"]},
            {"part": "sampling", "value": request["sampling"]},
            {"part": "sample index", "value": request["index"]},
            {"part": "finish", "value": completion.finish},
            {"part": "tokens in", "value": completion.prompt_tokens},
            {"part": "tokens out", "value": completion.completion_tokens},
        ]
        if request["schema"]:
            rows.append({"part": "schema", "value": request["schema"]})
    return grid(rows)


SESSION = Verb(
    "session",
    session,
    (argument("folder", nargs="?", metavar="FOLDER", help="go to the session in this folder"),),
)
TRACE = Verb("trace", trace, (argument("id", metavar="ID", help="the id of one row"),))
