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
