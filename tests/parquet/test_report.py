"""Scores of large tables: those of all rows as in memory, the others of a sample that says so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow
import pyarrow.parquet as parquet
import pytest

from synthkit import evaluate
from synthkit.core.errors import UsageError
from synthkit.evaluate.checks import length
from synthkit.evaluate.registry import METRICS
from synthkit.parquet import report

pytestmark = pytest.mark.usefixtures("small_parts")

REAL = [
    {"text": "Good soup for all.", "label": "good"},
    {"text": "Baba was late again.", "label": "bad"},
]


def embed(texts: Any) -> Any:
    return [[len(text), text.count("a"), text.count("e"), 1.0] for text in texts]


def labelled(arrow: Any) -> Any:
    return arrow.filter(pyarrow.compute.is_valid(arrow["label"]))


def test_scores_of_all_rows_are_those_in_memory(arrow: Any, tmp_path: Path) -> None:
    table = labelled(arrow)
    parquet.write_table(table, tmp_path / "rows.parquet", row_group_size=300)
    names = [name for name in METRICS if METRICS[name].large]
    options: dict[str, Any] = {"metrics": names, "label": "label", "against": REAL}
    large = report(tmp_path / "rows.parquet", scratch=tmp_path, **options)
    memory = evaluate.report(table, **options)
    assert [score.name for score in large] == [score.name for score in memory]
    assert len(list(large)) == len(names) + 2  # two of the metrics have two scores each
    for score in large:
        other = memory[score.name]
        assert score.value == other.value, score.name
        assert (score.n, score.how, score.unit, score.at_n) == (
            other.n, other.how, other.unit, other.at_n,
        )  # fmt: skip
        assert np.allclose([score.low, score.high], [other.low, other.high], rtol=1e-9)
        assert score.parts is None
    assert [path.name for path in tmp_path.iterdir()] == ["rows.parquet"]


def test_other_scores_are_of_a_sample_and_say_so(folder: Path, arrow: Any, tmp_path: Path) -> None:
    names = ["self-BLEU", "MTLD", "APS", "remote-clique", "pass rate", "distinct-1"]
    options: dict[str, Any] = {
        "metrics": names, "sample": 400, "seed": 3, "embed": embed, "embedder": "toy",
        "checks": [length("text", 9)],
    }  # fmt: skip
    large = report(folder, scratch=tmp_path, **options)
    memory = evaluate.report(arrow, **options)
    note = f"400 of {memory['distinct-1'].n} rows drawn, seed 3"
    for name in ("APS", "remote-clique"):  # their sample is the same in memory
        assert large[name].value == memory[name].value
        assert large[name].how == memory[name].how
        assert note in large[name].how
    for name in ("self-BLEU-4", "MTLD", "pass rate"):
        assert large[name].how.endswith(note)
        assert large[name].n == 400
        assert large[name].low is not None
    assert note not in large["distinct-1"].how


def test_a_small_table_is_its_own_sample(folder: Path, arrow: Any, tmp_path: Path) -> None:
    large = report(folder, metrics=["MTLD"], scratch=tmp_path)
    assert large["MTLD"] == evaluate.report(arrow, metrics=["MTLD"])["MTLD"]


def test_a_cell_that_is_no_text_is_named(tmp_path: Path) -> None:
    parquet.write_table(pyarrow.table({"n": [1, 2]}), tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match=r"rows\.parquet, row 0: expected text in column 'n'"):
        report(tmp_path / "rows.parquet", scratch=tmp_path)
    with pytest.raises(UsageError, match="metric 'no-such' not found"):
        report(tmp_path / "rows.parquet", metrics=["no-such"], scratch=tmp_path)


def test_a_metric_of_your_own_takes_large_texts_if_it_says_so(folder: Path, tmp_path: Path) -> None:
    from synthkit.core.types import Score
    from synthkit.data.large_texts import LargeTexts, map_parts

    seen = []

    @evaluate.metric("capitals", kind="diversity", large=True)
    def capitals(texts: Any) -> Score:
        seen.append(isinstance(texts, LargeTexts))
        found = sum(map_parts(texts, lambda part: sum(text[0].isupper() for text in part)))
        return Score(name="capitals", value=found / len(texts), n=len(texts))

    try:
        assert report(folder, metrics=["capitals"], scratch=tmp_path)["capitals"].value == 1
        assert seen == [True]
    finally:
        METRICS.remove("capitals")
