"""What a cell leaves in the notebook: text and HTML that stand without a kernel, script or style.

Nothing here differs between two runs that made the same rows: no address, no time, no speed, no
random id. Only how many answers came from the session, and the tokens paid for the others, do.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from html import escape
from typing import Any

from synthkit.core.types import Ledger, Run
from synthkit.data.tables import column, columns, head, size

TWIN_CLASS = "synthkit-static"
NO_MATHEMATICS = "mathjax_ignore tex2jax_ignore"
"""Classes without which Jupyter would set what stands between two dollar signs as a formula."""
HIDE_LOST_WIDGET = (
    f"<style>.jp-OutputArea-child:has(+ .jp-OutputArea-child .{TWIN_CLASS})"
    " .jupyter-widgets:not(:has(*)){display:none}</style>"
)
"""With no kernel JupyterLab puts a bare line "Error displaying widget" in the place of a widget.
Its static twin, the next output, hides that line; a widget that lives has elements inside it."""
MAX_COLUMNS = 12
MAX_REASONS = 8
HTML_LENGTH = 240
PLAIN_WIDTH = 96
"""Characters that the cells of one line of plain text may take together."""

# Controls, blanks and marks that a reader cannot see, tag characters and variation selectors that
# can smuggle text, and halves of surrogate pairs. The two joiners stay between non-ASCII letters:
# emoji families and Persian words are made with them. preview.js holds the same list.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b"
    "\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)


@dataclass(frozen=True, slots=True)
class Static:
    """An output in two forms: plain text, and HTML that is sound where styles are stripped."""

    plain: str
    html: str

    def __repr__(self) -> str:
        return self.plain

    @property
    def twin(self) -> Static:
        """The same, to be shown below a widget, which it stands for where there is no kernel."""
        return replace(self, html=HIDE_LOST_WIDGET + self.html)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, str]:
        return {"text/plain": self.plain, "text/html": self.html}


def summary(run: Run, *, name: str, model: str, rows: int = 8) -> Static:
    """The static twin of a preview: first rows, a line of totals, what was rejected or left.

    Parameters
    ----------
    run : what :func:`synthkit.generate` gave back.
    name : the variable that the table is bound to.
    model : the model's label.
    rows : how many of the first rows to show.

    Examples
    --------
    >>> import pandas as pd
    >>> none = pd.DataFrame({"id": [], "reason": []})
    >>> table = pd.DataFrame({"id": ["8f3a"], "topic": ["bread"], "text": ["Still warm."]})
    >>> run = Run(table, none, none, Ledger(requests=1, completion_tokens=15, cost=0.0))
    >>> summary(run, name="reviews", model="smollm2 nf4")
    topic  text
    bread  Still warm.
    <BLANKLINE>
    reviews: 1 row, 0 from the session, 1 new   smollm2 nf4   15 tokens   $0
    """
    # ids are for tracing a row, not for reading
    names = [key for key in columns(run.table) if key not in {"id", "parent"}]
    names = names or columns(run.table)
    first = head(run.table, rows)
    rest, hidden = size(run.table) - len(first), len(names[MAX_COLUMNS:])
    more = [f"{count(rest, 'more row')} in {name}"] if rest else []
    more += [count(hidden, "more column")] if hidden else []
    rejects, pending = size(run.rejects), size(run.pending)
    line = tally(run.ledger, rows=size(run.table), rejects=rejects, pending=pending, model=model)
    reasons = Counter(map(str, column(run.rejects, "reason"))) if rejects else Counter()
    notes = [f"{thousands(times)} rejected: {reason}" for reason, times in _ranked(reasons)]
    if pending or run.ledger.stopped:
        notes.append(": ".join(filter(None, [f"{thousands(pending)} pending", run.ledger.stopped])))
    digest = _Digest(name, names[:MAX_COLUMNS], first, more if first else [], line, notes)
    return Static(_plain(digest), _html(digest))


def grid(rows: Sequence[Mapping[str, Any]], *, note: str = "", notes: Sequence[str] = ()) -> Static:
    """Rows as a plain table, with a note under them, and further ones as a list.

    >>> grid([{"verb": "model", "what": "load one"}], note="1 verb")
    verb   what
    model  load one
    <BLANKLINE>
    1 verb
    """
    digest = _Digest("", list(rows[0]) if rows else [], rows, [], [note] if note else [], notes)
    return Static(_plain(digest), _html(digest))


def tally(ledger: Ledger, *, rows: int, rejects: int, pending: int, model: str) -> list[str]:
    """The parts of the line that says what a run made, whence, with which model and at what cost.

    Tokens are those of this run: prompt and completion, without what the session already held.

    Examples
    --------
    >>> ledger = Ledger(requests=14, hits=26, completion_tokens=612, cost=0.0)
    >>> "   ".join(tally(ledger, rows=40, rejects=0, pending=0, model="smollm2 nf4"))
    '40 rows, 26 from the session, 14 new   smollm2 nf4   612 tokens   $0'
    """
    made = [count(rows, "row")]
    made += [count(rejects, "reject")] if rejects else []
    made += [f"{thousands(pending)} pending"] if pending else []
    if ledger.hits + ledger.answers > rows + rejects + pending:  # some rest on several answers
        made.append(f"{count(ledger.hits, 'answer')} from the session")
        made.append(f"{thousands(ledger.answers)} new")
    else:
        made.append(f"{thousands(ledger.hits)} from the session")
        made.append(f"{thousands(max(0, rows + rejects - ledger.hits))} new")
    made += [count(ledger.repairs, "repair")] if ledger.repairs else []
    tokens = ledger.prompt_tokens + ledger.completion_tokens
    parts = [", ".join(made), model, count(tokens, "token")]
    return parts if ledger.cost is None else [*parts, money(ledger.cost)]


def thousands(number: int) -> str:
    """A whole number with narrow no-break spaces between its thousands.

    >>> thousands(12345).replace(chr(0x202F), "_")
    '12_345'
    """
    return f"{number:,}".replace(",", "\u202f")


def count(number: int, noun: str) -> str:
    """A number and its noun, in the plural unless there is one.

    >>> count(1, "row"), count(0, "row")
    ('1 row', '0 rows')
    """
    return f"{thousands(number)} {noun}{'' if number == 1 else 's'}"


def money(dollars: float) -> str:
    """US dollars: to the cent, or to two digits below one.

    >>> money(0), money(3), money(1234.5).replace(chr(0x202F), "_"), money(0.000123)
    ('$0', '$3.00', '$1_234.50', '$0.00012')
    """
    if dollars == 0:
        return "$0"
    if abs(dollars) >= 0.01:
        return f"${dollars:,.2f}".replace(",", "\u202f")
    digits = 1 - math.floor(math.log10(abs(dollars)))
    return f"${dollars:.{digits}f}"


def cell(value: Any) -> str:
    """The text of one cell: text as it is, the rest as JSON, or as the name of its type.

    Types stand in for objects without JSON, since a repr may hold an address.

    >>> cell("as is"), cell([1, "é"]), cell(None), cell(object())
    ('as is', '[1, "é"]', 'null', '<object>')
    """
    if not isinstance(value, str | dict | list | tuple | int | float | None):
        value = _stand_in(value)
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=_stand_in)
    except (TypeError, ValueError):  # keys that are not text, or a value inside itself
        return f"<{type(value).__name__}>"


def _stand_in(value: Any) -> Any:
    """The plain value of NumPy's, the text of a date or a decimal, else the type's name."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value) if isinstance(value, Decimal) else f"<{type(value).__name__}>"


def reveal(text: str, mark: str = "<{}>") -> str:
    """``text`` with every character that cannot be seen written as its code point.

    >>> reveal("zero" + chr(0x200B) + "width")
    'zero<U+200B>width'
    """
    return _UNSEEN.sub(lambda found: mark.format(f"U+{ord(found[0]):04X}"), text)


def is_number(value: Any) -> bool:
    """Whether a cell's digits are to be aligned at the right."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class _Digest:
    """What both forms of a summary say."""

    name: str
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]
    more: Sequence[str]
    totals: Sequence[str]
    notes: Sequence[str]

    @property
    def right(self) -> list[bool]:
        """For each column, whether it holds numbers alone."""
        return [all(is_number(row[name]) for row in self.rows) for name in self.columns]


def _plain(digest: _Digest) -> str:
    lines = [*_grid(digest), *digest.more, ""] if digest.rows else []
    label = f"{digest.name}: " if digest.name else ""
    lines.append(reveal(label + "   ".join(digest.totals)))
    lines += [f"  {_one_line(note, PLAIN_WIDTH)}" for note in digest.notes]
    return "\n".join(text.rstrip() for text in lines)


def _grid(digest: _Digest) -> list[str]:
    """Lines of plain text with the columns aligned, each cell on one line."""
    names = digest.columns
    texts = [list(names), *([cell(row[name]) for name in names] for row in digest.rows)]
    limits = _limits([max(map(len, column)) for column in zip(*texts, strict=True)])
    grid = [list(map(_one_line, line, limits)) for line in texts]
    widths = [max(map(_width, column)) for column in zip(*grid, strict=True)]
    return ["  ".join(map(_pad, line, widths, digest.right)) for line in grid]


def _limits(lengths: Sequence[int]) -> list[int]:
    """Characters for each column: what short columns leave is shared out among the long ones."""
    limits = list(lengths)
    room, left = PLAIN_WIDTH, len(limits)
    for at in sorted(range(len(limits)), key=limits.__getitem__):
        limits[at] = min(limits[at], max(16, room // left))
        room, left = room - limits[at], left - 1
    return limits


def _one_line(text: str, limit: int) -> str:
    kept = text if len(text) <= limit else text[:limit].rstrip()
    kept = reveal(kept.replace("\r\n", "\n").replace("\n", "↵").replace("\t", " "))
    return kept if len(text) <= limit else f"{kept}… [{count(len(text), 'character')}]"


def _width(text: str) -> int:
    """Columns that a text takes in a terminal: two for wide East Asian, none for combining."""
    wide = sum(unicodedata.east_asian_width(char) in "WF" for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)


def _pad(text: str, width: int, right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank


def _ranked(reasons: Counter[str]) -> list[tuple[str, int]]:
    """Reasons and their counts, most frequent first, the long tail summed up."""
    # ties by the text, not by the order of arrival, which differs between runs
    ranked = sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))
    tail = ranked[MAX_REASONS:]
    if not tail:
        return ranked
    other = (f"{count(len(tail), 'other reason')}", sum(times for _, times in tail))
    return [*ranked[:MAX_REASONS], other]


def _html(digest: _Digest) -> str:
    parts = [f'<div class="{TWIN_CLASS} {NO_MATHEMATICS}">']
    if digest.rows:
        heads = map(_th, digest.columns, digest.right)
        parts += ["<table>", f"<thead><tr>{''.join(heads)}</tr></thead>", "<tbody>"]
        for row in digest.rows:
            cells = map(_td, (cell(row[name]) for name in digest.columns), digest.right)
            parts.append(f"<tr>{''.join(cells)}</tr>")
        parts += ["</tbody>", "</table>", *(f"<p>{escape(text)}</p>" for text in digest.more)]
    totals = " · ".join(map(_markup, digest.totals))
    label = f"<strong>{_markup(digest.name)}</strong>: " if digest.name else ""
    parts.append(f"<p>{label}{totals}</p>")
    if digest.notes:
        items = "".join(f"<li>{_markup(note)}</li>" for note in digest.notes)
        parts.append(f"<ul>{items}</ul>")
    return "\n".join([*parts, "</div>"])


def _th(text: str, right: bool) -> str:
    return f'<th scope="col" {_side(right)}>{_markup(text)}</th>'


def _td(text: str, right: bool) -> str:
    return f"<td {_side(right)}>{_markup(text)}</td>"


def _side(right: bool) -> str:
    # JupyterLab aligns every cell of a table at the right; GitHub strips styles, not `align`
    side = "right" if right else "left"
    style = f"text-align:{side};vertical-align:top;white-space:pre-wrap"
    return f'align="{side}" style="{style}"'


def _markup(text: str) -> str:
    """Escaped and isolated text, folded with its length, unseen characters as code."""
    kept = escape(text[:HTML_LENGTH].replace("\r\n", "\n"))
    kept = reveal(kept, "<code>{}</code>").replace("\n", "<br>")
    rest = f"… <em>[{count(len(text), 'character')}]</em>" if len(text) > HTML_LENGTH else ""
    return f"<bdi>{kept}</bdi>{rest}"
