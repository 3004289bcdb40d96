"""Faithfulness: the share of rows that are as they should be, with a verdict for each row.

A row without a verdict (a check that raised, a label that nobody gave) is neither right nor wrong:
it is left out of the share, and ``how`` counts such rows.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.data.labels import apart, class_names, meet
from synthkit.evaluate.checks import Check, Fields, Judge, Verdict
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.metrics.accuracy import accuracy, encoded
from synthkit.evaluate.metrics.learners import labelled_texts
from synthkit.evaluate.registry import metric
from synthkit.evaluate.scores import mean, proportion


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """A share of rows, the verdict on each row in the order of the table, and shares of parts.

    ``parts`` has a score for each check, or for each label; for a judge's scores their mean.
    """

    score: Score
    verdicts: tuple[Verdict, ...]
    parts: Mapping[str, Score] = field(default_factory=dict)

    def with_ids(self, ids: Sequence[str], **changes: Any) -> tuple[Score, list[str]]:
        """The score with changes, and of the ids of all rows those of the rows with a verdict."""
        pairs = zip(self.verdicts, ids, strict=True)
        decided = [id for verdict, id in pairs if verdict.passed is not None]
        return replace(self.score, **changes), decided


def pass_rate(table: Any, checks: Check | Sequence[Check], *, level: float = 0.95) -> Faithfulness:
    """The share of rows that pass every check, and the share for each check; Wilson intervals.

    Parameters
    ----------
    table : of any kind.
    checks : such as :func:`~synthkit.evaluate.checks.length` returns; their names must differ.

    Raises
    ------
    UsageError
        If there is no check, two have one name, one is a question for a model, or no row has a
        verdict.

    Examples
    --------
    >>> from synthkit.evaluate.checks import length, regex
    >>> rows = [{"text": "Cold soup."}, {"text": "cold soup, twice"}]
    >>> found = pass_rate(rows, [length("text", 2, 4), regex("text", "^[A-Z]")])
    >>> found.score.value, found.parts["length text 2-4 words"].value
    (0.5, 1.0)
    >>> found.verdicts[1].reason
    'regex text ^[A-Z]: does not match ^[A-Z]'
    """
    checks = [checks] if isinstance(checks, Check | Judge) else list(checks)
    if not checks:
        raise UsageError("expected one check or more, such as checks.length('text', 5, 30).")
    for check in checks:
        if not isinstance(check, Check):
            raise UsageError(f"expected a check of a row; got {check!r}. Let a model answer first.")
    names = [check.name for check in checks]
    if len(set(names)) < len(names):
        raise UsageError(f"the checks need names of their own; got {names}.")
    rows = tables.records(table)
    by_check = {check.name: [check(row) for row in rows] for check in checks}
    combined = [_combined(names, verdicts) for verdicts in zip(*by_check.values(), strict=True)]
    parts = {
        name: verdict_share(name, verdicts, level=level, empty=True)
        for name, verdicts in by_check.items()
    }
    score = verdict_share("pass rate", combined, level=level)
    return Faithfulness(score, tuple(combined), parts)


def label_accuracy(
    table: Any,
    label: str,
    oracle: Callable[[Fields], Any] | Mapping[Any, Any],
    *,
    level: float = 0.95,
) -> Faithfulness:
    """The share of rows whose label equals the one an oracle gives, with a Wilson interval.

    ``parts`` has the share for each label of the table: of the rows with this label, how many
    should have it.

    Parameters
    ----------
    label : column of labels.
    oracle : row -> its right label, or ``None`` if it knows none; or people's labels by the row's
        ``id`` (one made from its content if the table has none, see
        :func:`~synthkit.data.tables.identified`).

    Raises
    ------
    UsageError
        If no row has both labels, or the two sides have no label in common.
    TableError
        If there is no such column.

    Examples
    --------
    >>> rows = [{"id": 1, "label": "good"}, {"id": 2, "label": "good"}, {"id": 3, "label": "bad"}]
    >>> found = label_accuracy(rows, "label", {1: "good", 2: "bad"})
    >>> found.score.value, found.score.n, found.verdicts[1].reason
    (0.5, 2, "'good' should be 'bad'")
    """
    labels = tables.column(table, label)
    if isinstance(oracle, Mapping):
        right = [oracle.get(id) for id in tables.column(tables.identified(table), "id")]
        how = "people's labels"
    elif callable(oracle):
        right = [oracle(row) for row in tables.records(table)]
        how = f"labels by {getattr(oracle, '__name__', type(oracle).__name__)}"
    else:
        raise UsageError(f"expected an oracle or labels by id; got {type(oracle).__name__}.")
    if odd := [value for value in labels if not isinstance(value, Hashable)]:
        raise UsageError(f"expected labels in column {label!r}; got {odd[0]!r}.")
    labels, right = meet(labels, right, names=[class_names(table, label), None])
    pairs = list(zip(labels, right, strict=True))
    both = [pair for pair in pairs if None not in pair]
    if reason := apart((own for own, _ in both), (other for _, other in both)):
        raise UsageError(f"{reason}. Give both the same labels.")
    verdicts = [_label_verdict(*pair) for pair in pairs]
    parts = {}
    for value in dict.fromkeys(value for value in labels if value is not None):
        of_label = [v for v, other in zip(verdicts, labels, strict=True) if other == value]
        parts[str(value)] = verdict_share(str(value), of_label, level=level, empty=True)
    score = verdict_share("label accuracy", verdicts, level=level, how=how)
    return Faithfulness(score, tuple(verdicts), parts)


def judged(
    table: Any,
    rubric: str = "faithful",
    *,
    least: float = 4,
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Faithfulness:
    """The share of rows to which a judge gave a high score (Wilson interval), with its reasons.

    ``parts`` has the mean score, with a bootstrap interval over rows.
    :func:`~synthkit.evaluate.raters.judge_calibration.calibrate` compares the judge with people.

    Parameters
    ----------
    table : of any kind, scored by the recipe ``judge``: for each rubric a column of scores and
        optionally a column of reasons, ``<rubric>_reason``. A missing score is no verdict.
    rubric : the column of scores; ``faithful`` is the preset that compares texts with ``sources``.
    least : the lowest score with which a row passes. The default is for a scale from 1 to 5.

    Raises
    ------
    UsageError
        If no row has a score, or a score is not a number.
    TableError
        If there is no such column.

    References
    ----------
    Y. Liu et al. (2023), G-Eval, arXiv 2303.16634 (scores by rubric, consistency among them).

    Examples
    --------
    >>> rows = [{"faithful": 5, "faithful_reason": "All of it is in the source."},
    ...         {"faithful": 2, "faithful_reason": "The fly is made up."}]
    >>> found = judged(rows)
    >>> found.score.value, found.parts["mean score"].value, found.verdicts[1].reason
    (0.5, 3.5, '2 of 4: The fly is made up.')
    """
    scores = tables.column(table, rubric)
    column = f"{rubric}_reason"
    known = column in tables.columns(table)
    reasons = tables.column(table, column) if known else [""] * len(scores)
    verdicts = []
    for score, reason in zip(scores, reasons, strict=True):
        if score is None:
            verdicts.append(Verdict(None, "the judge gave no score"))
        elif isinstance(score, bool) or not isinstance(score, int | float):
            raise UsageError(f"expected numbers in column {rubric!r}; got {score!r}.")
        else:
            short = "" if score >= least else f"{score:g} of {least:g}: "
            verdicts.append(Verdict(score >= least, f"{short}{reason or ''}".rstrip(": ")))
    how = f"scored {least:g} or more"
    share = verdict_share(f"judged {rubric}", verdicts, level=level, how=how)
    values = [score for score in scores if score is not None]
    average = mean(
        f"mean {rubric}", values, unit="score", resamples=resamples, level=level, seed=seed
    )
    return Faithfulness(share, tuple(verdicts), {"mean score": average})


def verdict_share(
    name: str, verdicts: Sequence[Verdict], *, level: float, how: str = "", empty: bool = False
) -> Score:
    """The share of passed verdicts among all that passed or failed.

    Raises
    ------
    UsageError
        If no row has a verdict, unless ``empty`` is set; the value is then 0.5.
    """
    decided = [verdict for verdict in verdicts if verdict.passed is not None]
    if not decided and not empty:
        reason = f": {verdicts[0].reason}" if verdicts else ", as there is no row"
        raise UsageError(f"no row has a verdict for the {name}{reason}.")
    missing = len(verdicts) - len(decided)
    parts = [
        how, "Wilson", f"{missing} of {len(verdicts)} rows without a verdict" if missing else ""
    ]  # fmt: skip
    passed = [verdict.passed is True for verdict in decided]
    return proportion(name, passed, how="; ".join(filter(None, parts)), level=level)


def _combined(names: Sequence[str], verdicts: Sequence[Verdict]) -> Verdict:
    """Failed if one check failed, otherwise no verdict if one has none, otherwise passed."""
    for passed in (False, None):
        for name, verdict in zip(names, verdicts, strict=True):
            if verdict.passed is passed:
                return Verdict(passed, f"{name}: {verdict.reason}")
    return Verdict(True)


def _label_verdict(label: Any, right: Any) -> Verdict:
    if label is None or right is None:
        return Verdict(None, "no label" if label is None else "no label to compare with")
    return Verdict(True) if label == right else Verdict(False, f"{label!r} should be {right!r}")


@metric("pass rate", kind="faithfulness", of="inputs", needs=("checks",))
def _pass_rate(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """The pass rate, and that of each check if there are several."""
    rate = pass_rate(inputs.table, inputs.checks, level=inputs.level)
    yield rate.with_ids(inputs.rows.table_ids)
    if len(rate.parts) > 1:
        for score in rate.parts.values():
            yield score, inputs.rows.table_ids


@metric("label accuracy", kind="faithfulness", of="inputs", needs=("label", "against", "learner"))
def _label_accuracy(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """Label accuracy with a classifier trained on half of the real rows as the oracle."""
    train, test = (labelled_texts(half, inputs.label, column=inputs.column, name="real")
                   for half in inputs.halves)  # fmt: skip
    predict = inputs.classifier(train.texts, train.labels, None)
    skill = accuracy(*encoded(test.labels, [list(predict(test.texts))]), level=inputs.level)
    labels = dict(zip(inputs.rows.ids, predict(inputs.rows.texts), strict=True))
    faithful = label_accuracy(inputs.rows.table, inputs.label, labels, level=inputs.level)
    how = (
        f"labels by a classifier trained on {len(train)} real rows, whose accuracy is {skill} on "
        f"{skill.n} others; {inputs.classifier_name}; {faithful.score.how.split('; ')[-1]}"
    )
    yield faithful.with_ids(inputs.rows.table_ids, how=how)


@metric(
    "label accuracy (people)", kind="faithfulness", of="inputs", needs=("label", "marked labels")
)
def _marked_accuracy(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """Label accuracy with the labels that people gave as the oracle."""
    marked = inputs.marked_labels
    faithful = label_accuracy(inputs.rows.table, inputs.label, marked, level=inputs.level)
    yield faithful.with_ids(inputs.rows.table_ids, name="label accuracy (people)")


@metric("faithful by a judge", kind="faithfulness", of="inputs", needs=("faithful",), order=1)
def _judged(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """Judged faithfulness by the rubric ``faithful``."""
    faithful = judged(inputs.rows.table, level=inputs.level, seed=inputs.seed)
    yield faithful.with_ids(inputs.rows.table_ids, name="faithful by a judge")
