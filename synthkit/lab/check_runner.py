"""The jury: all checks of a lab, those that are code and those that a model answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Model, Request, Sampling
from synthkit.evaluate.checks import Check, Judge, Verdict, read_verdict
from synthkit.lab.answering import Inquiry, Question
from synthkit.prompts.templates import parse

SAMPLING = Sampling(temperature=0.0, max_tokens=128)


class Jury:
    """What the checks say of each row; an answer of a judge is kept like any other.

    Parameters
    ----------
    checks : the checks; each needs a name of its own.
    model : answers the judges' questions.
    inquiry : where their answers are.

    Raises
    ------
    UsageError
        If two checks have one name, or a judge's question is no template.
    """

    def __init__(self, checks: Sequence[Check | Judge], model: Model, inquiry: Inquiry) -> None:
        self.checks, self.model, self.inquiry = list(checks), model, inquiry
        self.names = [one.name for one in checks]
        twice = [name for name in self.names if self.names.count(name) > 1]
        if twice:
            raise UsageError(f"two checks are named {twice[0]!r}; give them different names.")
        for one in checks:
            if isinstance(one, Judge):
                parse(one.template)
        self._said: dict[tuple[str, str], Verdict] = {}
        self._asked: dict[tuple[str, str], Question | Verdict] = {}
        self._lock = threading.RLock()

    def verdicts(self, key: str, row: Mapping[str, Any], output: str) -> dict[str, Verdict]:
        """Check -> verdict on the row that was made of the request with that key."""
        return {
            one.name: self._judged(one, key, row, output)
            if isinstance(one, Judge)
            else self._checked(one, key, row)
            for one in self.checks
        }

    def open(self, key: str, row: Mapping[str, Any], output: str) -> list[Question]:
        """What the judges still have to be asked about that row."""
        asked = [self._question(one, key, row, output) for one in self._judges]
        return [
            one for one in asked if isinstance(one, Question) and one.key not in self.inquiry.held
        ]

    @property
    def _judges(self) -> list[Judge]:
        return [one for one in self.checks if isinstance(one, Judge)]

    def _checked(self, check: Check, key: str, row: Mapping[str, Any]) -> Verdict:
        at = (key, check.name)
        if at not in self._said:
            self._said[at] = check(row)
        return self._said[at]

    def _judged(self, judge: Judge, key: str, row: Mapping[str, Any], output: str) -> Verdict:
        asked = self._question(judge, key, row, output)
        if isinstance(asked, Verdict):
            return asked
        completion = self.inquiry.held.get(asked.key)
        if completion is not None:
            return read_verdict(completion.text)
        state, why = self.inquiry.state(asked.key)
        return Verdict(None, why or ("being judged" if state == "asking" else "not judged yet"))

    def _question(
        self, judge: Judge, key: str, row: Mapping[str, Any], output: str
    ) -> Question | Verdict:
        at = (key, judge.name)
        with self._lock:
            if at not in self._asked:
                self._asked[at] = self._put(judge, {**row, "output": output})
            return self._asked[at]

    def _put(self, judge: Judge, values: Mapping[str, Any]) -> Question | Verdict:
        """The question as it is asked; no verdict, if the row lacks what it speaks of."""
        try:
            turns = parse(judge.template).render(values)
        except UsageError as error:
            return Verdict(None, str(error))
        request = Request(turns, SAMPLING, attrs=values)
        asked = Question(request.key(self.model.fingerprint), request, judge.template)
        self.inquiry.look_up([asked.key])
        return asked
