"""The arena's figures as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

from tests.benchmarks.arena.scenarios import (
    PROMPTS,
    SCENARIOS,
    SECONDS,
    SLOW_EVERY,
    SLOW_SECONDS,
    Record,
)
from tests.benchmarks.arena.systems import FLOOR, OURS, SYSTEMS
from tests.benchmarks.endpoint import ideal
from tests.benchmarks.local_engines import markdown

HEAD = (
    *("scenario", "system", "import, s", "run, s", "process, s", "CPU-s, run", "CPU-s, process"),
    *("peak, MB", "requests", "wasted", "unread", "429s", "rows right", "rounds"),
)
COLD, COLD_256, CACHED, MANY = (
    *("cold, 64 in flight", "cold, 256 in flight"),
    *("cached", "cached, 10,000"),
)


class Figures:
    """The records of an arena, by scenario and system."""

    def __init__(self, records: Iterable[Record]) -> None:
        self.records = list(records)

    def rounds(self, scenario: str, system: str) -> list[Record]:
        wanted = (scenario, system)
        return [r for r in self.records if (r["scenario"], r["system"]) == wanted]

    def median(self, scenario: str, system: str, key: str) -> float | None:
        """The median of the rounds that have the figure; ``None`` if none has."""
        values = [r[key] for r in self.rounds(scenario, system) if r.get(key) is not None]
        return median(values) if values else None

    def systems(self, scenario: str) -> list[str]:
        """The systems that were measured, in the order of SYSTEMS."""
        return [name for name in SYSTEMS if self.rounds(scenario, name)]

    def best(self, scenario: str, key: str, ended: bool = True) -> tuple[float, str] | None:
        """The least median of a peer, and which; of those whose rows were right."""
        found = [
            (value, name)
            for name in self.systems(scenario)
            if name not in (FLOOR, OURS)
            and (value := self.median(scenario, name, key)) is not None
            and not (ended and self.troubles(scenario, name))
        ]
        return min(found, default=None)

    def troubles(self, scenario: str, system: str) -> list[str]:
        """What went wrong in some rounds: how they ended, and rows that were not right."""
        number, found = SCENARIOS[scenario].number, []
        for record in self.rounds(scenario, system):
            if record["outcome"] != "ended":
                found.append(record["outcome"])
            elif number and record["right"] < number:
                found.append(f"{record['rows']:,} rows, {record['right']:,} right")
        return found


def number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def whole_table(figures: Figures) -> str:
    """All medians, a row for each scenario and system."""
    rows = []
    for scenario in SCENARIOS:
        for system in figures.systems(scenario):

            def of(key: str, digits: int = 0, names: Sequence[str] = (scenario, system)) -> str:
                return number(figures.median(*names, key), digits)

            shown = [of("import", 2), of("seconds", 2), of("whole", 2), of("cpu", 2)]
            shown += [of("whole_cpu", 2), of("peak_mb"), of("requests"), of("wasted")]
            shown += [of("unread"), of("rejected"), of("right")]
            shown += [str(len(figures.rounds(scenario, system)))]
            rows.append([scenario, system, *shown])
    return markdown(HEAD, rows)


def short_table(figures: Figures) -> str:
    """A row for each system with the figures that differ most."""
    columns: dict[str, Callable[[str], str]] = {
        "import, s": lambda name: number(figures.median("import", name, "import"), 2),
        "500 prompts, s": lambda name: number(figures.median(COLD, name, "seconds"), 2),
        "CPU-s": lambda name: number(figures.median(COLD, name, "cpu"), 2),
        "again, s": lambda name: number(figures.median(CACHED, name, "seconds"), 2),
        "10,000 again, s": lambda name: number(figures.median(MANY, name, "seconds"), 2),
        "1 edited: requests": lambda name: told(figures, "edited", name, "requests"),
        "20 more: requests": lambda name: told(figures, "appended", name, "requests"),
        "killed: wasted": lambda name: told(figures, "killed", name, "wasted"),
        "429s": lambda name: told(figures, "rate-limited", name, "rejected"),
    }
    names = [name for name in SYSTEMS if any(r["system"] == name for r in figures.records)]
    return markdown(
        ["", *columns], [[name, *(column(name) for column in columns.values())] for name in names]
    )


def told(figures: Figures, scenario: str, system: str, key: str) -> str:
    """A median, and whether its rows are wrong; or how most rounds ended."""
    rounds = figures.rounds(scenario, system)
    outcomes = [record["outcome"] for record in rounds if record["outcome"] != "ended"]
    if outcomes and 2 * len(outcomes) >= len(rounds):
        return str(outcomes[0]).partition(":")[0].partition(" (")[0]
    value = number(figures.median(scenario, system, key))
    wrong = len(figures.troubles(scenario, system)) - len(outcomes)
    return f"{value}, wrong rows" if 2 * wrong >= len(rounds) > 0 else value


def notes(figures: Figures) -> str:
    """What the table does not say: outcomes, servers that were needed, what was left out."""
    lines = []
    for scenario in SCENARIOS.values():
        for system in figures.systems(scenario.name):
            rounds = figures.rounds(scenario.name, system)
            troubles = figures.troubles(scenario.name, system)
            lines += [
                f"{system}, {scenario.name}: {what} (in {troubles.count(what)} of {len(rounds)})"
                for what in dict.fromkeys(troubles)
            ]
            if any(record.get("needs_server") for record in rounds):
                lines.append(f"{system}, {scenario.name}: fails while the server is down")
        reasons = {who: why for who, why in scenario.left_out.items() if who != FLOOR}
        lines += [f"{who}, {scenario.name}: left out, {why}" for who, why in reasons.items()]
    return "\n".join(f"- {line}" for line in lines)


def ideal_seconds() -> float:
    """The schedule of `tailed` without a pause, at 64 in flight."""
    latencies = [SECONDS if i % SLOW_EVERY else SLOW_SECONDS for i in range(PROMPTS)]
    return ideal(latencies, SCENARIOS["tailed"].concurrency)


def targets(figures: Figures) -> str:
    """Each target with its figure, and whether it is met."""
    lines: list[str] = []

    def add(words: str, value: float | None, most: float | None) -> None:
        if value is not None and most is not None:
            met = "met" if value <= most else "missed"
            lines.append(f"- {words}: {value:.2f}, at most {most:g}: {met}")

    def ours(scenario: str, key: str) -> Any:
        return figures.median(scenario, OURS, key)

    for scenario, most in ((COLD, 1.2), (COLD_256, 1.3)):
        floor, seconds = figures.median(scenario, FLOOR, "seconds"), ours(scenario, "seconds")
        if floor and seconds:
            add(f"{scenario}, times the floor", seconds / floor, most)
        for key, words, share in (
            ("seconds", "run", 1 / 4),
            ("whole", "whole process", 1 / 4),
            ("cpu", "CPU of the run", 1 / 5),
            ("whole_cpu", "CPU of the process", 1 / 5),
        ):
            peer, own = figures.best(scenario, key), ours(scenario, key)
            if peer and own:
                add(f"{scenario}, {words}, share of {peer[1]}'s", own / peer[0], share)
    add("cached, 10,000 rows, s after the import", ours(MANY, "seconds"), 1.0)
    add("killed: wasted requests", ours("killed", "wasted"), SCENARIOS["killed"].concurrency)
    fewest = figures.best("rate-limited", "rejected", ended=False)
    if fewest:
        add(f"429s, beside {fewest[1]}'s", ours("rate-limited", "rejected"), fewest[0])
    tailed = ours("tailed", "seconds")
    if tailed:
        add("tailed, times the ideal schedule", tailed / ideal_seconds(), 1.3)
    return "\n".join(lines)


def about(records: Sequence[Record]) -> str:
    """Dates, machines and versions, and which systems are missing."""
    dates, machines = (sorted({r[key] for r in records}) for key in ("date", "machine"))
    versions = []
    for name in SYSTEMS:
        known = sorted({r["version"] for r in records if r["system"] == name})
        versions.append(f"{name} {' and '.join(known)}" if known else f"{name} not measured")
    return f"{' and '.join(dates)}, {' and '.join(machines)}. {', '.join(versions)}."


def report(records: Sequence[Record]) -> str:
    """The page: what it was measured on, the tables, the targets."""
    figures = Figures(records)
    parts = [
        about(records),
        f"Tailed: the ideal schedule takes {ideal_seconds():.2f} s.",
        whole_table(figures),
        notes(figures),
        "Short:",
        short_table(figures),
        "Targets:",
        targets(figures),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"
