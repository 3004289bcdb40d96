"""What a bundle holds: the reduced store, tables and what belongs to them, and the seal of all."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from synthkit.core.environment import warn
from synthkit.core.errors import StoreError, UsageError
from synthkit.core.secrets import looks_secret
from synthkit.sessions import (
    bundle_notebooks,
    bundle_trainings,
    card_facts,
    claims,
    inputs,
    named_tables,
)
from synthkit.sessions.bundle_seal import SEAL, STORE, seal
from synthkit.sessions.named_tables import NamedTable, path_of
from synthkit.sessions.row_origins import Ancestry
from synthkit.store.store import Store

CARDS = "cards"
NOTEBOOKS = "notebooks"
FOLDERS = (
    "tables", inputs.FOLDER, CARDS, bundle_notebooks.FIGURES, bundle_trainings.RECORDS
)  # fmt: skip
_FOLDERS = re.compile(r"(?<![\w.@/\\-])(?:~|[A-Za-z]:)?[/\\](?:[^\s'\"=,:]*[/\\])?")
"""The folders of an absolute path in a cell line."""


def collect(
    store: Store,
    folder: Path,
    scratch: Path,
    tables: Sequence[NamedTable],
    *,
    whole: bool,
    notebooks: Sequence[Path],
    allow_secrets: bool,
    marks: bool,
) -> tuple[list[str], dict[str, int]]:
    """Write the members of a bundle into a folder; returns their names, and counts of records.

    Parameters
    ----------
    whole : the store stays whole; otherwise it is reduced to what the tables need.
    notebooks : whose hashes and figures belong to the bundle.
    allow_secrets : do not look for secrets in prompts and lines.
    marks : keep marks, evaluations and claims.

    Raises
    ------
    StoreError
        If a table is damaged that was chosen; in a whole session it is left out with a warning.
    """
    for name in FOLDERS:
        (scratch / name).mkdir()
    tables = [
        table
        for table in tables
        if _copied(path_of(folder, table.name), scratch / "tables", f"table {table.name!r}", whole)
    ]
    for table in tables:
        target = path_of(scratch / "tables", table.name)
        if table.origin and (source := Path(table.origin.source).expanduser()).is_absolute():
            named_tables.note_origin(target, replace(table.origin, source=source.name))
    store.backup(scratch / STORE)
    with closing(Store(scratch / STORE, log=False)) as copy:
        if marks:
            store.marks.give_attached(copy.marks)
        else:
            copy.marks.keep(())
            copy.evaluations.keep(())
            copy.evaluations.claims.keep(())
        _reduce(store, copy, folder, None if whole else tables)
        if not allow_secrets:
            _check_secrets(copy)
        for content in sorted(inputs.used(copy)):
            if (source := inputs.path_of(store, content)).exists():
                _copied(source, scratch / inputs.FOLDER, f"input table {content} of a run")
        for table in tables:
            if "id" in table.columns:
                _write_card(copy, scratch, table.name)
        asked = None if whole else copy.models.names()
        bundle_trainings.save(folder.parent, scratch / bundle_trainings.RECORDS, asked)
        counts = copy.counts() | {"tables": len(tables)}
    bundle_notebooks.save_figures(notebooks, scratch / bundle_notebooks.FIGURES)
    members = [STORE, *(f"{kind}/{path.name}" for kind, path in _files(scratch))]
    sealed = seal(scratch, members)
    sealed[NOTEBOOKS] = {path.name: bundle_notebooks.hashes(path) for path in notebooks}
    (scratch / SEAL).write_text(json.dumps(sealed, sort_keys=True), encoding="utf-8")
    return [*members, SEAL], counts


def _copied(source: Path, folder: Path, what: str, may_lack: bool = True) -> bool:
    """Copy a file, since another kernel may replace it meanwhile; ``False`` if it is damaged."""
    target = Path(shutil.copy2(source, folder))
    why = named_tables.damage(target)
    if not why:
        return True
    if not may_lack:
        raise StoreError(
            f"the {what} is damaged: {why}. Make it again with its cell, or export other tables."
        )
    target.unlink()
    warn(f"the {what} is damaged and is left out: {why}.", RuntimeWarning, stacklevel=2)
    return False


def _files(scratch: Path) -> Iterator[tuple[str, Path]]:
    for kind in FOLDERS:
        for path in sorted((scratch / kind).iterdir()):
            yield kind, path


def _reduce(store: Store, copy: Store, folder: Path, tables: Sequence[NamedTable] | None) -> None:
    """Reduce the copy of a store to what the bundle needs."""
    if tables is not None:
        names = {table.name for table in tables}
        lines = " ".join(_lines(copy, names))
        copy.inputs.keep(name for name in copy.inputs.all() if re.search(rf"\b{name}\b", lines))
        ids = {id for table in tables for id in table.row_ids} | _evaluated(store, copy, names)
        copy.keep(names, Ancestry(store, folder).lines(ids))
        noted = copy.evaluations.claims
        noted.keep(n for n, body in noted.all().items() if claims.read(body).tables <= names)
    copy.leases.clear()
    copy.meta.keep(["session"])
    copy.runs.edit_lines(lambda line: _FOLDERS.sub("", line))
    if not copy.compact():  # deleted records would stay readable in its free pages
        raise StoreError("the copy of the store cannot be compacted; is the disk full?")


def _lines(store: Store, names: Collection[str]) -> list[str]:
    """The cell lines of the runs with these names."""
    rows = store.runs.all_rows()
    runs = [run["run"] for run in store.runs.all() if run["name"] in names]
    return [rows[run].line for run in runs if run in rows]


def _evaluated(store: Store, copy: Store, names: Collection[str]) -> set[str]:
    """The ids of the rows that evaluations of some tables were given, whose marks they need."""
    ids: set[str] = set()
    for _, name, _, body, _ in copy.evaluations.all():
        for content in inputs.hashes(json.loads(body)["settings"]) if name in names else ():
            if (path := inputs.path_of(store, content)).exists():
                ids |= {id for link in named_tables.links(path) for id in link if id}
    return ids


def _check_secrets(store: Store) -> None:
    """Refuse prompts and lines that hold what looks like a key.

    Raises
    ------
    UsageError
        If one does; says where.
    """
    rows = store.runs.all_rows()
    for run in store.runs.all():
        line = rows[run["run"]].line if run["run"] in rows else ""
        for what, text in (("prompt", run["prompt"]), ("line", line)):
            if looks_secret(text):
                raise UsageError(
                    f"the {what} of run {run['run']} {run['name']} holds what looks like a key or "
                    "a password. Delete the run, or export with --allow-secrets if it is none."
                )
    for name in store.labs.names():
        if looks_secret(json.dumps(store.labs.get(name), ensure_ascii=False)):
            raise UsageError(
                f"the lab {name} holds what looks like a key or a password. Change its prompts, or "
                "export with --allow-secrets if it is none."
            )


def _write_card(store: Store, scratch: Path, name: str) -> None:
    card = card_facts.card(store, scratch / "tables", name, "")
    facts: dict[str, Any] = asdict(card.facts)
    text = json.dumps(facts, indent=1, ensure_ascii=False)
    (scratch / CARDS / f"{name}.json").write_text(text, encoding="utf-8")
    (scratch / CARDS / f"{name}.md").write_text(str(card), encoding="utf-8")
