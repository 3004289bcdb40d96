"""Numbers, counts and cells as text: the same in every output, widget and message."""

from __future__ import annotations

import json
import math
import re
from decimal import Decimal
from typing import Any

# Controls, blanks and marks that a reader cannot see, tag characters and variation selectors that
# can smuggle text, and halves of surrogate pairs. The two joiners stay between non-ASCII letters:
# emoji families and Persian words need them. frontend/shared/text.ts has the same list.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b"
    "\u200e\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff0-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e0fff]"
    "|(?<![^\x00-\x7f])[\u200c\u200d]|[\u200c\u200d](?![^\x00-\x7f])"
)

_ANSI = re.compile(
    "(?:\x1b\\[|\x9b)[0-?]*[ -/]*[@-~]"  # colours and cursor
    "|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\\\|\x9c|$)"  # titles, links
    "|\x1b[ -/]*[0-~]"
)


def thousands(number: int) -> str:
    """A whole number with narrow no-break spaces between its thousands.

    >>> thousands(12345).replace(chr(0x202F), "_")
    '12_345'
    """
    return f"{number:,}".replace(",", "\u202f")


def rounded(value: float) -> str:
    """A number with three significant digits, or rounded to an integer from 1000 on.

    >>> rounded(0.12345), rounded(12345.6).replace(chr(0x202F), "_")
    ('0.123', '12_346')
    """
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}".replace(",", "\u202f")


def count(number: int, noun: str) -> str:
    """A number and its noun, in the plural unless the number is 1.

    >>> count(1, "row"), count(0, "row")
    ('1 row', '0 rows')
    """
    return f"{thousands(number)} {noun}{'' if number == 1 else 's'}"


def money(dollars: float) -> str:
    """US dollars: to the cent, or with two significant digits below one cent.

    >>> money(0), money(3), money(1234.5).replace(chr(0x202F), "_"), money(0.000123)
    ('$0', '$3.00', '$1_234.50', '$0.00012')
    """
    if dollars == 0:
        return "$0"
    if abs(dollars) >= 0.01:
        return f"${dollars:,.2f}".replace(",", "\u202f")
    digits = 1 - math.floor(math.log10(abs(dollars)))
    return f"${dollars:.{digits}f}"


def duration(seconds: float) -> str:
    """A time in seconds below two minutes, in minutes below two hours, then in hours.

    >>> duration(14.2), duration(130), duration(5 * 3600)
    ('14 s', '2 min', '5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def cell(value: Any) -> str:
    """The text of one cell: text unchanged, other values as JSON, objects as their type's name.

    An object without JSON is shown by its type, because its repr may hold an address.

    >>> cell("as is"), cell([1, "é"]), cell(None), cell(object())
    ('as is', '[1, "é"]', 'null', '<object>')
    """
    if not isinstance(value, str | dict | list | tuple | int | float | None):
        value = _plain(value)
    if isinstance(value, str):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, default=_plain)
    except (TypeError, ValueError):  # keys that are not text, or a value that contains itself
        return f"<{type(value).__name__}>"


def _plain(value: Any) -> Any:
    """A plain value for NumPy's, the text of a date or a decimal, or the type's name."""
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "tolist"):
        return value.tolist()
    return str(value) if isinstance(value, Decimal) else f"<{type(value).__name__}>"


def reveal(text: str, mark: str = "<{}>") -> str:
    """``text`` with each invisible character replaced by its code point.

    >>> reveal("zero" + chr(0x200B) + "width")
    'zero<U+200B>width'
    """
    return _UNSEEN.sub(lambda match: mark.format(f"U+{ord(match[0]):04X}"), text)


def printable(text: str) -> str:
    """``text`` without ANSI sequences and invisible characters; line breaks and tabs stay.

    >>> printable(chr(27) + "[31mred" + chr(27) + "[0m" + chr(0x202E) + " soup")
    'red soup'
    """
    return _UNSEEN.sub("", _ANSI.sub("", text))


def is_number(value: Any) -> bool:
    """Whether a cell holds a number, and is aligned at the right."""
    return isinstance(value, int | float) and not isinstance(value, bool)
