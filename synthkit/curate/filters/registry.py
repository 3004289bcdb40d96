"""Filters by name and one plain value, as a notebook line or a file of settings has them.

%synth filter reviews --where "words > 5" --length 3-50 --no-refusals
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.curate.filters import contamination, language, pii, refusals, repetition, text
from synthkit.curate.filters.base import Filter

_SPAN = re.compile(r"(\d*)\s*-\s*(\d*)|(>=|<=)\s*(\d+)")


@dataclass(frozen=True, slots=True)
class FilterSpec:
    """A filter with a name.

    Parameters
    ----------
    make : (value, column of texts) -> the filter; a value that is not given is ``""``.
    takes : what the value is, for a line of help; empty where there is none.
    needed : whether the filter cannot be made without a value.
    does : what is kept or dropped.
    """

    make: Callable[[Any, str], Filter]
    takes: str
    needed: bool
    does: str


def filter_from_spec(name: str, value: Any = "", *, column: str = "text") -> Filter:
    """The filter of that name, from one value: a number, a text, or a table.

    Raises
    ------
    UsageError
        If there is no such filter, or its value is missing, of no use, or one too many.

    Examples
    --------
    >>> filter_from_spec("length", "3-50").name, filter_from_spec("no-pii", "email,phone").name
    ('words >= 3 and <= 50', 'no personal data (email, phone; US)')
    """
    if name not in NAMED:
        raise UsageError(unknown("filter", name, NAMED))
    one = NAMED[name]
    given = not (isinstance(value, str) and not value.strip()) and value is not None
    if one.needed and not given:
        raise UsageError(f"the filter {name!r} needs {one.takes}: {one.does}.")
    if given and not one.takes:
        raise UsageError(f"the filter {name!r} takes no value; got {value!r}.")
    return one.make(value if given else "", column)


def span(value: Any) -> tuple[float | None, float | None]:
    """The bounds in ``"3-50"``, ``"3-"``, ``"-50"``, ``">=3"`` or ``"<=50"``.

    Raises
    ------
    UsageError
        If they are none.
    """
    found = _SPAN.fullmatch(str(value).strip())
    if not found or not any(found.groups()):
        raise UsageError(f"expected a span such as 3-50, 3- or -50; got {value!r}.")
    low, high, sign, bound = found.groups()
    if sign:
        low, high = (bound, "") if sign == ">=" else ("", bound)
    return float(low) if low else None, float(high) if high else None


def _length(unit: str) -> Callable[[Any, str], Filter]:
    def make(value: Any, column: str) -> Filter:
        least, most = span(value)
        return text.length(column=column, least=least, most=most, unit=unit)

    return make


def _words(value: Any) -> list[str]:
    """The words of ``"en,fr"``, or of a list."""
    parts = value.split(",") if isinstance(value, str) else value
    return [str(part).strip() for part in parts if str(part).strip()]


def _stopwords(value: Any, column: str) -> Filter:
    try:
        least = int(value) if value != "" else 2
    except (TypeError, ValueError):
        raise UsageError(f"expected a number of stop words; got {value!r}.") from None
    return text.stopwords(column=column, least=least)


NAMED: Mapping[str, FilterSpec] = {
    "where": FilterSpec(
        lambda value, column: text.rows_where(value, text=column),
        "EXPRESSION",
        True,
        "keep rows for which it holds, such as 'words > 5 and stars < 3'",
    ),
    "length": FilterSpec(_length("words"), "LEAST-MOST", True, "keep texts of so many words"),
    "chars": FilterSpec(_length("chars"), "LEAST-MOST", True, "keep texts of so many characters"),
    "language": FilterSpec(
        lambda value, column: language.language(*_words(value), column=column),
        "CODE,CODE",
        True,
        "drop texts that are surely in another language",
    ),
    "matches": FilterSpec(
        lambda value, column: text.regex(value, column=column),
        "REGEX",
        True,
        "keep texts in which it is found",
    ),
    "no-match": FilterSpec(
        lambda value, column: text.regex(value, column=column, keep=False),
        "REGEX",
        True,
        "drop texts in which it is found",
    ),
    "no-repetition": FilterSpec(
        lambda _, column: repetition.repetition(column=column),
        "",
        False,
        "drop texts that repeat themselves (Gopher's rules)",
    ),
    "no-symbols": FilterSpec(
        lambda _, column: text.symbols(column=column),
        "",
        False,
        "drop texts of signs rather than words",
    ),
    "stopwords": FilterSpec(_stopwords, "LEAST", False, "keep texts with common words of English"),
    "no-refusals": FilterSpec(
        lambda _, column: refusals.no_refusals(column=column), "", False, "drop answers that refuse"
    ),
    "no-leakage": FilterSpec(
        lambda value, column: refusals.no_leakage(column=column, prompts=_words(value)),
        "COLUMN,COLUMN",
        False,
        "drop texts with placeholders, words around the answer, or parts of the prompt",
    ),
    "no-pii": FilterSpec(
        lambda value, column: pii.no_pii(column=column, kinds=_words(value) or pii.KINDS),
        "KIND,KIND",
        False,
        f"drop texts with personal data: {', '.join(pii.KINDS)}",
    ),
    "no-secrets": FilterSpec(
        lambda _, column: pii.no_secrets(column=column),
        "",
        False,
        "drop texts with keys and tokens",
    ),
    "no-contamination": FilterSpec(
        lambda value, column: contamination.no_contamination(value, column=column),
        "TABLE",
        True,
        "drop texts that overlap a test table",
    ),
}
"""Name -> filter, in the order in which help should list them: cheap ones first."""
