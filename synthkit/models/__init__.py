"""Models: ``load_model(spec)`` gives one. Each is a ``synthkit.core.types.Model``."""

from __future__ import annotations

from typing import Any

from synthkit.core.errors import ModelNotFound, UsageError, unknown
from synthkit.core.types import Model
from synthkit.store.store import Store

FORMS = ("openai:NAME", "hf:REPO-OR-FOLDER", "fake", "replay", "replay:NAME")


def load_model(spec: str, *, store: Store | None = None, **options: Any) -> Model:
    """The model that ``spec`` names.

    Parameters
    ----------
    spec : ``"smollm2"`` or another name of the catalog; ``"hf:<repo id or folder>"`` for anything
        transformers loads; ``"openai:<name>"`` for an endpoint; ``"fake"``; ``"replay"`` or
        ``"replay:<name>"`` for the answers that a session holds.
    store : where a replay finds its answers.
    options : of the kind of model: see :func:`synthkit.models.openai.model.endpoint`,
        :func:`synthkit.models.transformers.model.load_local` and :class:`synthkit.models.fake.Fake`.

    Raises
    ------
    ModelNotFound
        If there is no such model here; lists what is.
    UsageError
        If an option is not one of that kind of model.

    Examples
    --------
    >>> load_model("fake").name
    'fake'
    """
    scheme, _, rest = spec.partition(":")
    try:
        if scheme == "openai":
            from synthkit.models.openai.model import endpoint

            return endpoint(rest, **options)
        if scheme == "fake":
            from synthkit.models.fake import Fake

            return Fake(name=rest or "fake", **options)
        if scheme == "replay":
            from synthkit.models.replay import Replay

            if store is None:
                raise UsageError("a replay needs a session: load_model('replay', store=...).")
            return Replay(store, rest or None, **options)
        from synthkit.models.hub.catalog import CATALOG
        from synthkit.models.transformers.model import load_local

        if scheme == "hf" or spec in CATALOG:
            return load_local(spec, **options)
    except TypeError as error:
        if "unexpected keyword argument" in str(error):
            raise UsageError(f"a model {spec!r} has no such option: {error}.") from None
        raise
    raise ModelNotFound(unknown("model", spec, (*CATALOG, *FORMS)))
