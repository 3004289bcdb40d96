"""What every test shares: no network, a session that is closed, and tables of each kind."""

from __future__ import annotations

import gc
import os
import signal
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from nbval.plugin import IPyNbCell

import synthkit as sk
from synthkit.core.registry import Registry
from tests import server as stand_in
from tests.models.openai.batch_servers import BatchServer
from tests.postgres import MISSING, Server, programs

MAKERS: dict[str, Callable[[dict[str, list[Any]]], Any]] = {
    "pandas": pd.DataFrame,
    "arrow": pa.table,
    "polars": pl.DataFrame,
    "datasets": datasets.Dataset.from_dict,
}


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server; CI installs it."""
    if programs() is None:
        pytest.skip(MISSING)
    server = Server()
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgres"])
def each_store(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Lets a test keep its sessions in SQLite files, and then on a server."""
    if request.param == "sqlite":
        yield ""
        return
    server: Server = request.getfixturevalue("postgres")
    monkeypatch.setenv("SYNTHKIT_STORE", server.url)
    yield server.url
    server.clear()


@pytest.fixture
def session(tmp_path: Path) -> Iterator[sk.Session]:
    with sk.Session(tmp_path / "work") as opened:
        yield opened


@pytest.fixture
def generate(session: sk.Session) -> Callable[..., sk.Run]:
    """``sk.generate`` in a session of its own, with a Fake unless another model is given."""

    def ask(prompt: str = "Say {{ x }}.", **options: Any) -> sk.Run:
        arguments: dict[str, Any] = {"session": session, "model": sk.Fake()} | options
        return sk.generate(prompt, **arguments)

    return ask


@pytest.fixture
def batches() -> BatchServer:
    """The batch API of :func:`server`."""
    return BatchServer()


@pytest.fixture
def server(batches: BatchServer) -> Iterator[stand_in.Server]:
    """A stand-in for a server with a batch API."""
    with stand_in.Server(batches) as opened:
        yield opened
    gc.collect()  # an unclosed socket is an error here


@pytest.fixture(params=list(MAKERS))
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of table in turn."""
    return str(request.param)


@pytest.fixture
def make(kind: str) -> Callable[[dict[str, list[Any]]], Any]:
    """Builds a table of that kind from columns."""
    return MAKERS[kind]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Installs a package of one module that declares an entry point for a registry, as pip would.

    The registry no longer has the name when the test ends.
    """
    installed: list[tuple[Registry[Any], str]] = []

    def install(registry: Registry[Any], name: str, source: str) -> None:
        site, module = tmp_path / f"site_{name}", f"outside_{name}".replace("-", "_")
        metadata = site / f"{module}-1.0.dist-info"
        metadata.mkdir(parents=True)
        (site / f"{module}.py").write_text(source)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        group = f"[synthkit.{registry.decorator}]\n{name} = {module}\n"
        (metadata / "entry_points.txt").write_text(group)
        monkeypatch.syspath_prepend(site)
        monkeypatch.delitem(sys.modules, module, raising=False)
        vars(registry).pop("_installed", None)
        installed.append((registry, name))

    yield install
    for registry, name in installed:
        vars(registry).pop("_installed", None)
        registry._values.pop(name, None)


NOT_COMPARED = ("text/html", "image/svg+xml", "application/vnd.plotly.v1+json")
"""Forms of outputs beside their text, which is compared."""


def pytest_configure() -> None:
    """Let interrupts arrive also where the shell that started the tests ignores them (``&``)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


SLOW = (
    "notebooks/",
    "synthkit/train/",
    "tests/benchmark/",
    "tests/core/test_environment.py",
    "tests/curate/duplicates/test_filters.py",
    "tests/curate/label_noise/",
    "tests/curate/marks/test_active_learning.py",
    "tests/curate/marks/test_calibrated_regression.py",
    "tests/evaluate/metrics/test_accuracy.py",
    "tests/evaluate/metrics/test_embedding_fidelity.py",
    "tests/evaluate/raters/test_bradley_terry.py",
    "tests/evaluate/test_coverage.py",
    "tests/evaluate/test_degenerate.py",
    "tests/evaluate/test_references.py",
    "tests/models/openai/test_model.py",
    "tests/models/openvino/",
    "tests/models/local/",
    "tests/models/transformers/",
    "tests/notebook/test_kernel.py",
    "tests/train/",
)
"""What the quick lane leaves out: notebooks, weights, kernels, servers that wait, simulations."""


def compare_text(item: IPyNbCell) -> None:
    """Let the text of a notebook's cell be as it is stored; not pictures, HTML and widgets."""
    if "nbval-ignore-output" not in item.cell.metadata.get("tags", ()):
        item.options["check"] = True
    item.parent.skip_compare = (*item.parent.skip_compare, *NOT_COMPARED)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what is slow, and drive the browser last.

    Once the browser is up, its event loop runs in this thread to the end.
    """
    for item in items:
        if isinstance(item, IPyNbCell):
            compare_text(item)
        if item.path.relative_to(config.rootpath).as_posix().startswith(SLOW):
            item.add_marker(pytest.mark.slow)
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)
