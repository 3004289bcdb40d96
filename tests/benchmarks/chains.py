"""1,000 chains of three steps with jittered latency, against an ideal schedule and a barrier.

    python -m tests.benchmarks.chains [--chains 1000] [--rounds 3] [--concurrency 64]

A mock server in a separate process responds after 50 to 150 ms. The latency is drawn for each chain
and step, so it is the same in each round and each case. "chain" is the recipe of that name;
"barrier" is three calls of ``generate``, each of which waits for the whole one before it. The cases
alternate; the table has medians.

The ideal is the length of the greedy list schedule of the same latencies: 64 places, the steps of a
chain in order, and a free place takes the step that has been ready the longest. Target: the recipe
takes at most 1.2 times that.
"""

from __future__ import annotations

import argparse
import heapq
import random
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import pandas as pd

import synthkit as sk
from synthkit.recipes import chain
from tests.server import Asked, Reply, Server, completion

STEPS = 3
LEAST, JITTER = 0.05, 0.1
PROMPTS = [f"Step {step} of chain {{{{ i }}}}." for step in range(STEPS)]


def seconds(chain: int, step: int) -> float:
    """Latency of one step."""
    return LEAST + random.Random(f"{chain} {step}").uniform(0, JITTER)


def ideal(chains: int, places: int) -> float:
    """Length of the greedy list schedule, in seconds."""
    ready = deque((chain, 0) for chain in range(chains))
    running: list[tuple[float, int, int]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < places:
            chain, step = ready.popleft()
            heapq.heappush(running, (now + seconds(chain, step), chain, step))
        now, chain, step = heapq.heappop(running)
        if step + 1 < STEPS:
            ready.append((chain, step + 1))
    return now


def by_recipe(model: sk.core.models.Model, rows: pd.DataFrame, session: sk.Session) -> sk.Run:
    fields = {"a": PROMPTS[0], "b": f"{PROMPTS[1]} {{{{ a }}}}", "c": f"{PROMPTS[2]} {{{{ b }}}}"}
    return sk.generate(chain("", rows=rows, fields=fields), model=model, session=session)


def by_passes(model: sk.core.models.Model, rows: pd.DataFrame, session: sk.Session) -> sk.Run:
    def ask(prompt: str, rows: pd.DataFrame, output: str) -> sk.Run:
        return sk.generate(prompt, rows=rows, output=output, model=model, session=session)

    first = ask(PROMPTS[0], rows, "a")
    second = ask(f"{PROMPTS[1]} {{{{ a }}}}", first.table, "b")
    return ask(f"{PROMPTS[2]} {{{{ b }}}}", second.table, "c")


CASES: dict[str, Callable[[sk.core.models.Model, pd.DataFrame, sk.Session], sk.Run]] = {
    "chain": by_recipe,
    "barrier": by_passes,
}


def reply(request: Asked) -> Reply | None:
    found = re.match(r"Step (\d+) of chain (\d+)", request.prompt)
    if found is None:
        return Reply(400, error="no such step")
    step, chain = map(int, found.groups())
    return Reply(seconds=seconds(chain, step), body=completion(f"Answer {step} of {chain}."))


def serve() -> None:
    """Serve until killed; prints the port first."""
    with Server(reply) as server:
        print(server.port, flush=True)
        threading.Event().wait()


@contextmanager
def serving() -> Iterator[str]:
    """The base URL of a server in a separate process."""
    command = [sys.executable, "-m", "tests.benchmarks.chains", "--serve"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
        finally:
            process.kill()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chains", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--concurrency", type=int, default=64)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve()
        return
    rows = pd.DataFrame({"i": range(options.chains)})
    seconds_by_case: dict[str, list[float]] = {case: [] for case in CASES}
    with serving() as base_url:
        model = sk.load_model("openai:m", base_url=base_url, concurrency=options.concurrency)
        for _ in range(options.rounds):
            for case, run in CASES.items():
                with tempfile.TemporaryDirectory() as folder, sk.Session(folder) as session:
                    began = time.perf_counter()
                    result = run(model, rows, session)
                    seconds_by_case[case].append(time.perf_counter() - began)
                assert len(result.table) == options.chains, result
    best = ideal(options.chains, options.concurrency)
    print(f"{options.chains} chains of {STEPS}, {options.concurrency} at once; ideal {best:.2f} s")
    print(f"{'':10}{'median s':>10}{'min s':>10}{'ratio':>8}")
    for case, times in seconds_by_case.items():
        ratio = median(times) / best
        print(f"{case:10}{median(times):10.2f}{min(times):10.2f}{ratio:8.2f}")


if __name__ == "__main__":
    main()
