"""The clusters of a filter of duplicates: which rows are similar to which kept row."""

from __future__ import annotations

from typing import Any

import numpy as np

from synthkit.curate.duplicates.base import Duplicates, find_representatives
from synthkit.data import tables


def clusters(table: Any, filter: Duplicates) -> Any:
    """The rows of a table that are similar: ``id, cluster, representative, similarity``.

    A cluster has the row that is kept, first, and the rows that are dropped because of it. Clusters
    are numbered from 1 in the order of the table. ``representative`` is the id of the row that is
    kept, ``similarity`` that of a row to it, 0..1. Rows without a duplicate are not listed.

    Examples
    --------
    >>> from synthkit.curate import exact_duplicates
    >>> rows = [{"id": i, "text": text} for i, text in enumerate(["Soup", "Tea", "soup ", "SOUP"])]
    >>> clusters(rows, exact_duplicates()).to_dict("list")
    {'id': [0, 2, 3], 'cluster': [1, 1, 1], 'representative': [0, 0, 0], \
'similarity': [1.0, 1.0, 1.0]}
    """
    rows = tables.identified(table)
    of, similarity, _ = find_representatives(rows, filter)
    size = np.bincount(of, minlength=len(of))
    (members,) = np.nonzero(size[of] > 1)
    members = members[np.lexsort((members, of[members] != members, of[members]))]
    _, cluster = np.unique(of[members], return_inverse=True)
    ids = tables.column(rows, "id")
    cells = {
        "id": [ids[at] for at in members],
        "cluster": (cluster + 1).tolist(),
        "representative": [ids[at] for at in of[members]],
        "similarity": similarity[members].tolist(),
    }
    return tables.build(cells, like=tables.kind(rows))
