"""``%synth model`` loads a model into a variable; ``%synth models`` lists the models."""

from __future__ import annotations

from typing import Any, get_args

from synthkit.core.errors import UsageError
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.models import load_model, recommendation
from synthkit.models.embedders import EMBEDDERS
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.hub.hub_models import HUB_MODELS, HubModel, Precision
from synthkit.models.openai.providers import PROVIDERS
from synthkit.models.schemes import MODEL_SCHEMES
from synthkit.notebook.context import Context
from synthkit.notebook.names import is_model, plain
from synthkit.notebook.verbs._base import argument, verb

MEMORY = " / ".join(get_args(Precision)) + " GB"
"""The column with the memory of a model's weights at each precision."""


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
    """List models and embedders, and recommend one for this machine."""
    machine = recommendation.this_machine()
    kinds = {"instruct": "model", "embedder": "embedder"}
    rows = [_row(name, kinds[entry.kind], entry.use) for name, entry in CATALOG.items()]
    rows += [_hub_row(model, machine) for model in HUB_MODELS.values()]
    for kind, registry in (("model", MODEL_SCHEMES), ("embedder", EMBEDDERS)):
        rows += [
            _row(f"{scheme}:NAME", kind, listed.summary)
            for scheme, listed in registry.listed().items()
            if scheme not in CATALOG and scheme != "catalog"
        ]
    rows += [
        _row(f"{scheme}:NAME", "model", provider.summary)
        for scheme, provider in PROVIDERS.items()
        if scheme not in MODEL_SCHEMES
    ]
    rows += [_row(name, "model", "in a variable") for name in context.names.models()]
    name, why = recommendation.recommended(machine)
    notes = ["What models are like is as commonly reported, and was not measured here."]
    title = "recommended on this machine"
    return static_table(rows, name=title, note=f"{name}, because {why}", notes=notes)


def _row(spec: str, kind: str, use: str, memory: str = "", fits: str = "") -> dict[str, str]:
    return {"spec": spec, "kind": kind, MEMORY: memory, "fits": fits, "use": use}


def _hub_row(model: HubModel, machine: recommendation.Machine) -> dict[str, str]:
    sizes = " / ".join(f"{model.size(form) / 1e9:.1f}" for form in get_args(Precision))
    fits = recommendation.fitting(model, machine) or "no"
    return _row(model.name, "model", f"{model.use} ({model.licence})", sizes, fits)
