"""Folders for the Hub: a table or its splits with card and Croissant, or a model with its card."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from synthkit.core.errors import UsageError
from synthkit.sessions import card_facts, model_facts, named_tables
from synthkit.sessions.opening import TABLES
from synthkit.share._croissant import FILE, croissant
from synthkit.share.export import is_splits, save
from synthkit.share.findings import Finding, find_in_table, find_in_text
from synthkit.share.hub import Push, check_repository
from synthkit.store.store import Store

FOLDER = "push"
"""Where the folders are built, in that of the session."""
_SPLIT = re.compile(r"\w+(\.\w+)*")
_LEFT = (".lock", ".partial", "optimizer.pt", "scheduler.pt", "rng_state.pth", "README.md")
"""Ends of the names of files in the folder of a model that are not pushed."""


def prepare(
    store: Store, home: Path, what: Any, repository: str, *, name: str = "", private: bool = True
) -> Push:
    """Build the folder of a push, search it for secrets and personal data, and ask the Hub.

    Nothing is sent before :meth:`synthkit.share.hub.Push.send`.

    Parameters
    ----------
    home : the folder of the session, in which that of the push is built.
    what : a table of any kind or its name, name -> table for splits, or a model trained here.
    repository : ``owner/name``.
    name : the title of the card; the name in the repository if empty.

    Raises
    ------
    UsageError
        If the table has no column ``id``, or the name of a split or the repository is not valid.
    """
    store.check_writable()
    check_repository(repository)  # before a folder of that name is replaced
    name = name or repository.rpartition("/")[2]
    folder = home / FOLDER / repository.replace("/", "--")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if model_facts.is_trained(what):
        findings = _model(store, home, what, folder, name)
        return Push(folder, repository, "model", private, findings)
    if isinstance(what, str):
        what = named_tables.load(home / TABLES, what)
    parts = what if is_splits(what) else {"train": what}
    findings = _dataset(store, home, parts, folder, name)
    return Push(folder, repository, "dataset", private, findings)


def _dataset(
    store: Store, home: Path, parts: Mapping[str, Any], folder: Path, name: str
) -> list[Finding]:
    """Write a Parquet file for each part, the card and the Croissant metadata."""
    for part in parts:
        if not _SPLIT.fullmatch(part):
            raise UsageError(f"a split on the Hub has letters, digits, _ and dots; got {part!r}.")
    (folder / "data").mkdir()
    files = {part: save(rows, folder / "data" / f"{part}.parquet") for part, rows in parts.items()}
    paths = {part: f"data/{part}.parquet" for part in parts}
    card = card_facts.card(store, home / TABLES, parts, name, files=paths)
    card.save(folder / "README.md")
    metadata = croissant(files, name=name, root=folder)
    (folder / FILE).write_text(json.dumps(metadata, indent=1, ensure_ascii=False))
    findings = [each for part, rows in parts.items() for each in find_in_table(rows, part)]
    return findings + find_in_text(str(card), "README.md")


def _model(store: Store, home: Path, model: Any, folder: Path, name: str) -> list[Finding]:
    """Link the files of a model, and write its card; paths of this machine are left out."""
    findings: list[Finding] = []
    spec = str(model.record["base"]["spec"])
    public = model_facts.public_name(spec)
    for path in sorted(Path(model.folder).rglob("*")):
        place = folder / path.relative_to(model.folder)
        if not path.is_file() or path.name.endswith(_LEFT):
            continue
        place.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".json":
            text = path.read_text(encoding="utf-8").replace(json.dumps(spec), json.dumps(public))
            place.write_text(text, encoding="utf-8")
            findings += find_in_text(text, path.name, personal=False)
        else:
            _link(path, place)
    card = model_facts.model_card(store, home / TABLES, model, name)
    card.save(folder / "README.md")
    return findings + find_in_text(str(card), "README.md")


def _link(path: Path, place: Path) -> None:
    """Give a file a second name, or copy it where that is not possible."""
    try:
        os.link(path, place)
    except OSError:
        shutil.copyfile(path, place)
