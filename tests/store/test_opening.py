"""A store is opened wherever that can be done, and what is wrong with it is said."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import partial
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError, StoreLocked
from synthkit.core.types import Mark, Message, Request
from synthkit.store import database, opening
from synthkit.store.store import Store

ASK: dict[str, Any] = {"prompt": "Row {{ i }}", "rows": [{"i": 1}, {"i": 2}]}


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    with sk.Session(tmp_path / "s") as session:
        sk.generate(model=sk.Fake("ok"), session=session, name="t", **ASK)
        session.mark("a", "accept", by="ana")
    return tmp_path / "s"


@pytest.fixture
def frozen(filled: Path) -> Iterator[Path]:
    """A session in a folder that nobody may write to."""
    yield filled
    for path in (filled, *filled.rglob("*")):
        path.chmod(0o755)


def freeze(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        path.chmod(0o555 if path.is_dir() else 0o444)


def as_nobody(act: Callable[[], None]) -> None:
    """Do something in a child process that may not write, and fail as it does."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setuid(65534)
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.fixture
def reachable(tmp_path: Path) -> None:
    for folder in takewhile(
        lambda each: each != Path(tempfile.gettempdir()), (tmp_path, *tmp_path.parents)
    ):
        folder.chmod(0o755)


@pytest.mark.usefixtures("reachable")
@pytest.mark.parametrize("state", ["closed", "with a log", "older format"])
def test_a_read_only_folder_is_read_and_replayed_and_nothing_is_added(
    frozen: Path, state: str
) -> None:
    if state == "with a log":
        code = f"""
            import os, synthkit as sk
            session = sk.Session({str(frozen)!r})
            session.mark("b", "accept", by="ana")
            os._exit(0)
        """
        subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True)
        (frozen / "store.sqlite-shm").unlink()
    elif state == "older format":
        with closing(sqlite3.connect(frozen / "store.sqlite")) as store:
            store.executescript("DROP TABLE leases; DROP TABLE meta; PRAGMA user_version = 5;")
    freeze(frozen)

    def read() -> None:
        with pytest.warns(RuntimeWarning, match="is read-only"):
            session = sk.Session(frozen)
        fake = sk.Fake("ok")
        assert list(session.load("t")["text"]) == ["ok", "ok"]
        assert len(session.marks()) == (2 if state == "with a log" else 1)
        for name in ("", "t"):
            run = sk.generate(model=fake, session=session, name=name, **ASK)
            assert (len(run.table), run.ledger.hits) == (2, 2)
        assert len(sk.generate(model="replay", session=session, **ASK).table) == 2
        acts: list[Callable[[], Any]] = [
            lambda: sk.generate("New {{ i }}", rows=ASK["rows"], model=fake, session=session),
            lambda: session.mark("c", "accept", by="ana"),
            lambda: session.save("t", [{"a": 1}]),
            lambda: session.delete(tables=["t"]),
            lambda: session.store.labs.put("tone", {}),
        ]
        for act in acts:
            with pytest.raises(StoreError, match=r"is read-only.*Copy the folder"):
                act()
        assert fake.asked == []
        session.close()

    as_nobody(read)


@pytest.mark.usefixtures("reachable")
def test_a_read_only_store_that_changes_is_noticed(frozen: Path) -> None:
    freeze(frozen)
    read, write = os.pipe()

    def look() -> None:
        warnings.simplefilter("ignore")
        session = sk.Session(frozen)
        assert len(session.marks()) == 1
        os.read(read, 1)
        with pytest.raises(StoreError, match="deleted, moved or replaced"):
            session.marks()

    threading.Timer(1.0, lambda: (change(), os.write(write, b"x"))).start()

    def change() -> None:
        with sk.Session(frozen) as session:
            session.mark("b", "accept", by="ana")

    as_nobody(look)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:8192]), "damaged|malformed"),
        (lambda path: path.write_bytes(path.read_bytes()[:-4096]), "cut short|malformed"),
        (lambda path: path.write_bytes(b"x" * 20_000), "is no SQLite file|not a database"),
        (lambda path: path.write_bytes(bytes(20_000)), "not a database|none of its tables"),
    ],
    ids=["empty", "two pages", "one page less", "text", "zeros"],
)
def test_a_damaged_store_is_said_and_never_taken_for_a_new_one(
    filled: Path, damage: Callable[[Path], Any], words: str
) -> None:
    path = filled / "store.sqlite"
    damage(path)
    content = path.read_bytes()
    with pytest.raises(StoreError, match=words):
        sk.Session(filled)
    assert path.read_bytes() == content


@pytest.mark.parametrize("statement", ["DROP TABLE marks", "PRAGMA user_version = 0"])
def test_a_file_without_the_tables_of_a_store_is_refused(filled: Path, statement: str) -> None:
    with closing(sqlite3.connect(filled / "store.sqlite")) as other:
        other.execute(statement)
    with pytest.raises(StoreError, match=r"lacks the table 'marks'|none of its tables"):
        sk.Session(filled)


def test_tables_without_a_store_are_said(filled: Path) -> None:
    (filled / "store.sqlite").unlink()
    with pytest.warns(RuntimeWarning, match=r"has tables but no store\.sqlite"):
        sk.Session(filled).close()


def test_processes_that_create_one_store_at_once_all_open_it(tmp_path: Path) -> None:
    code = "import sys, synthkit as sk; sk.Session(sys.argv[1]).mark('a', 'accept', by='x')"
    command = [sys.executable, "-c", code, str(tmp_path / "s")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate()[1] for process in started] == [b""] * 4
    with sk.Session(tmp_path / "s") as session:
        assert len(session.marks()) == 4


@pytest.mark.parametrize(
    "change", [("text", "OK"), ("finish", "length"), ("seconds", 9.0), ("how", "x")]
)
def test_a_damaged_completion_is_never_used(session: sk.Session, change: tuple[str, Any]) -> None:
    sk.generate(model=sk.Fake("ok"), session=session, **ASK)
    column, value = change
    with closing(sqlite3.connect(session.store.path, isolation_level=None)) as other:
        other.execute(f"UPDATE completions SET {column} = ? WHERE rowid = 1", (value,))
        (key,) = other.execute("SELECT key FROM completions WHERE rowid = 1").fetchone()
    with pytest.raises(StoreError, match="is damaged: its checksum differs"):
        session.trace(key[:16])
    fake = sk.Fake("ok")
    with pytest.warns(RuntimeWarning, match="are damaged"):
        run = sk.generate(model=fake, session=session, **ASK)
    assert (list(run.table["text"]), len(fake.asked)) == (["ok", "ok"], 1)
    assert len(sk.generate(model=fake, session=session, **ASK).table) == 2
    assert len(fake.asked) == 1
    assert session.trace(key[:16])[0].completion.text == "ok"


@pytest.mark.parametrize(
    ("part", "other"), [("':'", "';'"), ("'sampling'", "'sAmpling'"), ("'\"user\"'", "'\"usar\"'")]
)
def test_a_damaged_request_is_a_store_error(session: sk.Session, part: str, other: str) -> None:
    sk.generate(model=sk.Fake("ok"), session=session, **ASK)
    with closing(sqlite3.connect(session.store.path, isolation_level=None)) as db:
        db.execute(f"UPDATE completions SET request = replace(request, {part}, {other})")
        (key,) = db.execute("SELECT key FROM completions WHERE rowid = 1").fetchone()
    with pytest.raises(StoreError, match=r"the request of the completion .* is damaged"):
        session.trace(key[:16])
    asked = Request((Message("user", "Other."),)).payload("m")
    assert session.store.completions.explain(asked) == "nothing was generated in this session yet"


@pytest.mark.usefixtures("reachable")
def test_a_folder_that_may_not_be_read_is_a_store_error(frozen: Path) -> None:
    frozen.chmod(0)

    def read() -> None:
        with pytest.raises(StoreError, match="cannot be created or read"):
            sk.Session(frozen)

    as_nobody(read)


def test_completions_of_older_formats_have_no_checksum_and_are_used(session: sk.Session) -> None:
    sk.generate(model=sk.Fake("ok"), session=session, **ASK)
    with closing(sqlite3.connect(session.store.path, isolation_level=None)) as other:
        other.execute("UPDATE completions SET checksum = ''")
    fake = sk.Fake("ok")
    sk.generate(model=fake, session=session, **ASK)
    assert fake.asked == []


class Refusing(sqlite3.Connection):
    """A connection whose file system lacks something, as its errors say."""

    lacks: str

    def execute(self, statement: str, *parameters: Any) -> sqlite3.Cursor:
        lacks_memory = "journal_mode = WAL" in statement and self.lacks.startswith("SQLITE_IOERR")
        if lacks_memory or (self.lacks == "SQLITE_BUSY" and "journal_mode" in statement):
            error = sqlite3.OperationalError("disk I/O error")
            error.sqlite_errorname = self.lacks
            error.sqlite_errorcode = getattr(sqlite3, self.lacks)
            raise error
        return super().execute(statement, *parameters)


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def lack(name: str) -> None:
        connect = sqlite3.connect
        factory = type("Lacking", (Refusing,), {"lacks": name})
        monkeypatch.setattr(
            opening,
            "_connect",
            lambda place, uri=False: connect(
                place, isolation_level=None, check_same_thread=False, uri=uri, factory=factory
            ),
        )

    return lack


def test_without_shared_memory_a_rollback_journal_is_kept(
    filled: Path, lacking: Callable[[str], None]
) -> None:
    lacking("SQLITE_IOERR_SHMMAP")
    with pytest.warns(RuntimeWarning, match="cannot share memory"):
        session = sk.Session(filled)
    assert len(session.marks()) == 1
    session.mark("b", "accept", by="ana")
    assert session.store._database.value("PRAGMA journal_mode") == "truncate"
    assert session.store._database.value("PRAGMA synchronous") == 2
    session.close()
    with closing(sqlite3.connect(filled / "store.sqlite")) as other:
        assert other.execute("SELECT count(*) FROM marks").fetchone() == (2,)


@pytest.mark.parametrize("error", ["SQLITE_IOERR_LOCK", "SQLITE_BUSY"])
def test_a_file_system_that_refuses_locks_is_said_at_once(
    filled: Path, lacking: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    lacking(error)
    monkeypatch.setattr(opening, "_refuses_locks", lambda folder: True)
    monkeypatch.setattr(opening, "OPEN_SECONDS", 1000.0)
    with pytest.raises(StoreError, match=r"refuses locks.*Keep the session on a local disk"):
        sk.Session(filled)


def test_a_store_that_is_held_is_said_after_some_seconds(
    filled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "OPEN_SECONDS", 0.2)
    with closing(sqlite3.connect(filled / "store.sqlite", isolation_level=None)) as other:
        other.execute("PRAGMA journal_mode = DELETE")
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreLocked, match="another program has held it locked"):
            sk.Session(filled)


def test_others_read_while_a_mark_waits_for_a_lock(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 1.0)
    done = threading.Event()
    with closing(sqlite3.connect(session.store.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        def mark() -> None:
            with pytest.raises(StoreLocked, match="locked by another process"):
                session.mark("a", "accept", by="ana")
            done.set()

        thread = threading.Thread(target=mark)
        thread.start()
        time.sleep(0.1)
        assert session.marks() == []
        assert not done.is_set()
        thread.join()
    assert done.is_set()


def test_the_cause_is_not_hidden_by_a_failing_rollback(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    session.store._database.execute("PRAGMA max_page_count = 40")
    with pytest.raises(StoreError, match=r"full.*free some space"):
        session.store.marks.add([Mark(id="x" * 1000, label="accept") for _ in range(500)])
    session.store._database.execute("PRAGMA max_page_count = 100000")
    assert session.marks() == []
    session.mark("a", "accept", by="ana")
    assert len(session.marks()) == 1


def test_a_mark_is_synced_and_a_completion_is_not(store_path: Path) -> None:
    store, levels = Store(store_path), []
    connection = store._database._connection
    assert connection is not None
    connection.set_trace_callback(levels.append)
    store.marks.add([Mark(id="a", label="accept")])
    statements = [text for text in levels if text.startswith(("PRAGMA syn", "BEGIN", "COMMIT"))]
    assert statements == [
        "PRAGMA synchronous = FULL", "BEGIN IMMEDIATE", "COMMIT", "PRAGMA synchronous = NORMAL",
    ]  # fmt: skip
    store.close()


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


@pytest.mark.parametrize("at", ["idle", "after a statement"])
def test_a_forked_child_has_a_connection_of_its_own(session: sk.Session, at: str) -> None:
    if at == "after a statement":
        session.mark("a", "accept", by="parent")
    before = session.store._database._connection

    def child() -> None:
        assert session.store._database._connection is None
        session.mark("b", "accept", by="child")

    as_nobody_else(child)
    assert session.store._database._connection is not before
    session.mark("c", "accept", by="parent")
    assert {mark.id for mark in session.marks()} >= {"b", "c"}


def as_nobody_else(act: Callable[[], Any]) -> None:
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_a_fork_while_other_threads_write_harms_neither(session: sk.Session) -> None:
    stop = threading.Event()

    def write() -> None:
        n = 0
        while not stop.is_set():
            session.mark(f"t{n}", "accept", by="thread")
            n += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        for n in range(5):
            as_nobody_else(partial(session.mark, f"c{n}", "accept", by="child"))
    finally:
        stop.set()
        thread.join()
    assert {mark.id for mark in session.marks() if mark.by == "child"} == {
        f"c{n}" for n in range(5)
    }
    assert session.store._database.value("PRAGMA integrity_check") == "ok"


def test_a_table_and_its_name_are_synced_before_save_returns(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def synced(file: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{file}") else "file")
        fsync(file)

    def renamed(source: Any, target: Any) -> None:
        order.append("rename")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", renamed)
    session.save("t", [{"a": 1}])
    assert order == ["file", "rename", "folder"]


def test_what_a_killed_process_left_is_swept_at_the_next_open(filled: Path) -> None:
    code = """
        import os, signal, sys
        from pathlib import Path
        from synthkit.core.files import replacing, scratch_folder
        folder = Path(sys.argv[1])
        with scratch_folder(folder) as scratch, replacing(folder / "tables" / "t.parquet") as path:
            path.write_text("half"), (scratch / "x").write_text("half")
            os.kill(os.getpid(), signal.SIGKILL)
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code), str(filled)], check=False)
    assert len(list(filled.rglob(".*"))) == 2
    sk.Session(filled).close()
    assert sorted(path.name for path in filled.rglob("*")) == [
        "store.sqlite",
        "t.parquet",
        "tables",
    ]


def test_a_copy_of_the_folder_that_is_replaced_while_open_is_not_written_to(
    filled: Path, tmp_path: Path
) -> None:
    session = sk.Session(filled)
    shutil.copy(filled / "store.sqlite", tmp_path / "copy")
    os.replace(tmp_path / "copy", filled / "store.sqlite")
    with pytest.raises(StoreError, match="replaced"):
        session.mark("b", "accept", by="ana")
    session.close()
    assert sk.session(filled) is not session
    with sk.Session(filled) as again:
        assert len(again.marks()) == 1
    sk.session(filled).close()
