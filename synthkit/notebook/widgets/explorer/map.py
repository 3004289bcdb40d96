"""A table on a map: its vectors, where they lie, what is drawn of them, and what is selected.

All that the explorer does is done here, and works without a notebook.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.formatting import cell, count, thousands
from synthkit.data import expressions
from synthkit.data import tables as tables
from synthkit.evaluate.views import projection
from synthkit.evaluate.views.group_contrast import Grouping, binned, grouped, numeric

How = Literal["replace", "add", "toggle"]
MAPS = ("pca", "umap")

POINTS = 2000
"""Most points that are sent and drawn."""
BATCH = 128
HUES = 7
MOST_COLUMNS = 10
_TEST = re.compile("[=<>~]")


class Embeds(Protocol):
    """What turns texts into vectors; a ``name`` is shown if there is one."""

    def embed(self, texts: Sequence[str]) -> Any:
        """(n, d) numbers."""
        ...


class Atlas:
    """A table, the vectors of its texts, and a selection of its rows.

    Parameters
    ----------
    table : of any kind; without an ``id`` column it gets one.
    name : the table's.
    text : the column of texts to embed and read; the one with the longest texts if not given.
    embedder : anything with ``embed(texts)``.
    vectors : a column that holds vectors already; then no embedder is needed.
    method : ``"pca"`` or ``"umap"``.
    colour : the column that colours the points; a column with few values if not given.
    seed : of the points that are drawn, of the rows that a map is fitted on, and of UMAP.

    Raises
    ------
    UsageError
        If an option makes no sense.
    TableError
        If the table lacks a column, or has no text.

    Examples
    --------
    >>> rows = [{"id": str(n), "text": "a b c"[:n + 1], "at": [n, 1.0]} for n in range(5)]
    >>> atlas = Atlas(rows, vectors="at")
    >>> atlas.embed()
    >>> atlas.select(atlas.matching("words(text) = 2"))
    >>> atlas.selected_ids
    ['2', '3']
    """

    def __init__(
        self,
        table: Any,
        *,
        name: str = "table",
        text: str | None = None,
        embedder: Embeds | None = None,
        vectors: str | None = None,
        method: str = "pca",
        colour: str | None = None,
        seed: int = 0,
    ) -> None:
        if method not in MAPS:
            raise UsageError(unknown("map", method, MAPS))
        self.table = tables.identified(table)
        self.name, self.method, self.seed = name, method, seed
        self.columns = tables.columns(self.table)
        self.ids = tables.column(self.table, "id")
        self.size = len(self.ids)
        self.text = self._text_column(text, vectors)
        self.texts = [] if self.text is None else [_text(c) for c in self._cells(self.text)]
        self.texts = self.texts or [str(id) for id in self.ids]
        self._places = {id: at for at, id in enumerate(self.ids)}
        self._groupings: dict[str, Grouping] = {}
        self.embedder, self.done = embedder, 0
        self.vectors: projection.Floats | None = None
        self._column = vectors
        if vectors is not None:
            self.vectors = _stacked(self._cells(vectors), vectors)
            self.done = self.size
        elif embedder is None:
            raise UsageError("expected an embedder, or the column that holds vectors.")
        self.map = projection.pca(np.zeros((0, 0)))
        self.scope = np.arange(0)
        self.frame = np.zeros((0, 2), np.float32)
        self.chosen = np.zeros(self.size, np.bool_)
        self.hidden: set[str] = set()
        self.colour = ""
        self.paint(self._best_colour() if colour is None else colour)

    def __repr__(self) -> str:
        return f"Atlas({self.name!r}, {count(self.size, 'row')})"

    @property
    def source(self) -> str:
        """What the vectors are from, in words."""
        if self._column is not None:
            return f"column {self._column}"
        return str(getattr(self.embedder, "name", type(self.embedder).__name__))

    def embed(self, tell: Callable[[], None] = lambda: None) -> None:
        """Embed the texts that are not yet, and lay out the map; ``tell`` is called as it goes on.

        Interrupted, it goes on at the next call; :meth:`lay_out` draws what there is.

        Raises
        ------
        UsageError
            If the embedder gives anything but one vector of one length for each text.
        """
        while self.done < self.size:
            part = self.texts[self.done : self.done + BATCH]
            assert self.embedder is not None
            made = np.asarray(self.embedder.embed(part), np.float32)
            long = made.shape[-1] if self.vectors is None else self.vectors.shape[1]
            if made.shape != (len(part), long):
                raise UsageError(
                    f"expected vectors of shape ({len(part)}, {long}) from {self.source}; "
                    f"got {made.shape}."
                )
            if self.vectors is None:
                self.vectors = np.full((self.size, long), np.nan, np.float32)
            self.vectors[self.done : self.done + len(part)] = made
            self.done += len(part)
            tell()
        self.lay_out()

    def lay_out(self) -> None:
        """The map of the vectors there are."""
        vectors = np.zeros((self.size, 0)) if self.vectors is None else self.vectors
        if self.vectors is None and self.size:
            vectors = np.full((self.size, 1), np.nan)
        self.map = getattr(projection, self.method)(vectors, seed=self.seed)
        self.narrow(None)

    def narrow(self, positions: Collection[int] | None) -> None:
        """Draw these rows alone; ``None`` draws all again."""
        placed = np.asarray(np.isfinite(self.map.points).all(axis=1))
        if positions is not None:
            wanted = np.zeros(len(placed), np.bool_)
            wanted[list(positions)] = True
            placed &= wanted
        self.scope = np.flatnonzero(placed)
        self.frame = projection.unit(self.map.points[self.scope])
        self._draw()

    def paint(self, column: str) -> None:
        """Colour the points by a column; ``""`` is one colour for all.

        Raises
        ------
        TableError
            If the table has no such column, or it holds vectors.
        """
        if column and column not in self.colours:
            raise TableError(unknown("column", column, self.colours))
        self.colour, self.hidden = column, set()
        self._draw()

    @cached_property
    def colours(self) -> list[str]:
        """The columns that can colour the points."""
        return [name for name in self.columns if name not in {"id", self._column}]

    @property
    def groups(self) -> Grouping:
        """The groups of the column that colours the points."""
        if not self.colour:
            return Grouping("", ("",), np.zeros(self.size, np.int64), numeric=False)
        return self.grouping(self.colour)

    def grouping(self, name: str) -> Grouping:
        """The cells of a column in groups; made once."""
        if name not in self._groupings:
            cells = self._cells(name)
            texts = [None if one is None else _text(one) for one in cells]
            self._groupings[name] = grouped(name, cells, texts, HUES)
        return self._groupings[name]

    @cached_property
    def contrasts(self) -> list[Grouping]:
        """What a selection is compared by: length in words, columns of labels and of numbers."""
        words = [len(text.split()) for text in self.texts]
        found = [binned("length in words", words)] if self.text else []
        for name in self.colours:
            cells = self._cells(name)
            if numeric(cells) or (name != self.text and _few(cells)):
                found.append(self.grouping(name))
        return found[:MOST_COLUMNS]

    @property
    def places(self) -> NDArray[np.int64]:
        """Positions of the rows that are selected."""
        return np.flatnonzero(self.chosen)

    @property
    def selected_ids(self) -> list[Any]:
        """The ids of the rows that are selected."""
        return [self.ids[at] for at in self.places]

    @property
    def selected(self) -> Any:
        """The rows that are selected, as a table of the kind that was given."""
        return tables.take(self.table, self.places.tolist())

    def select(self, positions: Collection[int], how: How = "replace") -> None:
        """Select the rows at these positions: alone, beside those selected, or turned over."""
        wanted = np.zeros(self.size, np.bool_)
        wanted[list(positions)] = True
        if how == "add":
            wanted |= self.chosen
        elif how == "toggle":
            wanted ^= self.chosen
        self.chosen = wanted

    def positions(self, ids: Collection[Any]) -> list[int]:
        """The positions of the rows with these ids.

        Raises
        ------
        TableError
            If the table has no such row; says how many.
        """
        absent = [id for id in ids if id not in self._places]
        if absent:
            raise TableError(
                f"expected ids of {self.name}; it has no row {absent[0]!r}"
                + (
                    f", nor {thousands(len(absent) - 1)} more of those given."
                    if absent[1:]
                    else "."
                )
            )
        return [self._places[id] for id in ids]

    def around(self, polygon: Sequence[Sequence[float]]) -> list[int]:
        """The positions of all rows, drawn or not, that a line on the map goes around.

        ``polygon`` has corners in 0..1 along each axis, from the lower left. Hidden groups and rows
        that were not drawn because the map is narrowed are left out.
        """
        found: list[int] = self.scope[projection.inside(self.frame, polygon)].tolist()
        groups = self.groups
        hidden = {code for code, label in enumerate(groups.labels) if label in self.hidden}
        return [at for at in found if groups.codes[at] not in hidden] if hidden else found

    def matching(self, text: str) -> list[int]:
        """The positions of the rows for which an expression holds, or with a text in any column.

        Raises
        ------
        UsageError
            If it has a sign of comparison and cannot be read as an expression.
        """
        try:
            condition = expressions.parse(text, self.columns)
        except UsageError:
            if _TEST.search(text):
                raise
            return self._holding(text.strip().lower())
        return [at for at, holds in enumerate(condition.mask(self._cells)) if holds]

    def neighbours(self, position: int, k: int = 10) -> list[tuple[int, float]]:
        """Positions of the nearest rows by cosine, with the cosine, the nearest first."""
        if self.vectors is None:
            raise UsageError("there are no vectors yet.")
        return projection.neighbours(self.vectors, position, k)

    def _holding(self, text: str) -> list[int]:
        found = {at for at, held in enumerate(self.texts) if text in held.lower()}
        for name in self.colours:
            if name != self.text:
                cells = self._cells(name)
                found.update(
                    at for at, c in enumerate(cells) if text in expressions.text(c).lower()
                )
        return sorted(found)

    def _draw(self) -> None:
        self.drawn = projection.sample(self.scope, POINTS, self.groups.codes, self.seed)

    def _cells(self, name: str) -> list[Any]:
        return tables.column(self.table, name)

    def _text_column(self, asked: str | None, vectors: str | None) -> str | None:
        for name in (asked, vectors):
            if name is not None and name not in self.columns:
                raise TableError(unknown("column", name, self.columns))
        if asked is not None:
            return asked
        longest, best = 0, None
        for name in self.columns:
            if name not in {"id", "parent", vectors}:
                long = sum(len(one) for one in self._cells(name) if isinstance(one, str))
                longest, best = max((longest, best), (long, name), key=lambda pair: pair[0])
        if best is None and vectors is None and self.size:
            raise TableError(f"expected a column of texts; have {', '.join(self.columns)}.")
        return best

    def _best_colour(self) -> str:
        """The first column with few labels, if there is one."""
        for name in self.colours:
            if name != self.text and _few(cells := self._cells(name)) and not numeric(cells):
                return name
        return ""


def _text(value: Any) -> str:
    return "" if value is None else cell(value)


def _few(cells: Sequence[Any]) -> bool:
    """Whether cells are labels: there are 2 to 20 of them."""
    seen: set[str] = set()
    for one in cells:
        if isinstance(one, dict | list):
            return False
        seen.add(_text(one))
        if len(seen) > 20:
            return False
    return len(seen) > 1


def _stacked(cells: Sequence[Any], name: str) -> projection.Floats:
    """The vectors in a column; a missing one is not finite."""
    there = [one for one in cells if one is not None]
    long = len(there[0]) if there and hasattr(there[0], "__len__") else 0
    if cells and not long:
        raise TableError(f"expected vectors in column {name!r}; got {cell(cells[0])[:80]!r}.")
    try:
        whole = np.array([[np.nan] * long if one is None else one for one in cells], np.float32)
    except (TypeError, ValueError):
        raise TableError(f"expected vectors of {long} numbers in column {name!r}.") from None
    return whole.reshape(len(cells), long)
