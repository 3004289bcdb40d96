"""Completions: each is stored under the key of its request, with the request itself."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import StoreError, StoreLocked
from synthkit.core.hashing import canonical, digest
from synthkit.core.request_diff import described, differences, distance
from synthkit.core.types import Completion, ToolCall
from synthkit.store.database import AMONG, Database, SqlRow
from synthkit.store.ids import ID_DIGITS
from synthkit.store.meta import MetaTable
from synthkit.store.origins import OriginTable
from synthkit.store.schema import COLUMNS
from synthkit.store.spill import StoredItem, left_behind, read

_COLUMNS = (
    "key, text, finish, prompt_tokens, completion_tokens, seconds, logprobs, reasoning, "
    "tool_calls, reasoning_tokens, cached_tokens, checksum, how"
)
_CHECKED = [list(COLUMNS["completions"]).index(name) for name in _COLUMNS.split(", ")[:-2]]
"""The places in a row of the table of the columns that the checksum covers besides ``how``."""
_SELECT = f"SELECT {_COLUMNS}, source, request FROM completions"
_INSERT = (
    f"INSERT INTO completions VALUES ({', '.join('?' * len(COLUMNS['completions']))}) "
    "ON CONFLICT DO NOTHING"
)

COUNT = "completions"
"""The key of their number among the facts of a store."""
_COUNT_ALL = "SELECT count(*) FROM completions"


@dataclass(frozen=True, slots=True)
class StoredCompletion:
    """A completion with its request, as :meth:`Request.payload` returned it.

    ``source`` is the id of the session that asked for it; ``""`` for the one that holds it.
    """

    key: str
    request: Mapping[str, Any]
    completion: Completion
    source: str = ""


class CompletionTable:
    """The completions of a session. A completion is never changed once it is stored.

    Attributes
    ----------
    attached : the completions of other sessions, and the ids of these.
    shared : those that get what is asked here, and the id of this session.
    """

    def __init__(self, database: Database, origins: OriginTable) -> None:
        self._database, self._origins = database, origins
        self._meta = MetaTable(database)
        self._identified = False
        self.attached: list[tuple[CompletionTable, str]] = []
        self.shared: list[tuple[CompletionTable, str]] = []

    def attach(self, other: CompletionTable, source: str, own: str = "") -> None:
        """Look up in another session what is not here, and keep it here.

        Parameters
        ----------
        source : the id of the other session.
        own : the id of this session, if what is asked here is to be added to the other.
        """
        self.attached.append((other, source))
        if own:
            self.shared.append((other, own))

    def get(self, keys: Sequence[str]) -> dict[str, Completion]:
        """Key -> completion, for those of the keys that are stored here or in what is attached.

        Damaged ones are left out with a warning, so that they are asked for again.
        """
        found = self._own(keys)
        for other, source in self.attached:
            missing = [key for key in keys if key not in found]
            if taken := other.get(missing) if missing else {}:
                if not self._database.read_only:
                    self.merge(other._all_columns(taken), source)
                found |= taken
        return found

    def _own(self, keys: Sequence[str]) -> dict[str, Completion]:
        rows = self._rows(f"SELECT {_COLUMNS} FROM completions", keys)
        intact = {row[0]: _completion(row) for row in rows if _is_intact(row)}
        if len(intact) < len(rows):
            warn(
                f"{len(rows) - len(intact)} of {len(rows)} completions in {self._database.path} "
                "are damaged (their checksums differ) and are not used. The disk may be failing: "
                "copy the session folder to another one.",
                RuntimeWarning,
                stacklevel=2,
            )
        return intact

    def put(self, key: str, request: Mapping[str, Any], completion: Completion) -> Completion:
        """Commit a completion to disk, and return the one that is stored now.

        If another kernel was first, that is its completion, so that all kernels show the same rows.
        """
        with self._database.transaction():
            return self._put([(key, request, completion)])[0]

    def put_many(
        self, items: Iterable[StoredItem], *, patience: float | None = None
    ) -> list[Completion]:
        """Commit (key, request, completion) triples together, and return what is stored now.

        Raises
        ------
        StoreLocked
            If another process writes for longer than ``patience`` seconds (60 by default).
        """
        items = list(items)
        with self._database.transaction(patience=patience):
            if not self._identified:
                self._meta.identify()  # who asked, where another session uses these
            stored = self._put(items)
        self._identified = True
        for other, source in self.shared:
            with suppress(StoreError):  # it is stored here in any case
                other.merge(self._all_columns(key for key, *_ in items), source)
        return stored

    def _put(self, items: Sequence[StoredItem]) -> list[Completion]:
        """Insert what is new, and return what is stored now, within a transaction."""
        rows = [_row(*item) for item in items]
        if self._insert(rows) == len(rows):
            return [completion for *_, completion in items]
        stored = self._own([key for key, *_ in items])
        if damaged := {row[0]: row for row in rows if row[0] not in stored}:
            self.delete(damaged)
            self._insert(damaged.values())
        return [stored.get(key, completion) for key, _, completion in items]

    def _insert(self, rows: Iterable[SqlRow]) -> int:
        """Insert rows whose keys are not there, and return how many they are."""
        with self._database.transaction():
            new = self._database.execute_many(_INSERT, rows)
            self._meta.increase(COUNT, new)
        return new

    def absorb(self) -> int:
        """Store what waits in the files of earlier runs, and return how many were new."""
        new = 0
        for path in left_behind(self._database.path.parent):
            with suppress(FileNotFoundError):  # another kernel was quicker
                items = {item[0]: item for item in read(path)}
                new += len(items) - len(self._own(list(items)))
                self.put_many(items.values())
                path.unlink()
        return new

    def for_row(self, id: str) -> list[StoredCompletion]:
        """The completions that a row is based on, in the order of its requests.

        ``id`` is the id of the row, or the start of it.
        """
        rows = self._database.rows(f"{_SELECT} WHERE key >= ? AND key < ?", (id, id + "g"))
        keys = self._origins.keys_by_prefix(id)
        by_key = {row[0]: row for row in self._rows(_SELECT, keys)}
        return [_stored(row) for row in (*rows, *(by_key[key] for key in keys if key in by_key))]

    def known_rows(self, ids: Iterable[str]) -> set[str]:
        """Those of some ids that are rows generated in this session."""
        query = (
            "SELECT given.value FROM json_each(?) AS given WHERE length(given.value) >= ? AND ("
            "EXISTS (SELECT 1 FROM completions "
            "WHERE key >= given.value AND key < given.value || 'g') "
            "OR EXISTS (SELECT 1 FROM origins WHERE row = given.value))"
        )
        return {id for (id,) in self._database.rows(query, (list(ids), ID_DIGITS))}

    def keys_for_rows(self, ids: Iterable[str]) -> set[str]:
        """The keys of the stored completions that some rows are based on."""
        ids = list(ids)
        starts = {*ids, *self._origins.keys(ids)}
        query = (
            "SELECT c.key FROM json_each(?) AS start "
            "JOIN completions AS c ON c.key >= start.value AND c.key < start.value || 'g'"
        )
        return {key for (key,) in self._database.rows(query, (sorted(starts),))}

    def stored(self, keys: Iterable[str]) -> list[StoredCompletion]:
        """The completions of some keys, with their requests, in the order of the keys."""
        return [_stored(row) for row in sorted(self._rows(_SELECT, keys))]

    def nearest(
        self, request: Mapping[str, Any], *, among: int = 20_000
    ) -> StoredCompletion | None:
        """The completion whose request differs least from this one; ``None`` if there is none.

        Requests with the same messages come first, then the newest ``among`` requests.
        """
        rows = self._database.rows(f"{_SELECT} WHERE ask = ? LIMIT 1000", (messages_hash(request),))
        rows = rows or self._database.rows(f"{_SELECT} ORDER BY rowid DESC LIMIT ?", (among,))
        others = (table.nearest(request, among=among) for table, _ in self.attached)
        candidates = [stored for stored in others if stored is not None]
        for row in rows:
            with suppress(StoreError):  # a damaged one is no example
                candidates.append(_stored(row))
        return min(candidates, key=lambda it: distance(request, it.request), default=None)

    def explain(self, request: Mapping[str, Any]) -> str:
        """Why a request is not stored: the fields in which it differs from the nearest stored one.

        Empty if it is stored.
        """
        if self.get([digest(request)]):
            return ""
        nearest = self.nearest(request)
        if nearest is None:
            return "nothing was generated in this session yet"
        fields = "; ".join(described(*field) for field in differences(nearest.request, request))
        return f"the nearest stored request ({nearest.key[:16]}) differs in {fields}"

    def count(self) -> int:
        """Number of completions, which the store keeps, so that they need not be counted."""
        kept = self._meta.get(COUNT)
        return int(self._database.value(_COUNT_ALL) if kept is None else kept)

    def keep_count(self) -> None:
        """Count the completions of a store whose number is not kept yet, unless it is locked."""
        if self._meta.get(COUNT) is None:
            with suppress(StoreLocked), self._database.transaction(patience=0.0):
                self._meta.put(COUNT, str(self._database.value(_COUNT_ALL)))

    def bytes_of(self, keys: Iterable[str]) -> int:
        """Bytes of the texts and requests of some completions."""
        query = "SELECT coalesce(sum(length(text) + length(request)), 0) FROM completions"
        return int(self._database.value(f"{query} WHERE key {AMONG}", (list(keys),)))

    def delete(self, keys: Iterable[str]) -> None:
        """Delete completions."""
        self._delete(AMONG, list(keys))

    def keep(self, keys: Iterable[str]) -> None:
        """Delete all completions but these."""
        self._delete(f"NOT {AMONG}", list(keys))

    def _delete(self, condition: str, keys: list[str]) -> None:
        with self._database.transaction():
            statement = f"DELETE FROM completions WHERE key {condition}"
            self._meta.increase(COUNT, -self._database.execute(statement, (keys,)))

    def merge(self, rows: Iterable[SqlRow], source: str = "") -> int:
        """Add rows of another store, and return how many were new; those that are here stay.

        Those that the other session asked for itself get ``source``, its id.
        """
        with self._database.transaction():
            return self._insert((*row[:-1], row[-1] or source) for row in rows)

    def _all_columns(self, keys: Iterable[str]) -> list[SqlRow]:
        return self._rows(f"SELECT {', '.join(COLUMNS['completions'])} FROM completions", keys)

    def _rows(self, select: str, keys: Iterable[str]) -> list[SqlRow]:
        return self._database.rows(f"{select} WHERE key {AMONG}", (list(keys),))


def _row(key: str, request: Mapping[str, Any], completion: Completion) -> SqlRow:
    logprobs, calls = completion.logprobs, completion.tool_calls
    values: tuple[Any, ...] = (
        key,
        canonical(request).decode("utf-8", "replace"),
        messages_hash(request),
        _storable(completion.text),
        completion.finish,
        completion.prompt_tokens,
        completion.completion_tokens,
        float(completion.seconds),
        json.dumps(logprobs) if logprobs is not None else None,
        time.time(),
        _storable(completion.reasoning),
        json.dumps([asdict(call) for call in calls]) if calls else None,
        completion.reasoning_tokens,
        completion.cached_tokens,
    )
    checksum = _checksum([values[at] for at in _CHECKED], completion.how)
    return (*values, checksum, completion.how, "")


def messages_hash(request: Mapping[str, Any]) -> str:
    """Hash of the messages alone: finds requests that differ in everything else."""
    return digest(request["messages"])[:16]


def has_valid_checksum(row: Mapping[str, Any]) -> bool:
    """Whether a row, column -> value, is as it was written; also if it has no checksum."""
    return _is_intact([row[name] for name in _COLUMNS.split(", ")])


def derived_checksum(row: Mapping[str, Any]) -> str:
    """The checksum that a row, column -> value, has to have."""
    *names, _, how = _COLUMNS.split(", ")
    return _checksum([row[name] for name in names], row[how])


def _checksum(values: Sequence[Any], how: str) -> str:
    """16 hex digits (BLAKE2b, 64 bits) of the columns before ``checksum``, and ``how`` if any."""
    texts = [value.hex() if type(value) is bytes else str(value) for value in values]
    if how:
        texts.append(how)
    return hashlib.blake2b("\x1f".join(texts).encode(), digest_size=8).hexdigest()


def _is_intact(row: Sequence[Any]) -> bool:
    """Whether a row of ``_COLUMNS`` is as it was written; those of older formats are believed."""
    *values, checksum, how = row[: len(_CHECKED) + 2]
    return checksum in ("", _checksum(values, how))


def _stored(row: SqlRow) -> StoredCompletion:
    if not _is_intact(row):
        raise StoreError(
            f"the completion {row[0][:16]!r} is damaged: its checksum differs. Run its cell again, "
            "which asks for it again, or restore the session from a copy or a bundle."
        )
    return StoredCompletion(row[0], _request(row), _completion(row), row[-2])


def _request(row: SqlRow) -> Any:
    try:
        request = json.loads(row[-1])
        problem = "" if is_key_of(row[0], request) else "its key differs"
    except ValueError as error:
        problem = str(error)
    if problem:
        raise StoreError(
            f"the request of the completion {row[0][:16]!r} is damaged: {problem}. Restore the "
            "session from a copy or a bundle."
        )
    return request


def is_key_of(key: str, request: Any) -> bool:
    """Whether a stored request is the one that its key was computed from.

    Half of a surrogate pair in a request is stored as U+FFFD; then its key cannot be computed.
    """
    return digest(request) == key or _is_replaced(request)


def is_ask_of(ask: str, request: Any) -> bool:
    """Whether the hash of the messages is that of a stored request, as far as it is known."""
    return messages_hash(request) == ask or _is_replaced(request["messages"])


def _is_replaced(value: Any) -> bool:
    return "\ufffd" in json.dumps(value, ensure_ascii=False)


def _completion(row: SqlRow) -> Completion:
    _, text, finish, prompt_tokens, completion_tokens, seconds, logprobs, *more = row
    reasoning, tool_calls, reasoning_tokens, cached_tokens, _, how, *_ = more
    pairs = tuple((token, value) for token, value in json.loads(logprobs)) if logprobs else None
    return Completion(
        _text(text),
        finish,
        prompt_tokens,
        completion_tokens,
        seconds,
        pairs,
        reasoning=_text(reasoning),
        tool_calls=tuple(ToolCall(**call) for call in json.loads(tool_calls)) if tool_calls else (),
        reasoning_tokens=reasoning_tokens,
        cached_tokens=cached_tokens,
        how=how,
    )


def _text(stored: str | bytes) -> str:
    return stored.decode("utf-8", "surrogatepass") if isinstance(stored, bytes) else stored


def _storable(text: str) -> str | bytes:
    """The text, or its bytes if it has half of a surrogate pair, which SQLite text cannot hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text
