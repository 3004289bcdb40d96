"""Whether a machine can run a lesson, on machines that lack one thing each."""

from __future__ import annotations

import shutil
import socket
from collections import namedtuple
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import synthkit as sk
from synthkit.core.memory import Memory
from synthkit.models.hub import catalog
from synthkit.models.local import memory, threads
from synthkit.sessions.classroom import room
from synthkit.sessions.classroom.room import Check, room_check, weight_bytes
from tests.server import Reply, Server

Disk = namedtuple("Disk", "total used free")
EVERYWHERE = ["versions", "CPU threads", "disk", "port"]


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Check]]:
    """The checks on a machine of 4 GB with all that a lesson needs, with what is changed of it."""

    def checks(
        model: str = "smollm2",
        *,
        free: float = 3.0,
        disk: float = 9.0,
        here: bool = True,
        cpus: int = 2,
    ) -> dict[str, Check]:
        held = Memory(4_000_000_000, int(free * 1e9), "this machine")
        monkeypatch.setattr(memory, "of_process", lambda: held)
        monkeypatch.setattr(memory, "cuda_bytes", lambda: 0)
        monkeypatch.setattr(threads, "quota", lambda: cpus)
        monkeypatch.setattr(catalog, "is_here", lambda name: here)
        monkeypatch.setattr(shutil, "disk_usage", lambda path: Disk(9, 9, int(disk * 1e9)))
        return {check.what: check for check in room_check(model, tmp_path / "not yet")}

    return checks


def test_a_machine_with_all_that_is_needed_is_ok(machine: Callable[..., dict[str, Check]]) -> None:
    checks = machine()
    assert list(checks) == [
        "versions",
        "CPU threads",
        "disk",
        "port",
        "engine",
        "memory",
        "weights",
    ]
    assert all(check.ok for check in checks.values())
    assert not any(check.to_do for check in checks.values())
    # 135 M parameters of 4 bytes, 0.4 GB beside them and an eighth of 4 GB for keys and values
    assert checks["memory"].found == "3.0 GB free; smollm2 needs 1.4 GB (float32)"
    assert checks["weights"].found == "smollm2 is here"


@pytest.mark.parametrize(
    ("changed", "what", "found", "to_do"),
    [
        ({"free": 1.2}, "", "1.2 GB free; smollm2 needs 1.2 GB (16 bits)", ""),
        ({"free": 1.05}, "", 'smollm2 needs 1.0 GB (quantize="nf4")', ""),
        ({"free": 0.5}, "memory", "0.5 GB free; smollm2 needs 1.0 GB", "choose a smaller model"),
        ({"disk": 0.4}, "disk", "0.4 GB free", "free 0.6 GB of disk"),
        ({"here": False}, "weights", "smollm2 is not here", "synthkit pull smollm2"),
    ],
)
def test_what_is_missing_is_not_ok_and_says_what_to_do(
    machine: Callable[..., dict[str, Check]],
    changed: dict[str, float],
    what: str,
    found: str,
    to_do: str,
) -> None:
    checks = machine(**changed)
    assert [name for name, check in checks.items() if not check.ok] == ([what] if what else [])
    assert found in checks[what or "memory"].found
    assert to_do in checks[what or "memory"].to_do


def test_one_cpu_is_enough_and_slow(machine: Callable[..., dict[str, Check]]) -> None:
    check = machine(cpus=1)["CPU threads"]
    assert (check.ok, check.found) == (True, "1")
    assert "slow" in check.to_do


@pytest.mark.parametrize("model", ["fake", "openai:gpt-4.1-mini", "replay:fake"])
def test_a_model_that_runs_elsewhere_needs_no_weights(
    machine: Callable[..., dict[str, Check]], model: str
) -> None:
    assert list(machine(model)) == EVERYWHERE


def test_sizes_of_models_are_known_before_a_download() -> None:
    assert weight_bytes("qwen3-4b") == 2 * 4_022_000_000
    assert weight_bytes("hf:nobody/nothing") == 0


def test_a_model_of_unknown_size_is_not_here(machine: Callable[..., dict[str, Check]]) -> None:
    checks = machine("hf:nobody/nothing")
    assert checks["memory"].found == "the size of hf:nobody/nothing is not known"
    assert not checks["weights"].ok
    assert checks["weights"].to_do == "%synth model small hf:nobody/nothing"


def test_ports_in_use_are_passed_over(
    machine: Callable[..., dict[str, Check]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(room, "PORTS", [port])
        check = machine()["port"]
        assert (check.ok, check.to_do) == (False, "end a server of an earlier lesson")
    monkeypatch.setattr(room, "PORTS", [port])
    assert machine()["port"].found == f"{port} is free"


def test_old_and_missing_packages_are_named(
    machine: Callable[..., dict[str, Check]], monkeypatch: pytest.MonkeyPatch
) -> None:
    version = metadata.version

    def changed(name: str) -> str:
        if name == "anywidget":
            raise metadata.PackageNotFoundError(name)
        return "1.0" if name == "plotly" else version(name)

    monkeypatch.setattr(metadata, "version", changed)
    check = machine()["versions"]
    assert not check.ok
    assert check.to_do == (
        'pip install -U "jupyter-synthkit[notebook]" (anywidget>=0.9.18, plotly>=6.5)'
    )


def test_an_endpoint_says_whether_it_answers(tmp_path: Path) -> None:
    def found(**options: Any) -> tuple[bool, str]:
        model = sk.load_model("openai:m", **options)
        (check,) = (c for c in room_check("small", tmp_path, model) if c.what == "endpoint")
        return check.ok, check.found.removeprefix(options["base_url"])

    with Server() as server:
        url = server.base_url
        for status, expected in (
            (200, (True, " answers (200)")),
            (404, (True, " answers (404)")),
            (401, (False, " refuses the key (401)")),
            (503, (False, " answers (503)")),
        ):
            server.lists = Reply(status, body={"data": []})
            assert found(base_url=url, api_key="sk-0123456789abcdef") == expected
        assert (server.listed, server.count) == (4, 0)
    assert found(base_url=url, api_key="none") == (False, " does not answer (ConnectError)")
