"""Commits keep pace with the answers, and a store that cannot be written loses none."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import Interrupted, StoreError
from synthkit.core.types import Completion, Request, ToolCall
from synthkit.generation import commits
from synthkit.store.completions import CompletionTable

LEFT = Completion(
    "Ho \ud800",
    logprobs=(("Ho", -0.5),),
    reasoning="why",
    tool_calls=(ToolCall("look", "{}"),),
)
ROWS = [{"i": i} for i in range(40)]


class Remote:
    """A model whose answers arrive all at once, as many as it is handed."""

    name, fingerprint, price, concurrency = "remote", "remote", (0.0, 0.0), 8

    def __init__(self) -> None:
        self.most_handed = self.answered = 0

    def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
        while self.answered < len(requests):
            burst = range(self.answered, len(requests))
            self.most_handed = max(self.most_handed, len(burst))
            for position in burst:
                self.answered += 1
                yield position, Completion(requests[position].messages[-1].content)
            yield None


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    """The store while another program holds its write lock."""
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other
        if other.in_transaction:
            other.execute("ROLLBACK")


def texts(run: sk.Run) -> list[str]:
    return list(run.table["text"])


def test_no_more_is_handed_over_than_the_model_answers_at_once(session: sk.Session) -> None:
    model = Remote()
    run = sk.generate("{{ i }}", rows=ROWS, model=model, session=session)
    assert texts(run) == [str(i) for i in range(40)]
    assert model.most_handed == 8


def test_a_request_is_handed_over_only_when_an_answer_is_on_disk(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, uncommitted = Remote(), []
    put_many = CompletionTable.put_many

    def slow(table: CompletionTable, items: Any, **options: Any) -> list[Completion]:
        uncommitted.append(model.answered - table.count())
        time.sleep(0.02)
        return put_many(table, items, **options)

    monkeypatch.setattr(CompletionTable, "put_many", slow)
    sk.generate("{{ i }}", rows=ROWS, model=model, session=session)
    assert max(uncommitted) <= 8
    assert len(uncommitted) < 40  # several answers share a commit


def test_answers_wait_for_a_locked_store(session: sk.Session) -> None:
    seen = []

    class Watched(Remote):
        def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
            with locked(session.store.path) as other:
                release = threading.Timer(0.5, lambda: other.execute("ROLLBACK"))
                release.start()
                for answer in super().complete(requests):
                    seen.append(self.answered)
                    yield answer
                release.join()

    sk.generate("warm", model=Watched(), session=session)
    model = Watched()
    run = sk.generate("{{ i }}", rows=ROWS, model=model, session=session)
    assert texts(run) == [str(i) for i in range(40)]
    assert run.ledger.requests == 40


def interrupted_run(folder: Path, session: sk.Session) -> sk.Run:
    """A run whose store is locked when its answers arrive, interrupted while it waits."""

    class Held(Remote):
        def complete(self, requests: Sequence[Request]) -> Iterator[tuple[int, Completion] | None]:
            with locked(folder / "store.sqlite"):
                threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
                yield from super().complete(requests)

    with pytest.raises(Interrupted) as caught:
        sk.generate("{{ i }}", rows=ROWS[:8], model=Held(), session=session)
    run: sk.Run = caught.value.run
    return run


def test_an_interrupt_while_the_store_is_locked_acts_at_once_and_loses_no_answer(
    tmp_path: Path,
) -> None:
    with sk.Session(tmp_path / "s") as session:
        run = interrupted_run(tmp_path / "s", session)
        assert texts(run) == [str(i) for i in range(8)]
        again = sk.generate("{{ i }}", rows=ROWS[:8], model=Remote(), session=session)
        assert (again.ledger.hits, again.ledger.requests) == (8, 0)


def test_answers_that_a_killed_process_left_in_a_file_are_stored_at_the_next_open(
    tmp_path: Path,
) -> None:
    code = (
        "import os, signal, sys, synthkit as sk\n"
        "from synthkit.store.spill import Spill\n"
        "from synthkit.core.types import Completion, Message, Request, ToolCall\n"
        "session = sk.Session(sys.argv[1])\n"
        "request = Request((Message('user', 'Hi \\ud800'),))\n"
        f"answer = {LEFT!r}\n"
        "model = sk.Fake(name='m')\n"
        "item = (request.key(model.fingerprint), request.payload(model.fingerprint), answer)\n"
        "Spill(session.folder).add([item])\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "s")], check=False)
    (left,) = (tmp_path / "s").glob("waiting*")
    with left.open("a") as file:
        file.write('{"key": "cut sh')
    with sk.Session(tmp_path / "s") as session:
        (stored,) = session.store.completions.for_row("")
        assert stored.completion == LEFT
    assert not list((tmp_path / "s").glob("waiting*"))


def test_answers_are_written_to_a_file_while_the_store_stays_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "SPILL_SECONDS", 0.0)
    monkeypatch.setattr(commits, "RETRY_SECONDS", 0.0)
    found: list[int] = []

    def waiting() -> list[Path]:
        return list((tmp_path / "s").glob("waiting*"))

    with sk.Session(tmp_path / "s") as session:
        release = threading.Event()

        class Slow(Remote):
            def complete(
                self, requests: Sequence[Request]
            ) -> Iterator[tuple[int, Completion] | None]:
                with locked(tmp_path / "s" / "store.sqlite") as other:
                    yield from super().complete(requests[:4])
                    yield None
                    found.extend(len(path.read_text().splitlines()) for path in waiting())
                    other.execute("ROLLBACK")
                release.set()
                yield from super().complete(requests)

        with pytest.warns(RuntimeWarning, match="keeps .* locked, so the run waits"):
            run = sk.generate("{{ i }}", rows=ROWS[:8], model=Slow(), session=session)
        assert found == [4]
        assert texts(run) == [str(i) for i in range(8)]
        assert release.is_set()
        assert waiting() == []


@pytest.mark.parametrize("how", ["deleted", "replaced", "moved"])
def test_a_folder_that_is_gone_is_noticed_before_anything_is_asked(
    tmp_path: Path, how: str
) -> None:
    folder, fake = tmp_path / "s", sk.Fake()
    session = sk.Session(folder)
    sk.generate("a", model=fake, session=session)
    if how == "moved":
        folder.rename(tmp_path / "t")
    else:
        shutil.rmtree(folder)
    if how == "replaced":
        sk.Session(folder).close()
    with pytest.raises(StoreError, match="deleted, moved or replaced") as caught:
        sk.generate("b {{ i }}", rows=ROWS, model=fake, session=session)
    assert len(fake.asked) == 1
    assert len(caught.value.run.pending) == 40
    for act in (
        lambda: session.mark("a", "accept", by="me"),
        lambda: session.save("t", [{"a": 1}]),
        session.names,
        session.marks,
        session.runs,
        lambda: session.store.labs.put("tone", {}),
    ):
        with pytest.raises(StoreError, match="deleted, moved or replaced"):
            act()
    session.close()
    assert (folder / "store.sqlite").exists() == (how == "replaced")


def test_a_folder_deleted_during_a_run_ends_it_with_the_rows_so_far(tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        if request.messages[-1].content == "5":
            shutil.rmtree(tmp_path / "s")
        return request.messages[-1].content

    with sk.Session(tmp_path / "s") as session:
        fake = sk.Fake(answer)
        with pytest.raises(StoreError, match="deleted, moved or replaced") as caught:
            sk.generate("{{ i }}", rows=ROWS, model=fake, session=session)
        assert texts(caught.value.run) == [str(i) for i in range(6)]
        assert len(fake.asked) == 6


@pytest.mark.parametrize("error", [ValueError("mine"), OSError(5, "disk"), MemoryError()])
def test_any_error_of_a_model_has_the_rows_so_far(session: sk.Session, error: Exception) -> None:
    def answer(request: Request) -> str:
        if request.messages[-1].content == "5":
            raise error
        return request.messages[-1].content

    with pytest.raises(type(error)) as caught:
        sk.generate("{{ i }}", rows=ROWS, model=sk.Fake(answer), session=session, name="t")
    assert texts(vars(caught.value)["run"]) == [str(i) for i in range(5)]
    assert len(session.load("t")) == 5


def test_a_run_that_cannot_be_recorded_is_in_the_error(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(StoreError, match="'t' cannot be saved") as caught:
        sk.generate("{{ i }}", rows=ROWS, model=sk.Fake("x"), session=session, name="t")
    assert texts(caught.value.run) == ["x"] * 40


def loop(session: sk.Session) -> None:
    """A plain loop over runs, the second of which is interrupted after its fifth answer."""

    def answer(request: Request) -> str:
        if request.messages[-1].content == "1 5":
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
        return "x"

    for k in range(3):
        options = {"rows": ROWS[:10], "model": sk.Fake(answer), "session": session}
        sk.generate(f"{k} {{{{ i }}}}", name=f"t{k}", **options)


def test_an_interrupt_ends_a_plain_loop_and_keeps_what_is_done(session: sk.Session) -> None:
    with pytest.raises(KeyboardInterrupt, match="5 rows of this run are kept") as caught:
        loop(session)
    assert len(vars(caught.value)["run"].table) == 5
    assert session.names() == ["t0", "t1"]
    assert session.store.completions.count() == 15
    assert session.runs()["stopped"].tolist() == ["", "interrupted"]


def test_a_stop_from_another_thread_returns_the_rows_so_far(session: sk.Session) -> None:
    cancel = threading.Event()

    def answer(request: Request) -> str:
        if request.messages[-1].content == "5":
            cancel.set()
        return "x"

    run = sk.plan("{{ i }}", rows=ROWS, model=sk.Fake(answer), session=session).run(cancel=cancel)
    assert (len(run.table), run.ledger.stopped) == (6, "interrupted")


def test_warnings_are_not_given_while_the_store_answers(session: sk.Session) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run = sk.generate("{{ i }}", rows=ROWS, model=Remote(), session=session)
    assert len(run.table) == len(ROWS)
