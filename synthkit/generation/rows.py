"""The rows and rejects of a run, with their ids and what each of them rests on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synthkit.core.hashing import digest
from synthkit.core.types import Reject, Request, Row
from synthkit.generation.branches import Answer
from synthkit.prompts.parsing import TRUNCATED
from synthkit.store.ids import ID_DIGITS


@dataclass(frozen=True, slots=True)
class RowEvent:
    """A row or a reject, as a recipe made it.

    Parameters
    ----------
    position : of the branch that made it.
    requests : what it rests on, by their keys.
    tokens : completion tokens of those requests that no earlier row rests on.
    cached : whether the store had all of their completions.
    truncated : whether one of their completions was cut at ``max_tokens``.
    reasoning : what the model wrote before the last of them.
    """

    position: int
    id: str
    outcome: Row | Reject
    requests: Mapping[str, Request]
    tokens: int
    cached: bool
    truncated: bool
    reasoning: str


class Rows:
    """The rows and rejects of a run, with their ids and the tokens that each took.

    Parameters
    ----------
    no_truncated : a row that rests on a cut completion becomes a reject.
    """

    def __init__(self, *, no_truncated: bool = False) -> None:
        self.events: list[RowEvent] = []
        self.no_truncated = no_truncated
        self.truncated: dict[str, str] = {}
        """Key -> text of the completions that were cut."""
        self._reasoning: dict[str, str] = {}
        self._uncounted: dict[str, tuple[int, bool]] = {}  # key -> completion tokens, cached
        self._same: Counter[tuple[int, tuple[str, ...]]] = Counter()

    def count(self, answer: Answer) -> None:
        """Count the tokens of an answer with the first row that rests on it."""
        key, completion = answer.key, answer.completion
        self._uncounted[key] = (completion.completion_tokens, answer.cached)
        if completion.truncated:
            self.truncated[key] = completion.text
        if completion.reasoning:
            self._reasoning[key] = completion.reasoning

    def add(
        self, position: int, outcome: Row | Reject, requests: Mapping[str, Request]
    ) -> RowEvent:
        """Add what the branch at ``position`` made from these requests, given by their keys."""
        keys = tuple(requests) or (digest(repr(outcome)),)
        # several branches may make the same row from no request
        same = (position if requests else -1, keys)
        nth = self._same[same]
        self._same[same] += 1
        tokens, cached = 0, True
        for key in requests:
            used, was_cached = self._uncounted.pop(key, (0, True))
            tokens, cached = tokens + used, cached and was_cached
        cut = [self.truncated[key] for key in requests if key in self.truncated]
        if cut and self.no_truncated and isinstance(outcome, Row):
            outcome = Reject(cut[0], TRUNCATED, outcome.cells, outcome.of, outcome.parent)
        reasoning = self._reasoning.get(keys[-1], "")
        event = RowEvent(
            position, row_id(keys, nth), outcome, requests, tokens, cached, bool(cut), reasoning
        )
        self.events.append(event)
        return event


def row_id(keys: Sequence[str], nth: int = 0) -> str:
    """The id of the ``nth`` row that rests on the requests of these keys.

    The id of a row that rests on one request alone is the beginning of its key.

    >>> row_id(["c7a1" * 8])
    'c7a1c7a1c7a1c7a1'
    """
    if len(keys) == 1 and nth == 0:
        return keys[0][:ID_DIGITS]
    return digest([*keys, nth])[:ID_DIGITS]
