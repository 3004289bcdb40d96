"""What each system does in the arena, and how a round of it is measured."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.benchmarks.arena.drivers.job import FIGURES, Job
from tests.benchmarks.arena.process import Ended, measure
from tests.benchmarks.arena.systems import FLOOR, System
from tests.benchmarks.endpoint import SECONDS, SLOW_EVERY, SLOW_SECONDS
from tests.server import Spawned, spawn

Record = dict[str, Any]
PROMPTS, MANY, MORE, MAX_IN_FLIGHT = 500, 10_000, 20, 32
LIMIT_SECONDS, AGAIN_SECONDS, PREPARE_SECONDS = 90.0, 40.0, 300.0
LATENCY = ("--latency-ms", str(SECONDS * 1000))


@dataclass(frozen=True)
class Scenario:
    """Some work, of which each round is measured in fresh processes.

    Parameters
    ----------
    needed : requests without which its rows cannot be had.
    after : how many prompts the system has been answered before.
    down : the server is down, unless the system needs it even so.
    killed : the process is killed when half is answered, and the work is done again.
    limit : seconds after which a process hangs.
    left_out : systems for which it makes no sense, with the reason.
    """

    name: str
    number: int
    needed: int
    concurrency: int = 64
    edited: int | None = None
    after: int = 0
    down: bool = False
    killed: bool = False
    server: tuple[str, ...] = LATENCY
    limit: float = LIMIT_SECONDS
    left_out: dict[str, str] = field(default_factory=dict)


STORES_NOTHING = {FLOOR: "it stores nothing"}
SLOWEST = {"DataDreamer": "to save time, since it takes longest"}
SLOW = ("--slow-every", str(SLOW_EVERY), "--slow-ms", str(SLOW_SECONDS * 1000))
SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario("import", 0, 0, left_out={FLOOR: "it is measured without its import"}),
        Scenario("cold, 64 in flight", PROMPTS, PROMPTS),
        Scenario("cold, 256 in flight", PROMPTS, PROMPTS, concurrency=256, left_out=SLOWEST),
        Scenario("cached", PROMPTS, 0, after=PROMPTS, down=True, left_out=STORES_NOTHING),
        Scenario("cached, 10,000", MANY, 0, after=MANY, down=True, left_out=STORES_NOTHING),
        Scenario("edited", PROMPTS, 1, after=PROMPTS, edited=250, left_out=STORES_NOTHING),
        Scenario(
            "appended", PROMPTS + MORE, MORE, after=PROMPTS, left_out=STORES_NOTHING | SLOWEST
        ),
        Scenario(
            "killed",
            PROMPTS,
            PROMPTS,
            killed=True,
            limit=AGAIN_SECONDS,
            left_out=STORES_NOTHING,
        ),
        Scenario(
            "rate-limited",
            PROMPTS,
            PROMPTS,
            server=(*LATENCY, "--max-inflight", str(MAX_IN_FLIGHT)),
            left_out={FLOOR: "it retries nothing"},
        ),
        Scenario("tailed", PROMPTS, PROMPTS, server=(*LATENCY, *SLOW), left_out=SLOWEST),
    )
}


@dataclass(frozen=True)
class Arena:
    """Where systems are driven.

    Parameters
    ----------
    environments : the folder of their environments.
    work : what they store.
    port : that of the server in all rounds, since caches depend on its address.
    limit : seconds after which a process hangs, in place of those of the scenarios.
    """

    environments: Path
    work: Path
    port: int
    limit: float | None = None

    @contextmanager
    def serving(self, *options: str) -> Iterator[Spawned]:
        with spawn("--port", str(self.port), "--lists", *options) as server:
            yield server

    def drive(self, system: System, job: Job, limit: float, **more: Any) -> Ended:
        """Run a system's driver. Its output is written beside its store."""
        folder = Path(job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        return measure(
            system.command(self.environments, asdict(job)),
            folder.parent,
            variables=system.surroundings(self.environments),
            limit=self.limit or limit,
            **more,
        )

    def folder(self, system: System, after: int) -> Path:
        """A store in which the answers to the first prompts are, the same in each round."""
        folder = self.work / system.driver / f"after-{after}" / "store"
        kept = folder.with_name("kept")
        if after and not kept.exists():
            with self.serving("--latency-ms", "0"):
                ended = self.drive(system, self.job(folder, after), PREPARE_SECONDS)
            if ended.outcome != "ended":
                raise RuntimeError(f"{after} prompts: {said(ended)}")
            folder.rename(kept)
        shutil.rmtree(folder, ignore_errors=True)
        if after:
            shutil.copytree(kept, folder, symlinks=True)
        return folder

    def job(self, folder: Path, number: int, **more: Any) -> Job:
        return Job(f"http://127.0.0.1:{self.port}/v1", str(folder), number, **more)

    def measure(self, scenario: Scenario, system: System) -> Record:
        """One round of a scenario."""
        try:
            folder = self.folder(system, scenario.after)
        except RuntimeError as error:
            return {"outcome": f"could not be prepared: {error}"}
        job = self.job(
            folder, scenario.number, concurrency=scenario.concurrency, edited=scenario.edited
        )
        if scenario.down:
            record = figures(self.drive(system, job, scenario.limit))
            if record.get("right") == scenario.number:
                return record | counts(scenario, {}) | {"needs_server": False}
            folder = self.folder(system, scenario.after)
        with self.serving(*scenario.server) as server:
            before = self.killed(system, job, server) if scenario.killed else {}
            record = figures(self.drive(system, job, scenario.limit))
            record |= counts(scenario, server.stats())
        return record | before | ({"needs_server": True} if scenario.down else {})

    def killed(self, system: System, job: Job, server: Spawned) -> Record:
        """Kill a system when half of its requests were sent."""
        half = job.number // 2
        first = self.drive(
            system, job, LIMIT_SECONDS, kill_if=lambda: server.stats()["requests"] >= half
        )
        record = {"sent_before_kill": server.stats()["requests"]}
        if first.outcome != "killed":
            record["outcome"] = f"not killed: {said(first)}"
        return record


def figures(ended: Ended) -> Record:
    """The figures of a process, and those that its driver printed."""
    process = {"whole": ended.seconds, "whole_cpu": ended.cpu, "peak_mb": ended.peak_mb}
    if ended.outcome != "ended":
        return process | {"outcome": said(ended)}
    lines = [line for line in ended.output.splitlines() if line.startswith(FIGURES)]
    return process | {"outcome": "ended"} | json.loads(lines[-1].removeprefix(FIGURES))


def counts(scenario: Scenario, stats: Record) -> Record:
    """What the server counted; wasted requests are answers beyond those needed."""
    return {
        "requests": stats.get("requests", 0),
        "rejected": stats.get("rejected", 0),
        "wasted": max(0, stats.get("answered", 0) - scenario.needed),
        "unread": stats.get("unread", 0),
        "peak_in_flight": stats.get("peak_inflight", 0),
    }


def said(ended: Ended) -> str:
    """How a process ended, with the last line that it wrote."""
    if ended.outcome == "hangs":
        return f"hangs (over {ended.seconds:.0f} s)"
    lines = [line.strip() for line in ended.errors.splitlines() if line.strip()]
    return f"{ended.outcome}: {lines[-1][:160]}" if lines else ended.outcome
