"""Where the rows of a table come from: generated, read from files or the Hub, or imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from synthkit.data import tables
from synthkit.sessions import inputs, named_tables
from synthkit.share.imports import ORIGIN, imported_from
from synthkit.store.store import Store

Source = tuple[str, str]
"""A file, a data set or an import, and its version."""


class Ancestry:
    """From which row each row of a session was generated, and which were read from where.

    A row of a file or a data set is known by its id in the table that the session keeps of it.

    Attributes
    ----------
    parents : row -> the row that it was generated from, for the rows of the session's tables, and
        of those that its runs were given.
    sources : row -> the file or the data set, and its version.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.parents: dict[str | None, str | None] = {}
        self.sources: dict[str | None, Source] = {}
        for content in sorted(inputs.used(store)):
            self._link(named_tables.links(inputs.path_of(store, content)))
        for known in named_tables.read_all(store, folder):
            self._link(known.links)
            if known.origin is not None:
                source = (_name(known.origin.source), known.origin.version)
                self.sources |= dict.fromkeys(known.ids, source)

    def _link(self, links: Iterable[tuple[str | None, str | None]]) -> None:
        """Note rows with their parents.

        A table may have lost the column, and a row that rests on the requests of the row that it
        was made from has its own id there.
        """
        for id, parent in links:
            known = None if parent == id else parent
            if known is not None or id not in self.parents:
                self.parents[id] = known

    def line(self, id: str | None) -> Iterator[str]:
        """A row, the row that it was generated from, and so on."""
        seen: set[str] = set()
        while id is not None and id not in seen:
            seen.add(id)
            yield id
            id = self.parents.get(id)

    def lines(self, ids: Iterable[str | None]) -> set[str]:
        """Some rows, and those that they were generated from, in however many steps."""
        found: set[str] = set()
        for id in ids:
            for each in self.line(id):
                if each in found:
                    break
                found.add(each)
        return found

    def earlier(self, several: Iterable[Any]) -> set[str]:
        """The rows that those of some tables were generated from, in however many steps."""
        return self.lines(
            _text(parent) or self.parents.get(_text(id))
            for table in several
            for id, parent, _ in zip(*_cells(table), strict=True)
        )

    def source(self, id: str | None) -> Source | None:
        """The source of a row, or of the nearest row that it was generated from."""
        return next((self.sources[each] for each in self.line(id) if each in self.sources), None)


def gather(
    ancestry: Ancestry, several: Iterable[Any], traced: Collection[str]
) -> list[dict[str, Any]]:
    """How many rows of some tables come from where; each row is counted once.

    A generated row has the source of the row that it was generated from, and so on. An imported
    row, and one that was generated from it, has its source in the column ``origin``.

    Parameters
    ----------
    traced : the ids that lead to completions.
    """
    counts: Counter[tuple[str, str, str]] = Counter()
    for table in several:
        for cell_id, cell_parent, cell in zip(*_cells(table), strict=True):
            id, parent = _text(cell_id), _text(cell_parent)
            is_made, imported = id in traced, imported_from(cell)
            start = (parent or ancestry.parents.get(id)) if is_made else id
            source = (imported, "") if imported else ancestry.source(start)
            if is_made:
                how = "generated from" if source else "generated"
            else:
                how = "imported from" if imported else "read from" if source else "unknown"
            counts[(how, *(source or ("", "")))] += 1
    return [
        {"how": how, "source": source, "version": version, "rows": n}
        for (how, source, version), n in counts.most_common()
    ]


def _cells(table: Any) -> list[list[Any]]:
    """The cells of the columns ``id``, ``parent`` and ``origin``."""
    names, n = tables.columns(table), tables.size(table)
    return [
        tables.column(table, name) if name in names else [None] * n
        for name in ("id", "parent", ORIGIN)
    ]


def _text(cell: Any) -> str | None:
    return cell if isinstance(cell, str) else None


def _name(source: str) -> str:
    """A source without the folders of this machine."""
    return Path(source).name if Path(source).is_absolute() else source
