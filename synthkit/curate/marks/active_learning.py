"""Which rows to mark next, so that marks both teach and measure.

Rows chosen to teach are the hard ones: how many of them the filter gets right says nothing of the
table. So a share of the rows is drawn at random, and only these measure. They are the first rows of
a random order of the table that is fixed beforehand. A prefix of a random order is a random sample,
whatever else was marked, and nothing needs to be remembered but the seed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from synthkit.curate.marks import history
from synthkit.curate.marks.classifier import sigmoid
from synthkit.stats.classifier import Floats, Positions

START = 20
"""Marks up to which every row is drawn at random."""
ONE_IN = 3
"""Beyond them, one row in so many is."""
CANDIDATES = 200
"""Rows nearest the boundary, of which those that teach most are asked for."""
SAMPLED = 1000
"""Rows in which the neighbours of a candidate are looked for."""
NEIGHBOURS = 20


def due(marks: int) -> int:
    """How many of so many marks are to be on rows drawn at random.

    >>> [due(marks) for marks in (5, 20, 23, 50)]
    [5, 20, 21, 30]
    """
    return marks if marks <= START else START + (marks - START) // ONE_IN


def marks_for(sample: int) -> int:
    """How many marks it takes until so many of them are on rows drawn at random.

    >>> [marks_for(sample) for sample in (5, 20, 21, 30)]
    [5, 20, 23, 50]
    """
    return sample if sample <= START else START + (sample - START) * ONE_IN


def shuffled(n: int, seed: int) -> list[int]:
    """The positions of ``n`` rows in an order that depends on the seed alone.

    It is that of :func:`synthkit.curate.marks.history.shuffled`: what is marked in random order with the
    same seed measures as well.
    """
    return history.shuffled(range(n), seed)


def sample(order: Sequence[int], marked: Collection[int]) -> list[int]:
    """The rows at the head of a random order that are marked without a gap: a random sample.

    It ends before the first unmarked row, and so is as good as fixed beforehand: it may run on over
    rows that were marked to teach, which in a table of which few rows are marked hardly occurs.
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
    order : random, of the rows that can be marked.
    logits : (rows,) log-odds of accept; ``None`` where nothing is learned yet, and all is random.
    boundary : the log-odds above which a row is kept.
    vectors : (rows, d) embeddings.
    """
    taken = set(marked)
    waiting = iter([at for at in order if at not in taken])
    drawn = len(sample(order, taken))
    margins = None if logits is None else logits - boundary
    worth = None if margins is None else _worth(margins, vectors, order, taken)
    novel = np.ones(len(vectors))
    found: list[int] = []
    while len(found) < n and len(taken) < len(order):
        if margins is None or worth is None or drawn < due(len(taken) + 1):
            at = next(at for at in waiting if at not in taken)
            drawn += 1
        else:
            at = int((worth * novel).argmax())
            if worth[at] < 0:  # all candidates are taken
                worth = _worth(margins, vectors, order, taken)
                at = int((worth * novel).argmax())
        found.append(at)
        taken.add(at)
        if worth is not None:
            # a row that is like one of this batch teaches little beside it
            novel = np.minimum(novel, np.clip(1 - vectors @ vectors[at], 1e-9, 1))
            worth[at] = -1
    return found


def _worth(
    margins: Floats, vectors: Floats, order: Sequence[int], taken: Collection[int]
) -> Floats:
    """What a mark on each row may teach: its variance at the boundary, times its likeness to rows.

    The likeness is the mean cosine to the :data:`NEIGHBOURS` nearest of a random sample of rows. It
    keeps to rows that speak for others, as information density does (B. Settles and M. Craven,
    2008, An analysis of active learning strategies for sequence labeling tasks, section 3.5). That
    takes the likeness to all rows, by which a small class is never asked for.
    """
    worth: Floats = np.full(len(margins), -1.0)
    free: Positions = np.array([at for at in order if at not in taken], np.intp)
    near = free[np.argsort(np.abs(margins[free]), kind="stable")[:CANDIDATES]]
    others = np.array(order[:SAMPLED], np.intp)
    cosines = vectors[near] @ vectors[others].T
    cosines[near[:, None] == others] = 0
    k = min(NEIGHBOURS, len(others))
    density = np.partition(cosines, len(others) - k, axis=1)[:, len(others) - k :].mean(axis=1)
    p = sigmoid(margins[near])
    worth[near] = p * (1 - p) * np.clip(density, 1e-3, None)
    return worth
