"""Setup: of whom a lab asks what, how answers are read, and how they are checked.

What is not given is as it was when the lab was kept.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Model
from synthkit.data import tables as tables
from synthkit.evaluate.checks import Check, Judge, parse
from synthkit.models import load_model
from synthkit.prompts.conditions import conditions
from synthkit.prompts.parsing import json_schema
from synthkit.sessions.session import Session

Models = Sequence[Model | str] | Mapping[str, Model] | Model | str
Checks = Sequence[Check | Judge | str]
Words = tuple[str, str]
"""An option of a ``%%synth`` line and its value."""


@dataclass(frozen=True, slots=True)
class Setup:
    """Models by what they are called, the judge, checks, inputs, and how answers are read.

    ``words`` are the options of a ``%%synth`` line that give the same inputs and schema; ``notes``
    say what a lab that was opened again lacks.
    """

    models: Mapping[str, Model]
    judge: Model
    judge_name: str
    checks: Sequence[Check | Judge]
    inputs: Any
    reading: Mapping[str, Any]
    words: Sequence[Words]
    notes: Sequence[str]

    def body(self) -> dict[str, Any]:
        """What can be kept of it, as plain JSON."""
        schema = self.reading.get("schema")
        reading = {**self.reading, **({"schema": json_schema(schema)} if schema else {})}
        rows = [{k: _plain(v) for k, v in row.items()} for row in tables.records(self.inputs)]
        return {
            "models": list(self.models),
            "judge": self.judge_name,
            "checks": [one.line for one in self.checks if one.line],
            "rows": rows,
            "reading": reading,
            "words": [list(pair) for pair in self.words],
        }


def resolve(
    kept: Mapping[str, Any],
    session: Session,
    *,
    models: Models,
    judge: Model | str | None,
    checks: Checks | None,
    inputs: Any,
    limit: int,
    vary: Mapping[str, Sequence[Any]] | None,
    reading: Mapping[str, Any],
    words: Sequence[Words],
    find: Callable[[str], Model] | None,
    named: Callable[[str], Any] | None,
) -> Setup:
    """The setup that is asked for, over the one that was kept.

    Raises
    ------
    UsageError
        If there is no model, or an input or a check makes no sense.
    """
    load = find or (lambda spec: load_model(spec, store=session.store))
    loaded = _models(models or kept.get("models") or (), load)
    said = judge or kept.get("judge") or next(iter(loaded.values()))
    notes: list[str] = []
    stale = {"--schema"} if reading else set()
    if inputs is not None or vary or not kept:
        stale |= {"--from", "--vary"}
        if limit < 1:
            raise UsageError(f"limit must be at least 1; got {limit}.")
        if inputs is not None:
            inputs = tables.take(inputs, range(min(limit, tables.size(inputs))))
            if not tables.size(inputs):
                raise UsageError("the table of inputs is empty; a lab needs a row to ask for.")
        fields = conditions(inputs, 1, vary or {})
    else:
        rows = kept["rows"]
        names = rows[0] if rows else {}
        fields = tables.build({name: [row[name] for row in rows] for name in names}, n=len(rows))
    return Setup(
        models=loaded,
        judge=load(said) if isinstance(said, str) else said,
        judge_name=said if isinstance(said, str) else "",
        checks=_checks(kept.get("checks", ()) if checks is None else checks, named, notes),
        inputs=fields,
        reading=dict(reading) or kept.get("reading", {}),
        words=[*(w for w in map(tuple, kept.get("words", ())) if w[0] not in stale), *words],
        notes=notes,
    )


def _models(given: Models, load: Callable[[str], Model]) -> dict[str, Model]:
    found: dict[str, Model] = {}
    if isinstance(given, Mapping):
        found |= given
    else:
        several = given if isinstance(given, Sequence) and not isinstance(given, str) else [given]
        for one in several:
            label = one if isinstance(one, str) else one.name
            if label in found:
                raise UsageError(
                    f"two models are named {label!r}; give models={{'name': model, ...}}."
                )
            found[label] = load(one) if isinstance(one, str) else one
    if not found:
        raise UsageError('a lab needs a model: models=["smollm2"], or a model of your own.')
    return found


def _checks(
    given: Checks, named: Callable[[str], Any] | None, notes: list[str]
) -> list[Check | Judge]:
    found: list[Check | Judge] = []
    for one in given:
        if not isinstance(one, str):
            found.append(one)
        elif named is None and one.startswith(("@", "schema ")):
            notes.append(f"the check {one!r} speaks of a variable: give it again.")
        else:
            found.append(parse(one, named or str))
    return found


def _plain(cell: Any) -> Any:
    """A cell that is JSON as it is, any other as the text that a template makes of it."""
    try:
        return json.loads(json.dumps(cell, allow_nan=False))
    except (TypeError, ValueError):
        return str(cell)
