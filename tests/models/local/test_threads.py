from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from synthkit.models.local import threads


@pytest.mark.parametrize(
    ("files", "cpus"),
    [
        ({}, 8),
        ({"cpu.max": "max 100000\n"}, 8),
        ({"cpu.max": "250000 100000\n"}, 2),
        ({"cpu.max": "50000 100000\n"}, 1),
        ({"cpu.max": "1600000 100000\n"}, 8),
        ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    ],
)
def test_the_quota_is_that_of_the_control_group_and_the_affinity(
    files: dict[str, str], cpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for name, text in files.items():
        path = tmp_path / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert threads.quota(tmp_path) == cpus


@pytest.mark.parametrize(
    ("idle", "own", "cpus"),
    [
        ((0, 100), 0, 1),  # another program has one of two CPUs
        ((0, 0), 30, 1),  # others have all
        ((0, 100), 100, 2),  # this process has one
        ((70, 30), 90, 2),
        ((100, 100), 0, 2),
    ],
)
def test_cpus_that_other_programs_use_are_left_to_them(
    idle: tuple[int, int], own: int, cpus: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 2}, raising=False)
    monkeypatch.setattr(os, "sysconf", lambda name: 100)
    monkeypatch.setattr(threads.time, "process_time", lambda: clock["own"])
    monkeypatch.setattr(threads.time, "perf_counter", lambda: clock["now"])
    (tmp_path / "proc").mkdir()

    def write(first: int, second: int) -> None:
        lines = [f"cpu0 5 5 5 {first} 0 0", "cpu1 5 5 5 900 0 0", f"cpu2 5 5 5 0 {second} 0"]
        text = "\n".join(["cpu 15 15 15 999 99 0", *lines, "intr 3"])
        (tmp_path / "proc/stat").write_text(text)

    clock = {"now": 10.0, "own": 7.0}
    write(500, 600)
    watch = threads.CPUWatch(tmp_path)
    clock = {"now": 11.0, "own": 7.0 + own / 100}
    write(500 + idle[0], 600 + idle[1])
    assert watch.free() == cpus


def test_all_cpus_are_used_where_the_system_does_not_say_which_are_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 2}, raising=False)
    monkeypatch.setattr(threads, "WATCH_SECONDS", 0)
    assert threads.CPUWatch(tmp_path).free() == 3


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[int, list[int]]]:
    """The choice on a machine where a step takes so many seconds with each number of threads."""

    def choose(seconds: dict[int, float], most: int) -> tuple[int, list[int]]:
        used = [0]
        now = [0.0]

        def step() -> None:
            now[0] += seconds[used[-1]]

        monkeypatch.setattr(threads.time, "perf_counter", lambda: now[0])
        chosen = threads.fastest(step, used.append, most)
        assert used[-1] == chosen
        return chosen, used[1:]

    return choose


def test_more_threads_are_used_where_they_are_clearly_faster(
    machine: Callable[..., tuple[int, list[int]]],
) -> None:
    assert machine({1: 0.010, 4: 0.004}, 4)[0] == 4
    assert machine({1: 0.010, 4: 0.0095}, 4)[0] == 1
    assert machine({1: 0.010, 4: 0.040}, 4)[0] == 1


def test_one_cpu_and_large_steps_need_no_trial(
    machine: Callable[..., tuple[int, list[int]]],
) -> None:
    assert machine({1: 0.010}, 1) == (1, [1])
    assert machine({4: 2.0}, 4) == (4, [4, 4])


def test_a_setting_of_the_user_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_WAIT_POLICY", raising=False)
    threads.wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    monkeypatch.setenv("OMP_WAIT_POLICY", "ACTIVE")
    threads.wait_passively()
    assert os.environ["OMP_WAIT_POLICY"] == "ACTIVE"
