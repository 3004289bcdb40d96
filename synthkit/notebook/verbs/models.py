"""``%synth model`` loads a model into a variable; ``%synth models`` lists the models."""

from __future__ import annotations

from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.models import load_model
from synthkit.models.embedders import EMBEDDERS
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.openai.providers import PROVIDERS
from synthkit.models.schemes import MODEL_SCHEMES
from synthkit.notebook.context import Context
from synthkit.notebook.names import is_model, plain
from synthkit.notebook.verbs._base import argument, verb


@verb(
    argument("name", metavar="NAME", help="variable for the model"),
    argument("spec", metavar="MODEL", help="smollm2, hf:..., openai:..., fake, replay"),
    words=True,
)
def model(context: Context, words: list[str]) -> StaticOutput:
    """Load a model into a variable: NAME SPEC [--option value ...]."""
    if len(words) < 2 or words[0].startswith("-") or not words[0].isidentifier():
        raise UsageError(
            "expected %synth model NAME SPEC, such as: "
            "%synth model gpt openai:gpt-4.1-mini --api-key-env OPENAI_API_KEY"
        )
    name, spec, *rest = words
    options: dict[str, Any] = {}
    while rest:
        option, equals, text = rest.pop(0).partition("=")
        if not option.startswith("--"):
            raise UsageError(f"expected --option value; got {option!r}.")
        value = text if equals else True
        if not equals and rest and not rest[0].startswith("--"):
            value = rest.pop(0)
        options[option[2:].replace("-", "_")] = plain(value) if isinstance(value, str) else value
    if not is_model(context.variables.get(name)):
        context.check_variable(name)
    loaded = load_model(spec, store=context.session.store, **options)
    context.bind({name: loaded}, chosen=[name])
    return static_table([{"variable": name, "model": loaded.name}])


@verb()
def models(context: Context, options: Any) -> StaticOutput:
    """List the specs of models and embedders, and the models in variables."""
    kinds = {"instruct": "model", "embedder": "embedder"}
    rows = [(name, kinds[entry.kind], entry.use) for name, entry in CATALOG.items()]
    for kind, registry in (("model", MODEL_SCHEMES), ("embedder", EMBEDDERS)):
        rows += [
            (f"{scheme}:NAME", kind, listed.summary)
            for scheme, listed in registry.listed().items()
            if scheme not in CATALOG and scheme != "catalog"
        ]
    rows += [
        (f"{scheme}:NAME", "model", provider.summary)
        for scheme, provider in PROVIDERS.items()
        if scheme not in MODEL_SCHEMES
    ]
    rows += [(name, "model", "in a variable") for name in context.names.models()]
    return static_table([{"spec": spec, "kind": kind, "use": use} for spec, kind, use in rows])
