"""Where the store of a session folder is: in the folder, or at a URL that the folder has."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from synthkit.core.errors import StoreError, UsageError, cause
from synthkit.core.secrets import is_opaque, looks_secret

SQLITE, URL = "store.sqlite", "store.url"
"""The files of a session folder that are its store, or have the URL of it."""
SCHEMES = ("postgresql", "postgres")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_HOSTS = re.compile(r"((\[[^]]*\]|[^]:@[,]*)(:\d*)?(,|$))*")
"""The hosts of a URL, with their ports; not what a password with a ``/`` or ``#`` leaves."""
_SECRET = re.compile("password|secret|scram_")
"""In the name of an option of libpq that is secret."""
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
    except ValueError:  # its words may repeat a password
        raise UsageError(f"the URL of the store is not valid; {_expected()}") from None
    if parts.scheme not in SCHEMES:
        scheme = parts.scheme or "none"
        raise UsageError(
            f"a store's URL begins with postgresql://; its scheme is {scheme!r}; {_expected()}"
        )
    pairs = [part.partition("=")[::2] for part in parts.query.split("&") if part]
    options = {unquote(key): unquote(value) for key, value in pairs}
    password_env = options.pop("password_env", "")
    if (
        parts.password
        or any(map(_SECRET.search, options))
        or looks_secret(password_env)
        or is_opaque(password_env)
    ):
        raise UsageError(
            "the URL of a store must not have a password, since it is written to the folder. Put "
            "it in ~/.pgpass or PGPASSWORD, or name its environment variable: "
            "postgresql://maya@db/team?password_env=TEAM_PASSWORD#reviews"
        )
    hosts = parts.netloc.rpartition("@")[2]
    is_whole = _HOSTS.fullmatch(hosts) and all(map(str.isidentifier, options))
    if not is_whole or "@" in parts.path + parts.fragment:
        raise UsageError(
            "the URL of the store is not valid: a port is no number, an option has no name, or an "
            f"@ is not written as %40; {_expected()}"
        )
    name = parts.fragment or re.sub(r"[^A-Za-z0-9_-]+", "_", folder.name).strip("_-")[:40]
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of a session on a server: expected a letter, then at "
            f"most 39 letters, digits, _ or -, after the # of the URL; {_expected()}"
        )
    query = "&".join(f"{quote(key, '')}={quote(value, '')}" for key, value in options.items())
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
        raise StoreError(f"{path} cannot be read: {cause(error)}.") from None
    except UsageError as error:
        raise StoreError(f"{path} has no URL of a store: {error}") from None
