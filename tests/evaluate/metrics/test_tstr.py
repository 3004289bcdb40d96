from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

from synthkit.core.errors import TableError, UsageError
from synthkit.data import tables
from synthkit.evaluate.metrics.learners import light
from synthkit.evaluate.metrics.tstr import gain, learning_curve, tstr
from synthkit.stats.intervals import wilson

WORDS = "soup bread salt wine table waiter noon rain".split()


def counts(texts: Sequence[str]) -> np.ndarray:
    return np.array([[text.count(word) for word in ("good", "bad", *WORDS)] for text in texts])


def rows(n: int, seed: int, *, noise: float = 0.2) -> pd.DataFrame:
    """Texts with words drawn at random; "good" or "bad" follows the label but for some noise."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % 2)
    says = labels ^ (rng.uniform(size=n) < noise)
    return pd.DataFrame(
        {
            "text": [" ".join([("bad", "good")[s], *rng.choice(WORDS, 3)]) for s in says],
            "label": np.array(["-", "+"])[labels],
        }
    )


REAL, SYNTHETIC, TEST = rows(60, 0), rows(40, 1, noise=0.4), rows(100, 2)


def constant(texts: Any, labels: Any, weights: Any) -> Any:
    return lambda texts: [labels[0]] * len(texts)


def test_scores_are_those_of_scikit_learn_on_the_same_rows() -> None:
    found = tstr(SYNTHETIC, REAL[:40], TEST, learner=light(counts))
    for table, score, f1 in (
        (SYNTHETIC, found.synthetic, found.synthetic_f1),
        (REAL[:40], found.real, found.real_f1),
    ):
        model = LogisticRegression(tol=1e-8).fit(counts(table["text"]), table["label"])
        said = model.predict(counts(TEST["text"]))
        right = (said == TEST["label"]).to_numpy()
        assert score.value == right.mean()
        assert score.parts == tuple(right)
        assert (score.low, score.high) == pytest.approx(wilson(right.sum(), 100))
        assert f1.value == pytest.approx(f1_score(TEST["label"], said, average="macro"))
    assert found.gap.value == pytest.approx(found.real.value - found.synthetic.value)
    assert found.gap_f1.value == pytest.approx(found.real_f1.value - found.synthetic_f1.value)
    assert (found.n, found.draws, found.synthetic.n) == (40, 1, 100)
    assert found.majority.value == 0.5


@pytest.mark.parametrize("n", [None, 10])
def test_a_copy_of_the_real_rows_has_a_gap_of_exactly_0(n: int | None) -> None:
    found = tstr(REAL.copy(), REAL, TEST, learner=light(counts), n=n)
    for gap in (found.gap, found.gap_f1):
        assert (gap.value, gap.low, gap.high) == (0, 0, 0)
        assert "no significant difference on 100 rows" in str(gap)
    assert found.synthetic.parts == found.real.parts
    assert found.draws == (1 if n is None else 5)


def test_the_larger_table_is_drawn_down_to_the_smaller() -> None:
    sizes = []

    def learner(texts: Any, labels: Any, weights: Any) -> Any:
        sizes.append((len(texts), list(labels).count("+"), weights))
        return constant(texts, labels, weights)

    found = tstr(SYNTHETIC, REAL, TEST, learner=learner, draws=3)
    assert sizes == [(40, 20, None)] * 4
    assert (found.n, found.draws) == (40, 3)
    assert found.real.how == "40 real rows, learner"


def test_a_gap_that_is_there_is_told() -> None:
    wrong = REAL.assign(label=REAL["label"].map({"+": "-", "-": "+"}))
    found = tstr(wrong, REAL, TEST, learner=light(counts))
    assert found.gap.significant
    assert found.gap.low > 0.3
    assert found.synthetic.value < found.majority.value
    assert found.gap_f1.significant


def test_weights_of_synthetic_rows_count() -> None:
    wrong = REAL.assign(label=REAL["label"].map({"+": "-", "-": "+"}))
    mixed = pd.concat([REAL.assign(weight=5.0), wrong.assign(weight=0.01)], ignore_index=True)
    learner = light(counts)
    weighted = tstr(mixed, REAL, TEST, learner=learner, weight="weight", n=60)
    assert weighted.synthetic.value > tstr(mixed, REAL, TEST, learner=learner, n=60).synthetic.value
    none = mixed.assign(weight=[1.0] * 60 + [0.0] * 60)
    found = tstr(none, REAL, TEST, learner=learner, weight="weight")
    assert (found.n, found.draws, found.gap.value, found.gap.high) == (60, 1, 0, 0)
    with pytest.raises(TableError, match="'weight' not found"):
        tstr(REAL, REAL, TEST, learner=learner, weight="weight")


def test_gain_is_that_of_both_tables_over_the_real_one() -> None:
    found = gain(SYNTHETIC, REAL[:10], TEST, learner=light(counts))
    both = pd.concat([REAL[:10], SYNTHETIC])
    model = LogisticRegression(tol=1e-8).fit(counts(both["text"]), both["label"])
    right = model.predict(counts(TEST["text"])) == TEST["label"]
    assert found.augmented.value == right.mean()
    assert found.gain.value == pytest.approx(found.augmented.value - found.real.value)
    assert found.gain_f1.value == pytest.approx(found.augmented_f1.value - found.real_f1.value)
    assert (found.n_real, found.n_synthetic) == (10, 40)


def test_gain_of_rows_that_weigh_nothing_is_0() -> None:
    light_rows = SYNTHETIC.assign(weight=1e-12)
    found = gain(light_rows, REAL, TEST, learner=light(counts), weight="weight")
    assert (found.gain.value, found.gain.low, found.gain.high) == (0, 0, 0)


def test_a_learning_curve_has_a_row_for_each_source_and_size(
    make: Callable[[dict[str, list[Any]]], Any], kind: str
) -> None:
    table = make({name: SYNTHETIC[name].tolist() for name in ("text", "label")})
    found = learning_curve(table, REAL, TEST, learner=light(counts), sizes=[50, 10, 40], seeds=2)
    assert tables.kind(found) == kind
    points = tables.records(found)
    assert [(one["source"], one["n"], one["seeds"]) for one in points] == [
        ("synthetic", 10, 2), ("synthetic", 40, 1), ("real", 10, 2), ("real", 40, 2),
        ("real", 50, 2), ("real + synthetic", 10, 2), ("real + synthetic", 40, 2),
        ("real + synthetic", 50, 2),
    ]  # fmt: skip
    for one in points:
        assert one["test"] == 100
        assert 0 <= one["low"] <= one["value"] <= one["high"] <= 1


def test_ends_of_a_learning_curve_are_what_the_whole_tables_give() -> None:
    learner = light(counts)
    whole, added = (
        tstr(REAL, REAL, TEST, learner=learner),
        gain(SYNTHETIC, REAL, TEST, learner=learner),
    )
    for metric, real, both in (
        ("accuracy", whole.real, added.augmented),
        ("macro-F1", whole.real_f1, added.augmented_f1),
    ):
        found = learning_curve(SYNTHETIC, REAL, TEST, learner=learner, metric=metric)  # type: ignore[arg-type]
        last = found.groupby("source").last()
        assert last.loc["real", ["n", "value", "low"]].tolist() == [60, real.value, real.low]
        assert last.loc["real + synthetic", "value"] == both.value
        assert found.loc[found["source"] == "synthetic", "n"].tolist() == [2, 5, 10, 20, 40]


def test_a_learning_curve_repeats_by_seed_and_rises_with_rows() -> None:
    learner = light(counts)
    args = {"learner": learner, "sizes": [4, 60], "sources": ["real"], "seeds": 10}
    found = learning_curve(SYNTHETIC, REAL, TEST, **args)
    pd.testing.assert_frame_equal(found, learning_curve(SYNTHETIC, REAL, TEST, **args))
    assert found["value"].is_monotonic_increasing
    other = learning_curve(SYNTHETIC, REAL, TEST, **args, seed=1)
    assert other["value"][0] != found["value"][0]


def test_a_label_that_was_not_learned_is_wrong_and_named() -> None:
    test = pd.concat([TEST, pd.DataFrame({"text": ["odd"] * 4, "label": ["?"] * 4})])
    found = tstr(SYNTHETIC, REAL, test, learner=light(counts))
    assert found.synthetic.parts is not None
    assert found.synthetic.parts[-4:] == (0, 0, 0, 0)
    assert found.synthetic.how == "40 synthetic rows, light classifier, C = 1; had no '?'"
    more = SYNTHETIC.assign(label=SYNTHETIC["label"].replace("-", "other"))
    assert 0 < tstr(more, REAL, TEST, learner=light(counts)).synthetic.value <= 0.5


def test_one_label_or_one_row_has_a_value() -> None:
    learner = light(counts)
    only = SYNTHETIC[SYNTHETIC["label"] == "+"]
    assert tstr(only, REAL, TEST, learner=learner).synthetic.value == 0.5
    found = tstr(only[:1], only[:1], only[1:2], learner=learner)
    assert (found.synthetic.value, found.synthetic.n, found.gap.value) == (1, 1, 0)
    assert gain(only, REAL[:2], only[:1], learner=learner).augmented.n == 1
    assert tstr(only, only, only, learner=learner).majority.value == 1


def test_empty_texts_and_mixed_scripts_are_texts() -> None:
    odd = pd.DataFrame({"text": ["", "Суп 🙂 スープ", " ", "good"], "label": [0, 1, 0, 1]})
    found = tstr(odd, odd, odd, learner=light(counts))
    assert 0 <= found.synthetic.value <= 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"synthetic": []}, "column 'text' not found"),
        ({"synthetic": REAL[:0]}, "synthetic table has no row"),
        ({"real": REAL[:0]}, "real table has no row"),
        ({"test": REAL[:0]}, "test table has no row"),
        ({"test": TEST.assign(text=5)}, "test row 0: expected a text"),
        ({"synthetic": REAL.assign(label=1)}, "synthetic table is one of the test's: 1, and"),
        ({"n": 61}, "expected 1 to 60 of the synthetic rows"),
        ({"n": 0}, "expected 1 to 60"),
        ({"draws": 0}, "1 draw or more"),
        ({"level": 1}, "level"),
        ({"label": "class"}, "column 'class' not found"),
        ({"learner": lambda *rows: lambda texts: ["+"]}, "expected 100 predicted labels; got 1"),
    ],
)
def test_what_makes_no_sense_is_refused(given: dict[str, Any], message: str) -> None:
    options = {"synthetic": REAL, "real": REAL, "test": TEST, "learner": light(counts)} | given
    with pytest.raises(UsageError, match=message):
        tstr(**options)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"sources": ["gold"]}, "source 'gold' not found; have 'synthetic'"),
        ({"metric": "f1"}, "metric 'f1' not found"),
        ({"sizes": [100]}, "expected sizes of at most 40 synthetic and 60 real rows"),
        ({"sizes": [0]}, "expected 1 to 40 of the synthetic rows"),
        ({"sources": []}, "and a source"),
        ({"seeds": 0}, "1 draw or more"),
    ],
)
def test_a_curve_that_makes_no_sense_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        learning_curve(SYNTHETIC, REAL, TEST, learner=light(counts), **given)


def test_tables_are_left_as_they_are() -> None:
    before = [table.copy() for table in (SYNTHETIC, REAL, TEST)]
    tstr(SYNTHETIC, REAL, TEST, learner=light(counts))
    learning_curve(SYNTHETIC, REAL, TEST, learner=light(counts), sizes=[5])
    for table, was in zip((SYNTHETIC, REAL, TEST), before, strict=True):
        pd.testing.assert_frame_equal(table, was)
