"""Labels by a large and a small model in turn: the small one finds the doubtful among them.

FreeAL: Towards Human-Free Active Learning in the Era of Large Language Models (arXiv 2311.15614).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.extras import need
from synthkit.core.types import Reject, Request, Row, Sampling, Steps
from synthkit.data import tables
from synthkit.prompts import parsing
from synthkit.prompts.templates import Demonstration
from synthkit.recipes._ask import ask
from synthkit.recipes._base import Bounds, Embed, Recipe, Table, gather, per_table, recipe
from synthkit.recipes._rounds import Samples, Student, texts, traced
from synthkit.recipes._zerogen import distinct, positive, tried

WHY = "to find the labels that are clean"
COLUMNS = ("label", "first_label", "confidence", "clean", "round")


@recipe
def freeal(
    prompt: str,
    *,
    rows: Table,
    labels: Sequence[str],
    student: Student,
    embed: Embed,
    column: str = "text",
    rounds: int = 2,
    demos: int = 3,
    threshold: float = 0.7,
    sampling: Sampling = Sampling(),
) -> Recipe:
    """Labels for texts, given anew where a student that learned them doubts them.

    This is FreeAL (arXiv 2311.15614). The model labels all rows. A student learns the labels, then
    those alone that have a small loss (:func:`small_losses`), and says once more which are clean.
    Of the clean texts of each label, representatives (:func:`representatives`) are shown as
    demonstrations when the model labels the others again; and so on.

    A row that was found clean keeps its label, and is a row of the result at once; in the paper it
    may become doubtful again. Clean are all small losses, by which the paper trains its student;
    the authors' code hands back less, of each label the fifth that the student is surest of among
    those where it agrees. The student, which there is RoBERTa trained with small-loss selection
    in every epoch, is fitted twice. There are no demonstrations in the first labelling, and later
    ones are the same for all rows; the paper writes the first ones with the model, and then shows
    the nearest.

    Parameters
    ----------
    prompt : asks for the label of a row; it must use the ``column``.
    rows : texts without labels.
    labels : two or more.
    student : (texts, labels) -> what has learned them.
    embed : of the texts, to find representatives.
    rounds : how often the doubtful ones are labelled again, at most.
    demos : demonstrations for each label, at most.
    threshold : a label is clean if its loss is a small one with more than this probability.

    Returns
    -------
    Recipe
        Rows with ``label``; ``first_label``, before it was ever labelled again; ``confidence``, the
        student's probability of the label, 0..1; ``clean``; and ``round``, in which it was labelled
        (0 at first). An answer that cannot be read is a reject, and its row keeps the label that
        it had; one that never had any is no row.

    Raises
    ------
    UsageError
        If there are not two labels; if a row has no text, or has one of these columns already; if
        the prompt uses another field.

    Examples
    --------
    >>> reviews = [{"text": "Warm bread."}, {"text": "Cold soup."}]
    >>> recipe = freeal("Good or bad? {{ text }}", rows=reviews, labels=["good", "bad"],
    ...                 student=print, embed=print)
    >>> print(recipe.requests)
    2 to 6
    """
    for name, least in (("rounds", rounds), ("demos", demos)):
        positive(name, least)
    if not 0 <= threshold < 1:
        raise UsageError(f"threshold must be from 0 to below 1; got {threshold}.")
    names = distinct("labels", labels)
    decoder = parsing.label(names)
    contents = texts(rows, column)
    clash = [name for name in COLUMNS if name in tables.columns(rows)]
    if clash:
        raise UsageError(
            f"freeal makes a column {clash[0]!r}, and the rows have one already; rename it."
        )
    template = tried(prompt, rows, uses=(column,))

    def steps() -> Steps[None]:
        sample = Samples()
        items = [_Item(row, text) for row, text in zip(tables.records(rows), contents, strict=True)]
        left = items
        shown: list[Demonstration] = []
        for number in range(rounds + 1):
            turns = (template.render(one.row, shown) for one in left)
            requests = [sample(Request(one, sampling, decoder.schema)) for one in turns]
            answers = yield from gather(
                traced(ask(request, decoder, repairs=1)) for request in requests
            )
            yield list(_take(left, answers, number))
            named = [one for one in items if one.label is not None]
            if len({one.label for one in named}) < 2:
                yield [Reject("", "stopped: a student needs two labels among the answers")]
                break
            _doubt(named, student, threshold)
            yield [one.made() for one in left if one.clean]
            left = [one for one in left if not one.clean]
            if not left:
                return
            shown = [
                (template.ask(one.row), str(one.label))
                for one in _demonstrations(named, names, embed, demos)
            ]
        yield [one.made() for one in left if one.label is not None]

    size = len(contents)
    return per_table(
        steps,
        name="freeal",
        columns=(
            *(name for name in tables.columns(rows) if name not in ("id", "parent")),
            *COLUMNS,
        ),
        requests=Bounds(size, size * (1 + rounds)),
        rows=Bounds(0, size),
        like=rows,
        prompt=prompt,
    )


@dataclass(slots=True)
class _Item:
    """A row on its way: its label so far, and what is thought of it.

    Once ``clean`` it stays so: its row is out.
    """

    row: dict[str, Any]
    text: str
    label: str | None = None
    first: str | None = None
    round: int = 0
    confidence: float | None = None
    clean: bool = False
    of: tuple[Request, ...] = ()

    @property
    def parent(self) -> str | None:
        """The id of its row."""
        return self.row.get("id", self.row.get("parent"))

    @property
    def own(self) -> dict[str, Any]:
        """The cells that it came with."""
        return {name: cell for name, cell in self.row.items() if name not in ("id", "parent")}

    def made(self) -> Row:
        """The row of the result."""
        found = (self.label, self.first, self.confidence, self.clean, self.round)
        return Row(self.own | dict(zip(COLUMNS, found, strict=True)), self.of, self.parent)


def _take(
    items: Sequence[_Item],
    answers: Iterable[tuple[tuple[Request, ...], parsing.Cells | Reject]],
    number: int,
) -> Iterable[Reject]:
    """Give each row the label that the model names, and say which answers name none."""
    for item, (of, answer) in zip(items, answers, strict=True):
        item.of += of
        if isinstance(answer, Reject):
            cells = item.own | {"label": item.label, "round": number}
            yield Reject(answer.raw, f"round {number}: {answer.reason}", cells, of, item.parent)
            continue
        item.label, item.round = answer["label"], number
        item.first = item.first or item.label


def _doubt(items: Sequence[_Item], student: Student, threshold: float) -> None:
    """Find out whose labels are clean, and how probable a student holds them."""
    contents, labels = [one.text for one in items], [str(one.label) for one in items]
    found = _probable(student, contents, labels, range(len(items)))
    trusted = [at for at, small in enumerate(small_losses(_losses(found), threshold)) if small]
    if {labels[at] for at in trusted} == set(labels):
        found = _probable(student, contents, labels, trusted)
    for item, probable, clean in zip(
        items, found, small_losses(_losses(found), threshold), strict=True
    ):
        if not item.clean:
            item.confidence, item.clean = probable, clean


def _probable(
    student: Student, contents: Sequence[str], labels: Sequence[str], among: Iterable[int]
) -> list[float]:
    """The probability of each label by a student that learned some of them."""
    pairs = [(contents[at], labels[at]) for at in among]
    learned = student([text for text, _ in pairs], [label for _, label in pairs])
    place = {label: at for at, label in enumerate(learned.labels)}
    found = learned.probabilities(contents)
    return [float(row[place[label]]) for row, label in zip(found, labels, strict=True)]


def _losses(probable: Sequence[float]) -> list[float]:
    return [-math.log(max(one, 1e-12)) for one in probable]


def small_losses(losses: Sequence[float], threshold: float = 0.7) -> list[bool]:
    """Which losses are small: a mixture of two Gaussians tells them from the large ones.

    It is fitted to the losses scaled to 0..1; a loss is small if it is of the component with the
    smaller mean with a probability above ``threshold``. Where all are alike, all are small.

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

    mixture = need("sklearn.mixture", extra="curate", why=WHY)
    found = np.asarray(losses, float)[:, None]
    spread = np.ptp(found) if len(found) else 0.0
    if spread < 1e-6:
        return [True] * len(losses)
    scaled = (found - found.min()) / spread
    model = mixture.GaussianMixture(2, random_state=0, reg_covar=5e-4, max_iter=1000).fit(scaled)
    small = model.predict_proba(scaled)[:, model.means_[:, 0].argmin()]
    return [bool(one) for one in small > threshold]


def representatives(vectors: Any, k: int) -> list[int]:
    """Positions of at most ``k`` vectors that stand for all: the nearest to each k-means centre.

    >>> representatives([[0, 0], [0, 1], [0, 2], [9, 0], [9, 1], [9, 2]], 2)
    [1, 4]
    """
    import numpy as np

    cluster = need("sklearn.cluster", extra="curate", why="to find representatives")
    given = np.asarray(vectors, float)
    k = min(k, len(np.unique(given, axis=0)))
    means = cluster.KMeans(k, random_state=0).fit(given)
    nearest = means.transform(given).argmin(axis=0)
    return sorted({int(at) for at in nearest})


def _demonstrations(
    items: Sequence[_Item], labels: Sequence[str], embed: Embed, k: int
) -> list[_Item]:
    """Representatives of the clean rows of each label, the labels in turn."""
    chosen = []
    for label in labels:
        clean = [one for one in items if one.clean and one.label == label]
        if clean:
            found = representatives(embed([one.text for one in clean]), k)
            chosen.append([clean[at] for at in found])
    turns = itertools.chain.from_iterable(itertools.zip_longest(*chosen))
    return [one for one in turns if one is not None]
