"""Dawid-Skene: the label of each row, and the confusion matrix of each labeller, by EM."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError
from synthkit.curate.labels.judgements import Judgement, checked_judgements
from synthkit.stats.classifier import Floats, Positions

LEAST = 1e-10
"""The least count of a labeller's answer, and the least prior, so that nothing is impossible."""


@dataclass(frozen=True, slots=True, eq=False)
class Consensus:
    """The probable labels of rows, from the judgements of several labellers.

    Parameters
    ----------
    rows, labellers, labels : the n ids, w labellers and k labels, in the order of the arrays.
    posterior : (n, k) the probability of each label for each row.
    confusion : (w, k, k) ``confusion[a, i, j]`` is the probability that labeller ``a`` gives
        ``labels[j]`` to a row whose true label is ``labels[i]``.
    priors : (k,) the share of each label among the rows.
    log_likelihood : of the judgements, natural logarithm.
    iterations : the number of EM steps.
    converged : whether EM converged before ``max_iter`` steps.
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
        """(n, k) the posterior of the rows with these ids; NaN for rows without a judgement."""
        place = {row: at for at, row in enumerate(self.rows)}
        places = np.array([place.get(str(id), -1) for id in ids], np.intp)
        posterior = np.full((len(places), len(self.labels)), np.nan)
        posterior[places >= 0] = self.posterior[places[places >= 0]]
        return posterior

    @property
    def accuracy(self) -> dict[Hashable, float]:
        """Labeller -> the probability that its label is correct, 0..1, with these priors."""
        correct = np.einsum("aii,i->a", self.confusion, self.priors)
        return dict(zip(self.labellers, correct.tolist(), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class _JudgementCodes:
    """Judgements as positions: (m,) each, of the row, the labeller and the label."""

    row: Positions
    labeller: Positions
    label: Positions


def dawid_skene(
    judgements: Iterable[Judgement], *, tolerance: float = 1e-6, max_iter: int = 1000
) -> Consensus:
    """The probability of each row's label, and a confusion matrix for each labeller, by EM.

    The first posteriors are the shares of the votes. Then, in turn, priors and confusion matrices
    are estimated from the posteriors (equations 2.3 and 2.4 of the paper), and posteriors from the
    priors and matrices (2.5), until no posterior changes by ``tolerance``. Rows need not be judged
    by all labellers, and a labeller may judge a row several times.

    Counts below 1e-10 are set to it. So if a labeller never met a label, according to the
    posteriors, all of its answers are equally probable for that label.

    Parameters
    ----------
    judgements : see :func:`judgements` and :func:`from_marks`.
    tolerance : the largest change of a posterior at which EM stops.
    max_iter : the largest number of EM steps.

    Raises
    ------
    UsageError
        If there is no judgement, one is not a triple with a label, or an option is out of range.

    References
    ----------
    A. P. Dawid and A. M. Skene (1979), Maximum likelihood estimation of observer error-rates using
    the EM algorithm, Applied Statistics 28, 20-28.

    Examples
    --------
    >>> judgements = [("a", "ann", "+"), ("a", "bob", "+"), ("a", "eve", "-"), ("b", "ann", "-"),
    ...               ("b", "bob", "-"), ("b", "eve", "+"), ("c", "ann", "+"), ("c", "eve", "-")]
    >>> consensus = dawid_skene(judgements)
    >>> consensus.labels, consensus.of(["c"]).round(3).tolist()
    (('+', '-'), [[1.0, 0.0]])
    >>> {labeller: round(share, 3) for labeller, share in consensus.accuracy.items()}
    {'ann': 1.0, 'bob': 1.0, 'eve': 0.0}
    """
    if not tolerance > 0 or max_iter < 1:
        raise UsageError(
            f"tolerance must be above 0 and max_iter 1 or more; got {tolerance} and {max_iter}."
        )
    checked = checked_judgements(judgements)
    if not checked:
        raise UsageError("there are no judgements: expected triples (row, labeller, label).")
    rows, row = _coded(row for row, _, _ in checked)
    labellers, labeller = _coded(labeller for _, labeller, _ in checked)
    labels, label = _coded(label for _, _, label in checked)
    codes = _JudgementCodes(row, labeller, label)
    posterior = np.zeros((len(rows), len(labels)))
    np.add.at(posterior, (row, label), 1.0)
    posterior /= posterior.sum(axis=1, keepdims=True)
    priors, confusion = _maximize(posterior, codes, len(labellers))
    steps, change = 0, np.inf
    while change >= tolerance and steps < max_iter:
        before = posterior
        posterior, log_likelihood = _expect(priors, confusion, codes, len(rows))
        priors, confusion = _maximize(posterior, codes, len(labellers))
        steps, change = steps + 1, float(np.abs(posterior - before).max())
    return Consensus(
        rows=rows,
        labellers=labellers,
        labels=labels,
        posterior=posterior,
        confusion=confusion,
        priors=priors,
        log_likelihood=log_likelihood,
        iterations=steps,
        converged=change < tolerance,
    )


def _maximize(posterior: Floats, codes: _JudgementCodes, n_labellers: int) -> tuple[Floats, Floats]:
    """The priors and the confusion matrices of highest likelihood, given the posteriors."""
    k = posterior.shape[1]
    answers = codes.labeller * k + codes.label
    counts = [np.bincount(answers, posterior[codes.row, i], n_labellers * k) for i in range(k)]
    confusion = np.stack(counts).reshape(k, n_labellers, k).transpose(1, 0, 2).clip(LEAST)
    return posterior.mean(axis=0), confusion / confusion.sum(axis=2, keepdims=True)


def _expect(
    priors: Floats, confusion: Floats, codes: _JudgementCodes, n_rows: int
) -> tuple[Floats, float]:
    """The posteriors, and the log-likelihood of all judgements."""
    logs = np.log(confusion)
    by_label = [
        np.bincount(codes.row, logs[codes.labeller, i, codes.label], n_rows)
        for i in range(len(priors))
    ]
    joint = np.log(priors.clip(LEAST)) + np.stack(by_label, axis=1)
    most = joint.max(axis=1, keepdims=True)
    powers = np.exp(joint - most)
    total = powers.sum(axis=1, keepdims=True)
    return powers / total, float((most + np.log(total)).sum())


def _coded(cells: Iterable[Any]) -> tuple[tuple[Any, ...], Positions]:
    """The distinct cells, sorted, and the position of each cell among them."""
    values = list(cells)
    distinct = sorted(set(values), key=lambda cell: (type(cell).__name__, cell))
    place = {cell: at for at, cell in enumerate(distinct)}
    return tuple(distinct), np.array([place[cell] for cell in values], np.intp)
