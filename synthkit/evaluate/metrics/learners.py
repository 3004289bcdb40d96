"""What a learner learns from: rows with labels and weights, drawn by seed; and the light learner.

A learner is any function of texts, labels and weights that gives back a function from texts to
labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import TableError, UsageError
from synthkit.data import tables as tables
from synthkit.stats import classifier

Predict: TypeAlias = Callable[[Sequence[str]], Sequence[Any]]
"""Texts -> a label for each."""
Learner: TypeAlias = Callable[[Sequence[str], Sequence[Any], Sequence[float] | None], Predict]
"""Texts, their labels, and their weights (``None``: 1 each) -> what was learned."""
Positions: TypeAlias = NDArray[np.intp]


def light(embed: classifier.Embed, *, C: float = 1.0) -> Learner:
    """A learner that fits logistic regression on embeddings, in a second or less.

    Each text is embedded once, and its vector held as long as the learner.

    Parameters
    ----------
    embed, C : as in :func:`synthkit.stats.classifier.fit`.

    Raises
    ------
    MissingExtra
        When it learns, if scikit-learn is not installed.

    Examples
    --------
    >>> learn = light(lambda texts: [[text.count("good"), text.count("bad")] for text in texts])
    >>> predict = learn(["good soup", "bad soup"], ["+", "-"], None)
    >>> predict(["a good day", "too bad"])
    ['+', '-']
    """
    held: dict[str, Any] = {}

    def remembered(texts: Sequence[str]) -> NDArray[np.float64]:
        new = [text for text in dict.fromkeys(texts) if text not in held]
        if new:
            held.update(zip(new, classifier.embedded(new, embed), strict=True))
        return np.array([held[text] for text in texts])

    def learn(
        texts: Sequence[str], labels: Sequence[Any], weights: Sequence[float] | None
    ) -> Predict:
        return classifier.fit(texts, labels, embed=remembered, C=C, weights=weights).predict

    learn.__name__ = f"light student, C = {C:g}"
    return learn


def called(learner: Learner) -> str:
    """What a learner is called, in the ``how`` of a score."""
    return str(getattr(learner, "__name__", type(learner).__name__))


def held_out(
    table: Any, share: float = 0.5, label: str = "label", *, column: str = "text", seed: int = 0
) -> tuple[Any, Any]:
    """A table in two, to learn from and to test on: each label in its share, by seed.

    Rows of one text stay on one side, since a text that was learned tests nothing.

    Parameters
    ----------
    share : of the distinct texts, for the test; between 0 and 1.
    label, column : of labels and texts.

    Returns
    -------
    train, test
        Both of the kind of ``table``, in its order.

    Raises
    ------
    TableError
        If a column is not there.
    UsageError
        If the share is not between 0 and 1, or leaves one side empty.

    Examples
    --------
    >>> rows = [{"text": "abcdefgh"[n], "label": n % 2} for n in range(8)]
    >>> train, test = held_out(rows, 0.25)
    >>> len(train), test["label"].value_counts().to_dict()
    (6, {0: 1, 1: 1})
    """
    if not 0 < share < 1:
        raise UsageError(f"share must be between 0 and 1; got {share}.")
    texts, labels = tables.column(table, column), tables.column(table, label)
    firsts: dict[Any, Any] = {}
    for text, given in zip(texts, labels, strict=True):
        firsts.setdefault(text, given)
    n = round(share * len(firsts))
    if not 0 < n < len(firsts):
        raise UsageError(f"share={share} of {len(firsts)} distinct texts leaves one side empty.")
    distinct = list(firsts)
    chosen = {distinct[at] for at in drawn(list(firsts.values()), n, np.random.default_rng(seed))}
    train = [at for at, text in enumerate(texts) if text not in chosen]
    test = [at for at, text in enumerate(texts) if text in chosen]
    return tables.take(table, train), tables.take(table, test)


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows to learn from or to test on; without ``weights`` each counts 1."""

    name: str
    texts: list[str]
    labels: list[Any]
    weights: list[float] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def at(self, some: Sequence[int] | Positions) -> Rows:
        """Some of the rows."""
        weights = None if self.weights is None else [self.weights[at] for at in some]
        texts, labels = ([cells[at] for at in some] for cells in (self.texts, self.labels))
        return Rows(self.name, texts, labels, weights)

    def __add__(self, other: Rows) -> Rows:
        weights = None
        if self.weights is not None or other.weights is not None:
            weights = [one for rows in (self, other) for one in rows.weights or [1.0] * len(rows)]
        texts, labels = self.texts + other.texts, self.labels + other.labels
        return Rows(f"{self.name} + {other.name}", texts, labels, weights)


def labelled(table: Any, label: str, *, column: str, name: str, weight: str | None = None) -> Rows:
    """The rows of a table that have a text, a label, and a weight above 0.

    Parameters
    ----------
    label, column, weight : of labels, texts and weights.
    name : of the table, for errors.

    Raises
    ------
    TableError
        If a column is not there, or no row is left.
    UsageError
        If a text is no text, or a weight is not 0 or more.
    """
    texts, labels = tables.column(table, column), tables.column(table, label)
    weights = [1.0] * len(texts) if weight is None else tables.column(table, weight)
    kept = []
    for at, (text, given, heavy) in enumerate(zip(texts, labels, weights, strict=True)):
        if text is None or given is None:
            continue
        if not isinstance(text, str) or not isinstance(given, Hashable):
            raise UsageError(
                f"{name} row {at}: expected a text and a label; got {text!r} and {given!r}."
            )
        if not isinstance(heavy, int | float) or not 0 <= heavy < math.inf:
            raise UsageError(f"{name} row {at}: expected a weight of 0 or more; got {heavy!r}.")
        if heavy:
            kept.append(at)
    if not kept:
        raise TableError(
            f"the {name} table has no row with a text in {column!r} and a label in {label!r}."
        )
    return Rows(name, texts, labels, None if weight is None else weights).at(kept)


def drawn(labels: Sequence[Hashable], n: int, rng: np.random.Generator) -> Positions:
    """Positions of n rows, in order: each with equal chance, each label within 1 of its share.

    It is a systematic sample: every (N / n)-th of the N rows, shuffled and then sorted by label.

    >>> drawn("aaaabb", 3, np.random.default_rng(0)).tolist()
    [1, 2, 4]
    """
    numbers: dict[Hashable, int] = {}
    codes = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    steps = (np.arange(n) + rng.uniform()) * (len(codes) / n)
    return np.sort(order[np.minimum(steps.astype(np.intp), len(codes) - 1)])


def answers(
    rows: Rows,
    asked: Sequence[str],
    learner: Learner,
    *,
    n: int,
    draws: int,
    seed: int,
    beside: Rows | None = None,
) -> list[Sequence[Any]]:
    """What is said of the texts asked, after learning from each draw of n rows.

    Parameters
    ----------
    n, draws, seed : if there are n rows alone, they are taken once, in their order. A table of the
        same labels gives the same draws.
    beside : rows that are learned from with each draw.

    Raises
    ------
    UsageError
        If n is not from 1 to the number of rows, or ``draws`` is below 1.
    """
    if not 1 <= n <= len(rows) or draws < 1:
        raise UsageError(
            f"expected 1 to {len(rows)} of the {rows.name} rows, and 1 draw or more; got {n} and "
            f"{draws}."
        )
    said = []
    for draw in range(draws if n < len(rows) else 1):
        some = rows
        if n < len(rows):
            some = rows.at(drawn(rows.labels, n, np.random.default_rng([seed, draw])))
        said.append(_taught(some if beside is None else some + beside, learner)(asked))
    return said


def _taught(rows: Rows, learner: Learner) -> Predict:
    """What was learned of the rows; of one label alone there is nothing else to say."""
    only, *others = dict.fromkeys(rows.labels)
    if not others:
        return lambda texts: [only] * len(texts)
    return learner(rows.texts, rows.labels, rows.weights)
