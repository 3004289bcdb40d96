"""The store: what is written is on disk, and read back as it was."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreError
from synthkit.core.models import Ledger
from synthkit.core.request_diff import differences
from synthkit.core.types import Completion, Mark, Message, Request, Sampling
from synthkit.store import sqlite
from synthkit.store.store import Store

ASKED = Request((Message("system", "Be brief."), Message("user", "Hi.")), Sampling())
MODEL = json.dumps({"base_url": "http://a/v1", "model": "m"})
PAYLOAD = ASKED.payload(MODEL)
KEY = ASKED.key(MODEL)
ANSWER = Completion("Hello.", "stop", 3, 2, 0.5, (("Hello", -0.25), (".", -1.0)))


@pytest.fixture
def file_store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "store.sqlite")
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER,
        replace(ANSWER, text="a\0b\ud800 日本 \U0001f600"),
        replace(ANSWER, text=""),
        replace(ANSWER, text="x" * 10_000_000, logprobs=None),
        replace(ANSWER, finish="length", logprobs=()),
    ],
    ids=["plain", "odd", "empty", "10 MB", "cut"],
)
def test_a_completion_is_read_back_as_it_was_written(store: Store, answer: Completion) -> None:
    assert store.completions.put(KEY, PAYLOAD, answer) == answer
    assert store.completions.get([KEY, "0" * 32]) == {KEY: answer}


def test_a_completion_is_on_disk_before_put_returns(file_store: Store) -> None:
    file_store.completions.put(KEY, PAYLOAD, ANSWER)
    code = "import sqlite3, sys; print(*sqlite3.connect(sys.argv[1]).execute(sys.argv[2]))"
    query = "SELECT key, text FROM completions"
    seen = subprocess.check_output([sys.executable, "-c", code, file_store.path, query], text=True)
    assert seen.strip() == str((KEY, "Hello."))


def test_the_first_completion_of_a_key_stays_for_all_kernels(store: Store) -> None:
    store.completions.put(KEY, PAYLOAD, ANSWER)
    other = Store(store.path)
    assert other.completions.put(KEY, PAYLOAD, replace(ANSWER, text="Later.")) == ANSWER
    other.close()


def test_thousands_of_keys_are_looked_up_at_once(store: Store) -> None:
    requests = [replace(ASKED, index=i) for i in range(2500)]
    for request in requests[::2]:
        store.completions.put(request.key(MODEL), request.payload(MODEL), ANSWER)
    assert len(store.completions.get([request.key(MODEL) for request in requests])) == 1250
    assert store.completions.count() == 1250
    assert store.completions.get([]) == {}


def test_the_log_is_removed_by_close(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite")
    store.completions.put(KEY, PAYLOAD, ANSWER)
    with closing(sqlite3.connect(store.path)) as other:
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close()
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["store.sqlite"]


def test_the_file_alone_holds_everything_after_a_run(file_store: Store, tmp_path: Path) -> None:
    file_store.completions.put(KEY, PAYLOAD, ANSWER)
    file_store.runs.add("facts", "m", "Hi.", 1, Ledger(requests=1))
    copy = Store(shutil.copy(file_store.path, tmp_path / "copy.sqlite"))
    assert copy.completions.get([KEY]) == {KEY: ANSWER}
    copy.close()


def test_runs_and_models_are_listed_in_order(store: Store) -> None:
    store.runs.add("facts", "m", "Hi.", 1, Ledger(requests=1, cost=0.5))
    store.runs.add("", "m2", "Ho.", 0, Ledger(stopped="interrupted"))
    first, second = store.runs.all()
    assert (first["run"], first["name"], first["requests"], first["cost"]) == (1, "facts", 1, 0.5)
    assert (second["prompt"], second["stopped"], second["cost"]) == ("Ho.", "interrupted", None)
    for fingerprint, name in [("f1", "m"), ("f2", "m2"), ("f1", "m")]:
        store.models.add(fingerprint, name)
    assert list(store.models.names().items()) == [("f2", "m2"), ("f1", "m")]


def test_a_file_that_is_not_a_store_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="cannot be opened as a synthkit store"):
        Store(path)
    assert path.read_bytes() == b"not a database" * 1000
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(tmp_path / "absent" / "store.sqlite")


def test_a_newer_format_is_refused_and_not_changed(file_store: Store) -> None:
    file_store.completions.put(KEY, PAYLOAD, ANSWER)
    with closing(sqlite3.connect(file_store.path, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"format 99.*pip install -U jupyter-synthkit"):
        Store(file_store.path)
    assert file_store.completions.count() == 1


def test_a_closed_store_raises_an_error_that_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError, match="closed"):
        store.completions.get([KEY])


def test_a_row_is_found_by_the_start_of_its_key(store: Store) -> None:
    store.completions.put(KEY, PAYLOAD, ANSWER)
    (found,) = store.completions.for_row(KEY[:16])
    assert (found.key, found.request, found.completion) == (KEY, PAYLOAD, ANSWER)
    assert store.completions.for_row("0000") == []


SAMPLED = Sampling()
OTHER = json.dumps({"base_url": "http://b/v1", "model": "m"})
EDITS: dict[str, tuple[Request, str]] = {
    "system": (replace(ASKED, messages=(Message("system", "B."), ASKED.messages[1])), MODEL),
    "user": (replace(ASKED, messages=(ASKED.messages[0], Message("user", "Ho."))), MODEL),
    "assistant": (replace(ASKED, messages=(*ASKED.messages, Message("assistant", "X"))), MODEL),
    "user 2": (replace(ASKED, messages=(*ASKED.messages, Message("user", "X"))), MODEL),
    "schema": (replace(ASKED, schema={"enum": ["a", "b"]}), MODEL),
    "index": (replace(ASKED, index=3), MODEL),
    "base_url": (ASKED, OTHER),
    "temperature": (replace(ASKED, sampling=replace(SAMPLED, temperature=0)), MODEL),
    "top_p": (replace(ASKED, sampling=replace(SAMPLED, top_p=0.5)), MODEL),
    "max_tokens": (replace(ASKED, sampling=replace(SAMPLED, max_tokens=None)), MODEL),
    "seed": (replace(ASKED, sampling=replace(SAMPLED, seed=1)), MODEL),
    "stop": (replace(ASKED, sampling=replace(SAMPLED, stop=("x",))), MODEL),
    "logprobs": (replace(ASKED, sampling=replace(SAMPLED, logprobs=True)), MODEL),
    "extra": (replace(ASKED, sampling=replace(SAMPLED, extra={"k": 1})), MODEL),
}


@pytest.mark.parametrize("field", list(EDITS))
def test_a_miss_is_explained_by_the_field_that_differs(store: Store, field: str) -> None:
    request, model = EDITS[field]
    store.completions.put(KEY, PAYLOAD, ANSWER)
    store.completions.put(
        "f" * 32, replace(ASKED, messages=(Message("user", "Far."),)).payload("x"), ANSWER
    )
    new = request.payload(model)
    assert [name for name, _, _ in differences(PAYLOAD, new)] == [field]
    told = store.completions.explain(new)
    assert told.startswith(f"the nearest stored request ({KEY[:16]}) differs in {field}: ")
    assert ";" not in told


def test_a_stored_request_needs_no_explanation(store: Store) -> None:
    assert store.completions.explain(PAYLOAD) == "nothing was generated in this session yet"
    store.completions.put(KEY, PAYLOAD, ANSWER)
    assert store.completions.explain(PAYLOAD) == ""


def test_long_texts_are_explained_by_the_part_that_differs(store: Store) -> None:
    long = "word " * 500
    first = replace(ASKED, messages=(Message("user", long + "one cat" + long),))
    store.completions.put(first.key(MODEL), first.payload(MODEL), ANSWER)
    second = replace(ASKED, messages=(Message("user", long + "two cats" + long),))
    told = store.completions.explain(second.payload(MODEL))
    assert "one cat" in told
    assert "two cats" in told
    assert len(told) < 300


WRITER = """
import sys, synthkit as sk
folder, tag, n, seconds = sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
model = sk.Fake(seconds=seconds, concurrency=1)
with sk.Session(folder) as session:
    print("open", flush=True)
    sys.stdin.readline()
    rows = [{"i": i} for i in range(n)]
    run = sk.generate("{{ i }} " + tag, rows=rows, model=model, session=session)
    print(len(run.table), run.ledger.requests, run.table["id"].nunique())
"""


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts another Python that generates into ``tmp_path/work`` once told to."""
    started = []

    def start(tag: str, n: int, seconds: float = 0.0) -> subprocess.Popen[str]:
        script = [sys.executable, "-c", WRITER, str(tmp_path / "work"), tag, str(n), str(seconds)]
        pipe = subprocess.PIPE
        process = subprocess.Popen(script, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.mark.usefixtures("each_store")
def test_two_processes_write_two_thousand_rows_each_at_once(
    tmp_path: Path, writer: Callable[..., subprocess.Popen[str]]
) -> None:
    processes = [writer(tag, 2000) for tag in ("a", "b")]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        out, error = process.communicate(timeout=120)
        assert (out, error) == ("2000 2000 2000\n", "")
    assert len(list((tmp_path / "work").glob("store*"))) == 1
    with sk.Session(tmp_path / "work") as session:
        assert session.store.completions.count() == 4000
        assert session.runs()["rows"].tolist() == [2000, 2000]


@pytest.mark.usefixtures("each_store")
def test_after_kill_9_only_requests_without_a_completion_are_sent(
    tmp_path: Path, writer: Callable[..., subprocess.Popen[str]]
) -> None:
    process = writer("a", 400, seconds=0.01)
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()
    with sk.Session(tmp_path / "work") as session:
        while session.store.completions.count() < 60:
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.wait()
        held = session.store.completions.count()
        assert 60 <= held < 400
        fake, rows = sk.Fake(), [{"i": i} for i in range(400)]
        run = sk.generate("{{ i }} a", rows=rows, model=fake, session=session)
        in_flight = 1
        assert 400 - held <= len(fake.asked) <= 400 - held + in_flight
        assert (len(run.table), run.ledger.hits) == (400, held)
    assert len(list((tmp_path / "work").glob("store*"))) == 1


def test_threads_of_one_process_share_a_store(store: Store) -> None:
    def put(i: int) -> Any:
        request = replace(ASKED, index=i)
        return store.completions.put(request.key(MODEL), request.payload(MODEL), ANSWER)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(put, range(400))) == [ANSWER] * 400
    assert store.completions.count() == 400


def test_threads_of_one_process_commit_at_once(store: Store) -> None:
    def record(i: int) -> int:
        store.marks.add([Mark(id=f"{i}", label="accept")])
        return store.runs.add("facts", "m", "Hi.", 1, Ledger())

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(record, range(100))) == list(range(1, 101))
    assert len(store.marks.all()) == 100


def test_marks_are_appended_and_read_in_order(store: Store) -> None:
    first = store.marks.add([Mark(id="a", label="accept", by="ana", at=1.5)])
    both = store.marks.add(
        [
            Mark(id="a", label="reject", reason="too short \ud800", by="ana", at=2.0, flag=True),
            Mark(id="b", edit={"text": "ä"}, by="bo", task="tone", round=2, act="redo"),
        ]
    )
    assert [mark.step for mark in [*first, *both]] == [1, 2, 2]
    assert [mark.id for mark in store.marks.all()] == ["a", "a", "b"]
    assert store.marks.for_rows(["b"]) == [both[1]]
    assert store.marks.for_rows(["a"])[1].reason == "too short ?"
    assert store.marks.for_rows([]) == []


def test_a_mark_is_on_disk_before_add_returns(file_store: Store) -> None:
    file_store.marks.add([Mark(id="a", label="accept")])
    with closing(sqlite3.connect(file_store.path)) as other:
        assert other.execute("SELECT row, label FROM marks").fetchall() == [("a", "accept")]


@pytest.mark.parametrize("durable", [True, False])
def test_an_interrupt_as_a_transaction_begins_leaves_none_open(store: Store, durable: bool) -> None:
    connection = store._database._connection

    class Interrupted:
        """A connection during whose ``BEGIN`` Ctrl-C is pressed."""

        def __getattr__(self, name: str) -> Any:
            return getattr(connection, name)

        def execute(self, statement: str, *parameters: Any, **options: Any) -> Any:
            done = connection.execute(statement, *parameters, **options)
            if statement.startswith("BEGIN"):
                store._database._connection = connection
                raise KeyboardInterrupt
            return done

    store._database._connection = Interrupted()
    with pytest.raises(KeyboardInterrupt), store.transaction(durable=durable):
        pass
    store.marks.add([Mark(id="a", label="accept")])
    with closing(Store(store.path)) as other:
        assert len(other.marks.add([Mark(id="b", label="accept")])) == 1


def test_a_lab_is_stored_under_its_name(store: Store) -> None:
    store.labs.put("tone", {"variants": ["a"]})
    store.labs.put("tone", {"variants": ["a", "b"]})
    assert store.labs.names() == ["tone"]
    assert store.labs.get("tone") == {"variants": ["a", "b"]}
    assert store.labs.get("other") is None


def test_the_number_of_completions_is_kept_whatever_changes_it(store: Store) -> None:
    def counted() -> int:
        (number,) = store._database.rows("SELECT count(*) FROM completions")[0]
        assert store.counts()["completions"] == number
        return int(number)

    requests = [replace(ASKED, index=i) for i in range(10)]
    items = [(request.key(MODEL), request.payload(MODEL), ANSWER) for request in requests]
    store.completions.put_many([*items[:6], items[0]])
    store.completions.put(*items[5])
    store.completions.put(*items[6])
    assert counted() == 7
    other = store.completions._all_columns([items[0][0]])[0]
    assert store.completions.merge([other, (items[9][0], *other[1:])]) == 1
    store.completions.delete([items[0][0], "absent"])
    assert counted() == 7
    with suppress(ValueError), store.transaction():
        store.completions.delete([items[1][0]])
        raise ValueError
    assert counted() == 7
    store.completions.keep([items[1][0]])
    assert counted() == 1
    store.meta.delete("completions")  # as of an older synthkit
    store.completions.put(*items[2])
    again = Store(store.path)
    again.completions.put(*items[3])
    again.close()
    assert counted() == 3


def test_the_size_of_a_long_table_is_estimated_by_its_newest_rows(
    file_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(300):
        file_store.labs.put(f"{n:03}", {"text": "x" * 90})
    exact = file_store.sizes()["labs"]
    monkeypatch.setattr(sqlite, "SAMPLE", 20)
    assert file_store.sizes()["labs"] == exact > 300 * 90
    file_store._database.execute("DELETE FROM labs WHERE name < '290'")
    assert file_store.sizes()["labs"] == exact / 30
