"""Learned filters: trained on the marks of a table, and stored by name and version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import StoreError, UsageError, unknown
from synthkit.curate.filters.base import texts
from synthkit.curate.marks.decisions import accepted, skipped
from synthkit.data import tables
from synthkit.sessions._frames import frame
from synthkit.store.curations import FILTER_COLUMNS
from synthkit.store.store import Store

if TYPE_CHECKING:
    from synthkit.curate.marks.learned_filter import LearnedFilter
    from synthkit.stats.classifier import Embed


def learn(
    store: Store,
    table: Any,
    *,
    name: str,
    embed: Embed,
    column: str | None = None,
    reads: Sequence[str] = (),
    task: str = "",
    **options: Any,
) -> LearnedFilter:
    """Learn a filter from the marks on a table, and store it as the next version of its name.

    The majority of annotators counts. See :func:`synthkit.curate.learn` for the method, and
    :func:`synthkit.curate.learned` to apply the filter.

    Parameters
    ----------
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
    column : of the texts; the one with the longest if not given.
    reads : other columns that the filter reads, such as a label that marks are about.
    task : of the marks.
    options : of :func:`synthkit.curate.learn`, such as ``threshold`` and ``seed``.
    """
    from synthkit.curate.marks.learning import learn

    table = tables.identified(table)
    positions = {str(id): at for at, id in enumerate(tables.column(table, "id"))}
    marks = [mark for mark in store.marks.for_rows(positions) if mark.task == task]
    column = column or tables.text_column(table)
    learned = learn(
        texts(table, column),
        {positions[id]: verdict for id, verdict in accepted(marks).items()},
        skipped=[positions[id] for id in skipped(marks)],
        embed=embed,
        columns={name: texts(table, name) for name in reads},
        **options,
    )
    save_body(store, name, {"column": column, **learned.to_dict()})
    return learned


def load(store: Store, name: str, version: int | None, embed: Embed) -> LearnedFilter:
    """The learned filter of that name and version; the latest version if it is ``None``."""
    from synthkit.curate.marks.learned_filter import LearnedFilter

    body = load_body(store, name, version)
    try:
        return LearnedFilter.from_dict(body, embed=embed)
    except UsageError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:  # of an odd bundle
        problem = f"{type(error).__name__}: {error}"
        raise StoreError(f"the learned filter {name!r} cannot be read: {problem}.") from None


def save_body(store: Store, name: str, body: Mapping[str, Any]) -> int:
    """Store the JSON of a filter, and return its version; an unchanged one gets no new version."""
    if not name.strip():
        raise UsageError("a learned filter needs a name.")
    return store.filters.add(name, body)


def load_body(store: Store, name: str, version: int | None = None) -> dict[str, Any]:
    """The JSON that :func:`save_body` stored, of the latest version if none is given.

    Raises
    ------
    UsageError
        If there is no filter of that name or version.
    """
    bodies = store.filters.versions(name)
    if not bodies:
        names = dict.fromkeys(row["name"] for row in store.filters.all())
        raise UsageError(unknown("learned filter", name, names))
    number = max(bodies) if version is None else version
    if number not in bodies:
        raise UsageError(f"the filter {name!r} has the versions {sorted(bodies)}; got {version}.")
    return bodies[number]


def filter_frame(store: Store) -> Any:
    """A DataFrame of the versions of all learned filters, the oldest first."""
    return frame(store.filters.all(), FILTER_COLUMNS, what="filters", time="at")
