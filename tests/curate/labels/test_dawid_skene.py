from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from crowdkit.aggregation.classification.dawid_skene import DawidSkene

from synthkit.core.errors import TableError, UsageError
from synthkit.core.types import Mark
from synthkit.curate import dawid_skene, from_marks, judgements

ANAESTHESIA = (
    "111 1 1 1 1|333 4 3 3 4|112 2 1 2 2|222 3 1 2 1|222 3 2 2 2|222 3 3 2 2|"
    "122 2 1 1 1|333 3 4 3 3|222 2 2 2 3|232 2 2 2 3|444 4 4 4 4|222 3 3 4 3|"
    "111 1 1 1 1|222 3 2 1 2|121 1 1 1 1|111 2 1 1 1|111 1 1 1 1|111 1 1 1 1|"
    "222 2 2 2 1|222 1 3 2 2|222 2 2 2 2|222 2 2 2 1|222 3 2 2 2|221 2 2 2 2|"
    "111 1 1 1 1|111 1 1 1 1|232 2 2 2 2|111 1 1 1 1|111 1 1 1 1|112 1 1 2 1|"
    "111 1 1 1 1|333 3 2 3 3|111 1 1 1 1|222 2 2 2 2|222 3 2 3 2|433 4 3 4 3|"
    "221 2 2 3 2|232 3 2 3 3|333 3 4 3 2|111 1 1 1 1|111 1 1 1 1|121 2 1 1 1|"
    "232 2 2 2 2|121 1 1 1 1|222 2 2 2 2"
)
"""Table 1 of Dawid and Skene (1979): 45 patients by five observers, the first thrice."""
PATIENTS = [
    (str(n), who, int(one))
    for n, answers in enumerate(ANAESTHESIA.split("|"))
    for who, each in enumerate(answers.split())
    for one in each
]
STEPS = 25
"""Of EM, for both: the library is slow."""


def drawn(seed: int, *, rows: int = 60, missing: float = 0.3) -> list[Any]:
    """Judgements of five labellers that are right with 0.9 down to 0.5, many of them missing."""
    rng = np.random.default_rng(seed)
    triples = []
    for row in range(rows):
        true = rng.integers(3)
        for who, skill in enumerate((0.9, 0.8, 0.7, 0.6, 0.5)):
            label = true if rng.random() < skill else rng.integers(3)
            if rng.random() > missing or who == row % 5:
                triples.append((f"r{row}", f"w{who}", "abc"[label]))
    return triples


def library(triples: list[Any]) -> DawidSkene:
    frame = pd.DataFrame(triples, columns=["task", "worker", "label"])
    with np.errstate(all="ignore"):
        return DawidSkene(n_iter=STEPS, tol=-1).fit(frame)  # it never stops early


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pandas, in the library
@pytest.mark.parametrize("triples", [PATIENTS, drawn(0), drawn(1), drawn(2, missing=0.5)])
def test_estimates_equal_those_of_crowd_kit(triples: list[Any]) -> None:
    ours, theirs = dawid_skene(triples, tolerance=1e-99, max_iter=STEPS), library(triples)
    probabilities = theirs.probas_.loc[list(ours.rows), list(ours.labels)]
    assert ours.posterior == pytest.approx(probabilities.to_numpy(), abs=1e-6)
    assert ours.priors == pytest.approx(theirs.priors_[list(ours.labels)].to_numpy(), abs=1e-6)
    for (who, label), shares in theirs.errors_.iterrows():
        column = ours.confusion[ours.labellers.index(who), :, ours.labels.index(label)]
        assert column == pytest.approx(shares[list(ours.labels)].to_numpy(), abs=1e-6)


def test_estimates_of_the_patients_equal_the_published_ones() -> None:
    consensus = dawid_skene(PATIENTS)
    assert consensus.converged
    assert consensus.priors.round(2).tolist() == [0.4, 0.42, 0.11, 0.07]
    assert consensus.confusion[0, 0].round(2).tolist() == [0.89, 0.11, 0, 0]
    assert consensus.posterior.shape == (45, 4)
    assert consensus.confusion.sum(axis=2) == pytest.approx(1)


def test_the_likelihood_rises_with_every_step() -> None:
    triples = drawn(3)
    rising = [dawid_skene(triples, max_iter=steps).log_likelihood for steps in range(1, 30)]
    assert (np.diff(rising) > -1e-9).all()
    assert rising[-1] > rising[0]
    assert not dawid_skene(triples, max_iter=1).converged


def test_one_step_agrees_with_a_case_worked_by_hand() -> None:
    # votes: a is (1, 0), b is (1/2, 1/2); so the priors are (3/4, 1/4). Ann triples + of both rows:
    # she says + of each label. Bob triples + once with weight 1, and - with 1/2 for each label, so
    # P(+|+) = 1 / 1.5 and P(-|-) = 1. The posterior of b is 3/4 * 1/3 : 1/4 * 1 = 1 : 1.
    triples = [("a", "ann", "+"), ("a", "bob", "+"), ("b", "ann", "+"), ("b", "bob", "-")]
    consensus = dawid_skene(triples, max_iter=1)
    assert consensus.of(["b"])[0] == pytest.approx([0.5, 0.5])
    assert consensus.of(["a"])[0] == pytest.approx([1, 0], abs=1e-9)


def test_a_labeller_who_is_always_wrong_is_corrected() -> None:
    triples = [(str(n), who, n % 2) for n in range(40) for who in ("x", "y")]
    triples += [(str(n), "liar", 1 - n % 2) for n in range(40)] + [("new", "liar", 1)]
    consensus = dawid_skene(triples)
    assert consensus.of(["new"])[0] == pytest.approx([1, 0], abs=1e-6)
    assert consensus.accuracy["liar"] < 1e-6


def test_rows_without_a_judgement_are_nan() -> None:
    consensus = dawid_skene([("a", "x", "+"), ("b", "x", "-")])
    assert np.isnan(consensus.of(["c", 1])).all()
    assert consensus.of([]).shape == (0, 2)


def test_one_judgement_and_one_label_are_certain() -> None:
    consensus = dawid_skene([("a", "x", "😀")])
    assert (consensus.posterior.tolist(), consensus.labels, consensus.converged) == (
        [[1.0]],
        ("😀",),
        True,
    )


def test_a_wide_and_a_long_table_give_the_same_judgements() -> None:
    wide = [{"id": 1, "x": "خير", "y": float("nan")}, {"id": 2, "x": "好", "y": "好"}]
    triples = judgements(wide, ["x", "y"])
    assert triples == [("1", "x", "خير"), ("2", "x", "好"), ("2", "y", "好")]
    long = pd.DataFrame(triples, columns=["row", "labeller", "label"])
    assert judgements(long) == triples
    with pytest.raises(TableError, match="column 'z' not found"):
        judgements(wide, ["z"])


def test_current_marks_are_judgements() -> None:
    marks = [
        Mark(id="a", label="good", by="ann", step=1),
        Mark(id="a", label="bad", by="ann", step=2),
        Mark(id="a", label="good", by="bob", step=1),
        Mark(id="b", label="skip", by="ann", step=3),
        Mark(id="b", label="bad", by="bob", step=2),
        Mark(id="b", act="undo", by="bob", step=2),
        Mark(id="a", label="good", by="ann", round=2, step=4),
        Mark(id="c", flag=True, by="ann", step=5),
    ]
    assert from_marks(marks) == [("a", "ann", "bad"), ("a", "bob", "good")]


@pytest.mark.parametrize(
    ("triples", "options", "hint"),
    [
        ([], {}, "there are no judgements"),
        ([("a", "x")], {}, "judgement 0: expected .row, labeller, label.; got"),
        ([("a", "x", None)], {}, "judgement 0: a row or a label is missing"),
        ([("a", "x", float("nan"))], {}, "a row or a label is missing"),
        ([("a", "x", [1])], {}, "expected plain cells"),
        ([("a", "x", 1)], {"tolerance": 0}, "tolerance must be above 0"),
        ([("a", "x", 1)], {"max_iter": 0}, "max_iter 1 or more"),
    ],
)
def test_bad_judgements_and_options_are_refused(triples: Any, options: Any, hint: str) -> None:
    with pytest.raises(UsageError, match=hint):
        dawid_skene(triples, **options)
