"""The token of each student, which is derived from the key of the server and not stored."""

from __future__ import annotations

import csv
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path

from synthkit.core.errors import UsageError, cause

PREFIX = "sk-class-"
"""What a token begins with, so that a token in a bundle is found to be a key."""
LEAST_KEY = 16
"""Characters of a key that cannot be guessed; from a shorter one no token is derived."""
HEADER = ["student", "token"]
_ITERATIONS = 200_000


def tokens_of(names: Iterable[str], key: str | None) -> dict[str, str]:
    """Name -> token: the same for the same key, from which the key cannot be found.

    Without a key that nobody can guess, the tokens are new each time.

    >>> key = "sk-0123456789abcdef"
    >>> tokens_of(["Maya"], key) == tokens_of(["Bo", "Maya"], key)
    False
    >>> tokens_of(["Maya"], key)["Maya"] == tokens_of(["Bo", "Maya"], key)["Maya"]
    True
    """
    secret = key if key and len(key) >= LEAST_KEY else secrets.token_hex()
    master = hashlib.pbkdf2_hmac("sha256", secret.encode(), b"tokens of a class", _ITERATIONS)
    return {
        name: PREFIX + hmac.new(master, name.encode(), "sha256").hexdigest()[:32] for name in names
    }


def write_tokens(tokens: Mapping[str, str], path: Path) -> Path:
    """Write a table of students and tokens, which only its owner can read; returns its path.

    Raises
    ------
    UsageError
        If there is a file that is no such table, or it cannot be written.
    """
    try:
        if path.exists() and not path.read_text("utf-8").startswith(",".join(HEADER)):
            raise UsageError(f"{path} exists and has no tokens; give another name to write.")
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            csv.writer(file).writerows([HEADER, *tokens.items()])
    except (OSError, UnicodeError) as error:
        raise UsageError(f"{path} cannot be written: {cause(error)}.") from None
    return path
