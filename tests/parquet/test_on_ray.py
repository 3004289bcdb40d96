"""Large tables on a Ray cluster of two workers: the results of this process."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from synthkit import curate
from synthkit.core import ray_cluster
from synthkit.core.errors import TableError, UsageError
from synthkit.core.extras import need
from synthkit.data import tables
from synthkit.parquet import apply_filters, embed, report
from synthkit.parquet.executors import OnRay
from tests.parquet.conftest import write_files

pytestmark = [
    pytest.mark.slow,
    # by Ray, of its own parts
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    need("ray.data", extra="ray", why="for these tests")
    ray_cluster.join("local", cpus=2, object_store=100_000_000)
    yield "local"
    ray_cluster.leave()


def pid_of(part: int) -> tuple[int, int]:
    return part, os.getpid()


def test_parts_are_worked_on_by_several_processes_and_come_in_order(
    cluster: str, capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    found = list(OnRay(cluster).map(pid_of, range(8)))
    assert [part for part, _ in found] == list(range(8))
    assert os.getpid() not in {pid for _, pid in found}
    assert list(OnRay(cluster).map(pid_of, [])) == []
    assert capfd.readouterr() == ("", "")  # Ray says nothing in the cell


def test_rows_reasons_vectors_and_scores_are_those_of_one_process(
    cluster: str, folder: Path, arrow: Any, tmp_path: Path
) -> None:
    filters = [
        curate.length(least=9),
        curate.near_duplicates(threshold=0.7),
        curate.balanced("label", n=600),
    ]
    found = apply_filters(folder, *filters, to=tmp_path / "far", cluster=cluster)
    memory = curate.apply_filters(arrow, *filters)
    assert tables.records(found.kept.load()) == tables.records(memory.kept)
    assert {row["id"]: row["why"] for row in tables.records(found.dropped.load())} == dict(
        zip(memory.dropped["id"].to_pylist(), memory.dropped["why"].to_pylist(), strict=True)
    )
    near = embed(found.kept, "wordllama", to=tmp_path / "near")
    far = embed(found.kept, "wordllama", to=tmp_path / "vectors", cluster=cluster)
    assert far.load()["vector"].equals(near.load()["vector"])
    names = ["distinct-2", "n-gram entropy", "vocabulary", "self-BLEU"]
    options: dict[str, Any] = {"metrics": names, "scratch": tmp_path, "sample": 300}
    for score, other in zip(
        report(folder, cluster=cluster, **options), report(folder, **options), strict=True
    ):
        assert (score.name, score.value, score.how) == (other.name, other.value, other.how)
        assert np.allclose([score.low, score.high], [other.low, other.high], rtol=1e-9)


def test_a_duplicate_on_another_worker_is_found(cluster: str, tmp_path: Path) -> None:
    rows = [{"id": str(at), "text": f"alpha beta gamma delta {at} {at * 7}"} for at in range(40)]
    rows[-1]["text"] = "Alpha beta gamma delta 0 0 extra"
    write_files(rows, tmp_path / "rows", files=2)
    found = apply_filters(
        tmp_path / "rows", curate.near_duplicates(), to=tmp_path / "result", cluster=cluster
    )
    assert found.dropped.load()["why"].to_pylist() == ["near-duplicate: of 0, Jaccard 0.83"]


def test_a_worker_that_is_killed_changes_nothing(
    cluster: str, folder: Path, arrow: Any, tmp_path: Path
) -> None:
    killed = tmp_path / "killed"

    def long_enough(row: Any) -> Any:
        if row["id"] == "row-2500" and not killed.exists():
            killed.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return row["stars"] > 2

    filter = curate.row_filter(long_enough)
    found = apply_filters(folder, filter, to=tmp_path / "result", cluster=cluster)
    assert killed.exists()
    memory = curate.apply_filters(arrow, curate.row_filter(long_enough))
    assert tables.records(found.kept.load()) == tables.records(memory.kept)
    assert len(found.dropped) == tables.size(memory.dropped)


def test_errors_of_workers_are_said_as_in_this_process(
    cluster: str, folder: Path, tmp_path: Path
) -> None:
    broken = curate.row_filter(lambda row: row["missing"])
    with pytest.raises(UsageError, match=r"\.parquet, from row \d+: row 0: KeyError: 'missing'"):
        apply_filters(folder, broken, to=tmp_path / "result", cluster=cluster)
    write_files([{"id": "a", "text": "soup"}] * 2, tmp_path / "rows", files=1)
    with pytest.raises(TableError, match=r"'a' occurs twice: in .*row 0, and in .*row 1"):
        apply_filters(tmp_path / "rows", to=tmp_path / "result", cluster=cluster)
