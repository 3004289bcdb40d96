"""What the students send back: each bundle is imported, and says what came."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from glob import glob, has_magic
from pathlib import Path

from synthkit.core.errors import StoreError, UsageError
from synthkit.core.files import existing
from synthkit.sessions.bundle_import import Imported
from synthkit.sessions.people import ME
from synthkit.sessions.session import Session


@dataclass(frozen=True, slots=True)
class Collected:
    """What one bundle brought.

    Parameters
    ----------
    who : the name of the person who exported it, or ``"this session"``.
    imported : ``None`` if nothing was.
    problem : why nothing was imported.
    """

    path: Path
    who: str = ""
    imported: Imported | None = None
    problem: str = ""

    @property
    def new(self) -> dict[str, int]:
        """The numbers of new marks and completions."""
        come = self.imported
        return {"marks": come.marks, "completions": come.completions} if come else {}

    @property
    def known(self) -> dict[str, int]:
        """The numbers of marks and completions that were here already."""
        held = self.imported.held if self.imported else {}
        return {kind: n - self.new[kind] for kind, n in held.items()}


def collect(session: Session, paths: Iterable[Path]) -> list[Collected]:
    """Import bundles; one that is damaged changes nothing, and the others are imported.

    What is here already is not added again, and no mark replaces another person's.
    """
    return [_collected(session, path) for path in paths]


def bundles(sources: Iterable[str | Path]) -> list[Path]:
    """The bundles that files, folders and patterns such as ``*.zip`` name, each once.

    Raises
    ------
    UsageError
        If a folder or a pattern has none.
    """
    return named_files(sources, "*.zip", "bundles", "files of %synth export")


def named_files(sources: Iterable[str | Path], kind: str, noun: str, what: str) -> list[Path]:
    """The files that files, folders and patterns name, each once; of a folder those of one kind.

    Hidden files and folders are left out.

    Raises
    ------
    UsageError
        If a folder or a pattern has none.
    """
    found: dict[Path, None] = {}
    for source in map(str, sources):
        path, there = Path(source).expanduser(), existing(source)
        if there and there.is_dir():
            paths = sorted(path.glob(kind))
        elif has_magic(source) and not there:
            paths = [Path(name) for name in sorted(glob(str(path), recursive=True))]
        else:
            paths = [path]
        if not paths:
            raise UsageError(f"no {noun} in {source}; expected {kind}, {what}.")
        found |= dict.fromkeys(paths)
    return list(found)


def _collected(session: Session, path: Path) -> Collected:
    try:
        imported = session.import_bundle(path)
    except StoreError as error:
        return Collected(path, problem=str(error))
    marks = session.store.marks
    who = marks.people.names().get(imported.session, ME)
    if imported.session == marks.identify():
        who = "this session"
    return Collected(path, who, imported)
