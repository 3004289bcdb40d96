"""The store: one SQLite file with every completion under the key of its request, and every mark.

Write-ahead logging lets several kernels use one file at once. Each completion is committed by
itself before anyone sees it, so a killed process loses none that was shown; after each run the log
is folded back, so that the file alone can be copied. ``synchronous=NORMAL``: a power cut can lose
the last commits, and never harms the file.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from synthkit.errors import StoreError
from synthkit.types import Completion, Ledger, Mark, canonical, digest

SCHEMA_VERSION = 2

_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS models (
    fingerprint TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS completions (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, ask TEXT NOT NULL,
    text TEXT NOT NULL, finish TEXT NOT NULL, prompt_tokens INTEGER NOT NULL,
    completion_tokens INTEGER NOT NULL, seconds REAL NOT NULL, logprobs TEXT, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS completions_ask ON completions (ask);
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY, name TEXT NOT NULL, model TEXT NOT NULL, prompt TEXT NOT NULL,
    at REAL NOT NULL, rows INTEGER NOT NULL, ledger TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS marks (
    seq INTEGER PRIMARY KEY, task TEXT NOT NULL, round INTEGER NOT NULL, row TEXT NOT NULL,
    by TEXT NOT NULL, label TEXT NOT NULL, reason TEXT NOT NULL, flag INTEGER NOT NULL,
    edit TEXT NOT NULL, at REAL NOT NULL, act TEXT NOT NULL, step INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS marks_row ON marks (row);
CREATE TABLE IF NOT EXISTS labs (name TEXT PRIMARY KEY, body TEXT NOT NULL, at REAL NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A kept answer with the request it answers, as :meth:`Request.payload` gave it."""

    key: str
    request: Mapping[str, Any]
    completion: Completion


class Store:
    """The file of completions, runs and marks of one session.

    Parameters
    ----------
    path : the SQLite file; made if it does not exist.

    Raises
    ------
    StoreError
        If the file cannot be opened, is no store, or was written by a newer synthkit.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(
                self.path, timeout=60, isolation_level=None, check_same_thread=False
            )
            try:
                self._open()
            except BaseException:
                self._db.close()
                raise
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path} cannot be opened as a synthkit store: {error}."
            ) from None

    def _open(self) -> None:
        # Turning on the log is the one step that does not wait for a busy neighbour by itself.
        for attempt in range(100):
            try:
                self._db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if "locked" not in str(error) or attempt == 99:
                    raise
                time.sleep(0.05)
        self._db.execute("PRAGMA synchronous = NORMAL")
        version = self._db.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StoreError(
                f"{self.path} was written by a newer synthkit (format {version}, this one reads "
                f"up to {SCHEMA_VERSION}). Upgrade: pip install -U synthkit"
            )
        if version < SCHEMA_VERSION:
            self._db.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")

    @contextmanager
    def _use(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._db
            except sqlite3.Error as error:
                raise StoreError(f"{self.path}: {error}.") from error

    def get(self, keys: Sequence[str]) -> dict[str, Completion]:
        """The completions held under these keys; absent ones are left out."""
        found: dict[str, Completion] = {}
        with self._use() as db:
            for start in range(0, len(keys), 900):
                part = keys[start : start + 900]
                marks = ",".join("?" * len(part))
                rows = db.execute(f"{_SELECT} WHERE key IN ({marks})", part)
                found |= {row[0]: _completion(row[2:]) for row in rows}
        return found

    def put(self, key: str, request: Mapping[str, Any], completion: Completion) -> Completion:
        """The completion now held under ``key``, on disk.

        It is the one given, unless another kernel was first: then it is that one, so that all see
        the same rows.
        """
        logprobs = completion.logprobs
        values = (
            key,
            canonical(request).decode("utf-8", "replace"),
            ask(request),
            _sql_text(completion.text),
            completion.finish,
            completion.prompt_tokens,
            completion.completion_tokens,
            completion.seconds,
            json.dumps(logprobs) if logprobs is not None else None,
            time.time(),
        )
        with self._use() as db:
            done = db.execute(
                "INSERT INTO completions VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
                values,
            )
            if done.rowcount:
                return completion
            return self.get([key])[key]

    def find(self, prefix: str) -> list[Stored]:
        """What is held under the keys that begin with ``prefix``, such as a row's id."""
        with self._use() as db:
            rows = db.execute(
                f"{_SELECT} WHERE key >= ? AND key < ?", (prefix, prefix + "g")
            ).fetchall()
        return [Stored(row[0], json.loads(row[1]), _completion(row[2:])) for row in rows]

    def nearest(self, request: Mapping[str, Any], *, among: int = 20_000) -> Stored | None:
        """The kept answer whose request differs least from this one; ``None`` in an empty store.

        Requests with the same messages come first, then the newest ``among``.
        """
        with self._use() as db:
            same = db.execute(f"{_SELECT} WHERE ask = ? LIMIT 1000", (ask(request),)).fetchall()
            rows = same or db.execute(f"{_SELECT} ORDER BY rowid DESC LIMIT ?", (among,)).fetchall()
        if not rows:
            return None
        best = min(rows, key=lambda row: _distance(request, json.loads(row[1])))
        return Stored(best[0], json.loads(best[1]), _completion(best[2:]))

    def explain(self, request: Mapping[str, Any]) -> str:
        """Why a request is not held, in words: the fields in which the nearest kept one differs.

        Empty if it is held.
        """
        if self.get([digest(request)]):
            return ""
        near = self.nearest(request)
        if near is None:
            return "nothing was generated in this session yet"
        told = "; ".join(_told(*one) for one in differences(near.request, request))
        return f"the nearest kept request ({near.key[:16]}) differs in {told}"

    def add_model(self, fingerprint: str, name: str) -> None:
        """Remember which model has this fingerprint, for replays."""
        with self._use() as db:
            db.execute("INSERT OR REPLACE INTO models VALUES (?, ?)", (fingerprint, name))

    def models(self) -> dict[str, str]:
        """Fingerprint -> name of every model that was used here, the latest last."""
        with self._use() as db:
            return dict(db.execute("SELECT fingerprint, name FROM models ORDER BY rowid"))

    def add_run(self, name: str, model: str, prompt: str, rows: int, ledger: Ledger) -> None:
        """Write a finished or interrupted run into the book, and fold the log into the file."""
        with self._use() as db:
            db.execute(
                "INSERT INTO runs (name, model, prompt, at, rows, ledger) VALUES (?,?,?,?,?,?)",
                (name, model, prompt, time.time(), rows, json.dumps(asdict(ledger))),
            )
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def runs(self) -> list[dict[str, Any]]:
        """One dict for each run, the oldest first: run, name, model, prompt, at, rows, ledger's."""
        with self._use() as db:
            rows = db.execute(
                "SELECT run, name, model, prompt, at, rows, ledger FROM runs ORDER BY run"
            ).fetchall()
        names = ("run", "name", "model", "prompt", "at", "rows")
        return [dict(zip(names, row[:-1], strict=True)) | json.loads(row[-1]) for row in rows]

    def add_marks(self, marks: Sequence[Mark]) -> list[Mark]:
        """The marks as they are on disk now: those without a step got one in common."""
        with self._use() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                (step,) = db.execute("SELECT coalesce(max(seq), 0) + 1 FROM marks").fetchone()
                written = [mark if mark.step else replace(mark, step=step) for mark in marks]
                db.executemany(_INSERT_MARK, map(_mark_row, written))
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
        return written

    def marks(self, rows: Sequence[str] | None = None) -> list[Mark]:
        """Every mark ever written, undone ones too, the oldest first; or those of some rows."""
        where = "" if rows is None else "WHERE row IN (SELECT value FROM json_each(?)) "
        given = () if rows is None else (json.dumps(list(rows)),)
        with self._use() as db:
            found = db.execute(f"{_SELECT_MARK} {where}ORDER BY seq", given).fetchall()
        return [_mark(row) for row in found]

    def put_lab(self, name: str, body: Mapping[str, Any]) -> None:
        """Keep a prompt lab under a name, in place of the one that had it."""
        values = (name, canonical(body).decode("utf-8", "replace"), time.time())
        with self._use() as db:
            db.execute("INSERT OR REPLACE INTO labs VALUES (?,?,?)", values)

    def lab(self, name: str) -> dict[str, Any] | None:
        """The prompt lab of that name; ``None`` if there is none."""
        with self._use() as db:
            row = db.execute("SELECT body FROM labs WHERE name = ?", (name,)).fetchone()
        return json.loads(row[0]) if row else None

    def labs(self) -> list[str]:
        """The names of the prompt labs, the latest last."""
        with self._use() as db:
            return [name for (name,) in db.execute("SELECT name FROM labs ORDER BY at")]

    def count(self) -> int:
        """How many completions are held."""
        with self._use() as db:
            return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])

    def close(self) -> None:
        """Fold the log into the file and close it; the store is the one file then."""
        with self._lock:
            self._db.close()


_SELECT = (
    "SELECT key, request, text, finish, prompt_tokens, completion_tokens, seconds, logprobs "
    "FROM completions"
)


def _completion(row: Sequence[Any]) -> Completion:
    text, finish, prompt_tokens, completion_tokens, seconds, logprobs = row
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogatepass")
    pairs = tuple((token, value) for token, value in json.loads(logprobs)) if logprobs else None
    return Completion(text, finish, prompt_tokens, completion_tokens, seconds, pairs)


_INSERT_MARK = (
    "INSERT INTO marks (row, label, reason, by, at, flag, edit, task, round, act, step) "
    "VALUES (?,?,?,?,?,?,?,?,?,?,?)"
)
_SELECT_MARK = "SELECT row, label, reason, by, at, flag, edit, task, round, act, step FROM marks"


def _mark_row(mark: Mark) -> tuple[Any, ...]:
    edit = canonical(dict(mark.edit)).decode("utf-8", "replace")
    said = (mark.id, mark.label, mark.reason.encode("utf-8", "replace").decode(), mark.by)
    return (*said, mark.at, mark.flag, edit, mark.task, mark.round, mark.act, mark.step)


def _mark(row: Sequence[Any]) -> Mark:
    id, label, reason, by, at, flag, edit, task, round, act, step = row
    return Mark(
        id=id,
        label=label,
        reason=reason,
        by=by,
        at=at,
        flag=bool(flag),
        edit=json.loads(edit),
        task=task,
        round=round,
        act=act,
        step=step,
    )


def _sql_text(text: str) -> str | bytes:
    """What SQLite can hold of a text: bytes, if it has half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "surrogatepass")
    return text


def ask(request: Mapping[str, Any]) -> str:
    """Hash of the messages alone, to find requests that differ in everything else."""
    return digest(request["messages"])[:16]


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """(field, old value, new value) wherever two request payloads differ.

    Messages are named by role and place (``"system"``, ``"user 2"``), sampling parameters by
    their own names, and the model by the parts of its fingerprint.
    """
    before, after = _fields(old), _fields(new)
    return [
        (name, before.get(name), after.get(name))
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    ]


def _fields(request: Mapping[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    seen: dict[str, int] = {}
    for role, content in request["messages"]:
        seen[role] = seen.get(role, 0) + 1
        fields[role if seen[role] == 1 else f"{role} {seen[role]}"] = content
    model = request["model"]
    parts = json.loads(model) if model.startswith("{") else {"model": model}
    rest = {name: request.get(name) for name in ("schema", "index", "version")}
    return fields | parts | dict(request["sampling"]) | rest


def _distance(new: Mapping[str, Any], old: Mapping[str, Any]) -> tuple[int, int]:
    """How far two requests are apart: fields that differ, then letters of text that differ."""
    changed = differences(old, new)
    letters = sum(sum(map(len, _middles(str(a), str(b)))) for _, a, b in changed)
    return len(changed), letters


def _middles(a: str, b: str) -> tuple[str, str]:
    """What is left of two texts without their common beginning and end."""
    start = _alike(a, b)
    end = _alike(a[start:][::-1], b[start:][::-1])
    return a[start : len(a) - end], b[start : len(b) - end]


def _alike(a: str, b: str) -> int:
    """How many letters two texts begin with in common."""
    differing = (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y)
    return next(differing, min(len(a), len(b)))


def _told(name: str, old: Any, new: Any) -> str:
    """One difference in words; of two long texts, the part where they differ."""
    if isinstance(old, str) and isinstance(new, str):
        start = max(0, _alike(old, new) - 20)
        lead = "…" if start else ""
        old, new = lead + old[start:], lead + new[start:]
    return f"{name}: {_short(old)} there, {_short(new)} asked"


def _short(value: Any, most: int = 60) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = " ".join(text.split())
    return repr(text if len(text) <= most else text[: most - 1] + "…")
