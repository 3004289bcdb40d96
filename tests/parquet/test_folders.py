"""Folders of large tables: what is read from them, and how results are put in their place."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet as parquet
import pytest

from synthkit import curate
from synthkit.core.errors import TableError, UsageError
from synthkit.parquet import apply_filters, embed, open_table, report
from tests.parquet.test_embed import TOY

LONG = curate.length(least=2)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A folder with a table of three rows, of which two are long enough."""
    (tmp_path / "rows").mkdir()
    table = pyarrow.table({"id": list("abc"), "text": ["one", "one two", "one two"]})
    parquet.write_table(table, tmp_path / "rows" / "a.parquet")
    return tmp_path / "rows"


def test_folders_are_not_patterns(source: Path) -> None:
    odd = source.rename(source.with_name("rows [1]"))
    assert len(open_table(odd)) == 3
    assert len(apply_filters(odd, LONG, to=source.with_name("kept [v*]")).kept) == 2


def test_a_result_inside_its_source_is_not_read_as_rows(source: Path) -> None:
    for _ in range(2):
        assert len(apply_filters(source, LONG, to=source / "kept").kept) == 2
    assert len(open_table(source)) == 3
    assert len(open_table(source / "kept")) == 2


def test_a_file_counts_once_however_many_links_lead_to_it(source: Path) -> None:
    (source / "latest").symlink_to(source)
    (source / "b.parquet").symlink_to(source / "a.parquet")
    assert len(open_table(source)) == 3


def test_a_folder_without_parquet_is_named(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="expected a folder with Parquet files"):
        open_table(tmp_path)


def test_a_link_stays_and_leads_to_the_result(source: Path, tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    for name in ("disk", "new"):
        link = tmp_path / f"to-{name}"
        link.symlink_to(tmp_path / name)
        assert len(apply_filters(source, LONG, to=link).kept) == 2
        assert link.is_symlink()
        inside = {"kept", "dropped", "_synthkit.json"}
        assert {path.name for path in (tmp_path / name).iterdir()} == inside


def test_others_may_read_a_result_as_any_new_folder(source: Path, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    apply_filters(source, LONG, to=tmp_path / "result")
    assert (tmp_path / "result").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_result_with_files_of_others_is_not_replaced(source: Path, tmp_path: Path) -> None:
    apply_filters(source, LONG, to=tmp_path / "result")
    (tmp_path / "result" / ".DS_Store").touch()
    apply_filters(source, LONG, to=tmp_path / "result")
    embed(tmp_path / "result", TOY, to=tmp_path / "result" / "vectors")
    with pytest.raises(UsageError, match="has vectors, so that it is no result"):
        apply_filters(source, LONG, to=tmp_path / "result")
    assert len(open_table(tmp_path / "result" / "vectors")) == 2


KILLED = """
import os, signal, sys
from synthkit import curate
from synthkit.parquet import apply_filters
apply_filters(sys.argv[1], curate.row_filter(lambda row: os.kill(os.getpid(), signal.SIGKILL)),
              to=sys.argv[2])
"""


def test_what_a_killed_process_left_is_removed_by_the_next(source: Path, tmp_path: Path) -> None:
    to = tmp_path / "place" / "result"
    killed = subprocess.run([sys.executable, "-c", KILLED, source, to], check=False)
    assert killed.returncode == -9
    assert len(list(to.parent.iterdir())) == 1
    apply_filters(source, LONG, to=to)
    assert list(to.parent.iterdir()) == [to]


KILLED_BETWEEN = """
import os, pathlib, signal, sys
from synthkit import curate
from synthkit.parquet import apply_filters
rename = pathlib.Path.rename
def dying(path, to):
    if path.name == "result" and pathlib.Path(to).name == "result":
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(path, to)
pathlib.Path.rename = dying
apply_filters(sys.argv[1], curate.length(least=1), to=sys.argv[2])
"""


def test_an_earlier_result_survives_a_kill_while_it_is_replaced(
    source: Path, tmp_path: Path
) -> None:
    to = tmp_path / "place" / "result"
    apply_filters(source, LONG, to=to)
    killed = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, source, to], check=False)
    assert (killed.returncode, to.exists()) == (-9, False)
    fails = curate.row_filter(lambda row: 1 / 0)
    with pytest.raises(UsageError, match="division by zero"):
        apply_filters(source, fails, to=to)
    assert len(open_table(to)) == 2
    assert list(to.parent.iterdir()) == [to]


def test_an_earlier_result_stays_if_the_new_one_cannot_take_its_place(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply_filters(source, LONG, to=tmp_path / "result")
    rename = Path.rename

    def full(path: Path, to: Path) -> Path:
        if path.name == to.name:
            raise OSError(28, "No space left on device")
        return rename(path, to)

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(UsageError, match="No space left on device"):
        apply_filters(source, curate.length(least=1), to=tmp_path / "result")
    assert len(open_table(tmp_path / "result")) == 2


@pytest.fixture
def small_files() -> Iterator[None]:
    """No file may grow beyond 4 KB, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def big_table() -> Any:
    texts = [f"{at:x} {at * at:x} {at**5:x}" for at in range(2000)]
    return pyarrow.table({"id": texts, "text": texts})


WORK: dict[str, Callable[[Path, Path], Any]] = {
    "filter": lambda rows, to: apply_filters(rows, LONG, to=to),
    "duplicates": lambda rows, to: apply_filters(rows, curate.exact_duplicates(), to=to),
    "embed": lambda rows, to: embed(rows, TOY, to=to, column="text"),
    "report": lambda rows, to: report(rows, scratch=to, metrics=["distinct-2"]),
}


@pytest.mark.parametrize("name", WORK)
def test_a_full_disk_is_said_and_leaves_nothing(
    name: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    parquet.write_table(big_table(), tmp_path / "rows.parquet")
    request.getfixturevalue("small_files")
    with pytest.raises(UsageError, match=r"cannot be written: .*File too large"):
        WORK[name](tmp_path / "rows.parquet", tmp_path / "to" / "result")
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left == [tmp_path / "rows.parquet"]


@pytest.mark.parametrize("name", WORK)
def test_a_place_that_cannot_be_written_is_named(name: str, source: Path) -> None:
    with pytest.raises(UsageError, match=r"result cannot be written"):
        WORK[name](source, source / "a.parquet" / "result")


class Elsewhere:
    """Works on each part in another folder, as the workers of a cluster do."""

    def map(self, function: Callable[[Any], Any], parts: Any) -> Iterator[Any]:
        for part in parts:
            here = os.getcwd()
            os.chdir("/")
            try:
                result = function(part)
            finally:
                os.chdir(here)
            yield result


def test_workers_in_another_folder_find_relative_paths(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for module in ("_apply_filters", "_embed", "_report"):
        monkeypatch.setattr(f"synthkit.parquet.{module}.executor", lambda _: Elsewhere())
    found = apply_filters("rows", LONG, curate.exact_duplicates(), to="result")
    assert len(embed("result", TOY, to="vectors")) == 1
    assert report("rows/*.parquet", metrics=["distinct-1"])["distinct-1"].n == 3
    monkeypatch.chdir("/")
    assert found.kept.load()["id"].to_pylist() == ["b"]
    shutil.rmtree(tmp_path / "vectors")
