"""Tables made from marks: the accepted and the rejected rows, and the marks themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from synthkit.core.extras import need
from synthkit.core.formatting import count
from synthkit.core.static_output import StaticOutput, static_table
from synthkit.core.types import Mark
from synthkit.curate.marks.decisions import votes
from synthkit.curate.marks.history import SHOWN_LEFT
from synthkit.data import tables
from synthkit.data.results import Curation

SHOWN_MARKS = 20
"""Marks that a log shows of itself."""
REJECTED = "rejected"
"""The reason of a rejected row whose marks give none."""


def split_by_marks(table: Any, marks: Iterable[Mark]) -> Curation:
    """The accepted rows with their edits, and the rejected rows with the reason in ``why``.

    The majority of annotators decides, as in :func:`~synthkit.curate.marks.decisions.accepted`.
    Unmarked and skipped rows, and rows with a tie, are in neither table. Edits are those of the
    last annotator who accepts.

    Parameters
    ----------
    table : of any kind; without an ``id`` column the ids are made from the contents of the rows, as
        :func:`synthkit.data.tables.identified` does.
    marks : the log of one task.

    Examples
    --------
    >>> rows = [{"id": "a", "text": "Good."}, {"id": "b", "text": "Bad."}]
    >>> marks = [Mark(id="a", label="accept", edit={"text": "Fine."}), Mark(id="b", label="reject")]
    >>> curation = split_by_marks(rows, marks)
    >>> curation.kept["text"].tolist(), curation.dropped["why"].tolist()
    (['Fine.'], ['rejected'])
    """
    rows = tables.identified(table)
    kept: list[int] = []
    dropped: list[int] = []
    reasons: list[str] = []
    edits: dict[str, dict[int, str]] = {}
    by_row = votes(marks)
    for at, id in enumerate(tables.column(rows, "id")):
        pro, contra = by_row.get(str(id), ([], []))
        if len(pro) > len(contra):
            last = max(pro, key=lambda mark: mark.at)
            for name, text in last.edit.items():
                edits.setdefault(name, {})[len(kept)] = text
            kept.append(at)
        elif len(contra) > len(pro):
            grounds = dict.fromkeys(mark.reason for mark in contra if mark.reason)
            reasons.append("; ".join(grounds) or REJECTED)
            dropped.append(at)
    return Curation(
        _edited(tables.take(rows, kept), edits),
        tables.attach(tables.take(rows, dropped), {"why": reasons}),
    )


def _edited(table: Any, edits: Mapping[str, Mapping[int, str]]) -> Any:
    """The table with texts that replace cells: column -> row -> text."""
    changed = {}
    for name in set(tables.columns(table)) & set(edits):
        cells = tables.column(table, name)
        changed[name] = [edits[name].get(at, cell) for at, cell in enumerate(cells)]
    return tables.assign(table, changed) if changed else table


def marks_frame(marks: Iterable[Mark]) -> Any:
    """A DataFrame of marks: id, label, reason, flag, by, at (UTC), task, round, edited columns.

    Marks that were imported from another session have its id in ``session``.

    >>> frame = marks_frame([Mark(id="a", label="accept", edit={"text": "Fine."})])
    >>> frame["at"][0].isoformat(), frame["edited_text"].tolist()
    ('1970-01-01T00:00:00+00:00', ['Fine.'])
    """
    pandas = need("pandas", extra="data", why="to show marks")
    marks = list(marks)
    fields = ("id", "label", "reason", "flag", "by", "at", "task", "round")
    frame = pandas.DataFrame(
        [[getattr(mark, name) for name in fields] for mark in marks], columns=fields
    )
    if any(mark.session for mark in marks):
        frame["session"] = [mark.session for mark in marks]
    frame["at"] = pandas.to_datetime(frame["at"].astype(float), unit="s", utc=True)
    for name in dict.fromkeys(name for mark in marks for name in mark.edit):
        column = name if name == SHOWN_LEFT else f"edited_{name}"
        frame[column] = [mark.edit.get(name) for mark in marks]
    return frame


class MarkLog(list[Mark]):
    """Marks, the oldest first: a list that shows itself as a table, of which it has the newest.

    >>> MarkLog([Mark(id="a", label="reject", reason="too short", by="ann")])
    id  label   reason     by   task
    a   reject  too short  ann
    <BLANKLINE>
    1 mark
    """

    @property
    def frame(self) -> Any:
        """The marks as a DataFrame: see :func:`marks_frame`."""
        return marks_frame(self)

    def __repr__(self) -> str:
        return self._shown.plain

    def _repr_html_(self) -> str:
        return self._shown.html

    @property
    def _shown(self) -> StaticOutput:
        rows = [
            {"id": mark.id, "label": mark.label or mark.act, "reason": mark.reason}
            | {"by": mark.person, "task": mark.task}
            for mark in self[-SHOWN_MARKS:]
        ]
        older = len(self) - SHOWN_MARKS
        more = [f"{count(older, 'older mark')} not shown: .frame has all"] if older > 0 else []
        return static_table(rows, more=more, note=count(len(self), "mark"))
