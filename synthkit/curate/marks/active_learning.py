"""Which rows to mark next: some to teach the filter, some at random to measure it.

Rows that teach most are the hard ones, so the filter's accuracy on them says nothing about the
table. Therefore a share of the rows is drawn at random, and only these are used to measure. They
are the first rows of a random order of the table that is fixed beforehand: a prefix of a random
order is a random sample, whatever else was marked, and only the seed has to be stored.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from synthkit.stats.classifier import Floats, Positions, sigmoid

START = 20
"""The first marks, which are all on rows drawn at random."""
ONE_IN = 3
"""After them, one row in this many is drawn at random."""
CANDIDATES = 200
"""The number of rows nearest the boundary among which the most useful are chosen."""
SAMPLED = 1000
"""The number of rows among which the neighbours of a candidate are searched."""
NEIGHBOURS = 20
"""The number of neighbours whose mean cosine is a row's density."""


def due(marks: int) -> int:
    """How many of this many marks should be on rows drawn at random.

    >>> [due(marks) for marks in (5, 20, 23, 50)]
    [5, 20, 21, 30]
    """
    return marks if marks <= START else START + (marks - START) // ONE_IN


def marks_for(sample: int) -> int:
    """The number of marks after which this many are on rows drawn at random.

    >>> [marks_for(sample) for sample in (5, 20, 21, 30)]
    [5, 20, 23, 50]
    """
    return sample if sample <= START else START + (sample - START) * ONE_IN


def sample(order: Sequence[int], marked: Collection[int]) -> list[int]:
    """The marked rows at the head of a random order, up to the first unmarked one: a random sample.

    It may continue over rows that were marked to teach; that is rare if few rows of a table are
    marked.
    """
    for n, at in enumerate(order):
        if at not in marked:
            return list(order[:n])
    return list(order)


def proposed(
    n: int,
    order: Sequence[int],
    marked: Collection[int],
    *,
    logits: Floats | None,
    boundary: float,
    vectors: Floats,
) -> list[int]:
    """``n`` unmarked rows to mark next, or all that are left, in the order of marking.

    Parameters
    ----------
    order : a random order of the rows that can be marked.
    logits : (rows,) log-odds of accept; ``None`` before anything is learned, when all rows are
        drawn at random.
    boundary : the log-odds above which a row is kept.
    vectors : (rows, d) embeddings.
    """
    used = set(marked)
    unmarked = iter([at for at in order if at not in used])
    n_random = len(sample(order, used))
    margins = None if logits is None else logits - boundary
    value = None if margins is None else _value(margins, vectors, order, used)
    novelty = np.ones(len(vectors))
    rows: list[int] = []
    while len(rows) < n and len(used) < len(order):
        if margins is None or value is None or n_random < due(len(used) + 1):
            at = next(at for at in unmarked if at not in used)
            n_random += 1
        else:
            at = int((value * novelty).argmax())
            if value[at] < 0:  # all candidates are used
                value = _value(margins, vectors, order, used)
                at = int((value * novelty).argmax())
        rows.append(at)
        used.add(at)
        if value is not None:
            # a row that is similar to a row of this batch adds little
            novelty = np.minimum(novelty, np.clip(1 - vectors @ vectors[at], 1e-9, 1))
            value[at] = -1
    return rows


def _value(margins: Floats, vectors: Floats, order: Sequence[int], used: Collection[int]) -> Floats:
    """(rows,) the value of a mark: p (1 - p) at the boundary, times the density around the row.

    The density is the mean cosine to the :data:`NEIGHBOURS` nearest rows of a random sample. It
    prefers rows that represent others, as information density does (B. Settles and M. Craven, 2008,
    An analysis of active learning strategies for sequence labeling tasks, section 3.5). They use
    the similarity to all rows, with which rows of a small class are never proposed.
    """
    value: Floats = np.full(len(margins), -1.0)
    free: Positions = np.array([at for at in order if at not in used], np.intp)
    near = free[np.argsort(np.abs(margins[free]), kind="stable")[:CANDIDATES]]
    others = np.array(order[:SAMPLED], np.intp)
    cosines = vectors[near] @ vectors[others].T
    cosines[near[:, None] == others] = 0
    k = min(NEIGHBOURS, len(others))
    density = np.partition(cosines, len(others) - k, axis=1)[:, len(others) - k :].mean(axis=1)
    p = sigmoid(margins[near])
    value[near] = p * (1 - p) * np.clip(density, 1e-3, None)
    return value
