"""Routing: rows that a model is sure about get its label, and the other rows go to people.

CoAnnotating: uncertainty-guided work allocation between human and large language models for data
annotation (M. Li et al. 2023, arXiv 2310.15638). The model answers k variants of a prompt, whose
answers are in k columns. The rows that go to people are a table for the marker:

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

from synthkit.core.errors import UsageError, check_known
from synthkit.curate.labels.voting import vote, with_labels
from synthkit.curate.selection.sampling import numbers, uniform
from synthkit.data import tables
from synthkit.data.labels import meet
from synthkit.stats.classifier import Floats
from synthkit.stats.intervals import wilson

By = Literal["entropy", "confidence", "random"]
WAYS: tuple[By, ...] = ("entropy", "confidence", "random")
SHARES = tuple(n / 10 for n in range(11))
"""The shares of rows that go to people for which :func:`cost_quality` computes a point."""


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
    """The table with the model's label where it is sure; the other rows are routed to people.

    The uncertainty u is the entropy of the k answers, -sum_c p_c ln p_c, where p_c is the share of
    an answer; or 1 - the mean of the confidences that the model states. The rows with the highest u
    go to people; of equal ones the seed decides. The other rows get the label of most answers
    (:func:`~synthkit.curate.vote`).

    A missing cell, an answer that could not be parsed, counts as a distinct answer in the entropy,
    as in the authors' code, and not as a vote. Rows without a vote, or with a tie (for which the
    authors take the first answer), have no label by the model. Unless ``by="random"``, they go to
    people first; if the budget is too small for them, the rest keep the label that they had.

    Parameters
    ----------
    answers : the columns of the k answers.
    budget : the number of rows that go to people or, as a float, their share, 0..1.
    by : ``"entropy"``; ``"confidence"``, which needs ``confidences``; or ``"random"``, a baseline.
    confidences : columns of the model's confidence in its answers, 0..1.
    column : of the labels.
    seed : of the order of rows with the same uncertainty, and of random routing.

    Returns
    -------
    table
        With ``label``, missing for people, and ``label_old``, ``relabelled``, ``label_share``,
        ``label_count`` and ``label_tie``, as by a vote; ``uncertainty``, u: in nats, 0..ln k, or
        0..1 by confidence, missing if there is no answer; ``certainty``, which falls from 1 to 0.5
        as u rises, for the marker's order; ``route``, ``"model"`` or ``"person"``; and
        ``routed_by``, with the seed.

    Raises
    ------
    TableError
        If a column does not exist.
    UsageError
        If there is no answer column, the budget is out of range, or a confidence is not in 0..1.

    Examples
    --------
    >>> rows = [{"v1": "+", "v2": "+", "v3": "+"}, {"v1": "+", "v2": "-", "v3": "+"}]
    >>> routed = route(rows, ["v1", "v2", "v3"], budget=1)
    >>> routed["route"].tolist(), routed["uncertainty"].round(3).tolist(), routed["label"][0]
    (['model', 'person'], [0.0, 0.637], '+')
    """
    rows = tables.identified(table)
    n_people = _people(budget, tables.size(rows))
    voted = vote(rows, _columns(answers), column=column)
    uncertainty = _uncertainty(rows, answers, by, confidences)
    to_people = set(_order(voted, uncertainty, by, column, seed)[:n_people])
    by_model = tables.column(voted, column)
    labels = [None if at in to_people else label for at, label in enumerate(by_model)]
    top = (1.0 if by == "confidence" else math.log(len(answers))) or 1.0
    u = [None if np.isnan(value) else float(value) for value in uncertainty]
    return tables.annotate(
        with_labels(voted, column, labels, {}),
        {
            "uncertainty": u,
            "certainty": [0.5 if value is None else 1 - 0.5 * value / top for value in u],
            "route": ["person" if at in to_people else "model" for at in range(len(labels))],
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
    """The cost and the accuracy of labels, for each share of rows that people label.

    Routing by uncertainty needs k answers for every row; random routing only for the rows that the
    model labels. The accuracy of random routing is its expectation over all draws. A row without a
    majority counts as wrong if the model labels it.

    Parameters
    ----------
    gold : the column of the true labels.
    model_price, human_price : of one answer of the model, and of one label by a person, in the same
        currency.
    shares : of rows that go to people, 0..1.
    by : the ways of routing; see :func:`route`.
    people : a column of the labels that people gave; without it people are always correct.

    Returns
    -------
    table
        A row for each way and share: ``by``, ``share``, ``people`` (rows), ``n``, ``cost``,
        ``accuracy`` (0..1), ``low`` and ``high``, its Wilson interval at 95 %, ``front``, whether
        the row is on the Pareto front of cost and accuracy, and ``seed``.

    Raises
    ------
    TableError
        If a column does not exist.
    UsageError
        If the table is empty, a gold label is missing, or an option is out of range.

    References
    ----------
    arXiv 2310.15638, where Pareto fronts of cost and quality choose the way and the share.

    Examples
    --------
    >>> rows = [{"v1": "+", "v2": "+", "gold": "+"}, {"v1": "+", "v2": "-", "gold": "-"}]
    >>> points = cost_quality(rows, ["v1", "v2"], gold="gold", model_price=0.01, human_price=0.2,
    ...                       shares=[0, 0.5, 1], by=["entropy"])
    >>> points[["people", "cost", "accuracy", "front"]].round(2).values.tolist()
    [[0, 0.04, 0.5, True], [1, 0.24, 1.0, True], [2, 0.44, 1.0, False]]
    """
    rows = tables.identified(table)
    n = tables.size(rows)
    truth = _gold(rows, gold)
    if not (model_price >= 0 and human_price >= 0):
        raise UsageError(f"prices must be 0 or more; got {model_price} and {human_price}.")
    voted = vote(tables.assign(rows, {"label": [None] * n}), _columns(answers))
    by_model = _correct(tables.column(voted, "label"), truth)
    by_people = _correct(truth if people is None else tables.column(rows, people), truth)
    points: list[dict[str, Any]] = []
    for way in by:
        order = _order(voted, _uncertainty(rows, answers, way, confidences), way, "label", seed)
        for share in shares:
            n_people = _people(float(share), n)
            if way == "random":
                n_model = n - n_people
                correct = n_people * by_people.mean() + n_model * by_model.mean()
            else:
                n_model = n
                correct = by_people[order[:n_people]].sum() + by_model[order[n_people:]].sum()
            low, high = wilson(round(float(correct)), n)
            cost = n_model * len(answers) * model_price + n_people * human_price
            points.append(
                {"by": way, "share": float(share), "people": n_people, "n": n, "cost": cost}
                | {"accuracy": float(correct) / n, "low": low, "high": high, "seed": seed}
            )
    front = pareto([(point["cost"], point["accuracy"]) for point in points])
    cells = {name: [point[name] for point in points] for name in points[0]} | {"front": front}
    return tables.build(cells, like=tables.kind(rows))


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Whether each point (cost, quality) is on the Pareto front, which no other point dominates.

    >>> pareto([(1, 0.7), (2, 0.7), (2, 0.9), (3, 0.8)])
    [True, False, True, False]
    """
    return [
        not any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in points)
        for cost, quality in points
    ]


def entropy(answers: Sequence[Any]) -> float:
    """-sum_c p_c ln p_c over the distinct answers, in nats; 0 if all agree or there are none.

    >>> round(entropy(["+", "+", "-"]), 3)
    0.637
    """
    counts = Counter(answers)
    parts = [n / counts.total() for n in counts.values()]
    return -sum(p * math.log(p) for p in parts if p < 1)


def _uncertainty(table: Any, answers: Sequence[str], by: By, confidences: Sequence[str]) -> Floats:
    """(n,) the uncertainty of the model about each row; NaN without an answer."""
    check_known("by", [by], WAYS)
    if by != "confidence":
        rows = zip(*(tables.column(table, name) for name in answers), strict=True)
        answered = [(any(cell is not None for cell in row), row) for row in rows]
        return np.array([entropy(row) if some else math.nan for some, row in answered], np.float64)
    if not confidences:
        raise UsageError("by='confidence' needs confidences=, the columns that hold them.")
    columns = [numbers(table, name) for name in confidences]
    for name, cells in zip(confidences, columns, strict=True):
        for at, cell in enumerate(cells):
            if cell is not None and not 0 <= cell <= 1:
                raise UsageError(f"row {at}: {name!r} must be from 0 to 1; got {cell:g}.")
    stated = [[cell for cell in row if cell is not None] for row in zip(*columns, strict=True)]
    return np.array([1 - sum(row) / len(row) if row else math.nan for row in stated], np.float64)


def _order(table: Any, uncertainty: Floats, by: By, column: str, seed: int) -> list[int]:
    """The positions of the rows, in the order in which they go to people."""
    random = uniform([str(id) for id in tables.column(table, "id")], seed)
    if by == "random":
        return [int(at) for at in np.argsort(random)]
    counts, ties = (tables.column(table, f"{column}_{name}") for name in ("count", "tie"))
    unlabelled = [not n or bool(tie) for n, tie in zip(counts, ties, strict=True)]
    filled = np.where(np.isnan(uncertainty), np.inf, uncertainty)
    return [int(at) for at in np.lexsort((random, filled, np.array(unlabelled, np.bool_)))[::-1]]


def _columns(answers: Sequence[str]) -> list[str]:
    if isinstance(answers, str) or not answers:
        raise UsageError(f"expected the columns of the answers, a list of names; got {answers!r}.")
    return list(answers)


def _people(budget: Any, n: int) -> int:
    """The number of n rows that go to people under a budget."""
    if isinstance(budget, float | np.floating):
        if not 0 <= budget <= 1:
            raise UsageError(f"budget as a share must be from 0 to 1; got {budget}.")
        return round(float(budget) * n)
    try:
        rows = operator.index(budget)
    except TypeError:
        rows = -1
    if rows < 0 or isinstance(budget, bool):
        raise UsageError(
            f"budget must be a number of rows, or a share such as 0.2; got {budget!r}."
        )
    return min(rows, n)


def _gold(table: Any, column: str) -> list[Any]:
    labels = tables.column(table, column)
    if not labels:
        raise UsageError("expected rows with gold labels; got an empty table.")
    for at, label in enumerate(labels):
        if label is None:
            raise UsageError(f"row {at} has no gold label in {column!r}. Leave such rows out.")
    return labels


def _correct(labels: Sequence[Any], truth: Sequence[Any]) -> Floats:
    """(n,) 1 for each correct label, else 0."""
    pairs = zip(*meet(truth, labels), strict=True)
    return np.array([label == gold for gold, label in pairs], np.float64)
