"""TSTR, augmentation gain and learning curves: train on a table, test on real rows.

Any learner can be used: ``light(embed)`` is quick, ``synthkit.train.fine_tuned()`` is
more accurate.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from synthkit.core.errors import UsageError, check_known
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.data.labels import in_one_form
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.metrics import learners
from synthkit.evaluate.metrics.accuracy import accuracy, difference, encoded, f1_on, macro_f1
from synthkit.evaluate.metrics.learners import LabelledTexts, Learner
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import Better
from synthkit.stats.bootstrap import Difference

CurveSource = Literal["synthetic", "real", "real + synthetic"]
CurveMetric = Literal["accuracy", "macro-F1"]

SOURCES: tuple[CurveSource, ...] = get_args(CurveSource)
CURVE_METRICS: tuple[CurveMetric, ...] = get_args(CurveMetric)
POINTS = 5
"""Sizes of a learning curve, each twice the previous one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utility:
    """Scores of a learner trained on synthetic rows, and of one trained on as many real rows.

    Parameters
    ----------
    synthetic, real : accuracy on the test rows after training on each.
    gap : accuracy, real - synthetic.
    synthetic_f1, real_f1, gap_f1 : the same for macro-F1.
    majority : accuracy of always predicting the most frequent label of the real training rows.
    n : training rows of each side.
    draws : samples of n rows; 1 if both tables have n.
    """

    synthetic: Score
    real: Score
    gap: Difference
    synthetic_f1: Score
    real_f1: Score
    gap_f1: Difference
    majority: Score
    n: int
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """Scores of a learner trained on real and synthetic rows, and of one trained on real rows.

    Parameters
    ----------
    augmented, real : accuracy on the test rows after training on both, and on the real rows.
    gain : accuracy, augmented - real.
    augmented_f1, real_f1, gain_f1 : the same for macro-F1.
    majority : accuracy of always predicting the most frequent label of the real training rows.
    n_real, n_synthetic : training rows.
    """

    augmented: Score
    real: Score
    gain: Difference
    augmented_f1: Score
    real_f1: Score
    gain_f1: Difference
    majority: Score
    n_real: int
    n_synthetic: int


def tstr(
    synthetic: Any,
    real: Any,
    test: Any,
    label: str = "label",
    *,
    learner: Learner,
    column: str = "text",
    weight: str | None = None,
    n: int | None = None,
    draws: int = 5,
    level: float = 0.95,
    seed: int = 0,
) -> Utility:
    """TSTR: train on synthetic, test on real; and the gap to training on as many real rows.

    Scores are 0..1, higher is better. The gap is real - synthetic, so lower is better: 0 for a copy
    of the real rows, below 0 if the synthetic rows are better for training. It is paired on the
    test rows, and ``str(gap)`` says if it is not significant.

    Parameters
    ----------
    synthetic, real : tables to train on. Rows without a text or a label are left out, here and in
        the test.
    test : real rows from which neither table was made; :func:`~.learners.held_out` divides a table.
    label, column : of labels and texts.
    learner : such as ``light(embed)``. After training on a single label that label is predicted.
    weight : a column of the synthetic table with the weight of each row, 0 or more; rows with
        weight 0 are left out. Real rows have weight 1.
    n : training rows of each side; those of the smaller table if not given.
    draws : stratified samples of n rows from a larger table; scores are means over them. A table of
        n rows is used once, as a whole.
    level : of the intervals.
    seed : of the samples.

    Raises
    ------
    TableError
        If a column is not there, or a table has no row with a text and a label.
    UsageError
        If a cell is not a text, a weight is below 0, an option is out of its range, or no label of
        a table is one of the test's; if the learner gives other than one label for each text.

    Notes
    -----
    Intervals cover other test rows, and other samples of n rows from the same tables. They cover
    neither another table, such as the same prompt would give, nor another seed of the learner: give
    ``n`` below the size of both tables to see how much depends on their rows. A label without
    training rows is always wrong, and named in ``how``. See :func:`~.accuracy.accuracy` and
    :func:`~.accuracy.macro_f1` about ``parts``.

    References
    ----------
    C. Esteban et al. (2017), arXiv 1706.02633; for text ZeroGen, arXiv 2202.07922.

    Examples
    --------
    >>> real = [{"text": "good " * n + "bad " * (3 - n), "label": n > 1} for n in range(4)] * 5
    >>> made = [{"text": "good", "label": True}, {"text": "bad", "label": False}] * 10
    >>> from synthkit.evaluate import light
    >>> learner = light(lambda texts: [[t.count("good"), t.count("bad")] for t in texts])
    >>> found = tstr(made, real, real, learner=learner)
    >>> print(found.synthetic, found.gap.value, found.majority, sep="; ")
    1 [0.839, 1]; 0.0; 0.5 [0.299, 0.701]
    """
    test_rows, real_rows, synthetic_rows = _tables(synthetic, real, test, label, column, weight)
    size = min(len(synthetic_rows), len(real_rows)) if n is None else n
    runs = [
        learners.predictions_by_draw(rows, test_rows.texts, learner, n=size, draws=draws, seed=seed)
        for rows in (synthetic_rows, real_rows)
    ]
    ours, theirs = encoded(test_rows.labels, *runs)
    how = [
        _how(f"{size} {r.name} rows", r, test_rows, learner) for r in (synthetic_rows, real_rows)
    ]
    return Utility(
        synthetic=accuracy(ours, name="TSTR accuracy", how=how[0], level=level),
        real=accuracy(theirs, name="TRTR accuracy", how=how[1], level=level),
        gap=difference(theirs, ours, level=level),
        synthetic_f1=macro_f1(ours, name="TSTR macro-F1", how=how[0], level=level),
        real_f1=macro_f1(theirs, name="TRTR macro-F1", how=how[1], level=level),
        gap_f1=difference(theirs, ours, f1_on, level=level),
        majority=_majority(real_rows, test_rows, level),
        n=size,
        draws=max(map(len, runs)),
    )


def gain(
    synthetic: Any,
    real: Any,
    test: Any,
    label: str = "label",
    *,
    learner: Learner,
    column: str = "text",
    weight: str | None = None,
    level: float = 0.95,
) -> Gain:
    """The gain of adding synthetic rows to real ones for training.

    The gain is augmented - real, higher is better, and paired on the test rows. All rows of both
    tables are used, without sampling. Parameters and errors are those of :func:`tstr`.

    References
    ----------
    The augmentation of ZeroGen's and S3's comparisons with gold rows: arXiv 2202.07922, 2310.13671.

    Examples
    --------
    >>> from synthkit.evaluate import light
    >>> real = [{"text": "good", "label": True}, {"text": "bad", "label": False}] * 10
    >>> learner = light(lambda texts: [[t.count("good"), t.count("bad")] for t in texts])
    >>> found = gain(real, real[:1], real, learner=learner)
    >>> print(found.augmented.value, found.gain)
    1.0 +0.5 [+0.25, +0.75]
    """
    test_rows, real_rows, synthetic_rows = _tables(synthetic, real, test, label, column, weight)
    both = real_rows + synthetic_rows
    runs = [
        learners.predictions_by_draw(rows, test_rows.texts, learner, n=len(rows), draws=1, seed=0)
        for rows in (both, real_rows)
    ]
    ours, theirs = encoded(test_rows.labels, *runs)
    how = [
        _how(
            f"{len(real_rows)} real and {len(synthetic_rows)} synthetic rows",
            both,
            test_rows,
            learner,
        ),
        _how(f"{len(real_rows)} real rows", real_rows, test_rows, learner),
    ]
    return Gain(
        augmented=accuracy(ours, name="augmented accuracy", how=how[0], level=level),
        real=accuracy(theirs, name="TRTR accuracy", how=how[1], level=level),
        gain=difference(ours, theirs, level=level),
        augmented_f1=macro_f1(ours, name="augmented macro-F1", how=how[0], level=level),
        real_f1=macro_f1(theirs, name="TRTR macro-F1", how=how[1], level=level),
        gain_f1=difference(ours, theirs, f1_on, level=level),
        majority=_majority(real_rows, test_rows, level),
        n_real=len(real_rows),
        n_synthetic=len(synthetic_rows),
    )


def learning_curve(
    synthetic: Any,
    real: Any,
    test: Any,
    label: str = "label",
    *,
    learner: Learner,
    column: str = "text",
    weight: str | None = None,
    sizes: Sequence[int] | None = None,
    seeds: int = 3,
    sources: Sequence[CurveSource] = SOURCES,
    metric: CurveMetric = "accuracy",
    level: float = 0.95,
    seed: int = 0,
) -> Any:
    """A learner's score on the test rows against the number of rows it was trained on.

    Parameters
    ----------
    synthetic, real, test, label, learner, column, weight, level, seed : as in :func:`tstr`.
    sizes : numbers of training rows; for each source its whole table, a half, a quarter and so on
        if not given. Sizes that a source does not have are left out for it.
    seeds : samples of each size; a whole table is used once.
    sources : ``"synthetic"`` samples n synthetic rows, ``"real"`` n real rows; ``"real +
        synthetic"`` has all synthetic rows and the same n real rows: if it is above ``"real"``, the
        synthetic rows save real ones.
    metric : ``"accuracy"`` or ``"macro-F1"``.

    Returns
    -------
    table
        Of the kind of ``synthetic``: ``source``, ``n``, ``value``, ``low``, ``high``, ``seeds``
        (number of samples), ``test`` (number of test rows).

    Raises
    ------
    TableError, UsageError
        As in :func:`tstr`; also if a source or the metric is unknown, or no source has enough rows.

    Examples
    --------
    >>> from synthkit.evaluate import light
    >>> real = [{"text": "good", "label": True}, {"text": "bad", "label": False}] * 10
    >>> learner = light(lambda texts: [[t.count("good"), t.count("bad")] for t in texts])
    >>> found = learning_curve(real, real, real, learner=learner, sizes=[1, 20], sources=["real"])
    >>> found[["source", "n", "value", "seeds", "test"]].values.tolist()
    [['real', 1, 0.5, 3, 20], ['real', 20, 1.0, 1, 20]]
    """
    check_known("source", list(sources), SOURCES)
    check_known("metric", [metric], CURVE_METRICS)
    score = accuracy if metric == "accuracy" else macro_f1
    test_rows, real_rows, synthetic_rows = _tables(synthetic, real, test, label, column, weight)
    points: list[dict[str, Any]] = []
    for source in sources:
        rows = synthetic_rows if source == "synthetic" else real_rows
        beside = synthetic_rows if source == "real + synthetic" else None
        for n in _sizes(sizes, len(rows)):
            run = learners.predictions_by_draw(
                rows, test_rows.texts, learner, n=n, draws=seeds, seed=seed, beside=beside
            )
            point = score(*encoded(test_rows.labels, run), level=level)
            points.append(
                {"source": source, "n": n, "value": point.value, "low": point.low,
                 "high": point.high, "seeds": len(run), "test": point.n}
            )  # fmt: skip
    if not points:
        raise UsageError(
            f"expected sizes of at most {len(synthetic_rows)} synthetic and {len(real_rows)} real "
            f"rows, and a source; got sizes={sizes} and sources={list(sources)}."
        )
    cells = {key: [point[key] for point in points] for key in points[0]}
    return tables.build(cells, like=tables.kind(synthetic))


@metric("TSTR", kind="utility", of="inputs", needs=("label", "against", "learner"))
def _utility(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """TSTR and the augmentation gain, with half of the real rows to train and half to test.

    References
    ----------
    C. Esteban et al. (2017), arXiv 1706.02633; for text ZeroGen, arXiv 2202.07922.
    """
    train, test = inputs.halves
    options: dict[str, Any] = {
        "label": inputs.label, "column": inputs.column, "learner": inputs.classifier,
        "weight": inputs.weight or None, "level": inputs.level,
    }  # fmt: skip
    utility = tstr(inputs.rows.table, train, test, seed=inputs.seed, **options)
    more = gain(inputs.rows.table, train, test, **options)
    cells = zip(*(tables.column(test, name) for name in ("id", inputs.column, inputs.label)),
                strict=True)  # fmt: skip
    ids = [id for id, text, label in cells if text is not None and label is not None]
    trained = (utility.synthetic, utility.synthetic_f1, utility.real)
    gap = _difference("TSTR gap", utility.gap, utility.synthetic, "lower")
    more_gap = _difference("augmentation gain", more.gain, more.augmented, "higher")
    for score, at_n in (
        *((score, utility.n) for score in trained),
        (utility.majority, None),
        (gap, utility.n),
        (more.augmented, more.n_synthetic),
        (more_gap, more.n_synthetic),
    ):
        how = f"{score.how}; {inputs.classifier_name}"
        # a score of a trained classifier has no ids: compared row by row, two tables of one source
        # would differ too often, as their classifiers do
        yield replace(score, how=how, at_n=at_n), () if at_n else ids


def _difference(name: str, gap: Difference, beside: Score, better: Better) -> Score:
    """A difference as a score of its own, made as the score beside it."""
    return Score(
        name=name, value=gap.value, low=gap.low, high=gap.high, n=gap.n, unit="-1..1",
        better=better, how=beside.how, level=gap.level,
    )  # fmt: skip


def _tables(
    synthetic: Any, real: Any, test: Any, label: str, column: str, weight: str | None
) -> tuple[LabelledTexts, LabelledTexts, LabelledTexts]:
    """The rows of the three tables; both training tables have a label of the test."""
    synthetic, real, test = in_one_form(label, synthetic, real, test)
    test_rows = learners.labelled_texts(test, label, column=column, name="test")
    real_rows = learners.labelled_texts(real, label, column=column, name="real")
    synthetic_rows = learners.labelled_texts(
        synthetic, label, column=column, name="synthetic", weight=weight
    )
    for rows in (real_rows, synthetic_rows):
        if not set(rows.labels) & set(test_rows.labels):
            raise UsageError(
                f"no label of the {rows.name} table is one of the test's: {_some(rows.labels)}, "
                f"and {_some(test_rows.labels)}. Give both the same labels."
            )
    return test_rows, real_rows, synthetic_rows


def _sizes(sizes: Sequence[int] | None, rows: int) -> list[int]:
    if sizes is not None:
        return sorted({n for n in sizes if n <= rows})
    return sorted({max(1, rows >> halvings) for halvings in range(POINTS)})


def _majority(real: LabelledTexts, test: LabelledTexts, level: float) -> Score:
    top, _ = Counter(real.labels).most_common(1)[0]
    (predictions,) = encoded(test.labels, [[top] * len(test)])
    return accuracy(predictions, name="majority accuracy", how=f"always {top!r}", level=level)


def _how(what: str, rows: LabelledTexts, test: LabelledTexts, learner: Learner) -> str:
    known = set(rows.labels)
    missing = [label for label in test.labels if label not in known]
    name = learners.learner_name(learner)
    return f"{what}, {name}{f'; had no {_some(missing)}' if missing else ''}"


def _some(labels: Sequence[Any]) -> str:
    """The first four distinct labels."""
    distinct = list(dict.fromkeys(labels))
    return ", ".join(map(repr, distinct[:4])) + (", ..." if len(distinct) > 4 else "")
