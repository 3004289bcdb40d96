"""No request is sent by two kernels, and none waits for a kernel that has ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.errors import StoreLocked
from synthkit.core.processes import begin_work, end_work, has_ended
from synthkit.core.types import Request

KERNEL = """
import json, os, sys, time, synthkit as sk
folder, log, n, chained = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4] == "chained"
def answer(request):
    with open(log, "a") as file:
        file.write(request.messages[-1].content + "\\n")
    time.sleep(0.002)
    return f"{request.messages[-1].content} by {os.getpid()}"
def two_steps(row):
    (draft,) = yield [sk.recipes.user(f"draft {row['i']}")]
    (final,) = yield [sk.recipes.user(f"final {row['i']}: {draft.text}")]
    return {"text": final.text}
with sk.Session(folder) as session:
    print("ready", flush=True)
    sys.stdin.readline()
    rows = [{"i": i} for i in range(n)]
    source = two_steps if chained else "Say {{ i }}"
    run = sk.generate(source, rows=rows, model=sk.Fake(answer), session=session)
    print(json.dumps(list(run.table["text"])))
"""

pytestmark = pytest.mark.usefixtures("each_store")


@pytest.mark.parametrize(("kernels", "how"), [(2, "plain"), (4, "plain"), (3, "chained")])
def test_kernels_that_run_one_cell_at_once_send_each_request_once(
    tmp_path: Path, kernels: int, how: str
) -> None:
    command = [sys.executable, "-c", KERNEL, str(tmp_path / "s"), str(tmp_path / "log"), "60", how]
    pipe = subprocess.PIPE
    started = [
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)
        for _ in range(kernels)
    ]
    for process in started:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=120) for process in started]
    assert [error for _, error in results] == [""] * kernels
    sent = Counter((tmp_path / "log").read_text().splitlines())
    assert len(sent) == (120 if how == "chained" else 60)
    assert set(sent.values()) == {1}
    assert len({out for out, _ in results}) == 1
    with sk.Session(tmp_path / "s") as session:
        assert session.store._database.rows("SELECT * FROM leases") == []


def test_leases_of_a_killed_process_are_taken_at_once(session: sk.Session) -> None:
    key = "k"
    dead = subprocess.run(
        [sys.executable, "-c", "from synthkit.core.processes import *; print(process_tag())"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    assert has_ended(dead)
    assert session.store.leases.claim([key], f"{dead}/a") == set()
    owner = begin_work("b")
    assert session.store.leases.claim([key], owner) == set()
    assert session.store.leases.claim([key], begin_work("c")) == {key}
    end_work(owner)
    assert session.store.leases.claim([key], begin_work("c")) == set()


def test_leases_that_a_locked_store_keeps_end_with_their_run(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any) -> None:
        raise StoreLocked("another program keeps the session locked")

    with monkeypatch.context() as patched:
        patched.setattr(session.store.leases, "release", locked)
        sk.generate("a", model=sk.Fake(lambda _: ""), session=session, max_requests=1)
    (left,) = session.store._database.rows("SELECT key, owner FROM leases")
    assert has_ended(left[1])
    assert session.store.leases.claim([left[0]], begin_work("next")) == set()


def test_a_lease_of_another_machine_ends_by_itself(
    session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(time, "time", lambda: clock[0])
    assert session.store.leases.claim(["k"], "00000000-1-1/a") == set()
    assert session.store.leases.claim(["k"], begin_work("b")) == {"k"}
    clock[0] += 121
    assert session.store.leases.claim(["k"], begin_work("b")) == set()


def in_thread(act: Any) -> threading.Thread:
    thread = threading.Thread(target=act)
    thread.start()
    return thread


def test_a_run_goes_on_when_the_one_it_waits_for_is_over_its_budget(session: sk.Session) -> None:
    begun, runs = threading.Event(), {}

    def slow(request: Request) -> str:
        begun.set()
        time.sleep(0.1)
        return "slow"

    def first() -> None:
        rows = [{"i": i} for i in range(6)]
        options: dict[str, Any] = {"model": sk.Fake(slow), "max_requests": 2}
        runs["first"] = sk.generate("{{ i }}", rows=rows, session=session, **options)

    thread = in_thread(first)
    begun.wait()
    rows = [{"i": i} for i in range(6)]
    second = sk.generate("{{ i }}", rows=rows, model=sk.Fake(lambda _: "quick"), session=session)
    thread.join()
    assert list(second.table["text"]) == ["slow"] * 2 + ["quick"] * 4
    assert (second.ledger.hits, second.ledger.requests) == (2, 4)
    assert runs["first"].ledger.stopped.startswith("the budget is used up")


def test_waiting_for_another_run_can_be_interrupted(session: sk.Session) -> None:
    model = sk.Fake()
    plan = sk.plan("Say {{ i }}", rows=[{"i": 1}], model=model, session=session)
    (request,) = plan.dry_run().next_requests
    session.store.leases.claim([plan.key(request)], "00000000-1-1/far")
    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt) as caught:
        plan.run()
    assert len(vars(caught.value)["run"].pending) == 1
    assert model.asked == []
