"""Inputs: what runs and evaluations were given, kept so that both can be made again elsewhere.

What a line names, such as ``--examples demos``, is kept under that name as well. A table is a
Parquet file in the session's folder ``inputs``, named by the BLAKE2b of its content: it never
changes, however its variable or the table of its name does. Other values are JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError, SynthkitError, TableError, cause, unknown
from synthkit.core.extras import need
from synthkit.core.files import file_hash, scratch_folder
from synthkit.core.hashing import canonical, storable_json
from synthkit.core.secrets import secrets_in
from synthkit.core.types import Sampling
from synthkit.data import tables
from synthkit.data.storage import from_storable, storable
from synthkit.prompts.conditions import Band
from synthkit.prompts.templates import Examples
from synthkit.store.store import Store

FOLDER = "inputs"
MOST_BYTES = 256 * 2**20
"""Bytes in memory of the largest table that is kept."""
MOST_CHARACTERS = 20_000
"""Characters of JSON above which rows that are lists or dicts are kept as a table."""
KIND = "$"
"""The key of an encoded value that is no JSON value by itself: ``{"$": "table", ...}``."""
_HASH = re.compile("[0-9a-f]{32}")


class NotKept(SynthkitError, ValueError):
    """A value that cannot be kept; the message says what it is."""


def path_of(store: Store, content: str) -> Path:
    """The file of the input table with this hash, whether it exists or not."""
    if not _HASH.fullmatch(content):
        raise StoreError(f"expected 32 hex digits for an input; got {content[:40]!r}.")
    return store.path.parent / FOLDER / f"{content}.parquet"


def keep(store: Store, table: Any) -> str:
    """Keep a table, and return the hash of its file.

    Raises
    ------
    NotKept
        If it is larger than :data:`MOST_BYTES`, or the session may only be read.
    """
    arrow = storable(table)
    if arrow.nbytes > MOST_BYTES:
        raise NotKept(f"a table of {arrow.nbytes / 2**20:.0f} MB; at most 256 MB are kept")
    if store.read_only:
        raise NotKept("a table, while the session could only be read")
    parquet = need("pyarrow.parquet", extra="data", why="to keep a table")
    folder = store.path.parent / FOLDER
    try:
        folder.mkdir(exist_ok=True)
        with scratch_folder(folder) as scratch:
            written = scratch / "table"
            parquet.write_table(arrow, written, write_page_checksum=True)
            content = file_hash(written)
            written.replace(path_of(store, content))
    except OSError as error:
        raise StoreError(f"an input table cannot be kept: {cause(error)}.") from None
    return content


def load(store: Store, content: str) -> Any:
    """The input table with this hash, as a pandas DataFrame.

    Raises
    ------
    TableError
        If it is not there.
    StoreError
        If its file is damaged.
    """
    path = path_of(store, content)
    if not path.exists():
        raise TableError(f"the input table {content} is not in this session.")
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    try:
        with parquet.ParquetFile(path, page_checksum_verification=True) as file:
            return from_storable(file.read())
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise StoreError(f"the input table {content} cannot be read: {cause(error)}.") from None


def encode(store: Store, value: Any, *, table: bool = False) -> Any:
    """A value as JSON values; tables in it are kept.

    Parameters
    ----------
    table : whether a long list of dicts, or a dict of lists, is a table.

    Raises
    ------
    NotKept
        If it holds anything else, such as a function or a class.
    """
    if isinstance(value, str):
        text = str.__str__(value)
        if str(value) != text:  # such as a member of an enum, which a prompt shows by its name
            raise NotKept(f"a {type(value).__name__}")
        return text
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, Sampling):
        return {KIND: "sampling", **value.payload()}
    if isinstance(value, Band):
        return {KIND: "band", "low": value.low, "high": value.high}
    if isinstance(value, Examples):
        if value.embed is not None:
            raise NotKept("examples that an embedder picks")
        names = ("k", "pick", "seed")
        shown = {KIND: "table", "table": keep(store, value.table)}
        return {KIND: "examples", "table": shown, **{name: getattr(value, name) for name in names}}
    if isinstance(value, Mapping | list | tuple):
        may_be_table = table and tables.is_table(value)
        try:
            plain = _plain(store, value)
            if not may_be_table or len(canonical(plain)) <= MOST_CHARACTERS:
                return plain
        except NotKept:
            if not may_be_table:
                raise
    if tables.is_table(value):
        try:
            return {KIND: "table", "table": keep(store, value)}
        except TableError as error:
            raise NotKept(f"no table that can be kept: {error}") from None
    if hasattr(value, "tolist"):
        return encode(store, value.tolist())
    raise NotKept(f"a {type(value).__name__}")


def decode(store: Store, value: Any) -> Any:
    """The value that :func:`encode` made this of."""
    if isinstance(value, list):
        return [decode(store, item) for item in value]
    if not isinstance(value, dict):
        return value
    rest = {name: decode(store, item) for name, item in value.items() if name != KIND}
    match value.get(KIND):
        case None:
            return rest
        case "table":
            return load(store, str(rest["table"]))
        case "sampling":
            return Sampling(**rest)
        case "band":
            return Band(int(rest["low"]), int(rest["high"]))
        case "examples":
            return Examples(**rest)
        case "tuple":
            return tuple(rest["items"])
        case "pairs":
            return dict(rest["items"])
    raise StoreError(f"an input is of the kind {value[KIND]!r}; upgrade synthkit to read it.")


def hashes(value: Any) -> set[str]:
    """The input tables that an encoded value names."""
    if isinstance(value, list):
        return {content for item in value for content in hashes(item)}
    if not isinstance(value, dict):
        return set()
    if value.get(KIND) == "table":
        return {str(value["table"])}
    return {content for item in value.values() for content in hashes(item)}


def used(store: Store) -> set[str]:
    """The input tables that runs and evaluations of a store need."""
    calls = [json.loads(rows.call) for rows in store.runs.all_rows().values() if rows.call]
    bodies = [json.loads(body)["settings"] for *_, body, _ in store.evaluations.all()]
    named_bodies = [json.loads(body) for body in store.inputs.all().values()]
    return hashes([calls, bodies, named_bodies])


def remember(store: Store, values: Mapping[str, Any]) -> None:
    """Keep what a line named under its name; values that cannot be kept are left out."""
    if store.read_only:
        return
    for name, value in values.items():
        with suppress(NotKept):
            value = without_secrets(value)
            store.inputs.put(name, storable_json(encode(store, value, table=True)))


def named(store: Store, name: str) -> Any:
    """What a line named so, when it last ran.

    Raises
    ------
    TableError
        If no line did.
    """
    bodies = store.inputs.all()
    if name not in bodies:
        raise TableError(unknown("input", name, bodies))
    return decode(store, json.loads(bodies[name]))


def without_secrets(value: Any) -> Any:
    """The value itself.

    Raises
    ------
    NotKept
        If a text, list or mapping holds what looks like a secret.
    """
    if isinstance(value, str | list | dict) and secrets_in(value):
        raise NotKept("a value with what looks like a secret")
    return value


def _plain(store: Store, value: Mapping[Any, Any] | Sequence[Any]) -> Any:
    """The parts of a list, a tuple or a mapping; its keys may be other than texts."""
    if isinstance(value, list):
        return [encode(store, item) for item in value]
    if not isinstance(value, Mapping):
        return {KIND: "tuple", "items": [encode(store, item) for item in value]}
    if not all(type(name) is str and name != KIND for name in value):
        pairs = [[encode(store, name), encode(store, item)] for name, item in value.items()]
        return {KIND: "pairs", "items": pairs}
    return {name: encode(store, item) for name, item in value.items()}
