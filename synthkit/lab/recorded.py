"""Models of an imported lab that nobody has agreed to load: they show recorded completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Request
from synthkit.store.store import Store

HOW = "add --trust (trust=True)"
"""How to agree to what an imported lab does."""


class RecordedModel:
    """Stands for a model by its spec, which is neither loaded nor looked up.

    Parameters
    ----------
    spec : of the model.
    store : where completions of a model of that name may be.
    """

    price = None

    def __init__(self, spec: str, store: Store) -> None:
        self.name = spec
        names = {spec, spec.partition(":")[2]} - {""}
        recorded = [
            fingerprint
            for fingerprint, model in store.models.names().items()
            if {model, model.split(" ")[0]} & names
        ]
        self.fingerprint = recorded[-1] if recorded else f"not loaded: {spec}"

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """No completion.

        Raises
        ------
        UsageError
            On any request.
        """
        if requests:
            raise UsageError(
                f"{self.name} is not loaded, since this lab came with a bundle. Give models, or "
                f"{HOW}."
            )
        yield from ()
