"""A check of filters of duplicates: brute force on a sample of the kept rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkit.core.errors import check_positive
from synthkit.core.extras import need
from synthkit.curate.duplicates.base import Duplicates
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.data.results import Curation


@dataclass(frozen=True, slots=True, kw_only=True)
class DuplicateCheck:
    """The duplicates that brute force finds among the rows that a filter kept.

    Parameters
    ----------
    rows : the number of rows with a text.
    sampled : how many of these were compared with all others.
    alike : how many of the sampled rows are similar to another row, at the filter's threshold.
    high : an upper bound for the share of such rows among all rows, 0..1: the upper end of the
        one-sided Clopper-Pearson interval of 95 %, which is about 3 / ``sampled`` if none was
        found; the share itself if all rows were sampled.
    pairs : the ids of a sampled row and of a row that is similar to it, and their similarity.
    """

    rows: int
    sampled: int
    alike: int
    high: float
    pairs: tuple[tuple[Any, Any, float], ...]

    def __str__(self) -> str:
        bound = f"{'at most ' if self.sampled < self.rows else ''}{self.high:.2%}"
        return (
            f"{self.alike} of {self.sampled} sampled rows have a duplicate; "
            f"{bound} of all {self.rows} rows do."
        )


def check_duplicates(
    kept: Any, filter: Duplicates, *, sample: int = 300, seed: int = 0
) -> DuplicateCheck:
    """How many of the rows that a filter of duplicates kept still have a duplicate.

    A sample of the rows is compared with all rows by brute force, without MinHash or any other
    shortcut. Rows are sampled and not pairs, because few of the n^2 pairs can be similar, so that a
    sample of pairs would hardly contain one of them.

    Parameters
    ----------
    kept : a table, or a :class:`~synthkit.data.results.Curation`.
    filter : it defines how texts are compared, and the threshold.

    Raises
    ------
    UsageError
        If ``sample`` is below 1.

    References
    ----------
    C. J. Clopper and E. S. Pearson (1934), The use of confidence or fiducial limits, Biometrika 26.

    Examples
    --------
    >>> from synthkit.curate import near_duplicates
    >>> rows = [{"id": n, "text": f"row {n}"} for n in range(1000)]
    >>> print(check_duplicates(rows, near_duplicates()))
    0 of 300 sampled rows have a duplicate; at most 0.99% of all 1000 rows do.
    """
    check_positive(sample=sample)
    table = tables.identified(kept.kept if isinstance(kept, Curation) else kept)
    cells = zip(tables.column(table, "id"), tables.column(table, filter.column), strict=True)
    present = [(id, as_text(cell)) for id, cell in cells if cell is not None]
    ids, texts = [id for id, _ in present], [text for _, text in present]
    rows, sampled = len(texts), min(sample, len(texts))
    if not rows:
        return DuplicateCheck(rows=0, sampled=0, alike=0, high=0.0, pairs=())
    chosen = np.random.default_rng(seed).choice(rows, sampled, replace=False).tolist()
    near = list(filter.similarity.pairs(texts, sorted(chosen)))
    alike = len({i for i, _, _ in near})
    high = alike / sampled
    if alike < sampled < rows:
        special = need("scipy.special", extra="curate", why="to bound a share")
        high = float(special.betaincinv(alike + 1, sampled - alike, 0.95))
    pairs = tuple((ids[i], ids[j], similarity) for i, j, similarity in near)
    return DuplicateCheck(rows=rows, sampled=sampled, alike=alike, high=high, pairs=pairs)
