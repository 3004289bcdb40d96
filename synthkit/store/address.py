"""Where the store of a session folder is: in the folder, or at a URL that the folder has."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from synthkit.core.errors import StoreError, UsageError

SQLITE, URL = "store.sqlite", "store.url"
"""The files of a session folder that are its store, or have the URL of it."""
SCHEMES = ("postgresql", "postgres")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_EXAMPLE = "postgresql://maya@db.example.org/team#reviews"


@dataclass(frozen=True, slots=True)
class Address:
    """A session of a PostgreSQL server.

    Parameters
    ----------
    server : the URL of the database, as libpq takes it, without a password.
    name : of the session, one of many in the database.
    password_env : the environment variable that has the password; if it is empty, libpq looks for
        it in ``PGPASSWORD`` and ``~/.pgpass``.
    """

    server: str
    name: str
    password_env: str = ""

    def __str__(self) -> str:
        secret = f"password_env={self.password_env}" if self.password_env else ""
        join = "&" if "?" in self.server else "?"
        return f"{self.server}{join if secret else ''}{secret}#{self.name}"

    @property
    def schema(self) -> str:
        """The schema of the database that has the tables."""
        return f"synthkit_{self.name}"

    @property
    def password(self) -> str | None:
        """The password, if an environment variable was named; otherwise ``None``."""
        if not self.password_env:
            return None
        if self.password_env not in os.environ:
            raise StoreError(
                f"the environment variable {self.password_env}, which has the password of "
                f"{self}, is not set."
            )
        return os.environ[self.password_env]


def address(url: str, folder: Path) -> Address:
    """The address that a URL gives; a session without a name is named as its folder.

    Raises
    ------
    UsageError
        If it is no URL of a PostgreSQL database, or has a password.

    Examples
    --------
    >>> print(address("postgresql://db/team?password_env=DB_KEY", Path("reviews")))
    postgresql://db/team?password_env=DB_KEY#reviews
    """
    try:
        parts = urlsplit(url.strip())
        secret = parts.password
    except ValueError as error:
        raise UsageError(f"the URL of the store is not valid: {error}; {_expected()}") from None
    options = parse_qsl(parts.query, keep_blank_values=True)
    if parts.scheme not in SCHEMES:
        raise UsageError(f"a store's URL begins with postgresql://; got {url!r}; {_expected()}")
    if secret or any(key == "password" for key, _ in options):
        raise UsageError(
            "the URL of a store must not have a password, since it is written to the folder. Put "
            "it in ~/.pgpass or PGPASSWORD, or name its environment variable: "
            "postgresql://maya@db/team?password_env=TEAM_PASSWORD#reviews"
        )
    name = parts.fragment or re.sub(r"[^A-Za-z0-9_-]+", "_", folder.name).strip("_-")[:40]
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a session on a server: expected a letter, then at "
            f"most 39 letters, digits, _ or -, after the # of the URL; {_expected()}"
        )
    password_env = next((value for key, value in options if key == "password_env"), "")
    query = urlencode([(key, value) for key, value in options if key != "password_env"])
    server = urlunsplit(("postgresql", parts.netloc, parts.path, query, ""))
    return Address(server, name, password_env)


def _expected() -> str:
    return f"expected one such as {_EXAMPLE}"


def store_file(folder: Path) -> Path:
    """The file of a session folder that is its store, or has its URL; it may not exist."""
    url = folder / URL
    return url if os.path.exists(url) else folder / SQLITE  # no error where it may not be read


def read_address(path: Path) -> Address:
    """The address that the file of a session folder has."""
    try:
        return address(path.read_text(encoding="utf-8"), path.parent)
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{path} cannot be read: {error}.") from None
    except UsageError as error:
        raise StoreError(f"{path} has no URL of a store: {error}") from None
