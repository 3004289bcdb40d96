"""Repositories of the Hub: which files a model needs, and how they get into the Hub's cache."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, TypeAlias

from synthkit.core.errors import ModelNotFound, TableError, UsageError
from synthkit.core.extras import need
from synthkit.core.files import read_json
from synthkit.models.hub import download, gguf
from synthkit.models.hub.download import OPENVINO, Form
from synthkit.models.hub.fingerprint import OPENVINO_FILES, PICKLED

SPEC = re.compile(
    r"(?=.{1,240}\Z)"  # more are no file's name
    r"(?P<name>[\w.-]+/[\w.-]+?|[\w-]+)(/(?P<file>[\w.-]+\.gguf))?(@(?P<revision>[\w./-]+))?"
)
COMMIT = re.compile(r"[0-9a-f]{40}")
TEXT_FILES = ("*.json", "*.jinja", "*.txt", "tokenizer.model")
TOP = re.compile(r"(\d+_\w+/)?[^/]+")
"""Files of the root folder, and of those of sentence-transformers, such as ``1_Pooling``."""

Check: TypeAlias = Callable[[int, bool], None]
"""Raises if weights would not fit into memory: their bytes as bfloat16 or, if the second value is
true, as they are stored."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A commit of a repository; ``sizes`` are bytes of its files, ``parameters`` 0 if unknown."""

    commit: str
    sizes: Mapping[str, int]
    licence: str
    parameters: int


def needed(names: Iterable[str], form: Form) -> list[str]:
    """The files of a model, weights last: those of ``form``, or of the form that there is.

    Empty if a repository with these files has no weights that can be used, or several GGUF files.
    """
    top = sorted(name for name in names if TOP.fullmatch(name))
    texts = [name for name in top if any(fnmatch(name, each) for each in TEXT_FILES)]
    tensors = [name for name in top if name.endswith(".safetensors")]
    # others, such as consolidated.safetensors, are the same weights once more
    tensors = [name for name in tensors if Path(name).name.startswith("model")] or tensors
    openvino = [name for name in OPENVINO_FILES if name in top]
    weights = openvino if form == OPENVINO and openvino else tensors or openvino
    if weights:
        return texts + weights
    quantized = _ggufs(top)
    return quantized if len(quantized) == 1 else []


def _ggufs(names: Iterable[str]) -> list[str]:
    return [name for name in names if name.endswith(".gguf") and not name.startswith("mmproj")]


def cached(repository: str, form: Form) -> Path | None:
    """The complete copy of a repository in the Hub's cache; ``None`` if there is none."""
    parts = SPEC.fullmatch(repository)
    if parts is None:
        return None
    storage, revision = _storage(parts["name"]), parts["revision"] or "main"
    reference = storage / "refs" / revision
    commit = reference.read_text().strip() if reference.is_file() else revision
    folder = storage / "snapshots" / commit
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    if parts["file"]:
        return folder if parts["file"] in names else None
    files = needed(names, form)
    index = read_json(folder / "model.safetensors.index.json") or {}
    # weights are downloaded last, so the other files are here as well
    shards = index.get("weight_map", {}).values() if "model.safetensors" not in files else ()
    return folder if files and set(shards) <= set(names) else None


def file_of(repository: str) -> str:
    """The GGUF file that ``name/file.gguf`` names; ``""`` for any other repository."""
    parts = SPEC.fullmatch(repository)
    return (parts["file"] or "") if parts is not None else ""


def _storage(name: str) -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"models--{name.replace('/', '--')}"


def snapshot(
    repository: str, form: Form, *, check: Check | None = None, quiet: bool = False
) -> Path:
    """The local copy of ``name``, ``name@commit`` or ``name/file.gguf``; downloaded if needed.

    No code of a repository is downloaded or run.

    Parameters
    ----------
    form : preferred if the repository has several.
    check : called before a download.
    quiet : print neither a line nor a progress bar.

    Raises
    ------
    ModelNotFound
        If the Hub does not provide it and it is not here.
    UsageError
        If the repository has no weights that can be used.
    ModelError
        If the disk is too small, or the download was cut.
    """
    need("huggingface_hub", extra="local", why="to find a model of the Hub")
    parts = SPEC.fullmatch(repository)
    if parts is None:
        raise ModelNotFound(
            f"'hf:{repository}' was expected to name an existing folder or a repository such as "
            "'hf:owner/name'; there is no such folder."
        )
    name, revision = parts["name"], parts["revision"] or "main"
    here = cached(repository, form)
    if here is not None and COMMIT.fullmatch(revision):
        return here
    listing = _listing(name, revision)
    if isinstance(listing, str):
        if here is not None:
            return here
        raise ModelNotFound(f"'hf:{repository}' is not on this machine, and {listing}")
    files = needed(listing.sizes, form)
    if parts["file"]:
        gguf.check_whole(parts["file"])
        files = [parts["file"]] if parts["file"] in listing.sizes else []
    if not files:
        raise UsageError(_unusable(repository, listing.sizes))
    storage = _storage(name)
    folder = storage / "snapshots" / listing.commit
    missing = [file for file in files if not (folder / file).is_file()]
    if missing:
        if check is not None:
            stored = files[-1].endswith((".gguf", *OPENVINO_FILES))
            size = 0 if stored else 2 * listing.parameters
            check(size or sum(listing.sizes[file] for file in files), stored)
        sizes = {file: listing.sizes[file] for file in missing}
        download.snapshot(name, listing.commit, sizes, storage, listing.licence, quiet=quiet)
    if not COMMIT.fullmatch(revision):
        reference = storage / "refs" / revision
        reference.parent.mkdir(parents=True, exist_ok=True)
        reference.write_text(listing.commit)
    return folder


def _listing(name: str, revision: str) -> Listing | str:
    """The files of a commit, or why the Hub does not provide them."""
    from huggingface_hub import HfApi

    about = _about(
        name, revision, lambda: HfApi().model_info(name, revision=revision, files_metadata=True)
    )
    if isinstance(about, str):
        return about
    sizes = {each.rfilename: each.size or 0 for each in about.siblings or ()}
    licence = about.card_data.get("license") if about.card_data else None
    parameters = about.safetensors.total if about.safetensors else 0
    return Listing(str(about.sha), sizes, str(licence or "unknown"), parameters)


def dataset_commit(name: str, revision: str) -> str:
    """The commit of a data set's branch, tag or commit.

    Raises
    ------
    TableError
        If the Hub does not provide it.
    """
    hub: Any = need("huggingface_hub", extra="data", why="to find a data set of the Hub")
    page = f"datasets/{name}"
    about = _about(page, revision, lambda: hub.HfApi().dataset_info(name, revision=revision))
    if isinstance(about, str):
        raise TableError(f"'hf:{name}' cannot be read: {about}")
    return str(about.sha)


def _about(name: str, revision: str, ask: Callable[[], Any]) -> Any:
    """What the Hub says of a repository, or in a text why it provides nothing."""
    from huggingface_hub import HfApi, constants, errors

    page = f"{constants.ENDPOINT}/{name}"
    login = "log in with `hf auth login` or set HF_TOKEN"
    # the bases of this error are those of the HTTP library in use
    bases = errors.HfHubHTTPError.__bases__
    failures: tuple[type[BaseException], ...] = (*bases, OSError, ValueError)
    try:
        about = ask()
        if about.gated:
            kind = "dataset" if name.startswith("datasets/") else "model"
            HfApi().auth_check(name.removeprefix("datasets/"), repo_type=kind)
        return about
    except errors.GatedRepoError:
        return (
            f"its owner asks for consent before it can be downloaded: open {page}, accept the "
            f"terms, and {login}."
        )
    except errors.RevisionNotFoundError:
        return f"{page} has no branch, tag or commit {revision!r}."
    except errors.RepositoryNotFoundError:
        return f"there is no {page}, or it is private: check the name, or {login}."
    except errors.OfflineModeIsEnabled:
        return "the Hub is not asked since HF_HUB_OFFLINE is set."
    except failures as error:
        words = (str(error).strip() or type(error).__name__).splitlines()[0]
        return f"the Hub ({constants.ENDPOINT}) cannot be reached: {words}"


def _unusable(repository: str, sizes: Mapping[str, int]) -> str:
    """Why none of a repository's files can be used."""
    names = sorted(sizes)
    pickled = [name for name in names if any(fnmatch(name, each) for each in PICKLED)]
    quantized = _ggufs(names)
    if quantized:
        listed = ", ".join(f"{name} ({sizes[name] / 1e6:,.0f} MB)" for name in quantized[:12])
        first = repository.partition("@")[0]
        return (
            f"hf:{repository} has several GGUF files: {listed}. Name one: "
            f"'hf:{first}/{quantized[0]}'."
        )
    if pickled:
        return (
            f"hf:{repository} has no *.safetensors but {pickled[0]}, which is pickled and can run "
            "code when it is loaded, so it is not downloaded. Use a repository with safetensors "
            "(https://huggingface.co/spaces/safetensors/convert makes one), or convert a copy that "
            "you trust with transformers, and load that folder."
        )
    return f"hf:{repository} has no weights as *.safetensors; it has {', '.join(names[:8])}."


def local_repositories() -> Iterator[str]:
    """The repositories of the Hub's cache that are complete."""
    from huggingface_hub import constants

    for folder in sorted(Path(constants.HF_HUB_CACHE).glob("models--*")):
        name = folder.name.removeprefix("models--").replace("--", "/")
        if cached(name, download.SAFETENSORS) is not None:
            yield name
