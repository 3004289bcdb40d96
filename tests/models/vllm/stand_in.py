"""A stand-in of vLLM's modules: of the classes of vLLM 0.33 what synthkit uses.

It writes tokens by a rule in place of a network: each row repeats its prompt's tokens, in an order
drawn by its seed, and keeps to choices, patterns of one text, stop texts and limits.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

from transformers import AutoTokenizer


class RequestOutputKind(Enum):
    CUMULATIVE = 0
    DELTA = 1
    FINAL_ONLY = 2


@dataclass(kw_only=True)
class StructuredOutputsParams:
    json: str | dict[str, Any] | None = None
    regex: str | None = None
    choice: list[str] | None = None
    grammar: str | None = None
    disable_any_whitespace: bool = False

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.json, self.regex, self.choice)) != 1:
            raise ValueError("You must use one kind of structured outputs constraint")


@dataclass(kw_only=True)
class SamplingParams:
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    seed: int | None = None
    stop: list[str] | None = None
    stop_token_ids: list[int] | None = None
    ignore_eos: bool = False
    max_tokens: int | None = 16
    logprobs: int | None = None
    logit_bias: dict[int, float] | None = None
    structured_outputs: StructuredOutputsParams | None = None
    output_kind: RequestOutputKind = RequestOutputKind.CUMULATIVE


@dataclass
class LoRARequest:
    lora_name: str
    lora_int_id: int
    lora_path: str


@dataclass
class Running:
    """A request under way: the tokens that it will have, and how many it has."""

    params: SamplingParams
    tokens: list[int]
    done: int = 0


@dataclass
class Engine:
    """The part of ``LLMEngine`` that takes requests and makes steps."""

    tokenizer: Any
    model_config: Any
    added: list[tuple[str, list[int], SamplingParams, LoRARequest | None]] = field(
        default_factory=list
    )
    aborted: list[str] = field(default_factory=list)
    running: dict[str, Running] = field(default_factory=dict)
    most: int = 0

    def add_request(
        self,
        request_id: str,
        prompt: dict[str, list[int]],
        params: SamplingParams,
        arrival_time: float | None = None,
        lora_request: LoRARequest | None = None,
    ) -> None:
        tokens = prompt["prompt_token_ids"]
        self.added.append((request_id, tokens, params, lora_request))
        self.running[request_id] = Running(params, self._written(tokens, params))
        self.most = max(self.most, len(self.running))

    def _written(self, prompt: Sequence[int], params: SamplingParams) -> list[int]:
        draw = random.Random(params.seed)
        constraint = params.structured_outputs
        if constraint is None:
            tokens = list(prompt)
            if params.temperature > 0:
                draw.shuffle(tokens)
        else:
            text = draw.choice(constraint.choice or ["1"])
            tokens = self.tokenizer.encode(text, add_special_tokens=False)
        return [*tokens, *(params.stop_token_ids or [])[:1]]

    def step(self) -> list[Any]:
        outputs = []
        for id, row in list(self.running.items()):
            row.done += 1
            tokens = row.tokens[: row.done]
            text = self.tokenizer.decode(tokens)
            stopped = any(stop in text for stop in row.params.stop or [])
            ended = stopped or tokens[-1] in (row.params.stop_token_ids or [])
            reason = "stop" if ended or row.done == len(row.tokens) else None
            if reason is None and row.done == row.params.max_tokens:
                reason = "length"
            pairs = None
            if row.params.logprobs is not None:
                pairs = [{token: SimpleNamespace(logprob=-token / 100)} for token in tokens]
            output = SimpleNamespace(
                index=0, text=text, token_ids=tuple(tokens), logprobs=pairs, finish_reason=reason
            )
            outputs.append(
                SimpleNamespace(request_id=id, outputs=[output], finished=reason is not None)
            )
            if reason is not None:
                del self.running[id]
        return outputs

    def abort_request(self, request_ids: list[str]) -> None:
        self.aborted += request_ids
        for id in request_ids:
            del self.running[id]


class LLM:
    """Keeps what it was made with; ``failure`` is raised by the next one that is made."""

    made: ClassVar[list[LLM]] = []
    failure: ClassVar[Exception | None] = None

    def __init__(self, model: str, **options: Any) -> None:
        if LLM.failure is not None:
            raise LLM.failure
        self.model, self.options = model, options
        tokenizer = AutoTokenizer.from_pretrained(model)
        config = SimpleNamespace(max_model_len=256, get_vocab_size=lambda: len(tokenizer))
        self.llm_engine = Engine(tokenizer, config)
        LLM.made.append(self)

    def get_tokenizer(self) -> Any:
        return self.llm_engine.tokenizer


def modules() -> dict[str, ModuleType]:
    """The modules by name, for ``sys.modules``."""
    names = ("vllm", "vllm.sampling_params", "vllm.lora", "vllm.lora.request")
    made = {name: ModuleType(name) for name in names}
    vars(made["vllm"]).update(LLM=LLM, __path__=[])
    parts = (SamplingParams, StructuredOutputsParams, RequestOutputKind)
    vars(made["vllm.sampling_params"]).update({part.__name__: part for part in parts})
    vars(made["vllm.lora.request"])["LoRARequest"] = LoRARequest
    assert "vllm" not in sys.modules
    return made
