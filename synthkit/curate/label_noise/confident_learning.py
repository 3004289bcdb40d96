"""Confident learning: which labels are wrong, by probabilities from out of the fold."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError, unknown
from synthkit.stats.classifier import Floats, Positions

Rule = Literal[
    "prune_by_noise_rate", "prune_by_class", "both", "confident_learning", "predicted_neq_given"
]
Mask = NDArray[np.bool_]
Counts = NDArray[np.int64]

NEAR = 1e-6
"""Probabilities this near to each other count as equal, as they do in cleanlab."""


def thresholds(probabilities: ArrayLike, targets: ArrayLike) -> Floats:
    """(k,) the t_j of each label: the mean probability of j among the rows labelled j.

    A label without rows has a threshold of 2, which no probability reaches.

    Raises
    ------
    UsageError
        If the probabilities are not (n, k) numbers in 0..1, or the targets not n places of 0..k-1.

    References
    ----------
    Northcutt et al. (2021), arXiv 1911.00068, equation 2; bounded below by 2e-6, as in cleanlab.

    Examples
    --------
    >>> thresholds([[0.9, 0.1], [0.7, 0.3], [0.4, 0.6]], [0, 0, 1]).tolist()
    [0.8, 0.6]
    """
    given, own = _checked(probabilities, targets)
    found = np.full(given.shape[1], 2.0)
    for label in np.unique(own):
        found[label] = given[own == label, label].mean()
    bounded: Floats = np.maximum(found, 2 * NEAR)
    return bounded


def confident_joint(
    probabilities: ArrayLike, targets: ArrayLike, *, calibrated: bool = True
) -> Counts:
    """(k, k) counts of rows: labelled i, and by the probabilities j.

    A row counts as j if its probability of j is at least t_j; of several such the likeliest label
    is taken; a row with none is not counted. Each label keeps one row of its own at least.

    Parameters
    ----------
    calibrated : scale each row of counts to as many rows as have the label, in whole numbers.

    Raises
    ------
    UsageError
        As :func:`thresholds`.

    References
    ----------
    Northcutt et al. (2021), arXiv 1911.00068, equations 1 and 3; the least of one row and the
    rounding, by largest remainders, are cleanlab's.

    Examples
    --------
    >>> found = [[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]]
    >>> confident_joint(found, [0, 0, 0, 1]).tolist()
    [[2, 1], [0, 1]]
    """
    given, own = _checked(probabilities, targets)
    sure, likely = _confident(given, own)
    k = given.shape[1]
    # columns first, so that sums below are rounded as cleanlab's are
    joint = np.bincount(likely[sure] * k + own[sure], minlength=k * k).reshape(k, k).T
    np.fill_diagonal(joint, np.maximum(joint.diagonal(), 1))
    if not calibrated:
        return joint
    counts = np.bincount(own, minlength=k)
    scaled = (joint.T / joint.sum(axis=1) * counts).T
    scaled = scaled / max(scaled.sum(), NEAR) * counts.sum()  # it is that sum but for rounding
    return np.array([_whole(row) for row in scaled])


def label_issues(
    probabilities: ArrayLike, targets: ArrayLike, *, rule: Rule = "prune_by_noise_rate"
) -> Mask:
    """(n,), whether a row's label is likely wrong.

    A row whose own label is the likeliest one is never among them.

    Parameters
    ----------
    probabilities : (n, k) of rows that were not learned from, as
        :func:`~synthkit.curate.label_noise.out_of_fold.cross_fitted` gives them.
    targets : (n,) the places of the given labels, 0..k-1.
    rule : with the counts C of the :func:`confident_joint`:
        ``"prune_by_noise_rate"``, of the rows labelled i the C_ij that are by most likelier j;
        ``"prune_by_class"``, of the rows labelled i the n_i - C_ii least likely i;
        ``"both"``, what these two have in common;
        ``"confident_learning"``, what is counted off the diagonal;
        ``"predicted_neq_given"``, all whose likeliest label is another.

    Raises
    ------
    UsageError
        As :func:`thresholds`; if there is no such rule.

    References
    ----------
    Northcutt et al. (2021), arXiv 1911.00068, section 3.2. It gives the rows that cleanlab 2.9's
    ``find_label_issues(filter_by=rule)`` gives; of rows that a rule ranks equal the earlier one is
    taken, where cleanlab leaves it to the sort.

    Examples
    --------
    >>> found = [[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.4, 0.6]]
    >>> label_issues(found, [0, 0, 0, 1]).tolist()
    [False, False, True, False]
    """
    if rule not in get_args(Rule):
        raise UsageError(unknown("rule", rule, get_args(Rule)))
    given, own = _checked(probabilities, targets)
    match rule:
        case "predicted_neq_given":
            found: Mask = np.ones(len(own), np.bool_)
        case "confident_learning":
            sure, likely = _confident(given, own)
            found = sure & (likely != own)
        case "prune_by_class":
            found = _least_likely(given, own)
        case "prune_by_noise_rate":
            found = _likelier_others(given, own)
        case "both":
            found = _least_likely(given, own) & _likelier_others(given, own)
    favoured = given.copy()
    favoured[np.arange(len(own)), own] += NEAR
    found &= favoured.argmax(axis=1) != own
    return found


def label_quality(
    probabilities: ArrayLike,
    targets: ArrayLike,
    *,
    method: Literal["self_confidence", "normalized_margin"] = "normalized_margin",
) -> Floats:
    """(n,), how far a row's label can be trusted, 0..1.

    ``"self_confidence"`` is the probability of the label; ``"normalized_margin"``,
    (p_given - max_other p + 1) / 2, is below 1/2 where another label is likelier.

    Raises
    ------
    UsageError
        As :func:`thresholds`; if there is no such method.

    References
    ----------
    J. Kuan and J. Mueller (2022), Model-agnostic label quality scoring to detect real-world label
    errors; as cleanlab's ``get_label_quality_scores``.

    Examples
    --------
    >>> label_quality([[0.75, 0.25], [0.25, 0.75]], [0, 0]).tolist()
    [0.75, 0.25]
    """
    given, own = _checked(probabilities, targets)
    rows = np.arange(len(own))
    confidence: Floats = given[rows, own]
    if method == "self_confidence":
        return confidence
    if method != "normalized_margin":
        raise UsageError(unknown("method", method, ("self_confidence", "normalized_margin")))
    others = given.copy()
    others[rows, own] = -1
    margin: Floats = (confidence - others.max(axis=1) + 1) / 2
    return margin


def _confident(given: Floats, own: Positions) -> tuple[Mask, Positions]:
    """Which rows reach a threshold, and the label that they are counted as."""
    reached = given >= thresholds(given, own) - NEAR
    times = reached.sum(axis=1)
    return times > 0, np.where(times > 1, given.argmax(axis=1), reached.argmax(axis=1))


def _pruned(given: Floats, own: Positions) -> Counts:
    """The confident joint, by which rows go; no label loses its last row."""
    joint = confident_joint(given, own)
    for label in np.flatnonzero(joint.diagonal() < 1):
        joint[label] = np.maximum(joint[label] - 1, 0)
        joint[label, label] = 1
    return joint


def _least_likely(given: Floats, own: Positions) -> Mask:
    found = np.zeros(len(own), np.bool_)
    for label, kept in enumerate(_pruned(given, own).diagonal()):
        rows = np.flatnonzero(own == label)
        if len(rows) > 1:
            order = np.argsort(given[rows, label], kind="stable")
            found[rows[order[: max(len(rows) - kept, 0)]]] = True
    return found


def _likelier_others(given: Floats, own: Positions) -> Mask:
    found = np.zeros(len(own), np.bool_)
    for label, counts in enumerate(_pruned(given, own)):
        rows = np.flatnonzero(own == label)
        if len(rows) > 1:
            for other in np.flatnonzero(counts):
                if other != label:
                    lead = given[rows, other] - given[rows, label]
                    found[rows[np.argsort(-lead, kind="stable")[: counts[other]]]] = True
    return found


def _whole(numbers: Floats) -> Counts:
    """Whole numbers near to these, and with their sum."""
    whole = np.rint(numbers)
    rest = int(np.rint(numbers.sum()) - whole.sum())
    order = np.argsort(numbers - whole, kind="stable")
    whole[order[::-1][:rest] if rest > 0 else order[:-rest]] += np.sign(rest)
    return whole.astype(np.int64)


def _checked(probabilities: ArrayLike, targets: ArrayLike) -> tuple[Floats, Positions]:
    given: Any = np.asarray(probabilities, np.float64)
    own: Any = np.asarray(targets)
    if given.ndim != 2 or given.shape[1] < 2 or not ((given >= 0) & (given <= 1 + NEAR)).all():
        raise UsageError(
            f"expected (n, k) probabilities of two labels or more, 0..1; got {given.shape}."
        )
    if own.shape != given.shape[:1] or own.dtype.kind not in "iu":
        raise UsageError(
            f"expected the places of {len(given)} labels as whole numbers; got {own.dtype} of "
            f"shape {own.shape}."
        )
    if len(own) and not (0 <= own.min() <= own.max() < given.shape[1]):
        raise UsageError(f"expected places 0..{given.shape[1] - 1}; got {own.min()}..{own.max()}.")
    return given, own
