"""The table that is annotated: its ids, its cells, and the columns to show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from synthkit.core.errors import TableError
from synthkit.core.formatting import cell
from synthkit.data import tables


class AnnotatedTable:
    """A table, the column to judge, and the columns to show above it (``shown``).

    Raises
    ------
    TableError
        If a column is missing, or two rows have the same id.
    """

    def __init__(
        self, table: Any, *, name: str, column: str | None, show: Sequence[str] | None
    ) -> None:
        self.name = name
        self.table = tables.identified(table)
        self._cells: dict[str, list[Any]] = {}
        self.ids = [str(id) for id in self.cells("id")]
        self._positions = {id: n for n, id in enumerate(self.ids)}
        if len(self._positions) < len(self.ids):
            raise TableError("two ids are the same when written as text; make them differ.")
        columns = tables.columns(self.table)
        tables.check_columns(self.table, filter(None, [column, *(show or [])]))
        self.column = column or tables.text_column(self.table)
        hidden = {self.column, *(("id", "parent") if show is None else ())}
        self.shown = [name for name in (columns if show is None else show) if name not in hidden]

    def cells(self, column: str) -> list[Any]:
        """The cells of a column, read once."""
        if column not in self._cells:
            self._cells[column] = tables.column(self.table, column)
        return self._cells[column]

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """The cells of each row in some columns."""
        return zip(*map(self.cells, columns), strict=True)

    def cell(self, id: str, column: str) -> Any:
        """The cell of a row in a column."""
        return self.cells(column)[self._positions[id]]

    def row(self, id: str) -> dict[str, Any]:
        """The shown cells of a row, then the judged one."""
        return {name: self.cell(id, name) for name in [*self.shown, self.column]}

    def text(self, id: str) -> str:
        """The judged cell of a row as text."""
        return cell(self.cell(id, self.column))

    def containing(self, text: str, columns: Sequence[str]) -> set[str]:
        """The ids of the rows with ``text`` in one of the columns, ignoring case."""
        needle = text.casefold()
        return {
            id
            for id, cells in zip(self.ids, self.rows(columns), strict=True)
            if any(needle in cell(value).casefold() for value in cells)
        }
