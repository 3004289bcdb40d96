"""A process that is killed in a deletion, an import or an export leaves nothing half done."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError
from synthkit.store.store import Store
from tests.sessions.contents import fill

KILL = """
import os, signal, sys
import synthkit as sk, pyarrow.parquet, pandas
from synthkit.sessions import bundle_export, bundle_import, deletion, file_changes
folder, act, at = sys.argv[1:]
session = sk.Session(folder)
points = {
    "in the transaction": (file_changes.FileChanges, "sync"),
    "after the commit": (file_changes.FileChanges, "complete"),
    "in the scratch folder": (bundle_export, "_write"),
    "before the move": (bundle_export, "_move"),
    "unpacked": (bundle_import, "check_table"),
}
owner, name = points[at]
setattr(owner, name, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
if act == "delete":
    session.delete(runs=[2], tables=["good"], completions=True)
elif act == "import":
    session.import_bundle(folder + ".zip")
else:
    session.export(folder + ".out.zip")
"""
State = tuple[Any, ...]


def state(folder: Path) -> State:
    with sk.Session(folder) as session:
        return (*sorted(session.store.counts().items()), session.names())


def files(folder: Path) -> set[str]:
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith("store.sqlite")}


@pytest.fixture
def full(tmp_path: Path) -> Path:
    with sk.Session(tmp_path / "full") as session:
        fill(session)
        session.export(tmp_path / "s.zip")
    return tmp_path / "full"


@pytest.fixture
def kill(tmp_path: Path) -> Iterator[Any]:
    def killed(act: str, at: str) -> None:
        command = [sys.executable, "-c", KILL, str(tmp_path / "s"), act, at]
        environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
        (tmp_path / "tmp").mkdir()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == -signal.SIGKILL, done.stderr

    yield killed
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.mark.parametrize("at", ["in the transaction", "after the commit"])
def test_a_killed_deletion_is_done_or_not_begun(
    full: Path, tmp_path: Path, kill: Any, at: str
) -> None:
    before = state(full)
    shutil.copytree(full, tmp_path / "s")
    kill("delete", at)
    assert any(name.endswith(".deleted") for name in files(tmp_path / "s"))
    with sk.Session(full) as session:
        session.delete(runs=[2], tables=["good"], completions=True)
    after = state(full)
    assert state(tmp_path / "s") == (before if at == "in the transaction" else after)
    assert len(files(tmp_path / "s")) == (4 if at == "in the transaction" else 2)


@pytest.mark.parametrize("at", ["unpacked", "in the transaction", "after the commit"])
def test_a_killed_import_is_done_or_not_begun(
    full: Path, tmp_path: Path, kill: Any, at: str
) -> None:
    sk.Session(tmp_path / "s").close()
    empty = state(tmp_path / "s")
    kill("import", at)
    assert files(tmp_path / "s")
    assert state(tmp_path / "s") == (state(full) if at == "after the commit" else empty)
    assert len(files(tmp_path / "s")) == (3 if at == "after the commit" else 0)
    with sk.Session(tmp_path / "s") as session:
        session.import_bundle(tmp_path / "s.zip")
    assert state(tmp_path / "s") == state(full)


@pytest.mark.parametrize("at", ["in the scratch folder", "before the move"])
def test_a_killed_export_leaves_no_bundle_and_nothing_else(
    full: Path, tmp_path: Path, kill: Any, at: str
) -> None:
    shutil.copytree(full, tmp_path / "s")
    before = files(tmp_path / "s")
    kill("export", at)
    assert len(files(tmp_path / "s")) > len(before)
    assert not list(tmp_path.glob("*.out*"))
    assert state(tmp_path / "s") == state(full)
    assert files(tmp_path / "s") == before


def test_a_bundle_is_moved_to_another_disk_completely(
    full: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.replace

    def apart(source: Any, target: Any) -> None:
        if Path(source).parent != Path(target).parent:
            raise OSError(18, "Invalid cross-device link")
        real(source, target)

    with sk.Session(full) as session:
        monkeypatch.setattr(os, "replace", apart)
        path = session.export(tmp_path / "far.zip")
    assert zipfile.ZipFile(path).testzip() is None
    assert not list(tmp_path.glob(".*"))


def test_a_deletion_under_way_in_another_process_is_left_alone(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(session)
    seen = []

    def look(store: Store, *_: Any) -> None:
        monkeypatch.setattr("synthkit.store.store.PATIENCE", 0.05)
        with sk.Session(session.folder) as other:  # opens while the other one deletes
            seen.append(sorted(path.name for path in other.table_folder.glob("*.deleted")))

    monkeypatch.setattr("synthkit.sessions.file_changes.FileChanges.sync", look)
    session.delete(tables=["good"])
    assert [len(names) for names in seen] == [1]
    assert session.names() == ["replies", "said"]


def test_an_error_in_an_import_takes_its_tables_back(
    full: Path, session: sk.Session, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("synthkit.sessions.file_changes.FileChanges.sync", refuse)
    with pytest.raises(StoreError, match=r"nothing was imported.*No space"):
        session.import_bundle(tmp_path / "s.zip")
    assert session.store.completions.count() == 0
    assert files(session.folder) == set()
