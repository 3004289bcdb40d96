"""One judge compared with people's marks: its scores, and the advice that follows from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from synthkit.core.types import Score
from synthkit.evaluate.raters.reliability import Reliability

FEW = 10
"""With fewer marks besides the most frequent one, kappa's interval is not reliable."""
NARROW = 0.15
"""Half the width of kappa's interval above which more marks are worthwhile."""
MOST = 5
"""Most further marks to ask for, as a multiple of the marks there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeCalibration:
    """One judge, or one rubric of it, compared with people's marks.

    Parameters
    ----------
    n : rows with an answer of the judge and a mark.
    agreement : Cohen's kappa, for numbers on both sides Krippendorff's alpha (interval); ``None``
        if it is not defined, because all answers and marks are equal.
    accuracy : share of rows on which both agree.
    baseline : accuracy of always answering the most frequent mark.
    labels, confusion : ``confusion[i][j]`` rows got ``labels[i]`` from the judge and ``labels[j]``
        from a person.
    threshold : for scores against accept and reject, the score from which on to accept, chosen on
        all marks. ``agreement``, ``accuracy`` and ``confusion`` are of thresholds that were chosen
        without the row (cross-fitted).
    ranking : how often an accepted row scores higher than a rejected one (area under ROC).
    reliability : of such scores, as probabilities on their scale.
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

    @property
    def scores(self) -> list[Score]:
        """All its scores that are defined."""
        error = None if self.reliability is None else self.reliability.error
        every = (self.agreement, self.accuracy, self.baseline, self.ranking, error)
        return [score for score in every if score is not None]

    @property
    def advice(self) -> str:
        """The conclusion, and what to do."""
        n, agreement, ranking = self.n, self.agreement, self.ranking
        totals = [sum(column) for column in zip(*self.confusion, strict=True)]
        most, rare = self.labels[totals.index(max(totals))], n - max(totals)
        if agreement is None or agreement.low is None or agreement.high is None or rare < FEW:
            to_mark = math.ceil((FEW - rare) * (n + 1) / (rare + 1))
            return (
                f"Too few marks: {rare} of {n} differ from {most!r}, and {FEW} are needed. Mark "
                f"about {to_mark} more rows, or first those that the judge rates differently."
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
            constant = sum(map(any, self.confusion)) == 1
            same = " It gives the same answer for every row." if constant else ""
            return (
                f"Not significantly better than chance with {n} marks: {values}.{same} Do not use "
                f"it yet: {mark}rewrite the rubric, or use another model."
            )
        half = (agreement.high - agreement.low) / 2
        sentences = [f"Better than chance: {values}."]
        if half > NARROW:
            more_marks = _more_marks(n, half, NARROW)
            sentences.append(
                f"About {more_marks} more marks would narrow the interval of {name} to ±{NARROW:g}."
            )
        if self.accuracy.value <= self.baseline.value:
            sentences.append(f"But always answering {most!r} would be as accurate.")
        if self.threshold is not None:
            sentences.append(f"Accept from a score of {self.threshold:g} on.")
        return " ".join(sentences)


def _side(score: Score, chance: float) -> int:
    """1 if the score is significantly above chance, -1 if below, otherwise 0."""
    low, high = (score.value if end is None else end for end in (score.low, score.high))
    return 1 if low > chance else -1 if high < chance else 0


def _more_marks(n: int, half: float, target: float) -> int:
    """Marks to add to ``n`` until half an interval is as wanted, since it falls with their root.

    0 if that takes too many.
    """
    if target <= 0 or (half / target) ** 2 > MOST:
        return 0
    return max(1, math.ceil(n * ((half / target) ** 2 - 1)))
