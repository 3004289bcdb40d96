"""Few-shot classifiers: the pairs, the head, and what is refused."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkit.core.errors import ModelError, TableError, UsageError
from synthkit.train import FewShotClassifier, embedder, fewshot, load_trained
from synthkit.train._fewshot import contrastive
from synthkit.train.examples import labelled
from tests.train.conftest import LABELS, TEXTS, rows_of

ROWS = rows_of(TEXTS, LABELS)
OPTIONS: dict[str, Any] = {"pairs": 2, "steps": 3, "batch_size": 8, "learning_rate": 1e-3}


@pytest.fixture
def train(bert: str, tmp_path: Path) -> Any:
    """A function that trains a few-shot classifier for three steps."""

    def call(rows: Any = ROWS, **options: Any) -> FewShotClassifier:
        return fewshot(rows, **{"base": bert, "folder": tmp_path / "trained", **OPTIONS} | options)

    return call


def test_each_text_gets_as_many_partners_of_its_label_as_of_others() -> None:
    found = labelled(ROWS, text="text", label="label", known=("+", "-"))
    drawn = contrastive(found, pairs=3, seed=1).cells
    label = dict(zip(TEXTS, LABELS, strict=True))
    assert Counter(cell["anchor"] for cell in drawn) == dict.fromkeys(TEXTS, 6)
    for cell in drawn:
        assert cell["label"] == (label[cell["anchor"]] == label[cell["positive"]])
        assert cell["label"] == 0 or cell["anchor"] != cell["positive"]
    assert Counter(cell["label"] for cell in drawn) == {1.0: 48, 0.0: 48}
    assert contrastive(found, pairs=3, seed=1).cells == drawn
    assert contrastive(found, pairs=3, seed=2).cells != drawn


def test_the_body_is_an_embedder_trained_on_the_pairs_and_the_head_is_that_of_sklearn(
    train: Any, bert: str, tmp_path: Path
) -> None:
    from sklearn.linear_model import LogisticRegression

    found = train()
    drawn = contrastive(
        labelled(ROWS, text="text", label="label", known=("+", "-")), pairs=2, seed=0
    )
    pairs = [
        {"id": f"{n:03}", "anchor": cell["anchor"], "positive": cell["positive"],
         "score": cell["label"]}
        for n, cell in enumerate(drawn.cells)
    ]  # fmt: skip
    options = {name: value for name, value in OPTIONS.items() if name != "pairs"}
    body = embedder(pairs, base=bert, folder=tmp_path, **options)
    vectors = found.embedder.embed(TEXTS).astype(np.float64)
    assert (vectors == body.embed(TEXTS)).all()
    head = LogisticRegression(tol=1e-6, max_iter=10_000).fit(vectors, LABELS)
    assert tuple(head.classes_) == found.labels
    assert found.probabilities(TEXTS) == pytest.approx(head.predict_proba(vectors), abs=1e-9)
    assert found.predict(TEXTS) == head.predict(vectors).tolist()


def test_weights_and_the_penalty_reach_the_head(train: Any) -> None:
    from sklearn.linear_model import LogisticRegression

    weights = [float(n % 3) for n in range(16)]
    rows = [row | {"weight": weight} for row, weight in zip(ROWS, weights, strict=True)]
    found = train(rows, weights="weight", C=3.0)
    vectors = found.embedder.embed(TEXTS).astype(np.float64)
    head = LogisticRegression(C=3.0, tol=1e-6, max_iter=10_000)
    head.fit(vectors, LABELS, sample_weight=weights)
    assert found.probabilities(TEXTS) == pytest.approx(head.predict_proba(vectors), abs=1e-9)
    light = train(rows, C=3.0)
    assert light.folder != found.folder


def test_it_is_cached_loaded_and_has_its_lineage(
    train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.train.training import Training

    labels = [n // 4 for n in range(16)]
    rows = rows_of(TEXTS, labels)
    found = train(rows, held_out=rows[::2])
    assert found.labels == (0, 1, 2, 3)
    assert set(found.record["rows"]) == {row["id"] for row in rows}
    assert found.record["settings"]["pairs"] == 2
    assert [entry["step"] for entry in found.log if "eval_loss" in entry] == [0, 1, 2, 3]
    again = load_trained(found.folder)
    assert again.fingerprint == found.fingerprint
    assert (again.probabilities(TEXTS) == found.probabilities(TEXTS)).all()
    assert again.predict([]) == []
    with pytest.raises(UsageError, match="row 0: expected a text; got None"):
        again.predict([None])
    with monkeypatch.context() as patch:
        patch.setattr(Training, "_train", None)
        assert train(rows[::-1], held_out=rows[::2]).folder == found.folder
    (found.folder / "head.json").unlink()
    with pytest.raises(ModelError, match=r"head\.json cannot be read"):
        load_trained(found.folder)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        (rows_of(TEXTS, ["+"] * 16), {}, "two or more labels"),
        (rows_of([None, *TEXTS[1:]], LABELS), {}, "row 0: expected a text; got None"),
        (rows_of(TEXTS, [[1]] * 16), {}, "row 0: expected a label"),
        (rows_of(TEXTS, TEXTS), {}, "each of the 16 rows has a label of its own"),
        (ROWS, {"pairs": 0}, "pairs of 1 or more and C above 0; got 0 and 1.0"),
        (ROWS, {"C": 0}, "C above 0"),
        (ROWS, {"held_out": ROWS[:2]}, "two labels or more; all have the same"),
        (ROWS, {"text": "body"}, "column 'body' not found"),
        (ROWS, {"alpha": 3}, "option 'alpha' not found"),
        (ROWS, {"base": "wordllama"}, "no weights that can be trained"),
    ],
)
def test_what_cannot_work_is_refused(
    rows: Any, options: dict[str, Any], message: str, train: Any, tmp_path: Path
) -> None:
    with pytest.raises((UsageError, TableError), match=message):
        train(rows, **options)
    assert not (tmp_path / "trained").exists()


@pytest.mark.model
def test_sixteen_reviews_teach_minilm_sentiment(tmp_path: Path) -> None:
    from synthkit.evaluate.metrics.learners import held_out
    from synthkit.models.hub.sample_data import load_sample

    train, test = held_out(load_sample("yelp", quiet=True), 0.5)
    shots = train.groupby("label").head(8)
    found = fewshot(shots, folder=tmp_path, pairs=5)
    right = np.array(found.predict(test["text"][:100].tolist())) == test["label"][:100]
    assert right.mean() > 0.6
