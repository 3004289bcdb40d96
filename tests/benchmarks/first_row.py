"""Seconds until something is seen: of an import, and of the first cells of a cold kernel.

    python -m tests.benchmarks.first_row [--rounds 5] [--engine openvino]

Each figure is the median over cold processes, wall and CPU. A cell is counted from its request,
with the cells before it, ``%load_ext`` among them; the start of the kernel is not. "First words" is
the first output, "preview" that of the run, and "first row" the first message of that preview
that has a row. ``load`` loads smollm2 step by step; its steps contain the imports that they cause.

The model must be in the cache (``python -m synthkit pull smollm2``). Byte code is written to a
temporary folder, and a first process that fills it is not counted.

CPU seconds on 2 cores that other programs kept busy (AMD EPYC), 2026-11-29, to the first row of
smollm2: 5.4 with OpenVINO and 9.0 with transformers; of these are 3.9 and 4.9 its load, and 0.6 the
imports for the preview. What remains of the load is the import of transformers (0.5) and torch
(1.1), the compilation by OpenVINO (2), and what transformers imports with its first model (1.7).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Laps = list[tuple[str, float, float]]
"""(step, wall seconds, CPU seconds)"""

ROOT = Path(__file__).parents[2]
IMPORT = """
import json, time
wall, cpu = time.perf_counter(), time.process_time()
import synthkit.generation.job
print(json.dumps([["import", time.perf_counter() - wall, time.process_time() - cpu]]))
"""
LOAD = """
import json, sys, time
from synthkit.core.types import Message, Request, Sampling
from synthkit.models.local_model import ENGINES, load_local

laps = []

def lap(step):
    global wall, cpu
    laps.append((step, time.perf_counter() - wall, time.process_time() - cpu))
    wall, cpu = time.perf_counter(), time.process_time()

def timed(owner, name, step):
    inner = getattr(owner, name)
    def outer(*args, **options):
        lap("other")
        out = inner(*args, **options)
        lap(step)
        return out
    setattr(owner, name, outer)

wall, cpu = time.perf_counter(), time.process_time()
model = load_local("smollm2", engine=sys.argv[1])
engine = ENGINES[model.engine]()
lap("import the engine")
timed(type(model.settings.source), "files", "check the files")
timed(engine, "load", "load the weights")
if model.engine == "openvino":
    timed(engine.weights, "_tokenizer", "tokenizer")
else:
    timed(engine.loading, "pretrained", "tokenizer and weights")
    timed(engine.loading, "tuned", "try numbers of threads")
request = Request((Message("user", "Say hi."),), Sampling(max_tokens=1))
list(model.complete([request]))
lap("first token")
laps.append(("sum", sum(lap[1] for lap in laps), sum(lap[2] for lap in laps)))
print(json.dumps(laps))
"""
CELL = """%%synth reviews --model MODEL --n 12 --max-tokens 40 --vary sentiment=positive,negative \
--vary topic=bread,soup,service
Write one {{ sentiment }} sentence that a guest might post about a restaurant's {{ topic }}."""


def in_process(code: str, environment: dict[str, str], *arguments: str) -> Laps:
    """The laps that a Python program prints as JSON."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [(step, wall, cpu) for step, wall, cpu in json.loads(done.stdout.splitlines()[-1])]


def in_kernel(cells: list[str], environment: dict[str, str]) -> Laps:
    """The laps of the last of some cells, run in a new kernel and a new folder."""
    import psutil
    from jupyter_client.manager import KernelManager

    with tempfile.TemporaryDirectory() as folder:
        manager = KernelManager(kernel_name="python3")
        manager.start_kernel(env=environment, cwd=folder, stderr=subprocess.DEVNULL)
        client = manager.client()
        client.start_channels()
        try:
            client.wait_for_ready(timeout=120)
            process = psutil.Process(manager.provisioner.pid)  # type: ignore[union-attr]

            def clocks() -> tuple[float, float]:
                used = process.cpu_times()
                return time.perf_counter(), used.user + used.system

            wall, cpu = clocks()
            for cell in cells[:-1]:
                for _ in outputs(client, cell):
                    pass
            laps: dict[str, tuple[str, float, float]] = {}
            for step in steps(client, cells[-1]):
                at, used = clocks()
                laps.setdefault(step, (step, at - wall, used - cpu))
            return list(laps.values())
        finally:
            client.stop_channels()
            manager.shutdown_kernel(now=True)


def outputs(client: Any, cell: str) -> Iterator[Any]:
    """The messages of a cell, until it has run.

    Raises
    ------
    RuntimeError
        If it fails.
    """
    sent = client.execute(cell, allow_stdin=True)
    error = ""
    while True:
        message = client.get_iopub_msg(timeout=300)
        if message["parent_header"].get("msg_id") != sent:
            continue
        content = message["content"]
        if message["msg_type"] == "error":
            error = "\n".join(content["traceback"])
        if content.get("execution_state") == "idle":
            if error:  # until now the kernel would refuse the next cell
                raise RuntimeError(error)
            return
        yield message


def steps(client: Any, cell: str) -> Iterator[str]:
    """The step that each message of a cell reaches."""
    for message in outputs(client, cell):
        data = message["content"].get("data", {})
        if message["msg_type"] in ("stream", "display_data"):
            yield "first words"
        if "application/vnd.jupyter.widget-view+json" in data:
            yield "preview"
        content = data.get("content") or {}
        if message["msg_type"] == "comm_msg" and isinstance(content, dict) and content.get("rows"):
            yield "first row"
    yield "end of the cell"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engine", default="auto", choices=("auto", "transformers", "openvino"))
    kinds = ("import", "fake", "smollm2", "load")
    parser.add_argument("--only", nargs="+", choices=kinds, default=kinds)
    options = parser.parse_args()
    load = ["%load_ext synthkit"]
    model = f"import synthkit\nsmall = synthkit.load_model('smollm2', engine='{options.engine}')"
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": folder}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        measures: dict[str, Callable[[], Laps]] = {
            "import": lambda: in_process(IMPORT, environment),
            "fake": lambda: in_kernel([*load, CELL.replace("MODEL", "fake")], environment),
            "smollm2": lambda: in_kernel(
                [*load, model, CELL.replace("MODEL", "small")], environment
            ),
            "load": lambda: in_process(LOAD, environment, options.engine),
        }
        print(f"{'':9}{'step':26}{'wall s':>8}{'CPU s':>8}")
        for kind in options.only:
            measures[kind]()
            rounds = [measures[kind]() for _ in range(options.rounds)]
            for step in dict.fromkeys(step for laps in rounds for step, *_ in laps):
                # a step may come several times in a round
                times = [
                    [sum(lap[clock] for lap in laps if lap[0] == step) for laps in rounds]
                    for clock in (1, 2)
                ]
                wall, cpu = map(statistics.median, times)
                print(f"{kind:9}{step:26}{wall:8.2f}{cpu:8.2f}", flush=True)


if __name__ == "__main__":
    main()
