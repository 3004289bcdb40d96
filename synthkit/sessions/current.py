"""The current session: one object for each folder."""

from __future__ import annotations

import os
from pathlib import Path

from synthkit.core.errors import UsageError
from synthkit.sessions.opening import check_store
from synthkit.sessions.session import MEMORY, Session

FOLDER = ".synthkit"
ATTACH = "SYNTHKIT_ATTACH"
"""The environment variable with bundles and folders that each session attaches as it is opened."""
_CURRENT: dict[Path, Session] = {}
_default_folder = FOLDER


def set_default_folder(folder: str = FOLDER) -> None:
    """Let :func:`session` without a folder be the session of this one."""
    global _default_folder
    _default_folder = folder


def session_or_current(given: Session | None) -> Session:
    """The session that was given; without one, that of the notebook.

    Raises
    ------
    UsageError
        If it is no session.
    """
    if given is not None and not isinstance(given, Session):
        raise UsageError(f"expected a session, such as Session('folder'); got {given!r:.200}.")
    return given or session()


def session(folder: Path | str | None = None, *, store: str = "") -> Session:
    """The session of a folder; without one, that of the notebook; one object per folder.

    The notebook's folder is that of ``%synth session FOLDER``, and ``./.synthkit`` before. The
    folder ``":memory:"`` is one temporary session until it is closed. What ``SYNTHKIT_ATTACH``
    names is attached; between several paths stands what stands between those of ``PATH``.

    Parameters
    ----------
    store : the URL of the store of a new folder: see :class:`~synthkit.sessions.session.Session`.

    Raises
    ------
    UsageError
        If the folder has another store.
    StoreError
        If the folder cannot be created or read, or what is to be attached is no session.
    """
    path = Path(_default_folder if folder is None else folder).expanduser()
    path = path if str(path) == MEMORY else path.absolute()
    current = _CURRENT.get(path)
    if current is not None and not current.closed and not current.store.is_present():
        current.close()  # the folder was deleted or replaced
    if current is None or current.closed:
        _CURRENT[path] = current = Session(path, store=store)
        for source in filter(None, os.environ.get(ATTACH, "").split(os.pathsep)):
            current.attach(source)
    elif store:
        check_store(current.folder, store)
    return current
