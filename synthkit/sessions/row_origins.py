"""Where the rows of a table come from: generated, read from files or the Hub, or imported."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from synthkit.data import tables
from synthkit.sessions import named_tables
from synthkit.share.imports import ORIGIN, imported_from
from synthkit.store.store import Store

Source = tuple[str, str]
"""A file, a data set or an import, and its version."""


def gather(
    store: Store, folder: Path, several: Iterable[Any], traced: Collection[str]
) -> list[dict[str, Any]]:
    """How many rows of some tables come from where; each row is counted once.

    A row of a file or a data set is known by its id in the table that the session keeps of it. A
    generated row has the source of the row that it was generated from, and so on. An imported row,
    and one that was generated from it, has its source in the column ``origin``.

    Parameters
    ----------
    traced : the ids that lead to completions.
    """
    sources: dict[str | None, Source] = {}
    parents: dict[str | None, str | None] = {}
    for known in named_tables.read_all(store, folder):
        parents |= dict(zip(known.ids, known.parents, strict=False))
        if known.origin is not None:
            sources |= dict.fromkeys(known.ids, (_name(known.origin.source), known.origin.version))
    counts: Counter[tuple[str, str, str]] = Counter()
    for table in several:
        for id, parent, cell in zip(*_cells(table), strict=True):
            is_made, imported = id in traced, imported_from(cell)
            start = (parent or parents.get(id)) if is_made else id
            source = (imported, "") if imported else _source(start, parents, sources)
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


def _source(
    id: str | None, parents: Mapping[str | None, str | None], sources: Mapping[str | None, Source]
) -> Source | None:
    """The source of a row, or of the nearest row that it was generated from."""
    seen = set()
    while id is not None and id not in seen:
        if id in sources:
            return sources[id]
        seen.add(id)
        id = parents.get(id)
    return None


def _name(source: str) -> str:
    """A source without the folders of this machine."""
    return Path(source).name if Path(source).is_absolute() else source
