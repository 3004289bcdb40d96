"""Models of a lab that are not loaded: they show recorded completions.

Nobody has agreed to load those of an imported lab; others are no longer variables of the notebook.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Request
from synthkit.store.store import Store

HOW = "add --trust (trust=True)"
"""How to agree to what an imported lab does."""

FROM_BUNDLE = f"since this lab came with a bundle. Give models, or {HOW}."


class RecordedModel:
    """Stands for a model by its spec, which is neither loaded nor looked up.

    Parameters
    ----------
    spec : of the model.
    store : where completions of a model of that name may be.
    fingerprint : of the model, if it is known.
    why : why it is not loaded, and what to do.
    """

    price = None

    def __init__(
        self, spec: str, store: Store, fingerprint: str = "", why: str = FROM_BUNDLE
    ) -> None:
        self.name, self.why = spec, why
        if fingerprint:
            self.fingerprint = fingerprint
            return
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
            raise UsageError(f"{self.name} is not loaded, {self.why}")
        yield from ()
