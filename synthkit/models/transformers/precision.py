"""The choice of precision and quantization by what the machine can do."""

from __future__ import annotations

from dataclasses import replace

import torch

from synthkit.models.local import memory
from synthkit.models.local.settings import Dtype, LocalSettings


def settled(settings: LocalSettings) -> LocalSettings:
    """The settings with a choice for each ``"auto"``, and a device that there is.

    The precision is the fastest of this device. Weights are quantized to 4 bits if they would take
    more than half of its memory, or of what the control group allows.

    Notes
    -----
    SmolLM2-135M, tokens a CPU-second. With AVX512-BF16: 32 rows of a short prompt, 24 tokens each,
    on two shared cores that other programs kept busy (AMD EPYC). With AVX2 alone: 16 rows,
    reported from another machine.

    ========================  ===========  =========
    precision, threads        AVX512-BF16  AVX2
    ========================  ===========  =========
    bfloat16, 1               102          14
    bfloat16, 2               82
    float32, 1                75           63
    float32, 2                56
    nf4 with float32 sums, 1               48
    nf4 with bfloat16 sums, 1              13
    ========================  ===========  =========
    """
    device = settings.device
    if device.startswith("cuda") and not torch.cuda.is_available():
        device = "cpu"
    dtype = fastest(device) if settings.dtype == "auto" else settings.dtype
    settings = replace(settings, device=device, dtype=dtype)
    if settings.quantize != "auto":
        return settings
    limit = memory.total(device)
    is_large = limit > 0 and size(settings) > limit // 2
    return replace(settings, quantize="nf4" if is_large else "none")


def size(settings: LocalSettings) -> int:
    """Bytes of the weights before they are quantized."""
    return settings.source.identity.size * (2 if settings.dtype == "float32" else 1)


def fastest(device: str) -> Dtype:
    """The fastest precision of a device.

    CPUs without units for bfloat16 compute it in float32, and convert each weight each time.
    """
    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    units = (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported)
    return "bfloat16" if any(supported() for supported in units) else "float32"
