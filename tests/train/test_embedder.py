"""Trainings of an embedder, held against sentence-transformers called directly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import synthkit as sk
from synthkit.core.errors import ModelNotFound, NotEnoughMemory, TableError, UsageError
from synthkit.curate import apply_filters, semantic_duplicates
from synthkit.train import TrainedEmbedder, embedder, load_trained
from synthkit.train.embedder_method import base_of, sentence_transformer
from tests.train.conftest import TEXTS

PAIRS = [
    {"id": f"{n:02}", "anchor": text, "positive": text.split()[1]} for n, text in enumerate(TEXTS)
]
TRIPLETS = [row | {"negative": "wine"} for row in PAIRS[:12:2]]
SCORED = [row | {"score": n / 16} for n, row in enumerate(PAIRS)]
OPTIONS: dict[str, Any] = {"steps": 3, "batch_size": 4, "learning_rate": 1e-3}


@pytest.fixture
def train(bert: str, tmp_path: Path) -> Any:
    """A function that trains an embedder for three steps."""

    def call(rows: Any, **options: Any) -> TrainedEmbedder:
        return embedder(rows, **{"base": bert, "folder": tmp_path / "trained", **OPTIONS} | options)

    return call


def losses(log: list[dict[str, Any]]) -> list[float]:
    return [entry["loss"] for entry in log if "loss" in entry]


def plain(base: str, rows: list[dict[str, Any]], loss: str, folder: Path) -> Any:
    """The trainer of sentence-transformers, as its documentation uses it, after training."""
    import datasets
    import sentence_transformers as st
    import torch
    from sentence_transformers.sentence_transformer import losses as classes
    from sentence_transformers.sentence_transformer import modules

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = modules.Transformer(base[3:], max_seq_length=16)
        model = st.SentenceTransformer(
            modules=[net, modules.Pooling(32, "mean"), modules.Normalize()], device="cpu"
        )
        cells = [{key: row[key] for key in row if key != "id"} for row in rows]
        trainer = st.SentenceTransformerTrainer(
            model=model,
            args=st.SentenceTransformerTrainingArguments(
                output_dir=str(folder), max_steps=3, per_device_train_batch_size=4,
                learning_rate=1e-3, warmup_steps=0.1, use_cpu=True, report_to="none",
                save_strategy="no", logging_steps=1, seed=0, data_seed=0, disable_tqdm=True,
                batch_sampler="no_duplicates" if "Ranking" in loss else "batch_sampler",
            ),
            train_dataset=datasets.Dataset.from_list(cells),
            loss=getattr(classes, loss)(model),
        )  # fmt: skip
        trainer.train()
    return trainer


@pytest.mark.parametrize(
    ("rows", "loss"),
    [
        (PAIRS, "MultipleNegativesRankingLoss"),
        (TRIPLETS, "MultipleNegativesRankingLoss"),
        (SCORED, "CosineSimilarityLoss"),
    ],
    ids=["pairs", "triplets", "scored"],
)
def test_it_is_equal_to_sentence_transformers_called_directly(
    rows: list[dict[str, Any]], loss: str, train: Any, bert: str, tmp_path: Path
) -> None:
    found = train(rows)
    trainer = plain(bert, rows, loss, tmp_path / "plain")
    assert losses(found.log) == pytest.approx(losses(trainer.state.log_history), abs=1e-6)
    vectors = trainer.model.encode(TEXTS, show_progress_bar=False)
    assert found.embed(TEXTS) == pytest.approx(vectors, abs=1e-6)
    before = sk.load_embedder(bert).embed(TEXTS)
    assert abs(found.embed(TEXTS) - before).max() > 1e-3
    assert found.record["settings"]["loss"] == loss


def test_the_result_is_an_embedder_like_any_other(
    train: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    found = train(PAIRS, held_out=PAIRS[:4])
    assert "it/s" not in capfd.readouterr().err
    assert (found.dim, found.name.split()[1]) == (32, "embedder")
    assert np.linalg.norm(found.embed(TEXTS), axis=1) == pytest.approx(1, abs=1e-6)
    assert set(found.record["rows"]) == {row["id"] for row in PAIRS}
    assert {"sentence-transformers", "torch"} <= set(found.record["versions"])
    assert [entry["step"] for entry in found.log if "eval_loss" in entry] == [0, 1, 2, 3]
    for other in (load_trained(found.folder), sk.load_embedder(found.spec)):
        assert other.fingerprint == found.fingerprint
        assert (other.embed(TEXTS) == found.embed(TEXTS)).all()
    import sentence_transformers

    loaded = sentence_transformers.SentenceTransformer(str(found.folder), device="cpu")
    theirs = loaded.encode(TEXTS, show_progress_bar=False)
    assert found.embed(TEXTS) == pytest.approx(theirs, abs=1e-6)
    further = train(PAIRS[::-1], base=found)
    assert further.fingerprint != found.fingerprint
    assert further.record["base"]["weights"] == found.fingerprint
    rows = [{"text": text} for text in (TEXTS[0], TEXTS[9], TEXTS[0])]
    curation = apply_filters(rows, semantic_duplicates(found.embed, threshold=0.9999))
    assert (len(curation.kept), len(curation.dropped)) == (2, 1)
    with pytest.raises(ModelNotFound, match=r"no training\.json"):
        load_trained(tmp_path)


def test_the_second_time_nothing_is_trained(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from synthkit.train.training import Training

    first = train(PAIRS)
    monkeypatch.setattr(Training, "_train", None)
    assert train(PAIRS[::-1]).folder == first.folder


def test_mined_negatives_are_the_most_similar_texts_below_the_margin(
    train: Any, bert: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    from sentence_transformers import SentenceTransformerTrainer

    seen: list[Any] = []
    run = SentenceTransformerTrainer.train

    def spy(self: Any, **options: Any) -> Any:
        seen.append(self.train_dataset)
        return run(self, **options)

    monkeypatch.setattr(SentenceTransformerTrainer, "train", spy)
    margin = 0.2
    with pytest.warns(RuntimeWarning, match="left out: too few texts differ from the positive"):
        found = train(PAIRS, hard_negatives=1, margin=margin)
    assert "it/s" not in capfd.readouterr().err
    (rows,) = seen
    base = sk.load_embedder(bert)
    corpus = sorted({row["positive"] for row in PAIRS})
    expected = {}
    for row in PAIRS:
        (anchor,) = base.embed([row["anchor"]])
        to_positive = float(base.embed([row["positive"]])[0] @ anchor)
        scores = dict(zip(corpus, (base.embed(corpus) @ anchor).tolist(), strict=True))
        below = {
            text: score
            for text, score in scores.items()
            if text != row["positive"] and score <= to_positive - margin * abs(to_positive)
        }
        if below:
            expected[row["anchor"]] = max(below, key=lambda text: below[text])
    assert dict(zip(rows["anchor"], rows["negative_1"], strict=True)) == expected
    assert len(expected) > 0
    assert found.record["left_out"] == len(PAIRS) - len(expected)
    assert found.record["settings"]["hard_negatives"] == 1


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last"])
def test_a_base_embeds_as_before_when_it_is_loaded_to_be_trained(
    pooling: str, bert: str, tmp_path: Path
) -> None:
    import json
    import shutil

    folder = tmp_path / "base"
    shutil.copytree(bert[3:], folder)
    (folder / "1_Pooling").mkdir()
    kinds = {"": "Transformer", "1_Pooling": "Pooling"}
    modules = [{"idx": 0, "name": "0", "path": path, "type": kind} for path, kind in kinds.items()]
    (folder / "modules.json").write_text(json.dumps(modules))
    mode = {"last": "lasttoken"}.get(pooling, pooling)
    (folder / "1_Pooling/config.json").write_text(json.dumps({"pooling_mode": mode}))
    about = {"prompts": {"a": "good "}, "default_prompt_name": "a"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(about))
    base = base_of(f"hf:{folder}")
    assert (base.encoding.pooling, base.encoding.prompt) == (pooling, "good ")
    texts = [*TEXTS, "soup " * 40]
    model = sentence_transformer(base, 256)
    assert model.encode(texts, show_progress_bar=False) == pytest.approx(
        base.embed(texts), abs=1e-6
    )
    trained = embedder(PAIRS, base=f"hf:{folder}", folder=tmp_path, **OPTIONS | {"steps": 1})
    assert (trained.encoding.pooling, trained.encoding.prompt) == (pooling, "good ")


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([{"anchor": "a"}], {}, "column 'positive' not found"),
        ([{"anchor": "a", "positive": None}], {}, "row 0: expected a text in 'positive'; got None"),
        ([{"anchor": " ", "positive": "b"}], {}, "row 0: expected a text in 'anchor'"),
        ([row | {"score": 2} for row in PAIRS], {}, "row 0: expected a score from -1 to 1; got 2"),
        ([row | {"score": 0.5} for row in TRIPLETS], {}, "either 'score' or 'negative'"),
        (SCORED, {"hard_negatives": 1}, "mined for pairs without scores or negatives only"),
        (PAIRS, {"hard_negatives": -1}, "hard_negatives of 0 or more"),
        (PAIRS, {"hard_negatives": 1, "margin": 1}, "a margin of 0 or more and below 1"),
        (PAIRS, {"batch_size": 1}, "the rows of a step are compared"),
        (PAIRS[:1], {}, "the rows of a step are compared"),
        (PAIRS, {"quantize": "nf4"}, "option 'quantize' not found"),
        (PAIRS, {"base": "wordllama"}, "wordllama has no weights that can be trained here"),
        (PAIRS, {"base": "smollm2"}, "smollm2 is not an embedder"),
        (PAIRS, {"held_out": [{"anchor": "a"}]}, "column 'positive' not found"),
    ],
)
def test_what_cannot_work_is_refused(
    rows: Any, options: dict[str, Any], message: str, train: Any, tmp_path: Path
) -> None:
    with pytest.raises((UsageError, TableError), match=message):
        train(rows, **options)
    assert not (tmp_path / "trained").exists()


def test_without_memory_or_negatives_it_is_refused(
    train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthkit.models.local import memory

    with pytest.raises(UsageError, match="no pair has 1 text or more that the base finds"):
        train(PAIRS, hard_negatives=1, margin=0.999)
    little = memory.Memory(1 << 30, 1 << 27, "the control group of this process")
    monkeypatch.setattr(memory, "of_process", lambda: little)
    with pytest.raises(NotEnoughMemory, match=r"training bert needs about .* a smaller batch_size"):
        train(PAIRS)
