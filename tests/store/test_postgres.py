"""A store on a PostgreSQL server: shared, reachable again after trouble, and clear about it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import MissingExtra, StoreError, StoreLocked, StoreUnreachable, UsageError
from synthkit.core.types import Completion, Mark, Message, Request
from synthkit.generation import commits
from synthkit.store import database, postgres
from synthkit.store.address import address
from synthkit.store.schema import SCHEMA_VERSION
from synthkit.store.store import Store
from synthkit.verify import verify
from tests.postgres import MISSING, Server, programs

REQUEST = Request((Message("user", "Hi."),))
KEY = REQUEST.key("m")
ROWS = [{"i": i} for i in range(200)]


@pytest.fixture
def server(postgres: Server) -> Iterator[Server]:
    yield postgres
    postgres.clear()


@pytest.fixture
def url(server: Server) -> str:
    return f"{server.url}#team"


@pytest.fixture
def store(tmp_path: Path, url: str) -> Iterator[Store]:
    with sk.Session(tmp_path / "s", store=url) as session:
        yield session.store


def cut(server: Server) -> None:
    """End all connections, as a server does that restarts."""
    server.sql(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'synthkit'"
    )


def test_two_folders_with_one_store_have_its_completions_runs_and_marks(
    tmp_path: Path, url: str
) -> None:
    fake = sk.Fake()
    with sk.Session(tmp_path / "a", store=url) as ana, sk.Session(tmp_path / "b", store=url) as bo:
        first = sk.generate("{{ i }}", rows=ROWS[:5], model=fake, session=ana, name="t")
        second = sk.generate("{{ i }}", rows=ROWS[:5], model=fake, session=bo)
        assert (second.ledger.hits, len(fake.asked)) == (5, 5)
        assert list(first.table["id"]) == list(second.table["id"])
        ana.mark(first.table["id"][0], "accept", by="ana")
        assert [mark.by for mark in bo.marks()] == ["ana"]
        assert bo.runs()["name"].tolist() == ["t", ""]
        assert (ana.names(), bo.names()) == (["t"], [])  # tables are in the folders
        assert ana.store.is_same(bo.store)
        with pytest.raises(UsageError, match="is this session itself"):
            bo.attach(tmp_path / "a")


def test_a_folder_remembers_its_store_and_no_password(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEAM_KEY", "sesame")
    given = url.replace("#", "&password_env=TEAM_KEY#")
    with sk.Session(tmp_path / "s", store=given) as session:
        session.mark("a", "accept", by="ana")
    assert (tmp_path / "s" / "store.url").read_text() == f"{address(given, tmp_path)}\n"
    assert not list((tmp_path / "s").glob("store.sqlite*"))
    with sk.Session(tmp_path / "s") as session:
        assert len(session.marks()) == 1
        assert "sesame" not in f"{session.store.place}{vars(session.store)}"
    with pytest.raises(UsageError, match=r"has the store postgresql://.*#team, not .*#other"):
        sk.Session(tmp_path / "s", store=given.replace("#team", "#other"))
    monkeypatch.delenv("TEAM_KEY")
    with pytest.raises(StoreError, match=r"TEAM_KEY, which has the password .* is not set"):
        sk.Session(tmp_path / "s")


def test_a_file_is_not_left_for_a_server(tmp_path: Path, url: str) -> None:
    sk.Session(tmp_path / "s").close()
    with pytest.raises(UsageError, match=r"has the store store\.sqlite, not .*export here"):
        sk.Session(tmp_path / "s", store=url)


def test_new_sessions_are_on_the_server_of_the_environment_by_their_names(
    tmp_path: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    sk.Session(tmp_path / "before").close()
    monkeypatch.setenv("SYNTHKIT_STORE", server.url)
    for name in ("before", ".synthkit", "my reviews"):
        sk.Session(tmp_path / name).close()
    sk.Session(":memory:").close()
    schemas = server.sql("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'synthkit%'")
    assert sorted(schemas.split()) == ["synthkit_my_reviews", "synthkit_synthkit"]


def test_options_reach_the_server_as_they_are_written(tmp_path: Path, url: str) -> None:
    options = "options=-c%20work_mem%3D1MB&application_name=a+b"
    given = url.replace("#", f"&{options}#")
    for _ in range(2):
        with sk.Session(tmp_path / "s", store=given) as session:
            for name, value in (("work_mem", "1MB"), ("application_name", "a+b")):
                assert session.store._database.value(f"SELECT current_setting('{name}')") == value


def test_texts_are_whole_whatever_the_encoding_of_this_machine(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "LATIN1")
    with sk.Session(tmp_path / "s", store=url) as session:
        session.mark("a", "accept", by="ana", reason="日本 €")
        assert session.marks()[0].reason == "日本 €"


def test_a_database_that_cannot_hold_every_text_is_refused(
    tmp_path: Path, url: str, server: Server
) -> None:
    server.sql("CREATE DATABASE old ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(StoreError, match=r"encoding LATIN1.*createdb -E UTF8"):
            sk.Session(tmp_path / "s", store=url.replace("/postgres?", "/old?"))
    finally:
        server.sql("DROP DATABASE old")


def test_a_server_that_is_not_there_is_said(tmp_path: Path, url: str) -> None:
    away = f"postgresql://me@/postgres?host={tmp_path}"
    with pytest.raises(StoreUnreachable, match=r"cannot be reached.*Is the server running"):
        sk.Session(tmp_path / "s", store=away)
    with pytest.raises(StoreError, match=r"does not exist.*createdb"):
        sk.Session(tmp_path / "s", store=url.replace("/postgres?", "/absent?"))
    with sk.Session(tmp_path / "s", store=url) as session:  # nothing is left of the attempts
        assert session.marks() == []


def test_without_psycopg_the_extra_is_said(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("synthkit.store.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"jupyter-synthkit\[postgres\]"):
        sk.Session(tmp_path / "s", store=url)


def test_a_newer_format_is_refused(tmp_path: Path, url: str, server: Server) -> None:
    sk.Session(tmp_path / "s", store=url).close()
    server.sql("UPDATE synthkit_team.format SET version = 99")
    with pytest.raises(StoreError, match=r"format 99.*pip install -U jupyter-synthkit"):
        sk.Session(tmp_path / "s")


def test_an_older_format_is_upgraded(tmp_path: Path, url: str, server: Server) -> None:
    with sk.Session(tmp_path / "s", store=url) as session:
        session.store.completions.put("k" * 32, REQUEST.payload("m"), Completion("Ho."))
    server.sql(
        "SET search_path = synthkit_team", "UPDATE format SET version = 8", "DROP TABLE people",
        "ALTER TABLE completions DROP COLUMN source", "ALTER TABLE marks DROP COLUMN session",
    )  # fmt: skip
    with sk.Session(tmp_path / "s") as session:
        other = Completion("Hum.")
        session.store.completions.put("l" * 32, REQUEST.payload("m"), other)
        stored = session.store.completions.get(["k" * 32, "l" * 32])
        assert [each.text for each in stored.values()] == ["Ho.", "Hum."]
        session.mark("a", "accept", by="ana")
        session.person = "Ana"
    version = server.sql("SELECT version FROM synthkit_team.format")
    assert version.strip() == str(SCHEMA_VERSION)


def test_a_user_who_may_only_read_reads_and_replays(
    tmp_path: Path, url: str, server: Server
) -> None:
    fake = sk.Fake()
    with sk.Session(tmp_path / "s", store=url) as session:
        sk.generate("{{ i }}", rows=ROWS[:2], model=fake, session=session)
    server.sql(
        "CREATE ROLE guest LOGIN",
        "GRANT USAGE ON SCHEMA synthkit_team TO guest",
        "GRANT SELECT ON ALL TABLES IN SCHEMA synthkit_team TO guest",
    )
    try:
        away = url.replace(f"{server.user}@", "guest@")
        with pytest.warns(RuntimeWarning, match="is read-only"):
            guest = sk.Session(tmp_path / "t", store=away)
        with guest as session:
            run = sk.generate("{{ i }}", rows=ROWS[:2], model=fake, session=session)
            assert (len(run.table), len(fake.asked)) == (2, 2)
            with pytest.raises(StoreError, match="is read-only for this user"):
                session.mark("a", "accept", by="guest")
    finally:
        server.sql("DROP OWNED BY guest", "DROP ROLE guest")


def test_texts_that_postgres_cannot_hold_come_back_as_they_were(store: Store) -> None:
    odd = ["a\0b", "half \ud800", "sub \x1a0041", "\0\x1a\udfff", "plain \U0001f600"]
    for n, text in enumerate(odd):
        completion = Completion(text, reasoning=text)
        assert store.completions.put(f"{n}" * 32, REQUEST.payload("m"), completion) == completion
        assert store.completions.get([f"{n}" * 32]) == {f"{n}" * 32: completion}
    store.marks.add([Mark(id="a\0", label="\x1a"), Mark(id="b")])
    assert [mark.label for mark in store.marks.for_rows(["a\0"])] == ["\x1a"]


def test_names_may_be_longer_than_an_index_of_the_server_holds(store: Store) -> None:
    name = "".join(map(chr, range(0x4E00, 0x9000)))
    for n in range(2):
        store.models.add(name, f"{n}")
        store.marks.add([Mark(id=name, label=f"{n}")])
        store.curations.add("t", [], [(name, "f", "w")])
    store.models.merge([(name, "2")])
    assert store.models.names() == {name: "1"}
    assert [mark.label for mark in store.marks.for_rows([name])] == ["0", "1"]
    assert len(store.curations.verdicts([name])) == 2


def test_ids_sort_and_are_found_as_in_a_file(store: Store) -> None:
    for name in ("b", "A", "_", "a", "Z", "é"):
        store.inputs.put(name, "{}")
    assert list(store.inputs.all()) == ["A", "Z", "_", "a", "b", "é"]


def test_a_lost_connection_is_made_again(store: Store, server: Server) -> None:
    store.marks.add([Mark(id="a", label="accept")])
    cut(server)
    assert len(store.marks.all()) == 1
    cut(server)
    store.marks.add([Mark(id="b", label="accept")])
    cut(server)
    store.labs.put("tone", {})
    assert (len(store.marks.all()), store.labs.names()) == (2, ["tone"])


def test_a_transaction_that_loses_its_connection_changes_nothing_and_says_so(
    store: Store, server: Server
) -> None:
    def change() -> None:
        with store.transaction():
            store.marks.add([Mark(id="a", label="accept")])
            cut(server)
            store.labs.put("tone", {})

    with pytest.raises(StoreUnreachable, match="was lost"):
        change()
    assert (store.marks.all(), store.labs.names()) == ([], [])


@pytest.mark.parametrize("committed", [True, False])
def test_the_server_is_asked_about_a_commit_whose_connection_was_lost(
    store: Store, server: Server, committed: bool
) -> None:
    connection = store._database._connection

    class Losing:
        """A connection that is lost just before the commit, or just after."""

        def __getattr__(self, name: str) -> Any:
            return getattr(connection, name)

        def execute(self, statement: str, *parameters: Any, **options: Any) -> Any:
            if statement == "COMMIT":
                if committed:
                    connection.execute(statement)
                cut(server)
                statement = "SELECT 1"
            return connection.execute(statement, *parameters, **options)

    store._database._connection = Losing()
    if committed:
        store.marks.add([Mark(id="a", label="accept")])
    else:
        with pytest.raises(StoreUnreachable, match="was lost"):
            store.marks.add([Mark(id="a", label="accept")])
    assert len(store.marks.all()) == committed


def test_a_statement_that_fails_and_is_ignored_does_not_end_in_silence(store: Store) -> None:
    def change() -> None:
        with store.transaction():
            store.labs.put("tone", {})
            with suppress(StoreError):
                store._database.rows("SELECT 1 / 0")

    with pytest.raises(StoreError, match="a statement failed, so nothing was changed"):
        change()
    assert store.labs.names() == []


def test_who_writes_waits_for_others_and_who_reads_does_not(
    tmp_path: Path, store: Store, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.3)
    with sk.Session(tmp_path / "t", store=url) as other:
        with store.transaction():
            store.marks.add([Mark(id="a", label="accept")])
            with pytest.raises(StoreLocked, match="locked by another process"):
                other.mark("b", "accept", by="bo")
            assert other.marks() == []
        assert len(other.marks()) == 1
        with store.transaction(write=False):
            assert len(store.marks.all()) == 1
            other.mark("b", "accept", by="bo")
            assert len(store.marks.all()) == 1  # one state throughout
        assert len(store.marks.all()) == 2


def test_who_is_gone_within_a_transaction_does_not_lock_out_others(
    tmp_path: Path, store: Store, url: str
) -> None:
    query = "SELECT current_setting('idle_in_transaction_session_timeout')"
    assert store._database.value(query) == "10min"

    def leave() -> None:
        with store.transaction():
            store.marks.add([Mark(id="a", label="accept")])
            store._database.rows(
                "SELECT set_config('idle_in_transaction_session_timeout', '100', false)"
            )
            with sk.Session(tmp_path / "t", store=url) as other:
                other.mark("b", "accept", by="bo")

    with pytest.raises(StoreUnreachable, match="was lost"):
        leave()
    assert [mark.id for mark in store.marks.all()] == ["b"]


def test_a_forked_child_has_a_connection_of_its_own(store: Store) -> None:
    with store.transaction():
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = 0 if store.marks.all() == [] else 1
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        store.marks.add([Mark(id="a", label="accept")])
    assert len(store.marks.all()) == 1


def test_a_bundle_of_a_shared_store_is_that_of_a_file_and_goes_back(
    tmp_path: Path, url: str
) -> None:
    with sk.Session(tmp_path / "s", store=url) as session:
        run = sk.generate("{{ i }}", rows=ROWS[:5], model=sk.Fake(), session=session, name="t")
        session.mark(run.table["id"][0], "accept", by="ana", reason="half \x1a")
        session.curate(run.table, name="t")
        odd = Completion("a\0b \ud800")
        session.store.completions.put(KEY, REQUEST.payload("m"), odd)
        bundle = session.export(tmp_path / "all.zip")
        held = session.store.counts()
    assert verify(bundle).agrees
    with sk.Session(tmp_path / "file") as session:
        session.import_bundle(bundle)
        assert session.store.counts() == held
        assert session.store.completions.get([KEY]) == {KEY: odd}
        again = session.export(tmp_path / "again.zip")
    with sk.Session(tmp_path / "t", store=url.replace("#team", "#back")) as session:
        imported = session.import_bundle(again)
        assert (imported.completions, session.store.counts()) == (6, held)
        assert session.store.completions.get([KEY]) == {KEY: odd}
        assert session.marks()[0].reason == "half \x1a"


KERNEL = """
import json, sys, synthkit as sk
folder, first, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with sk.Session(folder) as session:
    print("ready", flush=True)
    sys.stdin.readline()
    fake = sk.Fake(seconds=0.01)
    rows = [{"i": i} for i in range(first, first + n)]
    run = sk.generate("Say {{ i }}", rows=rows, model=fake, session=session)
    print(len(run.table), len(fake.asked))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("each_store")
def test_ten_processes_write_ten_thousand_rows_to_one_store(tmp_path: Path) -> None:
    pipe, folder = subprocess.PIPE, str(tmp_path / "s")
    started = []
    for k in range(10):
        command = [sys.executable, "-c", KERNEL, folder, str(1000 * k), "1000"]
        started.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    results = [process.communicate("go\n", timeout=600) for process in started]
    assert results == [("1000 1000\n", "")] * 10
    with sk.Session(folder) as session:
        assert session.store.completions.count() == 10_000
        assert session.runs()["rows"].tolist() == [1000] * 10
        assert session.store._database.rows("SELECT * FROM leases") == []


@pytest.mark.slow
def test_a_run_outlasts_a_server_that_is_killed_and_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if programs() is None:
        pytest.skip(MISSING)
    monkeypatch.setattr(commits, "SPILL_SECONDS", 0.0)
    server = Server(safe=True)
    asked: Counter[str] = Counter()
    waiting: list[int] = []

    def restart() -> None:
        server.kill()
        time.sleep(1.0)
        waiting.append(len(list((tmp_path / "s").glob("waiting*"))))
        server.start()

    def answer(request: Request) -> str:
        asked[request.messages[-1].content] += 1
        is_up = not any(thread.is_alive() for thread in threads)
        if is_up and asked.total() >= (50, 120, 1000)[len(threads)]:
            threads.append(threading.Thread(target=restart))
            threads[-1].start()
        time.sleep(0.005)
        return request.messages[-1].content

    threads: list[threading.Thread] = []
    try:
        with sk.Session(tmp_path / "s", store=f"{server.url}#team") as session:
            model = sk.Fake(answer, concurrency=4)
            with pytest.warns(RuntimeWarning, match="the server of .* does not answer, so the run"):
                run = sk.generate("{{ i }}", rows=ROWS, model=model, session=session, name="t")
            for thread in threads:
                thread.join()
            assert list(run.table["text"]) == [str(i) for i in range(200)]
            assert set(asked.values()) == {1}
            assert max(waiting) == 1
            assert session.store.completions.count() == 200
            again = sk.generate("{{ i }}", rows=ROWS, model=model, session=session)
            assert (again.ledger.hits, asked.total()) == (200, 200)
        assert not list((tmp_path / "s").glob("waiting*"))
    finally:
        server.stop()


def test_a_run_that_ends_without_its_server_leaves_its_answers_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str, server: Server
) -> None:
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.2)
    refuse = StoreUnreachable("the server is away")
    connect = postgres.connect

    def answer(request: Request) -> str:
        asked.append(request.messages[-1].content)
        if asked == ["0", "1", "2", "3"]:
            monkeypatch.setattr(postgres, "connect", lambda _: (_ for _ in ()).throw(refuse))
            cut(server)
            threading.Timer(0.5, stop.set).start()
        return "x"

    stop, asked = threading.Event(), []
    with sk.Session(tmp_path / "s", store=url) as session:
        plan = sk.plan("{{ i }}", rows=ROWS[:8], model=sk.Fake(answer), session=session)
        with pytest.raises(StoreUnreachable) as caught:
            plan.run(cancel=stop)
    kept = len(caught.value.run.table)
    assert len(asked) == kept >= 4
    assert len(list((tmp_path / "s").glob("waiting*"))) == 1
    monkeypatch.setattr(postgres, "connect", connect)
    with sk.Session(tmp_path / "s") as session:
        assert session.store.completions.count() == kept
        run = sk.generate("{{ i }}", rows=ROWS[:8], model=sk.Fake(answer), session=session)
        assert (len(run.table), run.ledger.hits) == (8, kept)
    assert not list((tmp_path / "s").glob("waiting*"))
