"""Runs over two workers on this machine: the same rows as alone, whatever is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from pandas.testing import assert_frame_equal

import synthkit as sk
from synthkit.core import ray_cluster
from synthkit.core.types import Message, Request
from synthkit.models.ray.model import RayModel
from tests.server import Server, free_port

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

SIZES = {"cpus": 2, "gpus": 0, "object_store": 100_000_000}
CONCURRENCY = 4
"""Of each worker, in the tests that count what is wasted."""


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    yield ray_cluster.join("local", **SIZES)
    ray_cluster.leave()


@pytest.fixture
def server() -> Iterator[Server]:
    with Server(latency=0.1) as started:
        yield started


def endpoint(server: Server, **options: Any) -> RayModel:
    return over_ray("openai:m", base_url=server.base_url, concurrency=CONCURRENCY, **options)


def over_ray(spec: str, **options: Any) -> RayModel:
    model = sk.load_model(f"ray:{spec}", cpus=0.5, **options)
    assert isinstance(model, RayModel)
    return model


def rows(count: int) -> list[dict[str, int]]:
    return [{"i": at} for at in range(count)]


def alone(folder: Path, **options: Any) -> Any:
    """The table of the same run without Ray."""
    with sk.Session(folder) as session:
        return sk.generate(session=session, **options).table


def soon(test: Callable[[], Any], seconds: float = 300.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := test()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def kill_when(test: Callable[[], bool], victims: list[int]) -> threading.Thread:
    """Kill processes as soon as something is the case."""

    def kill() -> None:
        soon(test)
        for process in victims:
            os.kill(process, signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def warm_up(model: RayModel) -> None:
    """Have both workers answer, so that they are there when something is counted."""
    requests = [Request((Message("user", f"warm {at}"),)) for at in range(4 * CONCURRENCY)]
    while True:
        done = [event[1].how for event in model.complete(requests) if event is not None]
        if len({how.partition(" on ")[0] for how in done}) == model.workers:
            return


def processes(model: RayModel) -> list[int]:
    """The processes of its workers."""
    assert model._crew is not None
    ray, members = model._crew.ray, model._crew.members
    return [ray.get(member.actor.__ray_call__.remote(lambda _: os.getpid())) for member in members]


def test_ids_and_rows_are_those_of_the_model_alone(
    ray: Any, session: sk.Session, tmp_path: Path
) -> None:
    options = {"prompt": "Say {{ i }}.", "rows": rows(100), "n": 2, "seed": 5}
    model = over_ray("fake", babble=0.2)
    run = sk.generate(**options, model=model, session=session)
    local = alone(tmp_path / "alone", **options, model=sk.Fake(babble=0.2))
    assert_frame_equal(run.table, local)
    found = [
        done.how
        for event in model.complete([Request((Message("user", str(at)),)) for at in range(200)])
        if event is not None
        for done in event[1:]
    ]
    assert {how.partition(" on ")[0] for how in found} <= {"worker 1", "worker 2"}
    again = sk.generate(**options, model=sk.Fake(babble=0.2), session=session)
    assert (again.ledger.requests, again.ledger.hits) == (0, 200)
    model.unload()


def test_workers_stay_warm_and_an_interrupt_takes_less_than_a_second(
    ray: Any, server: Server
) -> None:
    model = endpoint(server)
    requests = [Request((Message("user", f"say {at}"),)) for at in range(1000)]
    answers = model.complete(requests)
    soon(lambda: next(answers))  # type: ignore[call-overload]
    before = processes(model)
    began = time.monotonic()
    answers.close()  # type: ignore[attr-defined]
    assert time.monotonic() - began < 1.0
    soon(lambda: server.inflight == 0, 3.0)
    count = server.count
    assert len(list(filter(None, model.complete(requests[:5])))) == 5
    assert server.count == count + 5
    assert processes(model) == before
    assert model.unload()
    assert not model.unload()


def test_a_run_whose_workers_are_unloaded_as_it_begins_gets_new_ones(
    ray: Any, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = endpoint(server)
    ready = model._ready
    unloaded = []

    def unlucky() -> Any:
        crew = yield from ready()
        if not unloaded:
            unloaded.append(model.unload())
        return crew

    monkeypatch.setattr(model, "_ready", unlucky)
    requests = [Request((Message("user", str(at)),)) for at in range(3)]
    assert len(list(filter(None, model.complete(requests)))) == 3
    assert unloaded == [True]
    assert model.unload()


def test_a_key_reaches_the_workers_by_the_name_of_its_variable(
    ray: Any, server: Server, session: sk.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STAND_IN_KEY", "sk-of-the-stand-in")
    model = endpoint(server, api_key_env="STAND_IN_KEY", env="STAND_IN_KEY")
    run = sk.generate("Say {{ i }}.", rows=rows(6), model=model, session=session)
    assert len(run.table) == 6
    assert {asked.headers["authorization"] for asked in server.asked} == {
        "Bearer sk-of-the-stand-in"
    }
    model.unload()


def test_a_worker_that_is_killed_is_replaced_and_its_requests_are_sent_again(
    ray: Any, server: Server, session: sk.Session, tmp_path: Path
) -> None:
    options = {"prompt": "Say {{ i }}.", "rows": rows(80)}
    model = endpoint(server)
    warm_up(model)
    server.reset()
    thread = kill_when(lambda: server.count > 30, processes(model)[:1])
    with pytest.warns(
        RuntimeWarning, match=r"worker \d on .+ died and is replaced; [1-4] requests"
    ):
        run = sk.generate(**options, model=model, session=session)
    thread.join()
    wasted = server.count - 80
    assert 0 <= wasted <= CONCURRENCY
    assert server.count <= run.ledger.requests <= 80 + CONCURRENCY
    one = sk.load_model("openai:m", base_url=server.base_url)
    assert_frame_equal(run.table, alone(tmp_path / "alone", **options, model=one))
    model.unload()


RUN = """
import sys, synthkit as sk
address, folder, url = sys.argv[1:]
model = sk.load_model("ray:openai:m", cpus=0.5, address=address, base_url=url, concurrency=4)
with sk.Session(folder) as session:
    rows = [{"i": at} for at in range(80)]
    sk.generate("Say {{ i }}.", rows=rows, model=model, session=session)
"""


def test_a_killed_kernel_loses_nothing(ray: Any, server: Server, tmp_path: Path) -> None:
    address = ray.get_runtime_context().gcs_address
    folder = tmp_path / "work"
    command = [sys.executable, "-c", RUN, address, str(folder), server.base_url]
    root = Path(__file__).parents[3]
    with subprocess.Popen(command, cwd=root, env=os.environ | {"PYTHONPATH": str(root)}) as kernel:
        soon(lambda: server.count > 30)
        kernel.kill()
    soon(lambda: server.inflight == 0)  # its workers ended with it
    model = endpoint(server)
    with sk.Session(folder) as session:
        run = sk.generate("Say {{ i }}.", rows=rows(80), model=model, session=session)
    assert len(run.table) == 80
    assert run.ledger.hits >= 30 - 2 * CONCURRENCY
    assert server.count - 80 <= 2 * CONCURRENCY
    model.unload()


@pytest.fixture
def head() -> Iterator[str]:
    """The address of a cluster that is no child of this process."""
    port = free_port()
    command = [str(Path(sys.executable).with_name("ray")), "start", "--head", f"--port={port}"]
    command += ["--num-cpus=2", "--object-store-memory=100000000", "--include-dashboard=false"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ | ray_cluster.DEFAULTS)
    yield f"127.0.0.1:{port}"
    kill_cluster(port)


def kill_cluster(port: int) -> None:
    """Kill the head with that port and its workers; nothing if they are gone."""
    for process in psutil.process_iter(["name", "cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if process.info["name"] in ("raylet", "gcs_server") and str(port) in line:
            for victim in [*process.children(recursive=True), process]:
                victim.kill()


def test_a_killed_head_ends_the_run_with_its_rows_kept(
    head: str, server: Server, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    command = [sys.executable, "-c", RUN, head, str(folder), server.base_url]
    root = Path(__file__).parents[3]
    environment = os.environ | {"PYTHONPATH": str(root)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as kernel:
        soon(lambda: server.count > 30)
        kill_cluster(int(head.rpartition(":")[2]))
        _, words = kernel.communicate(timeout=120)
    assert "ClusterError: the Ray cluster has ended" in words
    one = sk.load_model("openai:m", base_url=server.base_url)
    with sk.Session(folder) as session:
        run = sk.generate("Say {{ i }}.", rows=rows(80), model=one, session=session)
    assert len(run.table) == 80
    assert run.ledger.hits >= 30 - 2 * CONCURRENCY
    assert server.count - 80 <= 2 * CONCURRENCY


def test_the_address_of_no_cluster_is_named() -> None:
    code = (
        "from synthkit.core import ray_cluster, errors\n"
        "try:\n    ray_cluster.join('127.0.0.1:1')\n"
        "except errors.ClusterError as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("no Ray cluster can be joined at '127.0.0.1:1' (")
