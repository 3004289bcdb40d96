"""The model that a training gives, and its record: what it was trained on, how, and how it went."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from synthkit.models.hub.fingerprint import TRAINING, adapter_hash
from synthkit.models.local_model import Local, load_local
from synthkit.train.settings import TrainSettings

RECORD = TRAINING
"""The file with the record, in the folder of a trained model."""


class Trained:
    """What every result of a training has: its folder and its record.

    Parameters
    ----------
    folder : of the adapter, or of all weights.
    record : see :attr:`record`.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        self.folder = folder
        self.record = record
        """``method``, ``base``, ``settings``, ``rows`` (id -> hash of what was learned from it),
        ``versions``, ``device``, ``seconds``, ``steps`` and ``log``, a list of dicts with ``step``
        and ``loss``, or ``eval_loss`` of the held-out rows."""

    @property
    def label(self) -> str:
        """The base, the method and the first digits of its key."""
        return f"{self.record['base']['name']} {self.record['method']} {self.record['key'][:8]}"

    @property
    def adapted(self) -> bool:
        """Whether an adapter was trained, and not all weights."""
        return bool(self.record["settings"]["rank"])

    @property
    def adapter(self) -> str:
        """The hash of its adapter; ``"none"`` if all weights were trained."""
        return adapter_hash(self.folder) if self.adapted else "none"

    @property
    def spec(self) -> str:
        """What further training starts from: the base of its adapter, or its own weights."""
        return str(self.record["base"]["spec"]) if self.adapted else f"hf:{self.folder}"

    def kept(self, settings: TrainSettings) -> TrainSettings:
        """Settings of further training: the shape of its adapter, and its template, stay."""
        own = self.record["settings"]
        names = ("rank", "alpha", "dropout", "targets", "quantize", "raw")
        stay = names if self.adapted else ("raw",)
        return replace(settings, **{name: own[name] for name in stay})

    @property
    def log(self) -> list[dict[str, Any]]:
        """What was measured at each step."""
        return list(self.record["log"])


class TrainedModel(Trained, Local):
    """A model that was trained here, or loaded by :func:`load_trained`; takes prompts as any other.

    Parameters
    ----------
    folder : of the adapter, or of all weights.
    record : see :attr:`Trained.record`.
    """

    def __init__(self, folder: Path, record: dict[str, Any]) -> None:
        Trained.__init__(self, folder, record)
        raw = record["settings"]["raw"]
        if self.adapted:
            quantize = record["settings"]["quantize"]
            local = load_local(self.spec, adapter=folder, quantize=quantize, raw=raw)
        else:
            local = load_local(self.spec, raw=raw)
        Local.__init__(self, local.settings)
        self.name = self.label
