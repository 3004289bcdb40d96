"""Utility: what a classifier that learned from a table is worth on real rows.

Any learner will do: ``light(embed)`` is quick, ``synthkit.train.classifier.fine_tuned()`` learns
more.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.metrics.accuracy import accuracy, apart, coded, f1_on, macro_f1
from synthkit.evaluate.metrics.learners import Learner as Learner
from synthkit.evaluate.metrics.learners import Predict as Predict
from synthkit.evaluate.metrics.learners import Rows, answers, called, labelled
from synthkit.evaluate.metrics.learners import held_out as held_out
from synthkit.evaluate.metrics.learners import light as light
from synthkit.evaluate.registry import metric
from synthkit.stats.bootstrap import Difference

Source = Literal["synthetic", "real", "real + synthetic"]
Metric = Literal["accuracy", "macro-F1"]

SOURCES: tuple[Source, ...] = get_args(Source)
METRICS: tuple[Metric, ...] = get_args(Metric)
POINTS = 5
"""Sizes of a learning curve, each twice the one before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Utility:
    """What is learned from synthetic rows, beside what is learned from as many real ones.

    Parameters
    ----------
    synthetic, real : accuracy on the test rows after learning from each.
    gap : accuracy, real - synthetic.
    synthetic_f1, real_f1, gap_f1 : the same of macro-F1.
    majority : accuracy of giving every row the most frequent label of the real training rows.
    n : training rows of either side.
    draws : how often n rows were drawn; 1 where both tables have n.
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
    """What is learned from real and synthetic rows together, beside the real ones alone.

    Parameters
    ----------
    augmented, real : accuracy on the test rows after learning from both, and from the real ones.
    gain : accuracy, augmented - real.
    augmented_f1, real_f1, gain_f1 : the same of macro-F1.
    majority : accuracy of giving every row the most frequent label of the real training rows.
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
    of the real rows, below 0 where the synthetic rows teach more. It is paired on the test rows,
    and ``str`` of it says where the two are not told apart.

    Parameters
    ----------
    synthetic, real : tables to learn from. Rows without a text or a label are left out, here and in
        the test.
    test : real rows that neither was made from; :func:`held_out` divides a table.
    label, column : of labels and texts.
    learner : such as ``light(embed)``. A table with one label alone teaches that label.
    weight : a column of the synthetic table, how much each row counts, 0 or more; rows of weight 0
        are left out. Real rows count 1 each.
    n : training rows of either side; those of the smaller table if not given.
    draws : how often n rows are drawn from a larger table, each label in its share; scores are
        means over the draws. A table of n rows is taken whole, once.
    level : of the intervals.
    seed : of the draws.

    Raises
    ------
    TableError
        If a column is not there, or a table has no row with a text and a label.
    UsageError
        If a cell is not a text, a weight is below 0, an option is out of its range, or no label of
        a table is one of the test's; if the learner gives other than one label for each text.

    Notes
    -----
    Intervals are of other test rows, and of other draws of n rows from the same tables. They are
    not of another table, as the same prompt would give, nor of another seed of the learner: give
    ``n`` below the size of both tables to see how much hangs on their rows. A label that was not
    learned is wrong throughout, and named in ``how``. See :func:`~.prediction.accuracy` and
    :func:`~.prediction.macro_f1` on ``parts``.

    References
    ----------
    C. Esteban et al. (2017), arXiv 1706.02633; for text ZeroGen, arXiv 2202.07922.

    Examples
    --------
    >>> real = [{"text": "good " * n + "bad " * (3 - n), "label": n > 1} for n in range(4)] * 5
    >>> made = [{"text": "good", "label": True}, {"text": "bad", "label": False}] * 10
    >>> learner = light(lambda texts: [[t.count("good"), t.count("bad")] for t in texts])
    >>> found = tstr(made, real, real, learner=learner)
    >>> print(found.synthetic, found.gap, found.majority, sep="; ")
    1 [0.839, 1]; +0 [+0, +0], no significant difference on 20 rows; 0.5 [0.299, 0.701]
    """
    asked, gold, made = _tables(test, real, synthetic, label, column, weight)
    size = min(len(made), len(gold)) if n is None else n
    runs = [
        answers(rows, asked.texts, learner, n=size, draws=draws, seed=seed) for rows in (made, gold)
    ]
    ours, theirs = coded(asked.labels, *runs)
    how = [_how(f"{size} {rows.name} rows", rows, asked, learner) for rows in (made, gold)]
    return Utility(
        synthetic=accuracy(ours, name="TSTR accuracy", how=how[0], level=level),
        real=accuracy(theirs, name="TRTR accuracy", how=how[1], level=level),
        gap=apart(theirs, ours, level=level),
        synthetic_f1=macro_f1(ours, name="TSTR macro-F1", how=how[0], level=level),
        real_f1=macro_f1(theirs, name="TRTR macro-F1", how=how[1], level=level),
        gap_f1=apart(theirs, ours, f1_on, level=level),
        majority=_majority(gold, asked, level),
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
    """What synthetic rows add to real ones: learning from both against the real ones alone.

    The gain is augmented - real, higher is better, and paired on the test rows. All rows of both
    tables are taken, so that there is no draw. Parameters and errors are those of :func:`tstr`.

    References
    ----------
    The augmentation of ZeroGen's and S3's comparisons with gold rows: arXiv 2202.07922, 2310.13671.

    Examples
    --------
    >>> real = [{"text": "good", "label": True}, {"text": "bad", "label": False}] * 10
    >>> learner = light(lambda texts: [[t.count("good"), t.count("bad")] for t in texts])
    >>> found = gain(real, real[:1], real, learner=learner)
    >>> print(found.augmented.value, found.gain)
    1.0 +0.5 [+0.25, +0.75]
    """
    asked, gold, made = _tables(test, real, synthetic, label, column, weight)
    runs = [
        answers(rows, asked.texts, learner, n=len(rows), draws=1, seed=0)
        for rows in (gold + made, gold)
    ]
    ours, theirs = coded(asked.labels, *runs)
    added = f"{len(gold)} real and {len(made)} synthetic rows"
    how = [
        _how(added, gold + made, asked, learner),
        _how(f"{len(gold)} real rows", gold, asked, learner),
    ]
    return Gain(
        augmented=accuracy(ours, name="augmented accuracy", how=how[0], level=level),
        real=accuracy(theirs, name="TRTR accuracy", how=how[1], level=level),
        gain=apart(ours, theirs, level=level),
        augmented_f1=macro_f1(ours, name="augmented macro-F1", how=how[0], level=level),
        real_f1=macro_f1(theirs, name="TRTR macro-F1", how=how[1], level=level),
        gain_f1=apart(ours, theirs, f1_on, level=level),
        majority=_majority(gold, asked, level),
        n_real=len(gold),
        n_synthetic=len(made),
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
    sources: Sequence[Source] = SOURCES,
    metric: Metric = "accuracy",
    level: float = 0.95,
    seed: int = 0,
) -> Any:
    """How well a learner does on the test rows, against how many rows it learned from.

    Parameters
    ----------
    synthetic, real, test, label, learner, column, weight, level, seed : as in :func:`tstr`.
    sizes : rows to learn from; of each source the whole table and halves of it, if not given. What
        a source has not got is left out for it.
    seeds : how often so many rows are drawn; a whole table is taken once.
    sources : ``"synthetic"`` draws n synthetic rows, ``"real"`` n real ones; ``"real + synthetic"``
        has all synthetic rows beside the same n real ones: where it is above ``"real"`` the
        synthetic rows save real ones.
    metric : ``"accuracy"`` or ``"macro-F1"``.

    Returns
    -------
    table
        Of the kind of ``synthetic``: ``source``, ``n``, ``value``, ``low``, ``high``, ``seeds``
        (how many draws were made), ``test`` (how many test rows).

    Raises
    ------
    TableError, UsageError
        As :func:`tstr`; and if there is no such source or metric, or no source has so many rows.

    Examples
    --------
    >>> real = [{"text": "good", "label": True}, {"text": "bad", "label": False}] * 10
    >>> learner = light(lambda texts: [[t.count("good"), t.count("bad")] for t in texts])
    >>> found = learning_curve(real, real, real, learner=learner, sizes=[1, 20], sources=["real"])
    >>> found[["source", "n", "value", "seeds", "test"]].values.tolist()
    [['real', 1, 0.5, 3, 20], ['real', 20, 1.0, 1, 20]]
    """
    for name in sources:
        if name not in SOURCES:
            raise UsageError(unknown("source", name, SOURCES))
    if metric not in METRICS:
        raise UsageError(unknown("metric", metric, METRICS))
    score = accuracy if metric == "accuracy" else macro_f1
    asked, gold, made = _tables(test, real, synthetic, label, column, weight)
    points: list[dict[str, Any]] = []
    for name in sources:
        rows = made if name == "synthetic" else gold
        beside = made if name == "real + synthetic" else None
        for n in _sizes(sizes, len(rows)):
            run = answers(rows, asked.texts, learner, n=n, draws=seeds, seed=seed, beside=beside)
            found = score(*coded(asked.labels, run), level=level)
            points.append(
                {"source": name, "n": n, "value": found.value, "low": found.low,
                 "high": found.high, "seeds": len(run), "test": found.n}
            )  # fmt: skip
    if not points:
        raise UsageError(
            f"expected sizes of {len(made)} synthetic and {len(gold)} real rows at most, and a "
            f"source; got sizes={sizes} and sources={list(sources)}."
        )
    cells = {key: [one[key] for one in points] for key in points[0]}
    return tables.build(cells, like=tables.kind(synthetic))


@metric("TSTR", kind="utility", of="inputs", needs=("label", "against", "learner"))
def _utility(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """TSTR and the augmentation gain: half of the real rows train, the others test."""
    train, test = inputs.halves
    options: dict[str, Any] = {
        "label": inputs.label, "column": inputs.column, "learner": inputs.classifier,
        "weight": inputs.weight or None, "level": inputs.level,
    }  # fmt: skip
    found = tstr(inputs.rows.table, train, test, seed=inputs.seed, **options)
    more = gain(inputs.rows.table, train, test, **options)
    cells = zip(*(tables.column(test, name) for name in ("id", inputs.column, inputs.label)),
                strict=True)  # fmt: skip
    ids = [id for id, text, label in cells if text is not None and label is not None]
    for score in (
        *(found.synthetic, found.synthetic_f1, found.real, found.majority),
        _difference("TSTR gap", found.gap, found.synthetic, "lower"),
        more.augmented,
        _difference("augmentation gain", more.gain, more.augmented, "higher"),
    ):
        yield replace(score, how=f"{score.how}; {inputs.classifier_name}"), ids


def _difference(name: str, gap: Difference, beside: Score, better: Any) -> Score:
    """A difference as a score of its own."""
    return Score(
        name=name, value=gap.value, low=gap.low, high=gap.high, n=gap.n, unit="-1..1",
        better=better, how=beside.how, level=gap.level,
    )  # fmt: skip


def _tables(
    test: Any, real: Any, synthetic: Any, label: str, column: str, weight: str | None
) -> tuple[Rows, Rows, Rows]:
    """The rows of the three tables, which have labels in common."""
    asked = labelled(test, label, column=column, name="test")
    gold = labelled(real, label, column=column, name="real")
    made = labelled(synthetic, label, column=column, name="synthetic", weight=weight)
    for rows in (gold, made):
        if not set(rows.labels) & set(asked.labels):
            raise UsageError(
                f"no label of the {rows.name} table is one of the test's: {_few(rows.labels)}, "
                f"and {_few(asked.labels)}. Give both the same labels, of one type."
            )
    return asked, gold, made


def _sizes(asked: Sequence[int] | None, rows: int) -> list[int]:
    if asked is not None:
        return sorted({n for n in asked if n <= rows})
    return sorted({max(1, rows >> halved) for halved in range(POINTS)})


def _majority(real: Rows, test: Rows, level: float) -> Score:
    top, _ = Counter(real.labels).most_common(1)[0]
    (found,) = coded(test.labels, [[top] * len(test)])
    return accuracy(found, name="majority accuracy", how=f"always {top!r}", level=level)


def _how(what: str, rows: Rows, test: Rows, learner: Learner) -> str:
    known = set(rows.labels)
    missing = [label for label in test.labels if label not in known]
    return f"{what}, {called(learner)}{f'; had no {_few(missing)}' if missing else ''}"


def _few(labels: Sequence[Any]) -> str:
    known = list(dict.fromkeys(labels))
    return ", ".join(map(repr, known[:4])) + (", ..." if len(known) > 4 else "")
