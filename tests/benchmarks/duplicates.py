"""Duplicates among 100,000 and 1,000,000 short texts, compared with other libraries.

    python -m tests.benchmarks.duplicates --peers PYTHON [--sizes 100000 1000000] [--rounds 3]

PYTHON is the interpreter of an environment with semhash, datasketch, rensa, xxhash and faiss-cpu.
Texts have 12 to 27 words from a seeded word model (Zipf, 50,000 words); one in five is a copy, half
of these with one word changed. Each case runs in its own process, which has the texts and has
imported its packages before the clock starts; the cases are interleaved. The input are texts and
the output kept texts: for synthkit through an Arrow table, with a reason for each dropped row. The
other libraries shingle as their documentation shows. rensa is used in four ways: `pairs` keeps one
of similar rows, as datasketch and synthkit do; `two steps` does so among the rows that `flags`
flags; `flags` and `rho` do less: they flag all rows that share a band with another row, including
the first, which is then missing from the kept rows. Peak is ru_maxrss, with the texts and packages.
The vectors for the cosine cases are computed beforehand by wordllama.

On 2 shared cores, Python 3.11, 2026-11-25, one round; seconds, and ratios to synthkit; peaks are
above the memory of the process before:

    =============================  =====  ====  =====  ====  =======
    case                            wall         CPU         peak MB
    =============================  =====  ====  =====  ====  =======
    words    100,000 synthkit       0.75   1.0   0.51   1.0      116
    words    100,000 rensa pairs    1.03   1.4   0.75   1.5      114
    words    100,000 two steps      0.71   1.0   0.52   1.0       31
    words    100,000 datasketch    15.19  20.3   6.36  12.5      178
    words  1,000,000 synthkit       9.88   1.0   6.42   1.0      646
    words  1,000,000 rensa pairs   12.74   1.3   9.87   1.5    1,404
    words  1,000,000 two steps      9.31   0.9   7.34   1.1      189
    chars    100,000 synthkit       0.93   1.0   0.91   1.0
    chars    100,000 rensa pairs    1.98   2.1   1.91   2.1
    chars    100,000 two steps      2.11   2.3   2.02   2.2
    chars    100,000 datasketch     9.78  10.6   9.52  10.4
    exact  1,000,000 synthkit       3.96   1.0   3.82   1.0      706
    exact  1,000,000 semhash       11.10   2.8   8.14   2.1      199
    cosine   100,000 synthkit      10.74   1.0  21.11   1.0      199
    cosine   100,000 semhash       34.48   3.2  66.20   3.1      486
    =============================  =====  ====  =====  ====  =======

Of the cases that keep one of similar texts synthkit needs the least CPU; with a million texts and
word shingles, rensa in two steps needs a little less wall time. `flags` alone takes 0.4 to 0.6 of
our time on words and does less: no pair is verified, and the source of a copy is not named. A plain
loop over a dict finds exact copies in about half the time, without reasons and tables.
"""

from __future__ import annotations

import argparse
import json
import pickle
import random
import resource
import subprocess
import sys
import tempfile
import time
import unicodedata
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

Case = Callable[[list[str], Any], Callable[[], int]]
"""Imports its packages and returns the function to time, which returns the number of kept rows."""
THRESHOLD, HASHES, SEED = 0.9, 128, 42
ROWS = 8  # of a band, for rensa; datasketch chooses its own for the threshold


def corpus(n: int) -> list[str]:
    import numpy as np

    draw, pick = np.random.default_rng(SEED), random.Random(SEED)
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    words = ["".join(draw.choice(letters, size)) for size in 2 + draw.poisson(4, 50_000)]
    weights = 1 / np.arange(1, len(words) + 1)
    fresh = n * 4 // 5
    sizes = draw.integers(12, 28, fresh)
    drawn = draw.choice(len(words), sizes.sum(), p=weights / weights.sum()).tolist()
    texts, start = [], 0
    for size in sizes.tolist():
        texts.append(" ".join(words[at] for at in drawn[start : start + size]).capitalize() + ".")
        start += size
    for at in range(n - fresh):
        parts = texts[pick.randrange(fresh)].split(" ")
        if at % 2:
            parts[pick.randrange(len(parts))] = pick.choice(words)
        texts.append(" ".join(parts))
    pick.shuffle(texts)
    return texts


def synthkit_case(make: Callable[[Any], Any]) -> Case:
    def case(texts: list[str], vectors: Any) -> Callable[[], int]:
        import numpy as np
        import pyarrow as pa

        from synthkit import curate

        rule = make(vectors)
        small = pa.table({"id": np.arange(2), "text": ["a", "a"]})
        curate.apply_filters(small, curate.near_duplicates())

        def run() -> int:
            table = pa.table({"id": np.arange(len(texts)), "text": texts})
            return len(curate.apply_filters(table, rule).kept["text"].to_pylist())

        return run

    return case


def _exact(vectors: Any) -> Any:
    from synthkit.curate import exact_duplicates

    return exact_duplicates()


def _words(vectors: Any) -> Any:
    from synthkit.curate import near_duplicates

    return near_duplicates(threshold=THRESHOLD)


def _chars(vectors: Any) -> Any:
    from synthkit.curate import near_duplicates

    return near_duplicates(threshold=THRESHOLD, shingle="chars")


def _cosine(vectors: Any) -> Any:
    from synthkit.curate import semantic_duplicates

    return semantic_duplicates(lambda texts: vectors, threshold=THRESHOLD)


def plain_loop(texts: list[str], vectors: Any) -> Callable[[], int]:
    def normalized(text: str) -> str:
        return " ".join(unicodedata.normalize("NFKC", text).casefold().split())

    def run() -> int:
        first: dict[str, str] = {}
        for text in texts:
            first.setdefault(normalized(text), text)
        return len(list(first.values()))

    return run


def semhash_exact(texts: list[str], vectors: Any) -> Callable[[], int]:
    from semhash.records import group_records_by_key, prepare_records

    def run() -> int:
        records, columns, _ = prepare_records(texts, None)
        kept, _ = group_records_by_key(records, columns)
        return len([record["text"] for record in kept])

    return run


def semhash_cosine(backend: str) -> Case:
    def case(texts: list[str], vectors: Any) -> Callable[[], int]:
        from semhash import SemHash

        class Model:
            def encode(self, inputs: Any, **_: Any) -> Any:
                return vectors

        def run() -> int:
            deduplicator = SemHash.from_embeddings(
                vectors, texts, model=Model(), ann_backend=backend
            )
            return len(deduplicator.self_deduplicate(threshold=THRESHOLD).selected)

        return run

    return case


def shingled(text: str, kind: str) -> list[str]:
    text = text.lower()
    if kind == "words":
        return text.split()
    return [text[at : at + 5] for at in range(max(1, len(text) - 4))]


def rensa(way: str, kind: str) -> Case:
    def case(texts: list[str], vectors: Any) -> Callable[[], int]:
        from rensa import RMinHash, RMinHashDeduplicator, RMinHashLSH

        def kept(at: list[int]) -> list[bool]:
            deduplicator = RMinHashDeduplicator(THRESHOLD, HASHES, True, HASHES // ROWS, SEED)
            new: list[bool] = deduplicator.add_pairs((str(n), shingled(texts[n], kind)) for n in at)
            return new

        def flags() -> list[bool]:
            digest = RMinHash.digest_matrix_from_token_sets
            if way == "rho":
                digest = RMinHash.digest_matrix_from_token_sets_rho
            made = digest((shingled(text, kind) for text in texts), HASHES, SEED)
            index = RMinHashLSH(THRESHOLD, HASHES, HASHES // ROWS)
            found: list[bool] = index.query_duplicate_flags_matrix_one_shot(made)
            return found

        def pairs() -> int:
            new = kept(list(range(len(texts))))
            return len([text for text, stays in zip(texts, new, strict=True) if stays])

        def two_steps() -> int:
            suspects = [at for at, alike in enumerate(flags()) if alike]
            stays = zip(suspects, kept(suspects), strict=True)
            dropped = {at for at, new in stays if not new}
            return len([text for at, text in enumerate(texts) if at not in dropped])

        def unflagged() -> int:
            return len([text for text, alike in zip(texts, flags(), strict=True) if not alike])

        return {"pairs": pairs, "two steps": two_steps}.get(way, unflagged)

    return case


def datasketch(kind: str) -> Case:
    def case(texts: list[str], vectors: Any) -> Callable[[], int]:
        import xxhash
        from datasketch import MinHash, MinHashLSH

        def run() -> int:
            index = MinHashLSH(threshold=THRESHOLD, num_perm=HASHES)
            kept = []
            sets = ([part.encode() for part in set(shingled(text, kind))] for text in texts)
            made = MinHash.generator(sets, num_perm=HASHES, hashfunc=xxhash.xxh32_intdigest)
            for at, (text, minhash) in enumerate(zip(texts, made, strict=True)):
                if not index.query(minhash):
                    index.insert(at, minhash, check_duplication=False)
                    kept.append(text)
            return len(kept)

        return run

    return case


def minhash_cases(kind: str, ours: Callable[[Any], Any]) -> dict[str, Case]:
    ways = {f"rensa {way}": rensa(way, kind) for way in ("pairs", "two steps", "flags", "rho")}
    return {"synthkit": synthkit_case(ours), **ways, "datasketch": datasketch(kind)}


CASES: dict[str, dict[str, Case]] = {
    "exact": {
        "synthkit": synthkit_case(_exact),
        "plain loop": plain_loop,
        "semhash": semhash_exact,
    },
    "words": minhash_cases("words", _words),
    "chars": minhash_cases("chars", _chars),
    "cosine": {
        "synthkit": synthkit_case(_cosine),
        "semhash faiss": semhash_cosine("faiss"),
        "semhash usearch": semhash_cosine("usearch"),
    },
}
SLOW = {"datasketch", "semhash usearch"}
"""Cases that run in the first round only."""


def prepare(size: int, folder: Path, vectors: bool) -> None:
    texts = corpus(size)
    save(texts, folder / "texts")
    if vectors:
        import numpy as np

        from synthkit import load_embedder

        distinct = list(dict.fromkeys(texts))
        save(distinct, folder / "distinct")
        np.save(folder / "vectors.npy", load_embedder("wordllama").embed(distinct))


def save(texts: list[str], path: Path) -> None:
    with path.open("wb") as file:
        pickle.dump(texts, file)


def child(task: str, name: str, folder: Path) -> None:
    """Run one case, and print its time and memory."""
    with (folder / ("distinct" if task == "cosine" else "texts")).open("rb") as file:
        texts = pickle.load(file)
    vectors = None
    if task == "cosine":
        import numpy as np

        vectors = np.load(folder / "vectors.npy")
    run = CASES[task][name](texts, vectors)
    wall, cpu = time.perf_counter(), time.process_time()
    kept = run()
    cost = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu, "kept": kept}
    cost["peak"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(cost))


def measure(task: str, name: str, python: str, folder: Path, seconds: float) -> Any:
    command = [python, __file__, "--child", task, name, str(folder)]
    if name in ("synthkit", "plain loop"):
        command = [sys.executable, "-m", "tests.benchmarks.duplicates", *command[2:]]
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None
    done.check_returncode()
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peers", default=sys.executable)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--tasks", nargs="+", default=list(CASES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--most", type=float, default=200, help="seconds for one run of a case")
    parser.add_argument("--without", nargs="*", default=[], help="cases to leave out")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    parser.add_argument("--prepare", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.prepare:
        size, name, vectors = options.prepare
        prepare(int(size), Path(name), vectors == "yes")
        return
    if options.child:
        child(options.child[0], options.child[1], Path(options.child[2]))
        return
    print(f"{'':33}{'wall s':>9}{'ratio':>7}{'cpu s':>9}{'ratio':>7}{'peak MB':>9}{'kept':>9}")
    for size in options.sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            tasks = [task for task in options.tasks if task != "cosine" or size <= 100_000]
            # a child process inherits the peak memory of its parent, so this one stays small
            command = [sys.executable, "-m", "tests.benchmarks.duplicates", "--prepare", str(size)]
            vectors = "yes" if "cosine" in tasks else "no"
            subprocess.run([*command, name, vectors], check=True)
            for task in tasks:
                compare(task, size, options, folder)


def compare(task: str, size: int, options: argparse.Namespace, folder: Path) -> None:
    taken: dict[str, list[Any]] = {name: [] for name in CASES[task] if name not in options.without}
    for n in range(options.rounds):
        for name, runs in taken.items():
            if n == 0 or (name not in SLOW and runs[0]):
                runs.append(measure(task, name, options.peers, folder, options.most))
    middle = {
        name: {key: median(run[key] for run in runs if run) for key in runs[0]}
        for name, runs in taken.items()
        if runs[0]
    }
    ours = middle["synthkit"]
    for name in taken:
        label = f"{task:7}{size:>10,} {name:15}"
        if name not in middle:
            print(f"{label}{f'> {options.most:.0f}':>9}", flush=True)
            continue
        one = middle[name]
        print(
            f"{label}{one['wall']:9.2f}{one['wall'] / ours['wall']:7.1f}"
            f"{one['cpu']:9.2f}{one['cpu'] / ours['cpu']:7.1f}"
            f"{one['peak']:9.0f}{one['kept']:9,.0f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
