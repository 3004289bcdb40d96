"""What :mod:`synthkit.models.local_model` takes of this package: vLLM as an engine.

vLLM batches rows itself. It draws each row by the row's own seed; its draws are not those of the
other engines, and what else is in the batch may change them by rounding.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from synthkit.core.errors import ModelError, UsageError
from synthkit.core.extras import need
from synthkit.core.files import read_json
from synthkit.core.hashing import canonical
from synthkit.core.types import Request
from synthkit.models.local.grammar import labels
from synthkit.models.local.rows import DecodingRow
from synthkit.models.local.settings import LocalSettings
from synthkit.models.local.vocabulary import Vocabulary
from synthkit.models.openai.constraints import constraint
from synthkit.models.openai.strict_schema import strict

WHY = "to run a model by vLLM"


class StructuredOutputs:
    """The constraints of requests, in vLLM's form."""

    def matcher(self, request: Request) -> Any:
        """``StructuredOutputsParams``: one of some labels, strict JSON of a schema, or a pattern.

        JSON has no optional white space, as with the other engines. ``None`` for a pattern that an
        automaton cannot follow.
        """
        params = need("vllm.sampling_params", extra="vllm", why=WHY).StructuredOutputsParams
        if request.schema is None:
            found = constraint(request.pattern, "regex")
            return params(**found) if found else None
        choices = labels(request.schema)
        if choices is not None:
            return params(choice=list(dict.fromkeys(choices)))
        text = canonical(strict(request.schema), sort=False).decode()
        return params(json=text, disable_any_whitespace=True)


@dataclass(frozen=True, kw_only=True)
class Engine(Vocabulary):
    """A model in vLLM's memory; ``adapter`` is its ``LoRARequest``, if it has one."""

    llm: Any
    adapter: Any = None

    @cached_property
    def grammars(self) -> Any:
        """What makes the constraint of a request."""
        return StructuredOutputs()


def load(folder: Path, settings: LocalSettings) -> Engine:
    """The model in a folder, loaded by vLLM.

    Raises
    ------
    ModelError
        If vLLM cannot load it, as without a GPU.
    """
    vllm: Any = need("vllm", extra="vllm", why=WHY)
    options: dict[str, Any] = {"enable_lora": False}
    adapter = None
    if settings.adapter is not None:
        config = read_json(settings.adapter / "adapter_config.json") or {}
        options = {"enable_lora": True, "max_lora_rank": max(8, int(config.get("r", 16)))}
        request = need("vllm.lora.request", extra="vllm", why=WHY).LoRARequest
        adapter = request("adapter", 1, str(settings.adapter))
    if settings.quantize == "nf4":
        options["quantization"] = "bitsandbytes"
    try:
        llm = vllm.LLM(
            model=str(folder),
            dtype=settings.dtype,
            max_num_seqs=settings.max_batch,
            trust_remote_code=False,
            load_format="auto" if settings.quantize == "nf4" else "safetensors",
            logprobs_mode="raw_logprobs",
            generation_config="vllm",  # not the sampling that the folder recommends
            **options,
        )
    except (RuntimeError, ValueError, OSError, ImportError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelError(
            f"{settings.source.name} could not be loaded by vLLM: {reason}. Leave engine='vllm' "
            "out to run it by another engine."
        ) from error
    tokenizer, config = llm.get_tokenizer(), llm.llm_engine.model_config
    return Engine(
        tokenizer=tokenizer,
        ends=_ends(folder, tokenizer),
        context=int(config.max_model_len),
        width=int(config.get_vocab_size()),
        how=f"vllm {metadata.version('vllm')}",
        llm=llm,
        adapter=adapter,
    )


def _ends(folder: Path, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a completion: the tokenizer's, and those of the model's files."""
    ends = {tokenizer.eos_token_id}
    for name in ("generation_config.json", "config.json"):
        found = (read_json(folder / name) or {}).get("eos_token_id")
        ends.update(found if isinstance(found, list) else [found])
    return frozenset(int(token) for token in ends if token is not None)


class Batch:
    """Rows that vLLM decodes together.

    Parameters
    ----------
    rows : most rows that are handed to it; it decodes as many of them as fit.
    """

    def __init__(self, engine: Engine, *, rows: int) -> None:
        self.engine, self.most = engine, rows
        self._placed: dict[str, DecodingRow] = {}

    @property
    def rows(self) -> list[DecodingRow]:
        """The rows under way."""
        return list(self._placed.values())

    def run(self, waiting: list[DecodingRow]) -> Iterator[tuple[DecodingRow, str] | None]:
        """(row, why it ended) pairs as rows end; ``None`` after each step.

        Rows are taken from ``waiting``, to which the caller may add whenever this yields. It ends
        when no row is left; rows that are left when it is closed are aborted.
        """
        core = self.engine.llm.llm_engine
        tag, number = uuid.uuid4().hex[:8], itertools.count()
        try:
            while waiting or self._placed:
                while waiting and len(self._placed) < self.most:
                    row = waiting.pop(0)
                    row.began = row.began or time.perf_counter()
                    id = f"{tag}-{next(number)}"
                    prompt = {"prompt_token_ids": row.prompt}
                    core.add_request(id, prompt, params(row), lora_request=self.engine.adapter)
                    self._placed[id] = row
                for output in core.step():
                    row = self._placed[output.request_id]
                    (written,) = output.outputs
                    row.tokens = list(written.token_ids)
                    if output.finished:
                        del self._placed[output.request_id]
                        pairs = zip(row.tokens, written.logprobs or (), strict=False)
                        row.logprobs = [float(found[token].logprob) for token, found in pairs]
                        yield row, written.finish_reason or "stop"
                yield None
        finally:
            if self._placed:
                core.abort_request(list(self._placed))
                self._placed = {}


def params(row: DecodingRow) -> Any:
    """vLLM's ``SamplingParams`` of a row.

    Raises
    ------
    UsageError
        If vLLM refuses them.
    """
    module: Any = need("vllm.sampling_params", extra="vllm", why=WHY)
    knobs, sampling = row.knobs, row.request.sampling
    free = knobs.ignore_eos and row.matcher is None
    bias = (
        None if row.bias is None else dict(zip(*(part.tolist() for part in row.bias), strict=True))
    )
    try:
        return module.SamplingParams(
            temperature=knobs.temperature,
            top_p=knobs.top_p,
            top_k=knobs.top_k,
            min_p=knobs.min_p,
            repetition_penalty=knobs.repetition_penalty,
            seed=row.request.row_seed if knobs.temperature > 0 else None,
            stop=list(sampling.stop) or None,
            stop_token_ids=None if free else sorted(row.ends),
            ignore_eos=free,
            max_tokens=row.most,
            logprobs=0 if sampling.logprobs else None,
            logit_bias=bias,
            structured_outputs=row.matcher,
            output_kind=module.RequestOutputKind.CUMULATIVE,
        )
    except (ValueError, TypeError) as error:
        raise UsageError(f"vLLM refuses this sampling: {error}") from error
