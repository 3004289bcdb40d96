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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.core.request_diff import differences, distance, told
from synthkit.core.types import Completion, Ledger, Mark, canonical, digest

SCHEMA_VERSION = 5
ID_DIGITS = 16
"""Hex digits of a request's key that make a row's id: one clash is likely among 4e9 rows."""
KEY_DIGITS = 32

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
CREATE TABLE IF NOT EXISTS run_rows (
    run INTEGER PRIMARY KEY, line TEXT NOT NULL, made BLOB NOT NULL, rejected BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS origins (row TEXT PRIMARY KEY, keys BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS labs (name TEXT PRIMARY KEY, body TEXT NOT NULL, at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS curations (
    curation INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL, funnel TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS verdicts (
    row TEXT NOT NULL, curation INTEGER NOT NULL, filter TEXT NOT NULL, why TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS verdicts_row ON verdicts (row);
CREATE INDEX IF NOT EXISTS verdicts_curation ON verdicts (curation);
CREATE TABLE IF NOT EXISTS filters (
    name TEXT NOT NULL, version INTEGER NOT NULL, body TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (name, version));
CREATE TABLE IF NOT EXISTS evaluations (
    evaluation INTEGER PRIMARY KEY, name TEXT NOT NULL, at REAL NOT NULL, body TEXT NOT NULL,
    rows BLOB NOT NULL);
PRAGMA user_version = {SCHEMA_VERSION};
"""


@dataclass(frozen=True, slots=True)
class Stored:
    """A kept answer with the request it answers, as :meth:`Request.payload` gave it."""

    key: str
    request: Mapping[str, Any]
    completion: Completion


@dataclass(frozen=True, slots=True)
class RunRows:
    """What a run asked, as the cell's line, and the ids of the rows and the rejects it had."""

    line: str
    made: list[str]
    rejected: list[str]


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
                f"up to {SCHEMA_VERSION}). Upgrade: pip install -U jupyter-synthkit"
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

    def find(self, id: str) -> list[Stored]:
        """What a row rests on, by its id or how that begins, in the order it was asked."""
        with self._use() as db:
            held = db.execute(
                "SELECT keys FROM origins WHERE row >= ? AND row < ?", (id, id + "g")
            ).fetchall()
            rows = db.execute(f"{_SELECT} WHERE key >= ? AND key < ?", (id, id + "g")).fetchall()
            keys = [key for (packed_keys,) in held for key in unpacked(packed_keys, KEY_DIGITS)]
            found = {
                row[0]: row
                for start in range(0, len(keys), 900)
                for row in db.execute(
                    f"{_SELECT} WHERE key IN (SELECT value FROM json_each(?))",
                    (json.dumps(keys[start : start + 900]),),
                )
            }
        rows += [found[key] for key in dict.fromkeys(keys) if key in found]
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
        best = min(rows, key=lambda row: distance(request, json.loads(row[1])))
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
        fields = "; ".join(told(*one) for one in differences(near.request, request))
        return f"the nearest kept request ({near.key[:16]}) differs in {fields}"

    def add_model(self, fingerprint: str, name: str) -> None:
        """Remember which model has this fingerprint, for replays."""
        with self._use() as db:
            db.execute("INSERT OR REPLACE INTO models VALUES (?, ?)", (fingerprint, name))

    def models(self) -> dict[str, str]:
        """Fingerprint -> name of every model that was used here, the latest last."""
        with self._use() as db:
            return dict(db.execute("SELECT fingerprint, name FROM models ORDER BY rowid"))

    def add_run(
        self,
        name: str,
        model: str,
        prompt: str,
        rows: int,
        ledger: Ledger,
        *,
        line: str = "",
        made: Sequence[str] = (),
        rejected: Sequence[str] = (),
        origins: Mapping[str, Sequence[str]] | None = None,
    ) -> int:
        """Write a finished or interrupted run into the book, and fold the log into the file.

        Parameters
        ----------
        line : what stood behind ``%%synth``, if a cell asked.
        made, rejected : the ids of its rows and of its rejects.
        origins : id -> the keys of the requests that the row rests on, in order; what an id says
            by itself, as the beginning of the one key, is not written down.

        Returns
        -------
        The run's number.
        """
        with self.transaction() as db:
            done = db.execute(
                "INSERT INTO runs (name, model, prompt, at, rows, ledger) VALUES (?,?,?,?,?,?)",
                (name, model, prompt, time.time(), rows, json.dumps(asdict(ledger))),
            )
            run = int(done.lastrowid or 0)
            if made or rejected:
                values = (run, line, packed(made), packed(rejected))
                db.execute("INSERT INTO run_rows VALUES (?,?,?,?)", values)
            db.executemany(
                "INSERT OR IGNORE INTO origins VALUES (?,?)",
                (
                    (id, packed(keys))
                    for id, keys in (origins or {}).items()
                    if len(keys) > 1 or not keys[0].startswith(id)
                ),
            )
        with self._use() as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return run

    def runs(self) -> list[dict[str, Any]]:
        """One dict for each run, the oldest first: run, name, model, prompt, at, rows, ledger's."""
        with self._use() as db:
            rows = db.execute(
                "SELECT run, name, model, prompt, at, rows, ledger FROM runs ORDER BY run"
            ).fetchall()
        names = ("run", "name", "model", "prompt", "at", "rows")
        return [dict(zip(names, row[:-1], strict=True)) | json.loads(row[-1]) for row in rows]

    def run_rows(self, run: int) -> RunRows | None:
        """The rows of a run; ``None`` where they were not written down."""
        with self._use() as db:
            row = db.execute(f"{_SELECT_ROWS} WHERE run = ?", (run,)).fetchone()
        return RunRows(row[0], unpacked(row[1]), unpacked(row[2])) if row else None

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

    def sizes(self) -> dict[str, int]:
        """Bytes of completions, marks, labs, runs, curations and evaluations, and of free room.

        Those of the completions are what the others leave of the file: its pages are not read.
        """
        with self._use() as db:
            (pages,) = db.execute("PRAGMA page_count").fetchone()
            (free,) = db.execute("PRAGMA freelist_count").fetchone()
            (page,) = db.execute("PRAGMA page_size").fetchone()
            found = {what: int(db.execute(query).fetchone()[0]) for what, query in _SIZES.items()}
        rest = (pages - free) * page - sum(found.values())
        return {"completions": max(0, rest) if self.count() else 0, **found, "free": free * page}

    def backup(self, path: Path) -> None:
        """Copy the file as it is at one moment, also while others write to it."""
        try:
            with self._use() as db, closing(sqlite3.connect(path)) as copy:
                db.backup(copy)
        except OSError as error:
            raise StoreError(f"the store cannot be copied to {path}: {error}.") from None

    def compact(self) -> bool:
        """Give the free room back to the disk; ``False`` if another kernel is writing just now."""
        with self._lock:
            try:
                self._db.execute("PRAGMA busy_timeout = 2000")
                self._db.execute("VACUUM")
                self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.OperationalError:  # busy, or no room for the copy that this takes
                return False
            finally:
                self._db.execute("PRAGMA busy_timeout = 60000")
        return True

    @contextmanager
    def transaction(
        self, *, write: bool = True, patience: float = 60
    ) -> Iterator[sqlite3.Connection]:
        """All that is written within is written at once, or not at all; one view for readers.

        Raises
        ------
        StoreError
            If another program holds the file for longer than ``patience`` seconds.
        """
        with self._use() as db:
            db.execute(f"PRAGMA busy_timeout = {round(patience * 1000)}")
            try:
                db.execute("BEGIN IMMEDIATE" if write else "BEGIN")
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                raise StoreError(
                    f"{self.path.name} is held by another program for over {patience:.0f} s; "
                    "nothing was changed. Try again when its run has ended."
                ) from None
            finally:
                db.execute("PRAGMA busy_timeout = 60000")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise

    def count(self) -> int:
        """How many completions are held."""
        with self._use() as db:
            return int(db.execute("SELECT count(*) FROM completions").fetchone()[0])

    def close(self) -> None:
        """Fold the log into the file and close it; the store is the one file then."""
        with self._lock:
            self._db.close()


_SELECT_ROWS = "SELECT line, made, rejected FROM run_rows"
_SIZES = {
    "marks": "SELECT coalesce(sum(length(row) + length(reason) + length(edit) + 64), 0) FROM marks",
    "labs": "SELECT coalesce(sum(length(body)), 0) FROM labs",
    "runs": "SELECT (SELECT coalesce(sum(length(prompt) + length(ledger) + 64), 0) FROM runs)"
    " + (SELECT coalesce(sum(length(made) + length(rejected)), 0) FROM run_rows)"
    " + (SELECT coalesce(sum(length(keys) + 32), 0) FROM origins)",
    "curations": "SELECT (SELECT coalesce(sum(length(funnel) + 64), 0) FROM curations)"
    " + (SELECT coalesce(sum(2 * length(row) + length(filter) + length(why) + 48), 0)"
    " FROM verdicts) + (SELECT coalesce(sum(length(body) + 64), 0) FROM filters)",
    "evaluations": "SELECT coalesce(sum(length(body) + length(rows) + 64), 0) FROM evaluations",
}


def packed(ids: Sequence[str]) -> bytes:
    """Ids of hex digits as bytes, half as long, of one length."""
    return bytes.fromhex("".join(ids))


def unpacked(held: bytes, digits: int = ID_DIGITS) -> list[str]:
    """The ids again, of so many digits each."""
    text = held.hex()
    return [text[i : i + digits] for i in range(0, len(text), digits)]


def resting(db: sqlite3.Connection, ids: Iterable[str]) -> set[str]:
    """The keys of the held completions that the rows of these ids rest on."""
    wanted = json.dumps(sorted(ids))
    keys = {
        key
        for (keys,) in db.execute(
            "SELECT keys FROM origins WHERE row IN (SELECT value FROM json_each(?))", (wanted,)
        )
        for key in unpacked(keys, KEY_DIGITS)
    }
    query = (
        "SELECT c.key FROM json_each(?) AS j "
        "JOIN completions AS c ON c.key >= j.value AND c.key < j.value || 'g'"
    )
    return {
        key for (key,) in db.execute(query, (json.dumps(sorted({*json.loads(wanted), *keys})),))
    }


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
