"""The matrix: which request each cell is, and what is known of it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Completion, Reject, Request
from synthkit.data import tables as tables
from synthkit.evaluate.checks import Verdict
from synthkit.generation.job import Job, plan
from synthkit.lab.answering import Inquiry, Question
from synthkit.lab.cells import Cell, Column, as_text, cost_of
from synthkit.lab.check_runner import Jury
from synthkit.lab.config import Setup
from synthkit.lab.marks import Marking
from synthkit.lab.variants import Version
from synthkit.prompts.parsing import Decoder
from synthkit.recipes._prompt import decoder_for
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
    """Rows by columns: the requests of all columns, and the cells made of their completions.

    A column that cannot be rendered has cells all the same; they say why.
    """

    def __init__(self, setup: Setup, session: Session, marking: Marking) -> None:
        self.setup, self.session, self.marking = setup, session, marking
        self.rows = tables.records(setup.inputs)
        self.inquiry = Inquiry(session.store)
        self.jury = Jury(setup.checks, setup.judge, self.inquiry)
        self._columns: dict[tuple[str, str, str], ColumnRequests | UsageError] = {}
        self._outcomes: dict[str, Mapping[str, Any] | Reject] = {}
        self._lock = threading.RLock()

    def column(self, column: Column) -> ColumnRequests | UsageError:
        """The requests of a column, one for each row; or why its variant cannot be rendered."""
        version = column.variant.versions[column.variant.at]
        at = (version.prompt, repr(version.sampling), column.model)
        with self._lock:
            if at not in self._columns:
                self._columns[at] = requests = self._requests(version, column.model)
                if isinstance(requests, ColumnRequests):
                    self.inquiry.look_up(requests.keys)
            return self._columns[at]

    def refuse(self, version: Version) -> None:
        """Raise what keeps a version from being rendered for every row, if anything does."""
        problem = self._requests(version, next(iter(self.setup.models)))
        if isinstance(problem, UsageError):
            raise problem

    def cell(self, row: int, column: Column) -> Cell:
        """What is known of one cell."""
        planned = self.column(column)
        if isinstance(planned, UsageError):
            return Cell(why=str(planned), output={}, verdicts={})
        key = planned.keys[row]
        id = key[:ID_DIGITS]
        mark, completion = self.marking.get(id), self.inquiry.held.get(key)
        if completion is None:
            state, why = self.inquiry.state(key)
            return Cell(id=id, state=state, why=why, output={}, verdicts={}, mark=mark)
        found = Cell(
            id=id,
            state="done",
            output={},
            verdicts={},
            completion=completion,
            cost=cost_of(planned.job.model, completion),
            mark=mark,
        )
        outcome = self._outcome(key, completion)
        if isinstance(outcome, Reject):
            failed = {name: Verdict(False, "no row") for name in self.jury.names}
            why = outcome.reason
            return replace(found, state="reject", text=outcome.raw, why=why, verdicts=failed)
        text = as_text(outcome)
        verdicts = self.jury.verdicts(key, {**self.rows[row], **outcome}, text)
        return replace(found, output=outcome, text=text, verdicts=verdicts)

    def question(self, row: int, column: Column) -> Question:
        """What a cell asks.

        Raises
        ------
        UsageError
            If its variant cannot be rendered.
        """
        planned = self.column(column)
        if isinstance(planned, UsageError):
            raise planned
        return Question(planned.keys[row], planned.requests[row], planned.job.recipe.prompt)

    def unjudged(self, row: int, column: Column) -> list[Question]:
        """What the judges still have to be asked about a cell."""
        cell = self.cell(row, column)
        if cell.state != "done":
            return []
        seen = {**self.rows[row], **cell.output}
        return self.jury.open(self.question(row, column).key, seen, cell.text)

    def ids(self, column: Column) -> list[str]:
        """The ids of a column's cells."""
        planned = self.column(column)
        return [] if isinstance(planned, UsageError) else [k[:ID_DIGITS] for k in planned.keys]

    def _outcome(self, key: str, completion: Completion) -> Mapping[str, Any] | Reject:
        if key not in self._outcomes:
            self._outcomes[key] = self._decoder(completion)
        return self._outcomes[key]

    @cached_property
    def _decoder(self) -> Decoder:
        return decoder_for(tables.columns(self.setup.inputs), **self.setup.reading)

    def _requests(self, version: Version, model: str) -> ColumnRequests | UsageError:
        if not version.prompt.strip():
            return UsageError(EMPTY)
        try:
            job = plan(
                version.prompt,
                model=self.setup.models[model],
                session=self.session,
                rows=self.setup.inputs,
                sampling=version.sampling,
                **self.setup.reading,
            )
        except UsageError as error:
            return error
        requests = [request for request in job.first_requests() if request is not None]
        return ColumnRequests(job, requests, [job.key(request) for request in requests])
