"""FreeAL: labels by a language model and a small classifier that checks them (arXiv 2311.15614)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import TableError, UsageError, check_positive
from synthkit.core.extras import need
from synthkit.core.types import Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Demonstration
from synthkit.recipes import _arguments, _base
from synthkit.recipes._ask import ask_each
from synthkit.recipes._base import Bounds, Embed, FitClassifier, Recipe, Table, per_table, recipe

ADDED = ("label", "first_label", "confidence", "clean", "round")


@recipe
def freeal(
    prompt: str,
    *,
    rows: Table,
    labels: Sequence[str],
    classifier: FitClassifier,
    embed: Embed,
    column: str = "text",
    rounds: int = 2,
    demos: int = 3,
    threshold: float = 0.7,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Labels for texts, revised where a classifier trained on them disagrees.

    This is FreeAL (arXiv 2311.15614). The model labels all rows. A classifier (the paper's
    student) is trained on the labels, then again on those with a small loss
    (:func:`small_losses`), and determines which labels are clean. For each label, representatives
    of its clean texts (:func:`representatives`) become demonstrations, with which the model labels
    the other rows again; and so on.

    A row that was found clean keeps its label and is a row of the result at once; in the paper it
    may become doubtful again. All small losses are clean, as in the paper's training; the authors'
    code returns fewer, of each label the fifth with the highest confidence among those where the
    classifier agrees. The classifier is trained twice per round; the paper's is RoBERTa, trained
    with small-loss selection in every epoch. There are no demonstrations in the first labelling,
    and later ones are the same for all rows; in the paper the model writes the first ones, and
    later the nearest are shown.

    Parameters
    ----------
    prompt : asks for the label of a row; it must use the ``column``.
    rows : texts without labels.
    labels : two or more.
    classifier : (texts, labels) -> a classifier trained on them.
    embed : embeds the texts, to find representatives.
    rounds : at most how often the doubtful rows are labelled again.
    demos : most demonstrations for each label.
    threshold : a label is clean if its loss is small with a probability above this.

    Returns
    -------
    Recipe
        Rows with ``label``; ``first_label``, the first one given; ``confidence``, the classifier's
        probability of the label, 0..1; ``clean``; and ``round``, in which the row was labelled (0
        at first). A completion that cannot be parsed is a reject, and its row keeps its label; a
        row that never got a label is not in the result.

    Raises
    ------
    UsageError
        If there are not two labels.
    TableError
        If there are no rows, one has no text, or the rows have one of these columns already.
    PromptError
        If the prompt uses another field.

    Examples
    --------
    >>> reviews = [{"text": "Warm bread."}, {"text": "Cold soup."}]
    >>> recipe = freeal("Good or bad? {{ text }}", rows=reviews, labels=["good", "bad"],
    ...                 classifier=print, embed=print)
    >>> print(recipe.requests)
    2 to 6
    """
    check_positive(rounds=rounds, demos=demos)
    if not 0 <= threshold < 1:
        raise UsageError(f"threshold must be from 0 to below 1; got {threshold}.")
    names = _arguments.distinct_names("labels", labels)
    decoder = parsing.label(names)
    texts = _arguments.column_texts(rows, column)
    if not texts:
        raise TableError(f"expected one row or more with a {column!r}; got none.")
    kept = _arguments.kept_columns("freeal", rows, ADDED)
    template = _arguments.checked_template(prompt, rows, uses=(column,))

    def steps() -> Steps[None]:
        sample = _base.Samples()
        items = [_Item(row, text) for row, text in zip(tables.records(rows), texts, strict=True)]
        doubtful = items
        shown: list[Demonstration] = []
        for number in range(rounds + 1):
            messages = (template.render(item.row, shown) for item in doubtful)
            requests = [sample(Request(each, sampling, decoder.schema)) for each in messages]
            answers = yield from ask_each(requests, decoder, repairs=1)
            yield list(_set_labels(doubtful, answers, number))
            labelled = [item for item in items if item.label is not None]
            if len({item.label for item in labelled}) < 2:
                yield [Reject("", "stopped: a classifier needs two labels among the answers")]
                break
            _find_clean(labelled, classifier, threshold)
            yield [item.result() for item in doubtful if item.clean]
            doubtful = [item for item in doubtful if not item.clean]
            if not doubtful:
                return
            chosen = _demonstrations(labelled, names, embed, demos)
            shown = [(template.ask(item.row), str(item.label)) for item in chosen]
        yield [item.result() for item in doubtful if item.label is not None]

    size = len(texts)
    return per_table(
        steps,
        name="freeal",
        columns=(*kept, *ADDED),
        requests=Bounds(size, size * (1 + rounds)),
        rows=Bounds(0, size),
        like=rows,
        prompt=prompt,
    )


@dataclass(slots=True)
class _Item:
    """A row with its current label. A clean row is part of the result and does not change."""

    row: dict[str, Any]
    text: str
    label: str | None = None
    first_label: str | None = None
    round: int = 0
    confidence: float | None = None
    clean: bool = False
    of: tuple[Request, ...] = ()

    @property
    def parent(self) -> str | None:
        """The id of its row."""
        return _arguments.parent_id(self.row)

    @property
    def cells(self) -> dict[str, Any]:
        """The cells of its row."""
        return {name: cell for name, cell in self.row.items() if name not in ("id", "parent")}

    def result(self) -> Row:
        """Its row of the result."""
        added = (self.label, self.first_label, self.confidence, self.clean, self.round)
        return Row(self.cells | dict(zip(ADDED, added, strict=True)), self.of, self.parent)


def _set_labels(
    items: Sequence[_Item],
    answers: Iterable[tuple[tuple[Request, ...], parsing.Cells | Reject]],
    number: int,
) -> Iterable[Reject]:
    """Set each item's label to the model's answer; yield the answers without a label."""
    for item, (of, answer) in zip(items, answers, strict=True):
        item.of += of
        if isinstance(answer, Reject):
            cells = item.cells | {"label": item.label, "round": number}
            yield Reject(answer.raw, f"round {number}: {answer.reason}", cells, of, item.parent)
            continue
        item.label, item.round = answer["label"], number
        item.first_label = item.first_label or item.label


def _find_clean(items: Sequence[_Item], classifier: FitClassifier, threshold: float) -> None:
    """Set the confidence of each item that is not clean yet, and whether its label is clean."""
    texts, labels = [item.text for item in items], [str(item.label) for item in items]
    confidences = _confidences(classifier, texts, labels, range(len(items)))
    small = small_losses(_losses(confidences), threshold)
    trusted = [at for at, is_small in enumerate(small) if is_small]
    if {labels[at] for at in trusted} == set(labels):
        confidences = _confidences(classifier, texts, labels, trusted)
    clean = small_losses(_losses(confidences), threshold)
    for item, confidence, is_clean in zip(items, confidences, clean, strict=True):
        if not item.clean:
            item.confidence, item.clean = confidence, is_clean


def _confidences(
    classifier: FitClassifier,
    texts: Sequence[str],
    labels: Sequence[str],
    training: Sequence[int],
) -> list[float]:
    """The probability of each label under a classifier trained on the rows at some positions."""
    trained = classifier([texts[at] for at in training], [labels[at] for at in training])
    column = {label: at for at, label in enumerate(trained.labels)}
    probabilities = trained.probabilities(texts)
    return [float(row[column[label]]) for row, label in zip(probabilities, labels, strict=True)]


def _losses(probabilities: Sequence[float]) -> list[float]:
    return [-math.log(max(value, 1e-12)) for value in probabilities]


def small_losses(losses: Sequence[float], threshold: float = 0.7) -> list[bool]:
    """Which losses are small: a mixture of two Gaussians separates them from the large ones.

    It is fitted to the losses scaled to 0..1; a loss is small if its probability of belonging to
    the component with the smaller mean is above ``threshold``. If all are equal, all are small.

    Raises
    ------
    MissingExtra
        If scikit-learn is not installed.

    References
    ----------
    FreeAL (arXiv 2311.15614), section 3.3, after DivideMix (arXiv 2002.07394), section 3.1.

    Examples
    --------
    >>> small_losses([0.1, 0.2, 0.15, 2.5, 0.1, 2.2])
    [True, True, True, False, True, False]
    """
    import numpy as np

    mixture = need("sklearn.mixture", extra="curate", why="to find the labels that are clean")
    column = np.asarray(losses, float)[:, None]
    spread = np.ptp(column) if len(column) else 0.0
    if spread < 1e-6:
        return [True] * len(losses)
    scaled = (column - column.min()) / spread
    model = mixture.GaussianMixture(2, random_state=0, reg_covar=5e-4, max_iter=1000).fit(scaled)
    small = model.predict_proba(scaled)[:, model.means_[:, 0].argmin()] > threshold
    # it falls between the means; outside of them it may rise again
    low, high = scaled[:, 0] <= model.means_.min(), scaled[:, 0] >= model.means_.max()
    small[low], small[high] = small[low].any(), small[high].all()
    return [bool(is_small) for is_small in small]


def representatives(vectors: Any, k: int) -> list[int]:
    """Positions of at most ``k`` vectors that represent all: the nearest to each k-means centre.

    >>> representatives([[0, 0], [0, 1], [0, 2], [9, 0], [9, 1], [9, 2]], 2)
    [1, 4]
    """
    import numpy as np

    cluster = need("sklearn.cluster", extra="curate", why="to find representatives")
    points = np.asarray(vectors, float)
    k = min(k, len(np.unique(points, axis=0)))
    means = cluster.KMeans(k, random_state=0).fit(points)
    nearest = means.transform(points).argmin(axis=0)
    return sorted({int(at) for at in nearest})


def _demonstrations(
    items: Sequence[_Item], labels: Sequence[str], embed: Embed, k: int
) -> list[_Item]:
    """Representatives of the clean rows of each label, with the labels in turn."""
    chosen = []
    for label in labels:
        clean = [item for item in items if item.clean and item.label == label]
        if clean:
            central = representatives(embed([item.text for item in clean]), k)
            chosen.append([clean[at] for at in central])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*chosen))
    return [item for item in turns if item is not None]
