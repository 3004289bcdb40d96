"""Metrics of embeddings."""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Callable, Iterable

import numpy as np
from mauve.compute_mauve import (
    compute_area_under_curve,
    compute_mauve,
    get_divergence_curve_for_multinomials,
)
from prdc import compute_prdc
from scipy.linalg import sqrtm
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score
from sklearn.metrics.pairwise import cosine_distances, cosine_similarity
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import scale

from synthkit.core.types import Score
from synthkit.evaluate.metrics import embedding_diversity, embedding_fidelity
from synthkit.evaluate.metrics.mauve import mauve
from tests.evaluate import inputs
from tests.evaluate.inputs import Kind
from tests.evaluate.references import Pairs, against

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # vendi-score 0.0.3 names modules that scipy has moved
    from vendi_score.vendi import score_dual, score_K


def _labelled(x: inputs.Array) -> tuple[list[int], inputs.Array]:
    labels = np.arange(len(x)) % 2
    return labels.tolist(), labels[:, None] == labels


@against("APS", "aps", "mean cosine of pairs of texts", "{scikit-learn} `cosine_similarity`")
def _(kind: Kind) -> Pairs:
    for x in inputs.vectors(kind):
        yield embedding_diversity.aps(x), cosine_similarity(x)[~np.eye(len(x), dtype=bool)].mean()


@against("intra-label APS", "aps", "the same for pairs of one label",
         "{scikit-learn} `cosine_similarity`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for x in inputs.vectors(kind):
        labels, same = _labelled(x)
        if len(x) > 2:
            mean = cosine_similarity(x)[same & ~np.eye(len(x), dtype=bool)].mean()
            yield embedding_diversity.aps(x, labels=labels, pairs="intra"), mean


@against("inter-label APS", "aps", "the same for pairs of two labels",
         "{scikit-learn} `cosine_similarity`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for x in inputs.vectors(kind):
        labels, same = _labelled(x)
        yield (
            embedding_diversity.aps(x, labels=labels, pairs="inter"),
            cosine_similarity(x)[~same].mean(),
        )


@against("remote-clique", "remote_clique", "mean cosine distance of pairs of texts",
         "{scikit-learn} `cosine_distances`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for x in inputs.vectors(kind):
        yield (
            embedding_diversity.remote_clique(x),
            cosine_distances(x)[~np.eye(len(x), dtype=bool)].mean(),
        )


@against("Chamfer", "chamfer", "mean cosine distance of a text to its nearest neighbour",
         "{scikit-learn} `NearestNeighbors`")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for x in inputs.vectors(kind):
        far = NearestNeighbors(n_neighbors=1, metric="cosine").fit(x).kneighbors()[0]
        yield embedding_diversity.chamfer(x), far.mean()


@against("Vendi", "vendi", "exp of the Rényi entropy of order q of the eigenvalues of K/n",
         "{vendi-score}, q of .5, 1, 2, infinity; n or 1 on degenerate input")  # fmt: skip
def _(kind: Kind) -> Pairs:
    for q in (0.5, 1, 2, math.inf):
        named = "inf" if math.isinf(q) else q
        if kind == "degenerate":  # it counts eigenvalues that are rounding
            for size in (1, 2, 7):
                yield embedding_diversity.vendi(np.eye(size), q=q), size
                yield embedding_diversity.vendi(np.ones((size, 3)), q=q), 1
                yield embedding_diversity.vendi(np.repeat(np.eye(size), 3, axis=0), q=q), size
            continue
        for x in inputs.vectors(kind):
            tall = len(x) > x.shape[1]
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of q = 1, by a division that it does not use
                theirs = score_dual(x, q=named) if tall else score_K(cosine_similarity(x), q=named)
            yield embedding_diversity.vendi(x, q=q), float(theirs)


def _counted(counts: Iterable[int]) -> inputs.Array:
    """Rows at as many places at right angles as there are counts: each place is one cluster."""
    held = list(counts)
    return np.repeat(np.eye(len(held)), held, axis=0)


@against("MAUVE, of clusters", "mauve", "area under the curve of divergences from mixtures",
         "{mauve-text}, curve and area of the same counts; 1 for equal counts")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(0)
    drawn = [(rng.integers(30, size=8), rng.integers(30, size=8)) for _ in range(20)]
    few = [([5, 5], [5, 5]), ([9, 0], [0, 9]), ([1, 0], [0, 1]), ([30, 1], [1, 0])]
    for p, q in drawn if kind == "random" else few:
        for scaling in (1, 5, 20):
            shares = np.array(p) / np.sum(p), np.array(q) / np.sum(q)
            weights = np.linspace(1e-6, 1 - 1e-6, 25)
            curve = get_divergence_curve_for_multinomials(*shares, weights, scaling)
            areas = [
                compute_area_under_curve(*curve[np.argsort(curve[:, at])].T[[at, 1 - at]])
                for at in (0, 1)
            ]
            ours = mauve(_counted(q), _counted(p), clusters=len(p), scaling=scaling, draws=0)
            # of equal shares its sort of ties makes less than 1
            yield ours, 1.0 if np.array_equal(*shares) else float(np.mean(areas))


@against("MAUVE, with k-means", "mauve", "the same for clusters of joint embeddings",
         "{mauve-text} `compute_mauve`, means of 5 seeds of each")  # fmt: skip
def _(kind: Kind) -> Pairs:
    rng = np.random.default_rng(5)
    for shift in (0.0, 0.4, 1.0) if kind == "random" else ():
        x, y = (rng.normal(at, 1, size=(300, 6)).astype(np.float32) for at in (0, shift))
        ours, theirs = [], []
        for seed in range(5):
            ours.append(mauve(y, x, clusters=12, draws=0, seed=seed))
            with contextlib.redirect_stdout(io.StringIO()):
                found = compute_mauve(p_features=x, q_features=y, num_buckets=12, seed=seed)
            theirs.append(float(found.mauve))
        mean = float(np.mean([score.value for score in ours]))
        yield _as(ours[0], mean), float(np.mean(theirs))
    if kind == "degenerate":
        x = rng.normal(size=(100, 3)).astype(np.float32)
        yield mauve(x[::-1], x, draws=0), 1.0


def _as(score: Score, value: float) -> Score:
    return Score(name=score.name, value=value, n=score.n, unit=score.unit, better=score.better)


def _prdc(at: int, name: str) -> Callable[[Kind], Pairs]:
    def pairs(kind: Kind) -> Pairs:
        for real, synthetic in inputs.tables(kind):
            # a row with a copy is in no ball of prdc at k = 1, and here in its own
            copied = len(np.unique(real, axis=0)) < len(real)
            for k in (3, 5) if copied else (1, 3, 5):
                with contextlib.redirect_stdout(io.StringIO()):
                    theirs = compute_prdc(real, synthetic, k)[name]
                yield embedding_fidelity.prdc(synthetic, real, k=k)[at], float(theirs)

    return pairs


for _at, (_name, _what) in enumerate(
    {
        "precision": "share of synthetic rows in the ball of a real one",
        "recall": "share of real rows in the ball of a synthetic one",
        "density": "real balls around a synthetic row, over k",
        "coverage": "share of real rows with a synthetic one in their ball",
    }.items()
):
    against(_name, "prdc", _what, "{prdc}, k = 1, 3, 5")(_prdc(_at, _name))


@against("Fréchet distance", "frechet_distance",
         "distance of the normal distributions of both tables",
         "{scipy} `sqrtm`; by hand on degenerate input")  # fmt: skip
def _(kind: Kind) -> Pairs:
    if kind == "degenerate":
        x = np.random.default_rng(0).normal(size=(9, 20))
        yield embedding_fidelity.frechet_distance(x[::-1], x), 0.0
        yield embedding_fidelity.frechet_distance(x + 2, x), 80.0
        yield embedding_fidelity.frechet_distance([[1.0], [5.0]], [[-1.0], [1.0]]), 11.0
        yield embedding_fidelity.frechet_distance([[2.0, 2.0]] * 2, [[2.0, 2.0]] * 3), 0.0
        return
    for real, synthetic in inputs.tables(kind):
        if min(len(real), len(synthetic)) > real.shape[1]:
            one, two = (np.atleast_2d(np.cov(x.T)) for x in (real, synthetic))
            moved = real.mean(axis=0) - synthetic.mean(axis=0)
            root = np.trace(sqrtm(one @ two).real)
            yield (
                embedding_fidelity.frechet_distance(synthetic, real),
                moved @ moved + np.trace(one) + np.trace(two) - 2 * root,
            )


@against("two-sample accuracy", "two_sample", "accuracy of a classifier of real and synthetic rows",
         "{scikit-learn} `LogisticRegression`, the same half held out")  # fmt: skip
def _(kind: Kind) -> Pairs:
    line = np.arange(10.0)[:, None]
    if kind == "degenerate":
        yield embedding_fidelity.two_sample(line, line), 0.5
        yield embedding_fidelity.two_sample(line + 100, line), 1.0
        return
    for real, synthetic in inputs.tables(kind):
        n = min(len(real), len(synthetic))
        x = np.concatenate([real[:n], synthetic[:n]])
        made = np.repeat([0, 1], n)
        test = embedding_fidelity._held_out(x, made, np.random.default_rng(0))
        fitted = LogisticRegression(tol=1e-6, max_iter=10_000).fit(scale(x)[~test], made[~test])
        said = fitted.predict(scale(x)[test])
        # of equal size, since the larger table is drawn down by the same generator
        yield (
            embedding_fidelity.two_sample(synthetic[:n], real[:n]),
            accuracy_score(made[test], said),
        )
