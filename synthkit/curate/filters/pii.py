"""Personal data in texts: it can be found, its rows dropped, or it can be redacted.

Data with a fixed format is found: e-mail and IP addresses, and numbers with a check digit. Names,
streets and dates of birth have no format; they need a model that tags names, and are not found.

Of the 396 British telephone numbers of 11 digits in the SMS spam collection it finds 97.0%
([94.8%, 98.3%]): all except those joined to a word ("Help08714742804"). In 1,001 Yelp sentences it
finds no personal data.

Telephone numbers are found by phonenumbers (Apache-2.0), which does not use the network. Packages
that find the rest were rejected: presidio-analyzer needs spaCy and its models, scrubadub and
python-stdnum are or need LGPL code, datafog 4.9 takes any nine digits for a social security number.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from synthkit.core.errors import check_known
from synthkit.core.extras import need
from synthkit.curate.filters.base import Filter, text_filter
from synthkit.curate.filters.registry import filter_option, listed
from synthkit.curate.filters.secrets import find_secrets
from synthkit.curate.filters.spans import Span, reason, without_overlaps
from synthkit.data import tables
from synthkit.data.cells import as_text
from synthkit.stats.words import UNSPACED

KINDS = ("email", "phone", "card", "iban", "ip", "ssn")
"""Kinds of personal data: e-mail, telephone, payment card, bank account, IP address, US social
security number."""

# letters of a script without spaces may stand beside data, and are no part of it
_LETTER = rf"[^\W{UNSPACED}]"
_EMAIL = re.compile(
    rf"(?<!{_LETTER})(?<![.+%-])(?:{_LETTER}|[+%-])(?:{_LETTER}|[.+%-]){{0,63}}"
    rf"(?:@|\s?[\[(]at[\])]\s?)(?:(?:{_LETTER}|-){{1,63}}(?:\.|\s?[\[(]dot[\])]\s?))+"
    rf"[^\W\d_{UNSPACED}]{{2,24}}(?!{_LETTER})",
    re.IGNORECASE,
)
_CARD = re.compile(rf"(?<!{_LETTER})(?<!\.)\d(?:[ -]?\d){{11,18}}(?!{_LETTER}|\.\d)")
_ISSUER = re.compile(r"4|5[1-5]|2[2-7]|3[47]|3[0689]|35|6011|64[4-9]|65|62|50|5[6-8]|6[37]")
_IBAN = re.compile(
    rf"(?<!{_LETTER})[A-Z]{{2}}\d{{2}}(?: ?[A-Z0-9]){{11,30}}(?!{_LETTER})", re.IGNORECASE
)
_IPV4 = re.compile(rf"(?<!{_LETTER})(?<!\.)(?:\d{{1,3}}\.){{3}}\d{{1,3}}(?!{_LETTER}|\.\d)")
_IPV6 = re.compile(
    rf"(?<!{_LETTER})(?<![:.])(?=[0-9a-f:]*\d)[0-9a-f]{{0,4}}(?::[0-9a-f]{{0,4}}){{2,7}}(?!{_LETTER}|:)",
    re.IGNORECASE,
)
_VERSION = re.compile(r"\b(?:v|ver\.?|version|release)\s*$", re.IGNORECASE)
_SSN = re.compile(
    rf"(?<!{_LETTER})(?<!-)(?!000|666|9)\d{{3}}([- ])(?!00)\d\d\1(?!0000)\d{{4}}(?!{_LETTER}|-)"
    r"|(?:\bssn|social security)[^\d\n]{0,24}(?!000|666|9)\d{3}(?!00)\d\d(?!0000)\d{4}"
    rf"(?!{_LETTER})",
    re.IGNORECASE,
)
_NANP = re.compile(
    rf"(?<!{_LETTER})(?<![$.-])(?:\+?1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])\d{{3}}[-. ]\d{{4}}"
    rf"(?!{_LETTER})"
)
_PHONE_DIGITS = re.compile(r"(?:\d\D{0,3}){7}")


def find_pii(text: str, *, kinds: Sequence[str] = KINDS, region: str = "US") -> list[Span]:
    """The personal data in a text, in order and without overlaps.

    Parameters
    ----------
    kinds : which of ``"email"``, ``"phone"``, ``"card"`` (Luhn), ``"iban"`` (mod 97), ``"ip"`` and
        ``"ssn"`` (US) to look for.
    region : of telephone numbers without a country code, such as ``"GB"``. In ``"US"`` every number
        of the form (555) 123-4567 counts, because models write numbers that are never assigned.

    Raises
    ------
    UsageError
        If a kind or the region is unknown.
    MissingExtra
        If telephone numbers are looked for and phonenumbers is not installed.

    Examples
    --------
    >>> [(span.kind, span.text) for span in find_pii("Ann, a@b.org, card 4111 1111 1111 1111")]
    [('email', 'a@b.org'), ('card', '4111 1111 1111 1111')]
    """
    chosen = _checked_kinds(kinds)
    return without_overlaps(
        span for kind in KINDS if kind in chosen for span in _FINDERS[kind](text, region)
    )


def no_pii(*, column: str = "text", kinds: Sequence[str] = KINDS, region: str = "US") -> Filter:
    """Drop texts with personal data, as found by :func:`find_pii`.

    A reason names the kind of data, not the data.

    Examples
    --------
    >>> no_pii(kinds=["email"]).judge([{"text": "Write to a@b.org."}, {"text": "5 @ $3.50"}])
    ['personal data: email', '']
    """
    chosen = _checked_kinds(kinds)
    _check_region(region)
    return text_filter(
        f"no personal data ({', '.join(chosen)}; {region})",
        column,
        lambda text: reason("personal data", find_pii(text, kinds=chosen, region=region)),
    )


@filter_option("no-pii", takes="KIND,KIND", cost=1)
def _no_pii(kinds: str = "", *, column: str) -> Filter:
    """Drop texts with personal data: email, phone, card, iban, ip, ssn."""
    return no_pii(column=column, kinds=listed(kinds) or KINDS)


def redact(
    table: Any,
    *,
    column: str = "text",
    kinds: Sequence[str] = KINDS,
    secrets: bool = True,
    region: str = "US",
) -> Any:
    """The table with personal data and secrets in a column replaced by their kind: ``[EMAIL]``.

    The redacted texts are kept nowhere. A column ``redacted`` counts the replacements in each row.

    Parameters
    ----------
    kinds, region : as for :func:`find_pii`; ``kinds=()`` leaves personal data as it is.
    secrets : whether secrets are replaced too.

    Examples
    --------
    >>> redact([{"text": "I am a@b.org."}, {"text": "Hi."}]).to_dict("list")
    {'text': ['I am [EMAIL].', 'Hi.'], 'redacted': [1, 0]}
    """
    chosen = _checked_kinds(kinds)
    _check_region(region)
    cells: list[Any] = []
    counts = []
    for cell in tables.column(table, column):
        text = as_text(cell)
        personal = find_pii(text, kinds=chosen, region=region)
        spans = without_overlaps([*personal, *(find_secrets(text) if secrets else [])])
        cells.append(_redacted(text, spans) if spans else cell)
        counts.append(len(spans))
    return tables.attach(tables.assign(table, {column: cells}), {"redacted": counts})


def _redacted(text: str, spans: Sequence[Span]) -> str:
    parts, at = [], 0
    for span in spans:
        parts += [text[at : span.start], f"[{span.kind.upper()}]"]
        at = span.end
    return "".join([*parts, text[at:]])


def _checked_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    names = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    check_known("kind of personal data", names, KINDS)
    return names


def _check_region(region: str) -> None:
    known = need("phonenumbers", extra="curate", why="to find telephone numbers").SUPPORTED_REGIONS
    check_known("region", [region], sorted(known))


def _matches(pattern: re.Pattern[str], kind: str, valid: Callable[[str], bool]) -> Any:
    """A finder of the matches of a pattern that pass a check."""

    def find(text: str, region: str) -> Iterator[Span]:
        for match in pattern.finditer(text):
            if valid(match[0]):
                yield Span(match.start(), match.end(), kind, match[0])

    return find


def _is_card(number: str) -> bool:
    """Whether a number begins as a card issuer's and has a valid check digit (Luhn 1960)."""
    digits = [int(sign) for sign in number if sign.isdigit()]
    if not _ISSUER.match("".join(map(str, digits))) or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _find_ibans(text: str, region: str) -> Iterator[Span]:
    """Account numbers with a valid checksum (ISO 13616, mod 97), without the words after them."""
    for match in _IBAN.finditer(text):
        candidate = match[0]
        while len(candidate.replace(" ", "")) >= 15:
            plain = candidate.replace(" ", "").upper()
            if int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1:
                yield Span(match.start(), match.start() + len(candidate), "iban", candidate)
                break
            candidate = candidate.rpartition(" ")[0]


def _find_ip_addresses(text: str, region: str) -> Iterator[Span]:
    """IP addresses, without loopback addresses and version numbers."""
    for match in (*_IPV4.finditer(text), *_IPV6.finditer(text)):
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        before = text[max(0, match.start() - 12) : match.start()]
        if not (address.is_loopback or address.is_unspecified or _VERSION.search(before)):
            yield Span(match.start(), match.end(), "ip", match[0])


def _find_phones(text: str, region: str) -> Iterator[Span]:
    if not _PHONE_DIGITS.search(text):
        return
    phonenumbers = need("phonenumbers", extra="curate", why="to find telephone numbers")
    _check_region(region)
    # by default the package stops after 65,535 tries
    for match in phonenumbers.PhoneNumberMatcher(text, region, max_tries=max(1000, len(text))):
        number = match.raw_string
        # of "(415-555-2671)" it takes the opening bracket and not the closing one
        bracket = number.startswith("(") and ")" not in number
        yield Span(match.start + bracket, match.end, "phone", number[bracket:])
    if region in ("US", "CA"):
        for m in _NANP.finditer(text):
            yield Span(m.start(), m.end(), "phone", m[0])


_FINDERS: dict[str, Callable[[str, str], Iterator[Span]]] = {
    "email": _matches(_EMAIL, "email", lambda address: True),
    "phone": _find_phones,
    "card": _matches(_CARD, "card", _is_card),
    "iban": _find_ibans,
    "ip": _find_ip_addresses,
    "ssn": _matches(_SSN, "ssn", lambda number: True),
}
