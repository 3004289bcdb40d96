"""The cost of a request through synthkit, compared with bare HTTP clients and the openai SDK.

    python tests/benchmarks/endpoint.py [--server MOCK.py] [--rounds 5] [--concurrency 64 256]

500 prompts at 50 ms against a stand-in server in a process of its own. Each round of each case
runs in a fresh process, the cases take turns, and the table has medians. ``--server`` names another
script that serves on ``--port`` with ``--latency-ms``, in place of tests/server.py. The floor is
bare aiohttp, without its import; aiohttp and pyreqwest are measured if they are installed.

Targets: cold at most 1.3 times the floor at 64 in flight, and at most 0.25 ms of CPU a request
above it; cached at most 0.2 s after the import, with the server down; one slow call in 20 at most
1.3 times the ideal schedule; a refused key under 2 s and one request.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import resource
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from statistics import median
from typing import Any

PROMPTS = 500
SLOW_EVERY, SLOW_SECONDS, SECONDS = 20, 1.0, 0.05
Figures = dict[str, float]


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def measured(began: float, spent: float, rows: int, **more: float) -> Figures:
    assert rows == PROMPTS, f"{rows} of {PROMPTS}"
    each = (cpu() - spent) / PROMPTS * 1000
    return {"seconds": time.perf_counter() - began, "cpu_ms": each} | more


async def gathered(one: Callable[[int], Any], concurrency: int, number: int = PROMPTS) -> list[str]:
    places = asyncio.Semaphore(concurrency)

    async def placed(i: int) -> str:
        async with places:
            return str(await one(i))

    return await asyncio.gather(*(placed(i) for i in range(number)))


def body(i: int) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": f"Write fact number {i}."}]}


async def by_aiohttp(
    base_url: str, concurrency: int, prompts: Sequence[str], model: str = "m"
) -> list[str]:
    """The answers to some prompts, asked without more than aiohttp."""
    import aiohttp

    connector = aiohttp.TCPConnector(limit=concurrency)
    async with aiohttp.ClientSession(connector=connector) as client:

        async def one(i: int) -> str:
            asked = {"model": model, "messages": [{"role": "user", "content": prompts[i]}]}
            async with client.post(f"{base_url}/chat/completions", json=asked) as answer:
                return str((await answer.json())["choices"][0]["message"]["content"])

        return await gathered(one, concurrency, len(prompts))


def bare_aiohttp(base_url: str, concurrency: int, _: str) -> Figures:
    import aiohttp  # noqa: F401

    prompts = [f"Write fact number {i}." for i in range(PROMPTS)]
    began, spent = time.perf_counter(), cpu()
    return measured(began, spent, len(asyncio.run(by_aiohttp(base_url, concurrency, prompts))))


def bare_pyreqwest(base_url: str, concurrency: int, _: str) -> Figures:
    from pyreqwest.client import ClientBuilder

    async def main() -> Figures:
        async with ClientBuilder().no_proxy().build() as client:

            async def one(i: int) -> str:
                request = client.post(f"{base_url}/chat/completions").body_json(body(i))
                answer = await (await request.build().send()).json()
                return str(answer["choices"][0]["message"]["content"])

            began, spent = time.perf_counter(), cpu()
            return measured(began, spent, len(await gathered(one, concurrency)))

    return asyncio.run(main())


def bare_transport(base_url: str, concurrency: int, _: str) -> Figures:
    from synthkit.models.openai.transport import Client

    async def main() -> Figures:
        json_body = {"Content-Type": "application/json"}
        client = Client(f"{base_url}/chat/completions", json_body, {})

        async def one(i: int) -> str:
            answer = json.loads((await client.post(json.dumps(body(i)).encode(), 600.0)).body)
            return str(answer["choices"][0]["message"]["content"])

        began, spent = time.perf_counter(), cpu()
        figures = measured(began, spent, len(await gathered(one, concurrency)))
        client.close()
        return figures

    return asyncio.run(main())


def openai_sdk(base_url: str, concurrency: int, _: str) -> Figures:
    import openai

    async def main() -> Figures:
        async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

            async def one(i: int) -> str:
                answer = await client.chat.completions.create(**body(i))
                return str(answer.choices[0].message.content)

            began, spent = time.perf_counter(), cpu()
            return measured(began, spent, len(await gathered(one, concurrency)))

    return asyncio.run(main())


def synthkit(base_url: str, concurrency: int, folder: str) -> Figures:
    """``seconds`` is generate() only; ``after_import`` everything after the imports."""
    start = time.perf_counter()
    import pandas as pd

    import synthkit as sk

    generate, open_session = sk.generate, sk.Session  # imported when they are first used
    imported = time.perf_counter()
    model = sk.load_model("openai:m", base_url=base_url, concurrency=concurrency)
    with open_session(folder) as session:
        rows = pd.DataFrame({"i": range(PROMPTS)})
        began, spent = time.perf_counter(), cpu()
        run = generate("Write fact number {{ i }}.", model=model, session=session, rows=rows)
        figures = measured(began, spent, len(run.table), requests=run.ledger.requests)
    now = time.perf_counter()
    return figures | {"after_import": now - imported, "import": imported - start}


def refused(base_url: str, concurrency: int, folder: str) -> Figures:
    import pandas as pd

    import synthkit as sk
    from synthkit.core.errors import EndpointError

    model = sk.load_model("openai:m", base_url=base_url, concurrency=concurrency)
    rows = pd.DataFrame({"i": range(PROMPTS)})
    with sk.Session(folder) as session:
        began, spent = time.perf_counter(), cpu()
        with suppress(EndpointError):
            sk.generate("Write fact number {{ i }}.", model=model, session=session, rows=rows)
            raise SystemExit("a refused key was accepted")
    return measured(began, spent, PROMPTS)


CASES: dict[str, Callable[[str, int, str], Figures]] = {
    "bare aiohttp": bare_aiohttp,
    "bare pyreqwest": bare_pyreqwest,
    "bare transport": bare_transport,
    "openai SDK": openai_sdk,
    "synthkit": synthkit,
    "refused": refused,
}


def fresh(case: str, base_url: str, concurrency: int, folder: str) -> Figures:
    """The figures of a case, run in a separate process."""
    command = [sys.executable, __file__, "--case", case, base_url, str(concurrency), folder]
    done = subprocess.run(command, capture_output=True, text=True)
    if not done.stdout:  # not the status: pyreqwest may abort as the process exits
        raise SystemExit(f"{case} failed:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


@contextmanager
def serving(script: Path, *options: str) -> Iterator[str]:
    """The base URL of a server in a separate process."""
    import socket

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    command = [sys.executable, str(script), "--port", str(port), *options]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    try:
        for _ in range(100):
            try:
                stats(f"http://127.0.0.1:{port}/v1")
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.kill()
        server.wait()


def stats(base_url: str) -> dict[str, Any]:
    with urllib.request.urlopen(base_url.replace("/v1", "/stats"), timeout=5) as answer:
        return dict(json.load(answer))


def ideal(seconds: list[float], concurrency: int) -> float:
    """Length of the schedule in which each request starts as soon as there is room."""
    free = [0.0] * concurrency
    for each in seconds:
        at = free.index(min(free))
        free[at] += each
    return max(free)


def row(name: str, rounds: list[Figures], floor: float | None = None) -> None:
    seconds, each = (median(figures[key] for figures in rounds) for key in ("seconds", "cpu_ms"))
    ratio = f"{seconds / floor:7.2f}" if floor else "       "
    least = min(figures["seconds"] for figures in rounds)
    more = "".join(
        f"  {key} {median(figures[key] for figures in rounds):.3f}"
        for key in ("after_import", "import")
        if key in rounds[0]
    )
    print(f"{name:34}{seconds:8.3f}{least:8.3f}{ratio}{each:8.2f}  {more}", flush=True)


def compare(script: Path, rounds: int, concurrency: int, cases: list[str]) -> None:
    """Measure each case cold, round by round, and synthkit again with its store and no server."""
    cold: dict[str, list[Figures]] = {case: [] for case in cases}
    cached: list[Figures] = []
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            with serving(script, "--latency-ms", str(SECONDS * 1000)) as base_url:
                for case in cases:
                    cold[case].append(fresh(case, base_url, concurrency, folder))
            cached.append(fresh("synthkit", base_url, concurrency, folder))
            assert cached[-1]["requests"] == 0
    floor = None
    if "bare aiohttp" in cold:
        floor = median(figures["seconds"] for figures in cold["bare aiohttp"])
    for case in cases:
        row(f"{case}, {concurrency} in flight", cold[case], floor)
    row("synthkit cached, server down", cached)


def no_barrier(rounds: int, concurrency: int) -> None:
    """Measure runs in which every 20th call takes a second, beside the ideal schedule."""
    latencies = [SECONDS if i % SLOW_EVERY else SLOW_SECONDS for i in range(PROMPTS)]
    script = Path(__file__).parents[1] / "server.py"
    options = ["--slow-every", str(SLOW_EVERY), "--slow-ms", str(SLOW_SECONDS * 1000)]
    options += ["--latency-ms", str(SECONDS * 1000)]
    runs = []
    for _ in range(rounds):
        with serving(script, *options) as base_url, tempfile.TemporaryDirectory() as folder:
            runs.append(fresh("synthkit", base_url, concurrency, folder))
    best = ideal(latencies, concurrency)
    row(f"1 in 20 slow, ideal {best:.2f} s", runs, best)


def refusal(rounds: int) -> None:
    script, runs = Path(__file__).parents[1] / "server.py", []
    for _ in range(rounds):
        with serving(script, "--status", "401", "--latency-ms", "50") as base_url:
            with tempfile.TemporaryDirectory() as folder:
                runs.append(fresh("refused", base_url, 64, folder))
            assert stats(base_url)["requests"] == 1
    row("401, one request", runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", type=Path, default=Path(__file__).parents[1] / "server.py")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--concurrency", type=int, nargs="*", default=[64, 256])
    parser.add_argument("--case", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case, base_url, concurrency, folder = options.case
        print(json.dumps(CASES[case](base_url, int(concurrency), folder)))
        return
    cases = ["bare aiohttp", "bare pyreqwest", "bare transport", "openai SDK", "synthkit"]
    for package in ("aiohttp", "pyreqwest"):
        if importlib.util.find_spec(package) is None:
            print(f"{package} is not installed, so it is left out")
            cases.remove(f"bare {package}")
    print(f"{PROMPTS} prompts, {SECONDS * 1000:g} ms, medians of {options.rounds}")
    print(f"{'':34}{'median':>8}{'least':>8}{'ratio':>7}{'CPU ms':>8}")
    for concurrency in options.concurrency:
        compare(options.server, options.rounds, concurrency, cases)
    no_barrier(options.rounds, 64)
    refusal(options.rounds)


if __name__ == "__main__":
    main()
