"""One measurement of ``local_engines``, in a process of its own: prints the figures as JSON.

It imports nothing of synthkit before the engine, so that llama.cpp may have another interpreter.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

STARTED = time.perf_counter()
ENGINES: dict[str, dict[str, Any]] = {
    "fp32": {"engine": "transformers", "dtype": "float32", "quantize": "none"},
    "bf16": {"engine": "transformers", "dtype": "bfloat16", "quantize": "none"},
    "nf4": {"engine": "transformers", "quantize": "nf4"},
    "openvino": {"engine": "openvino"},
    "generate": {"engine": "transformers"},
    "llama.cpp": {},
    "default": {},
    "old": {},
}
FIXED = ("fp32", "bf16", "nf4", "openvino")
AS_IT_COMES = ("default", "old")
CASES = {"1": 1, "8": 8, "32": 32, "short": 8, "shared": 64, "apart": 64}
PACKAGES = ["torch", "transformers", "bitsandbytes", "openvino", "llama-cpp-python"]
WORDS = "salt river lamp quiet orchard paper window winter bread copper music harbour".split()
TEMPLATE = (
    "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face"
    "<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
)
TEMPERATURE = 0.7
Prompt = tuple[str, int]
"""A user's turn and the number of tokens to write."""
Record = dict[str, Any]


def prompts(case: str, count: int, round: int = 0, rounds: int = 1) -> list[Prompt]:
    """The prompts of a case in a round, the same for each engine."""
    draw, lengths = random.Random(3), random.Random(4)

    def words(number: int) -> str:
        return " ".join(draw.choice(WORDS) for _ in range(number))

    if case == "short":
        return [(words(8), 24) for _ in range(CASES[case])]
    if case in ("shared", "apart"):
        first = words(300)
        return [
            (f"{first if case == 'shared' else words(300)} {words(20)}", lengths.randint(24, 48))
            for _ in range(CASES[case])
        ]
    mixed = [(words(draw.randint(20, 400)), draw.randint(10, 200)) for _ in range(count)]
    part = mixed[round::rounds]
    return part[: max(1, len(part) // 8)] if case == "1" else part


class Synthkit:
    """An engine of synthkit; ``rows`` of ``None`` leaves their number open."""

    estimate = 0.0
    """Peak memory in MB that is foreseen before the weights are loaded."""

    def __init__(self, options: dict[str, Any], rows: int | None, plain_loop: bool) -> None:
        from synthkit import load_model

        self.rows, self.plain_loop = rows, plain_loop
        self.model: Any = load_model("smollm2", **options, **({"max_batch": rows} if rows else {}))
        place = "synthkit.models.{}.memory"  # which differs in older checkouts
        memory = sys.modules.get(place.format("local")) or sys.modules[place.format("transformers")]
        check = memory.preflight

        def preflight(name: str, needed: int, *rest: Any) -> None:
            self.estimate = megabytes("VmRSS") + needed / 1e6
            check(name, needed, *rest)

        memory.__dict__["preflight"] = preflight

    def load(self) -> None:
        self.engine = self.model.load()

    def run(self, batch: Sequence[Prompt]) -> tuple[int, int]:
        """The tokens read and written."""
        if self.plain_loop:
            return self._generate(batch)
        from synthkit.core.types import Message, Request, Sampling

        requests = [
            Request(
                (Message("user", text),),
                Sampling(temperature=TEMPERATURE, max_tokens=most, extra={"ignore_eos": True}),
                index=at,
            )
            for at, (text, most) in enumerate(batch)
        ]
        done = [event[1] for event in self.model.complete(requests) if event]
        return sum(c.prompt_tokens for c in done), sum(c.completion_tokens for c in done)

    def _generate(self, batch: Sequence[Prompt]) -> tuple[int, int]:
        import torch

        tokenizer, read = self.engine.tokenizer, 0
        tokenizer.padding_side = "left"
        for at in range(0, len(batch), self.rows or 1):
            part = batch[at : at + (self.rows or 1)]
            texts = [TEMPLATE.format(text) for text, _ in part]
            inputs = tokenizer(texts, return_tensors="pt", padding=True, add_special_tokens=False)
            most = max(most for _, most in part)
            with torch.inference_mode():
                self.engine.net.generate(
                    **inputs,
                    do_sample=True,
                    temperature=TEMPERATURE,
                    top_k=0,
                    max_new_tokens=most,
                    min_new_tokens=most,
                )
            read += int(inputs["attention_mask"].sum())
        return read, sum(most for _, most in batch)


class LlamaCpp:
    """llama.cpp with rows that join and leave a batch."""

    estimate = 0.0

    def __init__(self, gguf: str, rows: int, threads: int) -> None:
        import llama_cpp

        self.cpp: Any = llama_cpp
        self.gguf, self.rows = gguf, rows
        self.threads = threads or len(os.sched_getaffinity(0))

    def load(self) -> None:
        cpp = self.cpp
        model = cpp.llama_model_load_from_file(self.gguf.encode(), cpp.llama_model_default_params())
        options = cpp.llama_context_default_params()
        options.n_seq_max, options.n_ctx = self.rows, self.rows * 768
        options.n_threads = options.n_threads_batch = self.threads
        self.context = cpp.llama_init_from_model(model, options)
        self.vocabulary = cpp.llama_model_get_vocab(model)
        self.most = cpp.llama_n_batch(self.context)
        self.batch = cpp.llama_batch_init(self.most, 0, 1)
        self.sampler = cpp.llama_sampler_chain_init(cpp.llama_sampler_chain_default_params())
        for step in (cpp.llama_sampler_init_temp(TEMPERATURE), cpp.llama_sampler_init_dist(3)):
            cpp.llama_sampler_chain_add(self.sampler, step)

    def tokens(self, text: str) -> list[int]:
        raw = TEMPLATE.format(text).encode()
        ids = (self.cpp.llama_token * len(raw))()
        return list(
            ids[: self.cpp.llama_tokenize(self.vocabulary, raw, len(raw), ids, len(raw), 0, 1)]
        )

    def run(self, batch: Sequence[Prompt]) -> tuple[int, int]:
        """The tokens read and written."""
        waiting = [(self.tokens(text), most) for text, most in batch]
        read, free = sum(len(ids) for ids, _ in waiting), list(range(self.rows))
        placed: dict[int, tuple[list[int], int, int]] = {}  # place: (unread, position, left)
        while waiting or placed:
            while waiting and free:
                ids, left = waiting.pop(0)
                placed[free.pop()] = (ids, 0, left)
            ends = self._fill(placed)
            if self.cpp.llama_decode(self.context, self.batch):
                raise RuntimeError("llama_decode failed")
            for place, at in ends.items():
                token = self.cpp.llama_sampler_sample(self.sampler, self.context, at)
                _, position, left = placed[place]
                placed[place] = ([token], position, left - 1)
                if left == 1:
                    del placed[place]
                    free.append(place)
                    memory = self.cpp.llama_get_memory(self.context)
                    self.cpp.llama_memory_seq_rm(memory, place, -1, -1)
        return read, sum(most for _, most in batch)

    def _fill(self, placed: dict[int, tuple[list[int], int, int]]) -> dict[int, int]:
        """Fill the batch, short rows first; place -> where the last token of a row is in it."""
        batch, used, ends = self.batch, 0, {}
        for place in sorted(placed, key=lambda place: len(placed[place][0])):
            unread, position, left = placed[place]
            part = unread[: self.most - used]
            for at, token in enumerate(part):
                batch.token[used], batch.pos[used] = token, position + at
                batch.n_seq_id[used], batch.seq_id[used][0] = 1, place
                batch.logits[used] = at == len(unread) - 1
                used += 1
            if batch.logits[used - 1] and part:
                ends[place] = used - 1
            placed[place] = (unread[len(part) :], position + len(part), left)
        batch.n_tokens = used
        return ends


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def megabytes(name: str) -> float:
    """The memory of this process that the system calls ``name``: VmRSS now, VmHWM at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(name))


@contextmanager
def importing(spent: dict[str, float]) -> Iterator[None]:
    """Add the seconds of all imports, in any thread, to ``spent``."""
    from importlib import _bootstrap  # type: ignore[attr-defined]

    real, depth = _bootstrap._find_and_load, 0

    def timed(*arguments: Any) -> Any:
        nonlocal depth
        began, used, depth = time.perf_counter(), cpu(), depth + 1
        try:
            return real(*arguments)
        finally:
            depth -= 1
            if not depth:
                spent["import"] = spent.get("import", 0.0) + time.perf_counter() - began
                spent["import_cpu"] = spent.get("import_cpu", 0.0) + cpu() - used

    _bootstrap._find_and_load = timed
    try:
        yield
    finally:
        _bootstrap._find_and_load = real


def measure(job: Record) -> Record:
    """The figures of this process: seconds, CPU-seconds, tokens and MB."""
    name, threads, case = job["engine"], job["threads"], job["case"]
    rows = CASES[case]
    spent: dict[str, float] = {}
    with importing(spent):
        engine: Synthkit | LlamaCpp
        if name == "llama.cpp":
            engine = LlamaCpp(job["gguf"], rows, threads)
        else:
            options = ENGINES[name] | ({"threads": threads} if threads else {})
            engine = Synthkit(options, None if name in AS_IT_COMES else rows, name == "generate")
        engine.load()
    figures = {"load": time.perf_counter() - STARTED, "load_cpu": cpu()} | spent
    figures["loaded_mb"] = megabytes("VmHWM")
    work = prompts(case, job["prompts"], job["round"], job["rounds"])
    began = time.perf_counter()
    engine.run([(" ".join(WORDS * 5), 1)])
    figures["first"] = time.perf_counter() - began
    began, used = time.perf_counter(), cpu()
    parts = [[each] for each in work] if case == "1" else [work]
    done = [engine.run(part) for part in parts]
    figures |= {"seconds": time.perf_counter() - began, "cpu_seconds": cpu() - used}
    figures |= {"read": sum(a for a, _ in done), "written": sum(b for _, b in done)}
    figures |= {"peak_mb": megabytes("VmHWM"), "estimate_mb": engine.estimate}
    assert figures["written"] == sum(most for part in parts for _, most in part)
    how = getattr(getattr(engine, "engine", None), "how", "")
    return figures | {"how": how, "versions": versions()}


def versions() -> str:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return ", ".join(f"{package} {version}" for package, version in found.items())


if __name__ == "__main__":
    print(json.dumps(measure(json.loads(sys.argv[1]))))
