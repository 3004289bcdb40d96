"""Find the files of a model: a catalog name, a folder, or a repository of the Hub."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.core.files import existing
from synthkit.models.hub import catalog, fingerprint, gguf, repository
from synthkit.models.hub.download import OPENVINO, SAFETENSORS, Form
from synthkit.models.hub.fingerprint import OPENVINO_FILES
from synthkit.models.hub.hub_models import HUB_MODELS, HubModel


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
            raise fingerprint.changed(f"the files of {self.name} in {where}")


def find(spec: str, form: Form | None = None, check: repository.Check | None = None) -> ModelSource:
    """The model that a spec names.

    It is a catalog name, ``"hf:<repository or folder>"``, or ``"gguf:<file or folder>"``. A
    repository is ``owner/name``, ``owner/name@commit`` or ``owner/name/file.gguf``. Catalog
    models from a package registry are not fetched yet, and GGUF files not converted. Their identity
    is known beforehand, so a session that has all completions is replayed without weights.

    Parameters
    ----------
    form : preferred if a folder has several.
    check : called before a download; it raises if the weights would not fit into memory.

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
        folder = folder_of(HUB_MODELS[spec].repository, check=check)
        return ModelSource(name=spec, folder=folder, identity=fingerprint.of_folder(folder))
    if scheme != "hf":
        entry = catalog.entry(spec)
        if entry.kind != "instruct":
            raise UsageError(f"{spec} is an {entry.kind}, which answers no prompts. {_here()}")
        return ModelSource(name=spec, identity=fingerprint.of_catalog(spec))
    folder = folder_of(name, form or SAFETENSORS, check=check)
    found = form or SAFETENSORS
    file = repository.file_of(name)
    if file or not list(folder.glob("*.safetensors")):
        if file or list(folder.glob("*.gguf")):
            return _of_gguf(folder / file)
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
        return [folder_of(HUB_MODELS[name].repository, quiet=quiet)]
    forms = [SAFETENSORS]
    if catalog.entry(name).gguf:
        forms = [form for form in (OPENVINO, SAFETENSORS) if form.installed] or forms
    return [catalog.fetch(name, quiet=quiet, form=form) for form in forms]


def is_here(model: HubModel) -> bool:
    """Whether the Hub's cache has all files of the model."""
    if find_spec("huggingface_hub") is None:
        return False
    return repository.cached(model.repository, SAFETENSORS) is not None


def folder_of(
    name: str,
    form: Form = SAFETENSORS,
    *,
    check: repository.Check | None = None,
    quiet: bool = False,
) -> Path:
    """The folder with a model's files: ``name`` itself, or the local copy of that repository.

    Of a repository the files of ``form`` are downloaded, or of the form that it has.

    Parameters
    ----------
    check : called before a download; it raises if the weights would not fit into memory.
    quiet : print neither a line nor a progress bar.

    Raises
    ------
    ModelNotFound
        If it is neither a folder nor a repository that is here or can be downloaded.
    """
    folder = existing(name)
    if folder is not None and folder.is_dir():
        return folder
    try:
        return repository.snapshot(name, form, check=check, quiet=quiet)
    except ModelNotFound as error:
        raise ModelNotFound(f"{error} {_here()}") from error


def display_name(name: str) -> str:
    """A repository id as it is; of a folder its last part."""
    return Path(name).resolve().name if Path(name).is_dir() else name


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
    if find_spec("huggingface_hub") is None:
        return specs
    return specs + [f"hf:{name}" for name in repository.local_repositories()]
