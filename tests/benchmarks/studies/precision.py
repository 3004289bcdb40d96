"""What precisions and engines change: next tokens of SmolLM2-135M against those of float32.

    python -m tests.benchmarks.studies.precision

Greedy answers of float32, of 32 tokens at most, are read again token by token. At each position the
distribution of the next token is compared: its Kullback-Leibler divergence from that of float32,
whether the likeliest token is the same, and the change of the log-probability of the token that
float32 chose, with its mean size. On 2026-11-29, 560 positions, AMD EPYC with AVX-512 and bf16:

| precision | divergence, nats | likeliest token equal | log-probability | its size |
|---|---|---|---|---|
| bfloat16 | 0.0014 | 0.970 | +0.005 | 0.032 |
| OpenVINO | 0.0060 | 0.932 | -0.018 | 0.062 |
| int8 | 0.0315 | 0.852 | -0.040 | 0.152 |
| nf4 | 0.3955 | 0.605 | -0.504 | 0.709 |
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.types import Message, Request, Sampling
from synthkit.models.local_model import Local, load_local
from synthkit.models.openvino.blocks import TOKENS
from synthkit.models.openvino.weights import Part

TOPICS = "bread soup service wine table waiter garden street coffee rain".split()
PROMPTS = [
    f"Write one {side} sentence that a guest might post about a restaurant's {topic}."
    for topic in TOPICS
    for side in ("positive", "negative")
] + ["What is the capital of France?", "Name three animals that live in the sea."]
OTHERS: dict[str, dict[str, Any]] = {
    "bfloat16": {"engine": "transformers", "dtype": "bfloat16"},
    "OpenVINO": {"engine": "openvino"},
    "int8": {"quantize": "int8", "dtype": "float32"},
    "nf4": {"quantize": "nf4", "dtype": "float32"},
}
Read = tuple[list[int], list[int]]
"""The tokens of a prompt and of its answer."""


def answered(model: Local) -> list[Read]:
    """The prompts, and what the model answers at temperature 0."""
    engine, chat = model._load(model.engine)
    sampling = Sampling(temperature=0, max_tokens=32)
    requests = [Request((Message("user", prompt),), sampling) for prompt in PROMPTS]
    answers = dict(event for event in model.complete(requests) if event is not None)
    return [
        (
            chat.prompt(request, engine.ends)[0],
            engine.tokenizer(answers[at].text, add_special_tokens=False)["input_ids"],
        )
        for at, request in enumerate(requests)
    ]


def distributions(model: Local, texts: list[Read]) -> Iterator[NDArray[np.float64]]:
    """(tokens, vocabulary) log-probabilities before each token of each answer."""
    engine: Any = model.load()
    for prompt, answer in texts:
        if model.engine == "openvino":
            blocks = list(range(-(-(len(prompt) + len(answer)) // TOKENS)))
            parts = [Part(prompt, 0, blocks, True)]
            parts += [
                Part([token], at, blocks, True) for at, token in enumerate(answer[:-1], len(prompt))
            ]
            logits = np.concatenate([engine.forward([part]) for part in parts])
        else:
            import torch

            out = engine.forward(input_ids=torch.tensor([prompt + answer]))
            logits = out.logits[0, len(prompt) - 1 : -1].float().numpy()
        shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
        yield shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def main() -> None:
    """Print the table."""
    reference = load_local("smollm2", engine="transformers", dtype="float32")
    texts = answered(reference)
    expected = np.concatenate(list(distributions(reference, texts)))
    chosen = np.concatenate([answer for _, answer in texts])
    print(f"{len(chosen)} positions")
    print("| precision | divergence, nats | likeliest token equal | log-probability | its size |")
    print("|---|---|---|---|---|")
    for name, options in OTHERS.items():
        found = np.concatenate(list(distributions(load_local("smollm2", **options), texts)))
        divergence = (np.exp(expected) * (expected - found)).sum(axis=1)
        equal = expected.argmax(axis=1) == found.argmax(axis=1)
        change = (found - expected)[np.arange(len(chosen)), chosen]
        print(
            f"| {name} | {divergence.mean():.4f} | {equal.mean():.3f} | {change.mean():+.3f} "
            f"| {np.abs(change).mean():.3f} |"
        )


if __name__ == "__main__":
    main()
