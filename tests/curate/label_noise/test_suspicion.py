from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import (
    apply_filters,
    label_issues,
    no_label_noise,
    small_loss,
    suspects,
    suspicion,
)
from synthkit.curate.label_noise.cross_fitting import LabelledRows, labelled_rows, stratified_folds
from synthkit.curate.label_noise.evidence import Method
from synthkit.curate.label_noise.influence import influence, influence_on_vectors
from synthkit.curate.label_noise.training_dynamics import train
from synthkit.data import tables
from synthkit.stats.classifier import fit, fitted

METHODS = get_args(Method)
COLUMNS = {
    "confident": ["self_confidence"],
    "dynamics": ["confidence", "aleatoric", "variability", "correctness"],
    "forgetting": ["forgotten", "learned"],
    "small_loss": ["loss", "small"],
    "pvi": ["pvi"],
    "influence": ["influence"],
}
WORDS = {"sun": 0, "beach": 0, "heat": 0, "snow": 1, "ice": 1, "frost": 1, "and": 2, "the": 2}


def embed(texts: Any) -> Any:
    """The shares of words of each kind."""
    found = np.zeros((len(texts), 3))
    for row, text in zip(found, texts, strict=True):
        for word in text.split():
            row[WORDS.get(word, 2)] += 1
    return found / np.maximum(found.sum(axis=1, keepdims=True), 1)


def seasons(n: int = 120, wrong: float = 0.15) -> tuple[pd.DataFrame, Any]:
    rng = np.random.default_rng(0)
    kinds = [["sun", "beach", "heat", "and"], ["snow", "ice", "frost", "the"]]
    true = np.arange(n) % 2
    texts = [" ".join(rng.choice(kinds[label], size=6)) for label in true]
    flipped = rng.random(n) < wrong
    labels = np.where(flipped, 1 - true, true)
    names = [["summer", "winter"][label] for label in labels]
    table = pd.DataFrame({"id": [f"r{i}" for i in range(n)], "text": texts, "label": names})
    return table, flipped


@pytest.mark.parametrize("method", METHODS)
def test_wrong_labels_have_the_highest_suspicion(method: Any) -> None:
    table, flipped = seasons()
    result = suspicion(table, method=method, embed=embed)
    assert result["suspicion"].between(0, 1).all()
    assert roc_auc_score(flipped, result["suspicion"]) > 0.97
    assert result["id"].tolist() == table["id"].tolist()
    assert list(result) == [
        *("id", "text", "label", "suspicion", "suggested", "noisy"),
        *COLUMNS[method],
        "suspicion_by",
    ]
    true = ["summer", "winter"] * 60
    assert (result["suggested"] == true).mean() > 0.95
    assert result["suspicion_by"].unique().tolist() == [
        f"{method} by text (embed), folds=5, seed=0"
    ]
    assert list(table) == ["id", "text", "label"]


@pytest.mark.parametrize("method", METHODS)
def test_the_filter_drops_noisy_rows_and_names_the_likely_label(method: Any) -> None:
    table, flipped = seasons()
    curation = apply_filters(table, no_label_noise(method=method, embed=embed))
    noisy = suspicion(table, method=method, embed=embed)["noisy"]
    assert curation.dropped["id"].tolist() == table["id"][noisy].tolist()
    assert len(curation.kept) + len(curation.dropped) == len(table)
    kinds = curation.funnel[0].reasons
    assert kinds == ({"label noise": int(noisy.sum())} if noisy.any() else {})
    if method in ("confident", "small_loss", "pvi"):
        # confident learning's own thresholds leave out 2 of the 13
        assert noisy[flipped].mean() > (0.8 if method == "confident" else 0.9)
        why = curation.dropped["why"].iloc[0]
        given = curation.dropped["label"].iloc[0]
        looks = {"summer": "winter", "winter": "summer"}[given]
        assert why.startswith(f"label noise: given '{given}', looks '{looks}' (0.")


def test_rows_whose_probability_is_one_are_ranked_by_their_loss() -> None:
    table, _ = seasons(n=400)
    result = suspicion(table, method="small_loss", embed=embed)
    assert (result["small"] < 1e-16).sum() > 1  # whose 1 - small is 1
    ranks = result[["loss", "suspicion"]].rank()
    assert ranks["suspicion"].tolist() == ranks["loss"].tolist()


def test_each_method_has_the_rule_of_its_paper() -> None:
    table, _ = seasons(wrong=0.3)
    rows = labelled_rows(table, "label", column="text", embed=embed)
    by_method = {method: suspicion(table, method=method, embed=embed) for method in METHODS}
    own, n = by_method["confident"]["self_confidence"], range(len(table))
    probabilities = np.empty((len(table), 2))
    probabilities[n, rows.targets], probabilities[n, 1 - rows.targets] = own, 1 - own
    assert (
        by_method["confident"]["noisy"].tolist()
        == label_issues(probabilities, rows.targets).tolist()
    )
    assert by_method["confident"]["suspicion"].to_numpy() == pytest.approx(1 - own)  # of two labels
    dynamics, record = by_method["dynamics"], train(rows)
    assert dynamics["suspicion"].to_numpy() == pytest.approx(1 - record.confidence)
    assert dynamics["noisy"].tolist() == (dynamics["confidence"] <= 0.2).tolist()
    forgetting = by_method["forgetting"]
    assert forgetting["noisy"].tolist() == (~record.learned).tolist()
    times = np.where(record.learned, record.forgotten, 10)
    assert forgetting["suspicion"].to_numpy() == pytest.approx((times + 1 - record.confidence) / 11)
    losses = by_method["small_loss"]
    assert losses["loss"].to_numpy() == pytest.approx(-np.log(own))
    assert losses["small"].to_numpy() == pytest.approx(small_loss(losses["loss"]).small)
    assert losses["noisy"].tolist() == (losses["small"] <= 0.7).tolist()
    assert losses["suspicion"].to_numpy() == pytest.approx(1 - losses["small"], abs=1e-6)
    bits = by_method["pvi"]["pvi"]
    assert by_method["pvi"]["suspicion"].to_numpy() == pytest.approx(1 / (1 + 2**bits))
    assert by_method["pvi"]["noisy"].tolist() == (by_method["pvi"]["suspicion"] > 0.5).tolist()


def test_influence_of_each_half_is_on_the_other() -> None:
    table, _ = seasons()
    rows = labelled_rows(table, "label", column="text", embed=embed)
    result = suspicion(table, method="influence", embed=embed)["influence"]
    for half, other in stratified_folds(rows.targets, rows.labels, folds=2, seed=0):
        classifier = fitted(rows.vectors[half], rows.targets[half], rows.labels)
        phi = influence_on_vectors(classifier, rows.vectors[other], rows.targets[other])
        assert result[half].tolist() == phi.tolist()
    texts, labels = table["text"].tolist(), table["label"].tolist()
    real = table.iloc[:40]
    classifier = fit(texts, labels, embed=embed)
    expected = influence(classifier, texts[:40], labels[:40])
    on_real = suspicion(table, method="influence", embed=embed, real=real)
    assert on_real["influence"].to_numpy() == pytest.approx(expected)
    scale = np.sqrt((expected**2).mean())
    assert on_real["suspicion"].to_numpy() == pytest.approx(1 / (1 + np.exp(expected / scale)))


def test_a_threshold_replaces_the_rule() -> None:
    table, _ = seasons()
    result = suspicion(table, embed=embed, threshold=0.9)
    assert result["noisy"].tolist() == (result["suspicion"] >= 0.9).tolist()
    table, _ = seasons(wrong=0.45)
    lenient = suspicion(table, method="dynamics", embed=embed, threshold=0.4)
    ambiguous = lenient["aleatoric"] > 0.2
    assert (ambiguous & (lenient["suspicion"] >= 0.4)).any()
    expected = (lenient["suspicion"] >= 0.4) & ~ambiguous
    assert lenient["noisy"].tolist() == expected.tolist()


@pytest.mark.parametrize("method", METHODS)
def test_real_rows_find_wrong_labels_even_if_most_are_wrong(method: Any) -> None:
    table, flipped = seasons(wrong=0.6)
    real, _ = seasons(wrong=0)
    result = suspicion(table, method=method, embed=embed, real=real)
    assert roc_auc_score(flipped, result["suspicion"]) > 0.97
    assert "real rows" in result["suspicion_by"].iloc[0]


def test_suspects_are_ordered_by_suspicion() -> None:
    table, flipped = seasons()
    ranked = suspects(suspicion(table, embed=embed), n=10)
    assert len(ranked) == 10
    assert flipped[[int(id[1:]) for id in ranked["id"]]].all()
    assert ranked["suspicion"].is_monotonic_decreasing
    with pytest.raises(TableError, match="column 'suspicion' not found"):
        suspects(table)


@pytest.mark.parametrize("method", METHODS)
def test_rows_without_a_text_or_a_label_have_no_suspicion(method: Any) -> None:
    table, _ = seasons(40)
    table = table.astype(object)
    table.loc[3, "label"], table.loc[7, "text"], table.loc[9, "label"] = None, None, float("nan")
    result = suspicion(table, method=method, embed=embed, folds=2)
    missing = result["suspicion"].isna()
    assert np.flatnonzero(missing).tolist() == [3, 7, 9]
    assert result.loc[missing, ["suggested", "noisy"]].isna().all().all()
    assert len(suspects(result)) == 37
    dropped = apply_filters(table, no_label_noise(method=method, embed=embed, folds=2)).dropped
    assert dropped["id"][dropped["why"] == "missing"].tolist() == ["r3", "r7", "r9"]


@pytest.mark.parametrize("kind", ["pandas", "arrow", "polars", "datasets"])
def test_tables_keep_their_kind(kind: tables.Kind) -> None:
    table, _ = seasons(40)
    given = tables.build(table.to_dict("list"), like=kind)
    result = suspicion(given, embed=embed)
    assert tables.kind(result) == tables.kind(suspects(result)) == kind
    assert tables.column(result, "suspicion") == suspicion(table, embed=embed)["suspicion"].tolist()


def test_vectors_need_no_embedder_and_labels_may_be_numbers() -> None:
    rows = [{"vec": [float(n), 0.0], "stars": 1 if n > 5 else 5} for n in range(12)]
    rows[1]["stars"] = 1
    table = suspicion(rows, "stars", column="vec", folds=2)
    assert suspects(table, n=1)[["stars", "suggested"]].values.tolist() == [[1, 5]]
    assert table["id"].is_unique


def test_scripts_and_a_long_text_are_scored() -> None:
    table, _ = seasons(40)
    table.loc[0, "text"] = "snow " * 200_000
    table.loc[1, "text"] = "雪 ثلج ❄️ ice"
    result = suspicion(table, embed=embed)
    assert result["suspicion"].notna().all()


def test_an_empty_table_passes_the_filter() -> None:
    empty = pd.DataFrame({"id": [], "text": [], "label": []})
    curation = apply_filters(empty, no_label_noise(embed=embed))
    assert (len(curation.kept), len(curation.dropped), curation.funnel[0].rows) == (0, 0, 0)


@pytest.mark.parametrize(
    ("rows", "options", "hint"),
    [
        ({"label": ["a"] * 6}, {}, r"two or more labels; got \['a'\]"),
        ({"label": [None] * 6}, {}, r"two or more labels; got \[\]"),
        ({"label": ["a"] * 5 + ["b"]}, {}, "in each of 2 folds; 'b' has 1"),
        ({"label": [["a"], "b"] * 3}, {}, r"row 0: expected a label; got \['a'\]"),
        ({}, {"folds": 7}, "in each of 7 folds; 'a' has 3"),
        ({}, {"method": "confidnt"}, "method 'confidnt' not found.*Did you mean 'confident'"),
        ({}, {"threshold": 1.5}, "threshold must be a suspicion, 0..1; got 1.5"),
        ({}, {"embed": None}, "give embed="),
        ({}, {"real": {"text": ["sun"] * 4, "label": ["a", "c"] * 2}}, "label 'b' not found"),
        ({"text": ["sun"] * 6, "id": ["x"] * 6}, {}, "'x' occurs twice"),
        ({}, {"column": "txt"}, "column 'txt' not found"),
    ],
)
def test_bad_input_is_refused(rows: Any, options: Any, hint: str) -> None:
    table = {"text": ["sun", "snow"] * 3, "label": ["a", "b"] * 3} | rows
    arguments = {"embed": embed, "folds": 2} | options
    with pytest.raises((UsageError, TableError), match=hint):
        suspicion(table, **arguments)
    with pytest.raises((UsageError, TableError), match=hint):
        apply_filters(table, no_label_noise(**arguments))


def test_real_rows_of_other_vectors_are_refused() -> None:
    rows = {"text": [[1.0], [2.0]] * 3, "label": ["a", "b"] * 3}
    real = {"text": [[1.0, 1.0], [2.0, 2.0]] * 3, "label": ["a", "b"] * 3}
    for method in METHODS:
        with pytest.raises(UsageError, match="real rows with vectors of 1 numbers; got 2"):
            suspicion(rows, method=method, real=real)


def test_real_rows_may_have_more_labels() -> None:
    real = {"text": [[0.0], [5.0], [10.0]] * 4, "label": ["a", "b", "c"] * 4}
    rows = {"text": [[0.0], [0.5], [9.0]], "label": ["a", "a", "a"]}
    for method in ("confident", "dynamics", "small_loss", "pvi"):
        table = suspicion(rows, method=method, real=real)
        assert table["suggested"].tolist()[2] == "c", method
        assert table["suspicion"].idxmax() == 2, method


def test_a_subset_keeps_the_places_in_the_table() -> None:
    rows = LabelledRows(("a", "b"), np.array([0, 1]), np.eye(2), np.array([4, 7]))
    assert rows.subset(np.array([1])).places.tolist() == [7]
