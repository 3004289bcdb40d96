"""GGUF files: converted once to what an engine loads, which is kept in the cache folder."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from synthkit.core.environment import notice
from synthkit.core.errors import ModelError, ModelNotFound, UsageError
from synthkit.core.extras import need
from synthkit.core.files import existing
from synthkit.models.hub import catalog, download, fingerprint
from synthkit.models.hub.download import SAFETENSORS, Form
from synthkit.models.hub.fingerprint import Identity

REVISION = 1
"""Increased with a change of the conversion that changes completions."""
PART = re.compile(r"-\d{5}-of-(\d{5})\.gguf$")


def find(path: Path) -> Path:
    """The GGUF file that a path names: itself, or the only one in a folder.

    Raises
    ------
    ModelNotFound
        If there is none.
    UsageError
        If there are several, or the file is no GGUF or a part of one.
    """
    files = []
    if existing(path):
        files = [path] if path.is_file() else sorted(path.glob("*.gguf"))
    files = [file for file in files if file == path or not file.name.startswith("mmproj")]
    if not files:
        raise ModelNotFound(
            f"'{path}' was expected to be a GGUF file or a folder with one. A file of the Hub is "
            "loaded with 'hf:owner/name/file.gguf'."
        )
    check_whole(files[0].name)
    if len(files) > 1:
        names = ", ".join(file.name for file in files[:8])
        raise UsageError(f"{path} has several GGUF files: {names}. Name one: 'gguf:{files[0]}'.")
    with files[0].open("rb") as file:
        magic = file.read(4)
    if magic != b"GGUF":
        raise UsageError(
            f"{files[0]} was expected to be a GGUF file, which begins with the bytes GGUF; got "
            f"{magic!r}. The download may be cut, or a pointer of Git LFS."
        )
    return files[0]


def check_whole(name: str) -> None:
    """Refuse one of several parts of a GGUF file.

    Raises
    ------
    UsageError
        If it is one by its name.
    """
    if part := PART.search(name):
        raise UsageError(
            f"{name} is a part of {int(part[1])}; download all and join them with llama.cpp: "
            f"llama-gguf-split --merge {name} {PART.sub('.gguf', name)}"
        )


@dataclass(frozen=True, slots=True)
class Facts:
    """What a GGUF file says of its model; ``template`` is that of the chat, or ``""``."""

    architecture: str
    template: str
    parameters: int


def facts(file: Path) -> Facts:
    """The facts of a GGUF file; reading them takes seconds, so they are kept in the cache folder.

    Raises
    ------
    ModelError
        If it is cut or damaged.
    MissingExtra
        If the package ``gguf`` is not installed.
    """

    def read() -> list[Any]:
        package = need("gguf", extra="openvino", why="to read a GGUF file")
        try:
            reader = package.GGUFReader(file)
        except (IndexError, ValueError) as error:
            raise ModelError(
                f"{file} cannot be read as a GGUF file: {error}. The download may be cut."
            ) from error
        texts = [
            str(field.contents()) if (field := reader.get_field(key)) is not None else ""
            for key in ("general.architecture", "tokenizer.chat_template")
        ]
        return [*texts, sum(int(tensor.n_elements) for tensor in reader.tensors)]

    return Facts(*catalog.remembered("gguf.json", fingerprint.file_hash(file), read))


def identity(file: Path) -> Identity:
    """The identity of a GGUF file, whatever it is converted to."""
    about = facts(file)
    template = sha256(about.template.encode()).hexdigest()[:16] if about.template else "none"
    mark = "" if REVISION == 1 else f".{REVISION}"
    weights = fingerprint.file_hash(file)[:32] + mark
    return Identity(weights=weights, template=template, size=2 * about.parameters)


def where(file: Path, form: Form) -> Path | None:
    """The complete folder with a GGUF file's weights in a form; ``None`` if it is not here."""
    folder = _folder(file, form)
    return folder if (folder / catalog.MANIFEST).is_file() and catalog.intact(folder) else None


def _folder(file: Path, form: Form) -> Path:
    hashed = fingerprint.file_hash(file)
    return catalog.cache() / f"gguf-{file.stem}-{hashed[:16]}.{REVISION}{form.suffix}"


def converted(file: Path, form: Form = SAFETENSORS) -> Path:
    """The folder with a GGUF file's weights in another form; made at the first use.

    Raises
    ------
    ModelError
        If it cannot be converted, or the disk is too small.
    """
    from filelock import FileLock

    folder = _folder(file, form)
    with catalog.disk_errors(file.name, folder.parent):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f".{folder.name}.lock"):
            if where(file, form):
                return folder
            notice(
                f"Converting {file.name} ({file.stat().st_size / 1e6:.0f} MB) to "
                f"{form.name}, once; the result is kept in {folder}."
            )
            part = folder.parent / f".{folder.name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            try:
                download.convert(file.absolute(), part, form)
                hashed = fingerprint.file_hash(file)
                catalog.seal(part, {"name": file.stem, "source": file.name, "gguf": hashed})
                shutil.rmtree(folder, ignore_errors=True)
                os.replace(part, folder)
            finally:
                shutil.rmtree(part, ignore_errors=True)
    return folder
