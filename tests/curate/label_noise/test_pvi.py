from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold

from synthkit.core.errors import TableError, UsageError
from synthkit.curate import apply_filters, by_pvi, pvi
from synthkit.data import tables

RNG = np.random.default_rng(0)
VECTORS = RNG.normal(size=(80, 3))
LABELS = ["yes" if v[0] + RNG.normal() / 3 > 0.5 else "no" for v in VECTORS]
ROWS = pd.DataFrame({"text": VECTORS.tolist(), "label": LABELS})


def test_pvi_agrees_with_its_equation_over_scikit_learns_folds() -> None:
    expected = np.empty(80)
    given = np.array(LABELS)
    for others, own in StratifiedKFold(4, shuffle=True, random_state=2).split(VECTORS, given):
        model = LogisticRegression(tol=1e-9).fit(VECTORS[others], given[others])
        column = model.classes_.searchsorted(given[own])
        g = model.predict_proba(VECTORS[own])[np.arange(len(own)), column]
        null = np.array([(given[others] == label).mean() for label in given[own]])
        expected[own] = -np.log2(null) + np.log2(g)
    found = pvi(ROWS, folds=4, seed=2)
    assert found["pvi"].to_numpy() == pytest.approx(expected, abs=5e-3)
    assert found["pvi_by"].unique().tolist() == ["folds=4, seed=2"]
    assert 0.3 < found["pvi"].mean() < 1


def test_a_text_without_information_has_zero_bits() -> None:
    rows = {"text": [[1.0]] * 40, "label": ["a", "b", "b", "b"] * 10}
    assert pvi(rows)["pvi"].to_numpy() == pytest.approx(np.zeros(40), abs=1e-3)


def test_pvi_is_at_most_the_information_of_the_label() -> None:
    rows = {"text": [[0.0], [9.0]] * 20, "label": ["a", "b"] * 20}
    found = pvi(rows)["pvi"]
    assert (found < 1).all()
    assert (found > 0.9).all()


def test_the_reason_gives_the_bits() -> None:
    found = pvi(ROWS)["pvi"]
    curation = apply_filters(ROWS, by_pvi(least=0.2))
    assert len(curation.dropped) == (found < 0.2).sum() > 0
    assert curation.dropped["why"].iloc[0] == f"PVI too low: {found[found < 0.2].iloc[0]:.1f} bits"
    assert curation.funnel[0].reasons == {"PVI too low": len(curation.dropped)}
    assert len(apply_filters(ROWS.iloc[:0], by_pvi()).kept) == 0


def test_rows_without_a_label_have_no_pvi_and_are_dropped_as_missing() -> None:
    rows = ROWS.astype(object)
    rows.loc[2, "label"] = None
    found = pvi(rows)
    assert np.flatnonzero(found["pvi"].isna()).tolist() == [2]
    assert "missing" in apply_filters(rows, by_pvi(least=-99)).dropped["why"].tolist()


@pytest.mark.parametrize("kind", ["arrow", "polars", "datasets"])
def test_tables_keep_their_kind(kind: tables.Kind) -> None:
    table = pvi(tables.build(ROWS.to_dict("list"), like=kind))
    assert tables.kind(table) == kind
    assert tables.column(table, "pvi") == pvi(ROWS)["pvi"].tolist()


@pytest.mark.parametrize(
    ("rows", "hint"),
    [
        ({"label": ["a"] * 6}, "two or more labels"),
        ({"label": ["a"] * 5 + ["b"]}, "in each of 5 folds; 'b' has 1"),
        ({"id": [1] * 6}, "1 occurs twice"),
    ],
)
def test_bad_input_is_refused(rows: Any, hint: str) -> None:
    with pytest.raises((UsageError, TableError), match=hint):
        pvi({"text": [[1.0], [2.0]] * 3, "label": ["a", "b"] * 3} | rows)
