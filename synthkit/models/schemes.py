"""Model schemes: what comes before the colon of a spec, and ``load_model``, which reads them."""

from __future__ import annotations

import inspect
import re
import traceback
from collections.abc import Callable, Container
from typing import Any, TypeVar

from synthkit.core.errors import ModelNotFound, UsageError, unknown
from synthkit.core.models import Model
from synthkit.core.registry import Registry
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.models.openai.providers import PROVIDERS
from synthkit.store.store import Store

MODEL_SCHEMES: Registry[Callable[..., Model]] = Registry(
    "model scheme", decorator="model_scheme", package="synthkit.models"
)
"""Scheme -> factory: those of synthkit, of installed packages and of the notebook."""

Factory = TypeVar("Factory", bound=Callable[..., Any])


def model_scheme(scheme: str) -> Callable[[Factory], Factory]:
    """Register a factory of models for ``load_model("scheme:name", ...)``: a decorator.

    The factory takes the name (``""`` if there is none) and the options of ``load_model`` as
    keyword arguments; a parameter ``store`` receives the session's store, or ``None``.

    Examples
    --------
    >>> from synthkit.models.fake import Fake
    >>> @model_scheme("echo")
    ... def echo(name, *, prefix=""):
    ...     '''A model that repeats the prompt.'''
    ...     return Fake(lambda request: prefix + request.messages[-1].content, name=name)
    >>> load_model("echo:x", prefix="> ").name
    'x'
    >>> MODEL_SCHEMES.remove("echo")
    """

    def register(factory: Factory) -> Factory:
        MODEL_SCHEMES.add(scheme, factory, factory)
        return factory

    return register


def model_specs() -> list[str]:
    """What ``load_model`` takes: catalog names, and schemes with a colon. Imports no model."""
    names = [entry.name for entry in CATALOG.values() if entry.kind == "instruct"]
    schemes = dict.fromkeys([*MODEL_SCHEMES, *PROVIDERS])
    return names + [*HUB_MODELS] + [f"{scheme}:" for scheme in schemes if scheme != "catalog"]


def load_model(spec: str, *, store: Store | None = None, **options: Any) -> Model:
    """The model that ``spec`` names.

    Parameters
    ----------
    spec : ``"smollm2"`` or another name of the catalog; ``"hf:<repo id or folder>"`` for anything
        transformers or OpenVINO loads, also ``"hf:<repo id>@<commit>"`` and
        ``"hf:<repo id>/<file>.gguf"``; ``"gguf:<file>"`` for a GGUF file; ``"openai:<name>"`` for
        an endpoint, or ``"groq:<name>"`` for one of a
        :mod:`provider <synthkit.models.openai.providers>`; ``"fake"``; ``"replay"`` or
        ``"replay:<name>"`` for the completions in a session; or a scheme that
        :func:`model_scheme` registered.
    store : where a replay finds its completions.
    options : of the scheme: see :func:`synthkit.models.openai.model.endpoint`,
        :func:`synthkit.models.local_model.load_local`,
        :class:`synthkit.models.fake.Fake`.

    Raises
    ------
    ModelNotFound
        If there is no such model or scheme; lists what there is.
    UsageError
        If the scheme has no such option.

    Examples
    --------
    >>> load_model("fake").name
    'fake'
    """
    if not isinstance(spec, str):
        raise UsageError(f"expected the spec of a model, such as 'smollm2'; got {spec!r:.200}.")
    scheme, _, name = spec.partition(":")
    if spec in CATALOG or spec in HUB_MODELS:
        scheme, name = "catalog", spec
    scheme = of_provider(scheme, MODEL_SCHEMES, options)
    if scheme not in MODEL_SCHEMES:
        raise ModelNotFound(
            unknown("model", spec, model_specs())
            + " A name follows the colon, such as 'openai:gpt-4.1-mini'."
        )
    factory: Callable[..., Model] = MODEL_SCHEMES[scheme]
    if "store" in parameter_names(factory):
        options["store"] = store
    return create(factory, name, options, f"a model {spec!r}")


def as_model(model: Model | str, store: Store) -> Model:
    """A model, or the one that a spec names.

    Raises
    ------
    UsageError
        If it is neither.
    """
    if isinstance(model, str):
        return load_model(model, store=store)
    if not hasattr(model, "complete") or not hasattr(model, "fingerprint"):
        raise UsageError(
            f"expected a model, or a spec of one such as 'smollm2'; got {model!r:.200}."
        )
    return model


def of_provider(scheme: str, schemes: Container[str], options: dict[str, Any]) -> str:
    """The scheme of a spec; that of a provider is ``openai`` with an option for the provider."""
    if scheme not in PROVIDERS or scheme in schemes:
        return scheme
    options["provider"] = scheme
    return "openai"


def parameter_names(factory: Callable[..., Any]) -> list[str]:
    """The names of a factory's parameters."""
    return list(inspect.signature(factory).parameters)


T = TypeVar("T")


def create(factory: Callable[..., T], name: str, options: dict[str, Any], what: str) -> T:
    """What a factory makes of a name and options.

    Raises
    ------
    UsageError
        If it has no such option.
    """
    try:
        return factory(name, **options)
    except TypeError as error:
        wrong = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        if wrong is None:
            raise
        known = {*parameter_names(factory), *_parameters_of_refuser(error)} - _NO_OPTIONS
        raise UsageError(f"{what}: {unknown('option', wrong[1], sorted(known))}") from None


_NO_OPTIONS = {"self", "name", "spec", "store", "options", "server"}
"""Parameters of factories that are no options of a line."""


def _parameters_of_refuser(error: TypeError) -> list[str]:
    """The parameters of the function to which a factory passed the wrong option on."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    function = frame.f_globals.get(str(error).partition("(")[0].partition(".")[0])
    return parameter_names(function) if callable(function) else []
