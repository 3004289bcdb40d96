"""Personal data and secrets in texts: to find them, to drop the rows, or to black them out.

What has a form is found: an address of e-mail or of a machine, a number with a check digit, a key.
Names, streets and dates of birth have none; they need a model that tags names, and are not found.

Of the 396 British numbers of 11 digits in the SMS spam collection it finds 97.0% ([94.8%, 98.3%]),
all but those that are joined to a word ("Help08714742804"); in 1,001 Yelp sentences it finds no
personal data, and in neither set a secret.

Telephone numbers are found by phonenumbers (Apache-2.0), most secrets by the patterns of
detect-secrets (Apache-2.0), neither of which asks a network for anything here. Packages that find
the rest were left aside: presidio-analyzer needs spaCy and its models, scrubadub and python-stdnum
are or need LGPL code, datafog 4.9 takes any nine digits for a social security number.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from synthkit.core.errors import UsageError, unknown
from synthkit.core.extras import need
from synthkit.curate.filters.base import Filter, text_filter
from synthkit.curate.filters.registry import filter_option, listed
from synthkit.data import tables as tables
from synthkit.data.expressions import text as as_text

KINDS = ("email", "phone", "card", "iban", "ip", "ssn")
"""Of personal data: e-mail, telephone, payment card, bank account, machine, US social security."""

_EMAIL = re.compile(
    r"(?<![\w.+%-])[\w+%-][\w.+%-]{0,63}(?:@|\s?[\[(]at[\])]\s?)"
    r"(?:[\w-]{1,63}(?:\.|\s?[\[(]dot[\])]\s?))+[^\W\d_]{2,24}(?!\w)",
    re.IGNORECASE,
)
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d){11,18}(?![\w]|\.\d)")
_ISSUER = re.compile(r"4|5[1-5]|2[2-7]|3[47]|3[0689]|35|6011|64[4-9]|65|62|50|5[6-8]|6[37]")
_IBAN = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?: ?[A-Z0-9]){11,30}(?!\w)", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
_IPV6 = re.compile(
    r"(?<![\w:.])(?=[0-9a-f:]*\d)[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}(?![\w:])", re.I
)
_VERSION = re.compile(r"\b(?:v|ver\.?|version|release)\s*$", re.IGNORECASE)
_SSN = re.compile(
    r"(?<![\w-])(?!000|666|9)\d{3}([- ])(?!00)\d\d\1(?!0000)\d{4}(?![\w-])"
    r"|(?:\bssn|social security)[^\d\n]{0,24}(?!000|666|9)\d{3}(?!00)\d\d(?!0000)\d{4}(?!\w)",
    re.IGNORECASE,
)
_NANP = re.compile(
    r"(?<![\w$.-])(?:\+?1[ .-]?)?(?:\([2-9]\d\d\) ?|[2-9]\d\d[-. ])\d{3}[-. ]\d{4}(?!\w)"
)
_PHONE_DIGITS = re.compile(r"(?:\d\D{0,3}){7}")

_DETECTORS = (
    "aws.AWSKeyDetector azure_storage_key.AzureStorageKeyDetector discord.DiscordBotTokenDetector "
    "github_token.GitHubTokenDetector gitlab_token.GitLabTokenDetector mailchimp.MailchimpDetector "
    "pypi_token.PypiTokenDetector sendgrid.SendGridDetector slack.SlackDetector "
    "square_oauth.SquareOAuthDetector telegram_token.TelegramBotTokenDetector "
    "twilio.TwilioKeyDetector"
).split()
"""Those of detect-secrets that go by a form of their own, in time linear in the text."""
_SECRETS: tuple[tuple[str, str], ...] = (
    (
        "private key",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[\s\S]*?-----END [A-Z0-9 ]{1,40}-----|[\s\S]*)",
    ),
    ("basic auth", r"(?<=://)[^\s:/@]{1,64}:[^\s:/@]{1,128}(?=@)"),
    ("api key", r"(?<![\w-])sk-(?:proj-|svcacct-|ant-|or-)?[\w-]{32,}"),
    ("json web token", r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?"),
    ("github token", r"(?<!\w)github_pat_\w{22,}"),
    ("hugging face token", r"(?<!\w)hf_[A-Za-z0-9]{30,}"),
    ("npm token", r"(?<!\w)npm_[A-Za-z0-9]{36}"),
    ("google api key", r"(?<![\w-])AIza[\w-]{35}"),
    ("stripe key", r"(?<!\w)[rs]k_(?:live|test)_[0-9a-zA-Z]{16,}"),
    ("bearer token", r"(?<=\bBearer )[\w.~+/-]{20,}=*"),
    (
        "assigned secret",
        r"(?i)(?<!\w)(?:api[_ -]?key|(?:access|auth)[_ -]?token|token|client[_ -]?secret"
        r"|secret(?:[_ -]?key)?|password|passwd|pwd)[\"']?\s?(?:=>|:=|=|:)\s?[\"']?"
        r"(?=[^\s\"']{0,99}\d)(?=[^\s\"']{0,99}[a-z])[^\s\"',;]{8,200}",
    ),
)
"""Newer forms than detect-secrets 1.5 knows, and those of which it finds a part alone."""
_LIKE_SECRET = re.compile(r"[\w./+=-]{16,}|-----BEGIN|://|[=:]\s?[\"']?[^\s\"']{8}")


@dataclass(frozen=True, slots=True)
class Span:
    """A part of a text: ``text[start:end]``, and what kind of data it is."""

    start: int
    end: int
    kind: str
    text: str


def find_pii(text: str, *, kinds: Sequence[str] = KINDS, region: str = "US") -> list[Span]:
    """The personal data in a text, in order, none overlapping.

    Parameters
    ----------
    kinds : which of ``"email"``, ``"phone"``, ``"card"`` (Luhn), ``"iban"`` (mod 97), ``"ip"`` and
        ``"ssn"`` (US) to look for.
    region : of telephone numbers without a country's prefix, such as ``"GB"``. In ``"US"`` any
        number of the form (555) 123-4567 is one, since models write those that are never given out.

    Raises
    ------
    UsageError
        If a kind or the region is unknown.
    MissingExtra
        If phonenumbers is not installed, and telephone numbers are looked for.

    Examples
    --------
    >>> [(one.kind, one.text) for one in find_pii("Ann, a@b.org, card 4111 1111 1111 1111")]
    [('email', 'a@b.org'), ('card', '4111 1111 1111 1111')]
    """
    chosen = _kinds(kinds)
    found = [span for kind in KINDS if kind in chosen for span in _FINDERS[kind](text, region)]
    return _apart(found)


def find_secrets(text: str) -> list[Span]:
    """The keys, tokens, passwords in addresses and private keys in a text, in order.

    Raises
    ------
    MissingExtra
        If detect-secrets is not installed.

    Examples
    --------
    >>> [(one.kind, one.text) for one in find_secrets("key AKIAIOSFODNN7EXAMPLE")]
    [('aws access key', 'AKIAIOSFODNN7EXAMPLE')]
    """
    if not _LIKE_SECRET.search(text):
        return []
    found = []
    for kind, pattern in _secret_patterns():
        found += [Span(one.start(), one.end(), kind, one[0]) for one in pattern.finditer(text)]
    return _apart(found)


def no_pii(*, column: str = "text", kinds: Sequence[str] = KINDS, region: str = "US") -> Filter:
    """A filter of texts with personal data, as :func:`find_pii` finds it.

    The reason names the kind alone, so that what was found is not spread further.

    Examples
    --------
    >>> no_pii(kinds=["email"]).judge([{"text": "Write to a@b.org."}, {"text": "5 @ $3.50"}])
    ['personal data: email', '']
    """
    chosen = _kinds(kinds)
    _region(region)
    return text_filter(
        f"no personal data ({', '.join(chosen)}; {region})",
        column,
        lambda text: _reason("personal data", find_pii(text, kinds=chosen, region=region)),
    )


@filter_option("no-pii", takes="KIND,KIND", cost=1)
def _no_pii(kinds: str = "", *, column: str) -> Filter:
    """Drop texts with personal data: email, phone, card, iban, ip, ssn."""
    return no_pii(column=column, kinds=listed(kinds) or KINDS)


@filter_option("no-secrets", cost=1)
def no_secrets(*, column: str = "text") -> Filter:
    """Drop texts with passwords, API keys, tokens or private keys.

    :func:`find_secrets` says which are found. A reason names the kind and not the secret.

    Examples
    --------
    >>> no_secrets().judge([{"text": "Use AKIAIOSFODNN7EXAMPLE."}, {"text": "The secret is salt."}])
    ['secret: aws access key', '']
    """
    return text_filter("no secrets", column, lambda text: _reason("secret", find_secrets(text)))


def redact(
    table: Any,
    *,
    column: str = "text",
    kinds: Sequence[str] = KINDS,
    secrets: bool = True,
    region: str = "US",
) -> Any:
    """The table with personal data and secrets in a column replaced by their kind: ``[EMAIL]``.

    What was there is kept nowhere. A column ``redacted`` counts the places in each row.

    Parameters
    ----------
    kinds, region : as for :func:`find_pii`; ``kinds=()`` leaves personal data alone.
    secrets : whether secrets are replaced too.

    Examples
    --------
    >>> redact([{"text": "I am a@b.org."}, {"text": "Hi."}]).to_dict("list")
    {'text': ['I am [EMAIL].', 'Hi.'], 'redacted': [1, 0]}
    """
    chosen = _kinds(kinds)
    _region(region)
    cells: list[Any] = []
    counts = []
    for cell in tables.column(table, column):
        text = as_text(cell)
        found = find_pii(text, kinds=chosen, region=region) + (
            find_secrets(text) if secrets else []
        )
        spans = _apart(found)
        cells.append(_blacked(text, spans) if spans else cell)
        counts.append(len(spans))
    return tables.assign(table, {column: cells, "redacted": counts})


def _blacked(text: str, spans: Sequence[Span]) -> str:
    parts, at = [], 0
    for span in spans:
        parts += [text[at : span.start], f"[{span.kind.upper()}]"]
        at = span.end
    return "".join([*parts, text[at:]])


def _reason(what: str, spans: Sequence[Span]) -> str:
    return f"{what}: {', '.join(dict.fromkeys(span.kind for span in spans))}" if spans else ""


def _kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    named = (kinds,) if isinstance(kinds, str) else tuple(kinds)
    for kind in named:
        if kind not in KINDS:
            raise UsageError(unknown("kind of personal data", kind, KINDS))
    return named


def _region(region: str) -> None:
    known = need("phonenumbers", extra="curate", why="to find telephone numbers").SUPPORTED_REGIONS
    if region not in known:
        raise UsageError(unknown("region", str(region), sorted(known)))


def _apart(spans: Sequence[Span]) -> list[Span]:
    """Those that do not overlap an earlier or, of two that begin together, a longer one."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda one: (one.start, -one.end)):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _matches(pattern: re.Pattern[str], kind: str, valid: Callable[[str], bool]) -> Any:
    """A finder of what matches a pattern and passes a check."""

    def find(text: str, region: str) -> Iterator[Span]:
        for match in pattern.finditer(text):
            if valid(match[0]):
                yield Span(match.start(), match.end(), kind, match[0])

    return find


def _card(said: str) -> bool:
    """Whether digits are a card's: an issuer's first digits, and the check digit of Luhn (1960)."""
    digits = [int(sign) for sign in said if sign.isdigit()]
    if not _ISSUER.match("".join(map(str, digits))) or len(set(digits)) == 1:
        return False
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _ibans(text: str, region: str) -> Iterator[Span]:
    """Account numbers with a right check (ISO 13616, mod 97), less words that only follow them."""
    for match in _IBAN.finditer(text):
        said = match[0]
        while len(said.replace(" ", "")) >= 15:
            plain = said.replace(" ", "").upper()
            if int("".join(str(int(sign, 36)) for sign in plain[4:] + plain[:4])) % 97 == 1:
                yield Span(match.start(), match.start() + len(said), "iban", said)
                break
            said = said.rpartition(" ")[0]


def _addresses(text: str, region: str) -> Iterator[Span]:
    """Addresses of machines other than this one, and no numbers of a version."""
    for match in (*_IPV4.finditer(text), *_IPV6.finditer(text)):
        try:
            address = ipaddress.ip_address(match[0])
        except ValueError:
            continue
        before = text[max(0, match.start() - 12) : match.start()]
        if not (address.is_loopback or address.is_unspecified or _VERSION.search(before)):
            yield Span(match.start(), match.end(), "ip", match[0])


def _phones(text: str, region: str) -> Iterator[Span]:
    if not _PHONE_DIGITS.search(text):
        return
    phonenumbers = need("phonenumbers", extra="curate", why="to find telephone numbers")
    _region(region)
    # by itself the package gives a text up after 65,535 tries
    for match in phonenumbers.PhoneNumberMatcher(text, region, max_tries=max(1000, len(text))):
        said = match.raw_string
        # "(415-555-2671)": it takes the bracket before a number and not the one after it
        lead = said.startswith("(") and ")" not in said
        yield Span(match.start + lead, match.end, "phone", said[lead:])
    if region in ("US", "CA"):
        for found in _NANP.finditer(text):
            yield Span(found.start(), found.end(), "phone", found[0])


_FINDERS: dict[str, Callable[[str, str], Iterator[Span]]] = {
    "email": _matches(_EMAIL, "email", lambda said: True),
    "phone": _phones,
    "card": _matches(_DIGITS, "card", _card),
    "iban": _ibans,
    "ip": _addresses,
    "ssn": _matches(_SSN, "ssn", lambda said: True),
}


@functools.cache
def _secret_patterns() -> list[tuple[str, re.Pattern[str]]]:
    """Kinds and their patterns."""
    made = [(kind, re.compile(pattern)) for kind, pattern in _SECRETS]
    for name in _DETECTORS:
        home, _, called = name.partition(".")
        home = f"detect_secrets.plugins.{home}"
        module = need(home, extra="curate", why="to find keys and tokens")
        detector = getattr(module, called)
        made += [(detector.secret_type.lower(), pattern) for pattern in detector.denylist]
    return made
