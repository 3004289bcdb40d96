"""Rows whose label looks wrong: how suspicious each label is, and a filter that drops them."""

from __future__ import annotations

from typing import Any

from synthkit.curate.filters.base import MISSING, Filter, embedder_name
from synthkit.curate.filters.registry import filter_option
from synthkit.curate.label_noise.cross_fitting import LabelledRows, labelled_with_real
from synthkit.curate.label_noise.evidence import Evidence, Method, check_method, evidence
from synthkit.data import tables
from synthkit.stats.classifier import Embed


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
    """The table with ``suspicion``: how wrong each label looks to a method, 0..1.

    It ranks the rows of one table; only the suspicion by ``"small_loss"`` is a probability.

    - ``"confident"``, confident learning: (1 + max_other p - p_label) / 2, above 1/2 if another
      label is likelier. Its own rule is :func:`~synthkit.curate.label_issues`: prune by noise rate.
    - ``"dynamics"``, of Data-IQ and cartography: 1 - confidence, the mean probability of the label
      over the epochs; with more than two labels, of the label and the likeliest other one, so that
      it means the same for any number of labels. Its own rule, of CLLM: that confidence and its
      aleatoric uncertainty are both at most 0.2. Rows with a higher aleatoric uncertainty, the
      ambiguous ones, are never noisy. A linear classifier is rarely that sure about the rows it is
      fitted on, so without ``real`` rows the rule finds little.
    - ``"forgetting"``: (times forgotten + 1 - confidence) / (epochs / 2 + 1), where a label that
      was never learned counts as forgotten epochs / 2 times. The confidence is our addition: it
      orders rows that were forgotten equally often. Its own rule: never learned.
    - ``"small_loss"``: the probability that the loss is one of the large ones, plus a millionth of
      the loss, which orders rows whose probability is 1. Its own rule: 0.3 or more, as FreeAL
      trusts a label above 0.7.
    - ``"pvi"``: g'(y) / (g'(y) + g(y|x)), above 1/2 if PVI is negative, which is its own rule. It
      ranks worse than the others if one label is far more frequent.
    - ``"influence"``: 1 / (1 + exp(phi / s)), where phi is the influence of the row on the loss of
      the other half of the table, and s the root mean square of all. Its own rule: phi is negative,
      which is also true of many correct labels.

    Probabilities and influence come from classifiers that were not fitted on the row, except for
    ``"dynamics"`` and ``"forgetting"``, which record 20 epochs of training on the rows themselves.

    Parameters
    ----------
    label, column : of the labels, and of the texts.
    embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``; without it
        ``column`` holds vectors.
    threshold : the suspicion from which on a row is noisy, instead of the method's own rule.
    folds : of cross-fitting; each label needs at least as many rows, and two for influence.
    seed : of folds, and of the order of training.
    real : a table with the same columns and trusted labels. The classifier is fitted on it instead
        of cross-fitting; for influence it has the rows whose loss counts.

    Returns
    -------
    table
        In the same order, with ``suspicion``; ``suggested``, the likeliest label; ``noisy``; the
        columns of the method; and ``suspicion_by``, the method and its settings. Columns of these
        names are replaced. They are missing for rows without a text or a label.

    Raises
    ------
    TableError
        If a column does not exist, or two rows have the same id.
    UsageError
        If the method is unknown, or the threshold is not in 0..1; if there are fewer than two
        labels, a label has fewer rows than there are folds, or the real table does not have a
        label.

    References
    ----------
    Confident learning: arXiv 1911.00068. Data-IQ: arXiv 2210.13043; CLLM: arXiv 2312.12112;
    cartography: arXiv 2009.10795, which finds wrong labels by confidence alone. Forgetting: arXiv
    1812.05159. Small loss: DivideMix, arXiv 2002.07394, and FreeAL, arXiv 2311.15614. PVI: arXiv
    2110.08420. Influence: ProGen, arXiv 2210.12329. The mapping of the last two to 0..1 is ours,
    and keeps their order.

    Examples
    --------
    >>> rows = [{"text": [n], "label": "high" if n > 5 else "low"} for n in range(12)]
    >>> rows[0]["label"] = "high"
    >>> scored = suspicion(rows, folds=2)
    >>> columns = ["text", "label", "suggested", "suspicion", "noisy"]
    >>> suspects(scored, n=1)[columns].values.tolist()
    [[[0], 'high', 'low', 0.7..., True]]
    """
    source = tables.identified(table)
    rows, trusted = labelled_with_real(source, real, label, column=column, embed=embed)
    noise = evidence(rows, method, threshold=threshold, folds=folds, seed=seed, real=trusted)
    values: dict[str, list[Any]] = {
        "suspicion": noise.suspicion.tolist(),
        "suggested": [rows.labels[at] for at in noise.probabilities.argmax(axis=1)],
        "noisy": noise.noisy.tolist(),
        **{name: of_rows.tolist() for name, of_rows in noise.columns.items()},
    }
    cells = {name: rows.spread(of_rows, source) for name, of_rows in values.items()}
    by = _settings(method, embed, column, threshold, folds, seed, real)
    return tables.annotate(source, cells | {"suspicion_by": [by] * tables.size(source)})


def suspects(judged: Any, *, n: int | None = None) -> Any:
    """Rows in descending order of ``suspicion``, without those that have none.

    Parameters
    ----------
    judged : a table with ``suspicion``.
    n : the largest number of rows; all if not given.

    Raises
    ------
    TableError
        If the table has no column ``suspicion``.

    Examples
    --------
    >>> suspects([{"id": "a", "suspicion": 0.2}, {"id": "b", "suspicion": 0.9}])["id"].tolist()
    ['b', 'a']
    """
    cells = tables.column(judged, "suspicion")
    present = [at for at, cell in enumerate(cells) if cell is not None]
    return tables.take(judged, sorted(present, key=lambda at: -cells[at])[:n])


@filter_option("no-noise", takes="LABEL_COLUMN", cost=3)
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

    Methods and options are those of :func:`suspicion`. A reason gives the likeliest label and its
    probability, or the suspicion if no other label is likelier. Rows without a text or a label are
    dropped as missing.

    Raises
    ------
    UsageError
        If the method is unknown, or the threshold is not in 0..1; when applied, as by
        :func:`suspicion`.

    Examples
    --------
    >>> from synthkit.curate import apply_filters
    >>> rows = [{"text": [n], "label": "high" if n > 5 else "low"} for n in range(12)]
    >>> rows[0]["label"] = "high"
    >>> apply_filters(rows, no_label_noise(folds=2)).dropped["why"].tolist()
    ["label noise: given 'high', looks 'low' (0.78)"]
    """
    check_method(method, threshold)

    def judge(table: Any) -> list[str]:
        if not tables.size(table):
            return []
        rows, trusted = labelled_with_real(table, real, label, column=column, embed=embed)
        noise = evidence(rows, method, threshold=threshold, folds=folds, seed=seed, real=trusted)
        return rows.spread(_reasons(rows, noise), table, MISSING)

    by = _settings(method, embed, column, threshold, folds, seed, real)
    return Filter(f"no noise in {label}: {by}", judge)


def _reasons(rows: LabelledRows, noise: Evidence) -> list[str]:
    """Why each noisy row is dropped; empty for the others."""
    reasons = []
    for n, likeliest in enumerate(noise.probabilities.argmax(axis=1)):
        label = rows.targets[n]
        looks = f"looks {rows.labels[likeliest]!r} ({noise.probabilities[n, likeliest]:.2f})"
        if likeliest == label:
            looks = f"doubtful ({noise.suspicion[n]:.2f})"
        why = f"label noise: given {rows.labels[label]!r}, {looks}"
        reasons.append(why if noise.noisy[n] else "")
    return reasons


def _settings(
    method: str,
    embed: Embed | None,
    column: str,
    threshold: float | None,
    folds: int,
    seed: int,
    real: Any,
) -> str:
    """The method and its settings, as a text."""
    from_threshold = "" if threshold is None else f", from {threshold:g}"
    among = "of real rows" if real is not None else f"folds={folds}"
    by = embedder_name(embed) if embed else "vectors"
    return f"{method} by {column} ({by}){from_threshold}, {among}, seed={seed}"
