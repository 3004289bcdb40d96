"""Replay: a model that answers only from a session, and asks nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from synthkit.core.errors import ModelNotFound, ReplayMiss, unknown
from synthkit.core.types import Completion, Request
from synthkit.store.store import Store


class Replay:
    """The answers a model gave in a session, without the model.

    Parameters
    ----------
    store : where the answers are.
    name : which model's, with or without its precision; the latest one used if not given.

    Raises
    ------
    ModelNotFound
        If no such model answered in this session.
    """

    price = (0.0, 0.0)

    def __init__(self, store: Store, name: str | None = None) -> None:
        used = store.models.names()
        if not used:
            raise ModelNotFound(
                f"{store.path} holds no answers to replay; expected a session in which something "
                "was generated."
            )
        fits = [
            item for item in used.items() if name is None or name in (item[1], item[1].split()[0])
        ]
        if not fits:
            raise ModelNotFound(unknown("recorded model", str(name), dict.fromkeys(used.values())))
        self._store = store
        self.fingerprint, self.name = fits[-1]

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """Nothing: what the session holds was answered before it came here.

        Raises
        ------
        ReplayMiss
            On any request; says in which field it differs from the nearest recorded one.
        """
        if requests:
            why = self._store.completions.explain(requests[0].payload(self.fingerprint))
            raise ReplayMiss(
                f"{len(requests)} requests are not in this recording of {self.name}: {why}. "
                "Change it back, or use the model itself."
            )
        yield from ()
