"""A store of millions of completions: how its times and bytes grow.

    python -m tests.benchmarks.store_size FOLDER [--sizes 1000000 5000000 10000000]
        [--store postgresql://me@host/db#size]

The store grows from size to size in FOLDER, which is kept, so that a later size can be added. A
request has about 300 bytes and a text about 100. The first million is written in the order of the
keys, further ones are copies of it; whatever is measured has keys from all over. At each size, in
one process that has just opened the store:

put : completions a second, in commits of 100 and of 1,000 (the put_many of a run).
get : completions a second that are there, 256 keys at a time, and 10,000 at once; keys a second
    that are not.
open : seconds to open and close a store.
counts, sizes, outline : seconds of what ``%synth session`` shows.
explain : seconds until it is said why a request is not stored.
rerun : seconds to look up a table of a million rows, 256 keys at a time.
delete, compact : seconds to delete 10,000 completions, and to give their space back.
bytes : on disk, a completion.
memory : peak of the process without the rerun, in MB.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import synthkit as sk
from synthkit.core.types import Completion, Message, Request, Sampling
from synthkit.notebook.verbs.sessions import outline
from synthkit.store.completions import derived_checksum
from synthkit.store.schema import COLUMNS
from synthkit.store.store import Store

MODEL = json.dumps({"base_url": "http://localhost:8000/v1", "model": "smollm2"})
TOPICS = "bread boats clouds drums engines ferns gloves hills".split()
MILLION = 1_000_000
COPIES = "ghijklmno"
"""The letter in the keys of each copy of the first million."""


def request(n: int) -> Request:
    """The request of completion number ``n``."""
    topic = TOPICS[n % len(TOPICS)]
    text = f"Write sentence {n} that a guest might post about a restaurant with {topic}."
    return Request((Message("user", text),), Sampling(temperature=0.7, max_tokens=64, seed=n))


def answer(n: int) -> Completion:
    """A completion of about 100 bytes."""
    words = " ".join(TOPICS[(n >> k) % len(TOPICS)] for k in range(13))
    return Completion(f"{n}: {words}.", "stop", 40, 25, 0.5)


def key(n: int) -> str:
    """The key of completion ``n``: hex digits from all over, and a letter in those of copies."""
    digits = hashlib.blake2b((n % MILLION).to_bytes(8, "big"), digest_size=16).hexdigest()
    return digits if n < MILLION else f"{digits[:12]}{COPIES[n // MILLION - 1]}{digits[13:]}"


def rows(last: int) -> Iterator[tuple[Any, ...]]:
    """The first rows of the table of completions, in the order of their keys."""
    names = tuple(COLUMNS["completions"])
    payload = json.dumps(request(0).payload(MODEL), separators=(",", ":"))
    for n in sorted(range(last), key=key):
        done = answer(n)
        text = payload.replace("sentence 0", f"sentence {n}").replace('"seed":0', f'"seed":{n}')
        values = (key(n), text, key(n + MILLION)[16:], done.text, done.finish, 40, 25, 0.5,
                  None, 1e9 + n, "", None, 0, 0, "", "", "")  # fmt: skip
        cells = dict(zip(names, values, strict=True))
        cells["checksum"] = derived_checksum(cells)
        yield tuple(cells.values())


def grow(folder: Path, store: str, size: int) -> None:
    """Add completions in bulk up to a size: the first million, then copies of it."""
    began = time.perf_counter()
    with sk.Session(folder, store=store) as session:
        there = session.store.completions.count()
        if not there:
            session.store.completions.merge(rows(min(size, MILLION)))
    if size > MILLION:
        first = folder / "first.sqlite"
        if not first.exists():
            shutil.copyfile(folder / "store.sqlite", first)
        for copy in range(max(there, MILLION) // MILLION, size // MILLION):
            add_copy(folder / "store.sqlite", first, COPIES[copy - 1])
    print(f"{size}: from {there} in {time.perf_counter() - began:.0f} s", flush=True)


def add_copy(path: Path, first: Path, letter: str) -> None:
    """Copy the first million, in the order of the keys, with a letter in each key."""
    others = list(COLUMNS["completions"])
    changed = {"key": f"substr(key, 1, 12) || '{letter}' || substr(key, 14)",
               "ask": f"'{letter}' || substr(ask, 2)", "checksum": "''"}  # fmt: skip
    selected = ", ".join(changed.get(name, name) for name in others)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA cache_size = -800000")
        db.execute("PRAGMA synchronous = OFF")
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("ATTACH ? AS first", (str(first),))
        db.execute(
            f"INSERT INTO main.completions SELECT {selected} FROM first.completions ORDER BY rowid"
        )
        db.execute("UPDATE meta SET value = value + ? WHERE key = 'completions'", (MILLION,))


def timed(act: Callable[[], Any]) -> float:
    """CPU seconds of something; with ``--wall`` those of the clock, as a server takes some too."""
    clock = time.perf_counter if "--wall" in sys.argv else time.process_time
    began = clock()
    act()
    return clock() - began


def rates(session: sk.Session, size: int) -> dict[str, float]:
    """What is measured at a size, by name."""
    store, random_ = session.store, random.Random(size)
    there = [key(n) for n in random_.sample(range(size), 20_000)]
    found: dict[str, float] = {}
    found["counts"] = timed(store.counts)
    found["sizes"] = timed(store.sizes)
    found["outline"] = timed(lambda: outline(session, "work"))
    found["get 256"] = 10_000 / timed(lambda: look_up(store, there[:10_000]))
    found["get 10,000"] = 10_000 / timed(lambda: store.completions.get(there[10_000:]))
    absent = [key(n)[::-1] for n in range(10_000)]
    found["get none"] = 10_000 / timed(lambda: look_up(store, absent))
    found["explain"] = timed(lambda: store.completions.explain(request(0).payload("other")))
    new: list[str] = []
    for together, commits in ((100, 40), (1000, 10)):
        items = [
            (each.key(MODEL), each.payload(MODEL), answer(n))
            for n in range(len(new), len(new) + together * commits)
            for each in [request(-1 - n)]
        ]
        parts = [items[at : at + together] for at in range(0, len(items), together)]
        seconds = timed(lambda parts=parts: [store.completions.put_many(part) for part in parts])
        found[f"put {together:,}"] = len(items) / seconds
        new += [item[0] for item in items]
    found["delete 10,000"] = timed(lambda: store.completions.delete(new))
    found["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return found


def look_up(store: Store, keys: list[str]) -> None:
    """Get completions as a run does."""
    for at in range(0, len(keys), 256):
        store.completions.get(keys[at : at + 256])


def measure(options: argparse.Namespace) -> dict[str, float]:
    """Measure in a process of its own, which has just opened the store."""
    opened: list[sk.Session] = []
    size = options.measure
    opening = timed(lambda: opened.append(sk.Session(options.folder)))
    (session,) = opened
    found = {"open": opening, **rates(session, size)}
    used, _ = session.store._database.pages()
    found["bytes"] = used / session.store.completions.count()
    n = min(size, options.rerun)
    again = [key(at) for at in random.Random(0).sample(range(size), n)]
    found["rerun of 1M"] = timed(lambda: look_up(session.store, again)) * 1e6 / n
    if options.compact:
        found["compact"] = timed(session.store.compact)
    session.close()
    return found


def main() -> None:
    """Print one line of Markdown for each value."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000_000, 5_000_000, 10_000_000])
    parser.add_argument("--store", default="")
    parser.add_argument("--rerun", type=int, default=MILLION, help="rows that are looked up")
    parser.add_argument("--wall", action="store_true", help="seconds of the clock, for a server")
    parser.add_argument("--compact", action="store_true", help="compact it, too")
    parser.add_argument("--measure", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(options)))
        return
    found = []
    for size in options.sizes:
        grow(Path(options.folder), options.store, size)
        command = [sys.executable, "-m", "tests.benchmarks.store_size", options.folder]
        command += ["--measure", str(size), "--rerun", str(options.rerun)]
        command += [name for name in ("--compact", "--wall") if name in sys.argv]
        done = subprocess.check_output(command, text=True)
        found.append(json.loads(done.splitlines()[-1]))
        print(found[-1], flush=True)
    print(f"| | {' | '.join(f'{size:,}' for size in options.sizes)} |")
    print(f"|---|{'---|' * len(found)}")
    for name in found[0]:
        print(f"| {name} | {' | '.join(f'{each[name]:,.3g}' for each in found)} |")


if __name__ == "__main__":
    main()
