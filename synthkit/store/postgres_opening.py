"""Connecting to the PostgreSQL server of a store, and saying what is wrong with it.

Each session of a database has a schema of its own, which is created when it is first opened.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import Any

from synthkit.core.errors import StoreError, StoreUnreachable
from synthkit.core.extras import need
from synthkit.store.address import Address
from synthkit.store.dialect import declarations, unescaped, with_types
from synthkit.store.schema import ADDED, SCHEMA_VERSION

psycopg: Any = need("psycopg", extra="postgres", why="for a store on a PostgreSQL server")

OLDEST_SERVER = 13
"""The first version of PostgreSQL that can say later whether a transaction was committed."""
_SETTINGS = {
    "application_name": "synthkit",
    "connect_timeout": "10",
    # a connection that a network dropped is noticed within a minute
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
_SERVER_SETTINGS = {
    # a machine that is gone does not keep the others from writing
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
    "idle_in_transaction_session_timeout": "10min",
}
_REFUSALS = {
    "password": "Put the password in ~/.pgpass or PGPASSWORD, or name its environment variable: "
    "?password_env=NAME in the URL.",
    "authentication": "Ask whoever runs the server how this machine may log in.",
    "pg_hba.conf": "Ask whoever runs the server to let this machine in.",
    "permission": "Ask whoever runs the server for access to the database.",
    "role": "Is the user of the URL right?",
    "does not exist": "Create the database on the server: createdb NAME.",
}
"""Words of a server that will not change its mind -> what to do."""


class _TextLoader(psycopg.adapt.Loader):  # type: ignore[misc]
    """Texts as they were before they were escaped."""

    def load(self, data: Any) -> str | bytes:
        return unescaped(bytes(data).decode())


def lock_number(address: Address) -> int:
    """The advisory lock that whoever writes to a session holds."""
    digest = hashlib.blake2b(address.schema.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def connect(address: Address) -> Any:
    """A connection whose statements are committed at once.

    Raises
    ------
    StoreUnreachable
        If the server does not answer.
    StoreError
        If it refuses, or is too old.
    """
    try:
        given = psycopg.conninfo.conninfo_to_dict(address.server)
        own = {"password": address.password or given.get("password"), "client_encoding": "UTF8"}
        connection = psycopg.connect(autocommit=True, **_SETTINGS | given | own)
    except psycopg.Error as error:
        raise _refused(address, error) from None
    try:
        _set_up(connection, address)
    except BaseException as error:
        connection.close()
        if isinstance(error, psycopg.Error):
            raise _refused(address, error) from None
        raise
    return connection


def _set_up(connection: Any, address: Address) -> None:
    """Check what a server is, and set how its statements are committed."""
    if connection.info.server_version // 10000 < OLDEST_SERVER:
        raise StoreError(f"{address} needs PostgreSQL {OLDEST_SERVER} or newer.")
    encoding = connection.info.parameter_status("server_encoding")
    if encoding not in ("UTF8", "SQL_ASCII"):
        raise StoreError(
            f"the database of {address} has the encoding {encoding}, which cannot hold every text. "
            "Create another one on the server: createdb -E UTF8 -T template0 NAME."
        )
    connection.adapters.register_loader("text", _TextLoader)
    connection.execute(f'SET search_path TO "{address.schema}"')
    changes = ", ".join(f"set_config('{k}', '{v}', false)" for k, v in _SERVER_SETTINGS.items())
    connection.execute(f"SELECT {changes}")
    # what is committed is on disk, also where the server's setting is to be quicker
    connection.execute(
        "SELECT set_config('synchronous_commit', 'on', false) "
        "WHERE current_setting('synchronous_commit') = 'off'"
    )


def _refused(address: Address, error: Any) -> StoreError:
    words = " ".join(str(error).split())
    message = f"the store {address} cannot be reached: {words}."
    for word, hint in _REFUSALS.items():
        if "FATAL" in words and word in words:
            return StoreError(f"{message} {hint}")
    return StoreUnreachable(f"{message} Is the server running, and may this machine reach it?")


def prepare(connection: Any, address: Address, *, read_only: bool) -> bool:
    """Create or upgrade the tables of a session; returns whether it may only be read.

    Raises
    ------
    StoreError
        If there is no such session and none can be created, or it has a newer format.
    """
    version = _version(connection)
    if version > SCHEMA_VERSION:
        raise StoreError(
            f"{address} was written by a newer synthkit (format {version}; this one reads "
            f"formats up to {SCHEMA_VERSION}). Upgrade: pip install -U jupyter-synthkit"
        )
    if version < SCHEMA_VERSION:
        if read_only:
            what = "is not there" if not version else "has an older format; open it to write first"
            raise StoreError(f"the session {address} {what}.")
        _migrate(connection, address)
    (may_write,) = connection.execute(
        "SELECT has_table_privilege('completions', 'INSERT') AND NOT pg_is_in_recovery() "
        "AND current_setting('default_transaction_read_only') = 'off'"
    ).fetchone()
    return read_only or not may_write


def _version(connection: Any) -> int:
    """The format of a session; 0 if there is none."""
    if connection.execute("SELECT to_regclass('format')").fetchone()[0] is None:
        return 0
    return int(connection.execute("SELECT max(version) FROM format").fetchone()[0])


def _migrate(connection: Any, address: Address) -> None:
    """Bring a new session, or one of an older format, to :data:`~.schema.SCHEMA_VERSION`."""
    try:
        with connection.transaction():
            connection.execute("SELECT pg_advisory_xact_lock(%s)", [lock_number(address)])
            connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{address.schema}"')
            if _version(connection):
                for table, columns in ADDED.items():
                    for column, declared in columns.items():
                        connection.execute(
                            f"ALTER TABLE IF EXISTS {table} "
                            f"ADD COLUMN IF NOT EXISTS {column} {with_types(declared)}"
                        )
            for statement in declarations():
                connection.execute(statement)
            connection.execute("CREATE TABLE IF NOT EXISTS format (version BIGINT NOT NULL)")
            connection.execute("DELETE FROM format")
            connection.execute("INSERT INTO format VALUES (%s)", [SCHEMA_VERSION])
    except psycopg.Error as error:
        with suppress(psycopg.Error):
            connection.rollback()
        raise StoreError(
            f"the tables of {address} cannot be created: {' '.join(str(error).split())}. The user "
            "must be allowed to create a schema: GRANT CREATE ON DATABASE ... TO ..."
        ) from None
