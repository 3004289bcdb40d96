"""Runs the checks of a lab: tests in code, and questions that a judge model answers."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.models import Model
from synthkit.core.types import Request, Sampling
from synthkit.evaluate.checks import Check, Judge, Verdict, read_verdict
from synthkit.lab.completions import LabCompletions, LabRequest
from synthkit.prompts.templates import parse

SAMPLING = Sampling(temperature=0.0, max_tokens=128)


class CheckRunner:
    """The verdicts of all checks on each row.

    Parameters
    ----------
    checks : the checks; each needs a name of its own.
    model : the judge model.
    completions : where its completions are.

    Raises
    ------
    UsageError
        If two checks have the same name, or a judge's question is not a valid template.
    """

    def __init__(
        self, checks: Sequence[Check | Judge], model: Model, completions: LabCompletions
    ) -> None:
        self.checks, self.model, self.completions = list(checks), model, completions
        self.names = [check.name for check in checks]
        twice = [name for name in self.names if self.names.count(name) > 1]
        if twice:
            raise UsageError(f"two checks are named {twice[0]!r}; give them different names.")
        for check in checks:
            if isinstance(check, Judge):
                parse(check.template)
        self._verdicts: dict[tuple[str, str], Verdict] = {}
        self._requests: dict[tuple[str, str], LabRequest | Verdict] = {}
        self._lock = threading.RLock()

    def verdicts(self, key: str, row: Mapping[str, Any], output: str) -> dict[str, Verdict]:
        """Check name -> verdict on the row made by the request with that key."""
        return {
            check.name: self._judged(check, key, row, output)
            if isinstance(check, Judge)
            else self._checked(check, key, row)
            for check in self.checks
        }

    def missing(self, key: str, row: Mapping[str, Any], output: str) -> list[LabRequest]:
        """The requests to the judge about that row that have no completion yet."""
        judges = [check for check in self.checks if isinstance(check, Judge)]
        requests = [self._request(judge, key, row, output) for judge in judges]
        return [
            request
            for request in requests
            if isinstance(request, LabRequest) and request.key not in self.completions.cached
        ]

    def _checked(self, check: Check, key: str, row: Mapping[str, Any]) -> Verdict:
        at = (key, check.name)
        if at not in self._verdicts:
            self._verdicts[at] = check(row)
        return self._verdicts[at]

    def _judged(self, judge: Judge, key: str, row: Mapping[str, Any], output: str) -> Verdict:
        request = self._request(judge, key, row, output)
        if isinstance(request, Verdict):
            return request
        completion = self.completions.cached.get(request.key)
        if completion is not None:
            return read_verdict(completion.text)
        state, error = self.completions.state(request.key)
        return Verdict(None, error or ("being judged" if state == "asking" else "not judged yet"))

    def _request(
        self, judge: Judge, key: str, row: Mapping[str, Any], output: str
    ) -> LabRequest | Verdict:
        """The request to the judge; no verdict if the row lacks a field of the question."""
        at = (key, judge.name)
        with self._lock:
            if at not in self._requests:
                self._requests[at] = self._rendered(judge, {**row, "output": output})
            return self._requests[at]

    def _rendered(self, judge: Judge, values: Mapping[str, Any]) -> LabRequest | Verdict:
        try:
            messages = parse(judge.template).render(values)
        except UsageError as error:
            return Verdict(None, str(error))
        request = Request(messages, SAMPLING, attrs=values)
        rendered = LabRequest(request.key(self.model.fingerprint), request, judge.template)
        self.completions.look_up([rendered.key])
        return rendered
