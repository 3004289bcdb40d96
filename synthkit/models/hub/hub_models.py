"""Instruct models of the Hub that have short names: sizes, licences, and what they are like."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Precision = Literal["fp32", "bf16", "nf4"]

_BYTES: dict[Precision, tuple[float, float]] = {
    "fp32": (4, 4),
    "bf16": (2, 2),
    "nf4": (0.5 + 4 / 64, 2),  # with one scale of 4 bytes for 64 weights
}
"""Bytes of a weight, and of one of the embeddings, which are not quantized."""


@dataclass(frozen=True, slots=True)
class HubModel:
    """An instruct model of the Hub.

    Parameters
    ----------
    parameters : of the whole model.
    embeddings : those of them that read and write tokens.
    use : what it is like, as commonly reported; synthkit did not measure it.
    suggested : whether it is the first choice of its size: it answers without reasoning first.
    """

    name: str
    repository: str
    licence: str
    parameters: int
    embeddings: int
    use: str
    suggested: bool = False

    def size(self, precision: Precision) -> int:
        """Bytes of the weights in memory."""
        weight, embedding = _BYTES[precision]
        return round(weight * (self.parameters - self.embeddings) + embedding * self.embeddings)


_M = 1_000_000
_THINKS = 'reasons first, unless chat_template_kwargs={"enable_thinking": False}'

HUB_MODELS: dict[str, HubModel] = {
    model.name: model
    for model in (
        HubModel(
            "granite-4.0-350m",
            "ibm-granite/granite-4.0-350m",
            "Apache-2.0",
            352 * _M,
            103 * _M,
            "short and simple texts; labels and JSON better than its size suggests",
            suggested=True,
        ),
        HubModel(
            "smollm2-360m",
            "HuggingFaceTB/SmolLM2-360M-Instruct",
            "Apache-2.0",
            362 * _M,
            47 * _M,
            "fluent short English; loses track of longer instructions",
        ),
        HubModel(
            "qwen2.5-0.5b",
            "Qwen/Qwen2.5-0.5B-Instruct",
            "Apache-2.0",
            494 * _M,
            136 * _M,
            "short texts in many languages; facts are often wrong",
            suggested=True,
        ),
        HubModel(
            "qwen3-0.6b",
            "Qwen/Qwen3-0.6B",
            "Apache-2.0",
            596 * _M,
            156 * _M,
            f"follows short instructions in many languages; {_THINKS}",
        ),
        HubModel(
            "olmo-2-1b",
            "allenai/OLMo-2-0425-1B-Instruct",
            "Apache-2.0",
            1485 * _M,
            411 * _M,
            "English; its training data are public, which few models offer",
        ),
        HubModel(
            "qwen2.5-1.5b",
            "Qwen/Qwen2.5-1.5B-Instruct",
            "Apache-2.0",
            1544 * _M,
            233 * _M,
            "usable texts, labels and JSON in many languages",
        ),
        HubModel(
            "granite-4.0-1b",
            "ibm-granite/granite-4.0-1b",
            "Apache-2.0",
            1632 * _M,
            206 * _M,
            "follows instructions well for its size; labels, JSON and tools",
            suggested=True,
        ),
        HubModel(
            "smollm2-1.7b",
            "HuggingFaceTB/SmolLM2-1.7B-Instruct",
            "Apache-2.0",
            1711 * _M,
            101 * _M,
            "fluent English; rewriting and summaries",
        ),
        HubModel(
            "qwen3-1.7b",
            "Qwen/Qwen3-1.7B",
            "Apache-2.0",
            1721 * _M,
            311 * _M,
            f"good for its size, also in other languages; {_THINKS}",
        ),
        HubModel(
            "smollm3-3b",
            "HuggingFaceTB/SmolLM3-3B",
            "Apache-2.0",
            3075 * _M,
            263 * _M,
            f"good texts in six languages of Europe, with an open recipe; {_THINKS}",
        ),
        HubModel(
            "granite-4.0-micro",
            "ibm-granite/granite-4.0-micro",
            "Apache-2.0",
            3403 * _M,
            257 * _M,
            "follows detailed instructions; labels, JSON, tools and documents",
            suggested=True,
        ),
        HubModel(
            "phi-4-mini",
            "microsoft/Phi-4-mini-instruct",
            "MIT",
            3836 * _M,
            615 * _M,
            "strong at reasoning and mathematics for its size; plain style",
        ),
        HubModel(
            "qwen3-4b",
            "Qwen/Qwen3-4B-Instruct-2507",
            "Apache-2.0",
            4022 * _M,
            389 * _M,
            "good texts, judgements and JSON in many languages; answers at once",
            suggested=True,
        ),
        HubModel(
            "qwen2.5-7b",
            "Qwen/Qwen2.5-7B-Instruct",
            "Apache-2.0",
            7616 * _M,
            1090 * _M,
            "good texts and JSON in many languages; much used in papers",
        ),
        HubModel(
            "granite-3.3-8b",
            "ibm-granite/granite-3.3-8b-instruct",
            "Apache-2.0",
            8171 * _M,
            201 * _M,
            "follows detailed instructions; long documents",
        ),
        HubModel(
            "qwen3-8b",
            "Qwen/Qwen3-8B",
            "Apache-2.0",
            8191 * _M,
            1245 * _M,
            f"strong in many languages; {_THINKS}",
        ),
    )
}
"""Name -> model, the smallest first. Facts are those of the repositories; the Hub resolves the
commit when a model is fetched, and the hashes of its files are its fingerprint."""
