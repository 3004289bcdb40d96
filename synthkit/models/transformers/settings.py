"""The settings of a local model, and the choice of its quantization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from synthkit.core.answers import REASONING_MARKERS, Markers
from synthkit.models.hub import resolve
from synthkit.models.transformers import memory

Quantize = Literal["nf4", "int8", "none"]
Dtype = Literal["bfloat16", "float16", "float32"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalSettings:
    """All choices about a local model, without defaults left open."""

    source: resolve.ModelSource
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


def choose(size: int, device: str) -> Quantize:
    """The quantization for weights of ``size`` bytes in bfloat16, by the memory of the device.

    The choice is part of the fingerprint, so it depends on the total memory and not on what is
    free now.

    Notes
    -----
    SmolLM2-135M under transformers' own ``generate`` on two shared CPU cores: greedy tokens a
    second at 1, 8 and 32 rows (compare ratios only), and the process's peak memory:

    ==================  ===  ===  ===  =======
    bfloat16             18  126  360  0.76 GB
    nf4, bfloat16 sums   19  100  170  1.15 GB
    float32              20   88  194  1.15 GB
    nf4 float32, int8   1-2
    ==================  ===  ===  ===  =======

    So on a CPU 4 bits are slower and, for a model this small, save no memory in total: they are
    for weights that would not fit otherwise. The rule for a GPU is the same, but not measured.
    """
    limit = memory.total(device)
    return "nf4" if limit and size > limit // 2 else "none"
