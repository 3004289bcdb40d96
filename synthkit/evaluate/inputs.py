"""What a table is evaluated by: its texts, labels and vectors, and what there is beside it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError
from synthkit.data import tables as tables
from synthkit.evaluate.checks import Check
from synthkit.evaluate.metrics.learners import Learner, held_out, light
from synthkit.evaluate.raters.judge_calibration import VERDICTS, Calibration, calibrate
from synthkit.stats.classifier import embedded

Floats = NDArray[np.float64]
Embed = Callable[[Sequence[str]], ArrayLike]


@dataclass(frozen=True, kw_only=True)
class EvalInputs:
    """A table, and all that its metrics may need; what is not given is empty or ``None``.

    See :func:`synthkit.evaluate.report` for what each is.
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
    said: Mapping[str, str] = field(default_factory=dict)
    looks: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    judge: Sequence[str] = ()
    learner: Learner | None = None
    weight: str = ""
    sample: int = 10_000
    seed: int = 0
    level: float = 0.95

    @cached_property
    def rows(self) -> TextTable:
        """The rows to evaluate."""
        return TextTable(self, self.table)

    @cached_property
    def real(self) -> TextTable:
        """The real rows."""
        return TextTable(self, self.against)

    @cached_property
    def halves(self) -> tuple[Any, Any]:
        """The real rows that a student learns from, and those it is tested on."""
        return held_out(self.real.table, label=self.label, column=self.column, seed=self.seed)

    @cached_property
    def calibration(self) -> Calibration:
        """What the judges are worth, by what people said."""
        said = dict(self.said)
        if VERDICTS & set(said.values()):  # then a label is as good as an accept
            said = {id: one if one in VERDICTS else "accept" for id, one in said.items()}
        return calibrate(
            self.rows.table, said, self.judge or None, level=self.level, seed=self.seed
        )

    @cached_property
    def student(self) -> Learner:
        """What learns from rows: the learner given, or the light one."""
        return self.learner or light(self.vectors)

    def vectors(self, texts: Sequence[str]) -> Floats:
        """(n, d) of texts, each embedded once."""
        if self.embed is None or not texts:
            raise UsageError("there is no text to embed.")
        new = [text for text in dict.fromkeys(texts) if text not in self._held]
        if new:
            self._held.update(zip(new, embedded(new, self.embed), strict=True))
        return np.array([self._held[text] for text in texts])

    @cached_property
    def _held(self) -> dict[str, Floats]:
        return {}


class TextTable:
    """The rows of one table that have a text, at most ``sample`` of them where vectors are taken.

    ``ids`` are of the rows with a text, ``texts`` theirs, ``labels`` too where there is a column of
    labels. ``blank`` counts the rows without a text.
    """

    def __init__(self, given: EvalInputs, table: Any) -> None:
        self.given = given
        named = tables.identified(table)
        ids = [str(id) for id in tables.column(named, "id")]
        self.table = tables.assign(named, {"id": ids})
        cells = tables.column(self.table, given.column)
        for cell in cells:
            if cell is not None and not isinstance(cell, str):
                raise UsageError(f"expected text in column {given.column!r}; got {cell!r}.")
        self.kept = [at for at, cell in enumerate(cells) if cell is not None and cell.strip()]
        self.blank = len(cells) - len(self.kept)
        self.texts: list[str] = [cells[at] for at in self.kept]
        self.ids: list[str] = self.of(ids)

    def of(self, cells: Sequence[Any]) -> list[Any]:
        """The cells of the rows that have a text."""
        return [cells[at] for at in self.kept]

    @cached_property
    def labels(self) -> list[Any]:
        """Of the rows that have a text."""
        return self.of(tables.column(self.table, self.given.label))

    @cached_property
    def drawn(self) -> list[int]:
        """Which of the texts have a vector: all, or as many as ``sample`` says, by the seed."""
        n = len(self.texts)
        if n <= self.given.sample:
            return list(range(n))
        return sorted(random.Random(self.given.seed).sample(range(n), self.given.sample))

    @cached_property
    def vectors(self) -> Floats:
        """(drawn, d) of the texts that are drawn."""
        return self.given.vectors([self.texts[at] for at in self.drawn])

    @cached_property
    def drawn_ids(self) -> list[str]:
        """Of the texts that are drawn."""
        return [self.ids[at] for at in self.drawn]
