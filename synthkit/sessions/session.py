"""The session: a folder that holds everything that was generated, and can be resumed anywhere.

``store.sqlite`` has the completions, runs, marks and so on; ``tables/`` has the named tables as
Parquet. The folder can be copied, zipped or moved. In place of ``store.sqlite``, ``store.url`` can
name a PostgreSQL database, which several machines use at once.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import TableError, UsageError
from synthkit.core.models import Model
from synthkit.core.types import Mark, Request
from synthkit.curate.filters.base import Filter
from synthkit.curate.marks.tables import MarkLog
from synthkit.data.results import Curation
from synthkit.data.tables import column, columns, is_table
from synthkit.sessions import curations, inputs, inventory, named_tables, people
from synthkit.sessions.opening import OPEN, TABLES, open_store, store_of_new
from synthkit.store.completions import StoredCompletion

if TYPE_CHECKING:
    from synthkit.curate.marks.learned_filter import LearnedFilter
    from synthkit.evaluate.results import Report
    from synthkit.sessions.attached import Attached
    from synthkit.sessions.batches import Batches
    from synthkit.sessions.bundle_import import Imported
    from synthkit.sessions.claims import Claim
    from synthkit.sessions.deletion import Deletion
    from synthkit.sessions.run_comparison import Comparison
    from synthkit.share.card import Card
    from synthkit.share.hub import Push
    from synthkit.share.model_card import ModelCard
    from synthkit.stats.classifier import Embed

MEMORY = ":memory:"
"""In place of a folder: a session that ends with the program."""


class Session:
    """A folder of completions, runs, marks and named tables.

    Several kernels can use one folder at once. One that may only be read can be read and replayed.

    Parameters
    ----------
    folder : created if it does not exist; ``":memory:"`` is a temporary folder, deleted when the
        session is closed or the program ends.
    store : the URL of a PostgreSQL database in which the store of a new folder is kept, such as
        ``postgresql://maya@db.example.org/team#reviews``; the folder remembers it. After ``#`` is
        the name of the session, by default that of the folder. It has no password, which is in
        ``~/.pgpass``, ``PGPASSWORD`` or the variable of ``?password_env=NAME``. If it is empty,
        ``SYNTHKIT_STORE`` has it, or else the store is an SQLite file.

    Raises
    ------
    UsageError
        If the URL is not valid, or the folder has another store.
    StoreError
        If the folder cannot be created, or its store cannot be opened.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Session(folder) as session:
    ...     session.save("facts", [{"id": "a1", "text": "Bread rises."}])
    ...     session.names(), session.load("facts")["text"].tolist()
    (['facts'], ['Bread rises.'])
    """

    def __init__(self, folder: Path | str, *, store: str = "") -> None:
        self._temporary = str(folder) == MEMORY
        self._process = os.getpid()
        folder = tempfile.mkdtemp(prefix="synthkit-") if self._temporary else folder
        self.folder = Path(folder).expanduser().absolute()
        self._tables = self.folder / TABLES
        url = store or ("" if self._temporary else store_of_new(self.folder))
        self.store = open_store(self.folder, url)
        self.attached: list[Attached] = []
        self.closed = False
        OPEN.append(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Session({(MEMORY if self._temporary else self.folder.name)!r})"

    @property
    def table_folder(self) -> Path:
        """The folder of the named tables.

        Raises
        ------
        StoreError
            If the session folder was deleted or replaced since it was opened.
        """
        self.store.check_present()
        return self._tables

    @property
    def read_only(self) -> bool:
        """Whether the folder may only be read, so that nothing can be added to the session."""
        return self.store.read_only

    def save(self, name: str, table: Any, *, origin: named_tables.Origin | None = None) -> None:
        """Save a table of any kind; it replaces the table of that name, and is on disk then."""
        self.store.check_writable()
        named_tables.save(self.table_folder, name, table, origin)

    def load(self, name: str) -> Any:
        """The table of that name, as a pandas DataFrame; without one, what a cell named so.

        Raises
        ------
        TableError
            If there is neither.
        StoreError
            If its file is damaged.
        """
        if name not in self.names():
            if name in self.store.inputs.all():
                return inputs.named(self.store, name)
            if other := next((each for each in self.attached if name in each.names()), None):
                return other.load(name)
        return named_tables.load(self.table_folder, name)

    def inputs(self) -> list[str]:
        """The names of what cells were given, such as ``--examples demos``; :meth:`load` has it.

        Also those of all that attached sessions have.
        """
        return sorted({*self.store.inputs.all()}.union(*(each.names() for each in self.attached)))

    def attach(self, source: Path | str, *, read_only: bool = True) -> None:
        """Find here what another session holds; see :func:`synthkit.sessions.attached.attach`."""
        from synthkit.sessions import attached

        self.attached.append(attached.attach(self.store, source, read_only=read_only))

    @property
    def batches(self) -> Batches:
        """What was submitted to batch APIs: list, cancel, forget."""
        from synthkit.sessions.batches import Batches

        return Batches(self.store)

    @property
    def person(self) -> str:
        """The name that goes with marks and answers into bundles, ``"me"`` until it is set."""
        return people.person(self.store)

    @person.setter
    def person(self, name: str) -> None:
        people.name_person(self.store, name)

    def names(self) -> list[str]:
        """The names of the tables, sorted."""
        return named_tables.names(self.table_folder)

    def tables(self) -> Any:
        """A DataFrame with one row per named table, the newest first.

        ``columns`` is their number, ``bytes`` the size of the file, ``when`` its time (UTC),
        ``runs`` the runs that returned its rows, and ``marks`` a dict of label -> number of marks.
        """
        return inventory.table_frame(self.store, self.table_folder)

    def lineage(self) -> Any:
        """A DataFrame of which named table comes from which: source, target, kind, rows.

        ``kind`` is ``"part of"``, ``"generated from"`` or ``"read from"`` (files).
        """
        return inventory.lineage_frame(self.store, self.table_folder)

    def sizes(self) -> dict[str, int]:
        """Bytes on disk of each part of the store, of its free space, and of the tables."""
        return inventory.sizes(self.store, self.table_folder)

    def runs(self) -> Any:
        """A DataFrame with one row per run: name, model, prompt, rows and the ledger."""
        return inventory.run_frame(self.store)

    def cost(self) -> Any:
        """A DataFrame of the requests, tokens and US dollars of each run, with running totals."""
        return inventory.cost_frame(self.store)

    def cell(self, run: int) -> str:
        """The ``%%synth`` cell of a run; for a run started in Python, made from name and prompt.

        A number without a run is a :class:`~synthkit.core.errors.UsageError`.
        """
        return inventory.cell(self.store, run)

    def compare(self, a: int | str, b: int | str) -> Comparison:
        """Compare two runs, each by its number or by the name of its table.

        A run or table that is not there is a :class:`~synthkit.core.errors.UsageError`.
        """
        from synthkit.sessions import run_comparison

        return run_comparison.compare(self.store, self.table_folder, a, b)

    def would_delete(
        self, *, runs: Sequence[int] = (), tables: Sequence[str] = (), completions: bool = False
    ) -> Deletion:
        """What :meth:`delete` would remove, and what would stay."""
        from synthkit.sessions import deletion

        return deletion.would_delete(self.store, self.table_folder, runs, tables, completions)

    def delete(
        self, *, runs: Sequence[int] = (), tables: Sequence[str] = (), completions: bool = False
    ) -> Deletion:
        """Delete runs, with the tables they returned, and tables: completely or not at all.

        Parameters
        ----------
        completions : delete also the completions that no other run, table or mark needs. If they
            stay, a run with the same requests finds them again.

        Raises
        ------
        UsageError, TableError
            If there is no such run or table.
        StoreError
            If the folder cannot be written.
        """
        from synthkit.sessions import deletion

        return deletion.delete(self.store, self.table_folder, runs, tables, completions)

    def export(self, path: Path | str, tables: Sequence[str] | None = None, **options: Any) -> Path:
        """Write the session, or some tables with all they need, to one .zip; returns its path.

        ``options`` are those of :func:`synthkit.sessions.bundle_export.export`.

        Raises
        ------
        UsageError
            If the path cannot be written, or exists and ``over`` is not set.
        """
        from synthkit.sessions import bundle_export

        return bundle_export.export(self.store, self.table_folder, path, tables, **options)

    def import_bundle(self, path: Path | str) -> Imported:
        """Add what another session exported, and return what was new.

        Raises
        ------
        StoreError
            If the file is not a valid bundle; nothing is changed then.
        """
        from synthkit.sessions import bundle_import

        return bundle_import.import_bundle(self.store, self.table_folder, path)

    def trace(self, row: str) -> list[StoredCompletion]:
        """The requests and completions that a row is based on, by its id.

        Those of the row that it was generated from are found by the id in its column ``parent``.

        Raises
        ------
        TableError
            If nothing in this session has that id.
        """
        is_id = re.fullmatch(r"[0-9a-f]{4,32}", row)
        if completions := self.store.completions.for_row(row) if is_id else []:
            return completions
        raise TableError(
            f"no row {row!r} in {self}; expected the 'id' of a row generated in this session."
        )

    def explain(self, request: Request, model: Model) -> str:
        """Why the completion of a request is not stored here; empty if it is."""
        return self.store.completions.explain(request.payload(model.fingerprint))

    def mark(
        self, ids: str | Iterable[str], label: str, *, by: str, reason: str = "", task: str = ""
    ) -> list[Mark]:
        """Mark rows, in one step of one annotator; returns the stored marks.

        Parameters
        ----------
        ids : of the rows, or a table with a column ``id``.
        label : such as ``"accept"`` or ``"reject"``; ``""`` takes a mark back.

        Raises
        ------
        UsageError
            If the label or the name of the annotator is no text.
        TableError
            If the table has no column ``id``.
        """
        for option, text in (("label", label), ("by", by)):
            if not isinstance(text, str):
                raise UsageError(f"expected a text for {option}=, such as 'accept'; got {text!r}.")
        by = people.composed(by)
        mark = Mark(id="", label=label, reason=reason, by=by, task=task, at=time.time())
        row_ids = [ids] if isinstance(ids, str) else ids
        if is_table(row_ids) and columns(row_ids):
            row_ids = column(row_ids, "id")
        return self.store.marks.add([replace(mark, id=str(id)) for id in row_ids])

    def marks(self, *, task: str | None = None, rows: Sequence[str] | None = None) -> MarkLog:
        """All marks ever written, the oldest first; or those of one task or of some rows.

        A notebook shows the list as a table; its ``frame`` is a DataFrame.
        :func:`synthkit.curate.marks.history.current_marks` selects the current ones;
        :func:`synthkit.curate.split_by_marks` applies them.
        """
        marks = self.store.marks.all() if rows is None else self.store.marks.for_rows(rows)
        return MarkLog(mark for mark in marks if task in (None, mark.task))

    def curate(self, table: Any | Curation, *filters: Filter, name: str = "") -> Curation:
        """Apply filters as :func:`synthkit.curate.apply_filters` does, and record each verdict.

        Parameters
        ----------
        name : of the table.

        Examples
        --------
        >>> import tempfile
        >>> from synthkit.curate import by_column
        >>> with tempfile.TemporaryDirectory() as folder, Session(folder) as session:
        ...     rows = [{"id": "a", "score": 5}, {"id": "b", "score": 2}]
        ...     curation = session.curate(rows, by_column("score", least=4), name="answers")
        ...     curation, session.verdicts()["why"].tolist()
        (Curation(1 kept, 1 dropped), ['score too low: 2', ''])
        """
        return curations.curate(self.store, table, filters, name)

    def split(
        self, table: Any, shares: Mapping[str, float], *, name: str = "", **options: Any
    ) -> Any:
        """Splits of a table, as :func:`synthkit.splits` returns them; each row's is recorded."""
        return curations.split(self.store, table, shares, name, options)

    def remember(self, curation: Curation, *, name: str = "") -> int:
        """Record the verdict on each row of any curation, and return the curation's number."""
        return curations.record(self.store, curation, name)

    def verdicts(self, rows: Sequence[str] | None = None) -> Any:
        """A DataFrame of the verdicts on some rows, or on all, the oldest first.

        ``verdict`` is ``"kept"`` or ``"dropped"``, by ``filter``, for the reason ``why``.
        """
        return curations.verdict_frame(self.store, rows)

    def learn(self, table: Any, *, name: str, embed: Embed, **options: Any) -> LearnedFilter:
        """Learn a filter from the marks on a table; see ``sessions.learned_filters.learn``."""
        from synthkit.sessions import learned_filters

        return learned_filters.learn(self.store, table, name=name, embed=embed, **options)

    def learned(self, name: str, *, embed: Embed, version: int | None = None) -> LearnedFilter:
        """The learned filter of that name; the latest version if none is given.

        One that is not there, or was learned with another embedder, is a ``UsageError``.
        """
        from synthkit.sessions import learned_filters

        return learned_filters.load(self.store, name, version, embed)

    def filters(self) -> Any:
        """A DataFrame of the learned filters: name, version, and time of learning (UTC)."""
        from synthkit.sessions import learned_filters

        return learned_filters.filter_frame(self.store)

    def evaluate(self, table: Any, *, name: str, task: str = "", **options: Any) -> Report:
        """Evaluate a table and its marks of a task, and store the report.

        ``options`` are those of :func:`synthkit.evaluate.report`.
        """
        from synthkit.sessions import evaluations

        return evaluations.evaluate(self.store, table, name, task, options)

    def scores(self, name: str | None = None) -> Any:
        """A DataFrame with one row per score of all evaluations, or of one table's, in order.

        See :class:`~synthkit.core.types.Score` for the columns; ``at`` is the time (UTC).
        """
        from synthkit.sessions import evaluations

        return evaluations.score_frame(self.store, name)

    def claim(self, text: str) -> Claim:
        """Check a claim over stored scores, and store it; see :mod:`synthkit.sessions.claims`."""
        from synthkit.sessions import claims

        return claims.add(self.store, text)

    def card(self, table: Any, *, name: str = "") -> Card | ModelCard:
        """The card of a table, splits or a trained model; see ``sessions.card_facts.card``."""
        from synthkit.sessions import card_facts, model_facts

        if model_facts.is_trained(table):
            return model_facts.model_card(self.store, self.table_folder, table, name)
        return card_facts.card(self.store, self.table_folder, table, name)

    def push(self, what: Any, repository: str, *, name: str = "", private: bool = True) -> Push:
        """What a push to the Hub would send, which ``send()`` does; see ``sessions.publishing``."""
        from synthkit.sessions import publishing

        options: dict[str, Any] = {"name": name, "private": private}
        return publishing.prepare(self.store, self.folder, what, repository, **options)

    def compare_scores(self, a: int | str, b: int | str, *, seed: int = 0) -> Any:
        """A DataFrame of the differences between two evaluations, by number or table name.

        One row per metric that both have; see ``sessions.score_comparison.compare_scores``.
        """
        from synthkit.sessions import score_comparison

        return score_comparison.comparison_frame(self.store, a, b, seed=seed)

    def close(self) -> None:
        """Close the store, so that the folder can be copied. Closing twice does nothing."""
        if not self.closed:
            self.closed = True
            OPEN.remove(self)
            for store in (*(each.store for each in self.attached), self.store):
                store.close()
            if self._temporary and self._process == os.getpid():  # a fork leaves it to its parent
                shutil.rmtree(self.folder, ignore_errors=True)
