"""Fingerprints of weights: hashes of what changes a completion, computed without torch.

Hashing a gigabyte takes seconds, so a file's hash is stored in the cache folder with its path, size
and modification time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from synthkit.core.environment import notice
from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.core.files import read_json
from synthkit.core.hashing import digest
from synthkit.models.hub import catalog
from synthkit.models.hub.download import SAFETENSORS, Form


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Marks of the weights and the chat template; ``size`` is the bytes of bfloat16 weights."""

    weights: str
    template: str
    size: int


def of_catalog(name: str, form: Form = SAFETENSORS) -> Identity:
    """The identity of a catalog model, known before it is fetched."""
    # the first conversion has no mark
    weights = catalog.weights(name, form).removesuffix(".1")
    return Identity(weights=weights, template="own", size=2 * catalog.entry(name).parameters)


def of_folder(folder: Path) -> Identity:
    """The identity of a folder that transformers can load.

    Raises
    ------
    ModelNotFound
        If it has no weights or no config.
    """
    config = read_json(folder / "config.json")
    if config is None:
        raise ModelNotFound(
            f"{folder} was expected to contain a model, but has no config.json that can be read; "
            f"it contains {_listing(folder)}."
        )
    files = weight_files(folder)
    # the version that wrote a config changes no completion
    settings = {key: value for key, value in config.items() if key not in INCIDENTAL}
    texts = [folder / name for name in _TOKENIZER if (folder / name).is_file()]
    hashes = file_hashes([*files, *texts])
    stored = config.get("dtype") or config.get("torch_dtype") or "float32"
    size = sum(path.stat().st_size for path in files)
    return Identity(
        weights=digest({"config": settings, "files": hashes})[:32],
        template=template_hash(folder),
        size=size // 2 if stored == "float32" else size,
    )


def of_openvino(folder: Path) -> Identity:
    """The identity of a folder with a model in OpenVINO's form.

    Raises
    ------
    ModelNotFound
        If it has none.
    """
    names = ["config.json", "generation_config.json", *OPENVINO_FILES, *_TOKENIZER]
    files = [folder / name for name in names if (folder / name).is_file()]
    missing = [name for name in ("config.json", *OPENVINO_FILES) if folder / name not in files]
    if missing:
        raise ModelNotFound(
            f"{folder} was expected to have a model in OpenVINO's form, but has no {missing[0]}; "
            f"it contains {_listing(folder)}. optimum-cli export openvino writes this form; with "
            'engine="transformers", a folder with *.safetensors is loaded as it is.'
        )
    return Identity(
        weights=digest(file_hashes(files))[:32],
        template=template_hash(folder),
        size=(folder / "openvino_model.bin").stat().st_size,
    )


OPENVINO_FILES = ("openvino_model.xml", "openvino_model.bin")
INCIDENTAL = {"transformers_version", "_name_or_path"}
"""Settings that change no completion."""
_TOKENIZER = (
    "tokenizer.json tokenizer.model tokenizer_config.json special_tokens_map.json vocab.json "
    "vocab.txt merges.txt"
).split()


PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.pickle")


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder.

    Raises
    ------
    UsageError
        If the weights are pickled: they can run code when they are loaded.
    ModelNotFound
        If there are none.
    """
    index = folder / "model.safetensors.index.json"
    shards = (read_json(index) or {}).get("weight_map", {}).values() if index.is_file() else ()
    pickled = sorted({str(name) for name in shards if not str(name).endswith(".safetensors")})
    for pattern in ("model*.safetensors", "*.safetensors"):
        files = sorted(folder.glob(pattern))
        if files and not pickled:
            return files
    pickled += sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    if pickled:
        raise UsageError(
            f"{folder} was expected to contain weights as *.safetensors, but has {pickled[0]}, "
            "which is pickled and can run code when it is loaded. If you trust where it is from, "
            "convert it once, in a process of its own: transformers.AutoModelForCausalLM"
            ".from_pretrained(FOLDER).save_pretrained(NEW_FOLDER), and the same with "
            "AutoTokenizer; then load NEW_FOLDER."
        )
    raise ModelNotFound(
        f"{folder} was expected to contain *.safetensors, but has {_listing(folder)}."
    )


def template_hash(folder: Path) -> str:
    """16 hex digits of the chat template, or ``"none"`` if the folder has none."""
    template_file = folder / "chat_template.jinja"
    if template_file.is_file():
        return sha256(template_file.read_bytes()).hexdigest()[:16]
    template = (read_json(folder / "tokenizer_config.json") or {}).get("chat_template")
    return digest(template)[:16] if template else "none"


TRAINING = "training.json"
"""The record of the training of an adapter, in its folder."""


def adapter_hash(folder: Path) -> str:
    """16 hex digits of a PEFT adapter's settings and weights.

    A folder that a bundle brought has only the record of the training, which has them.

    Raises
    ------
    UsageError
        If the folder has no adapter, or a pickled one.
    """
    files = sorted(folder.glob("adapter_model.*"))
    if not files and (left := (read_json(folder / TRAINING) or {}).get("adapter")):
        return str(left)
    if files and not (folder / "adapter_model.safetensors").is_file():
        raise UsageError(
            f"adapter={str(folder)!r} was expected to have adapter_model.safetensors, but has "
            f"{files[0].name}, which is pickled and can run code when it is loaded. If you trust "
            "where it is from, convert it once, in a process of its own: peft.PeftModel"
            ".from_pretrained(MODEL, FOLDER).save_pretrained(NEW_FOLDER)."
        )
    if not files or not (folder / "adapter_config.json").is_file():
        raise UsageError(
            f"adapter={str(folder)!r} was expected to be a folder with adapter_config.json and "
            f"adapter_model.safetensors, as PEFT saves it; it has {_listing(folder)}."
        )
    return digest(file_hashes([folder / "adapter_config.json", *files]))[:16]


def check_adapter(folder: Path, expected: str) -> None:
    """Check that the weights of an adapter are there, and are those of a fingerprint.

    Raises
    ------
    ModelError
        If they are not.
    """
    if adapter_hash(folder) != expected:
        raise changed(f"the files of the adapter in {folder}")
    if not (folder / "adapter_model.safetensors").is_file():
        raise ModelError(
            "this was not asked where the model was trained, and a bundle brings no weights. To "
            f"train it here, delete {folder} and run the cell that trains it."
        )


def changed(what: str) -> ModelError:
    """The error that files are not those of a fingerprint any more."""
    return ModelError(
        f"{what} have changed since this model was made, so its completions would be kept under "
        "the name of other weights. Load the model again."
    )


def file_hash(path: Path) -> str:
    """The sha256 of a file, stored until its path, size or modification time changes."""
    return file_hashes([path])[path.name]


def file_hashes(paths: Sequence[Path]) -> dict[str, str]:
    """Name -> sha256 of files; a line says so before gigabytes are read."""
    keys = {path: _key(path) for path in paths}
    known = read_json(catalog.cache() / HASHES) or {}
    unread = sum(path.stat().st_size for path, key in keys.items() if key not in known)
    if unread >= LONG_READ:
        where = paths[0] if len(paths) == 1 else paths[0].parent
        notice(f"Reading {unread / 1e6:,.0f} MB of {where}, once: its fingerprint.")
    return {path.name: _file_hash(path, key) for path, key in keys.items()}


HASHES = "hashes.json"
LONG_READ = 1_000_000_000
"""Bytes whose hashing takes seconds."""


def _key(path: Path) -> str:
    facts = path.stat()
    return f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}"


def _file_hash(path: Path, key: str) -> str:
    if path.stat().st_size < 1 << 20:
        return catalog.file_sha256(path)
    return str(catalog.remembered(HASHES, key, lambda: catalog.file_sha256(path)))


def _listing(folder: Path) -> str:
    names: Sequence[str] = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else ()
    shown = ", ".join(names[:8]) + (", ..." if len(names) > 8 else "")
    return shown or "nothing"
