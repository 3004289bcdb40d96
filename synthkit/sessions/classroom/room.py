"""Whether a lesson can run on this machine: versions, memory, CPUs, weights, disk and a port."""

from __future__ import annotations

import platform
import shutil
import socket
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from synthkit.core.errors import ModelError
from synthkit.core.extras import need
from synthkit.core.files import existing
from synthkit.models.hub import catalog, repository, resolve
from synthkit.models.hub.catalog_entries import CATALOG
from synthkit.models.hub.download import SAFETENSORS
from synthkit.models.hub.hub_models import HUB_MODELS
from synthkit.models.local import memory, threads
from synthkit.models.openai.model import Endpoint

PACKAGE = "jupyter-synthkit"
EXTRAS = ("", "notebook")
"""The parts of the package that a lesson needs."""
ENGINES = {"openvino": "openvino_genai", "local": "torch"}
"""Extra of the package -> the module of the engine that it brings."""
PORTS = range(8000, 8050)
DISK = 1_000_000_000
"""Bytes of disk that a session and the files of a small model take at most."""
ENDPOINT_SECONDS = 15.0
"""How long a server may take to list its models."""
SHOWN = ("jupyterlab", "notebook", "ipykernel", "anywidget")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that a lesson needs: what was found, whether that is enough, and what to do."""

    what: str
    found: str
    ok: bool
    to_do: str = ""


def room_check(model: str, folder: Path, endpoint: Endpoint | None = None) -> list[Check]:
    """What a lesson needs of this machine.

    Parameters
    ----------
    model : the spec of the lesson's model; one that runs elsewhere needs no memory and no weights.
    folder : where the session is kept.
    endpoint : that model, if it is behind a server, which is asked for its list of models.
    """
    checks = [_versions(), _cpus(), _disk(folder), _port()]
    checks += [] if endpoint is None else [_endpoint(endpoint)]
    if (size := weight_bytes(model)) is not None:
        checks += [_engine(), _memory(model, size), _weights(model)]
    return checks


def weight_bytes(model: str) -> int | None:
    """Bytes of a local model's weights with 16 bits each, as far as it is known without a download.

    ``None`` for a model that does not run here, 0 for one whose size is not known.

    >>> weight_bytes("smollm2"), weight_bytes("openai:gpt-4.1-mini")
    (269030016, None)
    """
    if model in CATALOG:
        return 2 * CATALOG[model].parameters
    if model in HUB_MODELS:
        return HUB_MODELS[model].size("bf16")
    if not model.startswith(("hf:", "gguf:")):
        return None
    return resolve.find(model).identity.size if _is_here(model) else 0


def _versions() -> Check:
    found = [f"Python {platform.python_version()}", f"synthkit {metadata.version(PACKAGE)}"]
    for name in SHOWN:
        with suppress(metadata.PackageNotFoundError):
            found.append(f"{name} {metadata.version(name)}")
    unfit = sorted(set(_unfit()))
    to_do = f'pip install -U "{PACKAGE}[notebook]" ({", ".join(unfit)})' if unfit else ""
    return Check("versions", ", ".join(found), not unfit, to_do)


def _unfit() -> Iterator[str]:
    """The requirements that no installed package meets."""
    requirements = need("packaging.requirements", extra="notebook", why="to compare versions")
    for line in metadata.requires(PACKAGE) or ():
        wanted = requirements.Requirement(line)
        if wanted.marker and not any(wanted.marker.evaluate({"extra": each}) for each in EXTRAS):
            continue
        try:
            fits = wanted.specifier.contains(metadata.version(wanted.name), prereleases=True)
        except metadata.PackageNotFoundError:
            fits = False
        if not fits:
            yield f"{wanted.name}{wanted.specifier}"


def _cpus() -> Check:
    cpus = threads.quota()
    slow = "" if cpus > 1 else "works; a model of this machine is slow"
    return Check("CPU threads", str(cpus), ok=True, to_do=slow)


def _disk(folder: Path) -> Check:
    place = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(place).free
    to_do = "" if free >= DISK else f"free {(DISK - free) / 1e9:.1f} GB of disk"
    return Check("disk", f"{free / 1e9:.1f} GB free", free >= DISK, to_do)


def _port() -> Check:
    for port in PORTS:
        with socket.socket() as tried, suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return Check("port", f"{port} is free", ok=True)
    to_do = "end a server of an earlier lesson"
    return Check("port", f"none is free from {PORTS[0]} to {PORTS[-1]}", ok=False, to_do=to_do)


def _endpoint(model: Endpoint) -> Check:
    """Whether a server answers and takes the key; nothing is generated."""
    import httpx2

    server = model.server
    url, headers = f"{server.address}/models", dict(server.headers)
    try:
        answer = httpx2.get(
            url, headers=headers, params=dict(server.query), timeout=ENDPOINT_SECONDS
        )
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        found = f"{server.base_url} does not answer ({type(error).__name__})"
        return Check("endpoint", found, ok=False, to_do="start the server, or correct base_url")
    status = answer.status_code
    if status in (401, 403):
        found = f"{server.base_url} refuses the key ({status})"
        return Check("endpoint", found, ok=False, to_do="give another key or token")
    ok = status < 300 or status in (404, 405)  # not every server has a list of models
    return Check("endpoint", f"{server.base_url} answers ({status})", ok, "" if ok else "wait")


def _engine() -> Check:
    here = [module for module in ENGINES.values() if find_spec(module) is not None]
    to_do = "" if here else f'pip install "{PACKAGE}[openvino]"'
    return Check("engine", ", ".join(here) or "none", bool(here), to_do)


def _memory(model: str, size: int) -> Check:
    """Free memory against the weights in the most exact form that fits, and what goes with them."""
    free, device = memory.cuda_bytes(), "cuda"
    if not free and (here := memory.of_process()) is not None:
        free, device = here.free, "cpu"
    if not size or not free:
        what = "the free memory" if size else f"the size of {model}"
        return Check("memory", f"{what} is not known", ok=True)
    beside = memory.beside_weights(device)
    forms = {"float32": 2.0, "16 bits": 1.0, 'quantize="nf4"': memory.SHARES["nf4"]}
    needs = {form: int(size * share) + beside for form, share in forms.items()}
    form = next((form for form, needed in needs.items() if needed <= free), list(needs)[-1])
    ok = needs[form] <= free
    text = f"{free / 1e9:.1f} GB free; {model} needs {needs[form] / 1e9:.1f} GB ({form})"
    to_do = "" if ok else f"{memory.ADVICE} %synth models recommends one."
    return Check("memory", text, ok, to_do)


def _weights(model: str) -> Check:
    here = _is_here(model)
    pull = model if model in {*CATALOG, *HUB_MODELS} else ""
    to_do = f"synthkit pull {pull}" if pull else f"%synth model small {model}"
    return Check("weights", f"{model} is {'' if here else 'not '}here", here, "" if here else to_do)


def _is_here(model: str) -> bool:
    """Whether a model needs no download."""
    if model in CATALOG:
        return catalog.is_here(model)
    if model in HUB_MODELS:
        return resolve.is_here(HUB_MODELS[model])
    scheme, _, name = model.partition(":")
    if existing(name):
        return True
    with suppress(ModelError, ImportError):
        return scheme == "hf" and repository.cached(name, SAFETENSORS) is not None
    return False
