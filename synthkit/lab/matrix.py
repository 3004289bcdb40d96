"""The matrix of a lab: the request of each cell, and its output, checks and mark."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Reject, Request
from synthkit.data import tables
from synthkit.evaluate.checks import Verdict
from synthkit.generation.dry_run import CostEstimate
from synthkit.generation.job import Job, plan
from synthkit.generation.spending import dollars, with_estimates
from synthkit.lab.cells import LabCell, LabColumn, as_text
from synthkit.lab.check_runner import CheckRunner
from synthkit.lab.completions import LabCompletions, LabRequest
from synthkit.lab.config import LabConfig
from synthkit.lab.variants import Version
from synthkit.prompts.parsing import TRUNCATED, Decoder
from synthkit.recipes._prompt import decoder_for
from synthkit.sessions.annotator import Annotator
from synthkit.sessions.session import Session
from synthkit.store.ids import ID_DIGITS

EMPTY = "This variant is empty: write its prompt."


@dataclass(frozen=True, slots=True)
class ColumnRequests:
    """The job of a column, with its requests and their keys, one for each row."""

    job: Job
    requests: list[Request]
    keys: list[str]


class Matrix:
    """Rows by columns. The cells of a column that cannot be rendered say why."""

    def __init__(self, config: LabConfig, session: Session, annotator: Annotator) -> None:
        self.config, self.session, self.annotator = config, session, annotator
        self.rows = tables.records(config.inputs)
        self.completions = LabCompletions(session.store)
        self.checks = CheckRunner(config.checks, config.judge, self.completions)
        self._columns: dict[tuple[str, str, str], ColumnRequests | UsageError] = {}
        self._outcomes: dict[str, Mapping[str, Any] | Reject] = {}
        self._lock = threading.RLock()

    def column(self, column: LabColumn) -> ColumnRequests | UsageError:
        """The requests of a column, one for each row; or why its variant cannot be rendered."""
        version = column.variant.versions[column.variant.at]
        at = (version.prompt, repr(version.sampling), column.model)
        with self._lock:
            if at not in self._columns:
                self._columns[at] = requests = self._requests(version, column.model)
                if isinstance(requests, ColumnRequests):
                    self.completions.look_up(requests.keys)
            return self._columns[at]

    def check_version(self, version: Version) -> None:
        """Raise a :class:`UsageError` if a version cannot be rendered for every row."""
        problem = self._requests(version, next(iter(self.config.models)))
        if isinstance(problem, UsageError):
            raise problem

    def cell(self, row: int, column: LabColumn) -> LabCell:
        """One cell."""
        requests = self.column(column)
        if isinstance(requests, UsageError):
            return LabCell(why=str(requests))
        key = requests.keys[row]
        mark = self.annotator.history.current.get(key[:ID_DIGITS])
        completion = self.completions.cached.get(key)
        if completion is None:
            state, why = self.completions.state(key)
            return LabCell(id=key[:ID_DIGITS], state=state, why=why, mark=mark)
        price = requests.job.model.price
        spent = with_estimates(requests.requests[row], completion)
        cost = dollars(
            price, spent.prompt_tokens, spent.completion_tokens, completion.cached_tokens
        )
        cell = LabCell(id=key[:ID_DIGITS], completion=completion, cost=cost, mark=mark)
        outcome = self._outcome(key, completion)
        if isinstance(outcome, Reject):
            failed = {name: Verdict(False, "no row") for name in self.checks.names}
            why = outcome.reason
            return replace(cell, state="reject", text=outcome.raw, why=why, verdicts=failed)
        text = as_text(outcome)
        verdicts = self.checks.verdicts(key, {**self.rows[row], **outcome}, text)
        why = TRUNCATED if completion.truncated else ""
        return replace(cell, state="done", output=outcome, text=text, why=why, verdicts=verdicts)

    def request(self, row: int, column: LabColumn) -> LabRequest:
        """The request of a cell.

        Raises
        ------
        UsageError
            If its variant cannot be rendered.
        """
        requests = self.column(column)
        if isinstance(requests, UsageError):
            raise requests
        return LabRequest(requests.keys[row], requests.requests[row], requests.job.recipe.prompt)

    def unjudged(self, row: int, column: LabColumn) -> list[LabRequest]:
        """The requests to the judge about a cell that have no completion yet."""
        cell = self.cell(row, column)
        if cell.state != "done":
            return []
        cells = {**self.rows[row], **cell.output}
        return self.checks.missing(self.request(row, column).key, cells, cell.text)

    def ids(self, column: LabColumn) -> list[str]:
        """The ids of a column's cells."""
        requests = self.column(column)
        return [] if isinstance(requests, UsageError) else [k[:ID_DIGITS] for k in requests.keys]

    def estimate(self, columns: Sequence[LabColumn]) -> CostEstimate:
        """The cost and time of the cells without a completion."""
        requests = [self.column(column) for column in columns]
        dry_runs = [r.job.dry_run() for r in requests if isinstance(r, ColumnRequests)]
        estimates = [dry_run.estimate for dry_run in dry_runs if dry_run.next_requests]
        costs = [estimate.cost for estimate in estimates]
        seconds = [estimate.seconds for estimate in estimates]
        return CostEstimate(
            prompt_tokens=sum(estimate.prompt_tokens for estimate in estimates),
            completion_tokens=sum(estimate.completion_tokens for estimate in estimates),
            cost=None if None in costs else sum(cost or 0.0 for cost in costs),
            seconds=None if None in seconds else sum(time or 0.0 for time in seconds),
        )

    def _outcome(self, key: str, completion: Completion) -> Mapping[str, Any] | Reject:
        if key not in self._outcomes:
            self._outcomes[key] = self._decoder(completion)
        return self._outcomes[key]

    @cached_property
    def _decoder(self) -> Decoder:
        return decoder_for(tables.columns(self.config.inputs), **self.config.parsing)

    def _requests(self, version: Version, model: str) -> ColumnRequests | UsageError:
        if not version.prompt.strip():
            return UsageError(EMPTY)
        try:
            job = plan(
                version.prompt,
                model=self.config.models[model],
                session=self.session,
                rows=self.config.inputs,
                sampling=version.sampling,
                **self.config.parsing,
            )
        except UsageError as error:
            return error
        requests = [request for request in job.requests if request is not None]
        return ColumnRequests(job, requests, [job.key(request) for request in requests])
