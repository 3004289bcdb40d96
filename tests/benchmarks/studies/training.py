"""SmolLM2 before and after sft, dpo and kto on real rows: held-out rows, learning rates, seeds.

    OMP_NUM_THREADS=1 python -m tests.benchmarks.studies.training FOLDER [--only dpo kto sft]

The rows are Yelp sentences of 6 to 14 words. For dpo the chosen completion is a positive sentence
and the rejected one a negative sentence; kto reads the same sentences one by one with labels; sft
learns the positive ones. Held-out rows share no sentence with the others. Trainings are cached in
FOLDER, so the study goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import synthkit as sk
from synthkit.core.types import Message, Request
from synthkit.models.hub.sample_data import load_sample
from synthkit.stats.bootstrap import mean_interval
from synthkit.train import TrainedModel

PROMPT = (Message("system", "Write reviews."), Message("user", "One sentence."))
TRAIN, HELD_OUT = 64, 60
SEEDS = (0, 1, 2)
RUNS: dict[str, tuple[tuple[float, int], ...]] = {
    "dpo": ((2e-5, 0), *((1e-4, seed) for seed in SEEDS), (5e-4, 0)),
    "kto": ((2e-5, 0), *((1e-4, seed) for seed in SEEDS), (5e-4, 0)),
    "sft": tuple((2e-4, seed) for seed in SEEDS),
}
"""Learning rates and seeds of each method."""


def sentences() -> dict[str, list[str]]:
    """Distinct sentences by their label, in an order that a seed gives."""
    rows = load_sample("yelp", quiet=True)
    found: dict[str, list[str]] = {"positive": [], "negative": []}
    for text, label in zip(rows["text"], rows["label"], strict=True):
        if 6 <= len(text.split()) <= 14 and text not in found[label]:
            found[label].append(text)
    order = np.random.default_rng(0)
    return {
        label: [str(text) for text in order.permutation(texts)] for label, texts in found.items()
    }


def logprobs(model: Any, texts: Sequence[str]) -> np.ndarray[Any, Any]:
    """(n, 2): the log-probability of each text after the prompt, and its number of tokens."""
    requests = [Request(PROMPT, answer=text) for text in texts]
    scored = dict(filter(None, model.complete(requests)))
    values = [[value for _, value in scored[at].logprobs or ()] for at in range(len(texts))]
    return np.array([[sum(own), len(own)] for own in values])


def scored(model: Any, name: str, held_out: dict[str, list[str]], folder: Path) -> Any:
    """Log-probabilities and numbers of tokens of the held-out sentences, kept in the folder."""
    file = folder / f"{name}.json"
    if not file.is_file():
        values = {label: logprobs(model, texts).tolist() for label, texts in held_out.items()}
        file.write_text(json.dumps(values))
    return {label: np.array(values) for label, values in json.loads(file.read_text()).items()}


def fitted(method: str, rate: float, seed: int, folder: Path) -> TrainedModel:
    """The model of a method, trained now unless that was done."""
    texts = {label: own[:TRAIN] for label, own in sentences().items()}
    prompt = [{"role": turn.role, "content": turn.content} for turn in PROMPT]
    pairs = list(zip(texts["positive"], texts["negative"], strict=True))
    rows: list[dict[str, Any]]
    if method == "dpo":
        rows = [{"prompt": prompt, "chosen": good, "rejected": bad} for good, bad in pairs]
    elif method == "kto":
        rows = [
            {"prompt": prompt, "completion": text, "label": text is good}
            for good, bad in pairs[: TRAIN // 2]
            for text in (good, bad)
        ]
    else:
        rows = [{"prompt": prompt, "completion": good} for good, _ in pairs]
    began = time.process_time()
    model: TrainedModel = getattr(sk.train, method)(
        rows,
        base="smollm2",
        folder=folder,
        seed=seed,
        learning_rate=rate,
        checkpoint_every=100,
    )
    print(f"{method} {rate:g} {seed}: {time.process_time() - began:.0f} CPU-s", flush=True)
    return model


def interval(values: np.ndarray[Any, Any]) -> str:
    """A mean with its bootstrap interval over held-out rows."""
    low, high = mean_interval(values)
    return f"{values.mean():.3f} [{low:.3f}, {high:.3f}]"


def likelier(values: Any) -> np.ndarray[Any, Any]:
    """(n,): whether the positive sentence of each pair has more log-probability a token."""
    a_token = {label: own[:, 0] / own[:, 1] for label, own in values.items()}
    return np.asarray(a_token["positive"] > a_token["negative"], float)


def loss(values: Any) -> np.ndarray[Any, Any]:
    """(n,): the loss a token of each positive sentence."""
    return np.asarray(-values["positive"][:, 0] / values["positive"][:, 1])


def main() -> None:
    """Run what is missing, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", default=list(RUNS), choices=list(RUNS))
    options = parser.parse_args()
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    held_out = {label: own[TRAIN : TRAIN + HELD_OUT] for label, own in sentences().items()}
    untrained = sk.load_model("smollm2", engine="transformers", dtype="float32")
    base = scored(untrained, "base", held_out, folder)
    print(f"untrained: likelier {interval(likelier(base))}, loss {interval(loss(base))}")
    for method in options.only:
        found: dict[float, list[Any]] = {}
        for rate, seed in RUNS[method]:
            model = fitted(method, rate, seed, folder)
            values = scored(model, f"{method}-{rate:g}-{seed}", held_out, folder)
            found.setdefault(rate, []).append(values)
        for rate, runs in found.items():
            margins = [[own[label][:, 0] - base[label][:, 0] for label in base] for own in runs]
            margin = np.mean([good - bad for good, bad in margins], axis=0)
            grew = np.mean([good > bad for good, bad in margins], axis=0)
            gain = np.mean([likelier(own) for own in runs], axis=0) - likelier(base)
            less = loss(base) - np.mean([loss(own) for own in runs], axis=0)
            print(f"{method} {rate:g}, {len(runs)} seeds: margin grew {interval(grew)}, by "
                  f"{interval(margin)}; likelier {interval(gain)}; loss less {interval(less)}",
                  flush=True)  # fmt: skip
            for own, (good, bad) in zip(runs, margins, strict=True):
                means = loss(own).mean(), likelier(own).mean(), (good > bad).mean()
                print("  a seed: loss {:.3f}, likelier {:.3f}, margin grew {:.3f}".format(*means))


if __name__ == "__main__":
    main()
