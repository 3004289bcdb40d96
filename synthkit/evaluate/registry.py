"""The metrics of a report: what each needs, and how it is made from what is given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.core.types import Score
from synthkit.data import tables as tables
from synthkit.evaluate.inputs import EvalInputs, TextTable
from synthkit.evaluate.metrics import (
    embedding_diversity,
    embedding_fidelity,
    lexical_diversity,
    mauve_and_divergence,
)
from synthkit.evaluate.metrics.accuracy import accuracy, coded
from synthkit.evaluate.metrics.faithfulness import (
    Faithfulness,
    grounded,
    judged,
    label_accuracy,
    pass_rate,
)
from synthkit.evaluate.metrics.learners import labelled
from synthkit.evaluate.metrics.memorization import memorised
from synthkit.evaluate.metrics.self_bleu import self_bleu
from synthkit.evaluate.metrics.tstr import gain, tstr
from synthkit.evaluate.raters.agreement import cohen
from synthkit.evaluate.raters.judge_calibration import OUTCOME, VERDICTS, reasoned
from synthkit.evaluate.results import Measured
from synthkit.stats.bootstrap import Difference
from synthkit.stats.intervals import wilson

FAITHFUL = "faithful"
"""The rubric by which the recipe ``judge`` holds texts against their sources."""


@dataclass(frozen=True, slots=True)
class Metric:
    """Makes one score or several that belong together.

    Parameters
    ----------
    name : by which it is chosen or left out.
    kind : diversity, distribution, faithfulness, memorisation, people or utility.
    needs : keys of :data:`NEEDS`.
    make : gives scores with the ids of their rows.
    advice : what to do by them: what it is about -> in words.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    make: Callable[[EvalInputs], Iterable[tuple[Score, Sequence[str]]]]
    advice: Callable[[EvalInputs], Mapping[str, str]] = lambda given: {}

    def lacks(self, given: EvalInputs) -> list[str]:
        """What it needs and is not given, in words."""
        return [NEEDS[need][1] for need in self.needs if not NEEDS[need][0](given)]

    def __call__(self, given: EvalInputs) -> list[Measured]:
        """The scores of what is given."""
        found = []
        for score, ids in self.make(given):
            whole = score.parts is not None and len(score.parts) == len(ids)
            found.append(Measured(self.kind, score, ids if whole else None))
        return found


def _judged(given: EvalInputs) -> bool:
    names = tables.columns(given.rows.table)
    return bool(given.judge or reasoned(names) or OUTCOME in names)


NEEDS: Mapping[str, tuple[Callable[[EvalInputs], bool], str]] = {
    "embed": (lambda given: given.embed is not None, "an embedder (embed)"),
    "learner": (
        lambda given: given.embed is not None or given.learner is not None,
        "an embedder (embed) or a learner",
    ),
    "label": (lambda given: bool(given.label), "a column of labels (label)"),
    "against": (lambda given: given.against is not None, "real rows (against)"),
    "test": (lambda given: given.test is not None, "a test set (test)"),
    "checks": (lambda given: bool(given.checks), "checks of a row (checks)"),
    "source": (lambda given: bool(given.source), "a column of sources (source)"),
    "marks": (lambda given: bool(given.said), "marks on its rows"),
    "labelled": (lambda given: bool(_right(given)), "marks that are labels"),
    "faithful": (
        lambda given: FAITHFUL in tables.columns(given.rows.table),
        f"a judge's scores by the rubric {FAITHFUL}",
    ),
    "judge": (_judged, "a column of a judge's scores (judge)"),
    "looks": (lambda given: bool(given.looks), "two looks at the same rows"),
}
"""What a metric may need: whether it is given, and what it is called."""


def _words(name: str, score: Callable[[list[str], float], Score]) -> Metric:
    """A metric of texts alone."""
    return Metric(
        name,
        "diversity",
        (),
        lambda given: [(score(given.rows.texts, given.level), given.rows.ids)],
    )


def _vectors(name: str, score: Callable[[TextTable, float], Score], *needs: str) -> Metric:
    """A metric of embeddings alone."""

    def make(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
        yield _by(given, score(given.rows, given.level)), given.rows.drawn_ids

    return Metric(name, "diversity", ("embed", *needs), make)


def _real(
    name: str, scores: Callable[[EvalInputs], Iterable[Score]], *needs: str, vectors: bool = False
) -> Metric:
    """A metric that holds rows against real ones.

    Its parts, where it has some, are of both tables, and do not say how each row moves the balls or
    the clusters of the others: two such scores are compared by their intervals.
    """

    def make(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
        for score in scores(given):
            yield (_by(given, score) if vectors else score), ()

    return Metric(name, "distribution", ("against", *needs, *(["embed"] if vectors else [])), make)


def _by(given: EvalInputs, score: Score) -> Score:
    """The score, with the embedder in what it depends on."""
    drawn, n = len(given.rows.drawn), len(given.rows.texts)
    sampled = f"{drawn} of {n} rows drawn, seed {given.seed}" if drawn < n else ""
    parts = [score.how, given.embedder, sampled]
    return replace(score, how="; ".join(part for part in parts if part))


def _aps(side: TextTable, level: float, pairs: Any) -> Score:
    labels = None if pairs == "all" else [side.labels[at] for at in side.drawn]
    return embedding_diversity.aps(side.vectors, labels=labels, pairs=pairs, level=level)


def _verdicts(found: Faithfulness, ids: Sequence[str]) -> tuple[Score, Sequence[str]]:
    """The score of a share with the ids of the rows that have a verdict."""
    said = zip(found.verdicts, ids, strict=True)
    return found.score, [id for verdict, id in said if verdict.passed is not None]


def _ids(given: EvalInputs) -> list[str]:
    ids: list[str] = tables.column(given.rows.table, "id")
    return ids


def _passes(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    found = pass_rate(given.table, given.checks, level=given.level)
    yield _verdicts(found, _ids(given))
    if len(found.parts) > 1:
        for score in found.parts.values():
            yield score, _ids(given)


def _label_accuracy(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    train, held = (labelled(half, given.label, column=given.column, name="real")
                   for half in given.halves)  # fmt: skip
    predict = given.student(train.texts, train.labels, None)
    own = accuracy(*coded(held.labels, [list(predict(held.texts))]), level=given.level)
    labels = dict(zip(given.rows.ids, predict(given.rows.texts), strict=True))
    found = label_accuracy(given.rows.table, given.label, labels, level=given.level)
    score, ids = _verdicts(found, _ids(given))
    how = f"labels by a student of {len(train)} real rows, itself right on {own} of {own.n} others"
    yield replace(score, how=f"{how}; {_learner(given)}; {score.how.split('; ')[-1]}"), ids


def _utility(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    train, test = given.halves
    options: dict[str, Any] = {
        "label": given.label, "column": given.column, "learner": given.student,
        "weight": given.weight or None, "level": given.level,
    }  # fmt: skip
    found = tstr(given.rows.table, train, test, seed=given.seed, **options)
    more = gain(given.rows.table, train, test, **options)
    cells = zip(*(tables.column(test, name) for name in ("id", given.column, given.label)),
                strict=True)  # fmt: skip
    ids = [id for id, text, label in cells if text is not None and label is not None]
    for score in (found.synthetic, found.synthetic_f1, found.real, found.majority):
        yield _learned(given, score), ids
    yield _learned(given, _gap("TSTR gap", found.gap, found.synthetic, "lower")), ids
    yield _learned(given, more.augmented), ids
    yield _learned(given, _gap("augmentation gain", more.gain, more.augmented, "higher")), ids


def _gap(name: str, gap: Difference, beside: Score, better: Any) -> Score:
    """A difference as a score of its own."""
    return Score(
        name=name, value=gap.value, low=gap.low, high=gap.high, n=gap.n, unit="-1..1",
        better=better, how=beside.how, level=gap.level,
    )  # fmt: skip


def _learned(given: EvalInputs, score: Score) -> Score:
    return replace(score, how=f"{score.how}; {_learner(given)}")


def _learner(given: EvalInputs) -> str:
    """What a student sees of texts, where it is the light one."""
    return "the given learner" if given.learner else given.embedder or "the given embedder"


def _right(given: EvalInputs) -> dict[str, str]:
    """The labels that people gave rows, by id; without verdicts."""
    return {id: label for id, label in given.said.items() if label not in VERDICTS}


def _people_labels(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    found = label_accuracy(given.rows.table, given.label, _right(given), level=given.level)
    score, ids = _verdicts(found, _ids(given))
    yield replace(score, name="label accuracy (people)"), ids


def _accepted(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    said = {id: label != "reject" for id, label in given.said.items() if label not in ("", "skip")}
    ids = [id for id in _ids(given) if id in said]
    parts = [float(said[id]) for id in ids]
    low, high = wilson(sum(parts), len(parts), given.level)
    yield Score(
        name="accept rate", value=sum(parts) / len(parts) if parts else 0.5, low=low, high=high,
        n=len(parts), unit="0..1", better="higher", how="marks, the majority of people; Wilson",
        level=given.level, parts=parts,
    ), ids  # fmt: skip


def _looks(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    said = {who: {label for pair in pairs for label in pair} for who, pairs in given.looks.items()}
    if not any(len(labels) > 1 for labels in said.values()):
        raise UsageError("kappa is not defined where all labels are one and the same.")
    for who, pairs in given.looks.items():
        if len(said[who]) < 2:
            continue
        score = cohen(pairs, level=given.level, seed=given.seed)
        yield replace(score, name=f"{score.name}, {who}"), ()


def _judges(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    for score in given.calibration.scores.values():
        yield score, ()


def _advice(given: EvalInputs) -> dict[str, str]:
    return {f"judge {name}": one.advice for name, one in given.calibration.judges.items()}


def _faithful(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    found = judged(given.rows.table, FAITHFUL, level=given.level, seed=given.seed)
    score, ids = _verdicts(found, _ids(given))
    yield replace(score, name="faithful by a judge"), ids


def _grounded(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
    sources = given.rows.of(tables.column(given.rows.table, given.source))
    found = grounded(given.rows.texts, sources, level=given.level, seed=given.seed)
    yield _verdicts(found, given.rows.ids)


def _copies(other: str) -> Callable[[EvalInputs], Iterable[tuple[Score, Sequence[str]]]]:
    def make(given: EvalInputs) -> Iterable[tuple[Score, Sequence[str]]]:
        found = memorised(
            given.table, getattr(given, other), column=given.column, level=given.level,
            seed=given.seed,
        )  # fmt: skip
        of = "real rows" if other == "against" else "test rows"
        for score in found.scores.values():
            yield replace(score, name=f"{score.name}, {of}"), given.rows.ids

    return make


METRICS: tuple[Metric, ...] = (
    _words("vocabulary", lambda texts, level: lexical_diversity.vocabulary(texts, level=level)),
    _words("distinct-1", lambda texts, level: lexical_diversity.distinct_n(texts, 1, level=level)),
    _words("distinct-2", lambda texts, level: lexical_diversity.distinct_n(texts, 2, level=level)),
    _words(
        "n-gram entropy", lambda texts, level: lexical_diversity.ngram_entropy(texts, level=level)
    ),
    _words(
        "compression ratio",
        lambda texts, level: lexical_diversity.compression_ratio(texts, level=level),
    ),
    _words("MTLD", lambda texts, level: lexical_diversity.mtld(texts, level=level)),
    _words("self-BLEU", lambda texts, level: self_bleu(texts, level=level)),
    _vectors("APS", lambda side, level: _aps(side, level, "all")),
    _vectors("intra-label APS", lambda side, level: _aps(side, level, "intra"), "label"),
    _vectors("inter-label APS", lambda side, level: _aps(side, level, "inter"), "label"),
    _vectors(
        "remote-clique",
        lambda side, level: embedding_diversity.remote_clique(side.vectors, level=level),
    ),
    _vectors("Chamfer", lambda side, level: embedding_diversity.chamfer(side.vectors, level=level)),
    _vectors("Vendi", lambda side, level: embedding_diversity.vendi(side.vectors, level=level)),
    _real(
        "MAUVE",
        lambda given: [
            mauve_and_divergence.mauve(
                given.real.vectors, given.rows.vectors, seed=given.seed, level=given.level
            )
        ],
        vectors=True,
    ),
    _real(
        "PRDC",
        lambda given: embedding_fidelity.prdc(
            given.real.vectors, given.rows.vectors, seed=given.seed, level=given.level
        ),
        vectors=True,
    ),
    _real(
        "Frechet distance",
        lambda given: [embedding_fidelity.frechet_distance(given.real.vectors, given.rows.vectors)],
        vectors=True,
    ),
    _real(
        "two-sample test",
        lambda given: [
            embedding_fidelity.two_sample(
                given.real.vectors, given.rows.vectors, seed=given.seed, level=given.level
            )
        ],
        vectors=True,
    ),
    _real(
        "label divergence",
        lambda given: mauve_and_divergence.label_divergence(
            given.real.labels, given.rows.labels, seed=given.seed, level=given.level
        ),
        "label",
    ),
    _real(
        "length divergence",
        lambda given: mauve_and_divergence.length_divergence(
            given.real.texts, given.rows.texts, seed=given.seed, level=given.level
        ),
    ),
    Metric("pass rate", "faithfulness", ("checks",), _passes),
    Metric("label accuracy", "faithfulness", ("label", "against", "learner"), _label_accuracy),
    Metric("label accuracy (people)", "faithfulness", ("label", "labelled"), _people_labels),
    Metric("grounding", "faithfulness", ("source",), _grounded),
    Metric("faithful by a judge", "faithfulness", ("faithful",), _faithful),
    Metric("TSTR", "utility", ("label", "against", "learner"), _utility),
    Metric("copies of real rows", "memorisation", ("against",), _copies("against")),
    Metric("copies of test rows", "memorisation", ("test",), _copies("test")),
    Metric("accept rate", "people", ("marks",), _accepted),
    Metric("agreement", "people", ("looks",), _looks),
    Metric("judges", "people", ("judge", "marks"), _judges, _advice),
)
"""All metrics of a report, in the order in which it has them."""
