"""The session: a folder that holds all that was generated, and from which everything resumes.

``store.sqlite`` has every completion and run; ``tables/`` has the named tables as Parquet. Copy,
zip or move the folder, and it goes on from there.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
from pathlib import Path
from typing import Any

from synthkit import table as tables
from synthkit.errors import StoreError, TableError, UsageError, unknown
from synthkit.extras import need
from synthkit.store import Store, Stored
from synthkit.types import Model, Request

FOLDER = ".synthkit"


class Session:
    """A folder of completions, runs and named tables.

    Several kernels may use one folder at once. Nothing else keeps state in synthkit.

    Parameters
    ----------
    folder : made if it does not exist.

    Raises
    ------
    StoreError
        If the folder cannot be made, or holds something that is no store.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Session(folder) as session:
    ...     session.save("facts", [{"id": "a1", "text": "Bread rises."}])
    ...     session.names(), session.load("facts")["text"].tolist()
    (['facts'], ['Bread rises.'])
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser().absolute()
        try:
            (self.folder / "tables").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the session folder {folder} cannot be made: {error}.") from None
        self.store = Store(self.folder / "store.sqlite")
        self.closed = False
        _OPEN.append(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Session({self.folder.name!r})"

    def save(self, name: str, table: Any) -> None:
        """Keep a table under a name, in place of the one that had it; whole or not at all."""
        parquet = need("pyarrow.parquet", extra="data", why="to keep a table")
        path = self._path(name)
        arrow = tables.storable(table)
        partial = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.partial")
        try:
            parquet.write_table(arrow, partial)
            os.replace(partial, path)
        except OSError as error:
            raise StoreError(f"the table {name!r} cannot be kept: {error}.") from None
        finally:
            partial.unlink(missing_ok=True)

    def load(self, name: str) -> Any:
        """The table kept under a name, as a pandas DataFrame.

        Raises
        ------
        TableError
            If there is none; names those there are.
        StoreError
            If its file is damaged.
        """
        path = self._path(name)
        if not path.exists():
            raise TableError(unknown("table", name, self.names()))
        pandas = need("pandas", extra="data", why="to read a table")
        try:
            return pandas.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's errors are among these
            raise StoreError(f"the table {name!r} cannot be read: {error}.") from None

    def names(self) -> list[str]:
        """The names of the tables kept here."""
        return sorted(path.stem for path in (self.folder / "tables").glob("*.parquet"))

    def runs(self) -> Any:
        """A DataFrame with one row for each run: name, model, prompt, rows and the ledger."""
        pandas = need("pandas", extra="data", why="to show runs")
        return pandas.DataFrame(self.store.runs())

    def trace(self, row: str) -> list[Stored]:
        """The requests and completions behind a row, by its id: prompt, model, sampling, answer.

        Raises
        ------
        TableError
            If nothing here has that id.
        """
        found = self.store.find(row) if re.fullmatch(r"[0-9a-f]{4,32}", row) else []
        if not found:
            raise TableError(
                f"no row {row!r} in {self}; expected the 'id' of a row generated in this session."
            )
        return found

    def explain(self, request: Request, model: Model) -> str:
        """Why a request is not held here, in words; empty if it is."""
        return self.store.explain(request.payload(model.fingerprint))

    def close(self) -> None:
        """Close the files. The folder holds no log beside the store then, and can be copied."""
        if not self.closed:
            self.closed = True
            _OPEN.remove(self)
            self.store.close()

    def _path(self, name: str) -> Path:
        return self.folder / "tables" / f"{check_name(name)}.parquet"


def check_name(name: str) -> str:
    """``name``, if a table can have it.

    Raises
    ------
    UsageError
        If it has other signs than letters, digits, ``_``, ``-`` and ``.``, or over 100 of them.
    """
    if not re.fullmatch(r"\w[\w.-]{,99}", name):
        raise UsageError(
            "a table's name has letters, digits, '_', '-' and '.', at most 100 of them; "
            f"got {name[:200]!r}."
        )
    return name


_OPEN: list[Session] = []
_CURRENT: dict[Path, Session] = {}


def session(folder: Path | str | None = None) -> Session:
    """The session of ``./.synthkit``, or of another folder; the same object each time.

    Raises
    ------
    StoreError
        If the folder cannot be made or read.
    """
    path = Path(FOLDER if folder is None else folder).expanduser().absolute()
    found = _CURRENT.get(path)
    if found is None or found.closed or not found.store.path.exists():
        _CURRENT[path] = found = Session(path)
    return found


@atexit.register
def _close_all() -> None:
    while _OPEN:
        _OPEN[-1].close()
