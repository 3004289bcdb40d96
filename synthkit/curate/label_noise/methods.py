"""Which labels are wrong: several ways to ask a light student, each with an answer in 0..1."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import UsageError, unknown
from synthkit.curate.filters.base import MISSING, Filter
from synthkit.curate.filters.registry import filter_option
from synthkit.curate.label_noise import cartography, confident_learning
from synthkit.curate.label_noise.influence import on_vectors
from synthkit.curate.label_noise.out_of_fold import Labelled, alike, dealt, judged, labelled
from synthkit.curate.label_noise.pvi import information
from synthkit.curate.label_noise.small_loss import small_loss
from synthkit.curate.selection.diverse import called
from synthkit.data import tables as tables
from synthkit.stats.classifier import Embed, Floats, fitted

Method = Literal["confident", "dynamics", "forgetting", "small_loss", "pvi", "influence"]
Mask = NDArray[np.bool_]

TRUSTED = 0.7
"""FreeAL trusts a label whose loss is a small one with a probability above this."""
MILLIONTH = 1e-6
LEAST = float(np.finfo(np.float64).tiny)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What a method found of n rows.

    Parameters
    ----------
    suspicion : (n,) 0..1.
    likely : (n, k) probabilities of the labels.
    noisy : (n,) by the method's own rule.
    columns : what the suspicion is made of, (n,) each.
    spared : (n,) rows that stay whatever the threshold.
    """

    suspicion: Floats
    likely: Floats
    noisy: Mask
    columns: Mapping[str, NDArray[Any]]
    spared: Mask | None = None


def suspicion(
    table: Any,
    label: str = "label",
    *,
    method: Method = "confident",
    embed: Embed | None = None,
    column: str = "text",
    threshold: float | None = None,
    folds: int = 5,
    seed: int = 0,
    real: Any = None,
) -> Any:
    """The table with ``suspicion``: how much a label looks wrong to a method, 0..1.

    It ranks the rows of one table; only that of ``"small_loss"`` is a probability.

    - ``"confident"``, confident learning: (1 + max_other p - p_given) / 2, above 1/2 where another
      label is likelier. Its own rule is that of
      :func:`~synthkit.curate.label_noise.confident_learning.label_issues`: prune by noise rate.
    - ``"dynamics"``, of Data-IQ and cartography: 1 - confidence, the label's mean probability over
      the epochs. Its own rule, CLLM's: confidence and aleatoric are both at most 0.2. Rows of a
      higher aleatoric, the ambiguous ones, stay whatever the threshold. A linear student is rarely
      that sure of the rows it learns from: without ``real`` rows the rule finds little.
    - ``"forgetting"``: (times forgotten + 1 - confidence) / (epochs / 2 + 1), where a label that
      was never learned counts as forgotten epochs / 2 times. The confidence is ours: it orders
      rows forgotten alike. Its own rule: never learned.
    - ``"small_loss"``: the probability that the loss is one of the large ones; a millionth of it is
      the loss, which orders rows whose probability is 1. Its own rule: 0.3 or more, as FreeAL
      trusts a label above 0.7.
    - ``"pvi"``: g'(y) / (g'(y) + g(y|x)), above 1/2 where PVI is negative, which is its own rule.
      It ranks worse than the others where one label is far more frequent, and its null model right.
    - ``"influence"``: 1 / (1 + exp(phi / s)), with the influence phi of the row on the loss of the
      other half of the table, and s the root mean square of all. Its own rule: phi is negative,
      as it is for many a right label too.

    Probabilities and influence are of rows that the student did not learn from; but those of
    ``"dynamics"`` and ``"forgetting"`` are of its 20 epochs over the rows themselves.

    Parameters
    ----------
    label, column : of the labels, and of the texts.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``; without it
        ``column`` holds vectors.
    threshold : the suspicion from which on a row is noisy, in place of the method's own rule.
    folds : of cross-fitting; each label needs as many rows, and two for influence.
    seed : of folds, and of the order of training.
    real : a table with the same columns, whose labels are trusted: the student learns from it
        alone, without folds. For influence it is what the loss is of.

    Returns
    -------
    table
        In the same order, with ``suspicion``; ``suggested``, the likeliest label; ``noisy``; the
        columns of the method; and ``suspicion_by``, how. Columns of these names are replaced. A row
        without a text or a label has none of them.

    Raises
    ------
    TableError
        If a column is not there, or two rows have one id.
    UsageError
        If there is no such method, or the threshold is not in 0..1; if there are not two labels, a
        label has fewer rows than there are folds, or the real table lacks a label.

    References
    ----------
    Confident learning: arXiv 1911.00068. Data-IQ: arXiv 2210.13043; CLLM: arXiv 2312.12112;
    cartography: arXiv 2009.10795, which finds wrong labels by confidence alone. Forgetting: arXiv
    1812.05159. Small loss: DivideMix, arXiv 2002.07394, and FreeAL, arXiv 2311.15614. PVI: arXiv
    2110.08420. Influence: ProGen, arXiv 2210.12329. The map of the last two to 0..1 is ours, and
    keeps their order.

    Examples
    --------
    >>> rows = [{"text": [n], "label": "high" if n > 5 else "low"} for n in range(12)]
    >>> rows[0]["label"] = "high"
    >>> made = suspicion(rows, folds=2)
    >>> suspects(made, n=1)[["text", "label", "suggested", "suspicion", "noisy"]].values.tolist()
    [[[0], 'high', 'low', 0.7..., True]]
    """
    held = tables.identified(table)
    trusted = None if real is None else labelled(real, label, column=column, embed=embed)
    known = None if trusted is None else trusted.known
    rows = labelled(held, label, column=column, embed=embed, known=known)
    found = evidence(rows, method, threshold=threshold, folds=folds, seed=seed, real=trusted)
    n = tables.size(held)

    def spread(values: NDArray[Any]) -> list[Any]:
        cells = [None] * n
        for at, value in zip(rows.places, values.tolist(), strict=True):
            cells[at] = value
        return cells

    best = np.empty(len(rows.targets), object)
    best[:] = [rows.known[at] for at in found.likely.argmax(axis=1)]
    cells = {"suspicion": found.suspicion, "suggested": best, "noisy": found.noisy, **found.columns}
    by = _by(method, embed, column, threshold, folds, seed, real)
    return tables.assign(
        held,
        {name: spread(values) for name, values in cells.items()} | {"suspicion_by": [by] * n},
    )


def suspects(judged: Any, *, n: int | None = None) -> Any:
    """The rows of a table with ``suspicion``, the highest first, and without those that have none.

    Parameters
    ----------
    judged : as :func:`suspicion` gives it.
    n : at most so many.

    Raises
    ------
    TableError
        If it has no ``suspicion``.

    Examples
    --------
    >>> suspects([{"id": "a", "suspicion": 0.2}, {"id": "b", "suspicion": 0.9}])["id"].tolist()
    ['b', 'a']
    """
    cells = tables.column(judged, "suspicion")
    there = [at for at, cell in enumerate(cells) if cell is not None]
    return tables.take(judged, sorted(there, key=lambda at: -cells[at])[:n])


@filter_option("no-noise", takes="COLUMN", cost=3)
def no_label_noise(
    label: str = "label",
    *,
    method: Method = "confident",
    embed: Embed | None = None,
    column: str = "text",
    threshold: float | None = None,
    folds: int = 5,
    seed: int = 0,
    real: Any = None,
) -> Filter:
    """Drop rows whose label looks wrong.

    Methods and options are those of :func:`suspicion`.

    A reason gives the probability of the label that it looks like; where no other label is
    likelier, it gives the suspicion. Rows without a text or a label are dropped as missing.

    Raises
    ------
    UsageError
        If there is no such method, or the threshold is not in 0..1; when it is applied, as
        :func:`suspicion` does.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"text": [n], "label": "high" if n > 5 else "low"} for n in range(12)]
    >>> rows[0]["label"] = "high"
    >>> apply_filters(rows, no_label_noise(folds=2)).dropped["why"].tolist()
    ["label noise: given 'high', looks 'low' (0.78)"]
    """
    _check(method, threshold)

    def judge(table: Any) -> list[str]:
        if not tables.size(table):
            return []
        trusted = None if real is None else labelled(real, label, column=column, embed=embed)
        known = None if trusted is None else trusted.known
        rows = labelled(table, label, column=column, embed=embed, known=known)
        found = evidence(rows, method, threshold=threshold, folds=folds, seed=seed, real=trusted)
        reasons = [MISSING] * tables.size(table)
        for at, why in zip(rows.places, _reasons(rows, found), strict=True):
            reasons[at] = why
        return reasons

    by = _by(method, embed, column, threshold, folds, seed, real)
    return Filter(f"no noise in {label}: {by}", judge)


def evidence(
    rows: Labelled,
    method: Method,
    *,
    threshold: float | None = None,
    folds: int = 5,
    seed: int = 0,
    real: Labelled | None = None,
) -> Evidence:
    """What a method finds of rows that are embedded already; as :func:`suspicion`."""
    _check(method, threshold)
    if real is not None:
        alike(rows, real)
    found = _METHODS[method](rows, folds, seed, real)
    if threshold is None:
        return found
    noisy = found.suspicion >= threshold
    if found.spared is not None:
        noisy &= ~found.spared
    return Evidence(found.suspicion, found.likely, noisy, found.columns, found.spared)


def _confident(rows: Labelled, folds: int, seed: int, real: Labelled | None) -> Evidence:
    likely = judged(rows, folds=folds, seed=seed, real=real)
    trust = confident_learning.label_quality(likely, rows.targets, method="self_confidence")
    return Evidence(
        1 - confident_learning.label_quality(likely, rows.targets),
        likely,
        confident_learning.label_issues(likely, rows.targets),
        {"self_confidence": trust},
    )


def _dynamics(rows: Labelled, folds: int, seed: int, real: Labelled | None) -> Evidence:
    seen = cartography.train(rows, seed=seed, real=real)
    columns = {
        "confidence": seen.confidence,
        "aleatoric": seen.aleatoric,
        "variability": seen.variability,
        "correctness": seen.correctness,
    }
    noisy = cartography.hard(seen.confidence, seen.aleatoric)
    spared = seen.aleatoric > cartography.MOST_ALEATORIC
    return Evidence(1 - seen.confidence, seen.mean, noisy, columns, spared)


def _forgetting(rows: Labelled, folds: int, seed: int, real: Labelled | None) -> Evidence:
    seen = cartography.train(rows, seed=seed, real=real)
    most = len(seen.own) // 2
    times = np.where(seen.learned, seen.forgotten, most)
    columns = {"forgotten": seen.forgotten, "learned": seen.learned}
    return Evidence((times + 1 - seen.confidence) / (most + 1), seen.mean, ~seen.learned, columns)


def _small_loss(rows: Labelled, folds: int, seed: int, real: Labelled | None) -> Evidence:
    likely = judged(rows, folds=folds, seed=seed, real=real)
    own = likely[np.arange(len(rows.targets)), rows.targets]
    losses = -np.log(np.maximum(own, LEAST))
    found = small_loss(losses, seed=seed)
    doubt = (1 - MILLIONTH) * (1 - found.small) + MILLIONTH * found.losses
    columns = {"loss": losses, "small": found.small}
    return Evidence(doubt, likely, found.small <= TRUSTED, columns)


def _pvi(rows: Labelled, folds: int, seed: int, real: Labelled | None) -> Evidence:
    bits, likely = information(rows, folds=folds, seed=seed, real=real)
    return Evidence(_falling(bits * np.log(2)), likely, bits < 0, {"pvi": bits})


def _influence(rows: Labelled, folds: int, seed: int, real: Labelled | None) -> Evidence:
    phi, likely = halves(rows, seed) if real is None else against(rows, real)
    scale = float(np.sqrt((phi**2).mean())) or 1.0
    return Evidence(_falling(phi / scale), likely, phi < 0, {"influence": phi})


_METHODS: dict[str, Callable[[Labelled, int, int, Labelled | None], Evidence]] = {
    "confident": _confident,
    "dynamics": _dynamics,
    "forgetting": _forgetting,
    "small_loss": _small_loss,
    "pvi": _pvi,
    "influence": _influence,
}


def against(rows: Labelled, real: Labelled) -> tuple[Floats, Floats]:
    """(n,) the influence of rows on real ones, and (n, k) what a student of these says of them."""
    student = fitted(rows.vectors, rows.targets, rows.known)
    return on_vectors(student, real.vectors, real.targets), judged(rows, real=real)


def halves(rows: Labelled, seed: int) -> tuple[Floats, Floats]:
    """(n,) the influence of each half of the rows on the other, and (n, k) what that says of it."""
    phi, likely = np.empty(len(rows.targets)), np.empty((len(rows.targets), len(rows.known)))
    for half, other in dealt(rows.targets, rows.known, folds=2, seed=seed):
        student = fitted(rows.vectors[half], rows.targets[half], rows.known)
        phi[half] = on_vectors(student, rows.vectors[other], rows.targets[other])
        likely[other] = student.of_vectors(rows.vectors[other])
    return phi, likely


def _falling(values: Floats) -> Floats:
    """(n,) 1 / (1 + exp(value))."""
    powers = np.exp(-np.abs(values))
    falling: Floats = np.where(values > 0, powers, 1.0) / (1 + powers)
    return falling


def _reasons(rows: Labelled, found: Evidence) -> list[str]:
    """For each row that is noisy why, in words; empty for the others."""
    reasons = []
    for n, best in enumerate(found.likely.argmax(axis=1)):
        given = rows.targets[n]
        says = f"looks {rows.known[best]!r} ({found.likely[n, best]:.2f})"
        if best == given:
            says = f"doubtful ({found.suspicion[n]:.2f})"
        reasons.append(
            f"label noise: given {rows.known[given]!r}, {says}" if found.noisy[n] else ""
        )
    return reasons


def _check(method: str, threshold: float | None) -> None:
    if method not in _METHODS:
        raise UsageError(unknown("method", method, _METHODS))
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError(f"threshold must be a suspicion, 0..1; got {threshold}.")


def _by(
    method: str,
    embed: Embed | None,
    column: str,
    threshold: float | None,
    folds: int,
    seed: int,
    real: Any,
) -> str:
    """How, in words."""
    at = "" if threshold is None else f", from {threshold:g}"
    among = "of real rows" if real is not None else f"folds={folds}"
    by = called(embed) if embed else "vectors"
    return f"{method} by {column} ({by}){at}, {among}, seed={seed}"
