"""Fixtures of the tests of servers."""

from __future__ import annotations

import os

import pytest

from synthkit.models.openai import health
from synthkit.models.openai.providers import PROVIDERS


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings from the environment."""
    variables = {provider.key_env for provider in PROVIDERS.values()}
    for name in list(os.environ):
        if name.startswith("OPENAI_") or name in variables:
            monkeypatch.delenv(name)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits a tenth as long before it tries again."""
    monkeypatch.setattr(health, "FIRST_WAIT", 0.05)
