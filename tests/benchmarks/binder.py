"""Binder, rehearsed: its image is built, and its notebooks run there as on mybinder.org.

    python -m tests.benchmarks.binder FOLDER [--built] [--only 00 04]

A clean copy of the last commit gets a fresh virtual environment by ``binder/environment.yml`` and
``postBuild``. ``binder/start`` then starts JupyterLab with one CPU, 2 GB and no network but the
loopback, and its server starts a kernel for each notebook that needs no training. Run it as
root on Linux with control groups of version 1. ``--built`` takes what FOLDER has.

"First row" is the time from the request of a kernel until a completion is committed. Peaks are of
resident memory, sampled every 50 ms; that of the group has the kernel and the server, and "killed"
counts the kernel's out-of-memory kills. "Outside" counts packets that found no route, which is all
that leaves the loopback, name look-ups too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import yaml

from notebooks.website.lessons import Lesson
from tests.benchmarks.first_row import outputs

ROOT = Path(__file__).parents[2]
LIMIT = 2 << 30
GROUPS = Path("/sys/fs/cgroup/memory")
HEAD = ["notebook", "first row, s", "all, s", "CPU-s", "kernel, MB", "server, MB", "group, MB"]
IMPORTED = """
import json, sys
from importlib.metadata import packages_distributions
owners = packages_distributions()
names = {name.partition(".")[0] for name in list(sys.modules)}
print("IMPORTED" + json.dumps(sorted({owner for name in names for owner in owners.get(name, ())})))
"""


def code(path: Path) -> list[tuple[str, bool]]:
    """The code cells of a notebook, and whether each may fail."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return [
        ("".join(cell["source"]), "raises-exception" in cell["metadata"].get("tags", ()))
        for cell in cells
        if cell["cell_type"] == "code"
    ]


def offered(root: Path = ROOT) -> list[Path]:
    """The notebooks that Binder runs: all but those that train, which need PyTorch."""
    return [path for path in sorted(root.glob("notebooks/**/*.ipynb")) if Lesson(path).in_binder]


def packages(root: Path = ROOT) -> list[str]:
    """The lines for pip in ``environment.yml``."""
    environment = yaml.safe_load((root / "binder" / "environment.yml").read_text())
    (pip,) = (line["pip"] for line in environment["dependencies"] if isinstance(line, dict))
    return list(pip)


def plain(package: str) -> str:
    """The normal form of a package's name in a line for pip."""
    return re.split(r"[>=<\[;# ]", package)[0].lower().replace("_", "-")


@dataclass
class Image:
    """What Binder builds: a copy of the repository, an environment, and caches."""

    folder: Path

    @property
    def repository(self) -> Path:
        return self.folder / "synthkit"

    @property
    def environment(self) -> dict[str, str]:
        ours = {"PYTHONPATH", "HF_HUB_OFFLINE", "SYNTHKIT_CACHE", "OMP_NUM_THREADS"}
        variables = {name: value for name, value in os.environ.items() if name not in ours}
        venv = self.folder / "venv"
        return variables | {
            "PATH": f"{venv / 'bin'}:{os.environ['PATH']}",
            "VIRTUAL_ENV": str(venv),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "IPYTHONDIR": str(self.folder / "ipython"),
            "TMPDIR": str(self.folder / "tmp"),
            "PIP_NO_CACHE_DIR": "1",
        }

    def build(self) -> str:
        """Do what repo2docker does with ``binder/``; returns times and sizes."""
        (self.folder / "tmp").mkdir(parents=True)
        self.repository.mkdir()
        archive = subprocess.run(["git", "archive", "HEAD"], cwd=ROOT, capture_output=True).stdout
        subprocess.run(["tar", "-x"], cwd=self.repository, input=archive, check=True)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", self.folder / "venv"], check=True)
        # conda writes its file for pip beside environment.yml, so paths are relative to that
        (self.repository / "binder" / "pip.txt").write_text("\n".join(packages(self.repository)))
        self._do("python -m pip install -q -U -r binder/pip.txt")
        installed = time.perf_counter()
        self._do("binder/postBuild")
        done = time.perf_counter()
        sizes = {name: size(self.folder / name) / 1e6 for name in ("venv", "cache", "synthkit")}
        return (
            f"environment.yml {installed - begun:.0f} s, postBuild {done - installed:.0f} s; "
            f"packages {sizes['venv']:,.0f} MB, caches {sizes['cache']:,.0f} MB, "
            f"repository {sizes['synthkit']:,.0f} MB"
        )

    def _do(self, command: str) -> None:
        subprocess.run(command, shell=True, check=True, cwd=self.repository, env=self.environment)

    def completions(self) -> int:
        """How many completions the sessions of the notebooks have."""
        found = 0
        for place in (self.repository / "notebooks", self.folder / "tmp"):
            for path in place.rglob("store.sqlite"):
                with (
                    contextlib.suppress(sqlite3.Error),
                    contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store,
                ):
                    found += store.execute("select count(*) from completions").fetchone()[0]
        return found


def size(folder: Path) -> int:
    """The bytes of the files in a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


class Group:
    """A control group that limits memory, while the ``with`` block lasts."""

    def __init__(self) -> None:
        self.folder = GROUPS / f"synthkit-binder-{os.getpid()}"

    def __enter__(self) -> Group:
        self.folder.mkdir()
        (self.folder / "memory.limit_in_bytes").write_text(str(LIMIT))
        return self

    def __exit__(self, *_: object) -> None:
        for _ in range(50):  # until its processes are gone
            with contextlib.suppress(OSError):
                self.folder.rmdir()
                return
            time.sleep(0.2)

    def join(self) -> None:
        """Put this process in, on one CPU."""
        (self.folder / "cgroup.procs").write_text(str(os.getpid()))
        os.sched_setaffinity(0, {0})

    def number(self, file: str, name: str) -> int:
        lines = (self.folder / file).read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.split()[0] == name)


@dataclass
class Peaks:
    """The largest values that a thread has seen of some measures, and when the first row came."""

    measures: dict[str, Callable[[], float]]
    completions: Callable[[], int]
    most: dict[str, float] = field(default_factory=dict)
    first: float | None = None

    def __enter__(self) -> Peaks:
        self._before, self._begun, self._ended = self.completions(), time.perf_counter(), False
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended:
            for name, measure in self.measures.items():
                with contextlib.suppress(psutil.Error, OSError):
                    self.most[name] = max(self.most.get(name, 0.0), measure())
            if self.first is None and self.completions() > self._before:
                self.first = time.perf_counter() - self._begun
            time.sleep(0.05)


@contextlib.contextmanager
def server(image: Image, group: Group) -> Iterator[tuple[psutil.Process, Callable[..., Any]]]:
    """JupyterLab's server as ``binder/start`` starts it, and a function that calls its API."""
    command = ["binder/start", "jupyter", "lab", "--no-browser", "--port=8899", "--allow-root"]
    command += ["--IdentityProvider.token=rehearsal", "--ServerApp.port_retries=0"]
    with (image.folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command,
            cwd=image.repository,
            env=image.environment,
            stdout=log,
            stderr=log,
            preexec_fn=group.join,
        )

    def call(path: str, body: Any = None, method: str = "GET") -> Any:
        asked = urllib.request.Request(
            f"http://127.0.0.1:8899/api/{path}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": "token rehearsal"},
            method=method,
        )
        with urllib.request.urlopen(asked, timeout=120) as answer:
            return json.loads(answer.read() or b"null")

    try:
        for _ in range(600):
            with contextlib.suppress(OSError):
                call("status")
                break
            time.sleep(0.1)
        yield psutil.Process(process.pid), call
    finally:
        process.terminate()
        process.wait(30)


def no_route() -> int:
    """How many packets of this network namespace found no route."""
    found = re.search(r"^Ip6OutNoRoutes\s+(\d+)", Path("/proc/net/snmp6").read_text(), re.M)
    names, values = re.findall(r"^Ip: (.*)", Path("/proc/net/snmp").read_text(), re.M)
    table = dict(zip(names.split(), map(int, values.split()), strict=True))
    return table["OutNoRoutes"] + (int(found[1]) if found else 0)


def rehearse(image: Image, only: list[str]) -> None:
    """Run the notebooks, and print what they took."""
    counted = no_route()
    with contextlib.suppress(OSError):
        urllib.request.urlopen("http://192.0.2.1", timeout=5)
    assert no_route() > counted, "attempts to connect are not counted, or there is a network"
    imported: set[str] = set()
    print("| " + " | ".join([*HEAD, "killed", "outside", "error"]) + " |")
    print("|---" * (len(HEAD) + 3) + "|")
    with Group() as group, server(image, group) as (process, call):
        for path in offered(image.repository):
            if not only or path.stem.startswith(tuple(only)):
                for session in image.repository.rglob(".synthkit"):
                    shutil.rmtree(session)
                print(one(image, path, group, process, call, imported), flush=True)
    idle = [line for line in packages(image.repository)[1:] if plain(line) not in imported]
    print(f"\nIn environment.yml, but imported by no notebook: {', '.join(idle)}.")


def one(
    image: Image,
    path: Path,
    group: Group,
    server: psutil.Process,
    call: Callable[..., Any],
    imported: set[str],
) -> str:
    """Run one notebook in a kernel of the server; returns its line of the table."""
    from jupyter_client.blocking.client import BlockingKernelClient

    name = path.relative_to(image.repository)
    outside, killed = no_route(), group.number("memory.oom_control", "oom_kill")
    kernels: list[psutil.Process] = []
    measures = {
        "kernel": lambda: sum(k.memory_info().rss for k in kernels),
        "server": lambda: server.memory_info().rss,
        "group": lambda: group.number("memory.stat", "total_rss"),
        "cpu": lambda: sum(sum(k.cpu_times()[:4]) for k in kernels),
    }
    error, begun = "", time.perf_counter()
    with Peaks(measures, image.completions) as peaks:
        asked = {"path": str(name), "name": path.name, "type": "notebook", "kernel": {}}
        session = call("sessions", asked, "POST")
        connection = image.folder / "runtime" / f"kernel-{session['kernel']['id']}.json"
        kernels += [child for child in server.children(True) if str(connection) in cmdline(child)]
        client = BlockingKernelClient(connection_file=str(connection))
        client.load_connection_file()
        client.start_channels(hb=False)  # a busy machine misses heartbeats
        try:
            client.wait_for_ready(timeout=120)
            for cell, may_fail in code(path):
                with contextlib.suppress(*[RuntimeError] * may_fail):
                    for _ in outputs(client, cell):
                        pass
            took = time.perf_counter() - begun
            for message in outputs(client, IMPORTED):
                text = message["content"].get("text", "")
                if text.startswith("IMPORTED"):
                    imported |= {plain(owner) for owner in json.loads(text[8:])}
        except Exception as failed:
            took = time.perf_counter() - begun
            lines = re.sub(r"\x1b\[[\d;]*m", "", str(failed)).strip().splitlines()
            error = f"{type(failed).__name__}: {lines[-1] if lines else ''}"
        finally:
            client.stop_channels()
    call(f"sessions/{session['id']}", method="DELETE")
    megabytes = [f"{peaks.most[of] / 1e6:,.0f}" for of in ("kernel", "server", "group")]
    first = "none" if peaks.first is None else f"{peaks.first:.1f}"
    counts = [group.number("memory.oom_control", "oom_kill") - killed, no_route() - outside]
    times = [first, f"{took:.0f}", f"{peaks.most['cpu']:.0f}"]
    return "| " + " | ".join(map(str, [path.stem, *times, *megabytes, *counts, error])) + " |"


def cmdline(process: psutil.Process) -> str:
    """The command of a process, ``""`` if it has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=lambda name: Path(name).absolute())
    parser.add_argument("--built", action="store_true", help="FOLDER has the image already")
    parser.add_argument("--only", nargs="*", default=[], help="notebooks that start so")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    image = Image(options.folder)
    if options.inside:
        rehearse(image, options.only)
        return
    if not options.built:
        print(image.build(), flush=True)
    again = [sys.executable, "-m", "tests.benchmarks.binder", str(image.folder), "--inside"]
    again += ["--only", *options.only]
    loopback = 'ip link set lo up && exec "$@"'
    subprocess.run(["unshare", "-n", "sh", "-c", loopback, "sh", *again], check=True)


if __name__ == "__main__":
    main()
