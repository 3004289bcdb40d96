"""A table on a map: where its texts lie, which points are drawn, and which rows are selected.

It works without a notebook.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import TableError, UsageError, unknown
from synthkit.core.formatting import cell, count
from synthkit.data import expressions, tables
from synthkit.data.cells import as_text
from synthkit.evaluate.views import projection
from synthkit.evaluate.views.group_contrast import Grouping, binned, grouped, numeric
from synthkit.notebook.widgets.explorer.vectors import Embeds, TextVectors
from synthkit.stats.words import words

How = Literal["replace", "add", "toggle"]

POINTS = 2000
"""Most points that are sent and drawn."""
HUES = 7
MOST_COLUMNS = 10
MOST_LABELS = 20
_COMPARISON = re.compile("[=<>~]")


class TextMap:
    """A table, its texts on a map by principal components, and a selection of its rows.

    Parameters
    ----------
    table : a table of any kind; rows without an id get one.
    name : the table's name.
    column : the texts to embed and to read; the column with the longest texts if not given.
    embedder : anything with ``embed(texts)``.
    vectors : a column that holds vectors; then no embedder is needed.
    colour : the column that colours the points; a column with few values if not given.
    seed : for the points that are drawn, and the rows that the map is fitted on.

    Attributes
    ----------
    map : where each row lies; ``scope`` are the rows that could be drawn, ``frame`` their places
        in 0..1, ``drawn`` the rows that are drawn.
    chosen : (n,) bool, the selected rows.
    hidden : the labels of the groups that are hidden.

    Raises
    ------
    UsageError
        If an option is invalid.
    TableError
        If the table lacks a column, or has no texts.

    Examples
    --------
    >>> rows = [{"id": str(n), "text": "a b c"[:n + 1], "at": [n, 1.0]} for n in range(5)]
    >>> text_map = TextMap(rows, vectors="at")
    >>> text_map.embed()
    >>> text_map.select(text_map.matching("words(text) = 2"))
    >>> text_map.selected_ids
    ['2', '3']
    """

    def __init__(
        self,
        table: Any,
        *,
        name: str = "table",
        column: str | None = None,
        embedder: Embeds | None = None,
        vectors: str | None = None,
        colour: str | None = None,
        seed: int = 0,
    ) -> None:
        self.table, self.name = tables.identified(table), name
        self.ids = tables.column(self.table, "id")
        self.column = self._text_column(column, vectors)
        if self.column is None:
            texts = [str(id) for id in self.ids]
        else:
            texts = [_text(value) for value in self._cells(self.column)]
        cells = [] if vectors is None else self._cells(vectors)
        self.vectors = TextVectors(texts, embedder, vectors, cells)
        self._groupings: dict[str, Grouping] = {}
        self.map = projection.pca(np.zeros((0, 0)), seed=seed)
        self.scope = np.arange(0)
        self.frame = np.zeros((0, 2), np.float32)
        self.chosen = np.zeros(len(self.ids), np.bool_)
        self.hidden: set[str] = set()
        self.paint(self._best_colour() if colour is None else colour)

    def __repr__(self) -> str:
        return f"TextMap({self.name!r}, {count(self.size, 'row')})"

    @property
    def size(self) -> int:
        """How many rows the table has."""
        return len(self.ids)

    @property
    def placed(self) -> int:
        """How many rows have a place on the map."""
        return int(np.isfinite(self.map.points).all(axis=1).sum())

    @property
    def texts(self) -> Sequence[str]:
        """The text of each row; its id if the table has no texts."""
        return self.vectors.texts

    def embed(self, progress: Callable[[], None] = lambda: None) -> None:
        """Embed the rest of the texts, and lay out the map; see :meth:`.TextVectors.embed`."""
        self.vectors.embed(progress)
        self.lay_out()

    def lay_out(self) -> None:
        """Lay out the vectors that there are."""
        self.map = projection.pca(self.vectors.array, seed=self.map.seed)
        self.narrow(None)

    def narrow(self, positions: Collection[int] | None) -> None:
        """Draw only these rows; ``None`` draws all again."""
        placed = np.asarray(np.isfinite(self.map.points).all(axis=1))
        if positions is not None:
            placed &= self._mask(positions)
        self.scope = np.flatnonzero(placed)
        self.frame = projection.unit(self.map.points[self.scope])
        self._draw()

    def paint(self, column: str) -> None:
        """Colour the points by a column; ``""`` for one colour.

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
        skipped = {"id", self.vectors.column}
        return [name for name in tables.columns(self.table) if name not in skipped]

    @property
    def groups(self) -> Grouping:
        """The groups of the column that colours the points."""
        if not self.colour:
            return Grouping("", ("",), np.zeros(self.size, np.int64), numeric=False)
        return self._grouping(self.colour)

    @cached_property
    def contrasts(self) -> list[Grouping]:
        """What a selection is compared by: length in words, columns of labels and of numbers."""
        lengths = [len(words(text)) for text in self.texts]
        groupings = [binned("length in words", lengths)] if self.column else []
        for name in self.colours:
            cells = self._cells(name)
            if numeric(cells) or (name != self.column and _are_labels(cells)):
                groupings.append(self._grouping(name))
        return groupings[:MOST_COLUMNS]

    @property
    def places(self) -> NDArray[np.int64]:
        """The positions of the selected rows."""
        return np.flatnonzero(self.chosen)

    @property
    def selected_ids(self) -> list[Any]:
        """The ids of the selected rows."""
        return [self.ids[n] for n in self.places]

    @property
    def selected(self) -> Any:
        """The selected rows, as a table of the same kind."""
        return tables.take(self.table, self.places.tolist())

    def select(self, positions: Collection[int], how: How = "replace") -> None:
        """Select rows in place of the selection, in addition to it, or invert them in it."""
        mask = self._mask(positions)
        if how == "add":
            mask |= self.chosen
        elif how == "toggle":
            mask ^= self.chosen
        self.chosen = mask

    def positions(self, ids: Collection[Any]) -> list[int]:
        """The positions of the rows with these ids.

        Raises
        ------
        TableError
            If an id is not in the table; says how many are not.
        """
        absent = [id for id in ids if id not in self._positions]
        if absent:
            others = f", nor {count(len(absent) - 1, 'other id')}" if absent[1:] else ""
            raise TableError(f"expected ids of {self.name}; it has no row {absent[0]!r}{others}.")
        return [self._positions[id] for id in ids]

    def around(self, polygon: Sequence[Sequence[float]]) -> list[int]:
        """The positions of the rows inside a polygon on the map, also of those not drawn.

        The corners are in 0..1 along each axis, from the lower left. Rows of hidden groups, and
        rows outside a narrowed map, are left out.
        """
        inside: list[int] = self.scope[projection.inside(self.frame, polygon)].tolist()
        groups = self.groups
        hidden = {code for code, label in enumerate(groups.labels) if label in self.hidden}
        return [n for n in inside if groups.codes[n] not in hidden] if hidden else inside

    def matching(self, text: str) -> list[int]:
        """The positions of the rows for which an expression holds, or with a text in any column.

        Raises
        ------
        UsageError
            If it has a comparison sign but is not a valid expression.
        """
        try:
            condition = expressions.parse(text, tables.columns(self.table))
        except UsageError:
            if _COMPARISON.search(text):
                raise
            return self._containing(text.strip().lower())
        return [n for n, holds in enumerate(condition.mask(self._cells)) if holds]

    @cached_property
    def _positions(self) -> dict[Any, int]:
        return {id: n for n, id in enumerate(self.ids)}

    def _mask(self, positions: Collection[int]) -> NDArray[np.bool_]:
        mask = np.zeros(self.size, np.bool_)
        mask[list(positions)] = True
        return mask

    def _containing(self, text: str) -> list[int]:
        matches = {n for n, whole in enumerate(self.texts) if text in whole.lower()}
        for name in self.colours:
            if name != self.column:
                cells = map(as_text, self._cells(name))
                matches.update(n for n, cell in enumerate(cells) if text in cell.lower())
        return sorted(matches)

    def _draw(self) -> None:
        self.drawn = projection.sample(self.scope, POINTS, self.groups.codes, self.map.seed)

    def _cells(self, name: str) -> list[Any]:
        return tables.column(self.table, name)

    def _grouping(self, name: str) -> Grouping:
        if name not in self._groupings:
            cells = self._cells(name)
            texts = [] if numeric(cells) else [None if c is None else _text(c) for c in cells]
            self._groupings[name] = grouped(name, cells, texts, HUES)
        return self._groupings[name]

    def _text_column(self, column: str | None, vectors: str | None) -> str | None:
        columns = tables.columns(self.table)
        tables.check_columns(self.table, filter(None, (column, vectors)))
        if column is not None:
            return column
        lengths = {
            name: sum(len(value) for value in self._cells(name) if isinstance(value, str))
            for name in columns
            if name not in {"id", "parent", vectors}
        }
        longest = max(lengths, key=lengths.__getitem__, default=None)
        if longest is not None and lengths[longest]:
            return longest
        if vectors is None and self.size:
            raise TableError(f"expected a column of texts; have {', '.join(columns)}.")
        return None

    def _best_colour(self) -> str:
        """The first column of labels; empty if there is none."""
        for name in self.colours:
            cells = self._cells(name)
            if name != self.column and _are_labels(cells) and not numeric(cells):
                return name
        return ""


def _text(value: Any) -> str:
    return "" if value is None else cell(value)


def _are_labels(cells: Sequence[Any]) -> bool:
    """Whether cells have 2 to 20 different values."""
    values: set[str] = set()
    for value in cells:
        if isinstance(value, dict | list):
            return False
        values.add(_text(value))
        if len(values) > MOST_LABELS:
            return False
    return len(values) > 1
