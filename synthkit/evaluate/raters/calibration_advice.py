"""Advice on a judge from its comparison with people's marks."""

from __future__ import annotations

import math
from collections.abc import Mapping

from synthkit.core.types import Score

FEW = 10
"""With fewer marks besides the most frequent one, kappa's interval is not reliable."""
NARROW = 0.15
"""Half the width of kappa's interval above which more marks are worthwhile."""
MOST = 5
"""Most further marks to ask for, as a multiple of the marks there are."""


def advise(
    *,
    agreement: Score | None,
    ranking: Score | None,
    accuracy: Score,
    baseline: Score,
    threshold: float | None,
    marks: Mapping[str, int],
    constant: bool,
) -> str:
    """The conclusion from a judge's scores, and what to do.

    Parameters
    ----------
    agreement, ranking, accuracy, baseline, threshold : as in
        :class:`~.judge_calibration.JudgeCalibration`.
    marks : mark -> number of rows.
    constant : whether the judge gives the same answer for every row.
    """
    n = sum(marks.values())
    most = max(marks, key=marks.__getitem__)
    rare = n - marks[most]
    if agreement is None or agreement.low is None or agreement.high is None or rare < FEW:
        wanted = math.ceil((FEW - rare) * (n + 1) / (rare + 1))
        return (
            f"Too few marks: {rare} of {n} differ from {most!r}, and {FEW} are needed. Mark about "
            f"{wanted} more rows, or first those that the judge rates differently."
        )
    name = agreement.name.split()[1]
    values = f"{name} {agreement}" + (f", area under ROC {ranking}" if ranking else "")
    against = [(agreement, 0.0)] + ([(ranking, 0.5)] if ranking else [])
    sides = [_side(score, chance) for score, chance in against]
    if sides[-1] < 0:
        hint = "Check that high scores, or labels, mean the same to both."
        return f"Worse than chance: {values}. {hint}"
    if min(sides) <= 0:
        more = [
            _more_marks(n, score.value - (score.low or 0), score.value - chance)
            for score, chance in against
        ]
        mark = f"mark about {max(more)} more rows if this stays so, or " if all(more) else ""
        same = " It gives the same answer for every row." if constant else ""
        return (
            f"Not significantly better than chance with {n} marks: {values}.{same} Do not use it "
            f"yet: {mark}rewrite the rubric, or use another model."
        )
    half = (agreement.high - agreement.low) / 2
    sentences = [f"Better than chance: {values}."]
    if half > NARROW:
        more_marks = _more_marks(n, half, NARROW)
        sentences.append(
            f"About {more_marks} more marks would narrow the interval of {name} to ±{NARROW:g}."
        )
    if accuracy.value <= baseline.value:
        sentences.append(f"But always answering {most!r} would be as accurate.")
    if threshold is not None:
        sentences.append(f"Accept from a score of {threshold:g} on.")
    return " ".join(sentences)


def _side(score: Score, chance: float) -> int:
    """1 if the score is significantly above chance, -1 if below, otherwise 0."""
    low, high = (score.value if end is None else end for end in (score.low, score.high))
    return 1 if low > chance else -1 if high < chance else 0


def _more_marks(n: int, half: float, wanted: float) -> int:
    """Marks to add to ``n`` until half an interval is as wanted, since it falls with their root.

    0 if that takes too many.
    """
    if wanted <= 0 or (half / wanted) ** 2 > MOST:
        return 0
    return max(1, math.ceil(n * ((half / wanted) ** 2 - 1)))
