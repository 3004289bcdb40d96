"""The configuration of a lab: models, checks, inputs, and how completions are parsed.

What is not given is taken from the saved lab.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import SynthkitError, UsageError, check_positive
from synthkit.core.formatting import count
from synthkit.core.models import Model
from synthkit.data import tables
from synthkit.evaluate.checks import Check, Judge, parse
from synthkit.lab.recorded import HOW, RecordedModel
from synthkit.models import load_model
from synthkit.prompts.conditions import conditions
from synthkit.prompts.parsing import json_schema
from synthkit.sessions.session import Session

Models = Sequence[Model | str] | Mapping[str, Model] | Model | str
Checks = Sequence[Check | Judge | str]
LineOption = tuple[str, str]
"""An option of a ``%%synth`` line and its value."""
AGAIN = "cannot run: define it and open the lab again, or give other"
"""What to do if a saved lab lacks a variable; before the reason, which may be long."""


@dataclass(frozen=True, slots=True)
class LabConfig:
    """The models by their labels, the judge, the checks, the inputs, and how to parse.

    ``parsing`` has the options ``schema``, ``labels``, ``regex`` and ``output`` that are set.
    ``line_options`` give the same inputs and schema on a ``%%synth`` line. ``left_out`` is how many
    rows of the table of inputs a limit left out. ``notes`` say what a lab
    that was opened again lacks; ``withheld`` has its checks that are saved but do not run.
    """

    models: Mapping[str, Model]
    judge: Model
    judge_name: str
    checks: Sequence[Check | Judge]
    inputs: Any
    left_out: int
    parsing: Mapping[str, Any]
    line_options: Sequence[LineOption]
    notes: Sequence[str]
    withheld: Sequence[str] = ()

    def body(self) -> dict[str, Any]:
        """What can be saved of it, as plain JSON."""
        schema = self.parsing.get("schema")
        parsing = dict(self.parsing)
        if schema is not None:
            parsing["schema"] = json_schema(schema)
        rows = [{k: _plain(v) for k, v in row.items()} for row in tables.records(self.inputs)]
        return {
            "models": list(self.models),
            "judge": self.judge_name,
            "checks": [*(check.line for check in self.checks if check.line), *self.withheld],
            "rows": rows,
            "left_out": self.left_out,
            "reading": parsing,
            "words": [list(option) for option in self.line_options],
        }


def configure(
    saved: Mapping[str, Any],
    session: Session,
    *,
    models: Models,
    judge: Model | str | None,
    checks: Checks | None,
    inputs: Any,
    limit: int | None,
    vary: Mapping[str, Sequence[Any]] | None,
    parsing: Mapping[str, Any],
    line_options: Sequence[LineOption],
    find: Callable[[str], Model] | None,
    named: Callable[[str], Any] | None,
    trusted: bool,
) -> LabConfig:
    """The given configuration, completed from the saved one.

    Parameters
    ----------
    trusted : whether the saved models may be loaded, and the saved checks may call functions of
        the notebook; models and checks that are given always may.

    Raises
    ------
    UsageError
        If there is no model, or an input or a check is invalid.
    """
    load = find or (lambda spec: load_model(spec, store=session.store))
    notes: list[str] = []
    fingerprints = saved_fingerprints(saved)

    def recall(spec: str) -> Model:
        fingerprint = fingerprints.get(spec, "")
        if not trusted:
            return RecordedModel(spec, session.store, fingerprint)
        try:
            return load(spec)
        except SynthkitError as error:
            why = f"{AGAIN} models: {error}"
            notes.append(f"{spec} {why}")
            return RecordedModel(spec, session.store, fingerprint, f"and {why}")

    loaded = _models(models, load) if models else _models(saved.get("models") or (), recall)
    load_judge = load if judge else recall
    judge = judge or saved.get("judge") or next(iter(loaded.values()))
    withheld: list[str] = []
    parsed: list[Check | Judge]
    if checks is None:
        parsed = _saved_checks(saved.get("checks", ()), named if trusted else None, notes, withheld)
    else:
        parsed = _checks(checks, named, notes)
    waiting = [model.name for model in loaded.values() if isinstance(model, RecordedModel)]
    waiting += [judge] if isinstance(judge, str) and load_judge is not load else []
    if not trusted and (waiting or withheld):
        notes = _questions(dict.fromkeys(waiting), withheld)
    if any(len(value.splitlines()) > 1 for _, value in line_options):
        line_options = ()  # no line holds a value with line breaks
    stale = {"--schema"} if parsing else set()
    if inputs is not None or vary or not saved:
        stale |= {"--from", "--vary"}
        rows = _limited(inputs, limit)
        left_out = 0 if inputs is None else tables.size(inputs) - tables.size(rows)
        inputs = conditions(rows, 1, vary or {})
    else:
        inputs, left_out = tables.native(saved["rows"]), saved.get("left_out", 0)
    if left_out:
        notes.append(f"The limit leaves out {count(left_out, 'row')} of the inputs.")
    former = [option for option in map(tuple, saved.get("words", ())) if option[0] not in stale]
    return LabConfig(
        models=loaded,
        judge=load_judge(judge) if isinstance(judge, str) else judge,
        judge_name=judge if isinstance(judge, str) else "",
        checks=parsed,
        inputs=inputs,
        left_out=left_out,
        parsing=dict(parsing) or saved.get("reading", {}),
        line_options=[*former, *line_options],
        notes=list(dict.fromkeys(notes)),
        withheld=withheld,
    )


def saved_fingerprints(saved: Mapping[str, Any]) -> dict[str, str]:
    """Spec -> fingerprint, for models whose completions are not found by their spec."""
    known = saved.get("fingerprints")
    return {k: str(v) for k, v in known.items()} if isinstance(known, Mapping) else {}


def _calls(line: str) -> bool:
    """Whether a check's line refers to a variable of the notebook."""
    return line.lstrip().startswith(("@", "schema "))


def _questions(models: Iterable[str], checks: Sequence[str]) -> list[str]:
    """What an imported lab would do if it were trusted, in lines that a table shows whole."""
    would = [f"It would load {spec}." for spec in models]
    would += [f"It would call a function of this notebook: {line}" for line in checks]
    return [f"This lab came with a bundle and shows what is recorded. To run it, {HOW}.", *would]


def _limited(inputs: Any, limit: int | None) -> Any:
    """The first rows of a table, if there is one; all without a limit."""
    if limit is not None:
        check_positive(limit=limit)
    if inputs is None:
        return None
    if not tables.size(inputs):
        raise UsageError("the table of inputs is empty; a lab needs at least one row.")
    return tables.take(inputs, range(tables.size(inputs))[:limit])


def _models(models: Models, load: Callable[[str], Model]) -> dict[str, Model]:
    if isinstance(models, Mapping):
        loaded = dict(models)
    else:
        specs: Any = models
        if isinstance(models, str) or not isinstance(models, Sequence):
            specs = [models]
        loaded = {}
        for spec in specs:
            label = spec if isinstance(spec, str) else spec.name
            if label in loaded:
                raise UsageError(
                    f"two models are named {label!r}; give models={{'name': model, ...}}."
                )
            loaded[label] = load(spec) if isinstance(spec, str) else spec
    if not loaded:
        raise UsageError('a lab needs a model: models=["smollm2"], or a model object.')
    return loaded


def _checks(
    checks: Checks, named: Callable[[str], Any] | None, notes: list[str]
) -> list[Check | Judge]:
    parsed: list[Check | Judge] = []
    for check in checks:
        if not isinstance(check, str):
            parsed.append(check)
        elif named is None and _calls(check):
            notes.append(f"the check {check!r} refers to a variable: give it again.")
        else:
            parsed.append(parse(check, named or str))
    return parsed


def _saved_checks(
    lines: Sequence[str],
    named: Callable[[str], Any] | None,
    notes: list[str],
    withheld: list[str],
) -> list[Check | Judge]:
    """The checks of a saved lab; those that cannot run now are withheld, with a note."""
    parsed: list[Check | Judge] = []
    for line in lines:
        try:
            checks = _checks([line], named, notes)
        except UsageError as error:
            notes.append(f"the check {line!r} {AGAIN} checks: {error}")
            checks = []
        parsed += checks
        withheld += [] if checks else [line]
    return parsed


def _plain(cell: Any) -> Any:
    """A cell as JSON, or as the text that a template makes of it."""
    try:
        return json.loads(json.dumps(cell, allow_nan=False))
    except (TypeError, ValueError):
        return str(cell)
