"""Static outputs: plain text and HTML that need no kernel, script or style sheet.

Two outputs with the same content are equal: they hold no address, time or random id.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from synthkit.core.formatting import cell, count, is_number, reveal

STATIC_CLASS = "synthkit-static"
NO_MATHEMATICS = "mathjax_ignore tex2jax_ignore"
"""Classes that keep Jupyter from setting text between two dollar signs as a formula."""
HIDE_LOST_WIDGET = (
    f"<style>.jp-OutputArea-child:has(+ .jp-OutputArea-child .{STATIC_CLASS})"
    " .jupyter-widgets:not(:has(*)){display:none}</style>"
)
"""Without a kernel JupyterLab shows the line "Error displaying widget" in place of a widget. This
style in the next output hides that line; a working widget contains elements and stays."""
HTML_LENGTH = 240
"""Characters of a cell that HTML shows."""
PLAIN_WIDTH = 96
"""Characters that the cells of one line of plain text may take together."""
_NUMBER = r"[+\-\u2212]?\d[\d.e+\-]*"
_INTERVAL = re.compile(rf"\[{_NUMBER}, {_NUMBER}\]")


@dataclass(frozen=True, slots=True)
class StaticOutput:
    """An output in two forms: plain text, and HTML that reads well without styles."""

    plain: str
    html: str

    def __repr__(self) -> str:
        return self.plain

    @property
    def for_widget(self) -> StaticOutput:
        """The same output, to be shown below its widget: it stays when the kernel is gone."""
        return replace(self, html=HIDE_LOST_WIDGET + self.html)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.plain, "text/html": self.html}


def static_table(
    rows: Sequence[Mapping[str, Any]],
    *,
    columns: Sequence[str] = (),
    more: Sequence[str] = (),
    name: str = "",
    note: str | Sequence[str] = "",
    notes: Sequence[str] = (),
) -> StaticOutput:
    """Rows as a table, with a line of totals and a list of notes below it.

    Parameters
    ----------
    columns : the columns to show; those of the first row if empty.
    more : lines directly below the table, such as how many rows are not shown.
    name : a variable's name, in front of the note.
    note : the line of totals, or its parts.
    notes : further lines, as a list.

    Examples
    --------
    >>> static_table([{"verb": "model", "summary": "load one"}], note="1 verb")
    verb   summary
    model  load one
    <BLANKLINE>
    1 verb
    """
    content = _Content(
        rows=[{name: _short(value) for name, value in row.items()} for row in rows],
        columns=list(columns or (rows[0] if rows else ())),
        more=list(more) if rows else [],
        name=name,
        totals=([note] if note else []) if isinstance(note, str) else list(note),
        notes=notes,
    )
    return StaticOutput(_plain(content), _html(content))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Content:
    """The parts of a static table, from which both of its forms are written."""

    rows: Sequence[Mapping[str, Any]]
    columns: Sequence[str]
    more: Sequence[str]
    name: str
    totals: Sequence[str]
    notes: Sequence[str]

    @property
    def right(self) -> list[bool]:
        """For each column, whether its cells are numbers, or missing."""
        columns = ([row[name] for row in self.rows] for name in self.columns)
        present = [[value for value in cells if not _missing(value)] for cells in columns]
        return [bool(cells) and all(map(is_number, cells)) for cells in present]


def _plain(content: _Content) -> str:
    lines = [*_aligned(content), *content.more, ""] if content.rows else []
    label = f"{content.name}: " if content.name else ""
    lines.append(reveal(label + "   ".join(content.totals)))
    lines += [f"  {_one_line(note, PLAIN_WIDTH)}" for note in content.notes]
    return "\n".join(text.rstrip() for text in lines)


def _aligned(content: _Content) -> list[str]:
    """Lines of plain text with aligned columns, one line for each row."""
    names = content.columns
    texts = [list(names), *([cell(row[name]) for name in names] for row in content.rows)]
    limits = _limits([max(map(len, column)) for column in zip(*texts, strict=True)])
    cells = [list(map(_one_line, line, limits)) for line in texts]
    widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(map(_pad, line, widths, content.right)) for line in cells]


def _short(value: Any) -> Any:
    """A number with at most four decimals, or four significant digits below 1."""
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if abs(value) < 1 else round(value, 4)


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, str) and not value)


def _limits(lengths: Sequence[int]) -> list[int]:
    """Characters for each column: long columns share the room that short columns leave."""
    limits = list(lengths)
    room, left = PLAIN_WIDTH, len(limits)
    for at in sorted(range(len(limits)), key=limits.__getitem__):
        limits[at] = min(limits[at], max(16, room // left))
        room, left = room - limits[at], left - 1
    return limits


def _one_line(text: str, limit: int) -> str:
    shown = text if len(text) <= limit else text[:limit].rstrip()
    shown = reveal(shown.replace("\r\n", "\n").replace("\n", "↵").replace("\t", " "))
    return shown if len(text) <= limit else f"{shown}… [{count(len(text), 'character')}]"


def _width(text: str) -> int:
    """Columns that a text takes in a terminal: two for wide East Asian, none for combining."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def _pad(text: str, width: int, right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank


def _html(content: _Content) -> str:
    parts = [f'<div class="{STATIC_CLASS} {NO_MATHEMATICS}">']
    if content.rows:
        heads = "".join(map(_th, content.columns, content.right))
        parts += ["<table>", f"<thead><tr>{heads}</tr></thead>", "<tbody>"]
        for row in content.rows:
            cells = map(_td, (cell(row[name]) for name in content.columns), content.right)
            parts.append(f"<tr>{''.join(cells)}</tr>")
        parts += ["</tbody>", "</table>", *(f"<p>{escape(text)}</p>" for text in content.more)]
    label = f"<strong>{_markup(content.name)}</strong>: " if content.name else ""
    parts.append(f"<p>{label}{' · '.join(map(_markup, content.totals))}</p>")
    if content.notes:
        items = "".join(f"<li>{_markup(note)}</li>" for note in content.notes)
        parts.append(f"<ul>{items}</ul>")
    return "\n".join([*parts, "</div>"])


def _th(text: str, right: bool) -> str:
    return f'<th scope="col" {_side(right)}>{_markup(text)}</th>'


def _td(text: str, right: bool) -> str:
    return f"<td {_side(right)}>{_markup(text)}</td>"


def _side(right: bool) -> str:
    # JupyterLab aligns every cell of a table at the right; GitHub removes styles, but not `align`
    side = "right" if right else "left"
    style = f"text-align:{side};vertical-align:top;white-space:pre-wrap"
    return f'align="{side}" style="{style}"'


def _markup(text: str) -> str:
    """Escaped and isolated text, cut with its length, invisible characters as code."""
    shown = escape(text[:HTML_LENGTH].replace("\r\n", "\n"))
    shown = reveal(shown, "<code>{}</code>").replace("\n", "<br>")
    # an interval goes to the next line as a whole
    shown = _INTERVAL.sub(r'<span style="white-space:nowrap">\g<0></span>', shown)
    rest = f"… <em>[{count(len(text), 'character')}]</em>" if len(text) > HTML_LENGTH else ""
    return f"<bdi>{shown}</bdi>{rest}"
