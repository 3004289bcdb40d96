"""Scores of tables that do not fit into memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from synthkit.core.errors import UsageError, check_known, check_positive
from synthkit.core.files import scratch_folder, sweep
from synthkit.data import tables
from synthkit.data.labels import in_one_form
from synthkit.evaluate._report import Progress, check_inputs, pairing, report_of
from synthkit.evaluate.inputs import EvalInputs, TextTable, drawn_positions
from synthkit.evaluate.registry import METRICS
from synthkit.evaluate.results import Measured, Report
from synthkit.parquet.executors import Executor, executor
from synthkit.parquet.rows import rows_at
from synthkit.parquet.spool import Spool, SpooledTexts, spooled
from synthkit.parquet.table import ParquetTable, Shard, open_table
from synthkit.parquet.writing import writing
from synthkit.stats.intervals import check_level

Labels = tuple[list[Any], list[int]]
"""The distinct labels of some rows, in their order, and the number of each row's label."""


def report(
    table: str | Path | ParquetTable,
    *,
    column: str = "",
    metrics: Sequence[str] | None = None,
    without: Sequence[str] = (),
    sample: int = 10_000,
    progress: Progress | None = None,
    scratch: str | Path = ".",
    cluster: str = "",
    **options: Any,
) -> Report:
    """The scores of a table in Parquet files, as :func:`synthkit.evaluate.report` computes them.

    Metrics that are registered with ``large=True``, such as distinct-n, are of all rows, with the
    values and intervals that they have in memory, but without values of single rows. All others are
    of ``sample`` rows, which their ``how`` says: the rows that are drawn by the same seed from the
    table in memory, so that scores of embeddings are the same.

    Parameters
    ----------
    table : Parquet files, as for :func:`open_table`.
    column, metrics, without, progress : as for :func:`synthkit.evaluate.report`.
    sample : rows with a text for the metrics that are not of all rows.
    scratch : the folder in which texts and counts are kept meanwhile, of 2 to 6 times the size of
        the texts.
    cluster : as for :func:`apply_filters`; its nodes need ``scratch`` under the same path.
    options : the other parameters of :func:`synthkit.evaluate.report`. Real rows and a test set are
        tables in memory.

    Raises
    ------
    UsageError
        If a metric's name is unknown, or a cell of the column is not a text.
    TableError
        If a file cannot be read, or a column is missing.

    Examples
    --------
    >>> import tempfile, pandas
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("a", "b"):
    ...         rows = pandas.DataFrame({"text": ["the soup was cold", f"tea {name}"]})
    ...         rows.to_parquet(f"{folder}/{name}.parquet")
    ...     print(report(folder, metrics=["distinct-1"], scratch=folder)["distinct-1"].value)
    0.583...
    """
    check_positive(sample=sample)
    check_known("metric", (*(metrics or ()), *without), METRICS)
    source, workers = open_table(table), executor(cluster)
    column = column or source.text_column
    pair_on = options.pop("pair_on", None)
    options = {name: value for name, value in options.items() if value is not None}
    check_level(options.get("level", 0.95))
    place = Path(scratch).expanduser().absolute()
    with ExitStack() as stack:
        with writing(place):
            place.mkdir(parents=True, exist_ok=True)
            sweep(place)
            folder = stack.enter_context(scratch_folder(place))
        texts = partial(_texts, column=column)
        spool = spooled(source, column, texts, folder=folder, executor=workers)
        seed = options.get("seed", 0)
        drawn = np.array(drawn_positions(len(spool.rows), sample, seed), np.intp)
        if not len(drawn):
            raise UsageError(
                f"expected rows with a text in column {column!r}; none of {len(source)} has one."
            )
        complete = len(source) <= sample  # then rows without a text count where they do in memory
        positions = np.arange(len(source)) if complete else spool.rows[drawn]
        rows = rows_at(source, positions, workers)
        inputs = EvalInputs(table=rows, column=column, sample=sample, **options)
        whole = _WholeTable(
            table=rows, column=column, sample=sample, **options,
            source_table=source, spool=spool, executor=workers,
        )  # fmt: skip
        check_inputs(inputs)
        keys = pairing(inputs.rows.table, column, pair_on)
        found = report_of(inputs, whole, metrics, without, progress, keys)
    note = f"{len(drawn)} of {len(spool.rows)} rows drawn, seed {seed}"
    if len(drawn) == len(spool.rows):
        note = f"of {len(drawn)} of {len(source)} rows, those with a text"
    return replace(
        found,
        measured=tuple(
            _without_rows(measured) if METRICS[measured.metric].large
            else measured if complete
            else _sampled(measured, note)
            for measured in found.measured
        ),
    )  # fmt: skip


def _without_rows(measured: Measured) -> Measured:
    return replace(measured, score=replace(measured.score, parts=None), ids=None)


def _sampled(measured: Measured, note: str) -> Measured:
    how = "; ".join(filter(None, [measured.score.how, note]))
    return replace(measured, score=replace(measured.score, how=how))


@dataclass(frozen=True, kw_only=True)
class _WholeTable(EvalInputs):
    """The inputs of metrics that take all rows; ``table`` has those of the sample."""

    source_table: ParquetTable
    spool: Spool
    executor: Executor

    @cached_property
    def rows(self) -> TextTable:
        """All rows."""
        return _LargeTextTable(self)


class _LargeTextTable(TextTable):
    """The texts and labels of all rows of a large table, without ids."""

    texts: SpooledTexts  # type: ignore[assignment]

    def __init__(self, inputs: _WholeTable) -> None:
        self._whole = inputs
        self.texts = inputs.spool.texts
        self.ids, self.table_ids = [], []
        self.columns = inputs.source_table.column_names

    @cached_property
    def labels(self) -> list[Any]:
        """The labels of the rows with a text, in one form with those of the real rows."""
        whole = self._whole
        read = partial(_labels, label=whole.label)
        numbers: dict[Any, int] = {}
        codes = [np.zeros(0, np.int32)]
        for distinct, of_rows in whole.executor.map(read, whole.source_table.shards):
            places = [numbers.setdefault(label, len(numbers)) for label in distinct]
            codes.append(np.array(places, np.int32)[of_rows])
        table = tables.build({whole.label: list(numbers)}, like="arrow")
        table = table.replace_schema_metadata(whole.source_table.schema.metadata)
        marked = {whole.label: list(whole.marked_labels.values())}
        named, _, _ = in_one_form(whole.label, table, whole.against, marked)
        names = tables.column(named, whole.label)
        return [names[code] for code in np.concatenate(codes)[whole.spool.rows].tolist()]

    @cached_property
    def drawn(self) -> list[int]:
        """None: no metric embeds all rows."""
        return []


def _labels(shard: Shard, *, label: str) -> Labels:
    numbers: dict[Any, int] = {}
    codes = [
        numbers.setdefault(cell, len(numbers))
        for _, batch in shard.batches([label])
        for cell in tables.column(batch, label)
    ]
    return list(numbers), codes


def _texts(shard: Shard, start: int, cells: Sequence[Any], *, column: str) -> list[str | None]:
    for at, cell in enumerate(cells):
        if cell is not None and not isinstance(cell, str):
            raise UsageError(
                f"{shard.path}, row {shard.first + start + at}: expected text in column "
                f"{column!r}; got {cell!r}."
            )
    return [cell if cell and cell.strip() else None for cell in cells]
