"""A model in OpenVINO's memory: its weights, and forward passes over rows of any length."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.errors import ModelError
from synthkit.core.extras import need
from synthkit.core.files import read_json
from synthkit.core.formatting import count
from synthkit.models.local.threads import CPUWatch
from synthkit.models.local.vocabulary import Vocabulary
from synthkit.models.openvino.blocks import TOKENS, Blocks

EXACT = {"INFERENCE_PRECISION_HINT": "f32", "KV_CACHE_PRECISION": "f32"}
"""By default OpenVINO computes in bfloat16 where a CPU has units for it, and keeps keys and values
in 8 bits: then rows differ between machines, and from those of transformers."""
WAIT_MILLISECONDS = 100
LAST = "last_tokens"
"""The input with the positions of the tokens whose logits are wanted."""


@dataclass(frozen=True, slots=True)
class Part:
    """Tokens of a row that are read together.

    Parameters
    ----------
    done : how many tokens of the row were read before.
    blocks : those of the row, in order.
    whole : whether these are the last, after which a token is drawn.
    """

    tokens: Sequence[int]
    done: int
    blocks: Sequence[int]
    whole: bool


@dataclass(frozen=True, kw_only=True)
class Engine(Vocabulary):
    """A compiled model with its pool of keys and values."""

    request: Any
    blocks: Blocks
    lock: Any = field(default_factory=threading.Lock)
    running: list[Any] = field(default_factory=list)

    def forward(self, parts: Sequence[Part]) -> NDArray[np.float32]:
        """(whole parts, width) logits after the last token of each part that is whole."""
        counts = [len(part.tokens) for part in parts]
        lengths = [part.done + len(part.tokens) for part in parts]
        tables = [
            part.blocks[: -(-end // TOKENS)] for part, end in zip(parts, lengths, strict=True)
        ]
        ends = np.cumsum(counts)
        inputs = {
            "input_ids": np.array([token for part in parts for token in part.tokens], np.int64),
            "position_ids": np.concatenate(
                [np.arange(part.done, end) for part, end in zip(parts, lengths, strict=True)]
            ),
            "past_lens": np.array([part.done for part in parts], np.int32),
            "subsequence_begins": np.array([0, *ends], np.int32),
            "block_indices": np.array([block for table in tables for block in table], np.int32),
            "block_indices_begins": np.cumsum([0, *map(len, tables)], dtype=np.int32),
            "max_context_len": np.array(max(lengths), np.int32),
            LAST: np.array([end - 1 for part, end in zip(parts, ends, strict=True) if part.whole]),
        }
        with self.lock:
            self._infer(inputs)
            return np.array(self.request.get_output_tensor(0).data).reshape(-1, self.width)

    def _infer(self, inputs: dict[str, Any]) -> None:
        """One inference. An interrupt ends the wait at once, and the next inference waits instead.

        OpenVINO 2026.4 can cancel an inference, but then fails at the next one of another shape.
        """
        self._wait()
        self.running.append(inputs)  # whose memory it reads
        self.request.start_async(inputs, share_inputs=True)
        self._wait()

    def _wait(self) -> None:
        try:
            while self.running and not self.request.wait_for(WAIT_MILLISECONDS):
                pass  # here Python raises a KeyboardInterrupt
        except RuntimeError:
            self.running.clear()
            raise
        self.running.clear()


def load(folder: Path, *, threads: int | None, most_bytes: int, rows: int) -> Engine:
    """The model in a folder, compiled for the CPU.

    Parameters
    ----------
    threads : by default as many as there are CPUs that other programs leave.
    most_bytes : of keys and values.
    rows : most rows that decode together.

    Raises
    ------
    ModelError
        If OpenVINO cannot read it.

    Notes
    -----
    SmolLM2-135M on two CPUs with AVX-512 (AMD EPYC), milliseconds of a step of 1, 8 and 32 rows.
    Alone: 19, 28 and 69 with one thread, 15, 20 and 41 with two. Beside other programs that used
    both CPUs: 39, 55 and 125 with one, 57, 84 and 232 with two.
    """
    ov = need("openvino", extra="openvino", why="to run a model on this machine")
    watch = CPUWatch()
    tokenizer = _tokenizer(folder)
    core = ov.Core()
    number = threads or watch.free()
    try:
        compiled = core.compile_model(
            _paged(core.read_model(folder / "openvino_model.xml")),
            "CPU",
            {"INFERENCE_NUM_THREADS": number, **EXACT},
        )
    except RuntimeError as error:
        raise ModelError(
            f"{folder} was found, but OpenVINO could not load it: {str(error).strip()[:300]}"
        ) from error
    config = read_json(folder / "config.json") or {}
    generation = read_json(folder / "generation_config.json") or {}
    ends = [config.get("eos_token_id"), generation.get("eos_token_id"), tokenizer.eos_token_id]
    listed = [end for each in ends for end in (each if isinstance(each, list) else [each])]
    context = int(config["max_position_embeddings"])
    request = compiled.create_infer_request()
    return Engine(
        tokenizer=tokenizer,
        ends=frozenset(end for end in listed if end is not None),
        context=context,
        width=compiled.output(0).partial_shape[-1].get_length(),
        how=f"openvino {ov.__version__.split('-')[0]}, {count(number, 'thread')}",
        request=request,
        blocks=_blocks(ov, compiled, request, most_bytes, rows * context),
    )


def _tokenizer(folder: Path) -> Any:
    """The tokenizer in a folder. The class for all of tokenizer.json imports no torch."""
    transformers = need("transformers", extra="openvino", why="to read the model's tokenizer")
    general = (folder / "tokenizer.json").is_file()
    kind = transformers.PreTrainedTokenizerFast if general else transformers.AutoTokenizer
    return kind.from_pretrained(folder, trust_remote_code=False)


def _paged(model: Any) -> Any:
    """The model with blocks of keys and values in place of its state, and few logits as output."""
    import openvino as ov
    from openvino import opset13
    from openvino._offline_transformations import paged_attention_transformation

    paged_attention_transformation(model)
    node = model.outputs[0].get_node()
    while node.get_type_name() != "MatMul":
        node = node.input_value(0).get_node()
    last = opset13.parameter([-1], ov.Type.i64, name=LAST)
    last.output(0).set_names({LAST})
    axis = opset13.constant(np.array(0, np.int64))
    node.input(0).replace_source_output(opset13.gather(node.input_value(0), last, axis).output(0))
    model.add_parameters([last])
    model.validate_nodes_and_infer_types()
    return model


def _blocks(ov: Any, compiled: Any, request: Any, most_bytes: int, tokens: int) -> Blocks:
    """The pool of blocks; its memory is taken by the system as it is first used."""
    caches = [
        (each, [size.get_length() for size in list(each.partial_shape)[1:]])
        for each in compiled.inputs
        if "cache" in each.any_name
    ]
    block = sum(int(np.prod(shape)) * each.element_type.size for each, shape in caches)
    count = max(1, min(most_bytes // block, -(-tokens // TOKENS)))
    for each, shape in caches:
        request.set_tensor(each.any_name, ov.Tensor(each.element_type, ov.Shape([count, *shape])))
    return Blocks(count)
