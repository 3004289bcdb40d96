"""Providers by name: the address, the key's variable and what each one refuses, as data.

``load_model("groq:NAME")`` is ``load_model("openai:NAME", base_url=...)`` with the address and the
key of this table. What a server refuses beyond it is learnt from its responses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from synthkit.models.openai.constraints import PatternOption
from synthkit.models.openai.dialect import LEVELS, Dialect, Structured

BatchKind: TypeAlias = Literal["", "openai", "together", "mistral", "anthropic", "gemini"]
"""Whose batch API a provider has, or has copied; empty if it has none."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A service, or a program on this machine, that speaks the protocol of OpenAI.

    Parameters
    ----------
    title : its name for people.
    base_url : its address; that of a program on this machine is the program's default.
    key_env : the environment variable with its key; empty if it needs none.
    left_out : parameters that it refuses or ignores.
    renamed : parameter -> its name there.
    structured : the strictest way to ask for a schema that it follows.
    pattern : the parameter that takes a regular expression to follow, if it has one.
    batch : whose form its batch API has; empty if it has none.
    """

    title: str
    base_url: str
    key_env: str = ""
    left_out: tuple[str, ...] = ()
    renamed: Mapping[str, str] | None = None
    structured: Structured = "json_schema"
    pattern: PatternOption = ""
    batch: BatchKind = ""

    @property
    def is_local(self) -> bool:
        """Whether it is a program on this machine."""
        return self.base_url.startswith("http://localhost")

    @property
    def dialect(self) -> Dialect:
        """What differs from the protocol of OpenAI there."""
        level = LEVELS.index(self.structured)
        return Dialect(
            frozenset(self.left_out),
            frozenset((self.renamed or {}).items()),
            frozenset({("", level)} if level else ()),
        )

    @property
    def summary(self) -> str:
        """Its title, key and address in a line, for help."""
        key = f"key in {self.key_env}" if self.key_env else "no key"
        return f"{self.title}: {key}, {self.base_url}"


PROVIDERS: Mapping[str, Provider] = {
    "anthropic": Provider(
        "Anthropic",
        "https://api.anthropic.com/v1",
        "ANTHROPIC_API_KEY",
        left_out=("seed", "logprobs"),  # ignored there
        structured="tool",  # response_format is ignored
        batch="anthropic",
    ),
    "cerebras": Provider(
        "Cerebras", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", batch="openai"
    ),
    "cohere": Provider("Cohere", "https://api.cohere.ai/compatibility/v1", "COHERE_API_KEY"),
    "dashscope": Provider(
        "Alibaba Model Studio (Qwen)",
        "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        "DASHSCOPE_API_KEY",
        batch="openai",
    ),
    "deepseek": Provider(
        "DeepSeek", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY", structured="tool"
    ),
    "fireworks": Provider(
        "Fireworks", "https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY"
    ),
    "gemini": Provider(
        "Google Gemini",
        "https://generativelanguage.googleapis.com/v1beta/openai",
        "GEMINI_API_KEY",
        left_out=("seed",),
        batch="gemini",
    ),
    "github": Provider("GitHub Models", "https://models.github.ai/inference", "GITHUB_TOKEN"),
    "groq": Provider(
        "Groq",
        "https://api.groq.com/openai/v1",
        "GROQ_API_KEY",
        left_out=("logprobs",),
        batch="openai",
    ),
    "huggingface": Provider(
        "Hugging Face Inference Providers", "https://router.huggingface.co/v1", "HF_TOKEN"
    ),
    "mistral": Provider(
        "Mistral",
        "https://api.mistral.ai/v1",
        "MISTRAL_API_KEY",
        left_out=("logprobs",),
        renamed={"seed": "random_seed"},
        batch="mistral",
    ),
    "moonshot": Provider(
        "Moonshot (Kimi)", "https://api.moonshot.ai/v1", "MOONSHOT_API_KEY", batch="openai"
    ),
    "nvidia": Provider("NVIDIA NIM", "https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY"),
    "openrouter": Provider("OpenRouter", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "together": Provider(
        "Together AI", "https://api.together.xyz/v1", "TOGETHER_API_KEY", batch="together"
    ),
    "xai": Provider("xAI", "https://api.x.ai/v1", "XAI_API_KEY"),
    "zai": Provider("Z.AI (GLM)", "https://api.z.ai/api/paas/v4", "ZAI_API_KEY"),
    "llamacpp": Provider("llama.cpp's llama-server", "http://localhost:8080/v1"),
    "lmstudio": Provider("LM Studio", "http://localhost:1234/v1"),
    "ollama": Provider("Ollama", "http://localhost:11434/v1"),
    "sglang": Provider("SGLang", "http://localhost:30000/v1", pattern="regex"),
    "vllm": Provider("vLLM", "http://localhost:8000/v1", pattern="structured_outputs"),
}
"""Scheme -> provider. ``openai`` is a scheme of its own, for any address."""


def provider_at(base_url: str) -> Provider | None:
    """The hosted provider of an address; ``None`` if it is not in the table.

    >>> provider_at("https://api.x.ai").title
    'xAI'
    """
    origin = urlsplit(base_url)[:2]
    hosted = (each for each in PROVIDERS.values() if not each.is_local)
    return next((each for each in hosted if urlsplit(each.base_url)[:2] == origin), None)
