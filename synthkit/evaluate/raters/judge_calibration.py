"""Judge calibration: how far each judge or rubric agrees with people's marks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from synthkit.core.errors import UsageError, check_known
from synthkit.core.extras import need
from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.raters.agreement import cohen, confusion, met_pairs
from synthkit.evaluate.raters.battles import OUTCOMES
from synthkit.evaluate.raters.calibrated_judge import JudgeCalibration
from synthkit.evaluate.raters.columns import OUTCOME, VERDICTS, judge_columns
from synthkit.evaluate.raters.krippendorff import krippendorff
from synthkit.evaluate.raters.reliability import cross_fitted, reliability, roc_area, threshold
from synthkit.evaluate.registry import metric
from synthkit.evaluate.results import Advice
from synthkit.evaluate.scores import proportion

Pairs: TypeAlias = "list[tuple[Any, Any]]"
"""For each row that has both, the judge's answer and a person's mark."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Judges or rubrics by name, each compared with people's marks."""

    judges: Mapping[str, JudgeCalibration]

    def __getitem__(self, name: str) -> JudgeCalibration:
        check_known("judge", [name], self.judges)
        return self.judges[name]

    @property
    def scores(self) -> dict[str, Score]:
        """Name -> score; a name contains the judge that it is of."""
        named = [
            replace(score, name=f"{score.name} of {name}")
            for name, judge in self.judges.items()
            for score in judge.scores
        ]
        return {score.name: score for score in named}

    def frame(self) -> Any:
        """A DataFrame with a row for each judge."""
        pandas = need("pandas", extra="data", why="to show a calibration")
        rows = []
        for name, judge in self.judges.items():
            of = judge.agreement
            kappa = [None] * 3 if of is None else [of.value, of.low, of.high]
            right = [judge.accuracy.value, judge.baseline.value, judge.threshold]
            error = None if judge.reliability is None else judge.reliability.error.value
            rows.append([name, judge.n, *kappa, *right, error, judge.advice])
        names = "judge n agreement low high accuracy baseline threshold calibration_error advice"
        return pandas.DataFrame(rows, columns=names.split())


def calibrate(
    table: Any,
    marks: Mapping[Any, Any] | str,
    columns: str | Sequence[str] | None = None,
    *,
    scale: tuple[float, float] | None = None,
    folds: int = 10,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> Calibration:
    """The agreement of each judge or rubric of a table with people, with advice.

    The comparison depends on the answers and marks:

    - scores against accept and reject: kappa of the verdicts by a threshold that was chosen without
      the row, and the reliability of the scores as probabilities;
    - labels or outcomes against labels or outcomes: kappa;
    - numbers against numbers: Krippendorff's alpha (interval); accuracy and confusion are of
      rounded numbers.

    Parameters
    ----------
    table : judged by a model, such as by the recipes ``judge``, ``pairwise`` or ``variants``.
    marks : id -> ``True`` or ``False`` (``curate.accepted(marks)``), ``"accept"`` or ``"reject"``,
        a label, an outcome or a number, by people; or the column of ``table`` with them. An id is
        that of a row, or else its ``parent``'s. ``None``, ``""`` and ``"skip"`` are no mark.
    columns : of the judge's answers; by default ``outcome`` if there is one, otherwise all columns
        with a column ``<column>_reason``. Outcomes are separated by ``criterion``.
    scale : both ends of the scores; by default 0 to 1 or 1 to 5, whichever contains them.
    folds, seed : of the threshold.

    Raises
    ------
    UsageError
        If no row has both, the two cannot be equal, or the scale is not known.
    TableError
        If a column is not there.

    References
    ----------
    L. Zheng et al. (2023), arXiv 2306.05685, section 4 (agreement of judges with people).

    Examples
    --------
    >>> rows = [{"id": k, "kind": 1 + k % 5, "kind_reason": ""} for k in range(60)]
    >>> found = calibrate(rows, {row["id"]: row["kind"] > 3 for row in rows})
    >>> found["kind"].threshold, found["kind"].agreement.value
    (3.5, 1.0)
    >>> found["kind"].advice
    'Better than chance: kappa 1 [1, 1], area under ROC 1 [1, 1]. Accept from a score of 3.5 on.'
    """
    native = tables.native(table)
    row_marks = _row_marks(native, marks)
    options: dict[str, Any] = {"resamples": resamples, "level": level, "seed": seed}
    judges = {}
    for name, answers in _answers(native, columns).items():
        pairs = [
            (_as_verdict(answer), _as_verdict(mark))
            for answer, mark in zip(answers, row_marks, strict=True)
            if _is_given(answer) and _is_given(mark)
        ]
        if not pairs:
            raise UsageError(
                f"no row has both a mark and {name!r}; the marks' ids must be those of the rows, "
                "or of their parents."
            )
        judges[name] = _calibrated(name, pairs, scale, folds, options)
    return Calibration(judges)


@metric("judges", kind="people", of="inputs", needs=("judge", "marks"))
def _calibrations(inputs: EvalInputs) -> Iterator[Score | Advice]:
    """Each judge of the table compared with the marks, with advice.

    References
    ----------
    L. Zheng et al. (2023), arXiv 2306.05685, section 4.
    """
    marks = dict(inputs.marks)
    if not marks or VERDICTS & set(marks.values()):  # a label then counts as an accept
        marks = {id: "accept" if accepts else "reject" for id, accepts in inputs.verdicts.items()}
    calibration = calibrate(
        inputs.rows.table, marks, inputs.judge or None, level=inputs.level, seed=inputs.seed
    )
    yield from calibration.scores.values()
    for name, judge in calibration.judges.items():
        yield Advice(f"judge {name}", judge.advice)


def _calibrated(
    name: str,
    pairs: Pairs,
    scale: tuple[float, float] | None,
    folds: int,
    options: Mapping[str, Any],
) -> JudgeCalibration:
    """One judge, by the types of its answers and of the marks."""
    pairs = met_pairs(pairs)
    answers, marks = (set(values) for values in zip(*pairs, strict=True))
    scored, counted = (all(not isinstance(v, str) for v in values) for values in (answers, marks))
    if scored and marks <= VERDICTS:
        return _of_scores(pairs, _scale(name, answers, scale), folds, options)
    if scored and counted:
        rounded = [(f"{answer:z.0f}", f"{mark:z.0f}") for answer, mark in pairs]  # z: -0 is 0
        alpha = _defined(krippendorff, pairs, measure="interval", **options)
        return _of_labels(rounded, alpha, options["level"])
    alike = any(answers | marks <= known for known in (VERDICTS, set(OUTCOMES)))
    if scored or counted or not (answers & marks or alike):
        shown = [", ".join(map(repr, sorted(v, key=str)[:4])) for v in (answers, marks)]
        raise UsageError(
            f"{name!r} has {shown[0]}, and the marks have {shown[1]}: expected the same labels on "
            "both sides, numbers on both, or scores and 'accept' or 'reject'."
        )
    texts = [(str(answer), str(mark)) for answer, mark in pairs]
    return _of_labels(texts, _defined(cohen, texts, **options), options["level"])


def _of_scores(
    pairs: Pairs, scale: tuple[float, float], folds: int, options: Mapping[str, Any]
) -> JudgeCalibration:
    """Scores compared with accept and reject."""
    scores = np.array([answer for answer, _ in pairs], np.float64)
    accepted = np.array([mark == "accept" for _, mark in pairs])
    chances = (scores - scale[0]) / (scale[1] - scale[0])
    if min(accepted.sum(), (~accepted).sum()) < 2:
        best, passed, how = None, chances >= 0.5, "accepted from the middle of the scale on"
        ranking = None
    else:
        best = threshold(scores, accepted)
        passed = cross_fitted(scores, accepted, folds=folds, seed=options["seed"])
        how = f"threshold cross-fitted, {folds} folds at most"
        ranking = roc_area(scores, accepted, level=options["level"])
    verdicts = [
        ("accept" if accept else "reject", mark)
        for accept, (_, mark) in zip(passed, pairs, strict=True)
    ]
    kappa = _defined(cohen, verdicts, **options)
    kappa = None if kappa is None else replace(kappa, how=f"{how}; {kappa.how}")
    return replace(
        _of_labels(verdicts, kappa, options["level"]),
        threshold=best,
        ranking=ranking,
        reliability=reliability(chances, accepted, **options),
    )


def _of_labels(
    pairs: Sequence[tuple[str, str]], agreement: Score | None, level: float
) -> JudgeCalibration:
    """Labels compared with labels."""
    labels, counts = confusion(pairs)
    most, _ = Counter(mark for _, mark in pairs).most_common(1)[0]
    right, usual = [a == b for a, b in pairs], [mark == most for _, mark in pairs]
    return JudgeCalibration(
        n=len(pairs),
        agreement=agreement,
        accuracy=proportion("accuracy", right, how="Wilson", level=level),
        baseline=proportion("baseline", usual, how=f"always {most!r}; Wilson", level=level),
        labels=labels,
        confusion=counts,
    )


def _defined(agreement: Callable[..., Score], pairs: Any, **options: Any) -> Score | None:
    """The coefficient; ``None`` if all answers and marks are equal."""
    if len({value for pair in pairs for value in pair}) < 2:
        return None
    return agreement(pairs, **options)


def _scale(
    name: str, scores: Collection[float], scale: tuple[float, float] | None
) -> tuple[float, float]:
    """Both ends of the scale of the scores."""
    low, high = min(scores), max(scores)
    if scale is None:
        # if all are 1, they are a judge's worst scores rather than all probabilities of 1
        scale = (0, 1) if low >= 0 and high <= 1 and low < 1 else (1, 5)
    if not scale[0] < scale[1] or not scale[0] <= low <= high <= scale[1]:
        raise UsageError(
            f"the scores of {name!r} go from {low:g} to {high:g}, outside of {scale[0]:g} to "
            f"{scale[1]:g}; give scale=(worst, best)."
        )
    return scale


def _answers(table: Any, columns: str | Sequence[str] | None) -> dict[str, list[Any]]:
    """Judge -> its answer for each row."""
    have = tables.columns(table)
    if columns is None:
        columns = [OUTCOME] if OUTCOME in have else judge_columns(have)
        if not columns:
            raise UsageError(
                f"no column is seen to be of a judge; name it by columns=. Have {', '.join(have)}."
            )
    names = [columns] if isinstance(columns, str) else list(columns)
    answers = {name: tables.column(table, name) for name in names}
    if OUTCOME in answers and "criterion" in have:
        outcomes, criteria = answers.pop(OUTCOME), tables.column(table, "criterion")
        for criterion in dict.fromkeys(criteria):
            rows = zip(outcomes, criteria, strict=True)
            answers[str(criterion)] = [
                outcome if row_criterion == criterion else None for outcome, row_criterion in rows
            ]
    return answers


def _row_marks(table: Any, marks: Mapping[Any, Any] | str) -> list[Any]:
    """The mark of each row."""
    if isinstance(marks, str):
        return tables.column(table, marks)
    by_id = {str(id): mark for id, mark in marks.items()}
    table = tables.identified(table)
    ids = tables.column(table, "id")
    parents = tables.column(table, "parent") if "parent" in tables.columns(table) else ids
    return [
        by_id.get(str(id), by_id.get(str(parent))) for id, parent in zip(ids, parents, strict=True)
    ]


def _is_given(value: Any) -> bool:
    return value is not None and value == value and value not in ("", "skip")


def _as_verdict(value: Any) -> Any:
    """A truth value as accept or reject; a number or a text as it is."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, bool):
        return "accept" if value else "reject"
    return value if isinstance(value, int | float) else str(value)
