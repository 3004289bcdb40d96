"""Routing: which rows a model labels, and which go to people, by how unsure the model is.

CoAnnotating: uncertainty-guided work allocation between human and large language models for data
annotation (M. Li et al. 2023, arXiv 2310.15638). The model is asked with k variants of a prompt; a
column has the answers to each. What goes to people is a table for the marker:

    routed = route(reviews, ["v1", "v2", "v3"], budget=0.2)
    people = routed[routed["route"] == "person"]
    %synth mark people --labels good,bad --order uncertain --score certainty
"""

from __future__ import annotations

import math
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from synthkit.core.errors import UsageError, unknown
from synthkit.curate.labels.voting import labelled, vote
from synthkit.curate.selection.sampling import Floats, numbers, uniform
from synthkit.data import tables as tables
from synthkit.stats.intervals import wilson

By = Literal["entropy", "confidence", "random"]
WAYS: tuple[By, ...] = ("entropy", "confidence", "random")
SHARES = tuple(n / 10 for n in range(11))


def route(
    table: Any,
    answers: Sequence[str],
    *,
    budget: int | float,
    by: By = "entropy",
    confidences: Sequence[str] = (),
    column: str = "label",
    seed: int = 0,
) -> Any:
    """The table with the model's label where it is sure, and the other rows marked for people.

    How unsure it is, u, is the entropy of its k answers, -sum_c p_c ln p_c with p_c the share of
    each answer; or 1 - the mean of the confidences that it states. The rows of the highest u go to
    people; of equal ones the seed decides. The label of the others is that of the most answers
    (:func:`~synthkit.curate.vote`).

    An answer that could not be read, a missing cell, is an answer of its own in the entropy, as in
    the authors' code, and no vote. Rows without a vote, or with a tie, where the authors take the
    first answer, have no label of the model: unless chance decides they go to people first, and
    where these cannot take them all, the rest keep the label that they had.

    Parameters
    ----------
    answers : the columns of the k answers.
    budget : how many rows go to people, or, as a float, their share, 0..1.
    by : ``"entropy"``; ``"confidence"``, which needs ``confidences``; or ``"random"``, to compare.
    confidences : columns of numbers in 0..1, that the model gives of its answers.
    column : where the label goes.

    Returns
    -------
    table
        With ``label``, missing for people, and ``label_old``, ``relabelled``, ``label_share``,
        ``label_count`` and ``label_tie``, as a vote gives them; ``uncertainty``, u: in nats,
        0..ln k, or 0..1 by confidence, and missing if nothing was answered; ``certainty``, 1 to 0.5
        as u goes from 0 to its highest, by which the marker asks the least certain first;
        ``route``, ``"model"`` or ``"person"``; and ``routed_by``, with the seed.

    Raises
    ------
    TableError
        If a column is not there.
    UsageError
        If there is no answer column, the budget is out of range, or a confidence is none.

    Examples
    --------
    >>> rows = [{"v1": "+", "v2": "+", "v3": "+"}, {"v1": "+", "v2": "-", "v3": "+"}]
    >>> made = route(rows, ["v1", "v2", "v3"], budget=1)
    >>> made["route"].tolist(), made["uncertainty"].round(3).tolist(), made["label"][0]
    (['model', 'person'], [0.0, 0.637], '+')
    """
    held = tables.identified(table)
    most = _people(budget, tables.size(held))
    voted = vote(held, _columns(answers), column=column)
    unsure = _unsure(held, answers, by, confidences)
    sent = set(_order(voted, unsure, by, column, seed)[:most])
    own = tables.column(voted, column)
    labels = [None if at in sent else label for at, label in enumerate(own)]
    top = 1.0 if by == "confidence" else math.log(len(answers))
    made = labelled(voted, column, labels, {})
    return tables.assign(
        made,
        {
            "uncertainty": [None if np.isnan(u) else float(u) for u in unsure],
            "certainty": [0.5 if np.isnan(u) else 1 - 0.5 * float(u) / (top or 1) for u in unsure],
            "route": ["person" if at in sent else "model" for at in range(len(labels))],
            "routed_by": [f"{by}, seed {seed}"] * len(labels),
        },
    )


def cost_quality(
    table: Any,
    answers: Sequence[str],
    *,
    gold: str,
    model_price: float,
    human_price: float,
    shares: Sequence[float] = SHARES,
    by: Sequence[By] = ("entropy", "random"),
    confidences: Sequence[str] = (),
    people: str | None = None,
    seed: int = 0,
) -> Any:
    """What labels cost and how many are right, for each share of rows that people label.

    By uncertainty all rows are asked of the model k times, since that is how it is known; by chance
    only those that it labels are. The accuracy by chance is the expected one over all draws; a row
    that has no majority counts as wrong where the model labels it.

    Parameters
    ----------
    gold : the column of the true labels.
    model_price, human_price : of one answer of the model, and of one label by a person, in the same
        currency.
    shares : of rows that go to people, 0..1.
    by : the ways to choose them; see :func:`route`.
    people : a column of the labels that people gave; without it they are always right.

    Returns
    -------
    table
        A row for each way and share: ``by``, ``share``, ``people`` (rows), ``n``, ``cost``,
        ``accuracy`` (0..1), ``low`` and ``high``, its Wilson interval at 95 %, ``front``, whether
        no other row costs as little and is as accurate (the Pareto front), and ``seed``.

    Raises
    ------
    TableError
        If a column is not there.
    UsageError
        If the table is empty, a gold label is missing, or an option is out of range.

    References
    ----------
    arXiv 2310.15638, whose Pareto fronts of cost and quality choose the way and the share.

    Examples
    --------
    >>> rows = [{"v1": "+", "v2": "+", "gold": "+"}, {"v1": "+", "v2": "-", "gold": "-"}]
    >>> made = cost_quality(rows, ["v1", "v2"], gold="gold", model_price=0.01, human_price=0.2,
    ...                     shares=[0, 0.5, 1], by=["entropy"])
    >>> made[["people", "cost", "accuracy", "front"]].round(2).values.tolist()
    [[0, 0.04, 0.5, True], [1, 0.24, 1.0, True], [2, 0.44, 1.0, False]]
    """
    held = tables.identified(table)
    n = tables.size(held)
    truth = _gold(held, gold)
    if not (model_price >= 0 and human_price >= 0):
        raise UsageError(f"prices must be 0 or more; got {model_price} and {human_price}.")
    voted = vote(tables.assign(held, {"label": [None] * n}), _columns(answers))
    right = _right(tables.column(voted, "label"), truth)
    theirs = _right(truth if people is None else tables.column(held, people), truth)
    points: list[dict[str, Any]] = []
    for way in by:
        unsure = _unsure(held, answers, way, confidences)
        order = _order(voted, unsure, way, "label", seed)
        for share in shares:
            most = _people(float(share), n)
            if way == "random":
                correct = (most * theirs.mean() + (n - most) * right.mean()) if n else 0.0
                asked = n - most
            else:
                correct = theirs[order[:most]].sum() + right[order[most:]].sum()
                asked = n
            low, high = wilson(round(float(correct)), n)
            points.append(
                {
                    "by": way,
                    "share": float(share),
                    "people": most,
                    "n": n,
                    "cost": asked * len(answers) * model_price + most * human_price,
                    "accuracy": float(correct) / n,
                    "low": low,
                    "high": high,
                    "seed": seed,
                }
            )
    best = pareto([(one["cost"], one["accuracy"]) for one in points])
    for one, first in zip(points, best, strict=True):
        one["front"] = first
    cells = {name: [one[name] for one in points] for name in points[0]}
    return tables.build(cells, like=tables.kind(held))


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Which of (cost, quality) no other beats: none is as cheap and as good, and better in one.

    >>> pareto([(1, 0.7), (2, 0.7), (2, 0.9), (3, 0.8)])
    [True, False, True, False]
    """
    return [
        not any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points)
        for cost, quality in points
    ]


def entropy(answers: Sequence[Any]) -> float:
    """-sum_c p_c ln p_c over the distinct answers, in nats; 0 if they agree or there is none.

    >>> round(entropy(["+", "+", "-"]), 3)
    0.637
    """
    counts = Counter(answers)
    parts = [n / counts.total() for n in counts.values()]
    return -sum(p * math.log(p) for p in parts if p < 1)


def _unsure(table: Any, answers: Sequence[str], by: By, confidences: Sequence[str]) -> Floats:
    """(n,), how unsure the model is of each row; NaN where it said nothing."""
    if by not in WAYS:
        raise UsageError(unknown("by", str(by), WAYS))
    said = list(zip(*(tables.column(table, name) for name in answers), strict=True))
    if by != "confidence":
        found = [math.nan if not any(c is not None for c in row) else entropy(row) for row in said]
        return np.array(found, np.float64)
    if not confidences:
        raise UsageError("by='confidence' needs confidences=, the columns that hold them.")
    stated = [numbers(table, name) for name in confidences]
    for name, cells in zip(confidences, stated, strict=True):
        for at, cell in enumerate(cells):
            if cell is not None and not 0 <= cell <= 1:
                raise UsageError(f"row {at}: {name!r} must be from 0 to 1; got {cell:g}.")
    rows = [[one for one in row if one is not None] for row in zip(*stated, strict=True)]
    return np.array([1 - sum(row) / len(row) if row else math.nan for row in rows], np.float64)


def _order(table: Any, unsure: Floats, by: By, column: str, seed: int) -> list[int]:
    """Positions of the rows, those first that go to people first."""
    drawn = uniform([str(id) for id in tables.column(table, "id")], seed)
    if by == "random":
        return [int(at) for at in np.argsort(drawn)]
    counts, ties = (tables.column(table, f"{column}_{name}") for name in ("count", "tie"))
    unlabelled = [not n or bool(tie) for n, tie in zip(counts, ties, strict=True)]
    keys = drawn, np.where(np.isnan(unsure), np.inf, unsure), np.array(unlabelled, np.bool_)
    return [int(at) for at in np.lexsort(keys)[::-1]]


def _columns(answers: Sequence[str]) -> list[str]:
    if isinstance(answers, str) or not answers:
        raise UsageError(f"expected the columns of the answers, a list of names; got {answers!r}.")
    return list(answers)


def _people(budget: Any, n: int) -> int:
    """How many of n rows a budget sends to people."""
    if isinstance(budget, float | np.floating):
        if not 0 <= budget <= 1:
            raise UsageError(f"budget as a share must be from 0 to 1; got {budget}.")
        return round(float(budget) * n)
    try:
        rows = operator.index(budget)
    except TypeError:
        rows = -1
    if rows < 0 or isinstance(budget, bool):
        raise UsageError(f"budget must be a number of rows, or a share as 0.2; got {budget!r}.")
    return min(rows, n)


def _gold(table: Any, column: str) -> list[Any]:
    found = tables.column(table, column)
    if not found:
        raise UsageError("expected rows with gold labels; got an empty table.")
    for at, label in enumerate(found):
        if label is None:
            raise UsageError(f"row {at} has no gold label in {column!r}. Leave such rows out.")
    return found


def _right(labels: Sequence[Any], truth: Sequence[Any]) -> Floats:
    return np.array([one == true for one, true in zip(labels, truth, strict=True)], np.float64)
