"""The session: a folder that holds all that was generated, and from which everything resumes.

``store.sqlite`` has every completion and run; ``tables/`` has the named tables as Parquet. Copy,
zip or move the folder, and it goes on from there.
"""

from __future__ import annotations

import atexit
import os
import re
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthkit.core.errors import StoreError, TableError, UsageError, unknown
from synthkit.core.extras import need
from synthkit.core.types import Mark, Model, Request
from synthkit.curate.filters.base import Filter, apply_filters, texts
from synthkit.curate.marks.history import accepted, skipped
from synthkit.data import tables as tables
from synthkit.data.results import Curation
from synthkit.sessions import bundle_export, curations, deletion, evaluations, inventory
from synthkit.sessions.bundle_import import Imported, take_in
from synthkit.sessions.deletion import Removal
from synthkit.sessions.run_comparison import Comparison, compare
from synthkit.store.store import Store, Stored

if TYPE_CHECKING:
    from synthkit.curate.marks.learned_filter import LearnedFilter
    from synthkit.evaluate.results import Report
    from synthkit.stats.classifier import Embed

FOLDER = ".synthkit"


class Session:
    """A folder of completions, runs and named tables.

    Several kernels may use one folder at once. Nothing else keeps state in synthkit.

    Parameters
    ----------
    folder : made if it does not exist.

    Raises
    ------
    StoreError
        If the folder cannot be made, or holds something that is no store.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder, Session(folder) as session:
    ...     session.save("facts", [{"id": "a1", "text": "Bread rises."}])
    ...     session.names(), session.load("facts")["text"].tolist()
    (['facts'], ['Bread rises.'])
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder).expanduser().absolute()
        try:
            (self.folder / "tables").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the session folder {folder} cannot be made: {error}.") from None
        self.store = Store(self.folder / "store.sqlite")
        self.closed = False
        _OPEN.append(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Session({self.folder.name!r})"

    def save(self, name: str, table: Any) -> None:
        """Keep a table under a name, in place of the one that had it; whole or not at all."""
        parquet = need("pyarrow.parquet", extra="data", why="to keep a table")
        path = self._path(name)
        arrow = tables.storable(table)
        partial = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.partial")
        try:
            parquet.write_table(arrow, partial)
            os.replace(partial, path)
        except OSError as error:
            raise StoreError(f"the table {name!r} cannot be kept: {error}.") from None
        finally:
            partial.unlink(missing_ok=True)

    def load(self, name: str) -> Any:
        """The table kept under a name, as a pandas DataFrame.

        Raises
        ------
        TableError
            If there is none; names those there are.
        StoreError
            If its file is damaged.
        """
        path = self._path(name)
        if not path.exists():
            raise TableError(unknown("table", name, self.names()))
        pandas = need("pandas", extra="data", why="to read a table")
        try:
            return pandas.read_parquet(path)
        except (OSError, ValueError) as error:  # pyarrow's errors are among these
            raise StoreError(f"the table {name!r} cannot be read: {error}.") from None

    def names(self) -> list[str]:
        """The names of the tables kept here."""
        return sorted(path.stem for path in (self.folder / "tables").glob("*.parquet"))

    def runs(self) -> Any:
        """A DataFrame with one row for each run: name, model, prompt, rows and the ledger."""
        pandas = need("pandas", extra="data", why="to show runs")
        return pandas.DataFrame(self.store.runs())

    def tables(self) -> Any:
        """A DataFrame with one row for each kept table, the newest first.

        ``bytes`` is its file's size, ``when`` its time (UTC), ``runs`` the numbers of the runs
        that made its rows, ``marks`` label -> how many marks stand on them.
        """
        pandas = need("pandas", extra="data", why="to show tables")
        kept = inventory.shelved(self.store, self.folder / "tables")
        made = inventory.makers(self.store, kept)
        marks = inventory.labels(self.store, kept)
        facts = ("name", "rows", "columns", "bytes", "when")
        table = pandas.DataFrame(
            [[getattr(one, fact) for fact in facts] for one in kept], columns=facts
        )
        table["columns"] = table["columns"].map(len)
        table["runs"] = [sorted(made[one.name]) for one in kept]
        table["marks"] = [marks[one.name] for one in kept]
        table["when"] = pandas.to_datetime(table["when"], unit="s", utc=True)
        return table

    def lineage(self) -> Any:
        """A DataFrame of which kept table comes from which, by the ids of their rows.

        ``kind`` is ``"part of"`` or ``"generated from"``; see ``lineage.edges``.
        """
        pandas = need("pandas", extra="data", why="to show lineage")
        found = inventory.lineage(inventory.shelved(self.store, self.folder / "tables"))
        rows = [(edge.source, edge.target, edge.kind, edge.rows) for edge in found]
        return pandas.DataFrame(rows, columns=["source", "target", "kind", "rows"])

    def sizes(self) -> dict[str, int]:
        """Bytes on disk: of completions, marks, labs, runs, free room in the store, and tables."""
        files = (self.folder / "tables").glob("*.parquet")
        return {**self.store.sizes(), "tables": sum(path.stat().st_size for path in files)}

    def cost(self) -> Any:
        """A DataFrame of what each run took, and all up to it: requests, tokens, US dollars."""
        pandas = need("pandas", extra="data", why="to show costs")
        table = pandas.DataFrame(inventory.cost(self.store.runs()), columns=inventory.COSTS)
        table["at"] = pandas.to_datetime(table["at"], unit="s", utc=True)
        return table

    def cell(self, run: int) -> str:
        """The cell that asked for a run; of one asked for in Python, its name and prompt alone.

        Raises
        ------
        UsageError
            If there is no run of that number.
        """
        found = next((one for one in self.store.runs() if one["run"] == run), None)
        if found is None:
            raise UsageError(f"no run {run} in {self}; session.runs() lists them.")
        rows = self.store.run_rows(run)
        line = rows.line.strip() if rows else ""
        return f"%%synth {line or found['name'] or 'NAME'}\n{found['prompt'].rstrip()}"

    def compare(self, a: int | str, b: int | str) -> Comparison:
        """Two runs side by side, each by its number or its table's name; see :class:`Comparison`.

        Raises
        ------
        UsageError
            If there is no such run or table.
        """
        return compare(self.store, self.folder / "tables", a, b)

    def would_delete(
        self,
        *,
        runs: Sequence[int] = (),
        tables: Sequence[str] = (),
        completions: bool = False,
    ) -> Removal:
        """What :meth:`delete` would take, and what would stay."""
        return deletion.would_delete(
            self.store, self.folder / "tables", runs, tables, completions=completions
        )

    def delete(
        self,
        *,
        runs: Sequence[int] = (),
        tables: Sequence[str] = (),
        completions: bool = False,
    ) -> Removal:
        """Delete runs, with the tables they made, and tables: all of it or nothing.

        Parameters
        ----------
        completions : also the answers that nothing else rests on: no other run, kept table or
            mark. Without it a run that asks the same gets them again.

        Raises
        ------
        UsageError
            If there is no such run or table.
        StoreError
            If the folder cannot be written.
        """
        return deletion.delete(
            self.store, self.folder / "tables", runs, tables, completions=completions
        )

    def export(
        self, path: Path | str, tables: Sequence[str] | None = None, *, over: bool = False
    ) -> Path:
        """Write all this, or some tables with what they rest on, into one .zip; gives its path.

        Raises
        ------
        UsageError
            If the path cannot be written to, or there is a file (``over`` replaces it).
        """
        return bundle_export.export(self.store, self.folder / "tables", path, tables, over=over)

    def import_bundle(self, path: Path | str) -> Imported:
        """Add what another session's :meth:`export` wrote; says what that was.

        Raises
        ------
        StoreError
            If it is not whole, or not one of ours; nothing is changed then.
        """
        return take_in(self.store, self.folder / "tables", path)

    def trace(self, row: str) -> list[Stored]:
        """The requests and completions behind a row, by its id: prompt, model, sampling, answer.

        Raises
        ------
        TableError
            If nothing here has that id.
        """
        found = self.store.find(row) if re.fullmatch(r"[0-9a-f]{4,32}", row) else []
        if not found:
            raise TableError(
                f"no row {row!r} in {self}; expected the 'id' of a row generated in this session."
            )
        return found

    def explain(self, request: Request, model: Model) -> str:
        """Why a request is not held here, in words; empty if it is."""
        return self.store.explain(request.payload(model.fingerprint))

    def mark(
        self, ids: str | Iterable[str], label: str, *, by: str, reason: str = "", task: str = ""
    ) -> list[Mark]:
        """Mark rows by their ids, as one step of one annotator; the marks as they were written."""
        chosen = [ids] if isinstance(ids, str) else [str(id) for id in ids]
        said = Mark(id="", label=label, reason=reason, by=by, task=task, at=time.time())
        return self.store.add_marks([replace(said, id=id) for id in chosen]) if chosen else []

    def marks(self, *, task: str | None = None, rows: Sequence[str] | None = None) -> list[Mark]:
        """Every mark ever written here, the oldest first, or those of one task or some rows.

        ``curate.marks.standing`` says which of them count, ``curate.marks.split`` what comes of it.
        """
        return [mark for mark in self.store.marks(rows) if task in (None, mark.task)]

    def curate(self, table: Any | Curation, *filters: Filter, name: str = "") -> Curation:
        """What :func:`synthkit.curate.apply_filters` makes of a table, with each verdict remembered.

        Parameters
        ----------
        name : what the table is called.

        Examples
        --------
        >>> import tempfile
        >>> from synthkit.curate import by_column
        >>> with tempfile.TemporaryDirectory() as folder, Session(folder) as session:
        ...     rows = [{"id": "a", "score": 5}, {"id": "b", "score": 2}]
        ...     made = session.curate(rows, by_column("score", least=4), name="answers")
        ...     made, session.verdicts()["why"].tolist()
        (Curation(1 kept, 1 dropped), ['score too low: 2', ''])
        """
        made = apply_filters(table, *filters)
        self.remember(made, name=name)
        return made

    def remember(self, curation: Curation, *, name: str = "") -> int:
        """Write down what any verb of :mod:`synthkit.curate` decided of each row.

        Returns
        -------
        The curation's number.
        """
        return curations.remember(self.store, curation, name)

    def verdicts(self, rows: Sequence[str] | None = None) -> Any:
        """A DataFrame of what was decided of some rows, or of all, in the order in which it was.

        ``verdict`` is ``"kept"`` or ``"dropped"``; then ``filter`` and ``why`` say by what and why.
        """
        pandas = need("pandas", extra="data", why="to show verdicts")
        found = curations.verdicts(self.store, rows)
        table = pandas.DataFrame(found, columns=curations.VERDICTS)
        table["at"] = pandas.to_datetime(table["at"].astype(float), unit="s", utc=True)
        return table

    def learn(
        self,
        table: Any,
        *,
        name: str,
        embed: Embed,
        column: str | None = None,
        task: str = "",
        threshold: float | None = None,
        precision: float | None = None,
        seed: int = 0,
    ) -> LearnedFilter:
        """A filter learned from the marks on a table, kept under a name as its next version.

        Of several annotators the majority decides; see :func:`synthkit.curate.learn` for what it
        learns and says, and :func:`synthkit.curate.learned` for its use.

        Parameters
        ----------
        embed : texts -> (n, d) numbers, such as ``load_embedder("wordllama").embed``.
        column : of the texts; the one with the longest if not given.
        task : the question that was marked.
        """
        from synthkit.curate.marks.learning import learn

        held = tables.identified(table)
        place = {str(id): at for at, id in enumerate(tables.column(held, "id"))}
        said = self.marks(task=task, rows=list(place))
        column = column or tables.text_column(held)
        found = learn(
            texts(held, column),
            {place[id]: yes for id, yes in accepted(said).items()},
            skipped=[place[id] for id in skipped(said)],
            embed=embed,
            threshold=threshold,
            precision=precision,
            seed=seed,
        )
        curations.put_filter(self.store, name, {"column": column, **found.to_dict()})
        return found

    def learned(self, name: str, *, embed: Embed, version: int | None = None) -> LearnedFilter:
        """The filter kept under a name, of its latest version unless another is asked for.

        Raises
        ------
        UsageError
            If there is none, or ``embed`` is not the embedder that it was learned with.
        """
        from synthkit.curate.marks.learned_filter import LearnedFilter

        held = curations.get_filter(self.store, name, version)
        return LearnedFilter.from_dict(held, embed=embed)

    def filters(self) -> Any:
        """A DataFrame of the learned filters: name, version, and when it was learned (UTC)."""
        pandas = need("pandas", extra="data", why="to show filters")
        table = pandas.DataFrame(curations.filters(self.store), columns=curations.FILTERS)
        table["at"] = pandas.to_datetime(table["at"].astype(float), unit="s", utc=True)
        return table

    def evaluate(self, table: Any, *, name: str, task: str = "", **options: Any) -> Report:
        """What :func:`synthkit.evaluate.report` says of a table, with the marks on it, and kept.

        Parameters
        ----------
        name : what the table is called.
        task : the question that was marked.
        options : as :func:`~synthkit.evaluate.report` takes them.
        """
        from synthkit.evaluate._report import report

        held = tables.identified(table)
        ids = [str(id) for id in tables.column(held, "id")]
        labels, rater_pairs = evaluations.people(self.marks(task=task, rows=ids))
        made = report(held, **{"marks": labels, "rater_pairs": rater_pairs, **options})
        told = {key: value for key, value in options.items() if isinstance(value, str | int)}
        evaluations.keep(self.store, name, made, told)
        return made

    def scores(self, name: str | None = None) -> Any:
        """A DataFrame of every score of a table, or of all, in the order in which they were made.

        One row for each score of each evaluation; see :class:`~synthkit.core.types.Score` for what it
        holds, ``at`` is when (UTC).
        """
        pandas = need("pandas", extra="data", why="to show scores")
        found = evaluations.rows(evaluations.kept(self.store, name))
        table = pandas.DataFrame(found, columns=evaluations.SCORES)
        table["at"] = pandas.to_datetime(table["at"].astype(float), unit="s", utc=True)
        return table

    def compare_scores(self, a: int | str, b: int | str, *, seed: int = 0) -> Any:
        """A DataFrame of what one evaluation has over another, by number or by the table's name.

        One row for each metric of both: the values, their difference with its 95 % interval from a
        bootstrap over rows (paired where rows belong together), and a verdict, which is
        ``"not told apart"`` where the interval holds 0.

        Raises
        ------
        UsageError
            If there is no such evaluation.
        """
        pandas = need("pandas", extra="data", why="to compare scores")
        first, second = evaluations.find(self.store, a), evaluations.find(self.store, b)
        found = evaluations.apart(first, second, seed=seed)
        return pandas.DataFrame(found, columns=evaluations.APART)

    def close(self) -> None:
        """Close the files. The folder holds no log beside the store then, and can be copied."""
        if not self.closed:
            self.closed = True
            _OPEN.remove(self)
            self.store.close()

    def _path(self, name: str) -> Path:
        return self.folder / "tables" / f"{check_name(name)}.parquet"


def check_name(name: str) -> str:
    """``name``, if a table can have it.

    Raises
    ------
    UsageError
        If it has other signs than letters, digits, ``_``, ``-`` and ``.``, or over 100 of them.
    """
    if not re.fullmatch(r"\w[\w.-]{,99}", name):
        raise UsageError(
            "a table's name has letters, digits, '_', '-' and '.', at most 100 of them; "
            f"got {name[:200]!r}."
        )
    return name


_OPEN: list[Session] = []
_CURRENT: dict[Path, Session] = {}


def session(folder: Path | str | None = None) -> Session:
    """The session of ``./.synthkit``, or of another folder; the same object each time.

    Raises
    ------
    StoreError
        If the folder cannot be made or read.
    """
    path = Path(FOLDER if folder is None else folder).expanduser().absolute()
    found = _CURRENT.get(path)
    if found is None or found.closed or not found.store.path.exists():
        _CURRENT[path] = found = Session(path)
    return found


@atexit.register
def _close_all() -> None:
    while _OPEN:
        _OPEN[-1].close()
