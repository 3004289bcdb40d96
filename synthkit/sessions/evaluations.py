"""Evaluations: the scores of tables, with what each row brought to them, kept to be compared."""

from __future__ import annotations

import json
import math
import re
import time
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from synthkit.core.errors import StoreError, UsageError, unknown
from synthkit.core.types import Mark, Score, canonical
from synthkit.curate.marks.history import standing
from synthkit.evaluate.results import Measured, Report
from synthkit.sessions.mark_statistics import couples
from synthkit.store.store import Store

SCORES = (
    *("evaluation", "name", "at", "kind", "metric", "value", "low", "high", "n", "unit"),
    *("better", "how"),
)
APART = tuple("metric a b n_a n_b difference low high rows paired verdict".split())
OF_ROWS = ("diversity", "faithfulness", "people")
"""Kinds of scores whose parts are of the table's own rows."""
MOST_BYTES = 1 << 28
"""Of what an evaluation says of rows, once it is unpacked."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A report as it was kept: its number, the table's name, when, and how it was made."""

    number: int
    name: str
    at: float
    settings: Mapping[str, Any]
    report: Report


def keep(store: Store, name: str, report: Report, settings: Mapping[str, Any]) -> int:
    """Write a report down, and give its number; that of the last of the name if it is the same."""
    scores = [
        {key: value for key, value in asdict(one.score).items() if key != "parts"}
        | {"kind": one.kind}
        for one in report.measured
    ]
    body = {
        "settings": dict(settings),
        "left_out": dict(report.left_out),
        "advice": dict(report.advice),
        "scores": scores,
    }
    lists: dict[tuple[str, ...], int] = {}
    of = [None if one.ids is None else lists.setdefault(tuple(one.ids), len(lists))
          for one in report.measured]  # fmt: skip
    rows = {
        "ids": [list(ids) for ids in lists],
        "of": of,
        "parts": [_rounded(one) for one in report.measured],
        "keys": dict(report.keys),
    }
    text = canonical(body).decode("utf-8", "replace")
    packed = zlib.compress(canonical(rows), 6)
    with store.transaction() as db:
        last = db.execute(
            "SELECT evaluation, body, rows FROM evaluations WHERE name = ? "
            "ORDER BY evaluation DESC LIMIT 1",
            (name,),
        ).fetchone()
        if last and last[1:] == (text, packed):
            return int(last[0])
        new = db.execute(
            "INSERT INTO evaluations (name, at, body, rows) VALUES (?,?,?,?)",
            (name, time.time(), text, packed),
        ).lastrowid
    return int(new or 0)


def kept(store: Store, name: str | None = None) -> list[Evaluation]:
    """The evaluations of a name, or all, the oldest first."""
    where, given = ("", ()) if name is None else (" WHERE name = ?", (name,))
    query = f"SELECT evaluation, name, at, body, rows FROM evaluations{where} ORDER BY evaluation"
    with store.transaction(write=False) as db:
        found = db.execute(query, given).fetchall()
    return [Evaluation(number, name, at, *opened(*said)) for number, name, at, *said in found]


def opened(body: str, rows: bytes) -> tuple[dict[str, Any], Report]:
    """The settings and the report that :func:`keep` wrote down.

    Raises
    ------
    StoreError
        If it is none, or more than 256 MB.
    """
    try:
        said = json.loads(body)
        unpack = zlib.decompressobj()
        text = unpack.decompress(rows, MOST_BYTES)
        if unpack.unconsumed_tail:
            raise ValueError("it is too large")
        detail = json.loads(text)
        measured = [
            _measured(dict(score), of, parts, detail["ids"])
            for score, of, parts in zip(said["scores"], detail["of"], detail["parts"], strict=True)
        ]
        keys = {str(id): str(key) for id, key in detail["keys"].items()}
        words = (dict(said["left_out"]), dict(said["advice"]))
        return dict(said["settings"]), Report(tuple(measured), *words, keys)
    except (*_UNSOUND, zlib.error) as error:
        raise StoreError(f"an evaluation cannot be read: {error}.") from None


def find(store: Store, which: int | str) -> Evaluation:
    """An evaluation by its number, or the last of a table's name.

    Raises
    ------
    UsageError
        If there is none; names those there are.
    """
    here = kept(store)
    if isinstance(which, int):
        found = [one for one in here if one.number == which]
        if not found:
            numbers = f"1 to {here[-1].number}" if here else "none yet"
            raise UsageError(f"no evaluation {which}; there are {numbers}.")
    else:
        found = [one for one in here if one.name == which]
        if not found:
            raise UsageError(unknown("evaluation", which, dict.fromkeys(one.name for one in here)))
    return found[-1]


def of_rows(store: Store, ids: frozenset[str] | None) -> Evaluation | None:
    """The last evaluation of which most rows are among these; ``None`` if there is none."""
    for one in reversed(kept(store) if ids else []):
        own = {id for each in one.report.measured if each.kind in OF_ROWS for id in each.ids or ()}
        if len(own & (ids or set())) > len(own) / 2:
            return one
    return None


def rows(evaluations: Iterable[Evaluation]) -> list[tuple[Any, ...]]:
    """A line for each score: :data:`SCORES`."""
    return [
        (e.number, e.name, e.at, one.kind, s.name, s.value, s.low, s.high, s.n, s.unit, s.better,
         s.how)
        for e in evaluations
        for one in e.report.measured
        for s in [one.score]
    ]  # fmt: skip


def apart(a: Evaluation, b: Evaluation, *, seed: int = 0) -> list[tuple[Any, ...]]:
    """What ``a`` has over ``b`` in each metric that both have: :data:`APART`.

    Rows are paired by their ids where both have the same, as of a test set, else by what they were
    asked for; where fewer than half of the smaller table's rows find a partner they are not paired.
    The verdict is ``"better"``, ``"worse"`` or ``"differs"`` where the interval leaves 0 out,
    ``"not told apart"``, or ``"no interval"``; it says where the two were made differently.
    """
    from synthkit.evaluate._compare import compare  # with it comes NumPy

    others = {one.score.name: one for one in b.report.measured}
    found: list[tuple[Any, ...]] = []
    for one in a.report.measured:
        other = others.get(one.score.name)
        if other is None:
            continue
        mine, theirs = one.score, other.score
        line = (mine.name, mine.value, theirs.value, mine.n, theirs.n)
        couples = _couples(one.ids or (), other.ids or (), a.report.keys, b.report.keys)
        try:
            gap = compare(mine, theirs, couples, seed=seed)
        except UsageError:
            found.append((*line, mine.value - theirs.value, None, None, None, None, "no interval"))
            continue
        verdict = _verdict(gap.value, gap.told_apart, mine, theirs)
        found.append((*line, gap.value, gap.low, gap.high, gap.n, gap.paired, verdict))
    return found


def people(marks: Sequence[Mark]) -> tuple[dict[str, str], dict[str, list[tuple[str, str]]]]:
    """What people said of rows, by id, and the pairs of labels that two looks gave the same rows.

    Of several annotators the one label that most gave counts; a row on which they are even has
    none. Looks are one annotator's two rounds, and the first rounds of any two.
    """
    votes: dict[str, dict[str, int]] = {}
    for (_, round, _, id), mark in standing(marks).items():
        if round == 1 and mark.label not in ("", "skip"):
            said = votes.setdefault(id, {})
            said[mark.label] = said.get(mark.label, 0) + 1
    labels = {}
    for id, said in votes.items():
        best = [label for label, n in said.items() if n == max(said.values())]
        if len(best) == 1:
            labels[id] = best[0]
    looks = {
        f"{x or 'one'} again" if x == y else f"{x} and {y}": seen
        for (x, y), seen in couples(marks).items()
    }
    return labels, looks


_NUMBER = re.compile(r"[\d.]+")
_UNSOUND = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)


def _couples(
    ids: Sequence[str],
    others: Sequence[str],
    keys: Mapping[str, str],
    other_keys: Mapping[str, str],
) -> list[tuple[int, int]] | None:
    """Positions of rows that belong together; ``None`` where too few do."""
    from synthkit.evaluate._compare import match

    least = max(2, math.ceil(min(len(ids), len(others)) / 2))
    same = match(ids, others)
    if len(same) >= least:
        return same
    mine = [keys.get(id, f"row {id}") for id in ids]
    theirs = [other_keys.get(id, f"other row {id}") for id in others]
    asked = match(mine, theirs)
    return asked if len(asked) >= least else None


def _verdict(gap: float, told_apart: bool, mine: Score, theirs: Score) -> str:
    said = "not told apart"
    if told_apart:
        up = {"higher": gap > 0, "lower": gap < 0}.get(mine.better)
        said = "differs" if up is None else "better" if up else "worse"
    # numbers in it follow from the rows: how many there are, how many clusters
    if _NUMBER.sub("", mine.how) != _NUMBER.sub("", theirs.how):
        said += "; made differently"
    return said


def _rounded(one: Measured) -> list[float] | None:
    if one.ids is None or one.score.parts is None:
        return None
    return [float(f"{float(part):.6g}") for part in one.score.parts]


def _measured(score: dict[str, Any], of: Any, parts: Any, ids: Any) -> Measured:
    kind = str(score.pop("kind"))
    made = Score(**score, parts=parts)
    words = (made.name, made.unit, made.better, made.how)
    numbers = (made.value, made.n, made.low or 0, made.high or 0)
    if not all(isinstance(one, str) for one in words) or not all(map(math.isfinite, numbers)):
        raise ValueError("a score has no name or no value")
    if of is None:
        return Measured(kind, made)
    own = [str(id) for id in ids[of]]
    if len(own) != len(parts) or not all(math.isfinite(part) for part in parts):
        raise ValueError("a score has other parts than rows")
    return Measured(kind, made, own)
