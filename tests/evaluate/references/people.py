"""Metrics of people, judges and systems, and intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import evalica
import numpy as np
import pandas as pd
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import cohen_kappa_score, roc_auc_score
from statsmodels.genmod.families import Binomial
from statsmodels.genmod.generalized_linear_model import GLM
from statsmodels.stats.inter_rater import fleiss_kappa
from statsmodels.stats.proportion import proportion_confint

from synthkit.evaluate import left_wins
from synthkit.evaluate.raters.agreement import cohen, fleiss
from synthkit.evaluate.raters.battles import OUTCOMES, Battle, Outcome, order_consistency, win_rate
from synthkit.evaluate.raters.bradley_terry import ratings
from synthkit.evaluate.raters.krippendorff import krippendorff
from synthkit.evaluate.raters.length_control import length_controlled
from synthkit.evaluate.raters.reliability import reliability, roc_area
from synthkit.stats.bootstrap import bootstrap
from synthkit.stats.intervals import wilson
from synthkit.stats.jackknife import jackknife, pseudo_values
from tests.evaluate import inputs
from tests.evaluate.inputs import Kind
from tests.evaluate.references import Pairs, against


@against("Cohen's kappa", "cohen", "agreement of two raters beyond chance",
         "{scikit-learn} `cohen_kappa_score`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for first, second in inputs.labels(kind):
        ours = cohen(list(zip(first, second, strict=True)), resamples=2)
        yield ours, cohen_kappa_score(first, second)


@against("Fleiss' kappa", "fleiss", "agreement of several raters beyond chance",
         "{statsmodels} `fleiss_kappa`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(7)
    given = [rng.multinomial(raters, [0.5, 0.3, 0.2], size=40) for raters in (2, 3, 9)]
    few = [[[2, 0], [0, 2]], [[1, 1]], [[1, 1], [1, 1]], [[3, 0, 0], [2, 1, 0]]]
    for table in given if kind == "random" else map(np.array, few):
        yield fleiss(table, resamples=2), fleiss_kappa(table)


def _alpha(measure: Any) -> Callable[[Kind], Pairs]:
    def pairs(kind: Kind) -> Pairs:
        for given in inputs.ratings(kind):
            theirs = evalica.alpha(pd.DataFrame(given.T), measure).alpha
            yield krippendorff(given.tolist(), measure, resamples=2), theirs

    return pairs


for _measure in ("nominal", "ordinal", "interval", "ratio"):
    against(
        f"Krippendorff's alpha ({_measure})", "krippendorff",
        "1 - observed over expected disagreement", "{evalica} `alpha`",
    )(_alpha(_measure))  # fmt: skip


def _battles(kind: Kind) -> list[list[Battle]]:
    if kind == "degenerate":
        each: list[tuple[Outcome, ...]] = [
            ("tie",),
            ("first", "second"),
            ("tie",) * 9,
        ]
        return [[Battle("a", "b", one) for one in outcomes] for outcomes in each]
    rng = np.random.default_rng(8)
    found = []
    for systems in (2, 4, 9):
        pairs = [rng.choice(systems, 2, replace=False) for _ in range(600)]
        outcomes = rng.choice(OUTCOMES, size=600, p=[0.5, 0.3, 0.2])
        found.append(
            [Battle(f"s{i}", f"s{j}", o) for (i, j), o in zip(pairs, outcomes, strict=True)]
        )
    return found


@against("Bradley-Terry rating", "ratings", "1000 + 400 theta / ln 10, P = 1 / (1 + exp(-theta))",
         "{evalica} `bradley_terry`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    winners = {"first": evalica.Winner.X, "second": evalica.Winner.Y, "tie": evalica.Winner.Draw}
    for battles in _battles(kind):
        first, second = [one.first for one in battles], [one.second for one in battles]
        said = [winners[one.outcome] for one in battles]
        found = evalica.bradley_terry(first, second, said, tolerance=1e-12, limit=100_000).scores
        theta = np.log(found)
        theirs = 1000 + 400 * (theta - theta.mean()) / np.log(10)
        for name, score in ratings(battles, resamples=2).items():
            yield score, theirs[name]


POINTS = {"first": 1.0, "second": 0.0, "tie": 0.5}


@against("win rate", "win_rate", "wins over battles, a tie half a win", "means by pandas")
def _(kind: Kind) -> Pairs:
    for battles in _battles(kind):
        frame = pd.DataFrame([(b.first, b.second, POINTS[b.outcome]) for b in battles])
        turned = pd.DataFrame({0: frame[1], 1: frame[0], 2: 1 - frame[2]})
        for name, rate in pd.concat([frame, turned]).groupby(0)[2].mean().items():
            yield win_rate(battles, str(name)), rate


def _judged(kind: Kind) -> list[list[tuple[Any, Any]]]:
    if kind == "degenerate":
        return [[("first", "first")], [("tie", "tie"), ("first", "second")], [("tie", "first")] * 3]
    rng = np.random.default_rng(9)
    return [list(map(tuple, rng.choice(OUTCOMES, size=(n, 2)))) for n in (5, 40, 300)]


@against("order consistency", "order_consistency", "share of pairs with one winner in both orders",
         "plain count")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for pairs in _judged(kind):
        same = [POINTS[one] + POINTS[other] == 1 for one, other in pairs]
        yield order_consistency(pairs)[0], float(np.mean(same))


@against("first shown wins", "order_consistency", "share of winners that were shown first",
         "plain count")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for pairs in _judged(kind):
        said = [POINTS[one] for pair in pairs for one in pair if pair != ("tie", "tie")]
        yield order_consistency(pairs)[1], float(np.mean(said))


@against("length-controlled win rate", "length_controlled",
         "1 / (1 + exp(-theta)), logit P = theta + phi tanh(d / std d)",
         "{statsmodels} `GLM`, binomial")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(10)
    for n in (30, 100, 400):
        outcomes = rng.choice(OUTCOMES, size=n).tolist()
        ours, theirs = rng.integers(50, 300, n), rng.integers(50, 200, n)
        if kind == "degenerate":
            score = length_controlled(outcomes, ours, ours, resamples=2)
            yield score, float(np.mean([POINTS[one] for one in outcomes]))
            continue
        apart = ours - theirs
        design = np.stack([np.ones(n), np.tanh(apart / apart.std())], axis=1)
        won = [POINTS[one] for one in outcomes]
        theta = GLM(won, design, family=Binomial()).fit(tol=1e-14).params[0]
        score = length_controlled(outcomes, ours, theirs, resamples=2)
        yield score, 1 / (1 + np.exp(-theta))


def _predicted(kind: Kind) -> list[tuple[Any, Any]]:
    """Probabilities, and what came true."""
    if kind == "degenerate":
        few: list[Any] = [[0.5, 0.5], [0.0, 1.0], [1.0, 0.0], [0.3] * 5]
        return [(np.array(p), np.arange(len(p)) % 2) for p in few]
    rng = np.random.default_rng(15)
    drawn = [rng.random(40), rng.integers(5, size=60) / 4, rng.random(500) ** 2]
    return [(p, rng.random(len(p)) < p) for p in drawn]


@against("expected calibration error", "reliability",
         "mean over bins of the gap between predicted and observed shares",
         "bins of {scikit-learn} `calibration_curve`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for p, y in _predicted(kind):
        shares, means = calibration_curve(y, p, n_bins=10)
        bins = pd.cut(p, np.linspace(0, 1, 11).tolist(), include_lowest=True)
        counts = np.bincount(bins.codes)
        gaps = np.abs(shares - means)
        yield reliability(p, y, resamples=2).error, counts[counts > 0] @ gaps / len(p)


@against("area under ROC", "roc_area", "how often an accepted row scores higher; ties half",
         "{scikit-learn} `roc_auc_score`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for p, y in _predicted(kind):
        yield roc_area(p, y), roc_auc_score(y, p)


@against("left wins", "left_wins", "share of winners that were on the left", "plain count")
def _(kind: Kind) -> Pairs:
    for pairs in _judged(kind):
        outcomes = [one for one, _ in pairs]
        left = ["first" if at % 3 else "second" for at in range(len(pairs))]
        won = [o == side for o, side in zip(outcomes, left, strict=True) if o != "tie"]
        yield left_wins(outcomes, left), float(np.mean(won)) if won else 0.5


# ---- intervals


@against("Wilson interval", "wilson", "the shares that the score test does not reject",
         "{statsmodels} `proportion_confint`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(11)
    drawn = [(int(rng.integers(n + 1)), int(n)) for n in rng.integers(1, 5000, size=100)]
    for successes, n in drawn if kind == "random" else [(0, 1), (1, 1), (1, 2), (0, 9), (9, 9)]:
        for level in (0.9, 0.95):
            theirs = proportion_confint(successes, n, 1 - level, method="wilson")
            yield from zip(wilson(successes, n, level), theirs, strict=True)


@against("jackknife", "jackknife", "value -+ t sqrt((n - 1) var(left out))",
         "{scipy} `t.interval` of a mean, in standard errors")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(12)
    given = [rng.gamma(2, size=n) for n in (5, 20, 300)]
    for x in given if kind == "random" else [np.ones(4), np.zeros(2)]:
        left, error = (x.sum() - x) / (len(x) - 1), stats.sem(x) or 1.0
        ours = jackknife(x.mean(), left)
        theirs = stats.t.interval(0.95, len(x) - 1, x.mean(), error) if np.ptp(x) else (x[0],) * 2
        yield from zip(np.array(ours) / error, np.array(theirs) / error, strict=True)


@against("pseudo-values", "pseudo_values", "value + (n - 1) (mean - left out)",
         "the rows of a mean")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(13)
    given = [rng.gamma(2, size=n) for n in (5, 20, 300)]
    for x in given if kind == "random" else [np.ones(4), np.arange(2.0)]:
        yield from zip(pseudo_values(x.mean(), (x.sum() - x) / (len(x) - 1)), x, strict=True)


def _bootstrap(method: Any, name: str) -> Callable[[Kind], Pairs]:
    def pairs(kind: Kind) -> Pairs:
        rng = np.random.default_rng(14)
        if kind == "degenerate":
            for x in (np.ones(5), np.array([3.0])):
                ends = bootstrap(lambda rows, x=x: x[rows].mean(), len(x), method=method)
                yield from zip(ends, (x[0], x[0]), strict=True)
            return
        for n in (20, 60):
            x = rng.exponential(size=n)
            ours = bootstrap(
                lambda rows, x=x: x[rows].mean(axis=-1), n, method=method, vectorised=True,
                resamples=50_000,
            )  # fmt: skip
            theirs = stats.bootstrap(
                (x,), np.mean, method=name, n_resamples=50_000, vectorized=True,
                batch=10_000, rng=np.random.default_rng(0),
            ).confidence_interval  # fmt: skip
            yield from zip(np.array(ours), theirs, strict=True)

    return pairs


for _method, _name in (("percentile", "percentile"), ("bca", "BCa")):
    against(f"bootstrap, {_name}", "bootstrap", "quantiles of resamples of rows",
            "{scipy} `bootstrap`, the same draws")(_bootstrap(_method, _name))  # fmt: skip
