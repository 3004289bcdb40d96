"""Reports: every metric that the inputs allow, and the reasons why others are left out."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from synthkit.core.errors import SynthkitError, UsageError, check_known
from synthkit.data import tables
from synthkit.data.labels import apart
from synthkit.evaluate.checks import Check
from synthkit.evaluate.inputs import Embed, EvalInputs
from synthkit.evaluate.metrics.learners import Learner
from synthkit.evaluate.raters.columns import judge_columns
from synthkit.evaluate.registry import METRICS, Metric, load
from synthkit.evaluate.results import Measured, Report
from synthkit.stats.intervals import check_level

Progress = Callable[[int, int, str], None]


def report(
    table: Any,
    *,
    column: str = "",
    against: Any = None,
    test: Any = None,
    label: str = "",
    source: str = "",
    embed: Embed | None = None,
    embedder: str = "",
    checks: Sequence[Check] = (),
    marks: Mapping[str, str] | None = None,
    accepted: Mapping[str, bool] | None = None,
    rater_pairs: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    judge: Sequence[str] = (),
    learner: Learner | None = None,
    weight: str = "",
    pair_on: Sequence[str] | None = None,
    metrics: Sequence[str] | None = None,
    without: Sequence[str] = (),
    sample: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
    progress: Progress | None = None,
) -> Report:
    """The scores of a table: every registered metric whose needs are met.

    Parameters
    ----------
    table : the rows, of any kind.
    column : of the texts; the column with the longest texts if not given.
    against : real rows, with the same columns. Half of them train classifiers, half test them.
    test : a test set, of which no row should be copied.
    label : column of labels, in ``table`` and in ``against``.
    source : column of sources that a text must be found in.
    embed : texts -> (n, d) numbers, such as ``load_embedder("minilm").embed``.
    embedder : its name, since scores of two embedders cannot be compared.
    checks : of a row, such as :func:`synthkit.evaluate.checks.length` returns.
    marks : row id -> ``"accept"``, ``"reject"``, or the right label, by people.
    accepted : row id -> whether most people accept it; if not given, any mark but ``"reject"``
        does. People who accept a row may each give it another label, of which none is of most.
    rater_pairs : two raters -> the pairs of labels that they gave the same rows.
    judge : columns of judges' scores or labels; if not given, those with a column of reasons, or
        ``outcome``.
    learner : trained on rows, such as ``synthkit.train.fine_tuned()``; logistic
        regression on embeddings if not given.
    weight : column of the weight of each row for the learner.
    pair_on : columns by which rows of two tables are paired; if not given ``parent``, otherwise all
        columns besides id, text, fractions and judgements.
    metrics, without : names of metrics to compute, or to leave out.
    sample : most rows to embed.
    progress : called with the number of metrics done, the number of all, and the next one's name.

    Raises
    ------
    UsageError
        If a metric's name is unknown, or a text is not a text. A metric that cannot be computed is
        in ``left_out`` with the reason.
    TableError
        If a column is missing.

    Examples
    --------
    >>> rows = [{"text": "the soup was cold"}, {"text": "the bread was warm"}]
    >>> found = report(rows, metrics=["distinct-2", "MAUVE"])
    >>> print(found["distinct-2"].value, found.left_out)
    1.0 {'MAUVE': 'needs real rows (against) and an embedder (embed)'}
    """
    check_level(level)
    check_known("metric", (*(metrics or ()), *without), METRICS)
    inputs = EvalInputs(
        table=table, column=column or tables.text_column(table), against=against, test=test,
        label=label, source=source, embed=embed, embedder=embedder, checks=tuple(checks),
        marks=dict(marks or {}), accepted=dict(accepted or {}),
        rater_pairs=dict(rater_pairs or {}), judge=tuple(judge), learner=learner, weight=weight,
        sample=sample, seed=seed, level=level,
    )  # fmt: skip
    check_inputs(inputs)
    keys = pairing(inputs.rows.table, inputs.column, pair_on)
    return report_of(inputs, inputs, metrics, without, progress, keys)


def report_of(
    inputs: EvalInputs,
    whole: EvalInputs,
    metrics: Sequence[str] | None,
    without: Sequence[str],
    progress: Progress | None,
    keys: Mapping[str, str],
) -> Report:
    """The report of a table, or of a sample of a table that does not fit into memory.

    Parameters
    ----------
    whole : the inputs of metrics that take the whole of such a table.
    keys : row id -> its conditions.
    """
    names = set(METRICS if metrics is None else metrics) - set(without)
    chosen, left_out = load(name for name in METRICS if name in names)
    measured: list[Measured] = []
    advice: dict[str, str] = {}
    if inputs.label and inputs.against is not None:
        reason = apart(whole.rows.labels, inputs.real.labels)
        advice |= {"labels": f"{reason}. Give both the same labels."} if reason else {}
    for at, metric in enumerate(chosen):
        if progress is not None:
            progress(at, len(chosen), metric.name)
        scores, advised, reason = _computed(metric, whole if metric.large else inputs)
        measured += scores
        advice |= advised
        if reason:
            left_out[metric.name] = reason
    if progress is not None:
        progress(len(chosen), len(chosen), "")
    return Report(tuple(measured), left_out, advice, keys, _contents(inputs))


def pairing(table: Any, column: str, on: Sequence[str] | None = None) -> dict[str, str]:
    """Row id -> the conditions of the row, as text; empty if no column has them.

    >>> pairing([{"id": "a", "text": "Cold soup.", "topic": "soup"}], "text")
    {'a': '["soup"]'}
    """
    names = tables.columns(table)
    if on is None:
        judged = judge_columns(names)
        excluded = {"id", "parent", column, *judged, *(f"{name}_reason" for name in judged)}
        others = [name for name in names if name not in excluded]
        on = ["parent"] if "parent" in names else [n for n in others if _plain(table, n)]
    cells = [tables.column(table, name) for name in on]
    if not cells:
        return {}
    ids = [str(id) for id in tables.column(table, "id")]
    keys = zip(*cells, strict=True)
    return {id: json.dumps(key, ensure_ascii=False) for id, key in zip(ids, keys, strict=True)}


def _contents(inputs: EvalInputs) -> dict[str, str]:
    """Row id -> a hash of its text and, if there are labels, its label."""
    rows = inputs.rows
    labels = rows.labels if inputs.label else [None] * len(rows.ids)
    return {
        id: hashlib.blake2b(f"{text}\0{label!r}".encode(errors="surrogatepass"), digest_size=8)
        .hexdigest()
        for id, text, label in zip(rows.ids, rows.texts, labels, strict=True)
    }  # fmt: skip


def _plain(table: Any, name: str) -> bool:
    """Whether all cells of a column are texts, whole numbers or truth values."""
    return all(cell is None or isinstance(cell, str | int) for cell in tables.column(table, name))


def check_inputs(inputs: EvalInputs) -> None:
    """Raise an error for inputs that no metric could use."""
    named = (inputs.label, inputs.source, inputs.weight, *inputs.judge)
    tables.check_columns(inputs.table, filter(None, named))
    if inputs.label and inputs.against is not None:
        tables.check_columns(inputs.against, [inputs.label])
    if not inputs.rows.texts:
        raise UsageError(
            f"expected rows with a text in column {inputs.column!r}; "
            f"none of {tables.size(inputs.table)} has one."
        )
    if inputs.against is not None and not inputs.real.texts:
        raise UsageError(f"expected real rows with a text in column {inputs.column!r}; none has.")


def _computed(metric: Metric, inputs: EvalInputs) -> tuple[list[Measured], dict[str, str], str]:
    """The scores of a metric, their advice, and the reason why scores are missing."""
    lacks = metric.lacks(inputs)
    if lacks:
        return [], {}, f"needs {' and '.join(lacks)}"
    try:
        measured, advice = metric(inputs)
    except SynthkitError as error:
        return [], {}, str(error).rstrip(".")
    finite = [m for m in measured if math.isfinite(m.score.value)]
    odd = [m.score.name for m in measured if m not in finite]
    return finite, advice, f"{', '.join(odd)} is not defined for these rows" if odd else ""
