"""Annotators: what several people, models or rules say of the same rows, and how far each is right.

A judgement is a triple (row, labeller, label). Rows are known by ``str(id)``, as marks know them.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError
from synthkit.core.types import Mark
from synthkit.curate.marks.history import standing
from synthkit.data import tables as tables

Judgement: TypeAlias = tuple[str, Hashable, Hashable]
"""Row, labeller, label."""
Floats = NDArray[np.float64]
Positions = NDArray[np.intp]

LEAST = 1e-10
"""Least count of a labeller's answer and least prior, so that nothing is impossible."""


def judgements(table: Any, columns: Sequence[str] | None = None) -> list[Judgement]:
    """The judgements that a table holds; cells without a label are none.

    Parameters
    ----------
    columns : those of the labels, one for each labeller, of a table with a row for each row that
        is labelled. Without them the table has a row for each judgement, and the columns ``row``
        (an id), ``labeller`` and ``label``.

    Raises
    ------
    TableError
        If a column is not there, or two rows have one id.

    Examples
    --------
    >>> judgements([{"id": "a", "ann": "good", "bob": None}], ["ann", "bob"])
    [('a', 'ann', 'good')]
    >>> judgements([{"row": 7, "labeller": "ann", "label": "good"}])
    [('7', 'ann', 'good')]
    """
    if columns is None:
        parts = [tables.column(table, name) for name in ("row", "labeller", "label")]
        found = list(zip(*parts, strict=True))
    else:
        held = tables.identified(table)
        ids = tables.column(held, "id")
        cells = [tables.column(held, name) for name in columns]
        named = list(zip(columns, cells, strict=True))
        found = [(id, who, said[at]) for at, id in enumerate(ids) for who, said in named]
    return triples(one for one in found if one[2] is not None)


def from_marks(marks: Iterable[Mark]) -> list[Judgement]:
    """The judgements in a log of marks of one task: those that stand, of the first round.

    Skipped rows have none. Marks of a second, blind round say how far the first can be trusted, and
    are no further voice.

    Examples
    --------
    >>> said = [Mark(id="a", label="good", by="ann"), Mark(id="a", label="skip", by="bob")]
    >>> from_marks(said)
    [('a', 'ann', 'good')]
    """
    return [
        (mark.id, mark.by, mark.label)
        for mark in standing(marks).values()
        if mark.round == 1 and mark.label not in ("", "skip")
    ]


def triples(said: Iterable[Any]) -> list[Judgement]:
    """The triples, their rows as text.

    Raises
    ------
    UsageError
        If one is no triple, or has no label.
    """
    found = []
    for n, one in enumerate(said):
        if not isinstance(one, tuple | list) or len(one) != 3:
            raise UsageError(f"judgement {n}: expected (row, labeller, label); got {one!r}.")
        row, who, label = one
        if row is None or label is None or label != label:
            raise UsageError(f"judgement {n}: a row or a label is missing in {one!r}.")
        if not isinstance(who, Hashable) or not isinstance(label, Hashable):
            raise UsageError(f"judgement {n}: expected plain cells; got {one!r}.")
        found.append((str(row), who, label))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """What the rows' labels are, by what all labellers say and how far each is to be believed.

    Parameters
    ----------
    rows, labellers, labels : the n ids, w labellers and k labels, in the order of the arrays.
    posterior : (n, k), the probability of each label for each row.
    confusion : (w, k, k); ``confusion[a, i, j]`` is the probability that labeller ``a`` says
        ``labels[j]`` of a row whose label is ``labels[i]``.
    priors : (k,), the share of each label among the rows.
    log_likelihood : of the judgements, natural logarithm.
    iterations : steps of EM.
    converged : whether no posterior moved any more; if not, it was stopped at ``max_iter``.
    """

    rows: tuple[str, ...]
    labellers: tuple[Hashable, ...]
    labels: tuple[Any, ...]
    posterior: Floats
    confusion: Floats
    priors: Floats
    log_likelihood: float
    iterations: int
    converged: bool

    def of(self, ids: Iterable[Any]) -> Floats:
        """(n, k), the posterior of each row; NaN for rows of which nobody said anything."""
        place = {row: at for at, row in enumerate(self.rows)}
        where = np.array([place.get(str(id), -1) for id in ids], np.intp)
        found = np.full((len(where), len(self.labels)), np.nan)
        found[where >= 0] = self.posterior[where[where >= 0]]
        return found

    @property
    def accuracy(self) -> dict[Hashable, float]:
        """Labeller -> how often it is right, 0..1, on rows with these shares of labels."""
        right = np.einsum("aii,i->a", self.confusion, self.priors)
        return dict(zip(self.labellers, right.tolist(), strict=True))


def dawid_skene(
    said: Iterable[Judgement], *, tolerance: float = 1e-6, max_iter: int = 1000
) -> Consensus:
    """The probability of each row's label, with a confusion matrix for each labeller, by EM.

    The first posteriors are the shares of the votes. Then, in turn, priors and confusion matrices
    are those that the posteriors make likeliest (equations 2.3 and 2.4 of the paper), and the
    posteriors are those of the priors and matrices (2.5), until none moves by ``tolerance``. Rows
    need not be judged by all, and one labeller may judge a row several times.

    Counts below 1e-10 are taken for it. So a labeller who never met a label, as far as the
    posteriors know, says nothing about it: all its answers are equally likely there.

    Parameters
    ----------
    said : judgements; see :func:`judgements` and :func:`from_marks`.
    tolerance : the largest change of a posterior at which EM ends.
    max_iter : the most steps of EM.

    Raises
    ------
    UsageError
        If there is no judgement, one is no triple with a label, or an option is out of range.

    References
    ----------
    A. P. Dawid and A. M. Skene (1979), Maximum likelihood estimation of observer error-rates using
    the EM algorithm, Applied Statistics 28, 20-28.

    Examples
    --------
    >>> said = [("a", "ann", "+"), ("a", "bob", "+"), ("a", "eve", "-"), ("b", "ann", "-"),
    ...         ("b", "bob", "-"), ("b", "eve", "+"), ("c", "ann", "+"), ("c", "eve", "-")]
    >>> found = dawid_skene(said)
    >>> found.labels, found.of(["c"]).round(3).tolist()
    (('+', '-'), [[1.0, 0.0]])
    >>> {who: round(right, 3) for who, right in found.accuracy.items()}
    {'ann': 1.0, 'bob': 1.0, 'eve': 0.0}
    """
    if not tolerance > 0 or max_iter < 1:
        raise UsageError(
            f"tolerance must be above 0 and max_iter 1 or more; got {tolerance} and {max_iter}."
        )
    given = triples(said)
    if not given:
        raise UsageError("there are no judgements: expected triples (row, labeller, label).")
    rows, at = _coded(row for row, _, _ in given)
    labellers, who = _coded(labeller for _, labeller, _ in given)
    labels, what = _coded(label for _, _, label in given)
    posterior = np.zeros((len(rows), len(labels)))
    np.add.at(posterior, (at, what), 1.0)
    posterior /= posterior.sum(axis=1, keepdims=True)
    priors, confusion = _likeliest(posterior, at, who, what, len(labellers))
    steps, moved = 0, np.inf
    while moved >= tolerance and steps < max_iter:
        before = posterior
        posterior, likelihood = _posterior(priors, confusion, at, who, what, len(rows))
        priors, confusion = _likeliest(posterior, at, who, what, len(labellers))
        steps, moved = steps + 1, float(np.abs(posterior - before).max())
    found = rows, labellers, labels, posterior, confusion, priors
    return Consensus(*found, likelihood, steps, moved < tolerance)


def _likeliest(
    posterior: Floats, at: Positions, who: Positions, what: Positions, n: int
) -> tuple[Floats, Floats]:
    """The priors and the confusion matrices that these posteriors make likeliest."""
    k = posterior.shape[1]
    counts = [np.bincount(who * k + what, posterior[at, i], n * k) for i in range(k)]
    confusion = np.stack(counts).reshape(k, n, k).transpose(1, 0, 2).clip(LEAST)
    return posterior.mean(axis=0), confusion / confusion.sum(axis=2, keepdims=True)


def _posterior(
    priors: Floats, confusion: Floats, at: Positions, who: Positions, what: Positions, n: int
) -> tuple[Floats, float]:
    """The posteriors, and the log-likelihood of all judgements."""
    logs = np.log(confusion)
    said = [np.bincount(at, logs[who, i, what], n) for i in range(len(priors))]
    joint = np.log(priors.clip(LEAST)) + np.stack(said, axis=1)
    most = joint.max(axis=1, keepdims=True)
    powers = np.exp(joint - most)
    total = powers.sum(axis=1, keepdims=True)
    return powers / total, float((most + np.log(total)).sum())


def _coded(cells: Iterable[Any]) -> tuple[tuple[Any, ...], Positions]:
    """The distinct cells, sorted, and where each cell stands among them."""
    given = list(cells)
    known = sorted(set(given), key=lambda cell: (type(cell).__name__, cell))
    place = {cell: at for at, cell in enumerate(known)}
    return tuple(known), np.array([place[cell] for cell in given], np.intp)
