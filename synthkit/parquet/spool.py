"""The texts of a large table in plain files, of which any text can be read by its position.

Parquet is read from the start of a row group. Comparisons of rows need texts here and there, so
they are written once as UTF-8, with the positions at which they end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from synthkit.data import tables
from synthkit.data.large_texts import Arrays, LargeTexts, Positions
from synthkit.parquet.executors import Executor
from synthkit.parquet.table import ParquetTable, Shard
from synthkit.parquet.writing import writing

Result = TypeVar("Result")
PART_TEXTS, PART_BYTES = 1 << 16, 1 << 24
"""Texts in memory at once, and their bytes if they are as long as most."""
NEAR = 1 << 16
"""Bytes that may be read in vain where texts lie near each other."""

CellTexts = Callable[[Shard, int, Sequence[Any]], list[str | None]]
"""The cells of a column -> texts, ``None`` for rows without one; with their shard and place."""


@dataclass(frozen=True, eq=False)
class StoredTexts:
    """Some texts of a spool, which other processes can be sent.

    Parameters
    ----------
    files : of the spool.
    starts : the position of the first text of each file.
    total : the number of texts in all files.
    positions : of the texts.
    """

    files: tuple[Path, ...]
    starts: Positions
    total: int
    positions: Positions

    def at(self, places: Positions | slice) -> StoredTexts:
        """Some of these texts."""
        return replace(self, positions=self.positions[places])

    def read(self) -> list[str]:
        """The texts, in order."""
        texts = [""] * len(self.positions)
        file_of = np.searchsorted(self.starts, self.positions, side="right") - 1
        for number in np.unique(file_of).tolist():
            (at,) = np.nonzero(file_of == number)
            found = _read(self.files[number], self.positions[at] - self.starts[number])
            for place, text in zip(at.tolist(), found, strict=True):
                texts[place] = text
        return texts


class SpooledTexts(LargeTexts):
    """The texts of a table that were written to a folder.

    Parameters
    ----------
    texts : all of them, or some.
    folder : where :meth:`regrouped` puts arrays.
    executor : where the parts are worked on.
    """

    def __init__(self, texts: StoredTexts, folder: Path, executor: Executor) -> None:
        self._texts, self._folder, self._executor = texts, folder, executor
        self.cache = {}

    def __len__(self) -> int:
        return len(self._texts.positions)

    @overload
    def __getitem__(self, at: int) -> str: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[str]: ...
    def __getitem__(self, at: int | slice) -> str | Sequence[str]:
        if isinstance(at, slice):
            return self.take(np.arange(len(self))[at])
        (text,) = self._texts.at(slice(at, at + 1 or None)).read()
        return text

    def __iter__(self) -> Iterator[str]:
        for part in self._parts():
            yield from part.read()

    @property
    def characters(self) -> int:
        """About how many characters all texts have: the bytes of all files."""
        return sum(file.stat().st_size for file in self._texts.files)

    def map(self, function: Callable[[list[str]], Result]) -> Iterator[Result]:
        """The results of a function for the texts of each part, in their order."""
        return self._executor.map(partial(_applied, function), self._parts())

    def take(self, positions: Positions) -> SpooledTexts:
        """The texts at some positions, in that order."""
        return SpooledTexts(self._texts.at(positions), self._folder, self._executor)

    def regrouped(self, parts: Iterable[Arrays]) -> Iterable[NDArray[Any]]:
        """For each place the arrays that all parts have in it, joined, one place after another."""
        return _StoredArrays(self._folder, parts)

    def _parts(self) -> Iterator[StoredTexts]:
        """The parts; at least one, so that a function of no texts has a result."""
        each = 1 + self.characters // max(1, self._texts.total)
        size = max(1, min(PART_TEXTS, PART_BYTES // each))
        for start in range(0, max(1, len(self)), size):
            yield self._texts.at(slice(start, start + size))


class _StoredArrays:
    """For each place the arrays that all parts have in it, joined; kept in a file."""

    def __init__(self, folder: Path, parts: Iterable[Arrays]) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - open as long as this
        self._ends: list[list[int]] = []
        self._kinds: list[np.dtype[Any]] = []
        for arrays in parts:
            start = self._file.tell()
            with writing(folder):
                for array in arrays:
                    np.ascontiguousarray(array).tofile(self._file)
            sizes = (array.nbytes for array in arrays)
            self._ends.append(np.cumsum([start, *sizes]).tolist())
            self._kinds = [array.dtype for array in arrays]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for place, kind in enumerate(self._kinds):
            found = []
            for ends in self._ends:
                self._file.seek(ends[place])
                size = (ends[place + 1] - ends[place]) // kind.itemsize
                found.append(np.fromfile(self._file, kind, size))
            yield np.concatenate(found)

    def __del__(self) -> None:
        self._file.close()


@dataclass(frozen=True, eq=False)
class Spool:
    """The texts of a table, and what else was read beside them.

    Parameters
    ----------
    texts : of the rows that have one, in order.
    rows : the positions in the table of these rows.
    numbers : of the rows that have a text, the numbers in a further column; NaN where missing.
    """

    texts: SpooledTexts
    rows: Positions
    numbers: NDArray[np.float64] | None


def spooled(
    table: ParquetTable,
    column: str,
    as_texts: CellTexts,
    *,
    folder: Path,
    executor: Executor,
    numbers: Callable[[Any], ArrayLike] | None = None,
    also: Sequence[str] = (),
) -> Spool:
    """Write the texts of a column to a folder.

    Parameters
    ----------
    as_texts : what the cells are as texts.
    numbers : a batch of rows -> a number for each; if given, the spool has them.
    also : further columns that ``numbers`` reads.
    folder : of this spool alone; no other one may have had its name.
    """
    table.check_columns([column, *also])
    write = partial(
        _written, column=column, as_texts=as_texts, numbers=numbers, also=also, folder=folder
    )
    found = list(executor.map(write, table.shards))
    present = [rows for rows, _ in found]
    rows = np.concatenate(
        [np.zeros(0, np.intp)]
        + [part + shard.start for part, shard in zip(present, table.shards, strict=True)]
    )
    starts = np.cumsum([0, *map(len, present)])[:-1]
    files = tuple(_file(folder, shard.number) for shard in table.shards)
    stored = StoredTexts(files, starts, len(rows), np.arange(len(rows)))
    read = np.concatenate([np.zeros(0), *(part for _, part in found)])
    return Spool(SpooledTexts(stored, folder, executor), rows, read if numbers else None)


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06}.texts"


def _written(
    shard: Shard,
    *,
    column: str,
    as_texts: CellTexts,
    numbers: Callable[[Any], ArrayLike] | None,
    also: Sequence[str],
    folder: Path,
) -> tuple[Positions, NDArray[np.float64]]:
    """Write the texts of a shard; the places in the shard of the rows with one, their numbers."""
    places: list[Positions] = []
    read: list[NDArray[np.float64]] = [np.zeros(0)]
    sizes: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    path = _file(folder, shard.number)
    with writing(path):
        file = path.open("wb")
    with file:
        for start, batch in shard.batches(list(dict.fromkeys([column, *also]))):
            with shard.place(start, batch):
                found = tables.column(batch, column)
            cells = as_texts(shard, start, found)
            present = np.array([at for at, text in enumerate(cells) if text is not None], np.intp)
            encoded = [text.encode("utf-8", "surrogatepass") for text in cells if text is not None]
            with writing(path):
                file.write(b"".join(encoded))
                file.flush()
            sizes.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
            places.append(present + start)
            if numbers is not None:
                with shard.place(start, batch):
                    read.append(np.asarray(numbers(batch), np.float64)[present])
    with writing(path):
        np.save(path.with_suffix(".npy"), np.cumsum(np.concatenate([[0], *sizes])))
    return np.concatenate([np.zeros(0, np.intp), *places]), np.concatenate(read)


def _applied(function: Callable[[list[str]], Result], part: StoredTexts) -> Result:
    return function(part.read())


def _read(path: Path, places: Positions) -> Iterator[str]:
    """The texts at some places of a file, in one read if they lie near each other."""
    # not kept open: a map of a removed file would hold its place on the disk
    ends = np.load(path.with_suffix(".npy"), mmap_mode="r")
    first, last = ends[places], ends[places + 1]
    start, stop = int(first.min()), int(last.max())
    with path.open("rb") as file:
        if stop - start <= 2 * int((last - first).sum()) + NEAR:
            span = _span(file, start, stop)
            cuts = zip((first - start).tolist(), (last - start).tolist(), strict=True)
            found = [span[a:b] for a, b in cuts]
        else:
            spans = zip(first.tolist(), last.tolist(), strict=True)
            found = [_span(file, a, b) for a, b in spans]
    return (each.decode("utf-8", "surrogatepass") for each in found)


def _span(file: IO[bytes], start: int, stop: int) -> bytes:
    """The bytes of a file between two positions; a single call of the system reads at most 2 GB."""
    file.seek(start)
    return file.read(stop - start)
