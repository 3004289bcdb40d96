"""Find the files of a model: a catalog name, a folder, or a repository of the Hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.util import find_spec
from pathlib import Path

from synthkit.core.environment import notices
from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.core.extras import need
from synthkit.models.hub import catalog, fingerprint, gguf
from synthkit.models.hub.download import OPENVINO, SAFETENSORS, Form
from synthkit.models.hub.fingerprint import OPENVINO_FILES
from synthkit.models.hub.hub_models import HUB_MODELS, HubModel

REPOSITORY = re.compile(r"([\w.-]+/[\w.-]+|[\w-]+)(@[\w./-]+)?")
TEXT_FILES = ["*.json", "*.jinja", "*.txt", "tokenizer.model"]
WEIGHTS = {SAFETENSORS.name: "*.safetensors", OPENVINO.name: "openvino_model.*"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSource:
    """A model that was found: a model of the catalog, a GGUF file, or a folder.

    Parameters
    ----------
    form : of the files in ``folder``.
    """

    name: str
    identity: fingerprint.Identity
    folder: Path | None = None
    file: Path | None = None
    form: Form = SAFETENSORS

    @property
    def commit(self) -> str:
        """The commit of the Hub that the files are of; ``""`` if they are not of its cache."""
        folder = self.folder
        return folder.name if folder is not None and folder.parent.name == "snapshots" else ""

    @property
    def architecture(self) -> str:
        """That of a GGUF file, ``"llama"`` for instance; ``""`` of other files."""
        if self.file is not None:
            return gguf.facts(self.file).architecture
        return catalog.entry(self.name).architecture if self.folder is None else ""

    def work(self, form: Form) -> str:
        """What :meth:`files` has to do first, in words; ``""`` if all is there."""
        if self.file is not None:
            there = gguf.where(self.file, form)
            size = self.file.stat().st_size
            return "" if there else f"converting {self.file.name}, {size / 1e6:,.0f} MB, once"
        if self.folder is not None or catalog.where(self.name, form):
            return ""
        size = catalog.entry(self.name).wheel_size
        return f"fetching {self.name}, {size / 1e6:,.0f} MB, and converting it, once"

    def files(self, form: Form) -> Path:
        """The folder to load, fetched and converted if it has not been before.

        Raises
        ------
        ModelError
            If its files are not those of the identity any more.
        UsageError
            If it cannot be had in this form.
        """
        if self.file is not None:
            self._check(gguf.identity(self.file), self.file)
            return gguf.converted(self.file, form)
        if self.folder is None:
            folder = catalog.fetch(self.name, form=form)
            now = fingerprint.of_catalog(self.name, form)
            if now != self.identity:
                raise ModelError(
                    f"{self.name} was expected with the weights {self.identity.weights}, but the "
                    f"Hub provided {now.weights} in place of the package registry, which gives "
                    "other completions. Load the model again to use it."
                )
            return folder
        if form != self.form:
            raise UsageError(
                f"{self.name} is kept as {self.form.name}, but {form.name} was asked for; a GGUF "
                "file of it ('gguf:FILE') is converted to either."
            )
        self._check(_identity(self.folder, form), self.folder)
        return self.folder

    def _check(self, now: fingerprint.Identity, where: Path) -> None:
        if now != self.identity:
            raise changed(f"the files of {self.name} in {where}")


def changed(what: str) -> ModelError:
    """The error that files are not those of a fingerprint any more."""
    return ModelError(
        f"{what} have changed since this model was made, so its completions would be kept under "
        "the name of other weights. Load the model again."
    )


def find(spec: str, form: Form | None = None) -> ModelSource:
    """The model that a spec names.

    It is a catalog name, ``"hf:<repository or folder>"``, or ``"gguf:<file or folder>"``. Catalog
    models from a package registry are not fetched yet, and GGUF files not converted. Their identity
    is known beforehand, so a session that has all completions is replayed without weights.

    Parameters
    ----------
    form : preferred if a folder has several.

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
        folder = _of_hub(spec)
        return ModelSource(name=spec, folder=folder, identity=fingerprint.of_folder(folder))
    if scheme != "hf":
        entry = catalog.entry(spec)
        if entry.kind != "instruct":
            raise UsageError(f"{spec} is an {entry.kind}, which answers no prompts. {_here()}")
        return ModelSource(name=spec, identity=fingerprint.of_catalog(spec))
    folder = folder_of(name, form or SAFETENSORS)
    found = form or SAFETENSORS
    if not list(folder.glob("*.safetensors")):
        if list(folder.glob("*.gguf")):
            return _of_gguf(folder)
        if (folder / OPENVINO_FILES[0]).is_file():
            found = OPENVINO
    identity = _identity(folder, found)
    return ModelSource(name=display_name(name), folder=folder, identity=identity, form=found)


def _identity(folder: Path, form: Form) -> fingerprint.Identity:
    return (fingerprint.of_openvino if form == OPENVINO else fingerprint.of_folder)(folder)


def _of_gguf(path: Path) -> ModelSource:
    file = gguf.find(path)
    return ModelSource(name=file.stem, file=file, identity=gguf.identity(file))


def fetch(name: str, *, quiet: bool = False) -> list[Path]:
    """The folders of a catalog model, also of one of the Hub; downloaded if it is not here.

    A GGUF file is converted to each form whose engine is installed.

    Raises
    ------
    ModelNotFound
        If the name is unknown or nobody provides the model.
    """
    if name in HUB_MODELS:
        return [_of_hub(name, quiet=quiet)]
    forms = [SAFETENSORS]
    if catalog.entry(name).gguf:
        forms = [form for form in (OPENVINO, SAFETENSORS) if form.installed] or forms
    return [catalog.fetch(name, quiet=quiet, form=form) for form in forms]


def _of_hub(name: str, *, quiet: bool = False) -> Path:
    model = HUB_MODELS[name]
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


def folder_of(name: str, form: Form = SAFETENSORS) -> Path:
    """The folder with a model's files: ``name`` itself, or the local copy of that repository.

    Of a repository the files of ``form`` are downloaded, or of OpenVINO's form if it is the only
    one.

    Raises
    ------
    ModelNotFound
        If it is neither a folder nor a repository that is here or can be downloaded.
    """
    folder = Path(name).expanduser()
    return folder if folder.is_dir() else _snapshot(name, form)


def display_name(name: str) -> str:
    """A repository id as it is; of a folder its last part."""
    return Path(name).resolve().name if Path(name).is_dir() else name


def _snapshot(repository: str, form: Form) -> Path:
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

    def download(form: Form) -> Path:
        patterns = [*TEXT_FILES, WEIGHTS[form.name]]
        folder = snapshot_download(name, revision=revision or None, allow_patterns=patterns)
        return Path(folder)

    try:
        folder = download(form)
        if list(folder.rglob(WEIGHTS[form.name])):
            return folder
        files = HfApi().list_repo_files(name, revision=revision or None)
        if OPENVINO_FILES[0] in files:
            return download(OPENVINO)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelNotFound(
            f"'hf:{repository}' is not on this machine, and the Hub did not provide it: "
            f"{str(error).strip().splitlines()[0]} {_here()}"
        ) from error
    raise UsageError(_without_safetensors(repository, files))


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
        if entry.kind == "instruct" and catalog.is_here(entry.name)
    ]
    from huggingface_hub import CacheNotFound, scan_cache_dir

    try:
        repositories = scan_cache_dir().repos
    except CacheNotFound:
        return specs
    return specs + sorted(
        f"hf:{repo.repo_id}" for repo in repositories if repo.repo_type == "model"
    )
