"""Secrets in settings: where they are, what is stored in their place, and their echoes in texts.

A leaf of nested options is secret by its name (``password``, ``api_key``, ``user_token``), by the
name of the object around it (``credentials``), or by its value (``sk-...``, a private key, an
address with a password). Whatever is shown or stored has :func:`placeholder` in its place.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

_HELD = re.compile(r"\[secret:[0-9a-f]{12}\]")
_ITERATIONS = 100_000

# Names, by their words: "apiKey2" is api key
_STRONG = set(
    "password passwords passwd passphrase passcode pwd secret secrets credential credentials "
    "authorization apikey apikeys accesskey accesstoken authtoken secretkey privatekey bearer jwt "
    "cookie cookies connectionstring".split()
)
_STRONG_PAIRS = {
    *((first, "key") for first in "api access account private subscription functions".split()),
    *((first, "key") for first in "shared host master service encryption signing client".split()),
    *((first, "token") for first in "access auth refresh id session security bearer".split()),
    *((first, "token") for first in "api user client personal identity".split()),
    *(("api", "keys"), ("access", "keys"), ("access", "tokens"), ("connection", "string")),
}
_WEAK = {"key", "token", "signature", "sig", "auth", "authentication", "pass", "pat", "otp"}
"""Of a secret at the end of a name, unless the word before is one of these."""
_PLAIN_BEFORE = set(
    "cache eos bos pad unk sep cls mask stop start end begin special think thinking image audio "
    "next prefix suffix tool first last primary foreign sort partition public group row column "
    "label field text role message content index hash answer prompt output input name dict json "
    "new default decoder max min".split()
)
_QUERY = {*_WEAK, "code", "hmac", "sas"}
_PLAIN_IN_SECRET = set(
    "type kind scheme method mode header scope audience enabled version id url endpoint resource "
    "name user username region tenant".split()
)
"""Ends of the names of leaves that are not secret inside of ``authentication`` and the like."""

_FORMATS = re.compile(
    r"(?<![\w-])(?:sk-|[rsp]k_(?:live|test)_)(?=[\w-]*\d)[\w-]{12,}|\b(?:gh[oprsu]_|github_pat_|glpat-)\w{16,}"
    r"|\b(?:hf|npm|gsk|r8)_[A-Za-z0-9]{16,}|\bxox[a-z]-[\w-]{10,}|\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"
    r"|\bAIza[\w-]{20,}|\b(?:pplx|nvapi|xai)-[\w-]{16,}|\beyJ[\w-]{8,}\.[\w-]{8,}"
    r"|-----BEGIN [A-Z0-9 ]{0,30}PRIVATE KEY|://[^\s/@:]*:[^\s/@]+@"
    r"|(?<![A-Za-z])(?i:(?:account|access|api|shared|secret)[-_ ]?key|password|passwd|pwd"
    r"|secret|sig|signature|(?:access|auth|api)[-_]?token)\s?=\s?[^\s;&=]{6,}"
)
_SECRET_WORD = re.compile(r"(?i)(?=\S*\d)\S*(?:secret|passw|api[-_]?key)\S*")
_SCHEME = re.compile(r"(?i)(bearer|basic|token|apikey)\s+(\S{6,})")
_URL = re.compile(r"^((?:[A-Za-z][A-Za-z0-9+.-]*://)?)([^/?#]*)([^?#]*)([\s\S]*)")
_IDENTIFIED = set(
    "account accounts project projects endpoint endpoints deployment deployments model models "
    "workspace workspaces organization organizations org orgs location locations region regions "
    "service services user users publisher publishers gateway team teams".split()
)
"""The segments of a path after which an identifier follows, which is public."""


class Options(dict[str, Any]):
    """Options that are sent, and do not change; their ``repr`` has no secret.

    >>> Options({"top_k": 5})
    {'top_k': 5}
    """

    def __repr__(self) -> str:
        return repr(self.shown)

    @functools.cached_property
    def shown(self) -> dict[str, Any]:
        """The options with a placeholder for each secret."""
        options: dict[str, Any] = hidden(dict(self))
        return options


@functools.lru_cache(maxsize=1024)
def placeholder(secret: str) -> str:
    """What is stored and shown in place of a secret: the same for the same secret.

    It is 48 bits of PBKDF2-HMAC-SHA256, which is slow on purpose: a password cannot be found by
    trying many.
    """
    if _HELD.fullmatch(secret):
        return secret
    data = secret.encode("utf-8", "surrogatepass")
    hashed = hashlib.pbkdf2_hmac("sha256", data, b"synthkit.core.secrets", _ITERATIONS, dklen=6)
    return f"[secret:{hashed.hex()}]"


def hidden(value: Any, name: str = "") -> Any:
    """``value`` with a placeholder for each secret leaf; equal to ``value`` if it has none.

    >>> shown = hidden({"top_k": 5, "provider": {"password": "hunter22"}})
    >>> shown["top_k"], shown["provider"]["password"][:8]
    (5, '[secret:')
    """
    return _replaced(value, name, False)


def secrets_in(value: Any, name: str = "") -> list[str]:
    """The secret leaves of nested options."""
    found: list[str] = []
    _replaced(value, name, False, found)
    return found


def placeholders_in(value: Any) -> list[str]:
    """The placeholders among nested options, whose secrets are not known here."""
    if isinstance(value, Mapping):
        return [each for part in value.values() for each in placeholders_in(part)]
    if isinstance(value, list | tuple):
        return [each for part in value for each in placeholders_in(part)]
    return _HELD.findall(value) if isinstance(value, str) else []


def hidden_query(query: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a URL with a placeholder for each secret value."""
    return {
        name: placeholder(str(value))
        if value and is_query_secret(name, str(value))
        else hidden(value, name)
        for name, value in query.items()
    }


def is_query_secret(name: str, value: str) -> bool:
    """Whether a parameter of a URL is secret: by its name, such as ``sig``, or its value."""
    words = words_of(name)
    return bool(words) and (words[-1] in _QUERY or is_strong(words) or looks_secret(value))


def hidden_url(url: str, *, path: bool = False) -> str:
    """A URL with placeholders for a password, secret parameters and, if asked, path segments.

    It need not be a valid URL.

    >>> hidden_url("https://example.org/v1?version=3")
    'https://example.org/v1?version=3'
    """
    scheme, host, segments, query = _URL.findall(url)[0]
    user, at, host = host.rpartition("@")
    host = (placeholder(user) if user else "") + at + host
    if path:
        segments = _hidden_path(segments)
    query = re.sub(r"([?&#])([^=&#]*)=([^&#]*)", _hidden_parameter, query)
    return f"{scheme}{host}{segments}{query}"


@functools.lru_cache(maxsize=1024)  # options are the same for each request
def looks_secret(value: str) -> bool:
    """Whether a text has the form of a key, token, private key or address with a password.

    >>> looks_secret("sk-proj-abcdEFGH1234ijklMNOP"), looks_secret("llama-3.1-8b-instruct")
    (True, False)
    """
    if _FORMATS.search(value) or _SECRET_WORD.fullmatch(value):
        return True
    scheme = _SCHEME.fullmatch(value.strip())
    if scheme:
        kind, credentials = scheme[1].lower(), scheme[2]
        if kind == "basic":
            return bool(basic_pair(credentials))
        return kind == "bearer" or bool(re.search(r"\d", credentials))
    names = re.findall(r"[?&]([^=&\s]+)=[^&\s]{6,}", value) if "://" in value else []
    return any(is_strong(words) or words[-1:] == ("sig",) for words in map(words_of, names))


def is_opaque(text: str, least: int = 16) -> bool:
    """Whether a text looks random: long, one word, of letters and digits.

    >>> is_opaque("a81bc81bdead4e5dabff90865d1e13b1"), is_opaque("gpt-4o-mini-2024-07-18")
    (True, False)
    """
    return any(
        len(run) >= least and re.search("[A-Za-z]", run) and len(re.findall(r"\d", run)) >= 3
        for run in re.findall("[A-Za-z0-9+/=]+", text)
    ) and not re.search(r"\s", text)


def _replaced(value: Any, name: str, inside: bool, found: list[str] | None = None) -> Any:
    """``value`` with placeholders; the secrets are added to ``found``."""
    words = words_of(name)
    if isinstance(value, Mapping):
        inside = inside or is_strong(words) or words[-1:] in (("auth",), ("authentication",))
        return {
            _replaced(key, "", False, found) if isinstance(key, str) else key: _replaced(
                part, key if isinstance(key, str) else "", inside, found
            )
            for key, part in value.items()
        }
    if isinstance(value, list | tuple):
        parts = [_replaced(part, name, inside, found) for part in value]
        return parts if isinstance(value, list) else tuple(parts)
    if not _is_secret(words, value, inside):
        return value
    if found is not None:
        found.append(str(value))
        return value
    return placeholder(str(value))


def _is_secret(words: Sequence[str], value: Any, inside: bool) -> bool:
    if not isinstance(value, str | int | float) or isinstance(value, bool) or value == "":
        return False
    inside = inside and not (words and words[-1] in _PLAIN_IN_SECRET)
    if not isinstance(value, str):
        return inside or is_strong(words)
    if inside or is_strong(words) or looks_secret(value):
        return True
    if not words or words[-1] not in _WEAK or len(value) < 6:
        return False
    if len(words) > 1:
        return words[-2] not in _PLAIN_BEFORE
    # alone, "key" may name a field, and "token" a token of the model
    return not re.fullmatch(r"[A-Za-z]+(_[a-z]+)*|<.*>", value)


def is_strong(words: Sequence[str]) -> bool:
    """Whether a name with these words, such as ``api`` and ``key``, is always of a secret."""
    return bool(_STRONG.intersection(words)) or any(
        pair in _STRONG_PAIRS for pair in itertools.pairwise(words)
    )


@functools.lru_cache(maxsize=4096)
def words_of(name: str) -> tuple[str, ...]:
    """The words of a name, in lower case, without numbers."""
    return tuple(
        word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_a-zA-Z]+", name)
    )


def basic_pair(encoded: str) -> str:
    """User and password of basic authentication; empty if it is something else."""
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
    return pair if ":" in pair else ""


def _hidden_path(path: str) -> str:
    segments = path.split("/")
    for at, segment in enumerate(segments):
        before = segments[at - 1].lower() if at else ""
        words = words_of(before)
        named = bool(words) and (words[-1] in _WEAK or is_strong(words)) and len(segment) >= 6
        opaque = is_opaque(segment) and before not in _IDENTIFIED
        if segment and (named or opaque or looks_secret(segment)):
            segments[at] = placeholder(segment)
    return "/".join(segments)


def _hidden_parameter(match: re.Match[str]) -> str:
    start, name, value = match.groups()
    if value and is_query_secret(unquote_plus(name), unquote_plus(value)):
        value = placeholder(value)
    return f"{start}{name}={value}"
