"""The URL of a store: what is none is said, and no password is repeated."""

from __future__ import annotations

from pathlib import Path

import pytest

import synthkit as sk
from synthkit.core.errors import UsageError


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("mysql://maya:secret@db/team", "begins with postgresql://"),
        ("postgresql://maya:secret@db/team", "must not have a password"),
        ("postgresql://db/team?password=secret", "must not have a password"),
        ("postgresql://db/team#9lives", "cannot be the name of a session"),
        ("postgresql://db/team#a b", "cannot be the name of a session"),
        ("postgresql://[db/team", "is not valid"),
        ("postgresql+psycopg://maya:secret@db/team", "begins with postgresql://"),
        ("maya:secret@db/team", "begins with postgresql://"),
        ("postgresql://maya:se#cret@db/team", "is not valid"),
        ("postgresql://maya:se/cret@db/team", "is not valid"),
        ("postgresql://maya:1/cret@db/team", "is not valid"),
        ("postgresql://maya:1?cret@db/team", "is not valid"),
        ("postgresql://maya:se\u2100cret@db/team", "is not valid"),
        ("postgresql://maya@db/team?sslpassword=secret", "must not have a password"),
        ("postgresql://db/team?password_env=sk-secret4242abcdef7", "must not have a password"),
    ],
)
def test_a_url_that_is_not_one_is_said(tmp_path: Path, given: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        sk.Session(tmp_path / "s", store=given)
    assert "cret" not in str(caught.value)
    assert not (tmp_path / "s" / "store.url").exists()
