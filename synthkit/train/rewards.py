"""Rewards of completions: checks, filters, judges, reward models and functions, as numbers."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from synthkit.core.code_identity import code_digest
from synthkit.core.errors import UsageError
from synthkit.core.formatting import count
from synthkit.core.models import Model
from synthkit.curate.filters.base import Filter
from synthkit.data import tables
from synthkit.evaluate import checks
from synthkit.evaluate.checks import Check, Judge, Verdict
from synthkit.train.judging import question, recipe_scores
from synthkit.train.reward_model import RewardModel

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward of completions.

    Parameters
    ----------
    name : shown to people, and in the log.
    score : rows -> for each a number, a bool, a reason why it failed, a verdict, or ``None``.
    identity : what it computes, for the key of a training.
    missing : why there was no number -> how often; of ``asked`` completions.
    """

    name: str
    score: Callable[[Rows], Sequence[Any]]
    identity: str
    missing: Counter[str] = field(default_factory=Counter)

    def numbers(self, rows: Rows) -> list[float | None]:
        """The number of each row; ``None``, with the reason counted, if there is none."""
        try:
            results: Sequence[Any] = list(self.score(rows))
            if len(results) != len(rows):
                raise ValueError(f"it gave {len(results)} values for {len(rows)} completions")
        except Exception as error:  # the reward is the user's code: the training must go on
            results = [Verdict(None, f"{type(error).__name__}: {error}")] * len(rows)
        found = [number(result) for result in results]
        self.missing.update(why for value, why in found if value is None)
        return [value for value, _ in found]

    @property
    def complaint(self) -> str:
        """How often there was no number, and the most common reason; ``""`` if there always was."""
        if not self.missing:
            return ""
        (why, _), *_ = self.missing.most_common(1)
        n = count(self.missing.total(), "completion")
        return f"the reward {self.name!r} gave no number for {n}, most often: {why}"


def rewards_of(specs: Any, judge: Model | None) -> list[Reward]:
    """The rewards that :func:`synthkit.train.grpo` was given.

    Raises
    ------
    UsageError
        If there is none, one is not of a kind that can be a reward, two have the same name, or a
        judge is needed and there is none.
    """
    several = list(specs) if isinstance(specs, list | tuple) else [specs]
    if not several:
        raise UsageError("grpo needs a reward, such as 'length completion 5-30 words'.")
    found = [reward_of(spec, judge) for spec in several]
    names = [reward.name for reward in found]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two rewards are named {name!r}; name a function as you like by def.")
    return found


def reward_of(spec: Any, judge: Model | None = None) -> Reward:
    """One reward: a check or a line that describes one, a filter, a model, or a function.

    >>> reward_of("length completion 2-3 words").numbers([{"completion": "Cold soup."}])
    [1.0]
    >>> reward_of(lambda row: len(row["completion"])).numbers([{"completion": "Cold"}])
    [4.0]
    """
    if isinstance(spec, str):
        spec = checks.parse(spec, _unnamed)
    if isinstance(spec, Judge):
        model = _judge(judge, spec.name)
        return Reward(spec.name, question(spec, model), code_digest([spec, model.fingerprint]))
    if isinstance(spec, Check):
        identity = code_digest(spec.line or [spec.name, spec.test])
        return Reward(spec.name, lambda rows: list(map(spec, rows)), identity)
    if isinstance(spec, Filter):
        return Reward(spec.name, partial(_passed, spec), code_digest([spec.name, spec.judge]))
    if isinstance(spec, RewardModel):
        return Reward(spec.name, spec.scores, spec.fingerprint)
    if not callable(spec):
        raise UsageError(
            "a reward is a check ('length completion 5-30 words', 'judge Is it polite?'), a "
            "filter, a reward model, a recipe such as functools.partial(recipes.judge, "
            "column='completion'), or a function of a row that returns a number; got "
            f"{type(spec).__name__}."
        )
    name = str(getattr(getattr(spec, "func", spec), "__name__", type(spec).__name__))
    if _takes_rows(spec):
        model = _judge(judge, name)
        identity = code_digest([spec, model.fingerprint])
        return Reward(name, recipe_scores(spec, model), identity)
    return Reward(name, lambda rows: [_called(spec, row) for row in rows], code_digest(spec))


def number(result: Any) -> tuple[float | None, str]:
    """A result as a number, or ``None`` with the reason; passed is 1, and failed 0."""
    reason: Any = ""
    if isinstance(result, Verdict):
        result, reason = result.passed, result.reason
    elif isinstance(result, tuple) and len(result) == 2:
        result, reason = result
    if isinstance(result, str):
        return 0.0, result
    if result is None:
        return None, str(reason) or "it gave None"
    try:
        value = float(result)
    except (TypeError, ValueError):
        return None, f"it gave {type(result).__name__}, not a number"
    return (value, str(reason)) if math.isfinite(value) else (None, f"it gave {value}")


def _called(function: Callable[..., Any], row: Mapping[str, Any]) -> Any:
    """What a function of a row returns; no verdict, with the error, if it raises."""
    try:
        return function(row)
    except Exception as error:  # the function is the user's: one row must not stop the others
        return Verdict(None, f"{type(error).__name__}: {error}")


def _passed(filter: Filter, rows: Rows) -> list[Any]:
    return [reason or True for reason in filter.judge(tables.native(list(map(dict, rows))))]


def _takes_rows(spec: Callable[..., Any]) -> bool:
    """Whether it makes a recipe of rows."""
    try:
        parameter = inspect.signature(spec).parameters.get("rows")
    except (TypeError, ValueError):
        return False
    return parameter is not None and parameter.kind is parameter.KEYWORD_ONLY


def _judge(model: Model | None, name: str) -> Model:
    if model is None:
        raise UsageError(f"the reward {name!r} needs judge=, the model that answers it.")
    return model


def _unnamed(name: str) -> Any:
    raise UsageError(f"give the object itself as a reward, and not its name '@{name}'.")
