"""Inputs of an evaluation: a table's texts, labels and vectors, and what they are compared with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.data import tables
from synthkit.data.labels import in_one_form
from synthkit.evaluate.checks import Check
from synthkit.evaluate.metrics.learners import Learner, embedded_once, held_out, light
from synthkit.evaluate.raters.columns import OUTCOME, VERDICTS, judge_columns
from synthkit.stats.classifier import Embed as Embed
from synthkit.stats.classifier import Floats


@dataclass(frozen=True, kw_only=True)
class EvalInputs:
    """A table, and everything that its metrics may need; what is missing is empty or ``None``.

    See :func:`synthkit.evaluate.report` for each of them.
    """

    table: Any
    column: str
    against: Any = None
    test: Any = None
    label: str = ""
    source: str = ""
    embed: Embed | None = None
    embedder: str = ""
    checks: Sequence[Check] = ()
    marks: Mapping[str, str] = field(default_factory=dict)
    accepted: Mapping[str, bool] = field(default_factory=dict)
    rater_pairs: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    judge: Sequence[str] = ()
    learner: Learner | None = None
    weight: str = ""
    sample: int = 10_000
    seed: int = 0
    level: float = 0.95

    @cached_property
    def rows(self) -> TextTable:
        """The rows to evaluate."""
        return TextTable(self, self._in_one_form[0])

    @cached_property
    def real(self) -> TextTable:
        """The real rows."""
        return TextTable(self, self._in_one_form[1])

    @cached_property
    def halves(self) -> tuple[Any, Any]:
        """The real rows to train classifiers on, and those to test them on."""
        return held_out(self.real.table, label=self.label, column=self.column, seed=self.seed)

    @cached_property
    def classifier(self) -> Learner:
        """The learner that was given, or the light classifier of embeddings."""
        return self.learner or light(self.vectors)

    @property
    def classifier_name(self) -> str:
        """What a classifier sees of texts, for the ``how`` of a score."""
        return "the given learner" if self.learner else self.embedder or "the given embedder"

    @property
    def marked_labels(self) -> dict[str, str]:
        """The marks that are labels, not verdicts: row id -> label."""
        return {id: label for id, label in self.marks.items() if label not in VERDICTS}

    @property
    def verdicts(self) -> dict[str, bool]:
        """Row id -> whether people accept it, without skips."""
        marked = {n: label != "reject" for n, label in self.marks.items()
                  if label not in ("", "skip")}  # fmt: skip
        return dict(self.accepted) or marked

    @cached_property
    def _in_one_form(self) -> tuple[Any, Any]:
        """The table and the real rows, with labels that meet those of the other and the marks."""
        if not self.label:
            return self.table, self.against
        marked = {self.label: list(self.marked_labels.values())}
        table, against, _ = in_one_form(self.label, self.table, self.against, marked)
        return table, against

    @property
    def judged(self) -> bool:
        """Whether the table has a column of a judge's scores or outcomes."""
        return bool(self.judge or judge_columns(self.rows.columns) or OUTCOME in self.rows.columns)

    def vectors(self, texts: Sequence[str]) -> Floats:
        """(n, d) vectors of texts; each distinct text is embedded once."""
        if self.embed is None or not texts:
            raise UsageError("there is no text to embed.")
        return self._embedded(texts)

    @cached_property
    def _embedded(self) -> Callable[[Sequence[str]], Floats]:
        assert self.embed is not None
        return embedded_once(self.embed)


def text_cells(table: Any, column: str) -> list[str | None]:
    """The texts of a column; ``None`` where one is missing.

    Raises
    ------
    UsageError
        If a cell is not a text.
    """
    cells = tables.column(table, column)
    for cell in cells:
        if cell is not None and not isinstance(cell, str):
            raise UsageError(f"expected text in column {column!r}; got {cell!r}.")
    return cells


def drawn_positions(n: int, sample: int, seed: int) -> list[int]:
    """Positions among n rows: all, or ``sample`` of them, drawn by the seed."""
    return list(range(n)) if n <= sample else sorted(random.Random(seed).sample(range(n), sample))


class TextTable:
    """The rows of a table that have a text.

    ``table`` is the whole table with an ``id`` column of strings, and ``table_ids`` are its ids.
    ``ids``, ``texts`` and ``labels`` are those of the rows with a text, in order; ``vectors`` and
    ``drawn_ids`` those of at most ``sample`` of these.
    """

    def __init__(self, inputs: EvalInputs, table: Any) -> None:
        self._inputs = inputs
        named = tables.identified(table)
        self.table_ids = [str(id) for id in tables.column(named, "id")]
        self.table = tables.assign(named, {"id": self.table_ids})
        self.columns: list[str] = tables.columns(self.table)
        cells = text_cells(self.table, inputs.column)
        self._with_text = [at for at, cell in enumerate(cells) if cell is not None and cell.strip()]
        self.texts: list[str] = self.of(cells)
        self.ids: list[str] = self.of(self.table_ids)

    def of(self, cells: Sequence[Any]) -> list[Any]:
        """The cells of a column at the rows that have a text."""
        return [cells[at] for at in self._with_text]

    @cached_property
    def labels(self) -> list[Any]:
        """The labels of the rows with a text."""
        return self.of(tables.column(self.table, self._inputs.label))

    @cached_property
    def drawn(self) -> list[int]:
        """Positions of the texts to embed: all, or ``sample`` of them, drawn by the seed."""
        return drawn_positions(len(self.texts), self._inputs.sample, self._inputs.seed)

    @cached_property
    def vectors(self) -> Floats:
        """(drawn, d) vectors of the drawn texts."""
        return self._inputs.vectors([self.texts[at] for at in self.drawn])

    @cached_property
    def drawn_ids(self) -> list[str]:
        """The ids of the drawn texts."""
        return [self.ids[at] for at in self.drawn]
