"""Secrets in texts: keys, tokens, passwords. They can be found, or their rows dropped.

Most secrets are found by the patterns of detect-secrets (Apache-2.0), none of which uses the
network here. In the SMS spam collection and in 1,001 Yelp sentences no secret is found.
"""

from __future__ import annotations

import functools
import re

from synthkit.core.extras import need
from synthkit.curate.filters.base import Filter, text_filter
from synthkit.curate.filters.registry import filter_option
from synthkit.curate.filters.spans import Span, reason, without_overlaps

_DETECTORS = (
    "aws.AWSKeyDetector azure_storage_key.AzureStorageKeyDetector discord.DiscordBotTokenDetector "
    "github_token.GitHubTokenDetector gitlab_token.GitLabTokenDetector mailchimp.MailchimpDetector "
    "pypi_token.PypiTokenDetector sendgrid.SendGridDetector slack.SlackDetector "
    "square_oauth.SquareOAuthDetector telegram_token.TelegramBotTokenDetector "
    "twilio.TwilioKeyDetector"
).split()
"""The detectors of detect-secrets that search for a format, in time linear in the text."""
_PATTERNS: tuple[tuple[str, str], ...] = (
    (
        "private key",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[\s\S]*?-----END [A-Z0-9 ]{1,40}-----|[\s\S]*)",
    ),
    ("basic auth", r"(?<=://)[^\s:/@]{1,64}:[^\s:/@]{1,128}(?=@)"),
    ("api key", r"(?<![A-Za-z0-9_-])sk-(?:proj-|svcacct-|ant-|or-)?[A-Za-z0-9_-]{32,}"),
    (
        "json web token",
        r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}(?:\.[A-Za-z0-9_-]*)?",
    ),
    ("github token", r"(?<![A-Za-z0-9_])github_pat_[A-Za-z0-9_]{22,}"),
    ("hugging face token", r"(?<![A-Za-z0-9_])hf_[A-Za-z0-9]{30,}"),
    ("npm token", r"(?<![A-Za-z0-9_])npm_[A-Za-z0-9]{36}"),
    ("google api key", r"(?<![A-Za-z0-9_-])AIza[A-Za-z0-9_-]{35}"),
    ("stripe key", r"(?<![A-Za-z0-9_])[rs]k_(?:live|test)_[0-9a-zA-Z]{16,}"),
    ("bearer token", r"(?<=\bBearer )[\w.~+/-]{20,}=*"),
    (
        "assigned secret",
        r"(?i)(?<![A-Za-z0-9_])(?:api[_ -]?key|(?:access|auth)[_ -]?token|token|client[_ -]?secret"
        r"|secret(?:[_ -]?key)?|password|passwd|pwd)[\"']?\s?(?:=>|:=|=|:)\s?[\"']?"
        r"(?=[^\s\"']{0,99}\d)(?=[^\s\"']{0,99}[a-z])[^\s\"',;]{8,200}",
    ),
)
"""Formats newer than detect-secrets 1.5, and formats of which it finds only a part."""
_CANDIDATE = re.compile(r"[\w./+=-]{16,}|-----BEGIN|://|[=:]\s?[\"']?[^\s\"']{8}")
"""Texts without a match have no secret; it is faster than all patterns together."""


def find_secrets(text: str) -> list[Span]:
    """The keys, tokens, private keys and passwords (also in URLs) of a text, in order.

    Raises
    ------
    MissingExtra
        If detect-secrets is not installed.

    Examples
    --------
    >>> [(span.kind, span.text) for span in find_secrets("key AKIAIOSFODNN7EXAMPLE")]
    [('aws access key', 'AKIAIOSFODNN7EXAMPLE')]
    """
    if not _CANDIDATE.search(text):
        return []
    return without_overlaps(
        Span(match.start(), match.end(), kind, match[0])
        for kind, pattern in _compiled()
        for match in pattern.finditer(text)
    )


@filter_option("no-secrets", cost=1)
def no_secrets(*, column: str = "text") -> Filter:
    """Drop texts with passwords, API keys, tokens or private keys.

    They are found by :func:`find_secrets`. A reason names the kind of secret, not the secret.

    Examples
    --------
    >>> no_secrets().judge([{"text": "Use AKIAIOSFODNN7EXAMPLE."}, {"text": "The secret is salt."}])
    ['secret: aws access key', '']
    """
    return text_filter("no secrets", column, lambda text: reason("secret", find_secrets(text)))


@functools.cache
def _compiled() -> list[tuple[str, re.Pattern[str]]]:
    """Kinds of secrets and their patterns."""
    compiled = [(kind, re.compile(pattern)) for kind, pattern in _PATTERNS]
    for path in _DETECTORS:
        module_name, _, class_name = path.partition(".")
        plugin = f"detect_secrets.plugins.{module_name}"
        module = need(plugin, extra="curate", why="to find keys and tokens")
        detector = getattr(module, class_name)
        compiled += [(detector.secret_type.lower(), pattern) for pattern in detector.denylist]
    return compiled
