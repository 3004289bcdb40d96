"""Judges: how far what a judge says is what people say, rubric by rubric, and what to do then."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.evaluate.inputs import EvalInputs
from synthkit.evaluate.raters.agreement import cohen, confusion, krippendorff
from synthkit.evaluate.raters.bradley_terry import OUTCOMES
from synthkit.evaluate.raters.columns import OUTCOME, VERDICTS, judge_columns
from synthkit.evaluate.raters.reliability import (
    Floats,
    Reliability,
    cross_fitted,
    reliability,
    roc_area,
    threshold,
)
from synthkit.evaluate.registry import metric
from synthkit.evaluate.results import Advice
from synthkit.stats.intervals import wilson

Answers: TypeAlias = "list[tuple[Any, Any]]"
"""What the judge and a person said of each row that has both."""

FEW = 10
"""Marks besides the most frequent one, below which kappa's interval is not to be trusted."""
NARROW = 0.15
"""Half the width of kappa's interval, from which on more marks are worth it."""
MOST = 5
"""Times the marks there are, beyond which no more are asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """One judge, or one rubric of it, against people's marks.

    Parameters
    ----------
    n : rows that both have judged.
    agreement : Cohen's kappa, of numbers on both sides Krippendorff's alpha (interval); ``None``
        where it is not defined, as all say one and the same.
    accuracy : how often both say the same.
    baseline : how often the most frequent mark would be right.
    labels, confusion : ``confusion[i][j]`` rows got ``labels[i]`` of the judge and ``labels[j]`` of
        a person.
    threshold : for scores against accept and reject, the score from which on to accept; chosen by
        all marks, while ``agreement``, ``accuracy`` and ``confusion`` are of thresholds that were
        chosen without the row (cross-fitted).
    ranking : how often an accepted row scores higher than a rejected one (area under ROC).
    reliability : of such scores, as probabilities on their scale.
    advice : what this says, and what to do.
    """

    n: int
    agreement: Score | None
    accuracy: Score
    baseline: Score
    labels: Sequence[str]
    confusion: Sequence[Sequence[int]]
    threshold: float | None = None
    ranking: Score | None = None
    reliability: Reliability | None = None
    advice: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Judges or rubrics by name, each against people's marks."""

    judges: Mapping[str, Calibrated]

    def __getitem__(self, name: str) -> Calibrated:
        if name not in self.judges:
            raise UsageError(unknown("judge", name, self.judges))
        return self.judges[name]

    @property
    def scores(self) -> dict[str, Score]:
        """Name -> score, each under a name that says of which judge it is."""
        found = [
            replace(score, name=f"{score.name} of {name}")
            for name, one in self.judges.items()
            for score in (
                one.agreement,
                one.accuracy,
                one.baseline,
                one.ranking,
                None if one.reliability is None else one.reliability.error,
            )
            if score is not None
        ]
        return {score.name: score for score in found}

    def frame(self) -> Any:
        """A DataFrame with a row for each judge."""
        pandas = need("pandas", extra="data", why="to show a calibration")
        rows = []
        for name, one in self.judges.items():
            of = one.agreement
            kappa = [None] * 3 if of is None else [of.value, of.low, of.high]
            right = [one.accuracy.value, one.baseline.value, one.threshold]
            error = None if one.reliability is None else one.reliability.error.value
            rows.append([name, one.n, *kappa, *right, error, one.advice])
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
    """How far each judge or rubric of a table agrees with people, and what to do about it.

    What is compared depends on what was said:

    - scores against accept and reject: kappa of the verdicts by a threshold that was chosen without
      the row, and the reliability of the scores as probabilities;
    - labels or outcomes against labels or outcomes: kappa;
    - numbers against numbers: Krippendorff's alpha (interval); accuracy and confusion are of whole
      numbers, rounded.

    Parameters
    ----------
    table : judged by a model, such as by the recipes ``judge``, ``pairwise`` or ``variants``.
    marks : what people said: id -> ``True`` or ``False`` (``curate.accepted(marks)``),
        ``"accept"`` or ``"reject"``, a label, an outcome or a number; or the column of ``table``
        that has it. An id is that of a row, or else its ``parent``'s. ``None``, ``""`` and
        ``"skip"`` say nothing.
    columns : of what the judge says; by default ``outcome`` if there is one, else all that have a
        ``<column>_reason`` beside them. Outcomes are told apart by ``criterion``.
    scale : both ends of the scores; by default 0 to 1 or 1 to 5, whichever they are within.
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
    given = _marks(native, marks)
    options: dict[str, Any] = {"resamples": resamples, "level": level, "seed": seed}
    judges = {}
    for name, said in _judges(native, columns).items():
        answers = [
            (_plain(one), _plain(other))
            for one, other in zip(said, given, strict=True)
            if _says(one) and _says(other)
        ]
        if not answers:
            raise UsageError(
                f"no row has both a mark and {name!r}; the marks' ids must be those of the rows, "
                "or of their parents."
            )
        judges[name] = _calibrated(name, answers, scale, folds, options)
    return Calibration(judges)


@metric("judges", kind="people", of="inputs", needs=("judge", "marks"))
def _calibrations(inputs: EvalInputs) -> Iterator[Score | Advice]:
    """Each judge of the table against the marks, with advice."""
    marks = dict(inputs.marks)
    if VERDICTS & set(marks.values()):  # a label then counts as an accept
        marks = {id: one if one in VERDICTS else "accept" for id, one in marks.items()}
    found = calibrate(
        inputs.rows.table, marks, inputs.judge or None, level=inputs.level, seed=inputs.seed
    )
    yield from found.scores.values()
    for name, one in found.judges.items():
        yield Advice(f"judge {name}", one.advice)


def _calibrated(
    name: str,
    answers: Answers,
    scale: tuple[float, float] | None,
    folds: int,
    options: Mapping[str, Any],
) -> Calibrated:
    """One judge, by what kind of answers there are."""
    judge, person = (set(said) for said in zip(*answers, strict=True))
    scored, counted = (all(not isinstance(one, str) for one in said) for said in (judge, person))
    if scored and person <= VERDICTS:
        return _scored(name, answers, scale, folds, options)
    if scored and counted:
        rounded = [(f"{one:.0f}", f"{other:.0f}") for one, other in answers]
        alpha = _defined(krippendorff, answers, measure="interval", **options)
        return _compared(rounded, alpha, options["level"])
    alike = any(judge | person <= known for known in (VERDICTS, set(OUTCOMES)))
    if scored or counted or not (judge & person or alike):
        shown = [", ".join(map(repr, sorted(one, key=str)[:4])) for one in (judge, person)]
        raise UsageError(
            f"{name!r} has {shown[0]}, and the marks have {shown[1]}: expected the same labels on "
            "both sides, numbers on both, or scores and 'accept' or 'reject'."
        )
    labelled = [(str(one), str(other)) for one, other in answers]
    return _compared(labelled, _defined(cohen, labelled, **options), options["level"])


def _scored(
    name: str,
    answers: Answers,
    scale: tuple[float, float] | None,
    folds: int,
    options: Mapping[str, Any],
) -> Calibrated:
    """Scores against accept and reject."""
    scores = np.array([one for one, _ in answers], np.float64)
    accepted = np.array([other == "accept" for _, other in answers])
    low, high = _scale(name, scores, scale)
    chances = (scores - low) / (high - low)
    if min(accepted.sum(), (~accepted).sum()) < 2:
        best, said, how = None, chances >= 0.5, "accepted from the middle of the scale on"
        ranking = None
    else:
        best = threshold(scores, accepted)
        said = cross_fitted(scores, accepted, folds=folds, seed=options["seed"])
        how = f"threshold cross-fitted, {folds} folds at most"
        ranking = roc_area(scores, accepted, level=options["level"])
    verdicts = [
        ("accept" if one else "reject", other)
        for one, (_, other) in zip(said, answers, strict=True)
    ]
    kappa = _defined(cohen, verdicts, **options)
    kappa = None if kappa is None else replace(kappa, how=f"{how}; {kappa.how}")
    found = replace(
        _compared(verdicts, kappa, options["level"]),
        threshold=best,
        ranking=ranking,
        reliability=reliability(chances, accepted, **options),
    )
    return replace(found, advice=_advice(found))


def _compared(
    answers: Sequence[tuple[str, str]], agreement: Score | None, level: float
) -> Calibrated:
    """All that two labels of each row say."""
    labels, counts = confusion(answers)
    most, _ = Counter(other for _, other in answers).most_common(1)[0]
    found = Calibrated(
        n=len(answers),
        agreement=agreement,
        accuracy=_share("accuracy", [one == other for one, other in answers], level, ""),
        baseline=_share("baseline", [o == most for _, o in answers], level, f"always {most!r}; "),
        labels=labels,
        confusion=counts,
    )
    return replace(found, advice=_advice(found))


def _advice(found: Calibrated) -> str:
    """What a calibration says, in words, and what to do."""
    n, kappa, ranking = found.n, found.agreement, found.ranking
    marks = dict(zip(found.labels, map(sum, zip(*found.confusion, strict=True)), strict=True))
    most = max(marks, key=marks.__getitem__)
    rare = n - marks[most]
    if kappa is None or kappa.low is None or kappa.high is None or rare < FEW:
        wanted = math.ceil((FEW - rare) * (n + 1) / (rare + 1))
        return (
            f"Too few marks: {rare} of {n} are other than {most!r}, and it takes {FEW}. Mark about "
            f"{wanted} more rows, or those first of which the judge says something else."
        )
    name = kappa.name.split()[1]
    told = f"{name} {kappa}" + (f", area under ROC {ranking}" if ranking else "")
    beyond = [(kappa, 0.0)] + ([(ranking, 0.5)] if ranking else [])
    sides = [_side(score, chance) for score, chance in beyond]
    if sides[-1] < 0:
        return f"Worse than chance: {told}. See that high scores, or labels, mean the same to both."
    if min(sides) <= 0:
        more = [
            _more(n, score.value - (score.low or 0), score.value - chance)
            for score, chance in beyond
        ]
        stays = f"mark about {max(more)} more rows if that stays so, or " if all(more) else ""
        same = " It says the same of every row." if sum(map(any, found.confusion)) == 1 else ""
        return (
            f"No better than chance, as far as {n} marks tell: {told}.{same} Do not use it yet: "
            f"{stays}word the rubric anew, or take another model."
        )
    half = (kappa.high - kappa.low) / 2
    said = [f"Better than chance: {told}."]
    if half > NARROW:
        to = f"tell {name} to {NARROW:g} either way"
        said.append(f"About {_more(n, half, NARROW)} more marks would {to}.")
    if found.accuracy.value <= found.baseline.value:
        said.append(f"Yet always saying {most!r} would be right as often.")
    if found.threshold is not None:
        said.append(f"Accept from a score of {found.threshold:g} on.")
    return " ".join(said)


def _side(score: Score, chance: float) -> int:
    """1 if the score is told to be above chance, -1 if below, 0 if it is not told."""
    low, high = (score.value if end is None else end for end in (score.low, score.high))
    return 1 if low > chance else -1 if high < chance else 0


def _more(n: int, half: float, wanted: float) -> int:
    """Marks to add to ``n`` until half an interval is as wanted, as it falls with their root.

    0 where that would take too many.
    """
    if wanted <= 0 or (half / wanted) ** 2 > MOST:
        return 0
    return max(1, math.ceil(n * ((half / wanted) ** 2 - 1)))


def _defined(agreement: Callable[..., Score], answers: Any, **options: Any) -> Score | None:
    """The coefficient, or nothing where it is not defined."""
    if len({one for both in answers for one in both}) < 2:
        return None
    return agreement(answers, **options)


def _share(name: str, right: Sequence[bool], level: float, how: str) -> Score:
    low, high = wilson(sum(right), len(right), level)
    return Score(
        name=name,
        value=sum(right) / len(right),
        low=low,
        high=high,
        n=len(right),
        unit="0..1",
        better="higher",
        how=f"{how}Wilson",
        level=level,
        parts=np.array(right, np.float64),
    )


def _scale(name: str, scores: Floats, scale: tuple[float, float] | None) -> tuple[float, float]:
    """Both ends of the scale that the scores are on."""
    low, high = float(scores.min()), float(scores.max())
    if scale is None:
        # all of them 1 are the worst of a judge, and hardly all the best of a probability
        scale = (0, 1) if low >= 0 and high <= 1 and low < 1 else (1, 5)
    if not scale[0] < scale[1] or not scale[0] <= low <= high <= scale[1]:
        raise UsageError(
            f"the scores of {name!r} go from {low:g} to {high:g}, outside of {scale[0]:g} to "
            f"{scale[1]:g}; give scale=(worst, best)."
        )
    return scale


def _judges(table: Any, columns: str | Sequence[str] | None) -> dict[str, list[Any]]:
    """Name -> what each judge says of each row."""
    have = tables.columns(table)
    if columns is None:
        columns = [OUTCOME] if OUTCOME in have else judge_columns(have)
        if not columns:
            raise UsageError(
                f"no column is seen to be of a judge; name it by columns=. Have {', '.join(have)}."
            )
    names = [columns] if isinstance(columns, str) else list(columns)
    said = {name: tables.column(table, name) for name in names}
    if OUTCOME in said and "criterion" in have:
        outcomes, criteria = said.pop(OUTCOME), tables.column(table, "criterion")
        for one in dict.fromkeys(criteria):
            of_it = zip(outcomes, criteria, strict=True)
            said[str(one)] = [outcome if own == one else None for outcome, own in of_it]
    return said


def _marks(table: Any, marks: Mapping[Any, Any] | str) -> list[Any]:
    """What people said of each row."""
    if isinstance(marks, str):
        return tables.column(table, marks)
    known = {str(id): mark for id, mark in marks.items()}
    table = tables.identified(table)
    ids = tables.column(table, "id")
    parents = tables.column(table, "parent") if "parent" in tables.columns(table) else ids
    return [known.get(str(id), known.get(str(of))) for id, of in zip(ids, parents, strict=True)]


def _says(one: Any) -> bool:
    return one is not None and one == one and one not in ("", "skip")


def _plain(one: Any) -> Any:
    """A verdict of yes or no as accept or reject, and any other as it is."""
    if isinstance(one, bool):
        return "accept" if one else "reject"
    return one if isinstance(one, int | float) else str(one)
