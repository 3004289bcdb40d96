"""Find the files of a model: a catalog name, a folder, or a repository of the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

from synthkit.core.environment import notices
from synthkit.core.errors import ModelNotFound, UsageError
from synthkit.core.extras import need
from synthkit.models.hub import catalog, fingerprint, gguf
from synthkit.models.hub.download import OPENVINO
from synthkit.models.hub.hub_models import HUB_MODELS, HubModel

REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+|[\w-]+)(@[\w./-]+)?")
TEXT_FILES = ["*.json", "*.jinja", "*.txt", "tokenizer.model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model that was found.

    Parameters
    ----------
    folder : its files; ``None`` for a catalog model, which is fetched when it is loaded.
    """

    name: str
    folder: Path | None
    identity: fingerprint.Identity

    @property
    def commit(self) -> str:
        """The commit of the Hub that the files are of; ``""`` if they are not of its cache."""
        folder = self.folder
        return folder.name if folder is not None and folder.parent.name == "snapshots" else ""


def find(spec: str) -> ModelSource:
    """The model that a spec names.

    It is a catalog name, ``"hf:<repository or folder>"``, or ``"gguf:<file or folder>"``. A GGUF
    file, also that of a folder without safetensors, is converted now if it has not been before.

    A catalog model from a package registry is not fetched yet. Its identity is known beforehand, so
    a session that has all completions is replayed without weights.

    Raises
    ------
    ModelNotFound
        If there is no such model; the message lists the local ones.
    UsageError
        If the model is an embedder, or its weights are pickled.
    """
    scheme, _, name = spec.partition(":")
    if scheme == "gguf":
        return _of_gguf(Path(name).expanduser())
    if spec in HUB_MODELS:
        folder = fetch(spec)
        return ModelSource(name=spec, folder=folder, identity=fingerprint.of_folder(folder))
    if scheme != "hf":
        entry = catalog.entry(spec)
        if entry.kind != "instruct":
            raise UsageError(f"{spec} is an {entry.kind}, which answers no prompts. {_here()}")
        return ModelSource(name=spec, folder=None, identity=fingerprint.of_catalog(spec))
    folder = folder_of(name)
    if list(folder.glob("*.gguf")) and not list(folder.glob("*.safetensors")):
        return _of_gguf(folder)
    return ModelSource(
        name=display_name(name), folder=folder, identity=fingerprint.of_folder(folder)
    )


def find_openvino(spec: str) -> ModelSource:
    """The model that a spec names, for OpenVINO.

    It is a catalog model of a GGUF file, a GGUF file, which is converted once, or a folder or
    repository with ``openvino_model.xml``.

    Raises
    ------
    ModelNotFound
        If there is no such model.
    UsageError
        If the model is an embedder, or kept as safetensors.
    """
    scheme, _, name = spec.partition(":")
    if spec in HUB_MODELS:
        raise UsageError(
            f"{spec} is kept as safetensors, which OpenVINO does not read. Load it with "
            f"engine=\"transformers\", or a GGUF file of it with 'gguf:FILE'."
        )
    if scheme not in ("gguf", "hf"):
        return find(spec)
    if scheme == "hf":
        folder = Path(name).expanduser()
        if not folder.is_dir():
            folder = _snapshot(name, "openvino_model.*")
        if (folder / "openvino_model.xml").is_file() or not list(folder.glob("*.gguf")):
            identity = fingerprint.of_openvino(folder)
            return ModelSource(name=display_name(name), folder=folder, identity=identity)
        name = str(folder)
    file = gguf.find(Path(name).expanduser())
    folder = gguf.converted(file, OPENVINO)
    # as the file's own bits are computed with, it names the weights, whatever converted it
    identity = replace(fingerprint.of_openvino(folder), weights=fingerprint.file_hash(file))
    return ModelSource(name=file.stem, folder=folder, identity=identity)


def _of_gguf(path: Path) -> ModelSource:
    file = gguf.find(path)
    folder = gguf.converted(file)
    return ModelSource(name=file.stem, folder=folder, identity=fingerprint.of_folder(folder))


def fetch(name: str, *, quiet: bool = False) -> Path:
    """The folder of a catalog model, also of one of the Hub; downloaded if it is not here.

    Raises
    ------
    ModelNotFound
        If the name is unknown or nobody provides the model.
    """
    model = HUB_MODELS.get(name)
    if model is None:
        return catalog.fetch(name, quiet=quiet)
    if not quiet and not is_here(model):
        size = model.size("bf16") / 1e6
        print(f"Fetching {name} ({size:.0f} MB), licence {model.licence}.", file=notices())
    return folder_of(model.repository)


def is_here(model: HubModel) -> bool:
    """Whether the Hub's cache has a commit of the model; it may be an incomplete download."""
    if find_spec("huggingface_hub") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    return isinstance(try_to_load_from_cache(model.repository, "config.json"), str)


def folder_of(name: str) -> Path:
    """The folder with a model's files: ``name`` itself, or the local copy of that repository.

    Raises
    ------
    ModelNotFound
        If it is neither a folder nor a repository that is here or can be downloaded.
    """
    folder = Path(name).expanduser()
    return folder if folder.is_dir() else _snapshot(name)


def display_name(name: str) -> str:
    """A repository id as it is; of a folder its last part."""
    return Path(name).resolve().name if Path(name).is_dir() else name


def _snapshot(repository: str, weights: str = "*.safetensors") -> Path:
    """The local copy of a Hub repository, or of its commit ``name@commit``.

    It is downloaded if it is not here. No code of a repository is downloaded or run.
    """
    name, _, revision = repository.partition("@")
    if not REPOSITORY.fullmatch(repository):
        raise ModelNotFound(
            f"'hf:{repository}' was expected to name an existing folder or a repository such as "
            f"'hf:owner/name'; there is no such folder. {_here()}"
        )
    need("huggingface_hub", extra="local", why="to find a model of the Hub")
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        folder = Path(
            snapshot_download(
                name,
                revision=revision or None,
                allow_patterns=[*TEXT_FILES, weights],
            )
        )
        if weights == "*.safetensors" and not list(folder.rglob(weights)):
            files = HfApi().list_repo_files(name, revision=revision or None)
            raise UsageError(_without_safetensors(repository, files))
    except UsageError:
        raise
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelNotFound(
            f"'hf:{repository}' is not on this machine, and the Hub did not provide it: "
            f"{str(error).strip().splitlines()[0]} {_here()}"
        ) from error
    return folder


def _without_safetensors(repository: str, files: list[str]) -> str:
    """Why a repository without safetensors cannot be used."""
    pickled = [file for file in files if any(fnmatch(file, p) for p in fingerprint.PICKLED)]
    quantized = [file for file in files if file.endswith(".gguf")]
    if quantized:
        return (
            f"hf:{repository} has its weights as GGUF: download one of "
            f"{', '.join(quantized[:4])} and load it with 'gguf:FILE'."
        )
    if pickled:
        return (
            f"hf:{repository} has no *.safetensors but {pickled[0]}, which is pickled and can run "
            "code when it is loaded, so it is not downloaded. Use a repository with safetensors "
            "(https://huggingface.co/spaces/safetensors/convert makes one), or convert a copy that "
            "you trust with transformers, and load that folder."
        )
    return f"hf:{repository} has no weights as *.safetensors; it has {', '.join(files[:8])}."


def _here() -> str:
    """A sentence that lists the local models and the catalog."""
    return (
        f"Local models: {', '.join(here()) or 'none'}. The catalog has "
        f"{', '.join([*catalog.CATALOG, *HUB_MODELS])}: python -m synthkit models lists it."
    )


def here() -> list[str]:
    """The models that answer prompts and need no download, as specs."""
    specs = [
        entry.name
        for entry in catalog.CATALOG.values()
        if entry.kind == "instruct" and catalog.where(entry.name)
    ]
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return specs
    return specs + sorted(
        f"hf:{repo.repo_id}" for repo in repositories if repo.repo_type == "model"
    )
