"""The intake: what comes in a bundle is checked in full, then taken in all at once."""

from __future__ import annotations

import heapq
import json
import math
import os
import re
import shutil
import sqlite3
import tempfile
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from synthkit.core.errors import StoreError
from synthkit.core.extras import need
from synthkit.core.types import Ledger, digest
from synthkit.sessions.bundle_export import CHUNK, FORMAT, MANIFEST, STORE, file_hash
from synthkit.sessions.curations import ADD_FILTER
from synthkit.sessions.evaluations import opened
from synthkit.store.store import SCHEMA_VERSION, Store, ask

PATIENCE = 10.0
"""Seconds to wait for another kernel that is writing."""
MOST_RATIO = 250
"""How much smaller than its content a member may be; text is seldom below a twentieth."""
LATEST = 2**33
"""Seconds since 1970; what is said to be from after the year 2242 is not."""
_TABLE = re.compile(r"tables/(\w[\w.-]{,99})\.parquet")
_KINDS: Mapping[str, tuple[type, ...]] = {
    "text": (str,),
    "bytes": (bytes,),
    "either": (str, bytes),
    "number": (int,),
    "real": (int, float),
    "optional": (str, type(None)),
}
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    table: dict(column.split(":") for column in columns.split())
    for table, columns in {
        "models": "fingerprint:text name:text",
        "completions": "key:text request:text ask:text text:either finish:text "
        "prompt_tokens:number completion_tokens:number seconds:real logprobs:optional at:real",
        "runs": "run:number name:text model:text prompt:text at:real rows:number ledger:text",
        "run_rows": "run:number line:text made:bytes rejected:bytes",
        "marks": "seq:number task:text round:number row:text by:text label:text reason:text "
        "flag:number edit:text at:real act:text step:number",
        "origins": "row:text keys:bytes",
        "labs": "name:text body:text at:real",
        "curations": "curation:number name:text at:real funnel:text",
        "verdicts": "row:text curation:number filter:text why:text",
        "filters": "name:text version:number body:text at:real",
        "evaluations": "evaluation:number name:text at:real body:text rows:bytes",
    }.items()
}
_LEDGER = {one.name for one in fields(Ledger)}
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """What a bundle added: counts, and tables and labs by their name in the bundle and here."""

    completions: int
    runs: int
    marks: int
    tables: Mapping[str, str]
    labs: Mapping[str, str]
    curations: int = 0
    filters: int = 0
    evaluations: int = 0

    def __str__(self) -> str:
        parts = [("answer", self.completions), ("run", self.runs), ("mark", self.marks)]
        parts += [("table", len(self.tables)), ("lab", len(self.labs))]
        parts += [("curation", self.curations), ("filter", self.filters)]
        parts += [("evaluation", self.evaluations)]
        told = [f"{n} {noun}{'' if n == 1 else 's'}" for noun, n in parts if n]
        renamed = [
            f"{name} came in as {here}, since another {what} has its name"
            for what, names in (("table", self.tables), ("lab", self.labs))
            for name, here in names.items()
            if name != here
        ]
        return "; ".join([", ".join(told) or "nothing that was not here already", *renamed])


def take_in(store: Store, folder: Path, path: Path | str) -> Imported:
    """Add what a bundle holds and the session does not; twice adds nothing more.

    Answers and models go by their keys, and the one that is here stays. Runs and marks that are
    here already are left out; the others' marks go in by their time among those that are here. A
    table or lab whose name has other content here comes in under a second name.

    Raises
    ------
    StoreError
        If it is no bundle, was damaged or tampered with, or is of a newer synthkit; nothing is
        changed then.
    """
    path = Path(path).expanduser()
    with _unpacked(path, folder.parent) as scratch:
        tables = sorted((scratch / "tables").glob("*.parquet"))
        for one in tables:
            _check_table(one)
        with closing(_connect(scratch / STORE)) as other:
            _check_store(other)
            named = {one: _name(one, folder) for one in tables}
            placed: list[Path] = []
            try:
                with store.transaction(patience=PATIENCE) as db:
                    done = _merge(db, other)
                    for one, name in named.items():
                        if name:
                            placed.append(folder / f"{name}.parquet")
                            os.replace(one, placed[-1])
            except BaseException as error:
                for one in placed:
                    one.unlink(missing_ok=True)
                if isinstance(error, OSError) and not isinstance(error, StoreError):
                    raise StoreError(f"nothing was imported: {error}.") from None
                raise
    return Imported(**done, tables={one.stem: name for one, name in named.items() if name})


@contextmanager
def _unpacked(path: Path, folder: Path) -> Iterator[Path]:
    """A folder with the members of a bundle, each as its manifest says."""
    try:
        holder = tempfile.TemporaryDirectory(prefix=".import-", dir=folder)
    except OSError as error:
        raise StoreError(f"the session cannot be written: {error}.") from None
    with holder:
        scratch = Path(holder.name)
        try:
            with zipfile.ZipFile(path) as bundle:
                members = _members(bundle, path.stat().st_size)
                room = shutil.disk_usage(scratch).free
                if sum(one["bytes"] for one in members.values()) > room:
                    raise StoreError(f"{path} holds more than the {room} bytes that are free here.")
                (scratch / "tables").mkdir()
                for member, told in members.items():
                    _extract(bundle, member, told, scratch / member)
        except FileNotFoundError:
            raise StoreError(f"no bundle at {path}.") from None
        except StoreError as error:
            raise StoreError(f"{path} is refused: {error}") from None
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
            raise StoreError(f"{path} is no bundle, or is damaged: {error}.") from None
        except Exception as error:  # zlib's, lzma's and zipfile's own, of damaged data
            raise StoreError(f"{path} is damaged: {type(error).__name__}: {error}.") from None
        yield scratch


def _members(bundle: zipfile.ZipFile, size: int) -> dict[str, dict[str, Any]]:
    """What the manifest says of each member, checked against what the file says of itself."""
    entries = bundle.infolist()
    names = [entry.filename for entry in entries]
    if MANIFEST not in names:
        raise StoreError(f"it has no {MANIFEST}; expected a file that %synth export wrote.")
    for entry in entries:
        _check_entry(entry)
    if len(set(names)) < len(names) or sum(entry.compress_size for entry in entries) > size:
        raise StoreError("members lie over each other.")
    if bundle.getinfo(MANIFEST).file_size > CHUNK * 16:
        raise StoreError("its manifest is far too long.")
    told = json.loads(bundle.read(MANIFEST))
    formats = [told.get(name) for name in ("format", "store")] if isinstance(told, dict) else []
    numbers = [number for number in formats if isinstance(number, int)]
    if len(numbers) < 2:
        raise StoreError("its manifest names no format.")
    if numbers[0] > FORMAT or numbers[1] > SCHEMA_VERSION:
        raise StoreError(
            f"it was written by a newer synthkit ({told.get('synthkit')}). "
            "Upgrade: pip install -U jupyter-synthkit"
        )
    members = told.get("members")
    if not isinstance(members, dict) or {*members, MANIFEST} != set(names):
        raise StoreError("its members are not those of its manifest.")
    if STORE not in members:
        raise StoreError(f"it has no {STORE}.")
    for entry in entries:
        one = members.get(entry.filename)
        if one is not None and (not isinstance(one, dict) or one.get("bytes") != entry.file_size):
            raise StoreError(f"{entry.filename} is not as long as its manifest says.")
    return members


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    if name not in (MANIFEST, STORE) and not _TABLE.fullmatch(name):
        raise StoreError(f"{name[:200]!r} is no member of a bundle.")
    if entry.flag_bits & 1 or entry.external_attr >> 16 & 0o170000 not in (0, 0o100000):
        raise StoreError(f"{name} is no plain file.")
    if entry.file_size > MOST_RATIO * entry.compress_size + CHUNK:
        raise StoreError(
            f"{name} would grow from {entry.compress_size} to {entry.file_size} bytes."
        )


def _extract(bundle: zipfile.ZipFile, member: str, told: Mapping[str, Any], target: Path) -> None:
    left = int(told["bytes"])
    with bundle.open(member) as source, target.open("xb") as out:
        while part := source.read(CHUNK):
            left -= len(part)
            if left < 0:
                raise StoreError(f"{member} is longer than its manifest says.")
            out.write(part)
    if left or file_hash(target) != told.get("blake2b"):
        raise StoreError(f"{member} is not what was exported: its BLAKE2b differs.")
    when = told.get("when")
    if isinstance(when, int | float) and math.isfinite(when) and 0 <= when < LATEST:
        os.utime(target, (when, when))


def _check_table(path: Path) -> None:
    parquet = need("pyarrow.parquet", extra="data", why="to read a table")
    try:
        parquet.read_schema(path)
    except (OSError, ValueError) as error:
        raise StoreError(f"the bundle's table {path.stem!r} cannot be read: {error}.") from None


def _name(path: Path, folder: Path) -> str:
    """The name that a table gets here; empty if it is here already."""
    content = file_hash(path)
    names = [path.stem, *(f"{path.stem[:90]}-{n}" for n in range(2, 1000))]
    for name in names:
        here = folder / f"{name}.parquet"
        if not here.exists():
            return name
        if file_hash(here) == content:
            return ""
    raise StoreError(f"a thousand tables are named like {path.stem!r}; delete some.")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        db = sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)
        db.execute("PRAGMA trusted_schema = OFF")
        return db
    except sqlite3.Error as error:
        raise StoreError(f"the bundle's store cannot be read: {error}.") from None


def _check_store(db: sqlite3.Connection) -> None:
    """Every row of a store that may come from anywhere, held to what this one writes itself."""
    try:
        _check_schema(db)
        for table, columns in _COLUMNS.items():
            for row in db.execute(f"SELECT {', '.join(columns)} FROM main.{table}"):
                for cell, (column, kind) in zip(row, columns.items(), strict=True):
                    endless = isinstance(cell, float) and not math.isfinite(cell)
                    fits = isinstance(cell, _KINDS[kind]) and not endless
                    if not fits or (column == "at" and not 0 <= cell < LATEST):
                        raise StoreError(f"{table}.{column} holds {str(cell)[:60]!r}.")
                _CHECKS.get(table, lambda _: None)(dict(zip(columns, row, strict=True)))
    except (sqlite3.Error, ValueError, KeyError, TypeError, RecursionError) as error:
        raise StoreError(f"the bundle's store is damaged: {error}.") from None
    except StoreError as error:
        raise StoreError(f"the bundle's store is refused: {error}") from None


def _check_schema(db: sqlite3.Connection) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version != SCHEMA_VERSION:
        raise StoreError(f"it is of format {version}; expected {SCHEMA_VERSION}.")
    if db.execute("PRAGMA quick_check").fetchall() != [("ok",)]:
        raise StoreError("its pages do not fit together.")
    for kind, name in db.execute("SELECT type, tbl_name FROM sqlite_master"):
        if kind not in ("table", "index") or name not in _COLUMNS:
            raise StoreError(f"it holds a {kind} of {name!r}.")
    for table, columns in _COLUMNS.items():
        have = [row[1] for row in db.execute(f"PRAGMA main.table_info({table})")]
        if have != list(columns):
            raise StoreError(f"its table {table} has other columns.")


def _check_completion(row: Mapping[str, Any]) -> None:
    request = json.loads(row["request"])
    turns = [isinstance(role, str) and isinstance(text, str) for role, text in request["messages"]]
    parts = (("model", str), ("sampling", dict), ("index", int), ("schema", str | None))
    if not all(turns) or not all(isinstance(request[name], kind) for name, kind in parts):
        raise StoreError(f"the request of {row['key'][:16]!r} cannot be read.")
    # a text with half of a surrogate pair is kept with U+FFFD in its place, and cannot be hashed
    if digest(request) != row["key"] and "\ufffd" not in row["request"]:
        raise StoreError(f"the answer {row['key'][:16]!r} belongs to another request.")
    if not re.fullmatch("[0-9a-f]{32}", row["key"]) or ask(request) != row["ask"]:
        raise StoreError(f"the answer {row['key'][:16]!r} has a key that is none.")
    if row["logprobs"] is not None:
        for token, value in json.loads(row["logprobs"]):
            if not isinstance(token, str) or not isinstance(value, int | float):
                raise StoreError("a log-probability is no number.")


def _check_run(row: Mapping[str, Any]) -> None:
    ledger = json.loads(row["ledger"])
    if not isinstance(ledger, dict) or not _LEDGER.issuperset(ledger):
        raise StoreError("a run's ledger cannot be read.")
    Ledger(**ledger)
    for name, value in ledger.items():
        kinds = str if name == "stopped" else int | float | None
        if not isinstance(value, kinds) or (value is None and name != "cost"):
            raise StoreError(f"a run's {name} is {value!r}.")


def _check_mark(row: Mapping[str, Any]) -> None:
    edit = json.loads(row["edit"])
    if not isinstance(edit, dict) or not all(isinstance(text, str) for text in edit.values()):
        raise StoreError("a mark's edit cannot be read.")
    if row["act"] not in ("mark", "undo", "redo"):
        raise StoreError(f"a mark's act is {row['act']!r}.")


def _check_rows(row: Mapping[str, Any]) -> None:
    if len(row["made"]) % 8 or len(row["rejected"]) % 8:
        raise StoreError("a run's rows cannot be read.")


def _check_origin(row: Mapping[str, Any]) -> None:
    if not re.fullmatch("[0-9a-f]{16}", row["row"]) or len(row["keys"]) % 16 or not row["keys"]:
        raise StoreError(f"what the row {row['row'][:16]!r} rests on cannot be read.")


def _check_lab(row: Mapping[str, Any]) -> None:
    if not isinstance(json.loads(row["body"]), dict):
        raise StoreError("a lab cannot be read.")


def _check_filter(row: Mapping[str, Any]) -> None:
    if not isinstance(json.loads(row["body"]), dict) or row["version"] < 1:
        raise StoreError("a learned filter cannot be read.")


def _check_curation(row: Mapping[str, Any]) -> None:
    for name, rows, kept, reasons in json.loads(row["funnel"]):
        counts = [rows, kept, *reasons.values()]
        if not isinstance(name, str) or not all(type(one) is int for one in counts):
            raise StoreError("a curation's funnel cannot be read.")


def _check_evaluation(row: Mapping[str, Any]) -> None:
    opened(row["body"], row["rows"])


_CHECKS = {
    "completions": _check_completion,
    "runs": _check_run,
    "marks": _check_mark,
    "run_rows": _check_rows,
    "origins": _check_origin,
    "labs": _check_lab,
    "curations": _check_curation,
    "filters": _check_filter,
    "evaluations": _check_evaluation,
}


def _merge(db: sqlite3.Connection, other: sqlite3.Connection) -> dict[str, Any]:
    db.executemany("INSERT INTO models VALUES (?,?) ON CONFLICT DO NOTHING", _rows(other, "models"))
    before = db.total_changes
    db.executemany(
        "INSERT INTO completions VALUES (?,?,?,?,?,?,?,?,?,?) ON CONFLICT DO NOTHING",
        _rows(other, "completions"),
    )
    completions = db.total_changes - before
    db.executemany(
        "INSERT INTO origins VALUES (?,?) ON CONFLICT DO NOTHING", _rows(other, "origins")
    )
    return {
        "completions": completions,
        "runs": _merge_runs(db, other),
        "marks": _merge_marks(db, other),
        "labs": _merge_labs(db, other),
        "curations": _merge_curations(db, other),
        "filters": _merge_filters(db, other),
        "evaluations": _merge_evaluations(db, other),
    }


def _rows(db: sqlite3.Connection, table: str) -> Iterator[Row]:
    yield from db.execute(f"SELECT * FROM main.{table} ORDER BY rowid")


def _merge_runs(db: sqlite3.Connection, other: sqlite3.Connection) -> int:
    here = {run[1:] for run in _rows(db, "runs")}
    details = {row[0]: row[1:] for row in _rows(other, "run_rows")}
    added = 0
    for number, *run in _rows(other, "runs"):
        if tuple(run) in here:
            continue
        insert = "INSERT INTO runs (name, model, prompt, at, rows, ledger) VALUES (?,?,?,?,?,?)"
        new = db.execute(insert, run).lastrowid
        if number in details:
            db.execute("INSERT INTO run_rows VALUES (?,?,?,?)", (new, *details[number]))
        added += 1
    return added


def _merge_marks(db: sqlite3.Connection, other: sqlite3.Connection) -> int:
    """Put the marks that are not here among the others by their time: the last one stands.

    Steps are numbered anew, so that none is the step of a mark that has nothing to do with it.
    """
    here = list(_rows(db, "marks"))
    held: defaultdict[Row, list[int]] = defaultdict(list)
    for row in reversed(here):
        held[row[1:-1]].append(row[-1])
    top = max((max(row[0], row[-1]) for row in here), default=0)
    steps: dict[int, int] = {}
    new: list[Row] = []
    for row in _rows(other, "marks"):
        mark, step = row[1:-1], row[-1]
        if held[mark]:
            steps[step] = held[mark].pop()
            continue
        steps.setdefault(step, top + len(new) + 1)
        new.append((None, *mark, steps[step]))
    if new:
        time = list(_COLUMNS["marks"]).index("at")
        merged = heapq.merge(here, new, key=lambda row: row[time])
        db.execute("DELETE FROM marks")
        start = top - len(here)
        rows = ((start + place, *row[1:]) for place, row in enumerate(merged, 1))
        db.executemany(f"INSERT INTO marks VALUES ({','.join('?' * 12)})", rows)
    return len(new)


def _merge_labs(db: sqlite3.Connection, other: sqlite3.Connection) -> dict[str, str]:
    here = dict(db.execute("SELECT name, body FROM labs"))
    added: dict[str, str] = {}
    for name, body, at in _rows(other, "labs"):
        names: Sequence[str] = [name, *(f"{name}-{n}" for n in range(2, 1000))]
        free = next((one for one in names if here.get(one) in (None, body)), None)
        if free is None or free in here:
            continue
        db.execute("INSERT INTO labs VALUES (?,?,?)", (free, body, at))
        here[free] = body
        added[name] = free
    return added


def _merge_curations(db: sqlite3.Connection, other: sqlite3.Connection) -> int:
    here = {row[1:] for row in _rows(db, "curations")}
    verdicts: defaultdict[int, list[Row]] = defaultdict(list)
    for id, number, *said in _rows(other, "verdicts"):
        verdicts[number].append((id, *said))
    added = 0
    for number, *curation in _rows(other, "curations"):
        if tuple(curation) in here:
            continue
        insert = "INSERT INTO curations (name, at, funnel) VALUES (?,?,?)"
        new = db.execute(insert, curation).lastrowid
        rows = ((id, new, *said) for id, *said in verdicts[number])
        db.executemany("INSERT INTO verdicts VALUES (?,?,?,?)", rows)
        added += 1
    return added


def _merge_filters(db: sqlite3.Connection, other: sqlite3.Connection) -> int:
    """Learned filters that are not here; one of a name that is, is a further version of it."""
    here = {(name, body) for name, _, body, _ in _rows(db, "filters")}
    added = 0
    for name, _, body, at in _rows(other, "filters"):
        if (name, body) not in here:
            db.execute(ADD_FILTER, {"name": name, "body": body, "at": at})
            added += 1
    return added


def _merge_evaluations(db: sqlite3.Connection, other: sqlite3.Connection) -> int:
    here = {row[1:] for row in _rows(db, "evaluations")}
    new = [row[1:] for row in _rows(other, "evaluations") if row[1:] not in here]
    insert = "INSERT INTO evaluations (name, at, body, rows) VALUES (?,?,?,?)"
    db.executemany(insert, new)
    return len(new)
