"""Filters of tables that do not fit into memory, with the results that they have in memory."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from synthkit import curate
from synthkit.core.errors import UsageError
from synthkit.curate.duplicates.base import Duplicates, preference, representatives
from synthkit.curate.filters.base import MISSING, Filter, MeasuredFilter
from synthkit.data.cells import as_text
from synthkit.data.results import Curation, Stage
from synthkit.data.typed_columns import package
from synthkit.parquet.executors import Executor, executor
from synthkit.parquet.identification import identified
from synthkit.parquet.rows import rows_at
from synthkit.parquet.spool import spooled
from synthkit.parquet.table import DROPPED, KEPT, MARK, ParquetTable, Shard, open_table
from synthkit.parquet.writing import result_folder, write_shards, writing


def apply_filters(
    table: str | Path | ParquetTable, *filters: Filter, to: str | Path, cluster: str = ""
) -> Curation:
    """Rows that pass all filters, and the dropped rows, as folders of Parquet files.

    The same rows are kept, for the same reasons and with the same ids, as by
    :func:`synthkit.curate.apply_filters` for the table in memory. Filters that look at each row by
    itself read the table in batches. Duplicates are found across all files: each part of the table
    is signed by itself, and the signatures of all parts are compared. Samples are drawn by a number
    for each row. Filters that compare all rows in another way are refused.

    Memory does not grow with the table, except for some numbers of each row: for duplicates about
    160 bytes, and beside the texts 8 bytes on disk for each band of signatures.

    Parameters
    ----------
    table : Parquet files, as for :func:`open_table`.
    to : a folder for the result: ``kept``, and ``dropped`` with the columns ``filter`` and ``why``.
        An earlier result is replaced.
    cluster : a Ray cluster that does the work: ``"local"`` for a new one on this machine,
        ``"auto"``, or ``"HOST:PORT"`` of its head. Its nodes need the files and the folder under
        the same paths. By default this process does the work.

    Returns
    -------
    The tables of the two folders, and a stage for each filter.

    Raises
    ------
    UsageError
        If a filter cannot be applied to such a table, or fails, or ``to`` has something else or
        cannot be written.
    TableError
        If a file cannot be read, a filter's column does not exist, or two rows have the same id.

    Examples
    --------
    >>> import tempfile, pandas
    >>> from synthkit.curate import near_duplicates
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for id, text in [("a", "Hot soup."), ("b", "hot soup"), ("c", "Tea.")]:
    ...         row = pandas.DataFrame({"id": [id], "text": [text]})
    ...         row.to_parquet(f"{folder}/{id}.parquet")
    ...     curation = apply_filters(folder, near_duplicates(), to=f"{folder}/curated")
    ...     print(curation, curation.dropped.load()["why"].to_pylist())
    Curation(2 kept, 1 dropped) ['near-duplicate: of a, Jaccard 1.00']
    """
    source, workers = open_table(table), executor(cluster)
    for filter in filters:
        _check(filter)
    path = Path(to).expanduser()
    stages: list[Stage] = []
    with result_folder(path) as folder:
        rows = identified(source, folder / "identified", workers)
        for number, group in enumerate(_groups(filters)):
            kept = folder / f"{KEPT}-{number}"
            stages += _applied(rows, group, number, folder, workers)
            rows = open_table(kept)
            for before in (folder / "identified", folder / f"{KEPT}-{number - 1}"):
                shutil.rmtree(before, ignore_errors=True)
        kept.rename(folder / KEPT)
        _record(folder, source, stages)
    return Curation(open_table(path / KEPT), open_table(path / DROPPED), tuple(stages))


def _check(filter: Filter) -> None:
    """Raise an error for a filter that needs all rows at once."""
    if filter.by_row or isinstance(filter, MeasuredFilter):
        return
    if isinstance(filter, Duplicates) and filter.similarity.large:
        return
    raise UsageError(
        f"the filter {filter.name!r} compares all rows at once, for which they must be in memory. "
        "Apply the other filters first and load what they keep, as by curation.kept.load(), or "
        "draw a sample (--sample N, in Python random_sample(N)) and load that. Of a filter of your "
        "own that looks at each row by itself, say so: Filter(name, judge, by_row=True)."
    )


def _groups(filters: Sequence[Filter]) -> list[list[Filter]]:
    """Filters that look at single rows are applied together, any other by itself."""
    groups: list[list[Filter]] = []
    for filter in filters:
        if filter.by_row and groups and groups[-1][0].by_row:
            groups[-1].append(filter)
        else:
            groups.append([filter])
    return groups or [[]]


def _applied(
    table: ParquetTable, filters: list[Filter], number: int, folder: Path, workers: Executor
) -> list[Stage]:
    """Apply filters, write what they keep and drop, and return their stages."""
    scratch = folder / f"texts-{number}"
    scratch.mkdir()
    reasons: Iterator[Sequence[str] | None] = repeat(None, len(table.shards))
    match filters:
        case [Duplicates() as duplicates]:
            reasons = _duplicate_reasons(table, duplicates, scratch, workers)
        case [MeasuredFilter() as measured]:
            reasons = _measured_reasons(table, measured, workers)
    judges = (
        _Judge(shard, filters, of_shard)
        for shard, of_shard in zip(table.shards, reasons, strict=True)
    )
    empty = curate.apply_filters(table.schema.empty_table()).dropped.schema
    places = [empty.get_field_index(name) for name in ("filter", "why")]
    for place, name in zip(places, ("filter", "why"), strict=True):
        empty = empty.set(place, package("pyarrow").field(name, "string"))
    funnels = write_shards(
        table, judges, [folder / f"{KEPT}-{number}", folder / DROPPED], [table.schema, empty],
        workers, prefix=f"{number}-",
    )  # fmt: skip
    shutil.rmtree(scratch)
    return _summed(filters, funnels)


def _summed(
    filters: Sequence[Filter], funnels: Sequence[Sequence[tuple[Stage, ...]]]
) -> list[Stage]:
    """The stage of each filter, from those of all batches."""
    stages = []
    for at, filter in enumerate(filters):
        found = [funnel[at] for part in funnels for funnel in part]
        reasons = Counter[str]()
        for stage in found:
            reasons.update(stage.reasons)
        rows, kept = (sum(getattr(stage, name) for stage in found) for name in ("rows", "kept"))
        stages.append(Stage(filter.name, rows, kept, dict(reasons.most_common())))
    return stages


class _Judge:
    """Applies filters to the batches of a shard.

    Parameters
    ----------
    reasons : those of the only filter for the rows of the shard, if they are known.
    """

    def __init__(
        self, shard: Shard, filters: Sequence[Filter], reasons: Sequence[str] | None
    ) -> None:
        self.shard, self.reasons = shard, reasons
        # what has judged the whole table need not be sent to a worker
        self.filters = filters if reasons is None else [Filter(filters[0].name, list)]
        self.notes: list[tuple[Stage, ...]] = []

    def __call__(self, batch: Any, start: int) -> list[Any]:
        filters = self.filters
        if self.reasons is not None:
            known = self.reasons[start : start + batch.num_rows]
            filters = [replace(filters[0], judge=lambda _: known)]
        with self.shard.place(start, batch):
            curation = curate.apply_filters(batch, *filters)
        self.notes.append(curation.funnel)
        return [curation.kept, curation.dropped]


def _measured_reasons(
    table: ParquetTable, filter: MeasuredFilter, workers: Executor
) -> Iterator[Sequence[str]]:
    """For each shard the reasons for its rows."""
    parts = list(workers.map(partial(_measured, filter.measure), table.shards))
    reasons = filter.decide([part for parts_of_shard in parts for part in parts_of_shard])
    for part in parts:
        yield [reason for _ in part for reason in next(reasons)]


def _measured(measure: Any, shard: Shard) -> list[Any]:
    found = []
    for start, batch in shard.batches():
        with shard.place(start, batch):
            found.append(measure(batch))
    return found


def _duplicate_reasons(
    table: ParquetTable, filter: Duplicates, scratch: Path, workers: Executor
) -> Iterator[Sequence[str]]:
    """For each shard the reasons for its rows; duplicates are looked for in the whole table."""
    also = [filter.prefer] if filter.prefer not in ("first", "longest") else []
    preferred = partial(preference, column=filter.column, prefer=filter.prefer)
    spool = spooled(
        table, filter.column, _cell_texts, folder=scratch, executor=workers,
        numbers=preferred, also=also,
    )  # fmt: skip
    assert spool.numbers is not None
    order = np.argsort(spool.numbers, kind="stable")
    of, similar = representatives(spool.texts.take(order), filter.similarity)
    (dropped,) = np.nonzero(of != np.arange(len(of)))
    rows, sources = spool.rows[order[dropped]], spool.rows[order[of[dropped]]]
    by_row = np.argsort(rows)
    rows, sources, similar = rows[by_row], sources[by_row], similar[dropped][by_row]
    named, which = np.unique(sources, return_inverse=True)
    ids = rows_at(table, named, workers, ["id"]).column("id")
    for shard in table.shards:
        reasons = [MISSING] * shard.rows
        present = np.searchsorted(spool.rows, [shard.start, shard.start + shard.rows])
        for place in (spool.rows[slice(*present)] - shard.start).tolist():
            reasons[place] = ""
        inside = slice(*np.searchsorted(rows, [shard.start, shard.start + shard.rows]))
        places = (rows[inside] - shard.start).tolist()
        ids_of = ids.take(package("pyarrow").array(which[inside])).to_pylist()
        for place, id, value in zip(places, ids_of, similar[inside].tolist(), strict=True):
            reasons[place] = filter.reason(id, value)
        yield reasons


def _cell_texts(shard: Shard, start: int, cells: Sequence[Any]) -> list[str | None]:
    return [None if cell is None else as_text(cell) for cell in cells]


def _record(folder: Path, source: ParquetTable, stages: Sequence[Stage]) -> None:
    """Note in a result what it was made of."""
    facts = {"files": list(map(str, source.files)), "funnel": list(map(asdict, stages))}
    text = json.dumps(facts, ensure_ascii=False, indent=1) + "\n"
    with writing(folder):
        (folder / MARK).write_text(text, encoding="utf-8")
