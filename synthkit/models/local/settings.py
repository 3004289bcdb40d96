"""The settings of a local model, as they were asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from synthkit.core.answers import REASONING_MARKERS, Markers
from synthkit.models.hub import resolve

EngineName = Literal["auto", "transformers", "openvino", "vllm"]
Quantize = Literal["auto", "nf4", "int8", "none"]
Dtype = Literal["auto", "bfloat16", "float16", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """All choices about a local model.

    ``"auto"`` is chosen on each machine, and is ``"auto"`` in the fingerprint, so that a session
    can move to another one.
    """

    source: resolve.ModelSource
    engine: EngineName = "auto"
    quantize: Quantize
    adapter: Path | None
    raw: bool
    control_tokens: bool = False
    chat_template_kwargs: Mapping[str, Any] = field(default_factory=dict)
    reasoning_markers: Markers = REASONING_MARKERS
    dtype: Dtype
    device: str
    max_batch: int
    threads: int | None
