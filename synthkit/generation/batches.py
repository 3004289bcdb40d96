"""Jobs that are asked by batch APIs, and requests that wait in batches already."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from synthkit.core.environment import warn
from synthkit.core.errors import StoreError, UsageError
from synthkit.core.formatting import count
from synthkit.core.models import Model
from synthkit.generation.options import JobOptions
from synthkit.store.store import Store


def batched(models: Mapping[str, Model], options: JobOptions, store: Store) -> Mapping[str, Model]:
    """The models by role, asked by their batch APIs if the options say so.

    Raises
    ------
    UsageError
        If one has no batch API, or the options wait for no batch.
    """
    wait = bool(options.get("wait"))
    if not options.get("batch"):
        if wait:
            raise UsageError("wait=True waits for batches; give batch=True (--batch) as well.")
        return models
    from synthkit.models.openai.batch.model import BatchModel
    from synthkit.models.openai.model import Endpoint

    among = len({id(model) for model in models.values()}) > 1
    made: dict[int, Model] = {}
    for model in models.values():
        if not isinstance(model, Endpoint):
            raise UsageError(
                f"{model.name} has no batch API: expected a model behind a server, such as "
                "openai:NAME. Ask it directly: without --batch, or batch=False."
            )
        made[id(model)] = made.get(id(model)) or BatchModel(model, store, wait=wait, among=among)
    return {role: made[id(model)] for role, model in models.items()}


def waiting(store: Store, keys: Callable[[], Iterable[str]]) -> int:
    """How many requests wait in a batch; ``keys`` is called only if any does.

    None in a store that cannot be read: the run says what is wrong with it.
    """
    try:
        if not any(batch.waiting for batch in store.leases.batches.all()):
            return 0
        where = store.leases.batches.of(keys())
        return len(where.keys() - store.completions.get(list(where)).keys())
    except StoreError:
        return 0


def warn_of_waiting(model: Model, store: Store, keys: Callable[[], Iterable[str]]) -> None:
    """Warn that requests are asked directly which wait in a batch as well."""
    if hasattr(model, "wait") or not (n := waiting(store, keys)):
        return
    warn(
        f"{count(n, 'request')} of this run wait in a batch as well (%synth batches); what it "
        "answers is paid twice. Run it with --batch (batch=True) to collect that, or cancel the "
        "batch in time.",
        stacklevel=3,
    )
