"""Passages that are found for each row and shown in its prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.data import tables
from synthkit.data.retrieval import By, Index
from synthkit.recipes._arguments import column_texts
from synthkit.recipes._base import Embed


def texts_by_id(passages: Any, column: str) -> dict[Any, str]:
    """Id -> text of each passage."""
    return dict(zip(tables.column(passages, "id"), column_texts(passages, column), strict=True))


def with_nearest(
    rows: Any,
    queries: Sequence[str],
    passages: Mapping[Any, str],
    k: int,
    by: By | None,
    embed: Embed | None,
    *,
    exclude: Sequence[Sequence[int]] | None = None,
) -> Any:
    """The rows with the column ``passages``, the ids of the ``k`` nearest to the row's query.

    Parameters
    ----------
    by, embed : see :meth:`synthkit.data.retrieval.Index.search`; ``"both"`` if there is an
        embedder, else ``"bm25"``.
    exclude : for each query, positions of passages to leave out.

    Raises
    ------
    UsageError
        If the rows have a column ``passages``.
    """
    method: By = by or ("both" if embed else "bm25")
    index = Index(list(passages.values()), embed)
    nearest, _ = index.search(queries, k, by=method, exclude=exclude)
    if "passages" in tables.columns(rows):
        raise UsageError("the rows have a column 'passages', which the recipe makes; rename it.")
    ids = list(passages)
    cells = [[ids[position] for position in positions] for positions in nearest]
    return tables.assign(rows, {"passages": cells})


def numbered_passages(ids: Sequence[Any], passages: Mapping[Any, str]) -> str:
    """Passages as a prompt shows them: numbered, with a blank line between them."""
    return "\n\n".join(f"[{number}] {passages[id]}" for number, id in enumerate(ids, 1))
