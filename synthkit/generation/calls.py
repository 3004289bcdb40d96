"""Calls: a run's recipe with its arguments, recorded so that its rows can be made again.

A run that is made again asks nothing: its completions are in the session, and are found by the keys
of its requests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import ReplayMiss, StoreError
from synthkit.core.hashing import storable_json
from synthkit.core.models import Model
from synthkit.core.types import Completion, Request
from synthkit.recipes._base import RECIPES, Recipe, takes_table
from synthkit.sessions import inputs
from synthkit.store.store import Store


def recorded(
    store: Store,
    recipe: Recipe,
    models: Mapping[str, Model],
    *,
    no_truncated: bool,
    added: Sequence[str],
) -> str:
    """The JSON of a call: the recipe with its arguments, the models by role, and a job's options.

    An argument that cannot be kept, such as a function, is in ``lacks`` with the reason.
    """
    name, arguments = recipe.call or ("", {})
    kept: dict[str, Any] = {}
    lacks: dict[str, str] = {} if recipe.call else {"recipe": "a function of the notebook"}
    for argument, value in arguments.items():
        try:
            kept[argument] = inputs.encode(
                store, inputs.without_secrets(value), table=takes_table(name, argument)
            )
        except inputs.NotKept as error:
            lacks[argument] = str(error)
    body = {
        "recipe": name,
        "arguments": kept,
        "lacks": lacks,
        "models": {role: model.fingerprint for role, model in models.items()},
        "no_truncated": no_truncated,
        "added": list(added),
    }
    return storable_json(body)


@dataclass(frozen=True, slots=True)
class Recorded:
    """A model of which only the fingerprint is known: every completion comes from the session."""

    fingerprint: str
    name: str = "recorded"
    price: tuple[float, float] = (0.0, 0.0)

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        """No completion.

        Raises
        ------
        ReplayMiss
            On any request.
        """
        if requests:
            raise ReplayMiss(f"{len(requests)} requests have no completion in the session.")
        yield from ()


def rebuilt(store: Store, call: str) -> tuple[Recipe, Mapping[str, Recorded]]:
    """The recipe of a recorded call, and its models by their roles.

    Raises
    ------
    StoreError
        If an argument was not kept.
    SynthkitError
        If the recipe refuses its arguments, or is not installed.
    """
    body = json.loads(call)
    for argument, reason in body["lacks"].items():
        raise StoreError(f"its {argument} is {reason}, which is not kept.")
    arguments = {name: inputs.decode(store, value) for name, value in body["arguments"].items()}
    recipe: Recipe = RECIPES[body["recipe"]](**arguments)
    return recipe, {role: Recorded(mark) for role, mark in body["models"].items()}
