"""The memory of this process, as files of the machine and of its control group say."""

from __future__ import annotations

from pathlib import Path

from synthkit.core import memory

GB = 10**9


def machine(root: Path, total_kb: int = 16_000_000, free_kb: int = 12_000_000) -> None:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/meminfo").write_text(
        f"MemTotal:       {total_kb} kB\nMemFree: 1 kB\nMemAvailable:   {free_kb} kB\n"
    )


def test_without_a_control_group_it_is_the_machine_that_limits(tmp_path: Path) -> None:
    machine(tmp_path)
    assert memory.of_process(tmp_path) == memory.Memory(
        16_000_000 * 1024, 12_000_000 * 1024, "this machine"
    )


def test_version_2_counts_file_pages_as_free(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "proc/self/cgroup").write_text("0::/user/kernel\n")
    group = tmp_path / "sys/fs/cgroup/user/kernel"
    group.mkdir(parents=True)
    (group / "memory.max").write_text(f"{2 * GB}\n")
    (group / "memory.current").write_text("1500000000\n")
    (group / "memory.stat").write_text("anon 1\ninactive_file 300000000\n")
    assert memory.of_process(tmp_path) == memory.Memory(
        2 * GB, 800_000_000, "the control group of this process"
    )


def test_the_tightest_group_above_limits(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "proc/self/cgroup").write_text("0::/user/kernel\n")
    for path, most in (("user/kernel", "max"), ("user", str(3 * GB))):
        group = tmp_path / "sys/fs/cgroup" / path
        group.mkdir(parents=True, exist_ok=True)
        (group / "memory.max").write_text(most)
        (group / "memory.current").write_text("1000000000")
        (group / "memory.stat").write_text("inactive_file 0\n")
    found = memory.of_process(tmp_path)
    assert found is not None
    assert (found.limit, found.free) == (3 * GB, 2 * GB)


def test_version_1_inside_a_container_is_read_from_the_base(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "proc/self/cgroup").write_text("5:cpu:/\n4:memory:/docker/abc\n0::/\n")
    group = tmp_path / "sys/fs/cgroup/memory"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text(str(2 * GB))
    (group / "memory.usage_in_bytes").write_text(str(GB))
    (group / "memory.stat").write_text("total_inactive_file 0\n")
    found = memory.of_process(tmp_path)
    assert found is not None
    assert (found.limit, found.free) == (2 * GB, GB)


def test_a_group_of_version_1_without_limit_leaves_the_machine(tmp_path: Path) -> None:
    machine(tmp_path)
    (tmp_path / "proc/self/cgroup").write_text("4:memory:/\n")
    group = tmp_path / "sys/fs/cgroup/memory"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("9223372036854771712")
    (group / "memory.usage_in_bytes").write_text("1")
    (group / "memory.stat").write_text("")
    found = memory.of_process(tmp_path)
    assert found is not None
    assert found.source == "this machine"


def test_where_nothing_is_known_nothing_is_refused(tmp_path: Path) -> None:
    assert memory.of_process(tmp_path) is None
