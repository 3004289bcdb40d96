"""The current session: one object for each folder."""

from __future__ import annotations

from pathlib import Path

from synthkit.sessions.session import MEMORY, Session

FOLDER = ".synthkit"
_CURRENT: dict[Path, Session] = {}


def session(folder: Path | str | None = None) -> Session:
    """The session of ``./.synthkit``, or of another folder; one object per folder.

    ``":memory:"`` is one temporary session until it is closed.

    Raises
    ------
    StoreError
        If the folder cannot be created or read.
    """
    path = Path(FOLDER if folder is None else folder).expanduser()
    path = path if str(path) == MEMORY else path.absolute()
    current = _CURRENT.get(path)
    if current is not None and not current.closed and not current.store.is_present():
        current.close()  # the folder was deleted or replaced
    if current is None or current.closed:
        _CURRENT[path] = current = Session(path)
    return current
