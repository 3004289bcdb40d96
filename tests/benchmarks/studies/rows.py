"""The rows of the studies: those that a small model writes, and real ones to measure them by."""

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
"""That are asked for of each condition and seed, equally many of every label."""
USUAL = 0.7
"""The temperature where it is not what is studied."""
TEMPERATURES = (0.3, USUAL, 1.0, 1.3)
"""Those of the plain prompt."""
TEST = {"yelp": 0.4, "trec": 0.2}
"""The share of distinct real texts that are for the test."""


def written(name, condition, seed, model, session, *, temperature=USUAL):
    """The run of one condition, ``plain`` or ``attributed``; what is held is not asked again."""
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
    """For each seed the rows of every condition, equally many, and real ones beside them."""
    conditions = [("attributed", USUAL), *(("plain", warmth) for warmth in TEMPERATURES)]
    runs = [
        {
            (way, warmth): written(name, way, seed, model, session, temperature=warmth).table
            for way, warmth in conditions
        }
        for seed in range(seeds)
    ]
    each = min(table["label"].value_counts().min() for made in runs for table in made.values())
    found = []
    for seed, made in enumerate(runs):
        train, test = held_out(distinct_rows(name, 10_000, 0), TEST[name], seed=seed)
        oracle = fit(train["text"].tolist(), train["label"].tolist(), embed=tools.embed)
        equal = {way: table.groupby("label").head(each) for way, table in made.items()}
        drawn = train.groupby("label").sample(each, random_state=seed)
        found.append(Seeded(name, seed, equal, drawn, train, test, oracle))
    return found


@dataclass(frozen=True)
class Seeded:
    """What one seed has of one set.

    ``made`` is (condition, temperature) -> rows; ``real`` has as many rows of each label; ``train``
    are all real rows that are not in ``test``, and ``oracle`` the student that learned from them.
    """

    name: str
    seed: int
    made: dict[tuple[str, float], Any]
    real: Any
    train: Any
    test: Any
    oracle: EmbeddingClassifier

    def measures(self, table, tools):
        return measured(table, self.real, self.test, self.oracle, tools)

    def measures_of_real(self, tools):
        """Those of the real rows; the oracle, which has learned these, is judged on the test."""
        said = self.oracle.predict(self.test["text"].tolist())
        sure = float((self.test["label"] == said).mean())
        return self.measures(self.real, tools) | {"label accuracy": sure}
