"""SmolLM2 on real rows before and after a short fine-tuning, compared document by document.

    python -m tests.benchmarks.studies.benchmark_before_after [--data yelp trec] [--seed 0]

LoRA (rank 8, q and v projections, float32, AdamW at 1e-3) is trained on the label words after the
prompt, with 8 training rows per step. Both models are then benchmarked on the same test rows, which
share no text with the training rows.

25 November 2026, seed 0, 100 test rows, 30 steps; 1.8 minutes of CPU for Yelp, 2.6 for TREC, on one
thread:

| score | before | after | after - before |
|---|---|---|---|
| yelp acc | 0.88 [0.802, 0.93] | 0.92 [0.85, 0.959] | +0.04 [-0.01, +0.1], not significant |
| yelp acc_norm | 0.88 [0.802, 0.93] | 0.92 [0.85, 0.959] | +0.04 [-0.01, +0.1], not significant |
| trec acc | 0.4 [0.309, 0.498] | 0.63 [0.532, 0.718] | +0.23 [+0.08, +0.36] |
| trec acc_norm | 0.44 [0.347, 0.538] | 0.61 [0.512, 0.7] | +0.17 [+0.05, +0.28] |

Intervals are over documents. This is one training run: runs with other rows would differ too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import synthkit as sk
from synthkit.benchmark import benchmark, compare, task
from synthkit.models.hub import catalog
from synthkit.models.in_memory import loaded
from synthkit.models.transformers.loading import quiet
from synthkit.prompts.templates import parse

TASKS = {
    "yelp": ("Review: {{ text }}\nSentiment:", {"positive": "positive", "negative": "negative"}),
    "trec": (
        "Question: {{ text }}\nThe answer is a",
        {
            "ABBR": "abbreviation",
            "DESC": "description",
            "ENTY": "thing",
            "HUM": "person",
            "LOC": "place",
            "NUM": "number",
        },
    ),
}
BATCH = 8


def split(data, n, seed):
    """n test rows, and the remaining rows, with distinct texts."""
    rows = sk.load_sample(data, quiet=True).drop_duplicates("text")
    rows = rows.sample(frac=1, random_state=seed, ignore_index=True)
    return rows[:n], rows[n:]


def train(net, tokenizer, pairs, steps):
    """Losses of a few steps of AdamW on the tokens of the answers only."""
    import torch

    net.train()
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    adam = torch.optim.AdamW(weights, lr=1e-3)
    losses = []
    for step in range(steps):
        batch = pairs[step * BATCH : (step + 1) * BATCH]
        texts = [
            (tokenizer(question)["input_ids"], tokenizer(" " + answer)["input_ids"])
            for question, answer in batch
        ]
        width = max(len(question) + len(answer) for question, answer in texts)
        ids = torch.zeros(len(texts), width, dtype=torch.long)
        labels = torch.full_like(ids, -100)
        for at, (question, answer) in enumerate(texts):
            end = len(question) + len(answer)
            ids[at, :end] = torch.tensor(question + answer)
            labels[at, len(question) : end] = torch.tensor(answer)
        # padded on the right: attention is causal, so the padding has no effect
        loss = net(input_ids=ids, labels=labels).loss
        loss.backward()
        adam.step()
        adam.zero_grad()
        losses.append(float(loss.detach()))
    return losses


def study(data, n, steps, seed, session):
    """The scores before and after, their differences, and the loss of each step."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer

    prompt, words = TASKS[data]
    test, rest = split(data, n, seed)
    spec = task(test, prompt, label="label", choices=words, name=data)
    folder = catalog.fetch("smollm2")
    torch.manual_seed(seed)
    with quiet():
        tokenizer = AutoTokenizer.from_pretrained(folder)
        net = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
        net = get_peft_model(net, LoraConfig(r=8, target_modules=["q_proj", "v_proj"]))
    before = benchmark(loaded(net, tokenizer, raw=True, name="before"), spec, session=session)
    template = parse(prompt)
    pairs = [(template.ask({"text": row.text}), words[row.label]) for row in rest.itertuples()]
    losses = train(net, tokenizer, pairs, steps)
    after = benchmark(loaded(net, tokenizer, raw=True, name="after"), spec, session=session)
    return before, after, compare(after, before), losses


def main():
    """Print the scores of each data set as lines of a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=list(TASKS), choices=TASKS)
    parser.add_argument("--n", type=int, default=100)
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, sk.Session(Path(folder)) as session:
        for data in options.data:
            began = time.perf_counter()
            before, after, gaps, losses = study(
                data, options.n, options.steps, options.seed, session
            )
            for name, gap in gaps.items():
                print(f"| {name} | {before[name]} | {after[name]} | {gap} |", flush=True)
            k = max(1, len(losses) // 4)
            print(
                f"loss {sum(losses[:k]) / k:.2f} -> {sum(losses[-k:]) / k:.2f}, "
                f"{time.perf_counter() - began:.0f} s",
                flush=True,
            )


if __name__ == "__main__":
    main()
