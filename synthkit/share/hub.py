"""Pushing a folder to the Hub: first what would be sent, then the sending, which can be resumed."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from synthkit.core.errors import EndpointError, UsageError
from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.share.findings import Finding

Kind = Literal["dataset", "model"]
_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
NEW, SAME, OTHER = "new", "there already", "replaces another"


@dataclass(slots=True)
class Push:
    """What a push would send; :meth:`send` sends it. A notebook shows it as a table.

    Parameters
    ----------
    folder : with the files as they are sent.
    repository : ``owner/name``.
    private : whether a repository that is created is private; one that exists stays as it is.
    findings : secrets and personal data in the files.
    there : what the repository has: path -> hash; ``None`` if there is no such repository.
    unasked : why the Hub could not be asked what is there; empty if it was.
    """

    folder: Path
    repository: str
    kind: Kind
    private: bool = True
    findings: Sequence[Finding] = ()
    there: Mapping[str, str] | None = None
    unasked: str = ""
    is_private: bool | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        check_repository(self.repository)
        try:
            self.compare()
        except EndpointError as error:
            self.unasked = str(error)

    @property
    def files(self) -> list[dict[str, Any]]:
        """Each file with its bytes, and whether it is new, the same, or replaces another."""
        return [
            {"file": name, "bytes": path.stat().st_size, "state": self._state(name, path)}
            for name, path in self._paths()
        ]

    def compare(self) -> None:
        """Ask the Hub what the repository has.

        Raises
        ------
        EndpointError
            If the Hub cannot be reached, or refuses.
        """
        hub: Any = need("huggingface_hub", extra="data", why="to push to the Hub")
        with _explained(self.repository):
            api = hub.HfApi()
            try:
                about = api.repo_info(self.repository, repo_type=self.kind)
                entries = api.list_repo_tree(self.repository, recursive=True, repo_type=self.kind)
                self.there = {
                    each.path: each.lfs.sha256 if each.lfs else each.blob_id
                    for each in entries
                    if hasattr(each, "blob_id")
                }
                self.is_private = about.private
            except hub.errors.RepositoryNotFoundError:
                self.there = None
        self.unasked = ""

    def send(self, *, overwrite: bool = False, despite_findings: bool = False) -> str:
        """Send the files, and return the address of the repository.

        What is there already is not sent again, so that a push that was cut is resumed by the same
        call. Files of the repository that are not part of the push stay.

        Parameters
        ----------
        overwrite : replace files that have other content there.
        despite_findings : send in spite of secrets and personal data.

        Raises
        ------
        UsageError
            If there are findings, or files would be replaced, and that is not allowed.
        EndpointError
            If the Hub cannot be reached, refuses the token, or the connection is cut.
        """
        if self.findings and not despite_findings:
            listed = "; ".join(f"{f.times} × {f.kind} in {f.place}" for f in self.findings)
            raise UsageError(
                f"nothing was sent: {listed}. Remove them (synthkit.curate.redact, or %synth "
                "filter --no-pii --no-secrets), or send with despite_findings=True "
                "(--despite-findings)."
            )
        self.compare()
        others = [each["file"] for each in self.files if each["state"] == OTHER]
        if others and not overwrite:
            raise UsageError(
                f"nothing was sent: {self.repository} has {', '.join(others)} with other content. "
                "Choose another name, or replace them with overwrite=True (--over)."
            )
        hub: Any = need("huggingface_hub", extra="data", why="to push to the Hub")
        with _explained(self.repository):
            api = hub.HfApi()
            if self.there is None:
                private = {"private": self.private, "exist_ok": True}
                api.create_repo(self.repository, repo_type=self.kind, **private)
            api.upload_folder(
                repo_id=self.repository,
                folder_path=self.folder,
                repo_type=self.kind,
                commit_message="Push from synthkit",
            )
        self.compare()
        return self.url

    @property
    def url(self) -> str:
        """The address of the repository."""
        from huggingface_hub import constants

        kind = "datasets/" if self.kind == "dataset" else ""
        return f"{constants.ENDPOINT}/{kind}{self.repository}"

    def _repr_html_(self) -> str:
        return self.shown.html

    def __repr__(self) -> str:
        return self.shown.plain

    @property
    def shown(self) -> StaticOutput:
        """The files as a static table, with what was found in them."""
        files = self.files
        notes = [f"found: {each.times} × {each.kind} in {each.place}" for each in self.findings]
        if self.unasked:
            notes.append(f"not compared with the Hub: {self.unasked}")
        return static_table(files, note=[self._where(), _size(files)], notes=notes)

    def _where(self) -> str:
        if self.there is None:
            visibility = "private" if self.private else "public"
            return f"{self.kind} {self.repository}, a new {visibility} repository"
        visibility = "private" if self.is_private else "public"
        return f"{self.kind} {self.repository}, which exists and is {visibility}"

    def _paths(self) -> Iterator[tuple[str, Path]]:
        for path in sorted(self.folder.rglob("*")):
            if path.is_file():
                yield path.relative_to(self.folder).as_posix(), path

    def _state(self, name: str, path: Path) -> str:
        if self.there is None or name not in self.there:
            return NEW
        return SAME if self.there[name] in _hashes(path) else OTHER


def check_repository(name: str) -> None:
    """Raise an error unless a name is one of a repository: ``owner/name``."""
    if not _REPOSITORY.fullmatch(name):
        raise UsageError(
            "expected a repository as owner/name, of letters, digits, '-', '_' and '.'; got "
            f"{name!r}."
        )


def _size(files: Sequence[Mapping[str, Any]]) -> str:
    sent = [each for each in files if each["state"] != SAME]
    return f"{count(len(sent), 'file')} to send, {sum(each['bytes'] for each in sent) / 1e6:.2f} MB"


def _hashes(path: Path) -> tuple[str, str]:
    """The hashes by which the Hub names a file: as a large one (sha256), and as git does."""
    large, git = hashlib.sha256(), hashlib.sha1(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            large.update(chunk)
            git.update(chunk)
    return large.hexdigest(), git.hexdigest()


@contextmanager
def _explained(repository: str) -> Iterator[None]:
    """Errors of the Hub and of the connection to it, in words."""
    from huggingface_hub import constants, errors

    # the bases of this error are those of the HTTP library in use
    bases = errors.HfHubHTTPError.__bases__
    failures: tuple[type[Exception], ...] = (*bases, OSError, RuntimeError, ValueError)
    try:
        yield
    except errors.OfflineModeIsEnabled:
        raise EndpointError("the Hub is not asked since HF_HUB_OFFLINE is set.") from None
    except (UsageError, EndpointError):
        raise
    except failures as error:
        cause = error.__cause__ or error  # an upload wraps the error of its request
        status = getattr(getattr(cause, "response", None), "status_code", None)
        first = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        if status in (401, 403):
            words = (
                f"the Hub refuses {repository} ({status}): log in with `hf auth login`, or set "
                "HF_TOKEN, with a token that may write there."
            )
        elif status:
            words = f"the Hub refused {repository} ({status}): {first}"
        elif isinstance(cause, ValueError):
            words = f"{repository} cannot be pushed: {first}"
        else:
            words = (
                f"the Hub ({constants.ENDPOINT}) cannot be reached, or the connection was cut: "
                f"{first}. Push again: what has arrived is not sent again."
            )
        refused = EndpointError(words)
        refused.status = status
        raise refused from None
