"""Time and memory of each verb over tables of 10,000 to 1,000,000 rows.

    python -m tests.benchmarks.table_size [--sizes 10000 100000 300000 1000000] [--verbs ...]
        [--gigabytes 4]

A session is filled with completions first, so that ``generate`` finds all of them in the store, and
asks nothing. Then each verb runs in a process of its own, which opens the session and loads the
table by its name. A review has 12 to 27 words; one in five is a copy, half of these with one word
changed. Seconds begin after ``import synthkit``, which imports next to nothing; memory is the peak
of the whole process (VmHWM). With ``--gigabytes``, the data of a process is limited
(``RLIMIT_DATA``): a verb that needs more fails, and its error is in the table.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from tests.benchmarks.duplicates import corpus

NAME = "reviews"
TOPICS = ("soup", "bread", "wine", "service", "price", "music", "view", "dessert")
BATCH = 10_000
GIGABYTE = 1 << 30
PROMPT = "Write review {{ n }} of a restaurant, about its {{ topic }}."


def rows(n: int) -> Any:
    """The rows that the reviews are made from."""
    import pandas as pd

    topics = [TOPICS[at % len(TOPICS)] for at in range(n)]
    return pd.DataFrame({"id": [f"r{at}" for at in range(n)], "n": range(n), "topic": topics})


def job(n: int, session: Any) -> Any:
    """The job that makes the reviews."""
    import synthkit as sk

    return sk.plan(PROMPT, rows=rows(n), model=sk.Fake(), session=session, name=NAME)


def fill(session: Any, folder: Path, n: int) -> None:
    """Store the completion of each request of the job."""
    from synthkit.core.types import Completion

    planned = job(n, session)
    texts = corpus(n)
    completions: Iterator[Any] = (
        (planned.key(request), request.payload(planned.model.fingerprint),
         Completion(text, "stop", 20, len(text) // 4, 0.5))
        for request, text in zip(planned.requests, texts, strict=True)
    )  # fmt: skip
    while batch := list(islice(completions, BATCH)):
        session.store.completions.put_many(batch)


def generate(session: Any, folder: Path, n: int) -> None:
    """Make the table again from the store."""
    run = job(n, session).run()
    if run.ledger.hits != n or len(run.table) != n:
        raise RuntimeError(f"expected {n} cached rows; got {run!r}.")


def load(session: Any, folder: Path, n: int) -> None:
    """Read the table, which all of the next verbs do first."""
    session.load(NAME)


def overview(session: Any, folder: Path, n: int) -> None:
    """The tables, runs and sizes of the session."""
    session.tables(), session.lineage(), session.runs(), session.cost(), session.sizes()


def curate(session: Any, *filters: tuple[str, str]) -> None:
    """Filter the table as ``%synth filter`` does, and keep what is left."""
    from synthkit.curate import filter_from_spec

    made = [filter_from_spec(name, value) for name, value in filters]
    curation = session.curate(session.load(NAME), *made, name=NAME)
    session.save(f"{NAME}_kept", curation.kept)


def filter(session: Any, folder: Path, n: int) -> None:
    """Four filters of texts."""
    limits = ("length", "5-26"), ("where", "chars(text) < 180 and topic != view")
    curate(session, *limits, ("no-symbols", ""), ("no-refusals", ""))


def dedupe_exact(session: Any, folder: Path, n: int) -> None:
    """Drop equal texts."""
    curate(session, ("dedupe", "exact"))


def dedupe_near(session: Any, folder: Path, n: int) -> None:
    """Drop texts with a Jaccard similarity of 0.8."""
    curate(session, ("dedupe", "0.8"))


def explore(session: Any, folder: Path, n: int) -> None:
    """The map of all texts, its static output, and a selection."""
    from synthkit import load_embedder
    from synthkit.notebook.widgets.explorer.widget import Explorer

    explorer = Explorer(session.load(NAME), name=NAME, embedder=load_embedder("wordllama"))
    explorer.embed()
    explorer._reply({"type": "select", "how": "replace", "where": "words(text) > 25"})
    explorer.neighbours(explorer.map.ids[0])
    len(explorer.static.html)


def evaluate(session: Any, folder: Path, n: int) -> None:
    """All metrics that need no real rows; vectors are those of 10,000 rows."""
    from synthkit import load_embedder

    embed = load_embedder("wordllama").embed
    options = {"column": "text", "label": "topic", "embed": embed, "embedder": "wordllama"}
    session.evaluate(session.load(NAME), name=NAME, **options)


def card(session: Any, folder: Path, n: int) -> None:
    """The card of the table."""
    str(session.card(NAME))


def saved(file: str, **options: str) -> Callable[[Any, Path, int], None]:
    """The table as a file or a folder."""

    def save(session: Any, folder: Path, n: int) -> None:
        from synthkit import share

        share.save(session.load(NAME), folder / file, overwrite=True, **options)

    return save


def bundle(session: Any, folder: Path, n: int) -> None:
    """The whole session as a bundle."""
    session.export(folder / "bundle.zip", over=True)


VERBS: dict[str, Callable[[Any, Path, int], None]] = {
    "fill": fill,
    "generate": generate,
    "load": load,
    "overview": overview,
    "filter": filter,
    "dedupe exact": dedupe_exact,
    "dedupe 0.8": dedupe_near,
    "explore": explore,
    "eval": evaluate,
    "card": card,
    "csv": saved("reviews.csv"),
    "jsonl": saved("reviews.jsonl"),
    "parquet": saved("reviews.parquet"),
    "datasets": saved("reviews", format="datasets"),
    "bundle": bundle,
}


def child(verb: str, folder: Path, n: int, gigabytes: float) -> None:
    """Run one verb, and print its time and memory."""
    import synthkit as sk

    if gigabytes:
        most = int(gigabytes * GIGABYTE)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    wall, cpu = time.perf_counter(), time.process_time()
    with sk.Session(folder / "session") as session:
        VERBS[verb](session, folder, n)
    cost = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "peak": peak()}
    print(json.dumps(cost))


def peak() -> float:
    """The most megabytes that this process had in memory."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def measure(verb: str, folder: Path, n: int, gigabytes: float) -> dict[str, float] | str:
    """The cost of a verb, or why it failed."""
    command = [sys.executable, "-m", "tests.benchmarks.table_size", "--child", verb, str(folder)]
    command += ["--sizes", str(n), "--gigabytes", str(gigabytes)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = (done.stdout or done.stderr).strip().splitlines()
    if done.returncode:
        return (done.stderr.strip().splitlines() or [f"ended by {done.returncode}"])[-1]
    cost: dict[str, float] = json.loads(lines[-1])
    return cost


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 300_000, 10**6])
    parser.add_argument("--verbs", nargs="+", default=list(VERBS), choices=VERBS)
    parser.add_argument("--gigabytes", type=float, default=4.0, help="0 for no limit")
    parser.add_argument("--keep", type=Path, help="a folder for the sessions, which stay")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(options.child[0], Path(options.child[1]), options.sizes[0], options.gigabytes)
        return
    print(
        "| rows | verb | s | CPU-s | ms a row | peak, MB |\n|---|---|---|---|---|---|", flush=True
    )
    for n in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) if options.keep is None else options.keep / str(n)
            folder.mkdir(parents=True, exist_ok=True)
            for verb in options.verbs:
                cost = measure(verb, folder, n, options.gigabytes)
                if isinstance(cost, str):
                    print(f"| {n:,} | {verb} | {cost} | | | |", flush=True)
                    continue
                each = 1000 * cost["wall"] / n
                numbers = f"{cost['wall']:.1f} | {cost['cpu']:.1f} | {each:.3f}"
                print(f"| {n:,} | {verb} | {numbers} | {cost['peak']:,.0f} |", flush=True)


if __name__ == "__main__":
    main()
