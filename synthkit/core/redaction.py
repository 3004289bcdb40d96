"""Texts from elsewhere, such as a server's error: without secrets and without control codes."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, unquote, urlsplit

from synthkit.core.secrets import basic_pair, is_opaque, is_strong, looks_secret, words_of

_NO_SECRETS = {"empty", "none", "null", "ollama", "lm-studio", "dummy", "fake", "test", "token"}
_NO_SECRETS |= {"api-key", "apikey", "no-key", "not-needed", "unused", "key", "secret", "password"}
_PLAIN_HEADERS = {"content-type", "accept", "accept-encoding", "user-agent", "referer"}
_PLAIN_HEADERS |= {"http-referer", "x-title", "anthropic-version", "openai-beta", "host"}


class Redactor:
    """Replaces secrets in texts from elsewhere, also where they are written in another way.

    >>> redactor = Redactor()
    >>> redactor.add("ab+cd/ef012345", certain=True)
    >>> redactor.redact("got ab%2Bcd%2fef012345")
    'got [key]'
    """

    def __init__(self) -> None:
        self._patterns: dict[str, tuple[str, re.Pattern[str], bool]] = {}

    def add(self, secret: str, *, certain: bool) -> None:
        """Replace this from now on.

        Parameters
        ----------
        certain : whether it can be nothing else; only such secrets are replaced in the texts that
            a model wrote. A short one, or a placeholder such as "EMPTY", never is.
        """
        if secret in self._patterns or len(secret) < 4 or secret.lower() in _NO_SECRETS:
            return
        runs = re.findall("[A-Za-z0-9]+", secret)
        probe = max(runs, key=len, default="")
        pattern = "".join(c if c.isascii() and c.isalnum() else _written(c) for c in secret)
        if len(secret) < 8:
            pattern = rf"(?<!\w){pattern}(?!\w)"
        marked = is_opaque(secret, 8) or len(secret) >= 20 or secret.startswith("Bearer ")
        certain = certain and len(secret) >= 8 and marked
        # a new dict, since another thread may be reading
        self._patterns = {**self._patterns, secret: (probe, re.compile(pattern), certain)}

    def add_key(self, key: str) -> None:
        """Replace the key of a server; a short one in a model's text only after ``Bearer``."""
        self.add(key, certain=True)
        if len(key) >= 4 and key.lower() not in _NO_SECRETS:
            self.add(f"Bearer {key}", certain=True)

    def add_header(self, name: str, value: str) -> None:
        """Replace the credentials of a header, or a value that may be some."""
        if name.lower() in _PLAIN_HEADERS:
            return
        words = words_of(name)
        certain = is_strong(words) or words[-1:] in (("key",), ("token",), ("auth",))
        certain = certain or looks_secret(value) or is_opaque(value)
        secret = value.strip().rpartition(" ")[2]
        self.add(secret, certain=certain)
        if password := basic_pair(secret).partition(":")[2]:
            self.add(password, certain=certain)

    def redact(self, text: str) -> str:
        """``text`` with ``[key]`` in place of each secret."""
        text = self._without(text)
        decoded = text
        for _ in range(3):  # an echo of an echo is encoded twice
            if decoded == (decoded := unquote(decoded)):
                return text
            if decoded != (cleaned := self._without(decoded)):
                text = decoded = cleaned
        return text

    def _without(self, text: str) -> str:
        for probe, pattern, _ in self._patterns.values():
            if probe in text:
                text = pattern.sub("[key]", text)
        return text

    def redact_body(self, body: bytes) -> bytes:
        """A response body with ``[key]`` in place of each secret that can be nothing else."""
        for probe, pattern, certain in self._patterns.values():
            if certain and probe.encode() in body:
                body = pattern.sub("[key]", body.decode("utf-8", "surrogateescape")).encode(
                    "utf-8", "surrogateescape"
                )
        return body


def _written(character: str) -> str:
    """A pattern for the ways in which a character may be written in an echo."""
    ways = {
        character,
        json.dumps(character)[1:-1],
        html.escape(character),
        f"&#{ord(character)};",
        f"\\{character}",
        quote(character, safe="") if ord(character) < 0xD800 else character,
    }
    patterns = [re.escape(way) for way in sorted(ways, key=lambda way: -len(way))]
    if ord(character) < 0x80:
        patterns.append(f"%(?:25)*{_any_case(f'{ord(character):02x}')}")
    patterns.append(r"\\u" + _any_case(f"{ord(character):04x}"))
    if character == " ":
        patterns.append(r"\+")
    return f"(?:{'|'.join(patterns)})"


def _any_case(digits: str) -> str:
    return "".join(f"[{d}{d.upper()}]" if d.isalpha() else d for d in digits)


def passwords_of_proxies(environment: Mapping[str, str]) -> Iterator[str]:
    """The passwords of the proxies that the environment names."""
    for name, value in environment.items():
        if name.lower().endswith("_proxy") and "@" in value:
            try:
                password = urlsplit(value if "//" in value else f"//{value}").password
            except ValueError:
                continue
            if password:
                yield password
