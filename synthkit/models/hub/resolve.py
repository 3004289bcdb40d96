"""Where a model's name leads: an entry of the catalog, a folder, or a repository of the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from synthkit.core.errors import ModelNotFound, UsageError
from synthkit.core.extras import need
from synthkit.models.hub import catalog, fingerprint

REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+|[\w-]+")
WANTED = ["*.json", "*.jinja", "*.txt", "tokenizer.model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A model that was found. ``folder`` is ``None`` for the catalog, fetched when needed."""

    name: str
    folder: Path | None
    identity: fingerprint.Identity


def find(spec: str) -> Source:
    """What a spec names: a catalog name, or ``"hf:<repository or folder>"``.

    A catalog model need not be here: all that is asked of it now is known beforehand, so a session
    whose answers are all stored is replayed without weights.

    Raises
    ------
    ModelNotFound
        If there is no such model; the message lists what is here.
    UsageError
        If the model is not one that answers prompts.
    """
    if not spec.startswith("hf:"):
        entry = catalog.entry(spec)
        if entry.kind != "instruct":
            raise UsageError(f"{spec} is an {entry.kind}, which answers no prompts. {_here()}")
        return Source(name=spec, folder=None, identity=fingerprint.of_catalog(spec))
    asked = spec.removeprefix("hf:")
    folder = Path(asked).expanduser()
    if not folder.is_dir():
        folder = _snapshot(asked)
    name = asked if not Path(asked).is_dir() else folder.resolve().name
    return Source(name=name, folder=folder, identity=fingerprint.of_folder(folder))


def _snapshot(repository: str) -> Path:
    """The local copy of a Hub repository; downloaded if it is not here."""
    if not REPOSITORY.fullmatch(repository):
        raise ModelNotFound(
            f"'hf:{repository}' was expected to name a folder that exists or a repository such as "
            f"'hf:owner/name'; no such folder is here. {_here()}"
        )
    need("huggingface_hub", extra="local", why="to find a model of the Hub")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        folder = Path(snapshot_download(repository, allow_patterns=[*WANTED, "*.safetensors"]))
        if not list(folder.glob("*.safetensors")):
            snapshot_download(repository, allow_patterns=[*WANTED, "pytorch_model*.bin"])
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelNotFound(
            f"'hf:{repository}' is not here, and the Hub did not give it: "
            f"{str(error).strip().splitlines()[0]} {_here()}"
        ) from error
    return folder


def _here() -> str:
    """The models that need no download, and the names that the catalog has."""
    return (
        f"Here are: {', '.join(here()) or 'none'}. The catalog has {', '.join(catalog.CATALOG)}: "
        "python -m synthkit models lists it."
    )


def here() -> list[str]:
    """The models that answer prompts and need no download, as specs."""
    found = [
        entry.name
        for entry in catalog.CATALOG.values()
        if entry.kind == "instruct" and catalog.where(entry.name)
    ]
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        kept = scan_cache_dir().repos
    except CacheNotFound:
        return found
    return found + sorted(f"hf:{repo.repo_id}" for repo in kept if repo.repo_type == "model")
