"""Scores of large tables: those of all rows as in memory, the others of a sample that says so."""

from __future__ import annotations

import os
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


def test_rows_without_a_text_count_in_a_small_table_as_in_memory(tmp_path: Path) -> None:
    table = pyarrow.table({"id": list("abcde"), "text": ["a b", "c", None, " ", "d e"]})
    parquet.write_table(table, tmp_path / "rows.parquet")
    options: dict[str, Any] = {"metrics": ["pass rate"], "checks": [length("text", 2)]}
    large = report(tmp_path, scratch=tmp_path, **options)
    assert large["pass rate"] == evaluate.report(table, **options)["pass rate"]
    assert large["pass rate"].n == 5
    larger = report(tmp_path, scratch=tmp_path, sample=4, **options)["pass rate"]
    assert larger.n == 3
    assert larger.how == "Wilson; of 3 of 5 rows, those with a text"


def test_options_out_of_range_and_columns_without_texts_are_said(tmp_path: Path) -> None:
    cells = pyarrow.array([None, float("nan")], pyarrow.float64())
    parquet.write_table(pyarrow.table({"n": cells}), tmp_path / "rows.parquet")
    with pytest.raises(UsageError, match="a text in column 'n'; none of 2 has one"):
        report(tmp_path, scratch=tmp_path)
    with pytest.raises(UsageError, match=r"level between 0 and 1; got 1\.5"):
        report(tmp_path, scratch=tmp_path, level=1.5)
    with pytest.raises(UsageError, match="sample must be at least 1"):
        report(tmp_path, scratch=tmp_path, sample=0)


def test_texts_of_any_type_of_arrow_are_sampled(tmp_path: Path) -> None:
    texts = pyarrow.array(["one two", "two one", "one"], pyarrow.string_view())
    parquet.write_table(pyarrow.table({"text": texts}), tmp_path / "rows.parquet")
    assert report(tmp_path, scratch=tmp_path, metrics=["MTLD"])["MTLD"].n == 3


def test_nothing_of_removed_files_stays_mapped(folder: Path, tmp_path: Path) -> None:
    report(folder, scratch=tmp_path, metrics=["distinct-1"])
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


def test_texts_are_read_whole_where_a_call_reads_less(
    folder: Path, arrow: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = os.pread  # reads at most 2 GB
    monkeypatch.setattr(os, "pread", lambda file, size, at: read(file, min(size, 1000), at))
    name = "vocabulary"
    large = report(folder, scratch=tmp_path, metrics=[name])
    assert large[name].value == evaluate.report(arrow, metrics=[name])[name].value


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
