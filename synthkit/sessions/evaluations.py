"""Evaluations: reports with the values of each row, stored so that they can be compared later."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from synthkit import parquet
from synthkit.core.errors import StoreError, UsageError, unknown
from synthkit.core.hashing import canonical, storable_json
from synthkit.core.types import Mark, Score
from synthkit.curate.marks.decisions import accepted
from synthkit.data import tables
from synthkit.evaluate.results import Measured, Report
from synthkit.parquet.table import ParquetTable
from synthkit.sessions import inputs
from synthkit.sessions._frames import frame
from synthkit.sessions.mark_statistics import majority_labels, rater_pairs
from synthkit.store.store import Store

SCORE_COLUMNS = tuple("evaluation name at kind metric value low high n unit better how".split())
ROW_KINDS = ("diversity", "faithfulness", "people")
"""Kinds of scores whose parts belong to the rows of the table itself."""
TABLES = ("table", "against", "test")
"""Options that are tables."""
UNKEPT = ("embed", "progress", "scratch", "cluster")
"""Options that no score depends on, and the embedder, which has a name."""
MAX_BYTES = 1 << 28
"""Most bytes of the row values of an evaluation once they are decompressed."""
_DECODE_ERRORS = (ValueError, TypeError, LookupError, AttributeError, RecursionError, zlib.error)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A stored report, with its number, the name of its table, its time and its options."""

    number: int
    name: str
    at: float
    settings: Mapping[str, Any]
    report: Report

    @property
    def row_ids(self) -> set[str]:
        """The ids of the rows that its scores are of; empty if no score has values of rows."""
        return {
            id
            for measured in self.report.measured
            if measured.kind in ROW_KINDS
            for id in measured.ids or ()
        }


def evaluate(store: Store, table: Any, name: str, task: str, options: Mapping[str, Any]) -> Report:
    """Evaluate a table with the marks on its rows, and store the report."""
    from synthkit.evaluate._report import report

    if isinstance(table, ParquetTable):
        result = parquet.report(table, **options)
        save(store, name, result, _settings(store, table, task, options))
        return result
    table = tables.identified(table)
    ids = [str(id) for id in tables.column(table, "id")]
    marks = [mark for mark in store.marks.for_rows(ids) if mark.task == task]
    result = report(table, **with_marks(marks, options))
    save(store, name, result, _settings(store, table, task, options))
    return result


def with_marks(marks: Sequence[Mark], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a report, with those added that follow from marks.

    They are the label that most people gave a row, whether most accept it, and the raters' pairs.
    """
    pairs = {
        f"{a or 'one'} again" if a == b else f"{a} and {b}": labels
        for (a, b), labels in rater_pairs(marks).items()
    }
    given = {"marks": majority_labels(marks), "accepted": accepted(marks)}
    return ({} if "marks" in options else given) | {"rater_pairs": pairs} | dict(options)


def _settings(store: Store, table: Any, task: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """All that an evaluation depends on; what cannot be kept is in ``lacks`` with the reason."""
    kept: dict[str, Any] = {"task": task}
    lacks: dict[str, str] = {}
    given = {"table": table, **options, "checks": [c.line for c in options.get("checks") or ()]}
    for option, value in given.items():
        if value is None or option in UNKEPT:
            continue
        try:
            kept[option] = inputs.encode(store, value, table=option in TABLES)
        except inputs.NotKept as error:
            lacks[option] = str(error)
    if options.get("embed") is not None and not options.get("embedder"):
        lacks["embed"] = "an embedder without a name"
    return kept | {"lacks": lacks}


def save(store: Store, name: str, report: Report, settings: Mapping[str, Any]) -> int:
    """Store a report, and return its number; one equal to the last of its name is not added."""
    scores = [
        {key: value for key, value in asdict(measured.score).items() if key != "parts"}
        | {"kind": measured.kind, "metric": measured.metric}
        for measured in report.measured
    ]
    body: dict[str, Any] = {
        "settings": dict(settings),
        "left_out": dict(report.left_out),
        "advice": dict(report.advice),
        "scores": scores,
    }
    id_lists: dict[tuple[str, ...], int] = {}
    list_of = [
        None if measured.ids is None else id_lists.setdefault(tuple(measured.ids), len(id_lists))
        for measured in report.measured
    ]
    rows = {
        "ids": [list(ids) for ids in id_lists],
        "of": list_of,
        "parts": [rounded_parts(measured) for measured in report.measured],
        "keys": dict(report.keys),
        "contents": dict(report.contents),
    }
    packed = canonical(rows)
    if len(packed) > MAX_BYTES:  # they could not be read again; the scores can
        none = [None] * len(list_of)
        packed = canonical({"ids": [], "of": none, "parts": none, "keys": {}, "contents": {}})
        lacks = {**settings.get("lacks", {}), "values of rows": "over 256 MB"}
        body["settings"] = {**settings, "lacks": lacks}
    return store.evaluations.add(name, storable_json(body, sort=True), zlib.compress(packed, 6))


def load_all(store: Store, name: str | None = None) -> list[Evaluation]:
    """The evaluations of a table, or of all tables, the oldest first."""
    return list(map(_evaluation, store.evaluations.all(name)))


def load_last(store: Store, name: str) -> Evaluation | None:
    """The last evaluation of a table, without reading the others; ``None`` if there is none."""
    return next(map(_evaluation, reversed(store.evaluations.all(name))), None)


def _evaluation(record: tuple[int, str, float, str, bytes]) -> Evaluation:
    number, name, at, body, rows = record
    return Evaluation(number, name, at, *decode(body, rows))


def decode(body: str, rows: bytes) -> tuple[dict[str, Any], Report]:
    """The settings and the report of a stored evaluation.

    Raises
    ------
    StoreError
        If it is not valid, or has more than :data:`MAX_BYTES`.
    """
    try:
        content = json.loads(body)
        decompressor = zlib.decompressobj()
        text = decompressor.decompress(rows, MAX_BYTES)
        if decompressor.unconsumed_tail:
            raise ValueError("it is too large")
        values = json.loads(text)
        measured = [
            _measured(dict(score), list_index, parts, values["ids"])
            for score, list_index, parts in zip(
                content["scores"], values["of"], values["parts"], strict=True
            )
        ]
        keys, contents = (
            {str(id): str(key) for id, key in values.get(name, {}).items()}
            for name in ("keys", "contents")
        )
        left_out, advice = dict(content["left_out"]), dict(content["advice"])
        return dict(content["settings"]), Report(tuple(measured), left_out, advice, keys, contents)
    except _DECODE_ERRORS as error:
        raise StoreError(f"an evaluation cannot be read: {error}.") from None


def find(store: Store, which: int | str) -> Evaluation:
    """An evaluation by its number, or the last one of a table by the table's name.

    Raises
    ------
    UsageError
        If there is none.
    """
    records = store.evaluations.all()
    for record in reversed(records):
        if which in record[:2]:
            return _evaluation(record)
    if isinstance(which, str):
        names = dict.fromkeys(name for _, name, *_ in records)
        raise UsageError(unknown("evaluation", which, names))
    numbers = f"1 to {records[-1][0]}" if records else "none yet"
    raise UsageError(f"no evaluation {which}; there are {numbers}.")


def find_by_rows(store: Store, ids: frozenset[str] | None) -> Evaluation | None:
    """The last evaluation most of whose rows are among ``ids``; ``None`` if there is none."""
    for evaluation in map(_evaluation, reversed(store.evaluations.all() if ids else [])):
        rows = evaluation.row_ids
        if len(rows & (ids or set())) > len(rows) / 2:
            return evaluation
    return None


def score_frame(store: Store, name: str | None) -> Any:
    """A DataFrame with one row per score of each evaluation of a table, or of all tables."""
    rows = [
        (e.number, e.name, e.at, measured.kind, s.name, s.value, s.low, s.high, s.n, s.unit,
         s.better, s.how)
        for e in map(_evaluation, store.evaluations.all(name))
        for measured in e.report.measured
        for s in [measured.score]
    ]  # fmt: skip
    return frame(rows, SCORE_COLUMNS, what="scores", time="at")


def rounded_parts(measured: Measured) -> list[float] | None:
    """The values of a score's rows as they are stored, with six digits."""
    if measured.ids is None or measured.score.parts is None:
        return None
    return [float(f"{float(part):.6g}") for part in measured.score.parts]


def _measured(values: dict[str, Any], list_index: Any, parts: Any, id_lists: Any) -> Measured:
    kind, metric = str(values.pop("kind")), str(values.pop("metric", ""))
    if "at_n" not in values:  # of an earlier version, which did not say what depends on n
        by_row = parts is not None and "jackknife" not in values["how"]
        values["at_n"] = None if by_row else values["n"]
    score = Score(**values, parts=parts)
    texts = (score.name, score.unit, score.better, score.how)
    numbers = (score.value, score.n, score.low or 0, score.high or 0)
    if not all(isinstance(text, str) for text in texts) or not all(map(math.isfinite, numbers)):
        raise ValueError("a score has no name or no value")
    if list_index is None:
        return Measured(kind, score, None, metric)
    ids = [str(id) for id in id_lists[list_index]]
    if len(ids) != len(parts) or not all(math.isfinite(part) for part in parts):
        raise ValueError("a score has other rows than values of rows")
    return Measured(kind, score, ids, metric)
