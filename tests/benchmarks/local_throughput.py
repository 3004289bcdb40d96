"""Tokens a second and peak memory of a local model, beside a bare ``model.generate`` loop.

    python tests/benchmarks/local_throughput.py [--quantize none nf4] [--batch 8 32] [--rounds 5]

Both decode the same prompts with the same weights and batch size. In ``equal`` all prompts have one
length and all rows run to 48 tokens; in ``mixed`` prompts have 5 to 150 words and rows end when the
model ends them, at most after 96 tokens. Rounds of the two alternate in one process, so that a
noisy machine hits both; ``ratio`` is the median of the rounds' ratios of tokens a second, and
``of CPU`` that of tokens a CPU-second, which other processes disturb less when torch has one
thread. Peak memory is that of a process of its own.
"""

from __future__ import annotations

import argparse
import random
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from synthkit.core.types import Message, Request, Sampling
from synthkit.models.transformers.model import Local, load_local

WORDS = "salt river lamp quiet orchard paper window winter bread copper music harbour".split()
NEW = {"equal": 48, "mixed": 96}


def requests(kind: str, count: int, temperature: float) -> list[Request]:
    draw = random.Random(3)
    made = []
    for at in range(count):
        words = 24 if kind == "equal" else draw.randint(5, 150)
        text = " ".join(draw.choice(WORDS) for _ in range(words))
        made.append(
            Request(
                (Message("user", f"Write about this: {text}"),),
                Sampling(
                    temperature=temperature,
                    max_tokens=NEW[kind],
                    extra={"ignore_eos": kind == "equal"},
                ),
                index=at,
            )
        )
    return made


def ours(model: Local, asked: Sequence[Request]) -> int:
    """Tokens that came through ``Local.complete``."""
    return sum(event[1].completion_tokens for event in model.complete(asked) if event)


def bare(engine: Any, asked: Sequence[Request], batch: int, kind: str) -> int:
    """Tokens that came through ``model.generate``, batch after batch, the way a script would."""
    import torch
    from transformers import GenerationConfig

    temperature = asked[0].sampling.temperature or 0.0
    tokenizer = engine.tokenizer
    tokenizer.padding_side = "left"
    config = GenerationConfig(
        max_new_tokens=NEW[kind],
        do_sample=temperature > 0,
        temperature=temperature or None,
        top_k=0 if temperature else None,
        eos_token_id=None if kind == "equal" else sorted(engine.ends),
        pad_token_id=tokenizer.pad_token_id,
    )
    count = 0
    for start in range(0, len(asked), batch):
        texts = [
            tokenizer.apply_chat_template(
                [{"role": "user", "content": request.messages[0].content}],
                tokenize=False,
                add_generation_prompt=True,
            )
            for request in asked[start : start + batch]
        ]
        inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
        with torch.inference_mode():
            out = engine.net.generate(**inputs, generation_config=config)
        new = out[:, inputs["input_ids"].shape[1] :]
        tokenizer.batch_decode(new, skip_special_tokens=True)
        if kind == "equal":
            count += new.numel()
        else:
            ended = torch.isin(new, torch.tensor(sorted(engine.ends)))
            first = torch.where(ended.any(1), ended.int().argmax(1) + 1, new.shape[1])
            count += int(first.sum())
    return count


def timed(run: Callable[[], int]) -> tuple[float, float]:
    """Tokens a second, and a CPU-second."""
    wall, cpu = time.perf_counter(), time.process_time()
    count = run()
    return count / (time.perf_counter() - wall), count / (time.process_time() - cpu)


def compare(quantize: Any, batch: int, kind: str, temperature: float, asked: Any) -> str:
    model = load_local("smollm2", quantize=quantize, max_batch=batch, threads=asked.threads)
    engine = model.load()
    rows = requests(kind, batch if kind == "equal" else 3 * batch, temperature)
    ours(model, rows[:2])
    bare(engine, rows[:2], batch, kind)
    mine, theirs = [], []
    for _ in range(asked.rounds):
        mine.append(timed(lambda: ours(model, rows)))
        theirs.append(timed(lambda: bare(engine, rows, batch, kind)))
    walls, cpus = (
        statistics.median(a[clock] / b[clock] for a, b in zip(mine, theirs, strict=True))
        for clock in (0, 1)
    )
    return (
        f"{quantize:<6} {batch:>5} {kind:<6} {temperature:>4}"
        f"  {statistics.median(rate for rate, _ in theirs):>8.0f}"
        f" {statistics.median(rate for rate, _ in mine):>8.0f} {walls:>6.2f} {cpus:>6.2f}"
    )


def peak(quantize: Any, batch: int, who: str) -> None:
    """Print this process's peak memory in MB after one round of ``mixed``."""
    model = load_local("smollm2", quantize=quantize, max_batch=batch)
    asked = requests("mixed", 2 * batch, 0.0)
    if who == "ours":
        ours(model, asked)
    else:
        bare(model.load(), asked, batch, "mixed")
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quantize", nargs="+", default=["none", "nf4"])
    parser.add_argument("--batch", nargs="+", type=int, default=[8, 32])
    parser.add_argument("--temperature", nargs="+", type=float, default=[0.0, 0.7])
    parser.add_argument("--threads", type=int, help="1 makes the CPU ratio independent of others")
    parser.add_argument("--kind", nargs="+", choices=list(NEW), default=list(NEW))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peak", choices=["ours", "bare"], help="used by itself")
    asked = parser.parse_args()
    if asked.peak:
        peak(asked.quantize[0], asked.batch[0], asked.peak)
        return
    print(
        f"{'weight':<6} {'batch':>5} {'rows':<6} {'temp':>4}  {'generate':>8} {'synthkit':>8} ratio"
    )
    for quantize in asked.quantize:
        for batch in asked.batch:
            for kind in asked.kind:
                for temperature in asked.temperature:
                    print(compare(quantize, batch, kind, temperature, asked), flush=True)
    print(f"\n{'weight':<6} {'batch':>5}  {'generate MB':>11} {'synthkit MB':>11}  peak resident")
    for quantize in asked.quantize:
        for batch in asked.batch:
            sizes = [
                subprocess.run(
                    [
                        *[sys.executable, __file__, "--quantize", quantize],
                        *["--batch", str(batch), "--peak", who],
                    ],
                    capture_output=True,
                    text=True,
                    check=True,
                ).stdout.strip()
                for who in ("bare", "ours")
            ]
            print(f"{quantize:<6} {batch:>5}  {sizes[0]:>11} {sizes[1]:>11}", flush=True)


if __name__ == "__main__":
    main()
