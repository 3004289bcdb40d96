"""Faithfulness: how far rows are what they should be, each row with its verdict.

A row of which nothing can be said (a check that raised, a label nobody gave) is neither right nor
wrong: it is left out of the share, and ``how`` counts it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.core.errors import UsageError, unknown
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.evaluate.checks import Check, Judge, Row, Verdict
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.metrics.accuracy import accuracy, coded
from synthkit.evaluate.metrics.learners import labelled
from synthkit.evaluate.registry import metric
from synthkit.stats.bootstrap import bootstrap
from synthkit.stats.intervals import wilson

Floats: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """A share of rows, the verdict on each row in the order of the table, and shares of parts.

    ``parts`` has a score for each check, or for each label; of a judge's scores the mean.
    """

    score: Score
    verdicts: tuple[Verdict, ...]
    parts: Mapping[str, Score] = field(default_factory=dict)

    def with_ids(self, ids: Sequence[str]) -> tuple[Score, list[str]]:
        """The score with the ids of the rows that have a verdict, of the ids of all rows."""
        both = zip(self.verdicts, ids, strict=True)
        return self.score, [id for verdict, id in both if verdict.passed is not None]


@metric("pass rate", kind="faithfulness", of="inputs", needs=("checks",))
def _pass_rate(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """The pass rate, and that of each check if there are several."""
    found = pass_rate(inputs.table, inputs.checks, level=inputs.level)
    yield found.with_ids(inputs.rows.table_ids)
    if len(found.parts) > 1:
        for score in found.parts.values():
            yield score, inputs.rows.table_ids


@metric("label accuracy", kind="faithfulness", of="inputs", needs=("label", "against", "learner"))
def _label_accuracy(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """Label accuracy by a classifier that learned from half of the real rows."""
    train, test = (labelled(half, inputs.label, column=inputs.column, name="real")
                   for half in inputs.halves)  # fmt: skip
    predict = inputs.classifier(train.texts, train.labels, None)
    own = accuracy(*coded(test.labels, [list(predict(test.texts))]), level=inputs.level)
    labels = dict(zip(inputs.rows.ids, predict(inputs.rows.texts), strict=True))
    found = label_accuracy(inputs.rows.table, inputs.label, labels, level=inputs.level)
    score, ids = found.with_ids(inputs.rows.table_ids)
    how = (
        f"labels by a classifier of {len(train)} real rows, itself right on {own} of {own.n} "
        f"others; {inputs.classifier_name}; {score.how.split('; ')[-1]}"
    )
    yield replace(score, how=how), ids


@metric(
    "label accuracy (people)", kind="faithfulness", of="inputs", needs=("label", "marked labels")
)
def _marked_accuracy(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """Label accuracy by the labels that people gave."""
    marked = inputs.marked_labels
    found = label_accuracy(inputs.rows.table, inputs.label, marked, level=inputs.level)
    score, ids = found.with_ids(inputs.rows.table_ids)
    yield replace(score, name="label accuracy (people)"), ids


@metric("grounding", kind="faithfulness", of="inputs", needs=("source",))
def _grounded(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """Grounded spans: whether each whole text is found in its source."""
    sources = inputs.rows.of(tables.column(inputs.rows.table, inputs.source))
    found = grounded(inputs.rows.texts, sources, level=inputs.level, seed=inputs.seed)
    yield found.with_ids(inputs.rows.ids)


@metric("faithful by a judge", kind="faithfulness", of="inputs", needs=("faithful",))
def _judged(inputs: EvalInputs) -> Iterator[tuple[Score, Sequence[str]]]:
    """Judged faithfulness by the rubric ``faithful``."""
    found = judged(inputs.rows.table, level=inputs.level, seed=inputs.seed)
    score, ids = found.with_ids(inputs.rows.table_ids)
    yield replace(score, name="faithful by a judge"), ids


def pass_rate(table: Any, checks: Check | Sequence[Check], *, level: float = 0.95) -> Faithfulness:
    """The share of rows that pass every check, with a Wilson interval, and that of each check.

    Parameters
    ----------
    table : of any kind.
    checks : such as :func:`~synthkit.evaluate.checks.length` makes; their names must differ.

    Raises
    ------
    UsageError
        If there is no check, two have one name, one is a question for a model, or no row got a
        verdict.

    Examples
    --------
    >>> from synthkit.evaluate.checks import length, regex
    >>> rows = [{"text": "Cold soup."}, {"text": "cold soup, twice"}]
    >>> found = pass_rate(rows, [length("text", 2, 4), regex("text", "^[A-Z]")])
    >>> found.score.value, found.parts["length text 2-4 words"].value
    (0.5, 1.0)
    >>> found.verdicts[1].reason
    "regex text ^[A-Z]: does not match '^[A-Z]'"
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
    said = {check.name: [check(row) for row in rows] for check in checks}
    together = [_together(names, each) for each in zip(*said.values(), strict=True)]
    parts = {name: _share(name, verdicts, level, empty=True) for name, verdicts in said.items()}
    return Faithfulness(_share("pass rate", together, level), tuple(together), parts)


def label_accuracy(
    table: Any,
    label: str,
    oracle: Callable[[Row], Any] | Mapping[Any, Any],
    *,
    level: float = 0.95,
) -> Faithfulness:
    """The share of rows whose label is the one an oracle gives, with a Wilson interval.

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
        If no row has both labels, or the two sides are of different types, as ``"1"`` and ``1``.
    TableError
        If there is no such column.

    Examples
    --------
    >>> rows = [{"id": 1, "label": "good"}, {"id": 2, "label": "good"}, {"id": 3, "label": "bad"}]
    >>> found = label_accuracy(rows, "label", {1: "good", 2: "bad"})
    >>> found.score.value, found.score.n, found.verdicts[1].reason
    (0.5, 2, "'good' should be 'bad'")
    """
    given = tables.column(table, label)
    if isinstance(oracle, Mapping):
        right = [oracle.get(id) for id in tables.column(tables.identified(table), "id")]
        who = "people's labels"
    elif callable(oracle):
        right = [oracle(row) for row in tables.records(table)]
        who = f"labels by {getattr(oracle, '__name__', type(oracle).__name__)}"
    else:
        raise UsageError(f"expected an oracle or labels by id; got {type(oracle).__name__}.")
    verdicts = [_labelled(one, other) for one, other in zip(given, right, strict=True)]
    both = [
        (_type(one), _type(other))
        for one, other in zip(given, right, strict=True)
        if one is not None and other is not None
    ]
    if both and not {one for one, _ in both} & {other for _, other in both}:
        raise UsageError(
            f"the table's labels are of type {both[0][0]}, the others of {both[0][1]}: none can be "
            "equal. Turn one of them into the other."
        )
    parts = {}
    if odd := [one for one in given if not isinstance(one, Hashable)]:
        raise UsageError(f"expected labels in column {label!r}; got {odd[0]!r}.")
    for one in dict.fromkeys(one for one in given if one is not None):
        own = [verdict for verdict, other in zip(verdicts, given, strict=True) if other == one]
        parts[str(one)] = _share(str(one), own, level, empty=True)
    return Faithfulness(_share("label accuracy", verdicts, level, who), tuple(verdicts), parts)


def grounded(
    spans: Sequence[str | Sequence[str] | None],
    sources: Sequence[str | Sequence[str] | None],
    *,
    match: Literal["exact", "whitespace"] = "whitespace",
    resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Faithfulness:
    """The share of spans that are found, word for word, in the sources of their row.

    A row passes if all its spans are found; one without spans has no verdict. The interval is a
    bootstrap over rows, whose spans are drawn together; where all spans are found, or none, it is
    Wilson's with the number of rows.

    Parameters
    ----------
    spans : for each row a span, or several; blank ones are passed over.
    sources : for each row a source, or several.
    match : ``"exact"``, or ``"whitespace"``: any run of blanks and line ends is one blank.

    Raises
    ------
    UsageError
        If there is no span, or the two are not of one length.

    Examples
    --------
    >>> found = grounded(["cold soup", ["the waiter", "a fly"]],
    ...                  ["We had cold\\nsoup.", "A fly, said the waiter."])
    >>> round(found.score.value, 2), found.verdicts[1].reason
    (0.67, "'a fly' is not in the source")
    """
    if match not in ("exact", "whitespace"):
        raise UsageError(unknown("match", str(match), ("exact", "whitespace")))
    if len(spans) != len(sources):
        raise UsageError(f"expected sources for {len(spans)} rows; got {len(sources)}.")
    verdicts, found, total = [], [], []
    for own, those in zip(spans, sources, strict=True):
        wanted = [_blanks(span, match) for span in _several(own) if span.strip()]
        held = [_blanks(source, match) for source in _several(those)]
        lost = [span for span in wanted if not any(span in source for source in held)]
        found.append(len(wanted) - len(lost))
        total.append(len(wanted))
        reason = f"{lost[0]!r} is not in the source" if lost else "" if wanted else "no span"
        verdicts.append(Verdict(not lost if wanted else None, reason))
    hits, counts = (np.array(one, np.float64)[np.array(total, int) > 0] for one in (found, total))
    if not len(counts):
        raise UsageError("expected spans to look for; got none.")
    share = float(hits.sum() / counts.sum())
    how = f"{match} match of {counts.sum():.0f} spans"
    if share in (0.0, 1.0):
        low, high = wilson(share * len(counts), len(counts), level)
        how += "; Wilson over rows"
    else:
        low, high = bootstrap(
            lambda rows: hits[rows].sum(axis=-1) / counts[rows].sum(axis=-1),
            len(counts),
            vectorised=True,
            resamples=resamples,
            level=level,
            seed=seed,
        )
        how += f"; bootstrap over rows, {resamples} resamples, seed {seed}"
    score = Score(
        name="grounded spans",
        value=share,
        low=low,
        high=high,
        n=len(counts),
        unit="0..1",
        better="higher",
        how=how,
        level=level,
        # of a ratio of sums, to the first order
        parts=share + (hits - share * counts) / counts.mean(),
    )
    return Faithfulness(score, tuple(verdicts))


def entailment(
    premises: Sequence[str],
    hypotheses: Sequence[str],
    score: Callable[[Sequence[str], Sequence[str]], ArrayLike],
    *,
    threshold: float = 0.5,
    level: float = 0.95,
) -> Faithfulness:
    """The share of hypotheses that a model takes to follow from their premises (Wilson interval).

    Parameters
    ----------
    premises, hypotheses : (n,) texts, such as sources and what was written from them.
    score : (premises, hypotheses) -> (n,) probabilities of entailment, 0..1; NaN is no verdict.
    threshold : the probability from which on a hypothesis follows.

    Raises
    ------
    UsageError
        If there is no pair, the lengths differ, or the model gives anything but probabilities.

    References
    ----------
    O. Honovich et al. (2022), TRUE: re-evaluating factual consistency evaluation, NAACL, section 3.

    Examples
    --------
    >>> def same_words(premises, hypotheses):
    ...     return [float(set(h.split()) <= set(p.split())) for p, h in zip(premises, hypotheses)]
    >>> entailment(["the soup was cold"] * 2, ["the soup", "a fly"], same_words).score.value
    0.5
    """
    if len(premises) != len(hypotheses):
        raise UsageError(f"expected {len(premises)} hypotheses; got {len(hypotheses)}.")
    try:
        likely = np.asarray(score(premises, hypotheses) if len(premises) else [], np.float64)
    except (TypeError, ValueError):
        likely = np.full(1 + len(premises), np.nan)
    if likely.shape != (len(premises),) or ((likely < 0) | (likely > 1)).any():
        raise UsageError(f"expected {len(premises)} probabilities from the model, 0..1 each.")
    verdicts = [
        Verdict(None, "the model gave no probability")
        if np.isnan(one)
        else Verdict(bool(one >= threshold), f"entailed with probability {one:.2f}")
        for one in likely
    ]
    how = f"entailed from a probability of {threshold:g} on"
    return Faithfulness(_share("entailment", verdicts, level, how), tuple(verdicts))


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

    ``parts`` has the mean score, with a bootstrap interval over rows. What the judge says is worth
    what :func:`~synthkit.evaluate.raters.reliability.calibrate` finds against people's marks.

    Parameters
    ----------
    table : of any kind, scored by the recipe ``judge``: for each rubric a column of scores and,
        where it gave them, one of reasons, ``<rubric>_reason``. A missing score is no verdict.
    rubric : the column of scores; ``faithful`` is the preset that holds texts against ``sources``.
    least : the score from which on a row passes. The default is for a scale from 1 to 5.

    Raises
    ------
    UsageError
        If no row has a score, or one is not a number.
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
    why = f"{rubric}_reason"
    told = tables.column(table, why) if why in tables.columns(table) else [""] * len(scores)
    verdicts = []
    for score, reason in zip(scores, told, strict=True):
        if score is None:
            verdicts.append(Verdict(None, "the judge gave no score"))
        elif isinstance(score, bool) or not isinstance(score, int | float):
            raise UsageError(f"expected numbers in column {rubric!r}; got {score!r}.")
        else:
            short = "" if score >= least else f"{score:g} of {least:g}: "
            verdicts.append(Verdict(score >= least, f"{short}{reason or ''}".rstrip(": ")))
    share = _share(f"judged {rubric}", verdicts, level, f"scored {least:g} or more")
    values = np.array([one for one in scores if one is not None], np.float64)
    low, high = bootstrap(
        lambda rows: values[rows].mean(axis=-1),
        len(values),
        vectorised=True,
        resamples=resamples,
        level=level,
        seed=seed,
    )
    mean = Score(
        name=f"mean {rubric}",
        value=float(values.mean()),
        low=low,
        high=high,
        n=len(values),
        unit="score",
        better="higher",
        how=f"bootstrap over rows, {resamples} resamples, seed {seed}",
        level=level,
        parts=values,
    )
    return Faithfulness(share, tuple(verdicts), {"mean score": mean})


def _together(names: Sequence[str], verdicts: Sequence[Verdict]) -> Verdict:
    """Failed if one is, else without a verdict if one is, else passed."""
    for kind in (False, None):
        for name, verdict in zip(names, verdicts, strict=True):
            if verdict.passed is kind:
                return Verdict(kind, f"{name}: {verdict.reason}")
    return Verdict(True)


def _share(
    name: str, verdicts: Sequence[Verdict], level: float, how: str = "", *, empty: bool = False
) -> Score:
    known = [verdict for verdict in verdicts if verdict.passed is not None]
    if not known and not empty:
        reason = f": {verdicts[0].reason}" if verdicts else ", as there is no row"
        raise UsageError(f"no row has a verdict for the {name}{reason}.")
    passed = sum(verdict.passed is True for verdict in known)
    low, high = wilson(passed, len(known), level)
    parts = [how, "Wilson"]
    if len(known) < len(verdicts):
        parts.append(f"{len(verdicts) - len(known)} of {len(verdicts)} rows without a verdict")
    return Score(
        name=name,
        # of nothing, the middle of the interval, which is then all of 0..1
        value=passed / len(known) if known else 0.5,
        low=low,
        high=high,
        n=len(known),
        unit="0..1",
        better="higher",
        how="; ".join(filter(None, parts)),
        level=level,
        parts=np.array([verdict.passed for verdict in known], np.float64),
    )


def _labelled(given: Any, right: Any) -> Verdict:
    if given is None or right is None:
        return Verdict(None, "no label" if given is None else "no label to compare with")
    return Verdict(True) if given == right else Verdict(False, f"{given!r} should be {right!r}")


def _type(label: Any) -> str:
    return "number" if isinstance(label, int | float) else type(label).__name__


def _several(texts: str | Sequence[str] | None) -> list[str]:
    if texts is None:
        return []
    alone = isinstance(texts, str) or not isinstance(texts, Iterable)
    several: list[Any] = [texts] if alone else list(texts)
    for text in several:
        if not isinstance(text, str):
            raise UsageError(f"expected text; got {text!r}.")
    return several


def _blanks(text: str, match: str) -> str:
    return text if match == "exact" else " ".join(text.split())
