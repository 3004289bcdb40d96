"""The verbs of ``%synth``: each a few lines over a public function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from synthkit.errors import UsageError
from synthkit.jupyter.display import Static, grid, money
from synthkit.jupyter.options import plain
from synthkit.models import load_model

if TYPE_CHECKING:
    from synthkit.jupyter.magics import SynthMagics

Verb = Callable[["SynthMagics", list[str]], Any]


def model(magics: SynthMagics, words: list[str]) -> Any:
    """NAME SPEC [--option value ...]: load a model into a variable."""
    if len(words) < 2 or words[0].startswith("-") or not words[0].isidentifier():
        raise UsageError(
            "expected %synth model NAME SPEC, such as: "
            "%synth model gpt openai:gpt-4.1-mini --api-key-env OPENAI_API_KEY"
        )
    name, spec, *rest = words
    options: dict[str, Any] = {}
    while rest:
        option, equals, value = rest.pop(0).partition("=")
        if not option.startswith("--"):
            raise UsageError(f"expected --option value; got {option!r}.")
        given = value if equals else True
        if not equals and rest and not rest[0].startswith("--"):
            given = rest.pop(0)
        options[option[2:].replace("-", "_")] = plain(given) if isinstance(given, str) else given
    store = {"store": magics.session.store} if spec.startswith("replay") else {}
    loaded = load_model(spec, **store, **options)
    magics.shell.user_ns[name] = loaded
    return grid([{"variable": name, "model": loaded.name}])


def models(magics: SynthMagics, words: list[str]) -> Any:
    """The models that can be had by name, and those in variables."""
    from synthkit.models.catalog import CATALOG

    rows = [{"model": name, "use": entry.use} for name, entry in CATALOG.items()]
    rows += [{"model": name, "use": "in a variable"} for name in magics.names.models()]
    return grid(rows)


def session(magics: SynthMagics, words: list[str]) -> Any:
    """[FOLDER]: the session's runs and tables; with a folder, go to that session."""
    if words:
        magics.folder = words[0]
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


def trace(magics: SynthMagics, words: list[str]) -> Any:
    """ID: a row back to its prompt, model, sampling and raw answer."""
    if len(words) != 1:
        raise UsageError("expected %synth trace ID, with the id of one row.")
    rows = []
    for stored in magics.session.trace(words[0]):
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


VERBS: Mapping[str, Verb] = {
    "model": model,
    "models": models,
    "session": session,
    "trace": trace,
}


def listing(verbs: Mapping[str, Verb]) -> Static:
    """The verbs with a line each."""
    return grid([{"verb": f"%synth {name}", "what": verb.__doc__} for name, verb in verbs.items()])
