"""Which engine runs a model on this machine, where that is not said."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Literal

from synthkit.core.errors import UsageError
from synthkit.models.hub.download import OPENVINO, SAFETENSORS
from synthkit.models.local.settings import LocalSettings

ARCHITECTURES = {"llama", "qwen2", "qwen3"}
"""Those of GGUF files that openvino-genai 2026.4 reads."""


def chosen(settings: LocalSettings) -> Literal["transformers", "openvino", "vllm"]:
    """The engine of a model: the faster one of those that are installed and can run it.

    OpenVINO runs GGUF files, and folders in its own form, on a CPU. transformers runs all others,
    and all that asks for a precision, a quantization or an adapter.

    Raises
    ------
    UsageError
        If OpenVINO or vLLM was asked for with an option that it does not have, or OpenVINO for a
        GGUF file that it cannot read.

    Notes
    -----
    SmolLM2-135M (Q4_1), tokens a CPU-second, one thread, 32 rows at once. 24 prompts of 20 to
    400 words on two CPUs with AVX-512 and bf16 units (AMD EPYC); 32 prompts of 15 to 300 words with
    AVX2 alone, reported from another machine.

    ======================  ===========  ====
    engine                  AVX512-BF16  AVX2
    ======================  ===========  ====
    OpenVINO                114          56
    transformers, nf4       58
    transformers, bfloat16  49           14
    transformers, float32   31           47
    ======================  ===========  ====
    """
    if settings.engine == "transformers":
        return "transformers"
    if settings.engine == "vllm":
        refused = {"quantize='int8'": settings.quantize == "int8", "threads": settings.threads}
        for option in (name for name, value in refused.items() if value):
            raise UsageError(
                f"engine='vllm' has no {option}. Leave it out, or use engine='transformers'."
            )
        return "vllm"
    wanted = {
        "quantize": settings.quantize != "auto",
        "dtype": settings.dtype != "auto",
        "adapter": settings.adapter is not None,
        "device": settings.device != "cpu",
    }
    asked = [name for name, value in wanted.items() if value]
    source = settings.source
    if settings.engine == "openvino":
        if asked:
            raise UsageError(
                f"engine='openvino' has no {' or '.join(asked)}: it runs weights with the bits "
                "that they are stored in, on a CPU. Leave the option out, or use "
                "engine='transformers'."
            )
        if source.architecture and source.architecture not in ARCHITECTURES:
            raise UsageError(
                f"engine='openvino' reads GGUF files of the architectures "
                f"{', '.join(sorted(ARCHITECTURES))}; {source.name} is of {source.architecture}. "
                "Use engine='transformers', or a folder in OpenVINO's form, as optimum-cli export "
                "openvino writes it."
            )
        return "openvino"
    if asked:
        return "transformers"
    if source.folder is not None:
        return "openvino" if source.form == OPENVINO else "transformers"
    only = not SAFETENSORS.installed and find_spec("openvino") is not None
    can = source.architecture in ARCHITECTURES and (OPENVINO.installed or only)
    return "openvino" if can else "transformers"
