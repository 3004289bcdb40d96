"""How time and memory grow with rows, for the runner, the store, duplicates and metrics.

    python -m tests.benchmarks.growth [--rounds 3] [--only PREFIX ...] [--into FILE]
        [--folder PICTURES]

Each case has five sizes over two decades. A round runs all cases at all sizes, each in a forked
process on one thread, which prepares its data before the clock starts; the table has the medians of
the rounds. Time is that of the CPU. Memory is the peak above what the process had before, and
counts where it is at least a megabyte.

The exponent is the slope of a line through log(time) and log(rows), by least squares: 1 is linear,
2 is quadratic. Its interval (95 %) is Student's of the regression with three degrees of freedom, so
it is wide where the points do not lie on a line. With ``--into``, each measurement is added to a
file of JSON lines, and what it has is not measured again. With ``--folder``, pictures are written
there as SVG, by Chromium.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import math
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

os.environ["OMP_NUM_THREADS"] = os.environ["OPENBLAS_NUM_THREADS"] = "1"

import numpy as np

import synthkit as sk
from synthkit.core.types import Completion
from synthkit.curate import apply_filters, exact_duplicates, near_duplicates, semantic_duplicates
from synthkit.evaluate.metrics.embedding_diversity import vendi
from synthkit.evaluate.metrics.embedding_fidelity import prdc
from synthkit.evaluate.metrics.lexical_diversity import compression_ratio, distinct_n, mtld
from synthkit.evaluate.metrics.mauve import mauve
from synthkit.evaluate.metrics.self_bleu import self_bleu
from synthkit.plots import theme
from synthkit.stats.jackknife import t_quantile
from tests.benchmarks.duplicates import corpus
from tests.benchmarks.metrics import resident, tables, vectors

Work = Callable[[], Any]
Costs = dict[str, list[tuple[int, float, float]]]
"""Case -> its rows, CPU-seconds and megabytes at each size."""
MANY = (1000, 3000, 10_000, 30_000, 100_000)
FEW = (100, 300, 1000, 3000, 10_000)
MEGABYTE = 1e6
BATCH = 1000


def planned(session: sk.Session, n: int) -> Any:
    rows = [{"n": at} for at in range(n)]
    return sk.plan("Write review {{ n }}.", rows=rows, model=sk.Fake(), session=session, name="r")


def completions(session: sk.Session, n: int) -> list[tuple[str, Any, Completion]]:
    job = planned(session, n)
    mark = job.model.fingerprint
    pairs = zip(job.requests, corpus(n), strict=True)
    return [
        (job.key(request), request.payload(mark), Completion(text, "stop", 20, 30, 0.5))
        for request, text in pairs
    ]


def put(session: sk.Session, items: Sequence[Any]) -> None:
    for start in range(0, len(items), BATCH):
        session.store.completions.put_many(items[start : start + BATCH])


def runner_new(session: sk.Session, n: int) -> Work:
    return planned(session, n).run


def runner_cached(session: sk.Session, n: int) -> Work:
    put(session, completions(session, n))
    return lambda: planned(session, n).run()


def store_put(session: sk.Session, n: int) -> Work:
    items = completions(session, n)
    return lambda: put(session, items)


def store_get(session: sk.Session, n: int) -> Work:
    items = completions(session, n)
    put(session, items)
    keys = [key for key, *_ in items]
    parts = [keys[start : start + BATCH] for start in range(0, n, BATCH)]
    return lambda: [len(session.store.completions.get(part)) for part in parts]


def duplicates(rule: Any) -> Callable[[sk.Session, int], Work]:
    def prepare(session: sk.Session, n: int) -> Work:
        import pyarrow as pa

        table = pa.table({"id": np.arange(n), "text": corpus(n)})
        return lambda: apply_filters(table, rule)

    return prepare


def semantic(session: sk.Session, n: int) -> Work:
    import pyarrow as pa

    drawn = vectors(n)
    table = pa.table({"id": np.arange(n), "text": [str(at) for at in range(n)]})
    rule = semantic_duplicates(lambda texts: drawn)
    return lambda: apply_filters(table, rule)


def of_texts(metric: Callable[[Any], Any]) -> Callable[[sk.Session, int], Work]:
    def prepare(session: sk.Session, n: int) -> Work:
        texts = corpus(n)
        return lambda: metric(texts)

    return prepare


def of_vectors(metric: Callable[..., Any], sides: int) -> Callable[[sk.Session, int], Work]:
    def prepare(session: sk.Session, n: int) -> Work:
        drawn = tables(n) if sides == 2 else (vectors(n),)
        return lambda: metric(*drawn)

    return prepare


@dataclass(frozen=True)
class Case:
    """Prepares the work of a size; the panel is that of the picture."""

    panel: str
    prepare: Callable[[sk.Session, int], Work]
    sizes: tuple[int, ...] = MANY


STORE, DUPLICATES, TEXTS, VECTORS = "runner and store", "duplicates", "texts", "vectors"
CASES = {
    "run, new": Case(STORE, runner_new, FEW),
    "run, cached": Case(STORE, runner_cached),
    "store, put": Case(STORE, store_put),
    "store, get": Case(STORE, store_get),
    "exact": Case(DUPLICATES, duplicates(exact_duplicates())),
    "Jaccard 0.8": Case(DUPLICATES, duplicates(near_duplicates())),
    "cosine": Case(DUPLICATES, semantic, tuple(3 * n for n in FEW)),
    "distinct-2": Case(TEXTS, of_texts(distinct_n)),
    "self-BLEU": Case(TEXTS, of_texts(self_bleu)),
    "MTLD": Case(TEXTS, of_texts(mtld)),
    "compression ratio": Case(TEXTS, of_texts(compression_ratio)),
    "Vendi": Case(VECTORS, of_vectors(vendi, 1)),
    "MAUVE": Case(VECTORS, of_vectors(mauve, 2), FEW),
    "PRDC": Case(VECTORS, of_vectors(prdc, 2), FEW),
}


def measured(case: str, n: int, queue: Any) -> None:
    """CPU-seconds and peak megabytes of one case, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder, sk.Session(Path(folder) / "s") as session:
        CASES[case].prepare(session, 50)()  # so that imports are not measured
        with sk.Session(Path(folder) / "t") as own:
            work = CASES[case].prepare(own, n)
            gc.collect()
            Path("/proc/self/clear_refs").write_text("5")  # resets the peak to the current value
            before, start = resident("VmRSS"), time.process_time()
            result = work()
            seconds = time.process_time() - start
            queue.put((seconds, (resident("VmHWM") - before) / MEGABYTE))
            del result


def measure(case: str, n: int) -> tuple[float, float]:
    """The cost of one case in a fork of this process."""
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    process = context.Process(target=measured, args=(case, n, queue))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"{case} failed with {n:,} rows.")
    cost: tuple[float, float] = queue.get()
    return cost


def exponent(points: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """The slope of log(y) over log(x) with its interval; NaN for fewer than three points."""
    if len(points) < 3:
        return math.nan, math.nan, math.nan
    x, y = np.log(np.array(points, np.float64)).T
    x = x - x.mean()
    spread = float(x @ x)
    slope = float(x @ y) / spread
    rest = y - y.mean() - slope * x
    error = math.sqrt(float(rest @ rest) / (len(x) - 2) / spread)
    margin = t_quantile(0.95, len(x) - 2) * error
    return slope, slope - margin, slope + margin


def fits(costs: Costs) -> list[dict[str, Any]]:
    """For each case its costs at the smallest and largest size, and its two exponents."""
    rows = []
    for case, points in costs.items():
        n, seconds, peak = points[-1]
        by_time = exponent([(n, seconds) for n, seconds, _ in points])
        by_memory = exponent([(n, peak) for n, _, peak in points if peak >= 1])
        rows.append(
            {
                "case": case,
                "rows": f"{points[0][0]:,} to {n:,}",
                "CPU-s": f"{points[0][1]:.3g} to {seconds:.3g}",
                "exponent": shown(by_time),
                "peak, MB": f"{max(0, points[0][2]):.3g} to {peak:.3g}",
                "of memory": shown(by_memory),
            }
        )
    return rows


def shown(fit: tuple[float, float, float]) -> str:
    return "" if math.isnan(fit[0]) else f"{fit[0]:.2f} [{fit[1]:.2f}, {fit[2]:.2f}]"


def figure(costs: Costs, what: int, title: str) -> Any:
    """One panel for each part, with a line for each case; ``what`` is 1 for time, 2 for memory."""
    from plotly.subplots import make_subplots

    panels = list(dict.fromkeys(CASES[case].panel for case in costs))
    drawn = make_subplots(
        rows=math.ceil(len(panels) / 2), cols=2, subplot_titles=panels, figure=theme.new_figure()
    )
    for panel in range(len(panels)):
        cases = [case for case in costs if CASES[case].panel == panels[panel]]
        place = {"row": panel // 2 + 1, "col": panel % 2 + 1}
        for at, case in enumerate(cases):
            points = [point for point in costs[case] if what == 1 or point[2] >= 1]
            hue, symbol = theme.style(at)
            drawn.add_scatter(
                x=[point[0] for point in points],
                y=[point[what] for point in points],
                mode="lines+markers",
                line={"color": hue, "width": 1.5},
                marker={"symbol": symbol, "size": 7},
                showlegend=False,
                cliponaxis=False,
                **place,
            )
            axis = str(panel + 1) if panel else ""
            drawn.add_annotation(
                xref=f"x{axis} domain", yref=f"y{axis} domain", text=theme.key(at, case),
                x=0.02, y=0.99 - 0.09 * at, xanchor="left", yanchor="top",
            )  # fmt: skip
    drawn.update_xaxes(type="log", title_text="rows", dtick=1)
    drawn.update_yaxes(type="log", title_text=title, dtick=1)
    drawn.update_layout(width=760, height=300 * math.ceil(len(panels) / 2), margin={"t": 32})
    return drawn


def save(drawn: Any, path: Path) -> None:
    """Write a figure as SVG, as Chromium draws it."""
    from playwright.sync_api import sync_playwright

    from tests.browser import conftest as browser

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser.CHROMIUM, args=browser.CHROMIUM_FLAGS
        )
        page = chromium.new_page()
        page.set_content(drawn.to_html(div_id="figure"))
        url = page.evaluate("Plotly.toImage('figure', {format: 'svg', width: null, height: null})")
        chromium.close()
    text = url.partition(",")[2]
    svg = base64.b64decode(text) if ";base64," in url else _decoded(text)
    path.write_bytes(svg)


def _decoded(text: str) -> bytes:
    from urllib.parse import unquote

    return unquote(text).encode()


def measurements(path: Path | None) -> list[dict[str, Any]]:
    """The measurements in a file of JSON lines."""
    lines = path.read_text().splitlines() if path is not None and path.exists() else []
    return [json.loads(line) for line in lines]


def run(rounds: int, chosen: Sequence[tuple[str, int]], into: Path | None) -> list[dict[str, Any]]:
    """Each case and size once in each round, unless the file has it."""
    found = measurements(into)
    done = {(each["round"], each["case"], each["rows"]) for each in found}
    for number in range(rounds):
        for case, n in chosen:
            if (number, case, n) in done:
                continue
            seconds, peak = measure(case, n)
            found.append(
                {"round": number, "case": case, "rows": n, "seconds": seconds, "peak": peak}
            )
            if into is not None:
                with into.open("a") as file:
                    file.write(json.dumps(found[-1]) + "\n")
    return found


def medians(found: Sequence[dict[str, Any]]) -> Costs:
    """The medians of the rounds, in the order of the cases and sizes."""
    costs: Costs = {}
    for case in CASES:
        for n in sorted({each["rows"] for each in found if each["case"] == case}):
            same = [each for each in found if (each["case"], each["rows"]) == (case, n)]
            cost = [median(each[name] for each in same) for name in ("seconds", "peak")]
            costs.setdefault(case, []).append((n, cost[0], cost[1]))
    return costs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", default=[""], help="prefixes of the names of cases")
    parser.add_argument("--most", type=int, default=10**9, help="the largest size to run")
    parser.add_argument("--into", type=Path, help="a file that keeps the measurements")
    parser.add_argument("--folder", type=Path, help="for growth_time.svg and growth_memory.svg")
    options = parser.parse_args()
    chosen = [
        (case, n)
        for case in CASES
        for n in CASES[case].sizes
        if case.startswith(tuple(options.only)) and n <= options.most
    ]
    costs = medians(run(options.rounds, chosen, options.into))
    rows = fits(costs)
    print(f"| {' | '.join(rows[0])} |\n|{'---|' * len(rows[0])}")
    for row in rows:
        print(f"| {' | '.join(row.values())} |")
    if options.folder:
        save(figure(costs, 1, "CPU-seconds"), options.folder / "growth_time.svg")
        save(figure(costs, 2, "peak, MB"), options.folder / "growth_memory.svg")


if __name__ == "__main__":
    main()
