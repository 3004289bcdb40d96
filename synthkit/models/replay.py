"""Replay: a model whose completions all come from a session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synthkit.core.errors import ModelNotFound, ReplayMiss, UsageError, unknown
from synthkit.core.types import Completion, Request
from synthkit.models.schemes import model_scheme
from synthkit.store.store import Store


class Replay:
    """A recorded model: its completions in a session, without the model itself.

    Parameters
    ----------
    store : where the completions are.
    name : of the recorded model, with or without its precision; by default the latest one.

    Raises
    ------
    ModelNotFound
        If the session has no completion of such a model.
    """

    price = (0.0, 0.0)

    def __init__(self, store: Store, name: str | None = None) -> None:
        recorded = store.models.names()
        if not recorded:
            raise ModelNotFound(
                f"{store.place} has no completions to replay; use a session in which something was "
                "generated."
            )
        matching = [
            (mark, model)
            for mark, model in recorded.items()
            if name is None or name in (model, model.split()[0])
        ]
        if not matching:
            raise ModelNotFound(
                unknown("recorded model", str(name), dict.fromkeys(recorded.values()))
            )
        self._store = store
        self.fingerprint, self.name = matching[-1]

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """No completion: requests that the session can answer are not passed to a model.

        Raises
        ------
        ReplayMiss
            On any request; says how it differs from the most similar recorded one.
        """
        if requests:
            why = self._store.completions.explain(requests[0].payload(self.fingerprint))
            names = dict.fromkeys(self._store.models.names().values())
            others = ", ".join(f"replay:{name}" for name in names if name != self.name)
            raise ReplayMiss(
                f"{len(requests)} requests are not in this recording of {self.name}: {why}. "
                "Undo the change, or use the model itself."
                + (f" Other models are recorded here too: {others}." if others else "")
            )
        yield from ()


@model_scheme("replay")
def _load(name: str, *, store: Store | None) -> Replay:
    """A model recorded in a session; the latest one without a name."""
    if store is None:
        raise UsageError("a replay needs a session: load_model('replay', store=...).")
    return Replay(store, name or None)
