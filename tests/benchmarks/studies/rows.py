"""The rows of the studies: rows that a small model writes, and real rows for comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from synthkit.core.types import Sampling
from synthkit.evaluate.metrics.learners import held_out
from synthkit.generation.job import generate
from synthkit.recipes._attrprompt import attrprompt
from synthkit.recipes._zerogen import zerogen
from synthkit.stats.classifier import EmbeddingClassifier, fit
from tests.benchmarks.curation.data import distinct_rows
from tests.benchmarks.studies.measures import measured
from tests.benchmarks.studies.prompts import TASKS

ROWS = 150
"""Rows requested for each condition and seed, the same number for every label."""
USUAL = 0.7
"""The temperature of the studies that do not vary it."""
TEMPERATURES = (0.3, USUAL, 1.0, 1.3)
"""Temperatures of the plain prompt."""
TEST = {"yelp": 0.4, "trec": 0.2}
"""The share of distinct real texts in the test set."""


def written(name, condition, seed, model, session, *, temperature=USUAL):
    """The run of one condition, ``plain`` or ``attributed``; cached completions are reused."""
    task = TASKS[name]
    sampling = Sampling(temperature=temperature, max_tokens=40, seed=seed, stop=("\n",))
    if condition == "plain":
        recipe = zerogen(task.plain, labels=task.labels, n=ROWS, sampling=sampling)
    else:
        recipe = attrprompt(
            task.attributed, vary=task.vary, labels=task.labels, n=ROWS, sampling=sampling
        )
    return generate(recipe, model=model, session=session)


def gathered(name, seeds, model, session, tools):
    """For each seed, the same number of rows for every condition, and real rows."""
    conditions = [("attributed", USUAL), *(("plain", warmth) for warmth in TEMPERATURES)]
    runs = [
        {
            (way, warmth): written(name, way, seed, model, session, temperature=warmth).table
            for way, warmth in conditions
        }
        for seed in range(seeds)
    ]
    each = min(table["label"].value_counts().min() for tables in runs for table in tables.values())
    found = []
    for seed, tables in enumerate(runs):
        train, test = held_out(distinct_rows(name, 10_000, 0), TEST[name], seed=seed)
        oracle = fit(train["text"].tolist(), train["label"].tolist(), embed=tools.embed)
        equal = {way: table.groupby("label").head(each) for way, table in tables.items()}
        drawn = train.groupby("label").sample(each, random_state=seed)
        found.append(Seeded(name, seed, equal, drawn, train, test, oracle))
    return found


@dataclass(frozen=True)
class Seeded:
    """The tables of one data set and one seed.

    ``tables`` is (condition, temperature) -> rows; ``real`` has as many rows of each label;
    ``train`` has all real rows outside ``test``; ``oracle`` is the classifier trained on them.
    """

    name: str
    seed: int
    tables: dict[tuple[str, float], Any]
    real: Any
    train: Any
    test: Any
    oracle: EmbeddingClassifier

    def measures(self, table, tools):
        return measured(table, self.real, self.test, self.oracle, tools)

    def measures_of_real(self, tools):
        """The measures of the real rows; label accuracy is that of the oracle on the test rows."""
        predicted = self.oracle.predict(self.test["text"].tolist())
        right = float((self.test["label"] == predicted).mean())
        return self.measures(self.real, tools) | {"label accuracy": right}
