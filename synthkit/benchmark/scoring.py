"""Scores with intervals, and a table of documents, from the results of lm-eval."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synthkit.core.types import Score
from synthkit.data import tables
from synthkit.evaluate.results import Measured
from synthkit.stats.intervals import wilson
from synthkit.stats.jackknife import jackknife, pseudo_values

SHARES = {"acc", "acc_norm", "acc_bytes", "acc_mutual_info", "exact_match"}
"""Metrics that are shares of documents."""


@dataclass(slots=True)
class TaskScores:
    """The scores of tasks, the metrics without a score, and a row for each document."""

    measured: list[Measured] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)


def scored(
    results: Mapping[str, Any], tasks: Mapping[str, Any], *, chat: bool, seed: int, level: float
) -> TaskScores:
    """The scores in the results of lm-eval's ``evaluate``, by task, filter and metric."""
    scores = TaskScores()
    for key, task in tasks.items():
        samples = results["samples"][key]
        by_filter: dict[str, list[Mapping[str, Any]]] = {}
        for sample in samples:
            by_filter.setdefault(sample["filter"], []).append(sample)
        first = next(iter(by_filter.values()))
        ids = _ids([sample["doc"] for sample in first])
        rows = {
            id: {"task": key, "id": id} | _texts(task, sample)
            for id, sample in zip(ids, first, strict=True)
        }
        how = (
            f"lm-eval {version('lm_eval')}, {results['n-shot'].get(key) or 0} examples, "
            f"{'in turns' if chat else 'as a text'}, {len(ids)} of {len(task.eval_docs)} "
            f"documents, seed {seed}"
        )
        for by, filtered in by_filter.items():
            for metric in dict.fromkeys(name for sample in filtered for name in sample["metrics"]):
                name = metric if len(by_filter) == 1 else f"{metric} ({by})"
                items = {id: s[metric] for id, s in zip(ids, filtered, strict=True) if metric in s}
                score = _score(task, metric, [*items.values()], f"{key} {name}", how, level)
                if isinstance(score, str):
                    scores.left_out[f"{key} {name}"] = score
                    continue
                with_parts = None if score.parts is None else [*items]
                scores.measured.append(Measured("benchmark", score, with_parts))
                for id, item in items.items():
                    if isinstance(item, int | float):
                        rows[id][name] = float(item)
        scores.rows += rows.values()
    return scores


def _score(
    task: Any, metric: str, items: list[Any], name: str, how: str, level: float
) -> Score | str:
    """The score of a metric from its items by document, or the reason why there is none."""
    from lm_eval.api.metrics import bypass_agg, mean

    aggregate, n = task.aggregation().get(metric, mean), len(items)
    if aggregate is bypass_agg:
        return "the task only records answers"
    try:
        value = float(aggregate(items))
        if aggregate is mean:
            parts: NDArray[np.float64] | None = np.asarray(items, np.float64)
            without = (np.sum(items) - np.asarray(items)) / max(1, n - 1)
        else:
            left = range(n if n > 1 else 0)
            without = np.array([float(aggregate(items[:at] + items[at + 1 :])) for at in left])
            parts = pseudo_values(value, without)
    except (TypeError, ValueError, ArithmeticError) as error:
        return f"it has no number on these documents: {error}"
    if not math.isfinite(value):
        return f"it is {value} on these documents"
    low, high = jackknife(value, without, level)
    if metric in SHARES and set(items) <= {0, 1}:
        low, high = wilson(sum(items), n, level)
    better = task.higher_is_better().get(metric)
    return Score(
        name=name, value=value, low=low, high=high, n=n, unit="0..1" if metric in SHARES else "",
        better="" if better is None else "higher" if better else "lower", how=how, level=level,
        parts=parts,
    )  # fmt: skip


def _ids(documents: Sequence[Mapping[str, Any]]) -> list[str]:
    """The documents' own ids if each has a distinct one, otherwise ids made from their content."""
    ids = [document.get("id") for document in documents]
    if None not in ids and len(set(map(str, ids))) == len(ids):
        return [str(id) for id in ids]
    bare = [{key: cell for key, cell in row.items() if key != "id"} for row in documents]
    return [str(id) for id in tables.column(tables.identified(bare), "id")]


def _texts(task: Any, sample: Mapping[str, Any]) -> dict[str, Any]:
    """The right answer as text, and the model's: its text, or its most likely choice."""
    target, responses = sample["target"], sample["filtered_resps"]
    answer = str(responses[0]) if task.OUTPUT_TYPE == "generate_until" else ""
    if task.OUTPUT_TYPE == "multiple_choice" and not task.multiple_input:
        choices = task.doc_to_choice(sample["doc"])
        answer = choices[int(np.argmax([value for value, _ in responses[: len(choices)]]))]
        target = choices[target] if isinstance(target, int) else target
    return {"target": str(target), "answer": str(answer)}
