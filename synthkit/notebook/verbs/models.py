"""``%synth model`` and ``%synth models``: load models by name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from synthkit.core.errors import UsageError
from synthkit.core.static_output import static_table
from synthkit.models import load_model
from synthkit.notebook.arguments import plain
from synthkit.notebook.verbs.verb import Verb

if TYPE_CHECKING:
    from synthkit.notebook.magics import SynthMagics


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
    return static_table([{"variable": name, "model": loaded.name}])


def models(magics: SynthMagics, options: Any) -> Any:
    """The models that can be had by name, and those in variables."""
    from synthkit.models.hub.catalog import CATALOG

    rows = [{"model": name, "use": entry.use} for name, entry in CATALOG.items()]
    rows += [{"model": name, "use": "in a variable"} for name in magics.names.models()]
    return static_table(rows)


MODEL = Verb("model", model, arguments=None)
MODELS = Verb("models", models)
