"""The hosted model that a fine-tuning job gives, and its record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from synthkit.core.models import Budget
from synthkit.models.openai.model import Endpoint
from synthkit.models.openai.server import Server, connect


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedModel(Endpoint):
    """A hosted model that :func:`synthkit.train.openai` trained; takes prompts as any other.

    Parameters
    ----------
    folder : of its record.
    record : as that of a model trained here, with the id of the ``job``, ``trained_tokens``, and
        ``cost`` in US dollars if a price was given.
    """

    folder: Path = field(compare=False)
    record: Mapping[str, Any] = field(compare=False, repr=False)

    @property
    def log(self) -> list[dict[str, Any]]:
        """What the server measured at each step."""
        return list(self.record["log"])


def hosted(folder: Path, record: Mapping[str, Any], server: Server | None = None) -> HostedModel:
    """The model of a record; its server has the recorded address unless one is given.

    Raises
    ------
    UsageError
        If a key is needed and missing.
    """
    if server is None:
        server = connect(base_url=record["base_url"], api_key_env=record["api_key_env"])
    model = Endpoint(name=record["model"], server=server, extra_body={}, raw=False,
                     given_price=None, budget=Budget())  # fmt: skip
    parts = {own.name: getattr(model, own.name) for own in fields(Endpoint)}
    return HostedModel(folder=folder, record=record, **parts)
