"""What a table is evaluated by: its texts, labels and vectors, and what there is beside it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit import table as tables
from synthkit.errors import UsageError
from synthkit.evaluate.checks import Check
from synthkit.student import embedded

Floats = NDArray[np.float64]
Embed = Callable[[Sequence[str]], ArrayLike]


@dataclass(frozen=True, kw_only=True)
class Given:
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
    weights: Sequence[float] | None = None
    sample: int = 10_000
    seed: int = 0
    level: float = 0.95

    @cached_property
    def rows(self) -> Side:
        """The rows to evaluate."""
        return Side(self, self.table)

    @cached_property
    def real(self) -> Side:
        """The real rows."""
        return Side(self, self.against)

    @cached_property
    def halves(self) -> tuple[list[int], list[int]]:
        """Positions of the real rows that a student learns from, and of those it is tested on.

        Half of each label each, by the seed.
        """
        rng = random.Random(self.seed)
        order = rng.sample(range(len(self.real.labels)), len(self.real.labels))
        order.sort(key=lambda at: str(self.real.labels[at]))  # stable: random within a label
        return sorted(order[::2]), sorted(order[1::2])


class Side:
    """The rows of one table that have a text, at most ``sample`` of them where vectors are taken.

    ``ids`` are of the rows with a text, ``texts`` theirs, ``labels`` too where there is a column of
    labels. ``blank`` counts the rows without a text.
    """

    def __init__(self, given: Given, table: Any) -> None:
        self.given = given
        self.table = tables.identified(table)
        cells = tables.column(self.table, given.column)
        for cell in cells:
            if cell is not None and not isinstance(cell, str):
                raise UsageError(f"expected text in column {given.column!r}; got {cell!r}.")
        self.kept = [at for at, cell in enumerate(cells) if cell is not None and cell.strip()]
        self.blank = len(cells) - len(self.kept)
        self.texts: list[str] = [cells[at] for at in self.kept]
        self.ids = self.of([str(id) for id in tables.column(self.table, "id")])

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
        if self.given.embed is None or not self.drawn:
            raise UsageError("no text to embed.")
        return embedded([self.texts[at] for at in self.drawn], self.given.embed)

    @cached_property
    def drawn_ids(self) -> list[str]:
        """Of the texts that are drawn."""
        return [self.ids[at] for at in self.drawn]
