"""synthkit beside other systems, on the same work with one local server.

    python -m tests.benchmarks.arena [--rounds 5] [--only SCENARIO-OR-SYSTEM ...]
        [--environments FOLDER] [--into FILE] [--table FILE] [--limit SECONDS]

Each system is installed into an environment of its own, unless FOLDER has it. In each round the
systems take turns at each scenario, in fresh processes: `import`; `cold` (500 prompts, 50 ms each);
`cached` (the same again, with the server down where the system can); `edited` (1 of 500 prompts
changed); `appended` (20 more); `killed` (SIGKILL to all its processes at half, then again);
`rate-limited` (429s above 32 in flight); `tailed` (one call in 20 takes a second, the first too).
The floor is bare aiohttp.

"Run" is all after the imports until the rows are there, "process" from start to exit. Wasted are
answered requests beyond those needed. The records of a round are appended to the file of `--into`
as JSON lines, and the tables are of all records in it: with `--rounds 0` of what it has.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import platformdirs

from tests.benchmarks.arena.report import report
from tests.benchmarks.arena.scenarios import SCENARIOS, Arena, Record, Scenario
from tests.benchmarks.arena.systems import OURS, ROOT, SYSTEMS, NotInstalled, System
from tests.benchmarks.local_engines import commit, machine
from tests.server import free_port


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", default=[], choices=[*SCENARIOS, *SYSTEMS])
    parser.add_argument(
        "--environments",
        type=Path,
        default=Path(platformdirs.user_cache_dir("synthkit-arena")),
        help="folder of the environments of the systems (%(default)s)",
    )
    parser.add_argument("--into", type=Path, help="file of JSON lines to append records to")
    parser.add_argument("--table", type=Path, help="file for the tables; printed if not given")
    parser.add_argument(
        "--limit", type=float, help="seconds after which a process hangs, on a slow machine"
    )
    options = parser.parse_args()
    environments = options.environments.resolve()
    records = earlier(options.into)
    for record in compete(environments, options.rounds, options.only, options.limit):
        records.append(record)
        if options.into:
            with options.into.open("a") as file:
                file.write(json.dumps(record) + "\n")
    page = report(records)
    if options.table:
        options.table.write_text(page)
    else:
        print(page)


def earlier(path: Path | None) -> list[Record]:
    if path is None or not path.exists():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


def chosen(only: Sequence[str]) -> tuple[list[Scenario], list[System]]:
    """The scenarios and the systems named; all of a kind of which none is named."""
    scenarios = [scenario for name, scenario in SCENARIOS.items() if name in only]
    systems = [system for name, system in SYSTEMS.items() if name in only]
    return scenarios or list(SCENARIOS.values()), systems or list(SYSTEMS.values())


def installed(systems: Sequence[System], environments: Path) -> Iterator[System]:
    """The systems that could be installed; it says of the others why not."""
    for system in systems:
        try:
            system.install(environments)
        except NotInstalled as error:
            print(f"{system.name} could not be installed: {error}")
        else:
            yield system


def compete(
    environments: Path, rounds: int, only: Sequence[str], limit: float | None
) -> Iterator[Record]:
    """The records of all rounds, as they end. Who begins changes from round to round."""
    scenarios, systems = chosen(only)
    present = list(installed(systems, environments)) if rounds else []
    noted = circumstances(present, environments)
    with tempfile.TemporaryDirectory() as folder:
        arena = Arena(environments, Path(folder), free_port(), limit)
        for number in range(rounds):
            first = number % max(1, len(present))
            for scenario in scenarios:
                for system in present[first:] + present[:first]:
                    if system.name not in scenario.left_out:
                        names = {"scenario": scenario.name, "system": system.name}
                        record = names | {"round": number} | noted[system.name]
                        record |= arena.measure(scenario, system)
                        print(line(record), flush=True)
                        yield record


def line(record: Record) -> str:
    """A record in a line, to be read as it goes."""
    shown = ("import", "seconds", "whole", "cpu", "whole_cpu", "peak_mb", "requests", "wasted")
    figures = (f"{key} {record[key]:.4g}" for key in (*shown, "rejected", "right") if key in record)
    names = f"{record['round']} {record['scenario']:22}{record['system']:14}{record['outcome']:8}"
    return names + "  ".join(figures)


def circumstances(systems: Sequence[System], environments: Path) -> dict[str, Record]:
    """What is noted in the records of each system: date, machine and version."""
    now = {"date": str(date.today()), "machine": machine()}
    found = {system.name: now | {"version": system.version(environments)} for system in systems}
    if OURS in found:
        found[OURS]["version"] = commit(str(ROOT))
    return found


if __name__ == "__main__":
    main()
