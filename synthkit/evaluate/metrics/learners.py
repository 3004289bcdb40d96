"""Learners, the rows they learn from, and the light classifier of embeddings.

A learner is any function of texts, labels and weights that returns a function from texts to labels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import TableError, UsageError
from synthkit.data import tables
from synthkit.stats import classifier

Predict: TypeAlias = Callable[[Sequence[str]], Sequence[Any]]
"""Texts -> a label for each."""
Learner: TypeAlias = Callable[[Sequence[str], Sequence[Any], Sequence[float] | None], Predict]
"""Texts, their labels, and their weights (``None``: 1 each) -> a trained classifier."""
Positions: TypeAlias = NDArray[np.intp]


def light(embed: classifier.Embed, *, C: float = 1.0) -> Learner:
    """A learner that fits logistic regression on embeddings, in a second or less.

    Each text is embedded once; its vector stays in memory as long as the learner does.

    Parameters
    ----------
    embed, C : as in :func:`synthkit.stats.classifier.fit`.

    Raises
    ------
    MissingExtra
        When it is trained, if scikit-learn is not installed.

    Examples
    --------
    >>> learn = light(lambda texts: [[text.count("good"), text.count("bad")] for text in texts])
    >>> predict = learn(["good soup", "bad soup"], ["+", "-"], None)
    >>> predict(["a good day", "too bad"])
    ['+', '-']
    """
    cached = embedded_once(embed)

    def learn(
        texts: Sequence[str], labels: Sequence[Any], weights: Sequence[float] | None
    ) -> Predict:
        return classifier.fit(texts, labels, embed=cached, C=C, weights=weights).predict

    learn.__name__ = f"light classifier, C = {C:g}"
    return learn


def embedded_once(embed: classifier.Embed) -> Callable[[Sequence[str]], classifier.Floats]:
    """A function that returns (n, d) vectors of texts, and embeds each distinct text once."""
    vectors: dict[str, classifier.Floats] = {}

    def cached(texts: Sequence[str]) -> classifier.Floats:
        new = [text for text in dict.fromkeys(texts) if text not in vectors]
        if new:
            vectors.update(zip(new, classifier.embedded(new, embed), strict=True))
        return np.array([vectors[text] for text in texts])

    return cached


def learner_name(learner: Learner) -> str:
    """The name of a learner, for the ``how`` of a score."""
    return str(getattr(learner, "__name__", type(learner).__name__))


def held_out(
    table: Any, share: float = 0.5, label: str = "label", *, column: str = "text", seed: int = 0
) -> tuple[Any, Any]:
    """A table in two parts, to train and to test, each with the same shares of labels.

    Rows with equal texts are in one part, since a text seen in training tests nothing.

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
        If the share is not between 0 and 1, or leaves one part empty.

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
    label_of: dict[Any, Any] = {}
    for text, first_label in zip(texts, labels, strict=True):
        label_of.setdefault(text, first_label)
    n = round(share * len(label_of))
    if not 0 < n < len(label_of):
        raise UsageError(f"share={share} of {len(label_of)} distinct texts leaves one side empty.")
    distinct = list(label_of)
    sample = stratified_sample(list(label_of.values()), n, np.random.default_rng(seed))
    test_texts = {distinct[at] for at in sample}
    train = [at for at, text in enumerate(texts) if text not in test_texts]
    test = [at for at, text in enumerate(texts) if text in test_texts]
    return tables.take(table, train), tables.take(table, test)


@dataclass(frozen=True, slots=True, eq=False)
class LabelledTexts:
    """Rows to train or to test on; without ``weights`` each has weight 1."""

    name: str
    texts: list[str]
    labels: list[Any]
    weights: list[float] | None = None

    def __len__(self) -> int:
        return len(self.texts)

    def at(self, positions: Sequence[int] | Positions) -> LabelledTexts:
        """The rows at some positions."""
        weights = None if self.weights is None else [self.weights[at] for at in positions]
        texts, labels = ([cells[at] for at in positions] for cells in (self.texts, self.labels))
        return LabelledTexts(self.name, texts, labels, weights)

    def __add__(self, other: LabelledTexts) -> LabelledTexts:
        weights = None
        if self.weights is not None or other.weights is not None:
            weights = [w for rows in (self, other) for w in rows.weights or [1.0] * len(rows)]
        texts, labels = self.texts + other.texts, self.labels + other.labels
        return LabelledTexts(f"{self.name} + {other.name}", texts, labels, weights)


def labelled_texts(
    table: Any, label: str, *, column: str, name: str, weight: str | None = None
) -> LabelledTexts:
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
        If a cell is not a text, or a weight is not 0 or more.
    """
    texts, labels = tables.column(table, column), tables.column(table, label)
    weights = [1.0] * len(texts) if weight is None else tables.column(table, weight)
    complete = []
    for at, (text, row_label, row_weight) in enumerate(zip(texts, labels, weights, strict=True)):
        if text is None or row_label is None:
            continue
        if not isinstance(text, str) or not isinstance(row_label, Hashable):
            raise UsageError(
                f"{name} row {at}: expected a text and a label; got {text!r} and {row_label!r}."
            )
        if not isinstance(row_weight, int | float) or not 0 <= row_weight < math.inf:
            raise UsageError(
                f"{name} row {at}: expected a weight of 0 or more; got {row_weight!r}."
            )
        if row_weight:
            complete.append(at)
    if not complete:
        raise TableError(
            f"the {name} table has no row with a text in {column!r} and a label in {label!r}."
        )
    return LabelledTexts(name, texts, labels, None if weight is None else weights).at(complete)


def stratified_sample(labels: Sequence[Hashable], n: int, rng: np.random.Generator) -> Positions:
    """Positions of n rows, in order: each equally likely, each label within 1 of its share.

    It is a systematic sample: every (N / n)-th of the N rows, shuffled and then sorted by label.

    >>> stratified_sample("aaaabb", 3, np.random.default_rng(0)).tolist()
    [1, 2, 4]
    """
    numbers: dict[Hashable, int] = {}
    codes = np.array([numbers.setdefault(label, len(numbers)) for label in labels])
    order = rng.permutation(len(codes))
    order = order[np.argsort(codes[order], kind="stable")]
    steps = (np.arange(n) + rng.uniform()) * (len(codes) / n)
    return np.sort(order[np.minimum(steps.astype(np.intp), len(codes) - 1)])


def predictions_by_draw(
    rows: LabelledTexts,
    texts: Sequence[str],
    learner: Learner,
    *,
    n: int,
    draws: int,
    seed: int,
    beside: LabelledTexts | None = None,
) -> list[Sequence[Any]]:
    """The labels predicted for texts after training on each of several samples of n rows.

    Parameters
    ----------
    n, draws, seed : if there are exactly n rows, they are used once, in their order. Two tables
        with equal labels give the same samples.
    beside : rows to add to each sample.

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
    predicted = []
    for draw in range(draws if n < len(rows) else 1):
        sample = rows
        if n < len(rows):
            rng = np.random.default_rng([seed, draw])
            sample = rows.at(stratified_sample(rows.labels, n, rng))
        train = sample if beside is None else sample + beside
        predicted.append(_trained(train, learner)(texts))
    return predicted


def _trained(rows: LabelledTexts, learner: Learner) -> Predict:
    """The classifier trained on the rows; if they have one label, it always predicts that."""
    first, *others = dict.fromkeys(rows.labels)
    if not others:
        return lambda texts: [first] * len(texts)
    return learner(rows.texts, rows.labels, rows.weights)
