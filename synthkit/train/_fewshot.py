"""Few-shot classification."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError, check_numbers
from synthkit.data import row_files
from synthkit.models.transformers.embedder import load_encoder
from synthkit.stats.classifier import fit
from synthkit.train import examples
from synthkit.train.embedder_method import SIMILARITY, EmbedderMethod
from synthkit.train.encoders import spec_of
from synthkit.train.examples import Example, Examples
from synthkit.train.progress import Listener
from synthkit.train.settings import TrainSettings
from synthkit.train.trained import Trained
from synthkit.train.trained_classifier import HEAD, FewShotClassifier
from synthkit.train.training import FOLDER, train


def fewshot(
    rows: Any,
    *,
    base: str | Trained = "minilm",
    held_out: Any = None,
    text: str = "text",
    label: str = "label",
    weights: str | None = None,
    pairs: int = 20,
    C: float = 1.0,
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **options: Any,
) -> FewShotClassifier:
    """A classifier that needs few labelled texts, by the method of SetFit.

    An embedder learns that texts of one label are similar (cosine 1) and texts of two labels are
    not (cosine 0), by the trainer of sentence-transformers; then logistic regression is fitted on
    its vectors. With some hundreds of texts or more, :func:`classifier` is as good and quicker.

    Cached, resumed and seeded as :func:`sft`, whose parameters and errors it shares. The setfit
    package is not used, since its trainer does not go on from a checkpoint.

    Parameters
    ----------
    base : as in :func:`embedder`.
    held_out : rows with the same labels, whose loss is measured on pairs of them.
    text, label : names of columns; labels are texts, numbers or truth values.
    weights : the column with a weight for each row, 0 or more, in the logistic regression; rows of
        weight 0 are left out of both steps. The pairs have none, since the loss takes none.
    pairs : for each text, so many partners of its own label and as many of others, drawn with
        replacement; of the paper's authors, R = 20.
    C : the inverse strength of the penalty of logistic regression.
    options : those of :class:`TrainSettings`, without those of adapters; an epoch is a pass over
        the pairs. By default a ``learning_rate`` of 2e-5, a ``batch_size`` of 16 and
        ``max_tokens=256``.

    Raises
    ------
    TableError
        If a column is missing, a text or a label is missing, or a weight is below 0.
    UsageError
        If there are fewer than two labels, each row has a label of its own, ``pairs`` is below 1,
        ``C`` is not above 0, or the base has no weights to train.
    MissingExtra
        If sentence-transformers or scikit-learn is not installed.

    References
    ----------
    L. Tunstall et al. (2022), Efficient few-shot learning without prompts, arXiv 2209.11055,
    section 3.1. Like the authors' code, and unlike the paper's text, it draws the pairs for each
    text and not for each label.

    Examples
    --------
    >>> found = fewshot(sixteen_reviews, label="sentiment")  # doctest: +SKIP
    >>> found.predict(["Lovely soup.", "Never again."])  # doctest: +SKIP
    ['positive', 'negative']
    """
    settings = TrainSettings.of_encoder(options, learning_rate=2e-5, batch_size=16, max_tokens=256)
    check_numbers(pairs=pairs, C=C)
    if pairs < 1 or not C > 0:
        raise UsageError(f"expected pairs of 1 or more and C above 0; got {pairs} and {C}.")
    rows = row_files.opened(rows)
    labels = examples.label_values(rows, label)
    convert = partial(examples.labelled, text=text, label=label, known=labels)
    found = convert(rows, weights=weights)
    examples.check_each_label(found, labels)
    draw = partial(contrastive, pairs=pairs, seed=settings.seed)
    method = EmbedderMethod(
        name="fewshot",
        loss=SIMILARITY,
        open=FewShotClassifier,
        further={"labels": list(labels), "pairs": pairs, "C": C},
        head=partial(write_head, cells=found.cells, C=C),
    )
    result: FewShotClassifier = train(
        method, draw(found), lambda table: draw(convert(table)), held_out, spec_of(base), settings,
        folder, listener,
    )  # fmt: skip
    return result


def contrastive(found: Examples, *, pairs: int, seed: int) -> Examples:
    """For each text so many partners of its label (1.0) and of other labels (0.0), at random.

    Raises
    ------
    UsageError
        If all texts have one label.
    """
    rng = np.random.default_rng(seed)
    of = np.array([cell["label"] for cell in found.cells])
    cells: list[Example] = []
    for at, cell in enumerate(found.cells):
        same = np.flatnonzero(of == of[at])
        others = np.flatnonzero(of != of[at])
        if not len(others):
            raise UsageError("expected texts of two labels or more; all have the same.")
        same = same[same != at] if len(same) > 1 else same
        for partners, score in ((same, 1.0), (others, 0.0)):
            for partner in rng.choice(partners, pairs):
                other = found.cells[partner]["text"]
                cells.append({"anchor": cell["text"], "positive": other, "label": score})
    return Examples(cells, found.rows)


def write_head(folder: Path, *, cells: Sequence[Mapping[str, Any]], C: float) -> None:
    """Fit logistic regression on the vectors of an embedder in a folder, and write it there."""
    texts, targets, weights = (
        [cell[name] for cell in cells] for name in ("text", "label", "weight")
    )
    embed = load_encoder(str(folder)).embed
    head = fit(texts, targets, embed=embed, C=C, weights=weights)
    body = {"coefficients": head.coefficients.tolist(), "intercepts": head.intercepts.tolist()}
    (folder / HEAD).write_text(json.dumps(body), encoding="utf-8")
