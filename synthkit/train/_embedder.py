"""Embedders, from texts that belong together."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from synthkit.core.errors import TableError, UsageError, check_numbers
from synthkit.data import row_files, tables
from synthkit.train import examples
from synthkit.train.embedder_method import RANKING, SIMILARITY, EmbedderMethod
from synthkit.train.encoders import spec_of
from synthkit.train.progress import Listener
from synthkit.train.settings import TrainSettings
from synthkit.train.trained import Trained
from synthkit.train.trained_embedder import TrainedEmbedder
from synthkit.train.training import FOLDER, train


def embedder(
    rows: Any,
    *,
    base: str | Trained = "minilm",
    held_out: Any = None,
    anchor: str = "anchor",
    positive: str = "positive",
    negative: str = "negative",
    score: str = "score",
    hard_negatives: int = 0,
    margin: float = 0.05,
    folder: Path | str = FOLDER,
    listener: Listener | None = None,
    **options: Any,
) -> TrainedEmbedder:
    """An embedder whose vectors are close for texts that belong together.

    By the trainer of sentence-transformers. A table with ``score`` says how similar the two texts
    of a row are, and their cosine similarity is fitted to it (``CosineSimilarityLoss``). Otherwise
    each anchor is to be more similar to its positive than to the positives and negatives of the
    other rows of a step, and to its own negative, if the table has ``negative``
    (``MultipleNegativesRankingLoss``); rows with equal texts are never in one step. These losses
    take no row weights. The larger the ``batch_size``, the harder the comparison.

    Cached, resumed and seeded as :func:`sft`, whose parameters and errors it shares. The result is
    an embedder like those of :func:`synthkit.load_embedder`.

    Parameters
    ----------
    base : ``"minilm"``, ``"hf:<repository or folder>"`` of a sentence encoder, or an embedder that
        was trained here. All of its weights are trained.
    held_out : rows of the same columns. With ``hard_negatives`` it needs none.
    anchor, positive, negative, score : names of columns. Scores are from -1 to 1.
    hard_negatives : for each pair, so many of the positives of other anchors that the base finds
        most similar to the anchor, as negatives. Pairs for which there are fewer are left out.
    margin : a text that is more similar to the anchor than ``(1 - margin)`` times the positive is
        may well be a positive too, and is not mined (the TopK-PercPos of NV-Retriever).
    options : those of :class:`TrainSettings`, without those of adapters. By default a
        ``learning_rate`` of 2e-5, a ``batch_size`` of 32 and ``max_tokens=256``, at which the
        result cuts texts as well.

    Raises
    ------
    TableError
        If a column is missing, a cell is not a text, a score is out of its range, or the table has
        both scores and negatives.
    UsageError
        If the base has no weights to train, ``batch_size`` is 1 without scores, or negatives cannot
        be mined.
    MissingExtra
        If sentence-transformers is not installed.

    References
    ----------
    N. Reimers and I. Gurevych (2019), Sentence-BERT, arXiv 1908.10084; M. Henderson et al. (2017),
    arXiv 1705.00652, section 4.4, for the ranking loss; G. de Souza P. Moreira et al. (2024),
    NV-Retriever, arXiv 2407.15831, for the margin.

    Examples
    --------
    >>> mine = embedder(questions, anchor="question", positive="answer")  # doctest: +SKIP
    >>> mine.embed(["How do I reset it?"]).shape  # doctest: +SKIP
    (1, 384)
    """
    settings = TrainSettings.of_encoder(options, learning_rate=2e-5, batch_size=32, max_tokens=256)
    rows = row_files.opened(rows)
    names = set(tables.columns(rows))
    scored, triplets = score in names, negative in names
    if scored and triplets:
        raise TableError(f"expected either {score!r} or {negative!r}; the table has both columns.")
    if hard_negatives and (scored or triplets):
        raise UsageError("hard negatives are mined for pairs without scores or negatives only.")
    check_numbers(hard_negatives=hard_negatives, margin=margin)
    if hard_negatives < 0 or not 0 <= margin < 1:
        raise UsageError(
            "expected hard_negatives of 0 or more and a margin of 0 or more and below 1; got "
            f"{hard_negatives} and {margin}."
        )
    convert = partial(
        examples.pairs,
        names=[anchor, positive, negative] if triplets else [anchor, positive],
        score=score if scored else None,
    )
    found = convert(rows)
    if not scored and min(settings.batch_size, len(found.cells)) < 2:
        raise UsageError(
            "the rows of a step are compared: expected two rows or more and a batch_size of 2 or "
            f"more; got {len(found.cells)} and {settings.batch_size}."
        )
    method = EmbedderMethod(
        name="embedder", loss=SIMILARITY if scored else RANKING, open=TrainedEmbedder,
        hard_negatives=hard_negatives, margin=margin,
    )  # fmt: skip
    result: TrainedEmbedder = train(
        method, found, convert, held_out, spec_of(base), settings, folder, listener
    )
    return result
